//! Orgo's effects: keys, the git ledger and its verification.
//!
//! * [`key`]: private keys and the user's folder.

pub mod key;
