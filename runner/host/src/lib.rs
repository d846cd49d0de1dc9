//! Orgo's effects: files, processes, the object store, git, keys and the clock.
//!
//! * [`evidence`]: stores outside, where what records name is mirrored.
//! * [`workspace`]: the places of one repository; [`store`]: content by digest, results by key.
//! * [`sources`], [`tools`]: what stages read, known by content.
//! * [`process`], [`sandbox`]: one attempt of one stage; [`isolation`]: what is kept away from it.
//! * [`kept`]: what stages that failed left, for people to look around in.
//! * [`cache`]: results from elsewhere, as a file or a folder, and what the store holds.
//! * [`gc`]: what must stay in the object store, and taking out the rest.
//! * [`approvals`], [`overrides`]: what people signed, as files; [`memory`], [`journal`]: what runs leave behind.
//! * [`run`]: carries out what the kernel's scheduler decides.
//! * [`watch`]: notices when what a run read is not any more what it was.
//! * [`declared`]: what a commit or a folder declares.
//! * [`key`]: private keys and the user's folder; [`git`]: repositories; the only home of libgit2.
//! * [`mandate`]: bundles of policy, read from folders, trees and evidence.
//! * [`ledger`]: the branch of signed records; [`verify`]: everything about it, checked from a clone.

pub mod approvals;
pub mod cache;
pub mod clock;
pub mod declared;
pub mod documents;
pub mod evidence;
pub mod file;
pub mod folder;
pub mod gc;
pub mod git;
pub mod isolation;
pub mod journal;
pub mod kept;
pub mod key;
pub mod ledger;
pub mod machine;
pub mod mandate;
pub mod memory;
pub mod overrides;
pub mod process;
pub mod run;
pub mod sandbox;
pub mod sources;
pub mod store;
mod terminal;
pub mod tools;
pub mod trace;
pub mod verify;
pub mod watch;
pub mod workspace;
