//! The Merkle log of the ledger: what a bare checkpoint can prove about records.
//!
//! * [`Edge`], [`leaf_hash`], [`node_hash`]: the tree of RFC 6962, and the state that appending needs.
//! * [`Leaf`]: what one record is in the log.
//! * [`Tile`], [`Tiles`], [`TreeReader`]: hashes at rest, 256 a file (C2SP tlog-tiles).
//! * [`inclusion`], [`consistency`] and their verifiers (RFC 9162, 2.1.3 and 2.1.4).
//! * [`NoteKey`], [`SignedNote`]: signed text (C2SP signed-note, Ed25519).
//! * [`Checkpoint`], [`SignedCheckpoint`]: size and root under a signature (C2SP tlog-checkpoint).
//! * [`Proof`]: all of it about one record in one file, for verifiers without the ledger (C2SP tlog-proof).
//!
//! INVARIANT: every text here has one spelling: what a `parse` accepts, its writer writes again to the byte.

mod bundle;
mod checkpoint;
mod entry;
mod key;
mod note;
mod proof;
mod reader;
mod tile;
mod tree;

pub use bundle::{MAX_PROOF_BYTES, Proof, ProofFileError};
pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use entry::Leaf;
pub use key::NoteKey;
pub use note::{MAX_NOTE_BYTES, MAX_SIGNATURES, MAX_TEXT_BYTES, NoteError, SignedNote, VerifiedNote};
pub use proof::{MAX_PROOF_HASHES, ProofError, consistency, inclusion, verify_consistency, verify_inclusion};
pub use reader::{ReadError, Tiles, TreeReader, roots_below};
pub use tile::{
    MAX_ENTRY_BYTES, TILE_BYTES, TILE_WIDTH, Tile, bundle_bytes, completed, parse_bundle, partial, tile_bytes,
};
pub use tree::{Edge, leaf_hash, node_hash, root_of};

use crate::{Digest, ReasonCode, base64};

/// The most leaves that a log may have: 2^53 − 1, which every reader of numbers keeps exactly.
pub const MAX_SIZE: u64 = crate::canonical::MAX_SAFE_INTEGER.unsigned_abs();

/// A file of the log that is not spelled as this project spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {what} is not well formed: {why}")]
pub struct Malformed {
    what: &'static str,
    why: &'static str,
}

impl Malformed {
    const fn new(what: &'static str, why: &'static str) -> Self {
        Self { what, why }
    }

    /// The reason code of the refusal.
    #[must_use]
    pub const fn code(&self) -> ReasonCode {
        ReasonCode::LogMalformed
    }
}

/// A hash as the texts of C2SP write it: 44 characters of padded base64.
fn encode(hash: &Digest) -> String {
    base64::encode(hash.as_bytes())
}

fn decode(text: &str) -> Option<Digest> {
    base64::decode(text.as_bytes())?.try_into().ok().map(Digest::from_bytes)
}

/// Reads a number of at most [`MAX_SIZE`]: ASCII digits, no sign, no leading zero.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok().filter(|n| *n <= MAX_SIZE)?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests;
