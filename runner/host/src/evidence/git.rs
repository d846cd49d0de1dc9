//! An evidence store on a branch of a git repository.
//!
//! Objects pass through a bare repository of our own, which may be deleted at any time; the user's repository never
//! holds them. One commit a push, never forced: if another writer was faster, the same files are put on top of what he
//! wrote. What was pushed is fetched again and compared.
//!
//! A branch remembers: what is removed from it stays in its history until whoever owns the server rewrites that.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::Path;

use orgo_spec::Name;

use super::{Door, EvidenceError, MARK, MARK_TEXT, Place};
use crate::git::{Git, GitError, Identity, ObjectId, Remote, RemoteError, Swap};

/// The largest object that goes into a git store.
const MAX_BYTES: u64 = 64 << 20;
/// How often a push begins again after another writer was faster.
const ATTEMPTS: u32 = 16;
/// Where the remote's branch is kept here.
const FETCHED: &str = "refs/orgo/evidence";

/// An open branch.
pub(super) struct Branch {
    store: String,
    git: Git,
    remote: Remote,
    reference: String,
    tip: Option<ObjectId>,
    tree: Option<ObjectId>,
    staged: BTreeMap<String, Option<ObjectId>>,
}

impl Branch {
    pub(super) fn open(
        store: &Name,
        url: &str,
        branch: &str,
        root: &Path,
        scratch: &Path,
        make: bool,
    ) -> Result<Self, EvidenceError> {
        let unusable = |why: String| EvidenceError::unusable(store.as_str(), why);
        let git = Git::scratch(scratch).map_err(|e| unusable(e.to_string()))?;
        let remote = git.remote_from(url, root).map_err(|e| unusable(e.to_string()))?;
        let reference = format!("refs/heads/{branch}");
        let mut opened =
            Self { store: store.to_string(), git, remote, reference, tip: None, tree: None, staged: BTreeMap::new() };
        opened.fetch()?;
        match (opened.tree, make) {
            (None, false) => Err(unusable(format!("`{url}` has no branch `{branch}` yet"))),
            (None, true) => {
                let id = opened.ours(opened.git.write_blob(MARK_TEXT))?;
                opened.staged.insert(MARK.to_owned(), Some(id));
                Ok(opened)
            }
            (Some(tree), _) => {
                let mark = opened.ours(opened.git.entry(tree, MARK))?;
                let text = mark.map(|m| opened.ours(opened.git.blob(m.id))).transpose()?;
                if text.as_deref() == Some(MARK_TEXT) {
                    Ok(opened)
                } else {
                    Err(unusable(format!("the branch `{branch}` at `{url}` is something else")))
                }
            }
        }
    }

    fn ours<T>(&self, result: Result<T, GitError>) -> Result<T, EvidenceError> {
        result.map_err(|e| EvidenceError::unusable(&self.store, e))
    }

    fn theirs<T>(&self, result: Result<T, RemoteError>) -> Result<T, EvidenceError> {
        result.map_err(|e| EvidenceError::unusable(&self.store, format!("git {} failed: {e}", e.what)))
    }

    /// Takes over what the remote has.
    fn fetch(&mut self) -> Result<(), EvidenceError> {
        (self.tip, self.tree) = (None, None);
        if self.theirs(self.remote.tip(&self.reference))?.is_some() {
            self.theirs(self.remote.fetch_newest(&self.reference, FETCHED))?;
            self.git = self.ours(self.git.reopen())?;
            let tip = self.ours(self.git.tip(FETCHED))?;
            let tree = tip.map(|t| self.ours(self.git.commit(t)).map(|c| c.tree)).transpose()?;
            (self.tip, self.tree) = (tip, tree);
        }
        Ok(())
    }

    fn find(&self, place: Place) -> Result<Option<ObjectId>, EvidenceError> {
        let path = place.path();
        if let Some(staged) = self.staged.get(&path) {
            return Ok(*staged);
        }
        let Some(tree) = self.tree else { return Ok(None) };
        Ok(self.ours(self.git.entry(tree, &path))?.filter(|e| !e.is_tree()).map(|e| e.id))
    }

