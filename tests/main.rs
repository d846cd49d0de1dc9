//! End-to-end tests: real repositories, the real binary, real git.
#![expect(unreachable_pub, clippy::unwrap_used, reason = "tests say what they hold in their names")]

mod approvals;
mod architecture;
mod base;
mod commands;
mod comparison;
mod corpus;
mod crash;
mod declarations;
mod demo;
mod diff;
mod epochs;
mod evidence;
mod fanout;
mod faults;
mod gc;
mod hostile;
mod isolation;
mod keys;
mod language;
mod ledger;
mod mandate;
mod oracle;
mod overriding;
mod pins;
mod random;
mod reports;
mod runner;
mod runtime;
mod secrets;
mod settled;
mod spine;
mod submit;
mod support;
mod syntax;
mod trust;
