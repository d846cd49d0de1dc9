//! A quick look at a work tree: one status of every tracked file, and whether nothing differs from the commit.
//!
//! It says that nothing differs only where that is certain: every file has the very stamp that git's index has of it,
//! the index holds the commit's tree, and no folder with tracked files has anything else in it but what git ignores.
//! In all other cases libgit2 has to be asked. What a user can tell git to overlook, and submodules, are for the caller.

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use git2::{Index, IndexEntry, ObjectType, Oid, Repository, Tree};
use rustix::fs::{FileType, Mode, OFlags, RawDir};

use crate::file::{Status, status};
use crate::folder::Folder;

/// At most this many files are read because their times do not tell whether they changed after git looked.
const MAX_READ: usize = 64;

/// What one look at the tracked files of a work tree found.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Relative paths, in the order of their bytes.
    names: Vec<String>,
    /// What is there, in the same order.
    statuses: Vec<Option<Status>>,
}

impl Looked {
    /// What was found at a path: `None` if it is not tracked, `Some(None)` if nothing is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Option<Status>> {
        self.next(&mut 0, name)
    }

    /// As [`Looked::get`], faster for who asks in the order of the bytes of paths, and hands in the same `hint` each time.
    #[must_use]
    pub fn next(&self, hint: &mut usize, name: &str) -> Option<Option<Status>> {
        if self.names.get(*hint).is_none_or(|known| known != name) {
            *hint = self.names.binary_search_by(|known| known.as_str().cmp(name)).ok()?;
        }
        *hint += 1;
        Some(self.statuses[*hint - 1])
    }
}

/// Looks at every file of the index, and says whether it is certain that the work tree is what `tree` says; nothing if
/// not even the files could be looked at.
pub(super) fn look(repository: &Repository, tree: &Tree<'_>) -> Option<(Looked, bool)> {
    let root = Folder::open(repository.workdir()?).ok()?;
    let mut index = repository.index().ok()?;
    let path = index.path()?.to_owned();
    let written = status(&path).ok()??.stamp;
    index.read(false).ok()?;
    let entries: Vec<IndexEntry> = index.iter().collect();
    let names = entries.iter().map(|entry| String::from_utf8(entry.path.clone()).ok()).collect::<Option<Vec<_>>>()?;
    let statuses = root.statuses(&names).ok()?;
    let looked = Looked { names, statuses };
    let clean = is_plain(&entries)
        && looked.are_as_indexed(&entries, &root, written.mtime_ns)
        && holds(repository, tree, &index)
        && nothing_else(repository, &root, "", &looked.names).unwrap_or(false)
        && status(&path).ok().flatten().is_some_and(|now| now.stamp == written);
    Some((looked, clean))
}

/// Whether the index has neither conflicts nor promises, in the order of its paths.
fn is_plain(entries: &[IndexEntry]) -> bool {
    /// Bits of the stage of a conflict, and the bit that says that a file will be added.
    const STAGE: u16 = 0x3000;
    const INTENT_TO_ADD: u16 = 0x2000;
    let sorted = entries.is_sorted_by(|a, b| a.path < b.path);
    sorted && entries.iter().all(|entry| entry.flags & STAGE == 0 && entry.flags_extended & INTENT_TO_ADD == 0)
}

/// Whether the index holds the files of a tree.
fn holds(repository: &Repository, tree: &Tree<'_>, index: &Index) -> bool {
    repository.diff_tree_to_index(Some(tree), Some(index), None).is_ok_and(|diff| diff.deltas().len() == 0)
}

impl Looked {
    /// Whether every file has the stamp that the index has of it. Where its time says that it may have changed after
    /// the index was `written` (nanoseconds since the epoch), it is read.
    fn are_as_indexed(&self, entries: &[IndexEntry], root: &Folder, written: i64) -> bool {
        let mut to_read = Vec::new();
        for ((entry, name), found) in entries.iter().zip(&self.names).zip(&self.statuses) {
            let Some(found) = found.filter(|found| is_as_indexed(entry, found)) else { return false };
            if found.stamp.mtime_ns >= written {
                to_read.push((entry, name, found));
            }
        }
        to_read.len() <= MAX_READ
            && to_read.into_iter().all(|(entry, name, found)| {
                found.is_file
                    && Oid::hash_file(ObjectType::Blob, root.path().join(name)).is_ok_and(|id| id == entry.id)
                    && root.status(name).ok().flatten().is_some_and(|now| now.stamp == found.stamp)
            })
    }
}

