//! What a watched stage does not declare and asks for in its working folder: put there when it does, if the repository has it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, open, openat, openat2};
use rustix::io::Errno;

use super::How;

/// What is never an input.
const NEVER: [&str; 3] = [".git", ".orgo", "out"];

/// The files and folders that were put into one working folder.
#[derive(Debug)]
pub(super) struct Given {
    project: PathBuf,
    project_fd: OwnedFd,
    folder: PathBuf,
    folder_fd: OwnedFd,
    files: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
    listed: BTreeSet<PathBuf>,
}

impl Given {
    pub(super) fn new(project: &Path, folder: &Path) -> rustix::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        Ok(Self {
            project: project.to_owned(),
            project_fd: open(project, flags, Mode::empty())?,
            folder_fd: open(&folder, flags, Mode::empty())?,
            folder,
            files: BTreeSet::new(),
            folders: BTreeSet::new(),
            listed: BTreeSet::new(),
        })
    }

    /// Whether what lies at a path was put there; a folder that is listed gets all that it should have.
    pub(super) fn has(&mut self, path: &Path, how: How) -> bool {
        let Ok(name) = path.strip_prefix(&self.folder).map(Path::to_owned) else { return false };
        if how.any(How::LISTED) && self.folders.contains(&name) {
            self.fill(&name);
        }
        self.files.contains(&name) || self.folders.contains(&name)
    }

    /// Puts what is asked for at a path, if the repository has it; says whether it does.
    pub(super) fn give(&mut self, path: &Path, how: How) -> bool {
        let Ok(name) = path.strip_prefix(&self.folder).map(Path::to_owned) else { return false };
        let first = name.components().next().and_then(|part| part.as_os_str().to_str());
        let given = first.is_some_and(|first| !NEVER.contains(&first)) && self.put(&name).is_ok();
        if given && how.any(How::LISTED) {
            self.fill(&name);
        }
        given
    }

    fn put(&mut self, name: &Path) -> rustix::io::Result<()> {
        // No link is followed: it may lead out of the repository, or out of the working folder.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let source = openat2(&self.project_fd, name, flags, Mode::empty(), beneath())?;
        let status = fstat(&source)?;
        let (parent, last) = match (name.parent(), name.file_name()) {
            (Some(parent), Some(last)) if !parent.as_os_str().is_empty() => (self.parent(parent)?, last),
            (_, Some(last)) => (rustix::io::fcntl_dupfd_cloexec(&self.folder_fd, 0)?, last),
            (_, None) => return Err(Errno::INVAL),
        };
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => {
                mkdirat(&parent, last, Mode::from_raw_mode(0o777))?;
                self.folders.insert(name.to_owned());
            }
            FileType::RegularFile => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mode = if status.st_mode & 0o100 == 0 { 0o644 } else { 0o755 };
                let target = openat(&parent, last, flags, Mode::from_raw_mode(mode))?;
                let copied = std::io::copy(&mut File::from(source), &mut File::from(target));
                copied.map_err(|_| Errno::IO)?;
                self.files.insert(name.to_owned());
            }
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => return Err(Errno::NOENT),
        }
        Ok(())
    }

    /// The folder that something is put into, made if it is not there.
    fn parent(&mut self, name: &Path) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat2(&self.folder_fd, name, flags, Mode::empty(), beneath()) {
            Err(Errno::NOENT) => {
                self.put(name)?;
                openat2(&self.folder_fd, name, flags, Mode::empty(), beneath())
            }
            other => other,
        }
    }

    /// Puts everything into a folder that it has in the repository; folders in it stay empty until they are listed.
    fn fill(&mut self, name: &Path) {
        if !self.listed.insert(name.to_owned()) {
            return;
        }
        let Ok(entries) = fs::read_dir(self.project.join(name)) else { return };
        for entry in entries.flatten() {
            let _ = self.put(&name.join(entry.file_name())); // what cannot be given is not there
        }
    }
}

const fn beneath() -> ResolveFlags {
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_repository_has_is_given_when_it_is_asked_for_and_nothing_else() {
        let place = tempfile::tempdir().expect("a folder");
        let root = fs::canonicalize(place.path()).expect("there");
        let (project, folder) = (root.join("project"), root.join("folder"));
        for name in ["project/src/deep", "project/.git", "folder"] {
            fs::create_dir_all(root.join(name)).expect("made");
        }
        for name in ["src/a.h", "src/deep/b.h", ".git/config"] {
            fs::write(project.join(name), name).expect("written");
        }
        fs::write(root.join("outside"), "secret").expect("written");
        std::os::unix::fs::symlink("../outside", project.join("link")).expect("made");
        let mut given = Given::new(&project, &folder).expect("there");
        assert!(given.give(&folder.join("src/deep/b.h"), How::OPENED));
        assert_eq!(fs::read_to_string(folder.join("src/deep/b.h")).expect("given"), "src/deep/b.h");
        assert!(!folder.join("src/a.h").exists(), "nobody asked for it");
        for name in ["link", ".git/config", "src/none", "../outside"] {
            assert!(!given.give(&folder.join(name), How::OPENED), "{name}");
        }
        assert!(given.has(&folder.join("src"), How::LISTED));
        assert!(folder.join("src/a.h").exists(), "who lists a folder sees what is in it");
        std::os::unix::fs::symlink(&root, folder.join("out_of_it")).expect("made");
        assert!(!given.give(&folder.join("out_of_it/new"), How::OPENED));
    }
}
