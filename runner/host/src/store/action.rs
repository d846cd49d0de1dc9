//! Results of stages by key. Failures are never stored.

use std::io::Write;
use std::sync::Arc;

use orgo_kernel::key::{Blob, Output, StageKey};
use orgo_spec::canonical::{self, Profile};
use orgo_spec::pipeline::Isolation;
use orgo_spec::record::Origin;
use serde::{Deserialize, Serialize};

use super::{Store, place};
use crate::file::PathError;
use crate::folder::{AtName, read_all};

/// The result of a stage that ended well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cached {
    /// Version of this document.
    pub schema: u32,
    /// The key, so that a misplaced file is noticed.
    pub key: StageKey,
    /// What the stage produced, sorted by path.
    pub outputs: Arc<Vec<Output>>,
    /// What it printed, if anything.
    pub log: Option<Blob>,
    /// The isolation that was obtained.
    pub isolation: Isolation,
    /// Who ran it.
    pub executor: Executor,
    /// How long it ran, in milliseconds.
    pub duration_ms: u64,
    /// Where it came from, if it was not made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
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
        let name = place("actions", key.0);
        let Some(mut file) = self.root.read(&name)? else { return Ok(None) };
        let bytes = read_all(&mut file, 1024).at_name("read", &self.root, &name)?;
        let cached: Option<Cached> = canonical::from_slice(&bytes, Profile::DOCUMENT).ok();
        Ok(cached.filter(|c| c.key == key && c.schema == SCHEMA))
    }

    /// Stores a result under its key if there is none yet that can be read; says whether it did.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be written.
    pub fn add_result(&self, cached: &Cached) -> Result<bool, PathError> {
        let bytes = serde_json::to_vec(cached).expect("a plain structure serializes");
        let name = place("actions", cached.key.0);
        if self.write_first(&name, &bytes)? {
            return Ok(true);
        }
        let is_missing = self.result(cached.key)?.is_none();
        if is_missing {
            self.write_new(&name, 0o644, &bytes)?; // what is there is half of one
        }
        Ok(is_missing)
    }

    /// Stores a result under its key; hands out the one that was there, if its outputs are others.
    ///
    /// A new result is written in place: half of one, after a crash or seen by a reader at the same time,
    /// does not parse and so counts as absent. A result that is there is replaced as a whole.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be written.
    pub fn set_result(&self, cached: &Cached) -> Result<Option<Cached>, PathError> {
        let bytes = serde_json::to_vec(cached).expect("a plain structure serializes");
        let name = place("actions", cached.key.0);
        if self.write_first(&name, &bytes)? {
            return Ok(None);
        }
        let before = self.result(cached.key)?;
        self.write_new(&name, 0o644, &bytes)?;
        Ok(before.filter(|before| before.outputs != cached.outputs))
    }

    /// Writes a result in its place if nothing is there; says whether it did. Of one that cannot be written to its end
    /// nothing is left.
    fn write_first(&self, name: &str, bytes: &[u8]) -> Result<bool, PathError> {
        match self.root.create(name, 0o644) {
            Ok(mut file) => {
                let written = file.write_all(bytes).at_name("write", &self.root, name);
                if written.is_err() {
                    let _ = self.root.remove(name); // half of one counts as absent
                }
                written.map(|()| true)
            }
            Err(e) if e.io().kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_result_is_no_result_and_is_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let digest = orgo_spec::Digest::EMPTY;
        let cached = Cached {
            schema: SCHEMA,
            key: StageKey(digest),
            outputs: Arc::default(),
            log: None,
            isolation: Isolation::Open,
            executor: Executor { name: "orgo".to_owned(), version: "0".to_owned(), digest },
            duration_ms: 1,
            origin: None,
        };
        let whole = serde_json::to_vec(&cached).expect("it serializes");
        let path = folder.path().join(place("actions", digest));
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).expect("writable");
            assert_eq!(store.result(cached.key).expect("readable"), None, "{length} of {} bytes", whole.len());
        }
        store.set_result(&cached).expect("written");
        assert_eq!(store.result(cached.key).expect("readable").as_ref(), Some(&cached));
        // The same where a result is only added: what was cut off does not stay in its place.
        assert!(!store.add_result(&cached).expect("readable"), "it is there");
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).expect("writable");
            assert!(store.add_result(&cached).expect("written"), "{length} of {} bytes", whole.len());
            assert_eq!(store.result(cached.key).expect("readable").as_ref(), Some(&cached));
        }
    }
}
