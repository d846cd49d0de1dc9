//! Garbage collection of the store: what is in it, and taking out what the kernel decided on.
//!
//! ```text
//! <store>/lock             shared by runs, held alone by a collection
//! <store>/evicted.jsonl    the results that were collected last, and why
//! ```
//!
//! INVARIANT: what was collected is told before it goes, results go before the objects that they name, and each goes by
//! one unlink. So a collection that is killed leaves a store in which every result is whole or is missed.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::UNIX_EPOCH;

use orgo_kernel::collect::{Because, Listing, Removal, StoredObject, StoredResult};
use orgo_kernel::key::StageKey;
use orgo_kernel::why::Evicted;
use orgo_spec::Digest;
use orgo_spec::canonical::{self, Profile};
use serde::{Deserialize, Serialize};

use super::{Cached, Store};
use crate::file::{At, PathError, read_if_there, write_atomic};

/// How many results are remembered after they went.
const REMEMBERED: usize = 16_384;

/// Held while something relies on what is in the store.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

/// A line of `evicted.jsonl`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Line {
    key: StageKey,
    at_ms: i64,
    because: Because,
}

impl Store {
    /// Takes the store for a run: no collection begins before it is given back. Waits for one that is under way.
    ///
    /// # Errors
    /// [`PathError`] if the lock cannot be had.
    pub fn share(&self) -> Result<StoreLock, PathError> {
        let (file, path) = self.lock_file()?;
        file.lock_shared().at("lock", &path)?;
        Ok(StoreLock { _file: file })
    }

    /// Takes the store for a collection; none while a run has it.
    ///
    /// # Errors
    /// [`PathError`] if the lock cannot be had for another reason.
    pub fn alone(&self) -> Result<Option<StoreLock>, PathError> {
        let (file, path) = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(StoreLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e).at("lock", &path),
        }
    }

    fn lock_file(&self) -> Result<(File, std::path::PathBuf), PathError> {
        let path = self.root.path().join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).at("open", &path)?;
        Ok((file, path))
    }

    /// Everything in the store. A result that cannot be read names nothing.
    ///
    /// # Errors
    /// [`PathError`] if a folder cannot be listed.
    pub fn list(&self) -> Result<Listing, PathError> {
        let mut listing = Listing { objects: self.list_objects()?, ..Listing::default() };
        self.each("actions", |digest, size_bytes, at_ms, path| {
            let names = read_result(path)?.as_ref().map(Cached::names).unwrap_or_default();
            listing.results.push(StoredResult { key: StageKey(digest), size_bytes, at_ms, names });
            Ok(())
        })?;
        Ok(listing)
    }

    /// Every object.
    pub(crate) fn list_objects(&self) -> Result<Vec<StoredObject>, PathError> {
        let mut objects = Vec::new();
        self.each("sha256", |digest, size_bytes, at_ms, _| {
            objects.push(StoredObject { digest, size_bytes, at_ms });
            Ok(())
        })?;
        Ok(objects)
    }

    /// The size of every result, and the result, if it can be read.
    pub(crate) fn list_results(&self) -> Result<Vec<(u64, Option<Cached>)>, PathError> {
        let mut results = Vec::new();
        self.each("actions", |key, size_bytes, _, path| {
            results.push((size_bytes, read_result(path)?.filter(|cached| cached.key.0 == key)));
            Ok(())
        })?;
        Ok(results)
    }

    /// Why each result was collected that is remembered.
    pub(crate) fn evicted_because(&self) -> Result<Vec<Because>, PathError> {
        Ok(self.evicted_lines()?.into_iter().map(|line| line.because).collect())
    }

    fn each(
        &self,
        kind: &str,
        mut take: impl FnMut(Digest, u64, i64, &Path) -> Result<(), PathError>,
    ) -> Result<(), PathError> {
        for byte in 0..=255u8 {
            let folder = self.root.path().join(kind).join(format!("{byte:02x}"));
            for entry in fs::read_dir(&folder).at("list", &folder)? {
                let entry = entry.at("list", &folder)?;
                let hex = format!("{byte:02x}{}", entry.file_name().to_string_lossy());
                let Ok(digest) = Digest::from_hex(&hex) else { continue };
                let status = match entry.metadata() {
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                    other => other.at("read the status of", &entry.path())?,
                };
                if status.is_file() {
                    take(digest, status.len(), changed_ms(&status), &entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// Takes out what was decided on; the caller holds the store alone.
    ///
    /// # Errors
    /// [`PathError`] if something cannot be removed; the store is sound then too.
    pub fn sweep(&self, removal: &Removal, now_ms: i64, _lock: &StoreLock) -> Result<(), PathError> {
        if !removal.results.is_empty() {
            let mut lines: Vec<Line> = self.evicted_lines()?;
            lines.extend(removal.results.iter().map(|(r, because)| Line {
                key: r.key,
                at_ms: now_ms,
                because: *because,
            }));
            let text: String = lines[lines.len().saturating_sub(REMEMBERED)..]
                .iter()
                .map(|line| serde_json::to_string(line).expect("a plain structure serializes") + "\n")
                .collect();
            write_atomic(&self.root.path().join("evicted.jsonl"), text.as_bytes())?;
        }
        for (result, _) in &removal.results {
            self.root.remove(&super::place("actions", result.key.0))?;
        }
        for (object, _) in &removal.objects {
            self.root.remove(&super::place("sha256", object.digest))?;
        }
        Ok(())
    }

    /// Removes what killed runs left half written, if it is older than the grace.
    ///
    /// # Errors
    /// [`PathError`] if something cannot be removed.
    pub fn tidy(&self, now_ms: i64, grace_ms: i64, _lock: &StoreLock) -> Result<(), PathError> {
        let folder = self.root.path().join("new");
        for entry in fs::read_dir(&folder).at("list", &folder)? {
            let entry = entry.at("list", &folder)?;
            let old = entry.metadata().is_ok_and(|s| now_ms.saturating_sub(changed_ms(&s)) >= grace_ms);
            if let (true, Some(name)) = (old, entry.file_name().to_str()) {
                self.root.remove(&format!("new/{name}"))?; // another run may have done it
            }
        }
        Ok(())
    }

    /// The results that were collected last, by key.
    ///
    /// # Errors
    /// [`PathError`] if the list is there and cannot be read.
    pub fn evicted(&self) -> Result<HashMap<StageKey, Evicted>, PathError> {
        let lines = self.evicted_lines()?.into_iter();
        Ok(lines.map(|l| (l.key, Evicted { at_ms: l.at_ms, because: l.because })).collect())
    }

    fn evicted_lines(&self) -> Result<Vec<Line>, PathError> {
        let bytes = read_if_there(&self.root.path().join("evicted.jsonl"))?.unwrap_or_default();
        Ok(bytes.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }
}

impl Cached {
    /// The objects that the result needs: files and log.
    #[must_use]
    pub fn names(&self) -> Vec<Digest> {
        let files = self.outputs.iter().filter_map(|o| o.kind.blob()).map(|b| b.digest);
        files.chain(self.log.map(|l| l.digest)).collect()
    }
}

/// A result, `None` if it cannot be read or is half of one.
fn read_result(path: &Path) -> Result<Option<Cached>, PathError> {
    let bytes = read_if_there(path)?.unwrap_or_default();
    Ok(canonical::from_slice(&bytes, Profile::DOCUMENT).ok())
}

fn changed_ms(status: &fs::Metadata) -> i64 {
    let since = status.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(0)
}
