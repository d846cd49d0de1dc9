//! Proof files: that one entry is in the log, for verifiers who have nothing else (C2SP tlog-proof).

use super::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use super::key::NoteKey;
use super::note::{MAX_NOTE_BYTES, NoteError};
use super::proof::{MAX_PROOF_HASHES, ProofError, verify_inclusion};
use super::{Malformed, decode, encode, leaf_hash, number};
use crate::{Digest, ReasonCode};

/// The largest proof file, in bytes.
pub const MAX_PROOF_BYTES: usize = MAX_NOTE_BYTES + 4096;

/// The first line of every proof file.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The proof that an entry is in the log: its index, the hashes beside its path, and a signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    index: u64,
    hashes: Vec<Digest>,
    checkpoint: SignedCheckpoint,
}

/// Why a proof file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ProofFileError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Inclusion(#[from] ProofError),
}

impl From<NoteError> for ProofFileError {
    fn from(error: NoteError) -> Self {
        Self::Checkpoint(error.into())
    }
}

impl ProofFileError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Malformed(error) => error.code(),
            Self::Checkpoint(error) => error.code(),
            Self::Inclusion(error) => error.code(),
        }
    }
}

impl Proof {
    /// Puts together what [`super::inclusion`] gave and the checkpoint of the same size.
    ///
    /// # Errors
    /// [`Malformed`] for an index beyond [`super::MAX_SIZE`] or more than [`MAX_PROOF_HASHES`] hashes.
    pub fn new(index: u64, hashes: Vec<Digest>, checkpoint: SignedCheckpoint) -> Result<Self, Malformed> {
        if index > super::MAX_SIZE || hashes.len() > MAX_PROOF_HASHES {
            return Err(Malformed::new("proof", "no tree is so large"));
        }
        Ok(Self { index, hashes, checkpoint })
    }

    /// Which leaf the entry is said to be.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The hashes from the leaf's sibling up.
    #[must_use]
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// The checkpoint, not yet verified.
    #[must_use]
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// The text of the file (`.tlog-proof`).
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\nindex {}\n", self.index);
        for hash in &self.hashes {
            text.push_str(&encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint.to_text());
        text
    }

    /// Reads a proof file. Nothing of the checkpoint's text is looked at.
    ///
    /// # Errors
    /// [`ProofFileError`] for every text that [`Proof::to_text`] would not write; an `extra` line is refused,
    /// because nothing authenticates it.
    pub fn parse(text: &[u8]) -> Result<Self, ProofFileError> {
        let wrong = |why| Malformed::new("proof", why);
        if text.len() > MAX_PROOF_BYTES {
            return Err(wrong("it is too long").into());
        }
        let text = std::str::from_utf8(text).map_err(|_| wrong("it is not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(wrong("it has no checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(wrong("the first line is not `c2sp.org/tlog-proof@v1`").into());
        }
        let index = lines.next().and_then(|line| number(line.strip_prefix("index ")?));
        let index = index.ok_or(wrong("the second line is not `index` and a number"))?;
        let hashes: Option<Vec<_>> = lines.map(decode).collect();
        let hashes = hashes.ok_or(wrong("a line is not a hash in base64"))?;
        Ok(Self::new(index, hashes, SignedCheckpoint::parse(checkpoint.as_bytes())?)?)
    }

    /// Verifies the checkpoint with the key of the log, then that these bytes are the entry at the index.
    /// Returns the checkpoint.
    ///
    /// # Errors
    /// [`ProofFileError`].
    pub fn verify(&self, entry: &[u8], key: &NoteKey) -> Result<Checkpoint, ProofFileError> {
        let checkpoint = self.checkpoint.verify(key)?;
        verify_inclusion(&leaf_hash(entry), self.index, checkpoint.size(), checkpoint.root(), &self.hashes)?;
        Ok(checkpoint)
    }
}
