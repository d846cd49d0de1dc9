//! Pins: which root a user trusts for which repository, and how far its ledger had come.
//!
//! `pins.json` in the user's folder, canonical pretty bytes, replaced in whole. A pin also remembers the newest
//! commit that verified, so that a ledger which was rewound is noticed (supply-chain T-40).

use std::io::Write;
use std::path::{Path, PathBuf};

use orgo_spec::Digest;
use orgo_spec::canonical::{self, JsonError, Profile};
use serde::{Deserialize, Serialize};

use crate::git::Git;
use crate::key::{KeyError, UserDir, private_folder};

/// What one user knows about one ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The full name of the branch.
    pub branch: String,
    /// The real path of the folder with the repository's references.
    pub repository: PathBuf,
    /// The id of record 0.
    pub root: Digest,
    /// The newest commit that verified, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
}

/// All pins of a user.
#[derive(Debug, Clone)]
pub struct Pins {
    path: PathBuf,
    pins: Vec<Pin>,
}

/// Why pins cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PinError {
    #[error("`{path}` is not readable: {error}")]
    Json { path: PathBuf, error: JsonError },
    #[error("`{path}`: {error}")]
    Io { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Folder(#[from] KeyError),
}

impl Pins {
    /// Reads the pins of a user; no file is no pins.
    ///
    /// # Errors
    /// [`PinError`] for a file that is there and cannot be read: it is never taken for an empty one.
    pub fn load(user: &UserDir) -> Result<Self, PinError> {
        let path = user.path().join("pins.json");
        let pins = match std::fs::read(&path) {
            Ok(text) => canonical::from_slice(&text, Profile::RECORD)
                .map_err(|error| PinError::Json { path: path.clone(), error })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(PinError::Io { path, error }),
        };
        Ok(Self { path, pins })
    }

    /// The pin of a repository and branch.
    ///
    /// # Errors
    /// [`PinError::Io`] if the repository's real path cannot be found.
    pub fn get(&self, git: &Git, branch: &str) -> Result<Option<&Pin>, PinError> {
        let repository = real_path(git)?;
        Ok(self.pins.iter().find(|p| p.repository == repository && p.branch == branch))
    }

    /// Sets the pin of a repository and branch and stores all pins.
    ///
    /// # Errors
    /// [`PinError`] if they cannot be stored.
    pub fn set(&mut self, git: &Git, branch: &str, root: Digest, seen: Option<String>) -> Result<(), PinError> {
        let repository = real_path(git)?;
        self.pins.retain(|p| !(p.repository == repository && p.branch == branch));
        self.pins.push(Pin { branch: branch.to_owned(), repository, root, seen });
        self.pins.sort_by(|a, b| (&a.repository, &a.branch).cmp(&(&b.repository, &b.branch)));
        self.store()
    }

    fn store(&self) -> Result<(), PinError> {
        let json = |error| PinError::Json { path: self.path.clone(), error };
        let text = canonical::pretty_of(&self.pins).map_err(json)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        private_folder(folder)?;
        let io = |error| PinError::Io { path: self.path.clone(), error };
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(io)?;
        file.persist(&self.path).map_err(|e| io(e.error))?;
        Ok(())
    }
}

fn real_path(git: &Git) -> Result<PathBuf, PinError> {
    let path = git.common_dir();
    path.canonicalize().map_err(|error| PinError::Io { path: path.to_owned(), error })
}
