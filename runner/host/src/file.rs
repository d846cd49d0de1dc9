//! Files: atomic writes, stamps, and errors that carry the path.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use orgo_spec::ReasonCode;
use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::io::Errno;
use rustix::path::Arg;
use serde::{Deserialize, Serialize};

/// An operation on a path failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{}`", path.display())]
pub struct PathError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl PathError {
    /// What went wrong, as the system says it.
    #[must_use]
    pub fn io(&self) -> &io::Error {
        &self.source
    }

    /// The reason code, if the system's answer has one of its own.
    #[must_use]
    pub fn reason(&self) -> Option<ReasonCode> {
        fault(&self.source)
    }
}

impl miette::Diagnostic for PathError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.reason().map_or("ENVIRONMENT", ReasonCode::as_str)))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.reason().map(|code| Box::new(code.remedy()) as Box<dyn fmt::Display>)
    }
}

/// The reason code of a system's error, if it has one of its own: no space, or nowhere to write.
#[must_use]
pub fn fault(error: &io::Error) -> Option<ReasonCode> {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        Some(ReasonCode::NoSpace)
    } else {
        (error.kind() == io::ErrorKind::ReadOnlyFilesystem).then_some(ReasonCode::ReadOnly)
    }
}

/// Adds a path and an intention to an I/O error.
pub trait At<T> {
    /// `doing` reads after “cannot”.
    ///
    /// # Errors
    /// [`PathError`] if the operation failed.
    fn at(self, doing: &'static str, path: &Path) -> Result<T, PathError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, PathError> {
        self.map_err(|e| PathError { doing, path: path.to_owned(), source: e.into() })
    }
}

/// What `stat` says of a file's identity: if it is the same, the content is taken to be the same,
/// but for the racy rule (see [`crate::sources`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Size in bytes.
    pub size_bytes: u64,
    /// Modification time, nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Change time, nanoseconds since the epoch.
    pub ctime_ns: i64,
    /// Inode number.
    pub inode: u64,
}

/// A stamp and what kind of file it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Status {
    /// The stamp.
    pub stamp: Stamp,
    /// Whether it is a regular file.
    pub is_file: bool,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether it is a symbolic link.
    pub is_link: bool,
    /// Whether the owner may execute it.
    pub executable: bool,
}

/// The status of a path, links not followed; `None` if there is nothing.
///
/// # Errors
/// [`PathError`] for everything but absence.
pub fn status(path: &Path) -> Result<Option<Status>, PathError> {
    stat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).at("read the status of", path)
}

/// The status of what a path leads to, links followed; `None` if there is nothing.
///
/// # Errors
/// [`PathError`] for everything but absence.
pub fn status_followed(path: &Path) -> Result<Option<Status>, PathError> {
    stat(CWD, path, AtFlags::empty()).at("read the status of", path)
}

/// The status of `path` below the open folder `folder`; `None` if there is nothing.
pub(crate) fn stat(folder: BorrowedFd<'_>, path: impl Arg, flags: AtFlags) -> rustix::io::Result<Option<Status>> {
    let want = StatxFlags::TYPE
        | StatxFlags::MODE
        | StatxFlags::SIZE
        | StatxFlags::MTIME
        | StatxFlags::CTIME
        | StatxFlags::INO;
    match rustix::fs::statx(folder, path, flags, want) {
        Ok(s) => {
            let ns = |t: rustix::fs::StatxTimestamp| t.tv_sec * 1_000_000_000 + i64::from(t.tv_nsec);
            let kind = rustix::fs::FileType::from_raw_mode(u32::from(s.stx_mode));
            Ok(Some(Status {
                stamp: Stamp {
                    size_bytes: s.stx_size,
                    mtime_ns: ns(s.stx_mtime),
                    ctime_ns: ns(s.stx_ctime),
                    inode: s.stx_ino,
                },
                is_file: kind.is_file(),
                is_folder: kind.is_dir(),
                is_link: kind.is_symlink(),
                executable: s.stx_mode & 0o100 != 0,
            }))
        }
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(e) => Err(e),
    }
}

/// How names of files begin that are not written to their end yet.
const NEW: &str = ".new-";

/// Removes what killed processes left half written in a folder: files that nobody wrote to for `age`.
///
/// # Errors
/// [`PathError`] if the folder cannot be listed.
pub fn remove_leftovers(folder: &Path, age: Duration) -> Result<(), PathError> {
    remove_old(folder, NEW, age)
}

/// Removes files whose names begin with `prefix` and that nobody wrote to for `age`.
///
/// # Errors
/// [`PathError`] if the folder cannot be listed.
pub(crate) fn remove_old(folder: &Path, prefix: &str, age: Duration) -> Result<(), PathError> {
    for entry in fs::read_dir(folder).at("list", folder)? {
        let entry = entry.at("list", folder)?;
        let is_new = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        let is_old = || entry.metadata().and_then(|m| m.modified()).is_ok_and(|t| t.elapsed().is_ok_and(|e| e >= age));
        if is_new && is_old() {
            let _ = fs::remove_file(entry.path()); // it is tried again by the next run
        }
    }
    Ok(())
}

/// Writes a file so that readers see the old content or the new, and a crash leaves one of them.
///
/// # Errors
/// [`PathError`] if any step fails; the old content then stays.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), PathError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).at("create the folder", folder)?;
    let mut temporary = tempfile::Builder::new().prefix(NEW).tempfile_in(folder).at("create a file in", folder)?;
    temporary.write_all(bytes).at("write", path)?;
    temporary.as_file().sync_all().at("flush", path)?;
    temporary.persist(path).map_err(|e| e.error).at("replace", path)?;
    File::open(folder).and_then(|f| f.sync_all()).at("flush", folder)
}

/// As [`write_atomic`] for a file that is there, which keeps its permissions.
///
/// # Errors
/// [`PathError`] if any step fails; the old content then stays.
pub fn rewrite_atomic(path: &Path, bytes: &[u8]) -> Result<(), PathError> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let permissions = fs::symlink_metadata(path).at("look at", path)?.permissions();
    let mut temporary = tempfile::Builder::new().prefix(NEW).tempfile_in(folder).at("create a file in", folder)?;
    temporary.write_all(bytes).at("write", path)?;
    temporary.as_file().set_permissions(permissions).at("set the permissions of", path)?;
    temporary.as_file().sync_all().at("flush", path)?;
    temporary.persist(path).map_err(|e| e.error).at("replace", path)?;
    File::open(folder).and_then(|f| f.sync_all()).at("flush", folder)
}

/// As [`write_atomic`], without waiting for the disk: for what can be computed again.
///
/// # Errors
/// [`PathError`] if any step fails; the old content then stays.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), PathError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(NEW).tempfile_in(folder).at("create a file in", folder)?;
    temporary.write_all(bytes).at("write", path)?;
    temporary.persist(path).map_err(|e| e.error).at("replace", path)?;
    Ok(())
}

/// Removes a folder and what is in it, if it is there.
///
/// # Errors
/// [`PathError`] for everything but absence.
pub fn remove_tree(path: &Path) -> Result<(), PathError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path).at("remove", path),
        other => other.at("remove", path),
    }
}

/// The content of a file, `None` if there is none.
///
/// # Errors
/// [`PathError`] for everything but absence.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, PathError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).at("read", path),
    }
}
