//! Two states of a repository, and the files that differ between them.

use git2::{Delta, DiffFindOptions, DiffOptions, ErrorCode, ObjectType};
use orgo_spec::review::{FileChange, FileStatus};

use super::{Git, GitError, ObjectId};

impl Git {
    /// The commit that a name stands for: a branch, a tag, a commit. None if nothing has that name.
    ///
    /// # Errors
    /// [`GitError::Ambiguous`] if two references have it and point to different things: a tag called like a branch would
    /// decide what a change is compared with. [`GitError`] if the repository cannot be read, or the name stands for
    /// something that is no commit.
    pub fn commit_named(&self, name: &str) -> Result<Option<ObjectId>, GitError> {
        // The order of gitrevisions(7).
        let places = ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"].map(|place| format!("{place}{name}"));
        let target = |place: &String| self.inner.refname_to_id(place).ok().map(|id| (place.clone(), id));
        let found: Vec<(String, ObjectId)> = places.iter().filter_map(target).collect();
        if let [(other, first), rest @ ..] = found.as_slice()
            && rest.iter().any(|(_, id)| id != first)
        {
            return Err(GitError::Ambiguous { name: name.to_owned(), other: other.clone() });
        }
        match self.inner.revparse_single(name) {
            Ok(object) => Ok(Some(object.peel(ObjectType::Commit).map_err(GitError::of)?.id())),
            Err(e) if matches!(e.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec | ErrorCode::Ambiguous) => {
                Ok(None)
            }
            Err(e) => Err(GitError::of(e)),
        }
    }

    /// The commit where two parted; none if they have nothing in common.
    ///
    /// # Errors
    /// [`GitError`] if history cannot be read.
    pub fn parted(&self, one: ObjectId, other: ObjectId) -> Result<Option<ObjectId>, GitError> {
        match self.inner.merge_base(one, other) {
            Ok(commit) => Ok(Some(commit)),
            Err(e) if e.code() == ErrorCode::NotFound => Ok(None),
            Err(e) => Err(GitError::of(e)),
        }
    }

    /// The tree of a commit.
    ///
    /// # Errors
    /// [`GitError`] if the commit cannot be read.
    pub fn tree_of_commit(&self, commit: ObjectId) -> Result<ObjectId, GitError> {
        self.sound(commit)?;
        let commit = self.inner.find_commit(commit).map_err(GitError::reading(commit))?;
        Ok(commit.tree_id())
    }

    /// The files that differ between two trees, by path; no tree is an empty one. A file with another path and the same
    /// content is renamed.
    ///
    /// # Errors
    /// [`GitError`] if a tree cannot be read.
    pub fn files_between(&self, base: Option<ObjectId>, head: Option<ObjectId>) -> Result<Vec<FileChange>, GitError> {
        let tree = |id: ObjectId| self.inner.find_tree(id).map_err(GitError::reading(id));
        let (old, new) = (base.map(tree).transpose()?, head.map(tree).transpose()?);
        let mut options = DiffOptions::new();
        options.ignore_submodules(true);
        let diff = self.inner.diff_tree_to_tree(old.as_ref(), new.as_ref(), Some(&mut options));
        changes(diff.map_err(GitError::of)?)
    }

    /// The files of the working folder that differ from a tree, as [`Git::files_between`] tells them. Untracked files
    /// count, ignored ones do not.
    ///
    /// # Errors
    /// [`GitError`] if the tree or the working folder cannot be read.
    pub fn files_since(&self, base: ObjectId) -> Result<Vec<FileChange>, GitError> {
        let tree = self.inner.find_tree(base).map_err(GitError::reading(base))?;
        let mut options = DiffOptions::new();
        options.ignore_submodules(true).include_untracked(true).recurse_untracked_dirs(true);
        let diff = self.inner.diff_tree_to_workdir_with_index(Some(&tree), Some(&mut options));
        changes(diff.map_err(GitError::of)?)
    }
}

fn changes(mut diff: git2::Diff<'_>) -> Result<Vec<FileChange>, GitError> {
    let mut find = DiffFindOptions::new();
    find.renames(true).exact_match_only(true).for_untracked(true);
    diff.find_similar(Some(&mut find)).map_err(GitError::of)?;
    let mut changes = Vec::new();
    for delta in diff.deltas() {
        let path = |file: git2::DiffFile<'_>| {
            file.path_bytes().map(|p| String::from_utf8_lossy(p).into_owned()).unwrap_or_default()
        };
        let (old, new) = (path(delta.old_file()), path(delta.new_file()));
        let change = match delta.status() {
            Delta::Added | Delta::Untracked | Delta::Copied => FileStatus::Added,
            Delta::Deleted => FileStatus::Removed,
            Delta::Renamed => FileStatus::Renamed,
            Delta::Modified | Delta::Typechange | Delta::Conflicted | Delta::Unreadable => FileStatus::Changed,
            Delta::Unmodified | Delta::Ignored => continue,
        };
        let path = if change == FileStatus::Removed { old.clone() } else { new };
        changes.push(FileChange { path, change, from: (change == FileStatus::Renamed).then_some(old) });
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_for_two_commits_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let repo = git2::Repository::init(folder.path()).expect("a repository");
        let tree = repo.treebuilder(None).and_then(|t| t.write()).expect("a tree");
        let tree = repo.find_tree(tree).expect("a tree");
        let who = git2::Signature::new("t", "t@t", &git2::Time::new(0, 0)).expect("a name");
        let commit = |text: &str| repo.commit(None, &who, &who, text, &tree, &[]).expect("a commit");
        let (one, two) = (commit("one"), commit("two"));
        for (reference, id) in [
            ("refs/heads/base", one),
            ("refs/remotes/origin/base", one),
            ("refs/heads/same", one),
            ("refs/tags/same", one),
            ("refs/heads/both", one),
            ("refs/tags/both", two),
            ("refs/tags/origin/both", two),
            ("refs/remotes/origin/both", one),
        ] {
            repo.reference(reference, id, true, "").expect("a reference");
        }
        let git = Git::open(folder.path()).expect("opened");
        for name in ["base", "origin/base", "same", "refs/heads/both", &one.to_string()] {
            assert_eq!(git.commit_named(name).expect("read"), Some(one), "{name}");
        }
        for name in ["both", "origin/both"] {
            assert!(matches!(git.commit_named(name), Err(GitError::Ambiguous { .. })), "{name}");
        }
        assert_eq!(git.commit_named("none").expect("read"), None);
        assert_eq!(git.parted(one, two).expect("read"), None, "nothing in common");
    }
}
