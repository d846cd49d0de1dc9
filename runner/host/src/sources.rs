//! Source files: found by pattern, hashed once, stored when they are hashed.
//!
//! A digest is remembered with the file's stamp (size, modification and change time, inode) and is
//! used again while the stamp is the same. The racy rule of git's index applies: a file whose times
//! are not clearly older than the moment of hashing may change again without changing its stamp, so
//! its digest is used in this run and not remembered for the next.
//!
//! A run takes in all files that its stages read before it begins ([`Sources::freeze`]), by all processors. A file enters
//! the store when it is hashed and stages see only store objects, so what a run works on is frozen from there on.
//! Where git looked at the files before, what it found is what counts: a file that is not as it was then any more
//! when it is read is refused.

mod error;
pub(crate) mod pattern;
#[cfg(test)]
mod tests;

pub use error::SourceError;
pub use pattern::{Matcher, matches_any};

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orgo_kernel::key::{Blob, SourceFile};
use orgo_spec::Digest;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde::{Deserialize, Serialize};

use crate::file::{At, PathError, Stamp, Status, read_if_there, replace, status};
use crate::folder::Folder;
use crate::git::Looked;
use crate::store::Store;
use pattern::is_literal;

/// Times closer to the moment of hashing than this are not trusted: coarser than any file system's tick.
pub(crate) const RACY_NS: i64 = 20_000_000;

/// The first bytes of a Git LFS pointer.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    stamp: Stamp,
    blob: Blob,
    executable: bool,
}

/// A file that was read.
struct Taken {
    known: Known,
    /// When reading began, nanoseconds since the epoch.
    hashed_ns: i64,
}

/// A file that this run uses.
struct Seen {
    known: Known,
    /// Whether its content is known to be in the store.
    is_stored: bool,
}

/// What earlier runs wrote to `memory`: stamp, content, and whether it is executable, of files by path. An unreadable
/// memory is an empty one.
///
/// # Errors
/// [`PathError`] if the memory is there and cannot be opened.
pub(crate) fn remembered(memory: &Path) -> Result<impl Iterator<Item = (String, Stamp, Digest, bool)>, PathError> {
    let known = read_if_there(memory)?.and_then(|bytes| postcard::from_bytes(&bytes).ok());
    let known: HashMap<String, Known> = known.unwrap_or_default();
    Ok(known.into_iter().map(|(path, known)| (path, known.stamp, known.blob.digest, known.executable)))
}

/// The files of one repository, with what is known of them.
pub struct Sources {
    root: Folder,
    memory: PathBuf,
    known: HashMap<String, Known>,
    seen: HashMap<String, Seen>,
    patterns: HashMap<String, Vec<String>>,
    /// What was found at files that git tracks, when it said whether they differ from the commit.
    looked: Option<Arc<Looked>>,
    learned: bool,
}

impl Sources {
    /// Starts with what earlier runs wrote to `memory`; an unreadable memory is an empty one.
    ///
    /// # Errors
    /// [`PathError`] if the memory is there and cannot be opened.
    pub fn open(root: &Path, memory: &Path) -> Result<Self, PathError> {
        let known = read_if_there(memory)?.and_then(|bytes| postcard::from_bytes(&bytes).ok()).unwrap_or_default();
        Ok(Self {
            root: Folder::open(root)?,
            memory: memory.to_owned(),
            known,
            seen: HashMap::new(),
            patterns: HashMap::new(),
            looked: None,
            learned: false,
        })
    }

    /// Says what was found when git looked at the files that it tracks; they are used as they were then.
    pub fn set_looked(&mut self, looked: Option<Arc<Looked>>) {
        self.looked = looked;
    }

