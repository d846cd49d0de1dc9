//! Checkpoints: size and root of the log under a signature (C2SP tlog-checkpoint).

use std::collections::BTreeSet;

use super::key::{NoteKey, is_key_name};
use super::note::{NoteError, SignedNote};
use super::proof::{ProofError, verify_consistency};
use super::{MAX_SIZE, Malformed, decode, encode, number};
use crate::{Digest, Name, ReasonCode};

/// What a log says about itself at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Digest,
}

/// Why a checkpoint is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note, or its signature.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text of the note.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A key signed for a log that is not its own, or checkpoints of two logs are compared.
    #[error("the checkpoint is one of the log `{0}`")]
    Origin(String),
    /// The later checkpoint does not continue the earlier.
    #[error(transparent)]
    Inconsistent(#[from] ProofError),
    /// Two trees of one size.
    #[error("two checkpoints of {0} leaves have different roots")]
    Fork(u64),
}

impl CheckpointError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Note(error) => error.code(),
            Self::Malformed(error) => error.code(),
            Self::Origin(_) => ReasonCode::KeyScopeMismatch,
            Self::Inconsistent(error) => error.code(),
            Self::Fork(_) => ReasonCode::CheckpointFork,
        }
    }
}

impl Checkpoint {
    /// A checkpoint.
    ///
    /// # Errors
    /// [`Malformed`] for an origin that is no key name of at most 255 bytes, a size beyond [`MAX_SIZE`], and
    /// an empty tree with another root than the digest of nothing.
    pub fn new(origin: &str, size: u64, root: Digest) -> Result<Self, Malformed> {
        let wrong = |why| Err(Malformed::new("checkpoint", why));
        if origin.len() > 255 || !is_key_name(origin) {
            return wrong("the first line is not an origin");
        }
        if size > MAX_SIZE {
            return wrong("the size is beyond 2^53-1");
        }
        if size == 0 && root != Digest::EMPTY {
            return wrong("an empty tree has another root");
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// The origin of a ledger: `orgo.dev/ledger/TENANT/ROOT`, ROOT being the first 16 hexadecimal digits of
    /// the id of the ledger's first trust record.
    #[must_use]
    pub fn origin_for(tenant: &Name, root_id: &Digest) -> String {
        format!("orgo.dev/ledger/{tenant}/{:.16}", root_id.hex())
    }

    /// Which log it is.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many leaves the log has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> &Digest {
        &self.root
    }

    /// The text that is signed: origin, size, root in base64, each a line.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, encode(&self.root))
    }

    /// Reads that text.
    ///
    /// # Errors
    /// [`Malformed`] for every text that [`Checkpoint::to_text`] would not write; extension lines are refused.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let wrong = Malformed::new("checkpoint", "it is not three lines: origin, size and root");
        let mut lines = text.strip_suffix('\n').ok_or(wrong)?.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(wrong);
        };
        Self::new(origin, number(size).ok_or(wrong)?, decode(root).ok_or(wrong)?)
    }

    /// Verifies that this checkpoint continues an earlier one of the same log.
    ///
    /// # Errors
    /// [`CheckpointError`]: another origin, two roots at one size, a smaller size, a proof that proves nothing.
    pub fn follows(&self, earlier: &Self, proof: &[Digest]) -> Result<(), CheckpointError> {
        if self.origin != earlier.origin {
            return Err(CheckpointError::Origin(self.origin.clone()));
        }
        if self.size == earlier.size && self.root != earlier.root {
            return Err(CheckpointError::Fork(self.size));
        }
        Ok(verify_consistency(earlier.size, &earlier.root, self.size, &self.root, proof)?)
    }
}

/// A checkpoint as it was read: nothing is known about it before [`SignedCheckpoint::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint(SignedNote);

impl SignedCheckpoint {
    /// Signs a checkpoint with the key of its log.
    ///
    /// # Errors
    /// What `sign` reports, or [`CheckpointError`] for a key of another name or a wrong signature.
    pub fn sign<E: From<NoteError> + From<CheckpointError>>(
        checkpoint: &Checkpoint,
        key: &NoteKey,
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<Self, E> {
        if key.name() != checkpoint.origin {
            return Err(CheckpointError::Origin(checkpoint.origin.clone()).into());
        }
        SignedNote::sign(&checkpoint.to_text(), key, sign).map(Self)
    }

    /// Reads a signed checkpoint. Its text is not looked at.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn parse(note: &[u8]) -> Result<Self, NoteError> {
        SignedNote::parse(note).map(Self)
    }

    /// The text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.to_text()
    }

    /// The note, for further signatures.
    #[must_use]
    pub fn into_note(self) -> SignedNote {
        self.0
    }

    /// Verifies the signature, then reads the text.
    ///
    /// # Errors
    /// [`CheckpointError`], also if the origin is not the name of the key.
    pub fn verify(&self, key: &NoteKey) -> Result<Checkpoint, CheckpointError> {
        self.verify_any(std::slice::from_ref(key))
    }

    /// As [`SignedCheckpoint::verify`], with one or more of these keys: what a change of keys needs.
    ///
    /// # Errors
    /// [`CheckpointError`], also if the origin is not the name of every key that signed.
    pub fn verify_any(&self, keys: &[NoteKey]) -> Result<Checkpoint, CheckpointError> {
        Ok(self.verify_signers(keys)?.0)
    }

    /// As [`SignedCheckpoint::verify_any`]; also returns which of the keys signed.
    ///
    /// # Errors
    /// As [`SignedCheckpoint::verify_any`].
    pub fn verify_signers(&self, keys: &[NoteKey]) -> Result<(Checkpoint, BTreeSet<NoteKey>), CheckpointError> {
        let note = self.0.verify(keys)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if note.signers().iter().any(|key| key.name() != checkpoint.origin) {
            return Err(CheckpointError::Origin(checkpoint.origin));
        }
        Ok((checkpoint, note.into_signers()))
    }
}

impl From<SignedNote> for SignedCheckpoint {
    fn from(note: SignedNote) -> Self {
        Self(note)
    }
}
