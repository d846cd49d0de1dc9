//! Trees: strict reading, and the difference between two.

use std::collections::{BTreeMap, BTreeSet};

use super::{Git, GitError, ObjectId};

/// The mode of a regular file.
pub const MODE_FILE: i32 = 0o100_644;
/// The mode of a folder.
pub(super) const MODE_TREE: i32 = 0o040_000;
/// Ledgers are at most this deep; a deeper tree is refused before it is walked.
const MAX_DEPTH: usize = 16;

/// The entries of a tree, by name.
pub(crate) type Tree = BTreeMap<String, Entry>;

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

impl Git {
    /// The entries of a tree.
    ///
    /// # Errors
    /// [`GitError::Damaged`] for names that are not UTF-8, that stand twice or are out of order, and for
    /// names that could leave a folder: readers would not agree about such a tree.
    pub(crate) fn tree(&self, id: ObjectId) -> Result<Tree, GitError> {
        let damaged = |why: &str| GitError::Damaged { id, why: why.to_owned() };
        let tree = self.inner.find_tree(id).map_err(GitError::reading(id))?;
        let mut entries = Tree::new();
        let mut last: Vec<u8> = Vec::new();
        for entry in tree.iter() {
            let name = entry.name().map_err(|_| damaged("a name is not UTF-8"))?;
            let mode = entry.filemode_raw();
            let mut key = name.as_bytes().to_vec();
            if mode == MODE_TREE {
                key.push(b'/'); // git sorts folders as if their names ended so
            }
            if name.is_empty() || matches!(name, "." | "..") || name.eq_ignore_ascii_case(".git") {
                return Err(damaged("a name is reserved"));
            }
            if !last.is_empty() && last >= key {
                return Err(damaged("its names are out of order"));
            }
            last = key;
            if entries.insert(name.to_owned(), Entry { id: entry.id(), mode }).is_some() {
                return Err(damaged("a name stands twice"));
            }
        }
        Ok(entries)
    }

    /// The files that differ between two trees, by path. Equal folders are not read.
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
        let old = before.map_or_else(|| Ok(Tree::new()), |id| self.tree(id))?;
        let new = after.map_or_else(|| Ok(Tree::new()), |id| self.tree(id))?;
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let (old, new) = (old.get(name).copied(), new.get(name).copied());
            if old == new {
                continue;
            }
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let tree = |e: Option<Entry>| e.filter(Entry::is_tree).map(|e| e.id);
            let file = |e: Option<Entry>| e.filter(|e| !e.is_tree());
            if tree(old).is_some() || tree(new).is_some() {
                self.compare(tree(old), tree(new), &path, depth + 1, out)?;
            }
            if file(old).is_some() || file(new).is_some() {
                out.push(Change { path, before: file(old), after: file(new) });
            }
        }
        Ok(())
    }
}
