//! Short names: only ever those of branches, and only where nobody can read them otherwise (supply-chain T-70).

use super::{Git, GitError};

impl Git {
    /// The full name of the branch `name`, which need not exist. A name that begins with `refs/` is full already.
    ///
    /// # Errors
    /// [`GitError::Ambiguous`] if git finds something else under the short name before it looks among branches: a
    /// tag, for instance. Whoever checks our word with `git log NAME` would then look at something else.
    pub fn branch(&self, name: &str) -> Result<String, GitError> {
        if name.starts_with("refs/") {
            return Ok(name.to_owned());
        }
        // The order of gitrevisions(7) up to `refs/heads/`.
        for other in [name.to_owned(), format!("refs/{name}"), format!("refs/tags/{name}")] {
            // A name that libgit2 does not know as one is none of git's references either.
            if self.inner.find_reference(&other).is_ok() {
                return Err(GitError::Ambiguous { name: name.to_owned(), other });
            }
        }
        Ok(format!("refs/heads/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_a_branch_or_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let repo = git2::Repository::init(folder.path()).expect("a repository");
        let tree = repo.treebuilder(None).and_then(|t| t.write()).expect("a tree");
        let git = Git::open(folder.path()).expect("opened");
        for (reference, name, free) in [
            ("refs/tags/a", "a", false),
            ("refs/tags/orgo/audit", "orgo/audit", false),
            ("refs/heads/b", "b", true),
            ("refs/remotes/origin/c", "c", true),
            ("refs/d/e", "d/e", false),
            ("refs/tags/f", "refs/heads/f", true),
        ] {
            repo.reference(reference, tree, true, "").expect("a reference");
            let full = if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") };
            assert_eq!(git.branch(name).ok(), free.then_some(full), "{reference}");
        }
    }
}
