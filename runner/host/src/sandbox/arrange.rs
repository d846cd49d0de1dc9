//! Folders of a working folder, used again from one attempt to the next.
//!
//! To make and remove a folder is the dearest thing a runner does with a file system: about 40 µs of
//! processor time on ext4, and a stage with three inputs has five. So a worker keeps its folders: before
//! each attempt it empties those that are there, gives them the names that are wanted now, and makes or
//! removes only the difference.
//!
//! INVARIANT: after [`Arranger::arrange`] exactly the wanted folders are there, and no file. Files are
//! never used again: an attempt may have kept one open, or given it a second name.
//! INVARIANT: a folder is used again only if it is still a folder of ours with the mode that it was made
//! with, and without attributes; links that an attempt left are removed, never followed.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, fstat, openat};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

use crate::file::PathError;
use crate::folder::{AtName, Folder};

/// Wanted folders, each with those in it.
#[derive(Debug, Default)]
pub(super) struct Layout(BTreeMap<String, Layout>);

impl Layout {
    /// Adds a folder and those above it.
    pub(super) fn add(&mut self, path: &str) -> &mut Self {
        path.split('/').fold(self, |layout, name| {
            if !layout.0.contains_key(name) {
                layout.0.insert(name.to_owned(), Self::default());
            }
            layout.0.get_mut(name).expect("just added")
        })
    }

    /// Adds the folder that `path` lies in.
    pub(super) fn add_parent(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.add(parent);
        }
    }
}

/// Keeps one working folder.
#[derive(Debug)]
pub(super) struct Arranger {
    work: Folder,
    name: String,
    mode: u32,
    owner: u32,
}

impl Arranger {
    /// For the folder called `name` below `work`; what is made gets the owner and the mode that `work` has.
    pub(super) fn new(work: Folder, name: &str) -> std::result::Result<Self, PathError> {
        let status = fstat(&work).at_name("read the status of", &work, "")?;
        Ok(Self { work, name: name.to_owned(), mode: status.st_mode & 0o7777, owner: status.st_uid })
    }

    /// Keeps another folder beside this one.
    pub(super) fn beside(&self, what: &str) -> std::result::Result<Self, PathError> {
        Self::new(Folder::open(self.work.path())?, &format!("{}.{what}", self.name))
    }

    /// Where the folder lies.
    pub(super) fn path(&self) -> PathBuf {
        self.work.path().join(&self.name)
    }

    /// Makes the folder hold the folders of `layout`, and nothing else.
    pub(super) fn arrange(&self, layout: &Layout) -> std::result::Result<Folder, PathError> {
        let there = self.enter(self.work.as_fd(), &self.name);
        let fd = there.and_then(|there| match there {
            Some(fd) => self.tidy(&fd, layout).map(|()| fd),
            None => self.replace(self.work.as_fd(), &self.name, layout),
        });
        let fd = fd.at_name("prepare the working folder", &self.work, &self.name)?;
        Ok(Folder::from_fd(fd, self.work.path().join(&self.name)))
    }

    /// Removes the folder.
    pub(super) fn clear(&self) -> Result<()> {
        self.remove(self.work.as_fd(), &self.name.as_str())
    }

    /// Opens a folder that can be used again; `None` if there is none at that name.
    fn enter(&self, parent: BorrowedFd<'_>, name: &str) -> Result<Option<OwnedFd>> {
        let fd = match open(parent, name) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => return Ok(None),
            other => other?,
        };
        let status = fstat(&fd)?;
        let plain = matches!(rustix::fs::flistxattr(&fd, &mut [0u8; 1][..]), Ok(0) | Err(Errno::NOTSUP));
        Ok((plain && status.st_mode & 0o7777 == self.mode && status.st_uid == self.owner).then_some(fd))
    }

    /// Makes a folder anew, in the place of whatever is there.
    fn replace(&self, parent: BorrowedFd<'_>, name: &str, layout: &Layout) -> Result<OwnedFd> {
        let made = rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777));
        if made == Err(Errno::EXIST) {
            self.remove(parent, &name)?;
            rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777))?;
        } else {
            made?;
        }
        let fd = open(parent, name)?;
        for (name, inner) in &layout.0 {
            self.replace(fd.as_fd(), name, inner)?;
        }
        Ok(fd)
    }

    /// Removes whatever has that name; the attempt may have taken the right to do so from us.
    fn remove(&self, parent: BorrowedFd<'_>, name: &(impl Arg + Copy)) -> Result<()> {
        match rustix::fs::unlinkat(parent, *name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {}
            other => return other,
        }
        let folder = match open(parent, *name) {
            Err(Errno::ACCESS) => {
                rustix::fs::chmodat(parent, *name, Mode::RWXU, AtFlags::empty())?;
                open(parent, *name)?
            }
            other => other?,
        };
        if fstat(&folder)?.st_mode & 0o700 != 0o700 {
            rustix::fs::fchmod(&folder, Mode::RWXU)?;
        }
        self.tidy(&folder, &Layout::default())?;
        rustix::fs::unlinkat(parent, *name, AtFlags::REMOVEDIR)
    }

    /// Removes everything from an open folder but folders that are wanted, or can stand for one.
    fn tidy(&self, folder: &OwnedFd, layout: &Layout) -> Result<()> {
        let mut kept = Vec::new();
        let mut spare: Vec<CString> = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(folder, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let is_folder = match entry.file_type() {
                FileType::Directory => true,
                FileType::Unknown => rustix::fs::unlinkat(folder, name, AtFlags::empty()).is_err(),
                FileType::RegularFile
                | FileType::Symlink
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice => {
                    rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
                    false
                }
            };
            match name.to_str().ok().and_then(|name| layout.0.get_key_value(name)) {
                _ if !is_folder => {}
                Some((name, _)) => kept.push(name.as_str()),
                None => spare.push(name.to_owned()),
            }
        }
        for (name, inner) in &layout.0 {
            let there = kept.contains(&name.as_str())
                || spare.pop().is_some_and(|old| rustix::fs::renameat(folder, &*old, folder, name).is_ok());
            match if there { self.enter(folder.as_fd(), name)? } else { None } {
                Some(fd) => self.tidy(&fd, inner)?,
                None => drop(self.replace(folder.as_fd(), name, inner)?),
            }
        }
        spare.iter().try_for_each(|old| self.remove(folder.as_fd(), &old.as_c_str()))
    }
}

