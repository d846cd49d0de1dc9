//! Orgo's language and documents: bytes in, values out.
//!
//! Begin with [`canonical`] (a value becomes bytes), [`record`] (bytes that say what happened) and [`signature`] (who
//! says so): each begins with an example. What a gate decides about them is `orgo_kernel::gate`.
//!
//! * [`canonical`]: strict JSON in, canonical bytes out.
//! * [`document`]: KDL and YAML text to a tree with spans, and the toolkit that decodes trees into types.
//! * [`approval`]: what people sign to let a stage run.
//! * [`artifact`]: the documents of the knowledge spine, from Claim-IR to Runtime Pack, and their ids.
//! * [`blueprint`]: what a pipeline is pinned to.
//! * [`evidence`]: where evidence is mirrored, how long it is kept, what is sealed.
//! * [`knowledge`]: extraction maps, rules and stewards' decisions as people write them.
//! * [`lock`]: `orgo.lock`, what floats resolved to digests.
//! * [`log`]: the Merkle log of the ledger: tree, tiles, proofs, checkpoints.
//! * [`mandate`]: what a pipeline is governed by, and the tests of its policies.
//! * [`Decimal`]: exact numbers.
//! * [`overriding`]: what people sign to lift a policy once.
//! * [`project`], [`pipeline`]: what engineers write.
//! * [`record`]: signed facts about runs and trust.
//! * [`review`]: what a change does to what a repository declares.
//! * [`schema`]: JSON Schemas and the table of reason codes, generated from the types.
//! * [`secret`]: what must never be signed or kept: found, and replaced.
//! * [`signature`]: keys, DSSE envelopes, SSH signatures; all verification of signed bytes.
//! * [`Digest`], [`Name`], [`ReasonCode`]: the vocabulary of everything else.
//!
//! Nothing here opens a file, reads a clock or starts a process.

pub mod approval;
pub mod artifact;
mod base64;
pub mod blueprint;
pub mod canonical;
mod decimal;
mod digest;
pub mod document;
pub mod evidence;
pub mod knowledge;
pub mod lock;
pub mod log;
pub mod mandate;
mod name;
pub mod overriding;
pub mod pipeline;
pub mod project;
mod reason;
pub mod record;
pub mod review;
pub mod schema;
pub mod secret;
pub mod signature;

pub use decimal::{Amount, Decimal, DecimalError};
pub use digest::{Digest, DigestError, Hasher};
pub use name::{Name, NameError};
pub use reason::{Actor, ReasonCode};
