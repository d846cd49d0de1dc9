//! Trees: strict reading, and the difference between two.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use git2::ObjectType;

use super::{Git, GitError, ObjectId};

/// The mode of a regular file.
pub const MODE_FILE: i32 = 0o100_644;
/// The mode of a folder.
pub(super) const MODE_TREE: i32 = 0o040_000;
/// Ledgers are at most this deep; a deeper tree is refused before it is walked.
const MAX_DEPTH: usize = 16;

/// What a name in a tree stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The object.
    pub id: ObjectId,
    /// The mode as it is stored.
    pub mode: i32,
}

impl Entry {
    /// Whether this is a folder.
    #[must_use]
    pub fn is_tree(&self) -> bool {
        self.mode == MODE_TREE
    }
}

/// A file that differs between two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: String,
    /// What was there.
    pub before: Option<Entry>,
    /// What is there now.
    pub after: Option<Entry>,
}

/// The entries of a tree, in git's order.
#[derive(Debug)]
pub(crate) struct Tree {
    bytes: Vec<u8>,
    /// Where in `bytes` each name stands, and what it stands for.
    entries: Vec<(Range<usize>, Entry)>,
}

impl Tree {
    /// The entries with their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Entry)> {
        self.entries.iter().map(|(name, entry)| (self.name(name), *entry))
    }

    /// What `name` stands for.
    pub(crate) fn get(&self, name: &str) -> Option<Entry> {
        let find = |folder: bool| {
            let key = Key { name: name.as_bytes(), folder };
            self.entries.binary_search_by(|(n, e)| self.key(n, e).cmp(&key)).ok()
        };
        find(false).or_else(|| find(true)).map(|i| self.entries[i].1)
    }

    fn name(&self, at: &Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[at.clone()]).expect("checked when the tree was read")
    }

    fn key(&self, name: &Range<usize>, entry: &Entry) -> Key<'_> {
        Key { name: &self.bytes[name.clone()], folder: entry.is_tree() }
    }

    /// Reads the bytes of a tree object.
    ///
    /// Refused are names that stand twice, are out of order, are not UTF-8 or could leave the folder: readers
    /// would not agree about such a tree.
    fn parse(bytes: Vec<u8>) -> Result<Self, &'static str> {
        let mut entries: Vec<(Range<usize>, Entry)> = Vec::with_capacity(bytes.len() / 32);
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let space = rest.iter().position(|b| *b == b' ').filter(|n| (5..=6).contains(n)).ok_or("a bad mode")?;
            let mode = std::str::from_utf8(&rest[..space]).ok().and_then(|m| i32::from_str_radix(m, 8).ok());
            let mode = mode.filter(|_| rest[0] != b'0' && rest[0] != b'+').ok_or("a bad mode")?;
            let length = rest[space + 1..].iter().position(|b| *b == 0).ok_or("an unfinished name")?;
            let name = at + space + 1..at + space + 1 + length;
            let id = bytes.get(name.end + 1..name.end + 21).ok_or("an unfinished id")?;
            let id = ObjectId::from_bytes(id).map_err(|_| "a bad id")?;
            at = name.end + 21;
            let text = std::str::from_utf8(&bytes[name.clone()]).map_err(|_| "a name that is not UTF-8")?;
            if text.is_empty() || text.contains('/') || matches!(text, "." | "..") || text.eq_ignore_ascii_case(".git")
            {
                return Err("a reserved name");
            }
            entries.push((name, Entry { id, mode }));
        }
        let tree = Self { bytes, entries };
        for pair in tree.entries.windows(2) {
            if tree.key(&pair[0].0, &pair[0].1) >= tree.key(&pair[1].0, &pair[1].1) {
                return Err("names out of order");
            }
        }
        // A file and a folder of one name need not be neighbours.
        for (name, entry) in tree.entries.iter().filter(|(_, e)| e.is_tree()) {
            if tree.get(tree.name(name)) != Some(*entry) {
                return Err("a name that stands twice");
            }
        }
        Ok(tree)
    }
}

