//! An open folder: what lies below it is reached by relative names, without a walk from the root.
//!
//! Names are relative paths with `/`. A link as the last part of a name is never followed.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use crate::file::{At, PathError, Status, stat};

/// From so many names on, their statuses are asked for by all processors.
const MANY: usize = 2048;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// [`PathError`] if there is none or it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, PathError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).at("open the folder", path)?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// A folder that is open already.
    pub(crate) fn from_fd(fd: OwnedFd, path: PathBuf) -> Self {
        Self { fd, path }
    }

    /// Where it was when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The status of what a name stands for; `None` if there is nothing.
    ///
    /// # Errors
    /// [`PathError`] for everything but absence.
    pub fn status(&self, name: &str) -> Result<Option<Status>, PathError> {
        stat(self.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW).at_name("read the status of", self, name)
    }

    /// The statuses of many names, in their order, as [`Folder::status`] gives them.
    ///
    /// # Errors
    /// [`PathError`] for everything but absence.
    pub fn statuses(&self, names: &[impl AsRef<str> + Sync]) -> Result<Vec<Option<Status>>, PathError> {
        if names.len() < MANY {
            return names.iter().map(|name| self.status(name.as_ref())).collect();
        }
        names.par_iter().with_min_len(MANY / 4).map(|name| self.status(name.as_ref())).collect()
    }

    /// Opens a file for reading; `None` if there is none.
    ///
    /// # Errors
    /// [`PathError`] for everything but absence.
    pub fn read(&self, name: &str) -> Result<Option<File>, PathError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match rustix::fs::openat(self, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(fd.into())),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
            Err(e) => Err(e).at_name("open", self, name),
        }
    }

    /// Makes a new file and opens it for writing.
    ///
    /// # Errors
    /// [`PathError`] if the name is taken or the file cannot be made.
    pub fn create(&self, name: &str, mode: u16) -> Result<File, PathError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self, name, flags, Mode::from_raw_mode(u32::from(mode)));
        fd.map(File::from).at_name("create", self, name)
    }

    /// Makes a new folder.
    ///
    /// # Errors
    /// [`PathError`] if the name is taken or the folder cannot be made.
    pub fn make(&self, name: &str) -> Result<(), PathError> {
        rustix::fs::mkdirat(self, name, Mode::RWXU | Mode::RWXG | Mode::RWXO).at_name("create the folder", self, name)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// [`PathError`] if the name is taken or the link cannot be made.
    pub fn link(&self, target: &str, name: &str) -> Result<(), PathError> {
        rustix::fs::symlinkat(target, self, name).at_name("create the link", self, name)
    }

    /// Gives `from` the name `to` in this folder, replacing a file that has it.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be renamed.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), PathError> {
        rustix::fs::renameat(self, from, self, to).at_name("name", self, to)
    }

    /// Removes a file; absence is no error.
    ///
    /// # Errors
    /// [`PathError`] if it is there and cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), PathError> {
        match rustix::fs::unlinkat(self, name, AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            other => other.at_name("remove", self, name),
        }
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Adds the folder's path and a name to an error.
pub(crate) trait AtName<T> {
    /// As [`At::at`]; the path is put together only if there is an error.
    fn at_name(self, doing: &'static str, folder: &Folder, name: &str) -> Result<T, PathError>;
}

impl<T, E: Into<std::io::Error>> AtName<T> for Result<T, E> {
    fn at_name(self, doing: &'static str, folder: &Folder, name: &str) -> Result<T, PathError> {
        self.or_else(|e| Err(e).at(doing, &folder.path.join(name)))
    }
}

/// Reads a file to its end; `size_hint` saves calls if it is right.
pub(crate) fn read_all(file: &mut File, size_hint: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size_hint).unwrap_or(0) + 1];
    let mut filled = 0;
    loop {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => {
                bytes.truncate(filled);
                return Ok(bytes);
            }
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        if filled == bytes.len() {
            bytes.resize(filled * 2 + 4096, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_size_hint_loses_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("f");
        let text: Vec<u8> = (0..20_000u32).map(|i| i as u8).collect();
        std::fs::write(&path, &text).expect("writable");
        for hint in [0, 1, 19_999, 20_000, 20_001, 100_000] {
            assert_eq!(read_all(&mut File::open(&path).expect("there"), hint).expect("readable"), text, "{hint}");
        }
    }

    #[test]
    fn a_link_is_never_followed() {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(temporary.path()).expect("opened");
        folder.link("/etc/passwd", "l").expect("made");
        assert!(folder.read("l").is_err());
        assert!(folder.status("l").expect("readable").is_some_and(|s| s.is_link));
        assert!(folder.create("l", 0o644).is_err());
        folder.remove("l").expect("removed");
        assert!(folder.read("l").expect("absent").is_none());
    }
}