    /// Takes in all files that the patterns match: new ones are hashed and stored by all processors. What is wrong
    /// with one is told when it is selected.
    pub fn freeze<'a>(&mut self, patterns: impl Iterator<Item = &'a String>, store: &Store) {
        let mut new = BTreeMap::new();
        for pattern in patterns {
            let matched = if is_literal(pattern) { Ok(Vec::new()) } else { self.matches(pattern) };
            let Ok(matched) = matched else { continue };
            let literal = is_literal(pattern).then_some(pattern);
            for path in literal.into_iter().chain(&matched) {
                if self.seen.contains_key(path) || new.contains_key(path) {
                    continue;
                }
                let Ok(Some(found)) = self.status(path) else { continue };
                match self.known.get(path).filter(|known| known.stamp == found.stamp && found.is_file) {
                    Some(known) => {
                        self.seen.insert(path.clone(), Seen { known: known.clone(), is_stored: false });
                    }
                    None if found.is_file => drop(new.insert(path.clone(), found)),
                    None => {}
                }
            }
        }
        let read = |(path, found): (&String, &Status)| Some((path.clone(), self.read(path, *found, store).ok()?));
        let taken: Vec<(String, Taken)> = new.par_iter().filter_map(read).collect();
        for (path, taken) in taken {
            let known = self.learn(&path, taken);
            self.seen.insert(path, Seen { known, is_stored: true });
        }
    }

    /// What is at a path: as git found it, if it looked.
    fn status(&self, path: &str) -> Result<Option<Status>, PathError> {
        let looked = self.looked.as_ref().and_then(|looked| looked.get(path));
        looked.map_or_else(|| self.root.status(path), Ok)
    }

    /// The files that a stage's patterns match, sorted by path, each once, in the store.
    ///
    /// # Errors
    /// [`SourceError`] for paths that do not exist or cannot be used.
    pub fn select(&mut self, patterns: &[String], store: &Store) -> Result<Vec<SourceFile>, SourceError> {
        let mut files = Vec::new();
        for pattern in patterns {
            if is_literal(pattern) {
                files.push(self.file(pattern, store)?);
            } else {
                for path in self.matches(pattern)? {
                    files.push(self.file(&path, store)?);
                }
            }
        }
        in_order(&mut files);
        Ok(files)
    }

    /// As [`Sources::select`], if every file is known and has the stamp that it had; `None` if not. Does not
    /// ask whether the contents are in the store.
    ///
    /// # Errors
    /// [`SourceError`] for patterns that cannot be read.
    pub fn recall(&mut self, patterns: &[String]) -> Result<Option<Vec<SourceFile>>, SourceError> {
        let mut files = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let matched = if is_literal(pattern) { None } else { Some(self.matches(pattern)?) };
            for path in matched.as_deref().unwrap_or(std::slice::from_ref(pattern)) {
                if !self.seen.contains_key(path) {
                    let Some(known) = self.known.get(path) else { return Ok(None) };
                    if self.status(path)?.is_none_or(|s| !s.is_file || s.stamp != known.stamp) {
                        return Ok(None);
                    }
                    self.seen.insert(path.clone(), Seen { known: known.clone(), is_stored: false });
                }
                files.push(source(path, &self.seen[path].known));
            }
        }
        in_order(&mut files);
        Ok(Some(files))
    }

    fn file(&mut self, path: &str, store: &Store) -> Result<SourceFile, SourceError> {
        if let Some(seen) = self.seen.get_mut(path) {
            seen.is_stored = seen.is_stored || store.stamp(seen.known.blob.digest)?.is_some();
            if seen.is_stored {
                return Ok(source(path, &seen.known));
            }
        }
        let missing = || SourceError::Missing { path: path.to_owned() };
        let found = self.status(path)?.ok_or_else(missing)?;
        if !found.is_file {
            return Err(SourceError::NotAFile { path: path.to_owned() });
        }
        let known = match self.known.get(path) {
            Some(known) if known.stamp == found.stamp && store.stamp(known.blob.digest)?.is_some() => known.clone(),
            _ => {
                let read = self.read(path, found, store)?;
                self.learn(path, read)
            }
        };
        let file = source(path, &known);
        let seen = self.seen.insert(path.to_owned(), Seen { known, is_stored: true });
        // A run works on one state of a file, also where its content was looked for later than its stamp.
        if seen.is_some_and(|seen| seen.known.blob != file.blob || seen.known.executable != file.executable) {
            return Err(SourceError::Changed { path: path.to_owned() });
        }
        Ok(file)
    }

    /// Reads a file into the store; `before` is what was found there.
    fn read(&self, path: &str, before: Status, store: &Store) -> Result<Taken, SourceError> {
        let full = &self.root.path().join(path);
        let hashed_ns = now_ns();
        let mut file = File::open(full).at("open", full)?;
        let mut start = [0; LFS_POINTER.len()];
        if before.stamp.size_bytes < 1024 && file.read_exact(&mut start).is_ok() && start == LFS_POINTER {
            return Err(SourceError::LfsPointer { path: path.to_owned() });
        }
        let file = File::open(full).at("open", full)?;
        let blob = store.put_file(file, full, before.stamp.size_bytes)?;
        let after = status(full)?.ok_or_else(|| SourceError::Changed { path: path.to_owned() })?;
        if after.stamp != before.stamp || blob.size_bytes != before.stamp.size_bytes {
            return Err(SourceError::Changed { path: path.to_owned() });
        }
        Ok(Taken { known: Known { stamp: after.stamp, blob, executable: after.executable }, hashed_ns })
    }

    /// Remembers what was read for the next run, if its times tell it from what may be written next.
    fn learn(&mut self, path: &str, Taken { known, hashed_ns }: Taken) -> Known {
        self.learned = true;
        if known.stamp.mtime_ns.max(known.stamp.ctime_ns) + RACY_NS < hashed_ns {
            self.known.insert(path.to_owned(), known.clone());
        } else {
            self.known.remove(path);
        }
        known
    }

    /// As [`pattern::matches`], each pattern once a run.
    fn matches(&mut self, pattern: &str) -> Result<Vec<String>, SourceError> {
        if let Some(paths) = self.patterns.get(pattern) {
            return Ok(paths.clone());
        }
        let paths = pattern::matches(&self.root, pattern)?;
        self.patterns.insert(pattern.to_owned(), paths.clone());
        Ok(paths)
    }

    /// Every file that was used and its stamp, sorted by path; `None` if the digest of one is not to be trusted
    /// in a later run.
    #[must_use]
    pub fn settled(&self) -> Option<Vec<(&str, Stamp)>> {
        let stamp = |path: &String| self.known.get(path).map(|known| known.stamp);
        let trusted = |(path, seen): (&'_ String, &Seen)| stamp(path).filter(|s| *s == seen.known.stamp);
        let mut all = self
            .seen
            .iter()
            .map(|entry| Some((entry.0.as_str(), trusted(entry)?)))
            .collect::<Option<Vec<(&str, Stamp)>>>()?;
        all.sort_unstable_by_key(|(path, _)| *path);
        Some(all)
    }

    /// Every pattern with wildcards that was asked for and a digest over what it matched, sorted.
    #[must_use]
    pub fn matched(&self) -> Vec<(&str, Digest)> {
        let mut all: Vec<_> = self.patterns.iter().map(|(p, paths)| (p.as_str(), pattern::digest(paths))).collect();
        all.sort_unstable();
        all
    }

    /// Paths used in this run whose stamp is not any more what it was.
    ///
    /// # Errors
    /// [`PathError`] if a status cannot be read.
    pub fn changed(&self) -> Result<Vec<String>, PathError> {
        let mut used: Vec<(&String, Stamp)> = self.seen.iter().map(|(path, seen)| (path, seen.known.stamp)).collect();
        used.sort_unstable_by_key(|(path, _)| *path);
        let paths: Vec<&String> = used.iter().map(|(path, _)| *path).collect();
        let now = self.root.statuses(&paths)?;
        let as_before =
            |((_, stamp), now): (&(&String, Stamp), &Option<Status>)| now.is_some_and(|s| s.stamp == *stamp);
        let changed = used.iter().zip(&now).filter(|pair| !as_before(*pair));
        Ok(changed.map(|((path, _), _)| (*path).clone()).collect())
    }

    /// Writes what was learned for the next run.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be written.
    pub fn save(&self) -> Result<(), PathError> {
        if !self.learned {
            return Ok(());
        }
        let bytes = postcard::to_stdvec(&self.known).expect("a plain structure serializes");
        replace(&self.memory, &bytes)
    }
}

fn source(path: &str, known: &Known) -> SourceFile {
    SourceFile { path: path.to_owned(), blob: known.blob, executable: known.executable }
}

fn in_order(files: &mut Vec<SourceFile>) {
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
}

pub(crate) fn now_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