/// Whether a file has the stamp, the kind and the permission that the index has of it (which keeps 32 bits of numbers).
fn is_as_indexed(entry: &IndexEntry, found: &Status) -> bool {
    let mode = match found {
        Status { is_link: true, .. } => 0o120_000,
        Status { is_file: true, executable: true, .. } => 0o100_755,
        Status { is_file: true, .. } => 0o100_644,
        Status { .. } => return false,
    };
    let parts = |ns: i64| (ns.div_euclid(1_000_000_000) as i32, ns.rem_euclid(1_000_000_000) as u32);
    let stamp = &found.stamp;
    entry.mode == mode
        && entry.file_size == stamp.size_bytes as u32
        && entry.ino == stamp.inode as u32
        && (entry.mtime.seconds(), entry.mtime.nanoseconds()) == parts(stamp.mtime_ns)
        && (entry.ctime.seconds(), entry.ctime.nanoseconds()) == parts(stamp.ctime_ns)
}

/// Whether a folder (empty, or ending with `/`) holds nothing but the files `names`, which are all that is tracked in
/// it, and what git ignores. Nothing if that cannot be said.
fn nothing_else(repository: &Repository, root: &Folder, folder: &str, names: &[String]) -> Option<bool> {
    let mut known: Vec<(&[u8], bool)> = Vec::new();
    let mut inner = Vec::new();
    let mut rest = names;
    while let Some(first) = rest.first() {
        let name = &first[folder.len()..];
        let Some((name, _)) = name.split_once('/') else {
            known.push((name.as_bytes(), false));
            rest = &rest[1..];
            continue;
        };
        let path = &first[..=folder.len() + name.len()];
        let (below, others) = rest.split_at(rest.partition_point(|other| other.starts_with(path)));
        known.push((name.as_bytes(), true));
        inner.push((path, below));
        rest = others;
    }
    known.sort_unstable();
    let as_known = |name: &[u8], kind: FileType| {
        let at = known.binary_search_by_key(&name, |(known, _)| known).ok()?;
        Some(if known[at].1 { kind.is_dir() } else { kind.is_file() || kind.is_symlink() })
    };
    if !each(root, folder, |name, kind| match as_known(name, kind) {
        Some(same) => Some(same),
        None if folder.is_empty() && name == b".git" => Some(true),
        None => is_ignored(repository, root, &[folder.as_bytes(), name].concat(), kind),
    })? {
        return Some(false);
    }
    for (folder, names) in inner {
        if !nothing_else(repository, root, folder, names)? {
            return Some(false);
        }
    }
    Some(true)
}

/// Whether git ignores what is at `path`, or all that is in it. A repository within this one is for libgit2.
fn is_ignored(repository: &Repository, root: &Folder, path: &[u8], kind: FileType) -> Option<bool> {
    if path.ends_with(b"/.git") || path == b".git" {
        return None;
    }
    if repository.is_path_ignored(Path::new(OsStr::from_bytes(path))).ok()? {
        return Some(true);
    }
    if !kind.is_dir() {
        return Some(false);
    }
    let folder = [std::str::from_utf8(path).ok()?, "/"].concat();
    each(root, &folder, |name, kind| is_ignored(repository, root, &[folder.as_bytes(), name].concat(), kind))
}

/// Whether `holds` says yes to everything in a folder (empty, or ending with `/`); nothing as soon as it cannot say.
fn each(root: &Folder, folder: &str, mut holds: impl FnMut(&[u8], FileType) -> Option<bool>) -> Option<bool> {
    let path = if folder.is_empty() { "." } else { folder.trim_end_matches('/') };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(root, path, flags, Mode::empty()).ok()?;
    let mut space = [const { MaybeUninit::uninit() }; 16 << 10];
    let mut entries = RawDir::new(fd, &mut space);
    while let Some(entry) = entries.next() {
        let entry = entry.ok()?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && !holds(name, entry.file_type())? {
            return Some(false);
        }
    }
    Some(true)
}
