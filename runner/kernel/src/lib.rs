//! Orgo's decisions, without effects: what is read, started or written is the host's business.
//!
//! * [`approval`]: whether enough people approved.
//! * [`declared`]: everything that a tree of files declares; [`review`]: what a change does to it.
//! * [`blueprint`]: the plan of a blueprint beside the pipeline that names it.
//! * [`enforced`]: what production trust asks of a plan.
//! * [`expand`]: declared pipelines become resolved ones ([`plan`]), on a dense [`graph`].
//! * [`collect`]: what may leave the object store, and why.
//! * [`pick`]: what goes into a cache pack that is bounded.
//! * [`key`]: stage keys, which are Remote Execution API `Action` digests; [`why`] tells them apart.
//! * [`gate`]: verdicts over reports; the only source of the token that lets compilers run.
//! * [`grants`]: what a change takes beyond what its base grants.
//! * [`policy`]: what the policies of a mandate say.
//! * [`pins`]: what a plan takes in from outside, and what of it a lock pins.
//! * [`scheduler`]: the state machine that a run is.

pub mod approval;
pub mod blueprint;
pub mod collect;
pub mod declared;
pub mod enforced;
pub mod expand;
pub mod gate;
pub mod grants;
pub mod graph;
pub mod key;
pub mod path;
#[cfg(test)]
mod people;
pub mod pick;
pub mod pins;
pub mod plan;
pub mod policy;
pub mod review;
pub mod scheduler;
pub mod trace;
pub mod why;
