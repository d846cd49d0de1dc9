//! Orgo's language and documents: bytes in, values out.
//!
//! * [`canonical`]: strict JSON in, canonical bytes out.
//! * [`document`]: KDL text to a tree with spans, and the toolkit that decodes trees into types.
//! * [`project`], [`pipeline`]: what engineers write.
//! * [`signature`]: keys, DSSE envelopes, SSH signatures; all verification of signed bytes.
//! * [`Digest`], [`Name`], [`ReasonCode`]: the vocabulary of everything else.
//!
//! Nothing here opens a file, reads a clock or starts a process.

pub mod canonical;
mod digest;
pub mod document;
mod name;
pub mod pipeline;
pub mod project;
mod reason;
pub mod signature;

pub use digest::{Digest, DigestError, Hasher};
pub use name::{Name, NameError};
pub use reason::{Actor, ReasonCode};
