//! Why a ledger cannot be read or appended to.

use std::path::PathBuf;

use orgo_spec::{Digest, ReasonCode};

use super::TrustError;
use crate::git::GitError;
use crate::key::KeyError;

/// Why a ledger cannot be read or appended to.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum LedgerError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the trust record cannot be used: {0}")]
    Trust(#[from] TrustError),
    #[error("the ledger `{0}` has no records yet")]
    Empty(String),
    #[error("the ledger `{0}` exists already")]
    Exists(String),
    #[error("the ledger has no record {0}")]
    NoRecord(String),
    #[error("records {first} to {} are sealed and not in this clone; their archive is {archive}", end - 1)]
    Sealed { first: u64, end: u64, archive: Digest },
    #[error("`{text}` fits {count} records")]
    Ambiguous { text: String, count: usize },
    #[error("{what} has {size} bytes; at most {limit} are allowed")]
    TooLarge { what: String, size: usize, limit: usize },
    #[error("the ledger is damaged at `{path}`: {why}")]
    Damaged { path: String, why: String },
    #[error("the key {key} is not a {role} key of the trust in force")]
    KeyUnknown { key: String, role: &'static str },
    #[error("the record is refused: {message}")]
    Refused { code: ReasonCode, message: String },
    #[error("other writers moved the ledger {0} times in a row")]
    Exhausted(u32),
    #[error("the ledger stays locked by `{0}`; if no other writer runs, a killed one left it: remove it")]
    Locked(PathBuf),
    #[error("the spool cannot be used at `{path}`: {why}")]
    Spool { path: PathBuf, why: String },
    #[error("git {what} failed: {said}")]
    Transport { what: String, said: String },
    #[error("the record was written but does not verify: {0}")]
    NotDurable(String),
}

impl LedgerError {
    /// The reason code of the refusal; none for faults of the environment.
    #[must_use]
    pub fn code(&self) -> Option<ReasonCode> {
        match self {
            Self::Git(error) => error.code(),
            Self::Key(error) => Some(error.code()),
            Self::Trust(error) => Some(error.code()),
            Self::Empty(_) | Self::NoRecord(_) | Self::Sealed { .. } => Some(ReasonCode::RecordMissing),
            Self::TooLarge { .. } => Some(ReasonCode::InputTooLarge),
            Self::Damaged { .. } => Some(ReasonCode::RecordAltered),
            Self::KeyUnknown { .. } => Some(ReasonCode::KeyUnknown),
            Self::Refused { code, .. } => Some(*code),
            Self::Exhausted(_) | Self::Locked(_) => Some(ReasonCode::AuditCasExhausted),
            Self::NotDurable(_) => Some(ReasonCode::RecordNotDurable),
            Self::Spool { .. } => Some(ReasonCode::SpoolUnusable),
            Self::Transport { .. } => Some(ReasonCode::RemoteUnreachable),
            Self::Exists(_) | Self::Ambiguous { .. } => None,
        }
    }
}
