//! Orgo's effects: keys, the git ledger and its verification.
//!
//! * [`key`]: private keys and the user's folder.
//! * [`git`]: repositories; the only home of libgit2.

pub mod git;
pub mod key;
