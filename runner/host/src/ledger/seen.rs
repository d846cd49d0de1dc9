//! How far a clone has seen a ledger: remembered beside the references, compared before every append.
//!
//! A branch that was rewound or forked since is refused (supply-chain T-40, T-42). The full proof is the one of
//! `verify`; here a linear walk from the tip to the commit that was seen is enough, since git commits to history.

use std::path::PathBuf;

use orgo_spec::log::{Checkpoint, SignedCheckpoint, consistency, verify_consistency};
use orgo_spec::{Digest, ReasonCode};

use super::log::TreeTiles;
use super::{Head, Ledger, LedgerError, layout};
use crate::file::{read_if_there, replace};
use crate::git::{Git, ObjectId};

/// The memory of what was seen, by whatever read it.
const SEEN: &str = "seen";
/// The memory of what was verified in full.
const VERIFIED: &str = "verified";
/// How many commits are walked before the Merkle tree is asked instead.
const WALK: usize = 256;

/// The memory of a clone that begins with this commit: with what came before it, it is another one.
fn verified(begins_with: Option<ObjectId>) -> String {
    begins_with.map_or_else(|| VERIFIED.to_owned(), |commit| format!("{VERIFIED}-{commit}"))
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The newest commit that was verified.
    pub commit: String,
    /// How many records there were.
    pub size: u64,
    /// The root of the log.
    pub root: Digest,
    /// The checkpoint with its signatures.
    pub note: String,
}

impl Seen {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (commit, note) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
        SignedCheckpoint::parse(note.as_bytes()).ok()?;
        let checkpoint =
            Checkpoint::parse(note.split_once("\n\n").map(|(text, _)| format!("{text}\n"))?.as_str()).ok()?;
        let (size, root) = (checkpoint.size(), *checkpoint.root());
        Some(Self { commit: commit.to_owned(), size, root, note: note.to_owned() })
    }
}

impl Ledger {
    fn memory(&self, reference: &str, what: &str) -> PathBuf {
        self.git.common_dir().join("orgo").join(format!("{}.{what}", layout::encoded(reference)))
    }

    /// What this clone saw of the ledger last, if anything.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] for a memory that cannot be read: it is never taken for an empty one.
    pub fn seen(&self) -> Result<Option<Seen>, LedgerError> {
        self.read_memory(&self.reference, SEEN)
    }

    /// Up to where this clone's ledger was verified, every record of it that its commits bring, if it was: from the root on, or
    /// from the commit on that its history begins with.
    ///
    /// # Errors
    /// As [`Ledger::seen`].
    pub fn verified(&self, begins_with: Option<ObjectId>) -> Result<Option<Seen>, LedgerError> {
        self.read_memory(&self.reference, &verified(begins_with))
    }

    /// What was seen of a reference that follows a remote's branch.
    pub(super) fn seen_at(&self, reference: &str) -> Result<Option<Seen>, LedgerError> {
        self.read_memory(reference, SEEN)
    }

    /// Remembers what was seen of a reference that follows a remote's branch.
    pub(super) fn remember_at(&self, reference: &str, commit: ObjectId) -> Result<(), LedgerError> {
        self.write_memory(&self.git, reference, commit, SEEN)
    }

    fn read_memory(&self, reference: &str, what: &str) -> Result<Option<Seen>, LedgerError> {
        let path = self.memory(reference, what);
        let damaged = |why: String| LedgerError::Damaged { path: path.display().to_string(), why };
        match read_if_there(&path).map_err(|e| damaged(e.to_string()))? {
            None => Ok(None),
            Some(bytes) => Ok(Some(Seen::parse(&bytes).ok_or_else(|| damaged("it is not readable".to_owned()))?)),
        }
    }

    /// Remembers how far the ledger has come.
    pub(crate) fn remember(&self, git: &Git, commit: ObjectId) -> Result<(), LedgerError> {
        self.write_memory(git, &self.reference, commit, SEEN)
    }

