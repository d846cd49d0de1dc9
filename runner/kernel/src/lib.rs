//! Orgo's decisions, without effects: what is read, started or written is the host's business.
//!
//! * [`blueprint`]: the plan of a blueprint beside the pipeline that names it.
//! * [`expand`]: declared pipelines become resolved ones ([`plan`]), on a dense [`graph`].
//! * [`key`]: stage keys, which are Remote Execution API `Action` digests; [`why`] tells them apart.
//! * [`gate`]: verdicts over reports; the only source of the token that lets compilers run.
//! * [`pins`]: what a plan takes in from outside, and what of it a lock pins.
//! * [`scheduler`]: the state machine that a run is.

pub mod blueprint;
pub mod expand;
pub mod gate;
pub mod graph;
pub mod key;
pub mod path;
pub mod pins;
pub mod plan;
pub mod scheduler;
pub mod why;
