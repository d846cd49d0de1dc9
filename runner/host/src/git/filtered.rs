//! Clones that leave objects at a remote (`git clone --filter=…`): whether this is one, and bringing what is missing.
//!
//! libgit2 fetches nothing by itself, so what is not here is missing for every reader. Who appends needs a handful of
//! folders and files of the newest commit: for that, [`Git::bring_missing`] lets reads ask the `git` program for them. Whoever
//! reads a whole history must not, since it would fetch a million objects one by one.
//!
//! INVARIANT: only folders and files are brought, each by its id and nothing below it; commits never, because a filter
//! leaves none out: where they end, the clone is shallow.

use std::sync::Once;

use super::{Git, GitError, ObjectId, RemoteError};

/// The most objects that are named in one fetch.
const AT_ONCE: usize = 1024;

/// Lets libgit2 open filtered clones, besides what it opens anyway. To be called before any repository is opened.
#[expect(unsafe_code, reason = "git2 has no safe way to say which extensions of repositories are understood")]
pub(super) fn allow() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        // SAFETY: the list is a static variable of libgit2, which opening a repository reads. It is written here alone, once, and
        // every opening of a repository in this process comes after this call.
        let set = unsafe { git2::opts::set_extensions(&["partialclone"]) };
        debug_assert!(set.is_ok(), "only memory could be lacking");
    });
}

/// The remote that has what a filtered clone left there; none for a clone with everything.
pub(super) fn promisor(repo: &git2::Repository) -> Option<String> {
    let config = repo.config().and_then(|mut c| c.snapshot()).ok()?;
    if let Ok(name) = config.get_str("extensions.partialclone") {
        return Some(name.to_owned());
    }
    let mut name = None;
    let entries = config.entries(Some("^remote\\..*\\.promisor$")).ok()?;
    let read = entries.for_each(|entry| {
        let remote = entry.name().ok().and_then(|n| n.strip_prefix("remote.")?.strip_suffix(".promisor"));
        if let Some(remote) = remote.filter(|_| entry.value().is_ok_and(|v| v != "false")) {
            name = Some(remote.to_owned());
        }
    });
    read.ok().and(name)
}

impl Git {
    /// Whether objects may be missing because the clone left them at a remote.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        self.promisor.is_some()
    }

    /// Lets reads of folders and files fetch what a filtered clone left at its remote: for who appends.
    pub fn bring_missing(&self) {
        self.brings.set(true);
    }

    /// Whether the object is here.
    pub(crate) fn has(&self, id: ObjectId) -> bool {
        self.inner.odb().is_ok_and(|odb| odb.exists(id))
    }

    /// Fetches those of these folders and files that are missing, in one go, if that is asked for and the clone is
    /// filtered. What the remote does not have stays missing.
    ///
    /// # Errors
    /// [`GitError::Unreachable`] if the remote cannot be asked.
    pub(crate) fn bring(&self, ids: &[ObjectId]) -> Result<(), GitError> {
        let Some(name) = self.promisor.as_deref().filter(|_| self.brings.get()) else { return Ok(()) };
        let mut missing: Vec<ObjectId> = ids.iter().copied().filter(|id| !self.has(*id)).collect();
        missing.sort_unstable();
        missing.dedup();
        for ids in missing.chunks(AT_ONCE) {
            let unreachable = |error: RemoteError| GitError::Unreachable { id: ids[0], said: error.said };
            match self.remote(name).map_err(unreachable)?.fetch_objects(ids) {
                Ok(()) => self.refresh()?,
                Err(error) if error.said.contains("not our ref") => {}
                Err(error) => return Err(unreachable(error)),
            }
        }
        Ok(())
    }

    /// The same for everything on the way to these paths of a tree, one fetch for each level of folders.
    ///
    /// # Errors
    /// As [`Git::bring`]; [`GitError`] for a folder that cannot be read.
    pub(crate) fn bring_paths<'p>(
        &self,
        tree: ObjectId,
        paths: impl IntoIterator<Item = &'p str>,
    ) -> Result<(), GitError> {
        if !self.is_filtered() || !self.brings.get() {
            return Ok(());
        }
        let mut level: Vec<(ObjectId, Option<&str>)> = paths.into_iter().map(|path| (tree, Some(path))).collect();
        while !level.is_empty() {
            self.bring(&level.iter().map(|(id, _)| *id).collect::<Vec<_>>())?;
            let mut below = Vec::new();
            for (id, rest) in level {
                let Some(rest) = rest else { continue };
                let (name, rest) = rest.split_once('/').map_or((rest, None), |(name, rest)| (name, Some(rest)));
                let entry = self.tree(id)?.get(name);
                below.extend(entry.filter(|e| e.is_tree() || rest.is_none()).map(|e| (e.id, rest)));
            }
            level = below;
        }
        Ok(())
    }
}
