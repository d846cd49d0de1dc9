//! Why a key cannot be used, made or found.

use std::path::{Path, PathBuf};

use orgo_spec::ReasonCode;

use super::{KeyRef, Role};

/// Why a key cannot be used, made or found.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum KeyError {
    #[error("the key file `{path}` cannot be used: {why}")]
    Unusable { path: PathBuf, why: String },
    #[error("the key file `{path}` is not readable as a key")]
    Malformed { path: PathBuf },
    #[error("the key file `{path}` exists already")]
    Exists { path: PathBuf },
    #[error("there is no {role} key at `{path}`")]
    Missing { path: PathBuf, role: Role },
    #[error("the {role} key has two sources: `{key}` and `{reference}`")]
    Ambiguous { role: Role, key: PathBuf, reference: PathBuf },
    #[error("the key file `{path}` is locked: {why}")]
    Locked { path: PathBuf, why: String },
    #[error("the key `{reference}` cannot be used: {why}")]
    Source { reference: KeyRef, why: String },
    #[error("the key `{reference}` is weak or not canonical")]
    Weak { reference: KeyRef },
    #[error("the key of role {have} was asked to sign what is for role {need}")]
    Role { have: Role, need: Role },
    #[error("a log key signs the text of a note only: UTF-8 lines without control characters")]
    Note,
    #[error("the user database has no home folder for user {uid}; name one with `--home DIR`")]
    NoHome { uid: u32 },
    #[error("`{path}`: {error}")]
    Io { path: PathBuf, error: std::io::Error },
}

impl KeyError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Role { .. } | Self::Note => ReasonCode::KeyScopeMismatch,
            Self::Weak { .. } => ReasonCode::KeyWeak,
            Self::Unusable { .. }
            | Self::Malformed { .. }
            | Self::Exists { .. }
            | Self::Missing { .. }
            | Self::Ambiguous { .. }
            | Self::Locked { .. }
            | Self::Source { .. }
            | Self::NoHome { .. }
            | Self::Io { .. } => ReasonCode::KeyUnusable,
        }
    }

    /// What to do about it, in one line.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "give another name with `--name`, or move the file away; a key is never replaced",
            Self::Missing { .. } => "make one with `orgo key new ROLE`, or name one with `orgo key use ROLE REF`",
            Self::Ambiguous { .. } => "keep one of the two files; nothing guesses which key is meant",
            Self::Locked { .. } => "type the passphrase at a terminal, or give `--passphrase-file FILE`",
            Self::Source { reference: KeyRef::Agent(_), .. } => {
                "see what the agent holds with `ssh-add -l`; `SSH_AUTH_SOCK` or `--agent-socket PATH` says where it is"
            }
            Self::Source { reference: KeyRef::Env(_), .. } => {
                "let the variable hold the text of a key file without passphrase: either form of `docs/formats/keys.md`"
            }
            Self::Source { reference: KeyRef::File(_), .. } => "use an ed25519 key: `ssh-keygen -t ed25519`",
            Self::Role { .. }
            | Self::Note
            | Self::Weak { .. }
            | Self::Unusable { .. }
            | Self::Malformed { .. }
            | Self::NoHome { .. }
            | Self::Io { .. } => self.code().remedy(),
        }
    }

    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }

    pub(super) fn unusable(path: &Path, why: impl Into<String>) -> Self {
        Self::Unusable { path: path.to_owned(), why: why.into() }
    }
}
