//! Results of stages by key. Failures are never stored.

use orgo_kernel::key::{Blob, Output, StageKey};
use orgo_spec::canonical::{self, Profile};
use orgo_spec::pipeline::Isolation;
use serde::{Deserialize, Serialize};

use super::Store;
use crate::file::{At, PathError, read_if_there};

/// The result of a stage that ended well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cached {
    /// Version of this document.
    pub schema: u32,
    /// The key, so that a misplaced file is noticed.
    pub key: StageKey,
    /// What the stage produced, sorted by path.
    pub outputs: Vec<Output>,
    /// What it printed, if anything.
    pub log: Option<Blob>,
    /// The isolation that was obtained.
    pub isolation: Isolation,
    /// Who ran it.
    pub executor: Executor,
    /// How long it ran, in milliseconds.
    pub duration_ms: u64,
}

/// A program that runs stages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Executor {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Digest of its binary.
    pub digest: orgo_spec::Digest,
}

/// The version that this program writes.
pub(crate) const SCHEMA: u32 = 1;

impl Store {
    /// The result under a key. What cannot be read, or belongs to another key, counts as absent.
    ///
    /// # Errors
    /// [`PathError`] if the file is there and cannot be opened.
    pub fn result(&self, key: StageKey) -> Result<Option<Cached>, PathError> {
        let Some(bytes) = read_if_there(&self.place("actions", key.0))? else { return Ok(None) };
        let cached: Option<Cached> = canonical::from_slice(&bytes, Profile::DOCUMENT).ok();
        Ok(cached.filter(|c| c.key == key && c.schema == SCHEMA))
    }

    /// Stores a result under its key.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be written.
    pub fn set_result(&self, cached: &Cached) -> Result<(), PathError> {
        let bytes = serde_json::to_vec(cached).expect("a plain structure serializes");
        let place = self.place("actions", cached.key.0);
        let new = self.new_path();
        std::fs::write(&new, bytes).at("write", &new)?;
        std::fs::rename(&new, &place).at("name the result", &place)
    }
}
