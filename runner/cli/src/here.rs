//! The project as git has it: in the working folder, and in commits.

use std::path::{Path, PathBuf};

use orgo_host::declared::{TreeError, of_tree};
use orgo_host::git::{Git, ObjectId};
use orgo_kernel::declared::Declared;
use orgo_spec::review::FileChange;

use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::project::find_root;

/// The folder of a project in its repository, with a `/` at the end; empty if they are the same, and outside of git.
pub(crate) fn prefix(root: &Path) -> String {
    let git = Git::discover(root).ok();
    let top = git.as_ref().and_then(Git::root).and_then(|top| std::fs::canonicalize(top).ok());
    top.map_or_else(String::new, |top| leading(&top, root))
}

fn leading(top: &Path, root: &Path) -> String {
    let below = root.strip_prefix(top).ok().and_then(Path::to_str).unwrap_or_default();
    if below.is_empty() { String::new() } else { format!("{below}/") }
}

/// A repository in git, and the project in it.
pub(crate) struct Here {
    pub(crate) git: Git,
    /// The project's folder.
    pub(crate) root: PathBuf,
    /// The project's folder in the repository, with a `/` at the end; empty if they are the same.
    pub(crate) prefix: String,
}

impl Here {
    /// Finds the repository and the project in it. The working folder need not have a project.
    pub(crate) fn find(context: &Context) -> Result<Self, Failure> {
        let from = &context.global.directory;
        let git = Git::discover(from)?;
        let top = git.root().map(std::fs::canonicalize).and_then(Result::ok);
        let Some(top) = top else {
            let message = "a bare repository has no working folder to find the project in";
            return Err(Failure::usage(message, "run this in a clone with a working folder"));
        };
        let root = find_root(from).ok().filter(|root| root.starts_with(&top)).unwrap_or_else(|| top.clone());
        let prefix = leading(&top, &root);
        Ok(Self { git, root, prefix })
    }

    /// The project's tree in a commit; none if it was not there.
    pub(crate) fn project(&self, commit: ObjectId) -> Result<Option<ObjectId>, Failure> {
        let tree = self.git.tree_of_commit(commit)?;
        if self.prefix.is_empty() {
            return Ok(Some(tree));
        }
        let entry = self.git.entry(tree, self.prefix.trim_end_matches('/'))?;
        Ok(entry.filter(orgo_host::git::Entry::is_tree).map(|e| e.id))
    }

    /// What a tree of the project declares; nothing, if there is none.
    pub(crate) fn declared(&self, tree: Option<ObjectId>) -> Result<Declared, Failure> {
        Ok(tree.map_or_else(|| Ok(Declared::default()), |tree| of_tree(&self.git, tree))?)
    }

    /// The files below the project, with paths as it sees them.
    pub(crate) fn below(&self, files: Vec<FileChange>) -> Vec<FileChange> {
        let strip = |path: &str| path.strip_prefix(&self.prefix).map(str::to_owned);
        let below =
            |f: FileChange| Some(FileChange { path: strip(&f.path)?, from: f.from.as_deref().and_then(strip), ..f });
        files.into_iter().filter_map(below).collect()
    }
}

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Git(error) => error.into(),
            TreeError::Path(error) => error.into(),
            TreeError::TooLarge(_) | TreeError::TooDeep(_) => Self::message(
                Class::Declared,
                None,
                error.to_string(),
                "keep documents small, and other files elsewhere",
            ),
        }
    }
}
