//! Orgo's effects: keys, the git ledger and its verification.
//!
//! * [`key`]: private keys and the user's folder.
//! * [`git`]: repositories; the only home of libgit2.
//! * [`ledger`]: the branch of signed records: reading and appending.
//! * [`verify`]: everything about a ledger, checked again from a clone.

pub mod git;
pub mod key;
pub mod ledger;
pub mod verify;
