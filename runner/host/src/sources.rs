//! Source files: found by pattern, hashed once, stored when they are hashed.
//!
//! A digest is remembered with the file's stamp (size, modification and change time, inode) and is
//! used again while the stamp is the same. The racy rule of git's index applies: a file whose times
//! are not clearly older than the moment of hashing may change again without changing its stamp, so
//! its digest is used in this run and not remembered for the next.
//!
//! Because a file enters the store when it is hashed and stages see only store objects, what a run
//! works on is frozen from here on.

pub(crate) mod pattern;

pub use pattern::Matcher;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use orgo_kernel::key::{Blob, SourceFile};
use orgo_spec::{Digest, ReasonCode};
use serde::{Deserialize, Serialize};

use crate::file::{At, PathError, Stamp, Status, read_if_there, replace, status};
use crate::folder::Folder;
use crate::store::Store;
use pattern::is_literal;
pub use pattern::matches_any;

/// Times closer to the moment of hashing than this are not trusted: coarser than any file system's tick.
pub(crate) const RACY_NS: i64 = 20_000_000;

/// The first bytes of a Git LFS pointer.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Why a source cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SourceError {
    /// A literal path does not exist.
    #[error("the input `{path}` does not exist")]
    #[diagnostic(code(INPUT_MISSING), help("create it, or correct the path in the pipeline"))]
    Missing {
        /// The path.
        path: String,
    },
    /// Something that is not a regular file, or lies outside.
    #[error("the input `{path}` is not a regular file of the repository")]
    #[diagnostic(code(INPUT_MISSING), help("inputs are regular files; name the files of a folder with `{path}/**`"))]
    NotAFile {
        /// The path.
        path: String,
    },
    /// A pattern that cannot be read.
    #[error("`{pattern}` is not a pattern: {why}")]
    #[diagnostic(code(DOCUMENT_INVALID), help("patterns are paths with `*`, `?`, `[ab]`, `{{a,b}}` and `**`"))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        why: String,
    },
    /// A Git LFS pointer instead of the content.
    #[error("the input `{path}` is a Git LFS pointer, not the content")]
    #[diagnostic(code(INPUT_LFS_POINTER), help("run `git lfs pull` first"))]
    LfsPointer {
        /// The path.
        path: String,
    },
    /// The file changed while it was read.
    #[error("the input `{path}` changed while it was read")]
    #[diagnostic(code(INPUT_CHANGED), help("run again when nothing writes to it; nothing was recorded"))]
    Changed {
        /// The path.
        path: String,
    },
    /// The system refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Path(#[from] PathError),
}

impl SourceError {
    /// The reason code, if it is not the environment's fault.
    #[must_use]
    pub fn reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Missing { .. } | Self::NotAFile { .. } => Some(ReasonCode::InputMissing),
            Self::Pattern { .. } => Some(ReasonCode::DocumentInvalid),
            Self::LfsPointer { .. } => Some(ReasonCode::InputLfsPointer),
            Self::Changed { .. } => Some(ReasonCode::InputChanged),
            Self::Path(e) => e.reason(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    stamp: Stamp,
    blob: Blob,
    executable: bool,
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
            learned: false,
        })
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
                    if self.root.status(path)?.is_none_or(|s| !s.is_file || s.stamp != known.stamp) {
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
        let found = self.root.status(path)?.ok_or_else(missing)?;
        if !found.is_file {
            return Err(SourceError::NotAFile { path: path.to_owned() });
        }
        let known = match self.known.get(path) {
            Some(known) if known.stamp == found.stamp && store.stamp(known.blob.digest)?.is_some() => known.clone(),
            _ => self.read(path, &self.root.path().join(path), found, store)?,
        };
        let file = source(path, &known);
        let seen = self.seen.insert(path.to_owned(), Seen { known, is_stored: true });
        // A run works on one state of a file, also where its content was looked for later than its stamp.
        if seen.is_some_and(|seen| seen.known.blob != file.blob || seen.known.executable != file.executable) {
            return Err(SourceError::Changed { path: path.to_owned() });
        }
        Ok(file)
    }

    fn read(&mut self, path: &str, full: &Path, before: Status, store: &Store) -> Result<Known, SourceError> {
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
        let known = Known { stamp: after.stamp, blob, executable: after.executable };
        self.learn(path, &known, hashed_ns);
        Ok(known)
    }

    fn learn(&mut self, path: &str, known: &Known, hashed_ns: i64) {
        self.learned = true;
        if known.stamp.mtime_ns.max(known.stamp.ctime_ns) + RACY_NS < hashed_ns {
            self.known.insert(path.to_owned(), known.clone());
        } else {
            self.known.remove(path);
        }
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
        let mut changed = Vec::new();
        self.seen.iter().try_for_each(|(path, seen)| {
            if self.root.status(path)?.map(|s| s.stamp) != Some(seen.known.stamp) {
                changed.push(path.clone());
            }
            Ok(())
        })?;
        changed.sort_unstable();
        Ok(changed)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&folder.path().join("store")).expect("a store");
        (folder, store)
    }

    fn digest_of(folder: &Path, store: &Store) -> Blob {
        let mut sources = Sources::open(folder, &folder.join("memory")).expect("opened");
        let files = sources.select(&["a.txt".to_owned()], store).expect("selected");
        sources.save().expect("saved");
        files[0].blob
    }

    #[test]
    fn a_change_within_the_same_tick_is_seen() {
        let (folder, store) = setup();
        let file = folder.path().join("a.txt");
        for i in 0..30 {
            let text = format!("content {i:02}");
            std::fs::write(&file, &text).expect("writable");
            assert_eq!(digest_of(folder.path(), &store), Blob::of(text.as_bytes()), "after write {i}");
        }
    }

    #[test]
    fn an_old_file_is_hashed_once() {
        let (folder, store) = setup();
        let file = folder.path().join("a.txt");
        std::fs::write(&file, "content").expect("writable");
        std::thread::sleep(std::time::Duration::from_millis(60));
        let blob = digest_of(folder.path(), &store);
        let sources = Sources::open(folder.path(), &folder.path().join("memory")).expect("opened");
        assert_eq!(sources.known.get("a.txt").map(|k| k.blob), Some(blob));
    }

    #[test]
    fn pointers_and_folders_are_named_errors() {
        let (folder, store) = setup();
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
        std::fs::write(folder.path().join("a.txt"), pointer).expect("writable");
        let mut sources = Sources::open(folder.path(), &folder.path().join("memory")).expect("opened");
        let code = |r: Result<Vec<SourceFile>, SourceError>| r.expect_err("refused").reason();
        assert_eq!(code(sources.select(&["a.txt".into()], &store)), Some(ReasonCode::InputLfsPointer));
        assert_eq!(code(sources.select(&["store".into()], &store)), Some(ReasonCode::InputMissing));
        assert_eq!(code(sources.select(&["none".into()], &store)), Some(ReasonCode::InputMissing));
        assert_eq!(code(sources.select(&["a[".into()], &store)), Some(ReasonCode::DocumentInvalid));
    }
}