    /// Remembers that every record up to this commit was verified, from the root on, or from the commit on that the clone's
    /// history begins with.
    ///
    /// # Errors
    /// [`LedgerError::NotDurable`] if it cannot be written.
    pub fn remember_verified(&self, commit: ObjectId, begins_with: Option<ObjectId>) -> Result<(), LedgerError> {
        self.write_memory(&self.git, &self.reference, commit, SEEN)?;
        self.write_memory(&self.git, &self.reference, commit, &verified(begins_with))
    }

    /// Forgets up to where the ledger was verified.
    pub(super) fn forget_verified(&self) -> Result<(), LedgerError> {
        let begins_with = crate::verify::begins_with(self)?;
        match std::fs::remove_file(self.memory(&self.reference, &verified(begins_with))) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(LedgerError::NotDurable(e.to_string())),
            _ => Ok(()),
        }
    }

    fn write_memory(&self, git: &Git, reference: &str, commit: ObjectId, what: &str) -> Result<(), LedgerError> {
        let tree = git.commit(commit)?.tree;
        let Some(entry) = git.entry(tree, layout::CHECKPOINT)? else { return Ok(()) };
        let mut bytes = format!("{commit}\n").into_bytes();
        bytes.extend(git.blob(entry.id)?);
        let path = self.memory(reference, what);
        let failed = |why: String| LedgerError::NotDurable(format!("`{}`: {why}", path.display()));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| failed(e.to_string()))?;
        }
        replace(&path, &bytes).map_err(|e| failed(e.to_string()))
    }

    /// Why a ledger without commits is refused: it was deleted, if this clone ever saw it.
    pub(crate) fn gone(&self, seen: Option<&Seen>) -> LedgerError {
        let Some(seen) = seen else { return LedgerError::Empty(self.reference.clone()) };
        let message = format!("`{}` is gone: this clone saw commit {} of it", self.reference, seen.commit);
        LedgerError::Refused { code: ReasonCode::AuditRewound, message }
    }

    /// Compares the ledger with what was seen of it before `head` was read.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] with `AUDIT_REWOUND`, `CHECKPOINT_FORK` or `LOG_INCONSISTENT`.
    pub fn check_seen(&self, seen: Option<&Seen>, head: &Head) -> Result<(), LedgerError> {
        let Some(seen) = seen else { return Ok(()) };
        if seen.commit == head.commit.to_string() {
            return Ok(());
        }
        let refused = |code: ReasonCode, what: &str| LedgerError::Refused {
            code,
            message: format!(
                "`{}` {what}: this clone saw commit {} with {} records and the root {}; it now has {} records and the root {}",
                self.reference,
                seen.commit,
                seen.size,
                seen.root,
                head.count,
                head.log.checkpoint.root()
            ),
        };
        if head.count < seen.size {
            return Err(refused(ReasonCode::AuditRewound, "was rewound"));
        }
        let mut at = Some(head.commit);
        for _ in 0..WALK {
            let Some(id) = at else { break };
            if id.to_string() == seen.commit {
                return Ok(());
            }
            at = match self.git.commit(id) {
                Ok(commit) => commit.parents.first().copied(),
                Err(_) => break, // a shallow clone; the tree can still tell
            };
        }
        if head.count == seen.size && *head.log.checkpoint.root() != seen.root {
            return Err(refused(ReasonCode::CheckpointFork, "was forked"));
        }
        let mut tiles = TreeTiles::with_edge(&self.git, head.tree, &head.log.edge);
        let proof = consistency(seen.size, head.count, &mut tiles)
            .map_err(|e| LedgerError::Refused { code: ReasonCode::LogInconsistent, message: e.to_string() })?;
        verify_consistency(seen.size, &seen.root, head.count, head.log.checkpoint.root(), &proof)
            .map_err(|_| refused(ReasonCode::CheckpointFork, "was forked"))
    }
}
