//! Evidence stores: where what records name is mirrored, found again and checked.
//!
//! [`Door`] is what a store has to offer: bytes under names, nothing else. There are two, a folder (`directory.rs`) and a
//! branch of a git repository (`git.rs`); another kind of store is one more file here and one line in [`open`].
//! [`Mirror`] stands before a door: it knows what is sealed, hashes what it reads, and reads back what it wrote.
//! [`Register`] is what records name, until when it is kept, and what is held.
//!
//! INVARIANT: nothing is taken from a store that does not hash to the digest it was asked for by.
//! INVARIANT: what the class covers leaves this machine only sealed.

mod check;
mod directory;
mod git;
mod mirror;
mod register;
mod seal;
mod transfer;

use std::io::Read;
use std::path::{Path, PathBuf};

use orgo_spec::evidence::{Address, EvidenceStore};
use orgo_spec::{Digest, ReasonCode};

pub use check::{Absent, Checked, StoreReport, Unusable, Wrong, check};
pub use mirror::{Expired, Got, Mirror, Put};
pub use register::{NamedObject, Register, Scope};
pub use seal::{Identities, new_identity};
pub use transfer::{Fetched, Pushed, fetch, push};

use crate::file::PathError;
use crate::git::GitError;
use crate::key::KeyError;
use crate::ledger::LedgerError;

/// The largest object that is read from a store.
pub const MAX_OBJECT_BYTES: u64 = 16 << 30;

/// The file that says what a folder or a branch is.
const MARK: &str = "orgo-evidence";
/// What stands in it.
const MARK_TEXT: &[u8] = b"orgo evidence store 1\n";

/// Where something lies in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Whether it is sealed; then the name is a handle, otherwise it is the digest of the content.
    pub sealed: bool,
    /// The name.
    pub name: Digest,
}

impl Place {
    /// The path: `sha256/ab/cd…` or `sealed/ab/cd….age`.
    #[must_use]
    pub fn path(self) -> String {
        let hex = self.name.hex();
        let (folder, suffix) = if self.sealed { ("sealed", ".age") } else { ("sha256", "") };
        format!("{folder}/{}/{}{suffix}", &hex[..2], &hex[2..])
    }

    fn of(folder: &str, first: &str, rest: &str) -> Option<Self> {
        let sealed = folder == "sealed";
        let rest = if sealed { rest.strip_suffix(".age")? } else { rest };
        Some(Self { sealed, name: Digest::from_hex(&format!("{first}{rest}")).ok()? })
    }
}

/// What a store offers. Nothing is verified on this side of the door.
pub trait Door {
    /// The size of what lies at a place; none if nothing does.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be asked.
    fn size(&self, place: Place) -> Result<Option<u64>, EvidenceError>;

    /// Opens what lies at a place.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be read.
    fn read(&self, place: Place) -> Result<Option<Box<dyn Read + '_>>, EvidenceError>;

    /// Puts the content of a file at a place; seen by others after [`Door::commit`] at the latest, and never in part.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be written.
    fn write(&mut self, place: Place, content: &mut std::fs::File) -> Result<(), EvidenceError>;

    /// Removes what lies at a place.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be written.
    fn remove(&mut self, place: Place) -> Result<(), EvidenceError>;

    /// Makes what was written and removed lasting.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be written.
    fn commit(&mut self, why: &str, seconds: i64) -> Result<(), EvidenceError>;

    /// Everything in the store, with its size.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be listed.
    fn list(&self) -> Result<Vec<(Place, u64)>, EvidenceError>;
}

/// Why evidence cannot be stored, found or read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum EvidenceError {
    #[error("the evidence store `{store}` cannot be used: {why}")]
    Unusable { store: String, why: String },
    #[error("`{place}` in the evidence store `{store}` is not what it was written as")]
    NotDurable { store: String, place: String },
    #[error("`{what}` has more than {limit} bytes")]
    TooLarge { what: String, limit: u64 },
    #[error("`{0}` is not an age recipient")]
    Recipient(String),
    #[error("`{0}` holds no age identity")]
    Identity(PathBuf),
    #[error("something cannot be sealed: {0}")]
    Seal(String),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{0}: {io}", io = .0.io())]
    Path(#[from] PathError),
}

impl EvidenceError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> Option<ReasonCode> {
        match self {
            Self::Unusable { .. } | Self::NotDurable { .. } => Some(ReasonCode::EvidenceStoreUnusable),
            Self::TooLarge { .. } => Some(ReasonCode::InputTooLarge),
            Self::Recipient(_) => Some(ReasonCode::DocumentInvalid),
            Self::Identity(_) | Self::Seal(_) => Some(ReasonCode::KeyUnusable),
            Self::Key(error) => Some(error.code()),
            Self::Ledger(error) => error.code(),
            Self::Path(_) => None,
        }
    }

    fn unusable(store: &str, why: impl ToString) -> Self {
        Self::Unusable { store: store.to_owned(), why: why.to_string() }
    }
}

impl From<GitError> for EvidenceError {
    fn from(error: GitError) -> Self {
        Self::Ledger(error.into())
    }
}

/// Opens the door of a declared store. `root` is where relative paths begin; `scratch` is a folder that may be deleted
/// at any time; with `make`, a store that is not there is made.
///
/// # Errors
/// [`EvidenceError::Unusable`] if it cannot be reached, or is something else.
pub fn open(store: &EvidenceStore, root: &Path, scratch: &Path, make: bool) -> Result<Box<dyn Door>, EvidenceError> {
    Ok(match &store.address {
        Address::Directory(path) => Box::new(directory::Directory::open(&store.name, &root.join(path), make)?),
        Address::Git { url, branch } => {
            let scratch = scratch.join(format!("{}.git", store.name));
            Box::new(git::Branch::open(&store.name, url, branch, root, &scratch, make)?)
        }
    })
}
