//! Orgo's decisions, without effects: what is read, started or written is the host's business.
//!
//! * [`expand`]: declared pipelines become resolved ones ([`plan`]), on a dense [`graph`].
//! * [`collect`]: what may leave the object store, and why.
//! * [`key`]: stage keys, which are Remote Execution API `Action` digests; [`why`] tells them apart.
//! * [`gate`]: verdicts over reports; the only source of the token that lets compilers run.
//! * [`scheduler`]: the state machine that a run is.

pub mod approval;
pub mod collect;
pub mod expand;
pub mod gate;
pub mod graph;
pub mod key;
pub mod path;
pub mod plan;
pub mod policy;
pub mod scheduler;
pub mod why;
