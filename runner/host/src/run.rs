//! A run: carries out what the scheduler decides and reports what came of it.
//!
//! One thread owns the scheduler, the sources and the memory; workers prepare, run and collect stages
//! and report back over one channel, so that every event has its place in one line.

mod approver;
mod carry;
mod crew;
mod engine;
mod fingerprint;
mod foresee;
mod gatekeeper;
mod heal;
mod lists;
mod look;
mod mailbox;
mod options;
mod outcome;
mod part;
mod planner;
mod prepare;
mod problem;
mod recall;
mod redact;
mod results;
mod secrets;
mod serve;
mod service;
mod settled;
mod signals;
mod stop;
mod sweep;
mod tail;
mod visit;
mod waiting;
mod worker;

pub use approver::{ApprovalOutcome, Approving, Standing, facts as approval_facts};
pub use engine::run;
pub use foresee::Foreseen;
pub use gatekeeper::{GatePolicy, InForce, Overriding};
pub use lists::Grow;
pub use look::Lookup;
pub use options::{Confirm, Foreign, Notice, Objects, Others, RunError, RunOptions, ServiceNews};
pub use outcome::{Attempt, GateOutcome, RunOutcome, StageOutcome};
pub use planner::{Fault, Planner, Product};
pub use prepare::Prepared;
pub use problem::Problem;
pub use secrets::SecretValues;
pub use settled::{Settled, Settlement, keys};
pub use stop::Stop;
pub use visit::Visit;
