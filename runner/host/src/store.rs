//! The object store: content by digest, and beside it the results of stages by key.
//!
//! ```text
//! <store>/sha256/ab/cd…      an object, read-only, named by its digest
//! <store>/actions/ab/cd…     the result of a stage, named by its key
//! <store>/tenant             whose it is
//! <store>/new/               where objects are written before they get their name
//! ```
//!
//! INVARIANT: an object gets its name by a rename after all its bytes are written.
//! INVARIANT: no inode of the store is ever shared with a path that a user or a stage can write:
//! objects go in and out by copy (or by a copy-on-write clone).
//! What is read from the store is hashed while it is read; an object that does not hash to its name
//! is removed and reported, and its stage runs again.

mod action;
mod collect;
mod copy;
mod ends;
mod incoming;
mod varied;

pub(crate) use action::SCHEMA;
pub use action::{Cached, Executor};
pub use collect::StoreLock;
pub use ends::{End, Ends, Flaky};
pub(crate) use incoming::{Incoming, TakeError};
pub(crate) use varied::FILE as VARIED;
pub use varied::{Contents, Seen, Varied, contents};

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use orgo_kernel::key::Blob;
use orgo_spec::{Digest, Hasher};

use crate::file::{At, PathError, Stamp, status};
use crate::folder::{AtName, Folder, read_all};

/// Files up to this size pass through memory in one piece.
const SMALL: u64 = 256 * 1024;

/// The file that says whose a store is.
pub(crate) const TENANT: &str = "tenant";

/// A store of one tenant.
#[derive(Debug)]
pub struct Store {
    root: Folder,
    /// Told apart from every other process, also from one that had this process's number before, or in another container.
    own: String,
    counter: AtomicU64,
}

/// Why an object cannot be had.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ObjectError {
    /// It is not there.
    #[error("the store has no object {0}")]
    Missing(Digest),
    /// It did not hash to its name; it was removed.
    #[error("the object {0} in the store was damaged and has been removed")]
    #[diagnostic(code(STORE_CORRUPT), help("run again: the stage that made it runs once more"))]
    Corrupt(Digest),
    /// The system refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Path(#[from] PathError),
}

impl Store {
    /// Opens the store at `root`, making its folders if they are not there.
    ///
    /// # Errors
    /// [`PathError`] if a folder cannot be made.
    pub fn open(root: &Path) -> Result<Self, PathError> {
        if status(&root.join("actions/ff"))?.is_none() {
            for kind in ["sha256", "actions"] {
                for byte in 0..=255u8 {
                    let folder = root.join(kind).join(format!("{byte:02x}"));
                    fs::create_dir_all(&folder).at("create the folder", &folder)?;
                }
            }
            let new = root.join("new");
            fs::create_dir_all(&new).at("create the folder", &new)?;
        }
        let own = format!("{}-{:x}", std::process::id(), crate::sources::now_ns());
        Ok(Self { root: Folder::open(root)?, own, counter: AtomicU64::new(0) })
    }

