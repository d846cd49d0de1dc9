//! Which source a run reads: commit, tree, reference, and whether the files differ from it.

use std::sync::Arc;

use git2::{ErrorCode, StatusOptions, Tree};

use super::look::{Looked, look};
use super::{Git, GitError, ObjectId};

/// At most this many differing paths are named.
const MAX_NAMED: usize = 20;

/// The state of a work tree.
#[derive(Debug, Clone)]
pub struct Source {
    /// The commit that is checked out.
    pub commit: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// The full name of the branch that is checked out; none when `HEAD` is detached.
    pub reference: Option<String>,
    /// Up to 20 paths that differ from the commit, untracked files included, ignored ones not (libgit2 also takes those for
    /// ignored that a file in a folder excepts from a rule outside of it; what a protected run reads is held to the tree
    /// in any case).
    pub changed: Vec<String>,
    /// What was found at the tracked files when that was said; unknown in a bare repository, or where it could not be said.
    pub looked: Option<Arc<Looked>>,
}

impl Source {
    /// Whether any file differs from the commit.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.changed.is_empty()
    }
}

impl Git {
    /// Looks at the work tree.
    ///
    /// # Errors
    /// [`GitError::Unborn`] before the first commit, [`GitError::Unsafe`] for a repository with submodules,
    /// whose content no tree digest covers.
    pub fn source(&self) -> Result<Source, GitError> {
        let head = match self.inner.head() {
            Err(e) if matches!(e.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
                return Err(GitError::Unborn);
            }
            other => other.map_err(GitError::of)?,
        };
        head.target().map_or(Ok(()), |id| self.sound(id))?;
        let commit = head.peel_to_commit().map_err(GitError::of)?;
        let reference = head.is_branch().then(|| head.name().ok().map(str::to_owned)).flatten();
        let (changed, looked) = if self.inner.is_bare() {
            (Vec::new(), None)
        } else {
            self.changed(&commit.tree().map_err(GitError::of)?)?
        };
        Ok(Source { commit: commit.id(), tree: commit.tree_id(), reference, changed, looked })
    }

    fn changed(&self, tree: &Tree<'_>) -> Result<(Vec<String>, Option<Arc<Looked>>), GitError> {
        /// Index flags by which a user tells git not to look at a file (assume-unchanged, skip-worktree).
        const ASSUME_UNCHANGED: u16 = 0x8000;
        const SKIP_WORKTREE: u16 = 0x4000;
        const GITLINK: u32 = 0o160_000;

        let mut changed = Vec::new();
        let index = self.inner.index().map_err(GitError::of)?;
        for entry in index.iter() {
            let path = || String::from_utf8_lossy(&entry.path).into_owned();
            if entry.mode == GITLINK {
                let why = format!("it has the submodule `{}`, which no tree digest covers", path());
                return Err(GitError::Unsafe { path: self.common_dir().to_owned(), why });
            }
            // A file that git was told to overlook may differ: it counts as if it did.
            if entry.flags & ASSUME_UNCHANGED != 0 || entry.flags_extended & SKIP_WORKTREE != 0 {
                changed.push(path());
            }
        }
        let (looked, is_clean) = look(&self.inner, tree).unzip();
        let looked = looked.map(Arc::new);
        if is_clean == Some(true) && changed.is_empty() {
            return Ok((changed, looked));
        }
        let mut options = StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(false).include_ignored(false).exclude_submodules(true);
        options.update_index(false);
        let statuses = self.inner.statuses(Some(&mut options)).map_err(GitError::of)?;
        changed.extend(statuses.iter().map(|s| String::from_utf8_lossy(s.path_bytes()).into_owned()));
        changed.sort_unstable();
        changed.dedup();
        changed.truncate(MAX_NAMED);
        Ok((changed, looked))
    }

