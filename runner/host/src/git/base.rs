//! What differs from a base.

use git2::{DiffOptions, ErrorCode, ObjectType};

use super::{Git, GitError, ObjectId};

impl Git {
    /// The commit that `name` stands for, and every path of the work tree that differs from where it and `HEAD` parted
    /// (from the commit itself, if they have nothing in common): committed or not, untracked files included, ignored
    /// ones not. Sorted. None if nothing has that name.
    ///
    /// # Errors
    /// [`GitError`] if the repository cannot be read.
    pub fn differing(&self, name: &str) -> Result<Option<(ObjectId, Vec<String>)>, GitError> {
        let base = match self.inner.revparse_single(name) {
            Ok(object) => object.peel(ObjectType::Commit).map_err(GitError::of)?.id(),
            Err(e) if matches!(e.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec | ErrorCode::Ambiguous) => {
                return Ok(None);
            }
            Err(e) => return Err(GitError::of(e)),
        };
        let head = self.source()?.commit;
        let parted = match self.inner.merge_base(base, head) {
            Ok(commit) => commit,
            Err(e) if e.code() == ErrorCode::NotFound => base,
            Err(e) => return Err(GitError::of(e)),
        };
        let tree = self.inner.find_commit(parted).and_then(|c| c.tree()).map_err(GitError::of)?;
        let mut options = DiffOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).ignore_submodules(true);
        let diff = self.inner.diff_tree_to_workdir_with_index(Some(&tree), Some(&mut options)).map_err(GitError::of)?;
        let mut paths: Vec<String> = Vec::new();
        for delta in diff.deltas() {
            let files = [delta.old_file().path_bytes(), delta.new_file().path_bytes()];
            paths.extend(files.into_iter().flatten().map(|p| String::from_utf8_lossy(p).into_owned()));
        }
        paths.sort_unstable();
        paths.dedup();
        Ok(Some((base, paths)))
    }
}