    /// Where an object lies.
    #[must_use]
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.root.path().join(place("sha256", digest))
    }

    fn new_name(&self) -> String {
        let n = self.counter.fetch_add(1, Ordering::Relaxed);
        format!("new/{}-{n}", self.own)
    }

    /// The stamp of an object, `None` if it is not there.
    ///
    /// # Errors
    /// [`PathError`] for everything but absence.
    pub fn stamp(&self, digest: Digest) -> Result<Option<Stamp>, PathError> {
        Ok(self.root.status(&place("sha256", digest))?.filter(|s| s.is_file).map(|s| s.stamp))
    }

    /// Stores bytes. An object that is there is kept if it holds them, and replaced if it was damaged.
    ///
    /// # Errors
    /// [`PathError`] if they cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Blob, PathError> {
        let blob = Blob::of(bytes);
        let name = place("sha256", blob.digest);
        if self.holds(&name, bytes) {
            return Ok(blob);
        }
        self.write_new(&name, 0o444, bytes)?;
        Ok(blob)
    }

    /// Writes a new file and gives it a name, replacing what has it; of one that cannot be written to its end nothing
    /// is left.
    fn write_new(&self, name: &str, mode: u16, bytes: &[u8]) -> Result<(), PathError> {
        let new = self.new_name();
        let written = self.root.create(&new, mode)?.write_all(bytes).at_name("write", &self.root, &new);
        let named = written.and_then(|()| self.root.rename(&new, name));
        if named.is_err() {
            let _ = self.root.remove(&new); // a later run removes it
        }
        named
    }

    /// Whether the object `name` is there, holds these bytes and can be read.
    fn holds(&self, name: &str, bytes: &[u8]) -> bool {
        let Ok(Some(mut file)) = self.root.read(name) else { return false };
        read_all(&mut file, bytes.len() as u64).is_ok_and(|there| there == bytes)
    }

    /// Stores the content of an open file, reading it to its end.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be read or written.
    pub fn put_file(&self, mut file: File, path: &Path, size_hint: u64) -> Result<Blob, PathError> {
        if size_hint <= SMALL {
            return self.put(&read_all(&mut file, size_hint).at("read", path)?);
        }
        let new = self.new_name();
        let copied = self.root.create(&new, 0o444).and_then(|mut out| {
            let mut hasher = Hasher::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                let n = file.read(&mut buffer).at("read", path)?;
                if n == 0 {
                    return Ok(hasher.finish_with_size());
                }
                hasher.update(&buffer[..n]);
                out.write_all(&buffer[..n]).at_name("write", &self.root, &new)?;
            }
        });
        let named = copied.and_then(|(digest, size_bytes)| {
            self.root.rename(&new, &place("sha256", digest))?;
            Ok(Blob { digest, size_bytes })
        });
        if named.is_err() {
            let _ = self.root.remove(&new); // a later run removes it
        }
        named
    }

    /// The bytes of an object, verified.
    ///
    /// # Errors
    /// [`ObjectError`] if it is missing, damaged (then it is removed) or unreadable.
    pub fn get(&self, digest: Digest) -> Result<Vec<u8>, ObjectError> {
        let path = self.path(digest);
        let bytes = crate::file::read_if_there(&path)?.ok_or(ObjectError::Missing(digest))?;
        if Digest::of(&bytes) != digest {
            return Err(self.evict(digest));
        }
        Ok(bytes)
    }

    /// The bytes of an object, verified; a damaged one stays where it is.
    ///
    /// # Errors
    /// [`ObjectError`] if it is missing, damaged or unreadable.
    pub fn peek(&self, digest: Digest) -> Result<Vec<u8>, ObjectError> {
        let bytes = crate::file::read_if_there(&self.path(digest))?.ok_or(ObjectError::Missing(digest))?;
        if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(ObjectError::Corrupt(digest)) }
    }

    /// Whether an object is there and hashes to its name; a damaged one is removed.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be read.
    pub fn verify(&self, blob: Blob) -> Result<bool, PathError> {
        let path = self.path(blob.digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e).at("open", &path),
        };
        let (digest, _) = Digest::of_reader(file).at("read", &path)?;
        if digest != blob.digest {
            self.evict(blob.digest);
            return Ok(false);
        }
        Ok(true)
    }

    fn evict(&self, digest: Digest) -> ObjectError {
        match fs::remove_file(self.path(digest)) {
            Ok(()) => ObjectError::Corrupt(digest),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => ObjectError::Missing(digest),
            Err(e) => match Err::<(), _>(e).at("remove the damaged object", &self.path(digest)) {
                Err(e) => ObjectError::Path(e),
                Ok(()) => ObjectError::Corrupt(digest),
            },
        }
    }

    /// Waits until everything stored so far is on the disk: one call for a whole run.
    ///
    /// # Errors
    /// [`PathError`] if the system reports a failure.
    pub fn flush(&self) -> Result<(), PathError> {
        rustix::fs::syncfs(&self.root).at("flush", self.root.path())
    }
}

/// The name of an object or of a result below the store's folder.
pub(crate) fn place(kind: &str, digest: Digest) -> String {
    let hex = digest.hex();
    [kind, "/", &hex[..2], "/", &hex[2..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_object_is_refused_and_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let blob = store.put(b"content").expect("stored");
        assert_eq!(store.get(blob.digest).expect("there"), b"content");
        let path = store.path(blob.digest);
        fs::remove_file(&path).expect("removable");
        fs::write(&path, b"CONTENT").expect("writable");
        assert!(matches!(store.get(blob.digest), Err(ObjectError::Corrupt(_))));
        assert!(matches!(store.get(blob.digest), Err(ObjectError::Missing(_))));
        assert!(!store.verify(blob).expect("readable"));
    }

    #[test]
    fn what_is_stored_again_replaces_a_damaged_object() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let blob = store.put(b"content").expect("stored");
        fs::remove_file(store.path(blob.digest)).expect("removable");
        fs::write(store.path(blob.digest), b"CONTENT").expect("writable");
        store.put(b"content").expect("stored again");
        assert_eq!(store.get(blob.digest).expect("there"), b"content");
    }

    #[test]
    fn objects_are_read_only_and_stored_once() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let blob = store.put(b"content").expect("stored");
        let before = fs::metadata(store.path(blob.digest)).expect("there");
        store.put(b"content").expect("stored again");
        let after = fs::metadata(store.path(blob.digest)).expect("there");
        assert_eq!(before.ino(), after.ino());
        assert_eq!(after.mode() & 0o777, 0o444);
    }
}
