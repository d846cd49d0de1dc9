//! Writing without a work tree or an index: blobs, trees, signed commits, one compare-and-swap.
//!
//! INVARIANT: objects that no reference reaches change nothing. The move of the reference is the only
//! commit point, and what it points to is on the disk before it moves.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use git2::ErrorCode;
use orgo_spec::signature::SshSignature;

use super::tree::{MODE_FILE, MODE_TREE};
use super::{Git, GitError, ObjectId};

/// Who appears as author and committer. For readers only: what counts is the signature.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
    /// Seconds since 1970, UTC.
    pub seconds: i64,
}

/// How a compare-and-swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// The reference points to the new commit.
    Done,
    /// Another writer was faster, or holds the lock: nothing was changed.
    Moved,
}

impl Git {
    /// Stores a blob.
    ///
    /// # Errors
    /// [`GitError`] if the object database refuses.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<ObjectId, GitError> {
        self.inner.blob(bytes).map_err(GitError::of)
    }

    /// Stores the tree that `base` becomes when `files` are put into it, and every folder on their way.
    ///
    /// Reads and writes only the folders on the paths of `files`; appends what it stored to `written`.
    ///
    /// # Errors
    /// [`GitError`] if the object database refuses, or a folder stands where a file is due.
    pub fn write_tree(
        &self,
        base: Option<ObjectId>,
        files: &BTreeMap<String, Option<ObjectId>>,
        written: &mut Vec<ObjectId>,
    ) -> Result<ObjectId, GitError> {
        if let Some(base) = base {
            self.bring_paths(base, files.keys().filter_map(|path| Some(path.rsplit_once('/')?.0)))?;
        }
        let files: Vec<_> = files.iter().map(|(path, id)| (path.as_str(), *id)).collect();
        let id = self.write_folder(base, &files, written)?;
        id.ok_or_else(|| GitError::of(git2::Error::from_str("the tree of a ledger would be empty")))
    }

    fn write_folder(
        &self,
        base: Option<ObjectId>,
        files: &[(&str, Option<ObjectId>)],
        written: &mut Vec<ObjectId>,
    ) -> Result<Option<ObjectId>, GitError> {
        let find = |id| self.sound(id).and_then(|()| self.inner.find_tree(id).map_err(GitError::reading(id)));
        let tree = base.map(find).transpose()?;
        let mut builder = self.inner.treebuilder(tree.as_ref()).map_err(GitError::of)?;
        let mut folders: BTreeMap<&str, Vec<(&str, Option<ObjectId>)>> = BTreeMap::new();
        for (path, id) in files {
            match path.split_once('/') {
                Some((folder, rest)) => folders.entry(folder).or_default().push((rest, *id)),
                None => match id {
                    Some(id) => drop(builder.insert(*path, *id, MODE_FILE).map_err(GitError::of)?),
                    None => builder.remove(*path).map_err(GitError::of)?,
                },
            }
        }
        for (folder, files) in folders {
            let base = match builder.get(folder).map_err(GitError::of)? {
                None => None,
                Some(entry) if entry.filemode_raw() == MODE_TREE => Some(entry.id()),
                Some(entry) => {
                    return Err(GitError::Damaged { id: entry.id(), why: format!("`{folder}` is not a folder") });
                }
            };
            match self.write_folder(base, &files, written)? {
                Some(id) => drop(builder.insert(folder, id, MODE_TREE).map_err(GitError::of)?),
                None => builder.remove(folder).map_err(GitError::of)?,
            }
        }
        if builder.is_empty() {
            return Ok(None);
        }
        let id = builder.write().map_err(GitError::of)?;
        written.push(id);
        Ok(Some(id))
    }

    /// Stores a commit that `sign` signs.
    ///
    /// # Errors
    /// What `sign` reports, or [`GitError`] if the object database refuses.
    pub fn write_commit<E: From<GitError>>(
        &self,
        tree: ObjectId,
        parent: Option<ObjectId>,
        who: &Identity,
        message: &str,
        sign: impl FnOnce(&[u8]) -> Result<SshSignature, E>,
    ) -> Result<ObjectId, E> {
        let buffer = self.unsigned_commit(tree, parent, who, message)?;
        let armor = sign(buffer.as_bytes())?.armor();
        // The header value ends without a line feed; git adds the one that ends the header.
        let id = self.inner.commit_signed(&buffer, armor.trim_end(), Some("gpgsig")).map_err(GitError::of)?;
        Ok(id)
    }

    /// Stores a commit without a signature: for content that is known by its digest.
    ///
    /// # Errors
    /// [`GitError`] if the object database refuses.
    pub fn write_plain_commit(
        &self,
        tree: ObjectId,
        parent: Option<ObjectId>,
        who: &Identity,
        message: &str,
    ) -> Result<ObjectId, GitError> {
        let buffer = self.unsigned_commit(tree, parent, who, message)?;
        let odb = self.inner.odb().map_err(GitError::of)?;
        odb.write(git2::ObjectType::Commit, buffer.as_bytes()).map_err(GitError::of)
    }

    fn unsigned_commit(
        &self,
        tree: ObjectId,
        parent: Option<ObjectId>,
        who: &Identity,
        message: &str,
    ) -> Result<String, GitError> {
        [Some(tree), parent].into_iter().flatten().try_for_each(|id| self.sound(id))?;
        let tree = self.inner.find_tree(tree).map_err(GitError::reading(tree))?;
        let parent = parent.map(|id| self.inner.find_commit(id).map_err(GitError::reading(id))).transpose()?;
        let time = git2::Time::new(who.seconds, 0);
        let who = git2::Signature::new(&who.name, &who.email, &time).map_err(GitError::of)?;
        let parents: Vec<_> = parent.iter().collect();
        let buffer = self.inner.commit_create_buffer(&who, &who, message, &tree, &parents).map_err(GitError::of)?;
        Ok(buffer.as_str().map_err(|_| GitError::of(git2::Error::from_str("a message that is not UTF-8")))?.to_owned())
    }

    /// Moves `reference` from `from` (none: it must not exist) to `to`.
    ///
    /// # Errors
    /// [`GitError`] for faults; losing a race is [`Swap::Moved`].
    pub fn compare_and_swap(
        &self,
        reference: &str,
        from: Option<ObjectId>,
        to: ObjectId,
        log: &str,
    ) -> Result<Swap, GitError> {
        // libgit2 compares under the reference's lock; the zero id means "must not exist".
        match self.inner.reference_matching(reference, to, true, from.unwrap_or(ObjectId::ZERO_SHA1), log) {
            Ok(_) => Ok(Swap::Done),
            Err(e) if matches!(e.code(), ErrorCode::Modified | ErrorCode::Locked | ErrorCode::Exists) => {
                Ok(Swap::Moved)
            }
            // The reference vanished while we looked, or its lock's folder did.
            Err(e) if e.code() == ErrorCode::NotFound => Ok(Swap::Moved),
            Err(e) => Err(GitError::of(e)),
        }
    }

    /// Flushes loose objects to the disk, so that no reference can outlive what it points to.
    ///
    /// # Errors
    /// [`GitError::Io`].
    pub fn sync_objects(&self, ids: &[ObjectId]) -> Result<(), GitError> {
        let objects = self.common_dir().join("objects");
        for id in ids {
            let hex = id.to_string();
            // Absent as a loose file: it was in a pack already.
            sync(&objects.join(&hex[..2]).join(&hex[2..]))?;
            sync(&objects.join(&hex[..2]))?;
        }
        Ok(())
    }

    /// Flushes a reference to the disk.
    ///
    /// # Errors
    /// [`GitError::Io`].
    pub fn sync_reference(&self, reference: &str) -> Result<(), GitError> {
        let path = self.common_dir().join(reference);
        sync(&path)?;
        path.parent().map_or(Ok(()), sync)
    }
}

fn sync(path: &Path) -> Result<(), GitError> {
    match File::open(path).and_then(|f| f.sync_all()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(GitError::Io { path: path.to_owned(), error })
        }
        _ => Ok(()),
    }
}