fn open(parent: BorrowedFd<'_>, name: impl Arg) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use super::*;

    fn layout(paths: &[&str]) -> Layout {
        let mut layout = Layout::default();
        for path in paths {
            let _ = layout.add(path);
        }
        layout
    }

    fn below(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("readable") {
            let entry = entry.expect("readable");
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().expect("known").is_dir() {
                below(&entry.path(), &format!("{name}/"), found);
            }
            found.push(name);
        }
    }

    fn setup() -> (tempfile::TempDir, Arranger) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let work = folder.path().join("work");
        fs::create_dir(&work).expect("made");
        let arranger = Arranger::new(Folder::open(&work).expect("opened"), "0").expect("a folder");
        (folder, arranger)
    }

    fn holds(arranger: &Arranger, paths: &[&str]) {
        let root = arranger.arrange(&layout(paths)).expect("arranged");
        let mut found = Vec::new();
        below(root.path(), "", &mut found);
        found.sort_unstable();
        assert_eq!(found, paths);
    }

    #[test]
    fn exactly_the_wanted_folders_are_there() {
        let (folder, arranger) = setup();
        let root = folder.path().join("work/0");
        holds(&arranger, &["in", "in/a", "in/b"]);
        fs::write(root.join("in/a/f"), "").expect("writable");
        fs::create_dir_all(root.join("junk/deep/er")).expect("made");
        fs::write(root.join("junk/deep/er/f"), "").expect("writable");
        holds(&arranger, &["in", "in/b", "in/c", "in/d"]);
        fs::write(root.join("in/d/f"), "").expect("writable");
        fs::create_dir(root.join("in/d/x")).expect("made");
        holds(&arranger, &["in", "in/e", "in/e/x", "out"]);
        fs::remove_dir_all(&root).expect("removed");
        holds(&arranger, &["in"]);
        fs::remove_dir_all(&root).expect("removed");
        fs::write(&root, "a file").expect("writable");
        holds(&arranger, &["in"]);
        holds(&arranger, &[]);
    }

    #[test]
    fn links_are_removed_and_never_followed() {
        let (folder, arranger) = setup();
        let (root, other) = (folder.path().join("work/0"), folder.path().join("other"));
        fs::create_dir(&other).expect("made");
        fs::write(other.join("precious"), "").expect("writable");
        holds(&arranger, &["in", "in/a"]);
        fs::remove_dir(root.join("in/a")).expect("removed");
        symlink(&other, root.join("in/a")).expect("made");
        symlink(&other, root.join("l")).expect("made");
        holds(&arranger, &["in", "in/a"]);
        fs::remove_dir_all(&root).expect("removed");
        symlink(&other, &root).expect("made");
        holds(&arranger, &["in", "in/a"]);
        assert!(other.join("precious").exists());
    }

    #[test]
    fn a_folder_is_used_again_only_as_it_was_made() {
        let (folder, arranger) = setup();
        let a = folder.path().join("work/0/a");
        let inode = || fs::symlink_metadata(&a).expect("there").ino();
        holds(&arranger, &["a"]);
        let first = inode();
        holds(&arranger, &["a"]);
        assert_eq!(inode(), first);
        fs::set_permissions(&a, fs::Permissions::from_mode(0o711)).expect("changed");
        holds(&arranger, &["a"]);
        assert_eq!(fs::metadata(&a).expect("there").mode() & 0o7777, arranger.mode);
    }
}