    /// Whether the remote's tree shows everything that was staged.
    fn shows_staged(&self) -> Result<bool, EvidenceError> {
        for (path, id) in &self.staged {
            let entry = match self.tree {
                Some(tree) => self.ours(self.git.entry(tree, path))?.map(|e| e.id),
                None => None,
            };
            if entry != *id {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Door for Branch {
    fn size(&self, place: Place) -> Result<Option<u64>, EvidenceError> {
        let Some(id) = self.find(place)? else { return Ok(None) };
        Ok(Some(self.ours(self.git.size(id))? as u64))
    }

    fn read(&self, place: Place) -> Result<Option<Box<dyn Read + '_>>, EvidenceError> {
        let Some(id) = self.find(place)? else { return Ok(None) };
        if self.ours(self.git.size(id))? as u64 > MAX_BYTES {
            return Err(EvidenceError::TooLarge { what: place.path(), limit: MAX_BYTES });
        }
        Ok(Some(Box::new(Cursor::new(self.ours(self.git.blob(id))?))))
    }

    fn write(&mut self, place: Place, content: &mut File) -> Result<(), EvidenceError> {
        let mut bytes = Vec::new();
        let read = content.rewind().and_then(|()| content.take(MAX_BYTES + 1).read_to_end(&mut bytes));
        read.map_err(|e| EvidenceError::unusable(&self.store, e))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(EvidenceError::TooLarge { what: place.path(), limit: MAX_BYTES });
        }
        let id = self.ours(self.git.write_blob(&bytes))?;
        self.staged.insert(place.path(), Some(id));
        Ok(())
    }

    fn remove(&mut self, place: Place) -> Result<(), EvidenceError> {
        if self.find(place)?.is_some() {
            self.staged.insert(place.path(), None);
        }
        Ok(())
    }

    fn commit(&mut self, why: &str, seconds: i64) -> Result<(), EvidenceError> {
        for _ in 0..ATTEMPTS {
            // What another writer removed meanwhile need not be removed again.
            let mut files = BTreeMap::new();
            for (path, id) in &self.staged {
                let there = match self.tree {
                    Some(tree) => self.ours(self.git.entry(tree, path))?.map(|e| e.id),
                    None => None,
                };
                if there != *id {
                    files.insert(path.clone(), *id);
                }
            }
            if files.is_empty() {
                self.staged.clear();
                return Ok(());
            }
            let tree = self.ours(self.git.write_tree(self.tree, &files, &mut Vec::new()))?;
            let who = Identity { name: "orgo".to_owned(), email: "evidence@orgo.invalid".to_owned(), seconds };
            let commit = self.ours(self.git.write_plain_commit(tree, self.tip, &who, why))?;
            match self.theirs(self.remote.push(commit, &self.reference))? {
                Swap::Moved => self.fetch()?,
                Swap::Done => {
                    self.fetch()?;
                    if self.shows_staged()? {
                        self.staged.clear();
                        return Ok(());
                    }
                    let place = self.reference.clone();
                    return Err(EvidenceError::NotDurable { store: self.store.clone(), place });
                }
            }
        }
        Err(EvidenceError::unusable(&self.store, format!("other writers moved the branch {ATTEMPTS} times in a row")))
    }

    fn list(&self) -> Result<Vec<(Place, u64)>, EvidenceError> {
        let mut found = Vec::new();
        let Some(root) = self.tree else { return Ok(found) };
        for kind in ["sealed", "sha256"] {
            let Some(folder) = self.ours(self.git.entry(root, kind))?.filter(|e| e.is_tree()) else { continue };
            for (first, entry) in self.ours(self.git.tree(folder.id))?.iter().filter(|(_, e)| e.is_tree()) {
                for (name, entry) in self.ours(self.git.tree(entry.id))?.iter() {
                    let Some(place) = Place::of(kind, first, name) else { continue };
                    found.push((place, self.ours(self.git.size(entry.id))? as u64));
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}
