//! The knowledge spine's own stages as pure functions: folders and bytes in, files out.
//!
//! [`ingest`] → [`extract`] → [`resolve`] → [`decide`] → [`validate`] → [`exchange`] → [`pack`] → [`query`].
//! Each takes what it reads as a [`ReadFolder`] and writes to a [`WriteFolder`]; larger-than-memory sorting
//! goes through a [`Spill`]. The crate opens, maps and starts nothing itself.
//!
//! INVARIANT: what a stage writes is a function of what it reads. No clock, host, thread count or order of
//! insertion shows in any byte: times are the build clock (the newest `retrieved_at`), ids follow from content.

mod csv;
pub mod decide;
mod entities;
mod error;
pub mod exchange;
pub mod extract;
mod folder;
pub mod ingest;
mod lines;
pub mod pack;
pub mod query;
pub mod resolve;
mod sort;
mod tool;
pub mod validate;

pub use error::{Refusal, SpineError};
pub use folder::{MemoryFolder, MemorySpill, ReadFolder, ReadSeek, Spill, SpillFile, WriteFolder, read_all};

/// Version of these stages; it stands in every artifact they make.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