/// git's order of names: folders sort as if their names ended with `/`.
#[derive(PartialEq, Eq)]
struct Key<'n> {
    name: &'n [u8],
    folder: bool,
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let shared = self.name.len().min(other.name.len());
        let next = |k: &Self| k.name.get(shared).copied().or(k.folder.then_some(b'/'));
        self.name[..shared].cmp(&other.name[..shared]).then_with(|| next(self).cmp(&next(other))).then_with(|| {
            // Equal so far: the longer name, or the folder, comes last.
            (self.name.len(), self.folder).cmp(&(other.name.len(), other.folder))
        })
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Git {
    /// The entries of a tree.
    ///
    /// # Errors
    /// [`GitError::Missing`]; [`GitError::Damaged`] for a tree that readers would not agree about.
    pub(crate) fn tree(&self, id: ObjectId) -> Result<Arc<Tree>, GitError> {
        /// A commit's successor differs from it in a handful of folders; more is not worth keeping.
        const KEPT: usize = 32;

        if let Some(tree) = self.trees.borrow().iter().find(|(i, _)| *i == id) {
            return Ok(Arc::clone(&tree.1));
        }
        let damaged = |why: &str| GitError::Damaged { id, why: format!("the tree has {why}") };
        let bytes = self.whole(id, ObjectType::Tree)?;
        let tree = Arc::new(Tree::parse(bytes).map_err(damaged)?);
        let mut trees = self.trees.borrow_mut();
        if trees.len() == KEPT {
            trees.pop_front();
        }
        trees.push_back((id, Arc::clone(&tree)));
        Ok(tree)
    }

    /// The files that differ between two trees, by path. Equal folders are not read; a folder without entries that is new
    /// in `after` is told of as itself.
    ///
    /// # Errors
    /// [`GitError`] if a tree that differs cannot be read strictly.
    pub fn changes(&self, before: Option<ObjectId>, after: ObjectId) -> Result<Vec<Change>, GitError> {
        let mut changes = Vec::new();
        if before != Some(after) {
            self.compare(before, Some(after), "", 0, &mut changes)?;
        }
        Ok(changes)
    }

    fn compare(
        &self,
        before: Option<ObjectId>,
        after: Option<ObjectId>,
        folder: &str,
        depth: usize,
        out: &mut Vec<Change>,
    ) -> Result<(), GitError> {
        if let Some(id) = after.filter(|_| depth > MAX_DEPTH) {
            return Err(GitError::Damaged { id, why: format!("it nests deeper than {MAX_DEPTH} folders") });
        }
        let read = |id: Option<ObjectId>| id.map(|id| self.tree(id)).transpose();
        let (old, new) = (read(before)?, read(after)?);
        if let (Some(id), Some(new)) = (after, &new)
            && new.entries.is_empty()
        {
            // git writes no such folder, and no file would tell of it.
            out.push(Change { path: folder.to_owned(), before: None, after: Some(Entry { id, mode: MODE_TREE }) });
        }
        let (mut old, mut new) = (entries(old.as_deref()), entries(new.as_deref()));
        loop {
            // A merge of two sorted lists; a file that became a folder is a removal and an addition.
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(o), Some(n)) => o.key().cmp(&n.key()),
            };
            let before = if order.is_le() { old.next() } else { None };
            let after = if order.is_ge() { new.next() } else { None };
            let Some(named) = before.or(after) else { break };
            let (before, after) = (before.map(|n| n.entry), after.map(|n| n.entry));
            if before == after {
                continue;
            }
            let name = named.name;
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            if named.entry.is_tree() {
                self.compare(before.map(|e| e.id), after.map(|e| e.id), &path, depth + 1, out)?;
            } else {
                out.push(Change { path, before, after });
            }
        }
        Ok(())
    }
}

/// An entry with its name.
#[derive(Clone, Copy)]
struct Named<'t> {
    name: &'t str,
    entry: Entry,
}

impl<'t> Named<'t> {
    fn key(&self) -> Key<'t> {
        Key { name: self.name.as_bytes(), folder: self.entry.is_tree() }
    }
}

fn entries(tree: Option<&Tree>) -> std::iter::Peekable<impl Iterator<Item = Named<'_>>> {
    tree.into_iter().flat_map(Tree::iter).map(|(name, entry)| Named { name, entry }).peekable()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, &str)]) -> Result<Vec<String>, &'static str> {
        let mut bytes = Vec::new();
        for (mode, name) in entries {
            bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            bytes.extend_from_slice(&[7; 20]);
        }
        let tree = Tree::parse(bytes)?;
        assert!(tree.iter().all(|(name, entry)| tree.get(name) == Some(entry)));
        Ok(tree.iter().map(|(name, _)| name.to_owned()).collect())
    }

    #[test]
    fn only_trees_that_all_readers_agree_about_are_read() {
        // git's order: `a.b` before the folder `a`, the file `a` before both.
        let sorted = [("100644", "a"), ("100644", "a.b"), ("40000", "b"), ("100644", "b0")];
        assert_eq!(tree(&sorted), Ok(vec!["a".to_owned(), "a.b".to_owned(), "b".to_owned(), "b0".to_owned()]));
        for (entries, why) in [
            (&[("100644", "a"), ("100644", "a")][..], "names out of order"),
            (&[("100644", "b"), ("100644", "a")], "names out of order"),
            (&[("100644", "a"), ("100644", "a.b"), ("40000", "a")], "a name that stands twice"),
            (&[("100644", "..")], "a reserved name"),
            (&[("40000", ".GIT")], "a reserved name"),
            (&[("100644", "a/b")], "a reserved name"),
            (&[("040000", "a")], "a bad mode"),
            (&[("9", "a")], "a bad mode"),
        ] {
            assert_eq!(tree(entries), Err(why), "{entries:?}");
        }
        assert_eq!(Tree::parse(b"100644 a\0short".to_vec()).map(|_| ()), Err("an unfinished id"));
    }
}
