//! Approvals: what a person signs to let one stage of one pipeline run on exactly these inputs.
//!
//! A document is pretty canonical JSON, so that people read in a pull request the very bytes that were
//! signed; its signature is what `ssh-keygen -Y sign -n orgo-approval` makes. What is approved is the
//! *subject*, by the digest of its canonical form: it holds the stage's key, so an approval says nothing
//! about other inputs. The format is `docs/formats/approval.md`.

mod document;
mod moment;

pub use document::{ApprovalAction, ApprovalDocument, ApprovalSource, ApprovalSubject, SignedApproval};
pub use moment::{moment_plus, seconds_between};

/// The schema of the document.
pub const SCHEMA: &str = "orgo.approval/1";
/// Largest document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 8 * 1024;
/// Longest comment, in characters.
pub const MAX_COMMENT_CHARS: usize = 500;

#[cfg(test)]
mod tests;