    /// The protected reference that `source` was checked out from, if there is one.
    ///
    /// `patterns` are full names (`refs/heads/main`), `*` at the end matches the rest. When `HEAD` is detached,
    /// as in CI, a matching branch here or at `origin` must point to the very commit.
    ///
    /// # Errors
    /// [`GitError`] if references cannot be read.
    pub fn protected_reference(&self, source: &Source, patterns: &[String]) -> Result<Option<String>, GitError> {
        let protected = |name: &str| {
            patterns.iter().any(|p| match p.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == p,
            })
        };
        if let Some(reference) = &source.reference {
            return Ok(protected(reference).then(|| reference.clone()));
        }
        let mut found: Option<String> = None;
        for reference in self.inner.references().map_err(GitError::of)? {
            let reference = reference.map_err(GitError::of)?;
            let Ok(name) = reference.name() else { continue };
            let branch = match name.strip_prefix("refs/remotes/origin/") {
                Some(branch) => format!("refs/heads/{branch}"),
                None => name.to_owned(),
            };
            // The smallest name, so that the answer does not depend on the order of the listing.
            if protected(&branch)
                && reference.target() == Some(source.commit)
                && found.as_ref().is_none_or(|f| branch < *f)
            {
                found = Some(branch);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, args: &[&str]) {
        let status = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"])
            .args(args)
            .current_dir(folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .status();
        assert!(status.expect("git runs").success(), "{args:?}");
    }

    fn repository() -> (tempfile::TempDir, Git) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        git(folder.path(), &["init", "-q"]);
        std::fs::write(folder.path().join("a"), "1").expect("written");
        std::fs::write(folder.path().join(".gitignore"), "out/\n").expect("written");
        git(folder.path(), &["add", "."]);
        git(folder.path(), &["commit", "-qm", "one"]);
        let opened = Git::discover(folder.path()).expect("a repository");
        (folder, opened)
    }

    #[test]
    fn every_difference_from_the_commit_makes_a_tree_dirty() {
        let (folder, repo) = repository();
        let path = folder.path();
        assert_eq!(repo.source().expect("clean").changed, Vec::<String>::new());
        std::fs::create_dir(path.join("out")).expect("a folder");
        std::fs::write(path.join("out/x"), "").expect("written");
        assert!(!repo.source().expect("clean").is_dirty(), "ignored files do not count");
        std::fs::write(path.join("b"), "").expect("written");
        assert_eq!(repo.source().expect("dirty").changed, ["b"], "untracked files count");
        std::fs::remove_file(path.join("b")).expect("removed");
        std::fs::write(path.join("a"), "2").expect("written");
        assert_eq!(repo.source().expect("dirty").changed, ["a"]);
        git(path, &["update-index", "--assume-unchanged", "a"]);
        let repo = Git::open(path).expect("a repository");
        assert_eq!(repo.source().expect("dirty").changed, ["a"], "git can be told to look away, we cannot");
    }

    #[test]
    fn a_protected_reference_is_named_in_full() {
        let (folder, repo) = repository();
        let protected = |repo: &Git, patterns: &[&str]| {
            let patterns: Vec<_> = patterns.iter().map(|p| (*p).to_owned()).collect();
            repo.protected_reference(&repo.source().expect("a source"), &patterns).expect("references")
        };
        assert_eq!(protected(&repo, &["refs/heads/main"]).as_deref(), Some("refs/heads/main"));
        assert_eq!(protected(&repo, &["main", "refs/heads/release/*"]), None);
        git(folder.path(), &["tag", "refs/heads/main"]);
        git(folder.path(), &["checkout", "-q", "--detach"]);
        let repo = Git::open(folder.path()).expect("a repository");
        assert_eq!(protected(&repo, &["refs/heads/m*"]).as_deref(), Some("refs/heads/main"));
        std::fs::write(folder.path().join("a"), "3").expect("written");
        git(folder.path(), &["commit", "-qam", "two"]);
        let repo = Git::open(folder.path()).expect("a repository");
        assert_eq!(protected(&repo, &["refs/heads/m*"]), None, "the branch points to another commit");
    }

    #[test]
    fn a_repository_that_could_mislead_is_refused() {
        let (folder, repo) = repository();
        let refused = |path: &Path| Git::open(path).map(|_| ()).map_err(|e| e.code());
        let unsafe_code = Err(Some(orgo_spec::ReasonCode::RepoUnsafe));
        std::fs::write(repo.common_dir().join("info/grafts"), "").expect("written");
        assert_eq!(refused(folder.path()), unsafe_code);
        std::fs::remove_file(repo.common_dir().join("info/grafts")).expect("removed");
        git(folder.path(), &["commit", "-qm", "two", "--allow-empty"]);
        git(folder.path(), &["replace", "HEAD", "HEAD~"]);
        assert_eq!(refused(folder.path()), unsafe_code);
        git(folder.path(), &["replace", "-d", "HEAD"]);
        assert_eq!(refused(folder.path()), Ok(()));
        git(folder.path(), &["config", "core.worktree", "/tmp"]);
        assert_eq!(refused(folder.path()), unsafe_code);
    }

    #[test]
    fn submodules_are_refused() {
        let (folder, _) = repository();
        let (other, _) = repository();
        let url = other.path().to_str().expect("a plain path");
        git(folder.path(), &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "sub"]);
        let repo = Git::open(folder.path()).expect("a repository");
        assert!(matches!(repo.source(), Err(GitError::Unsafe { .. })));
    }
}
