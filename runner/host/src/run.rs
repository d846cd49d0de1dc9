//! A run: carries out what the scheduler decides and reports what came of it.
//!
//! One thread owns the scheduler, the sources and the memory; workers prepare, run and collect stages
//! and report back over one channel, so that every event has its place in one line.

mod engine;
mod fingerprint;
mod gatekeeper;
mod heal;
mod look;
mod outcome;
mod part;
mod problem;
mod recall;
mod redact;
mod secrets;
mod signals;
mod worker;

pub use engine::{Notice, RunError, RunOptions, run};
pub use gatekeeper::GatePolicy;
pub use look::{Foreseen, Lookup, Planner, Prepared, Product};
pub use outcome::{Attempt, GateOutcome, RunOutcome, StageOutcome};
pub use problem::Problem;
pub use secrets::SecretValues;
