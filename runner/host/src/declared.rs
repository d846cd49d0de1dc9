//! Trees of files that declarations are read from: a commit's, or the working folder.

use std::path::Path;

use orgo_kernel::declared::{Declared, Files};
use orgo_kernel::plan::Resolved;

use crate::file::{At, PathError, read_if_there, status};
use crate::git::{Git, GitError, MODE_FILE, ObjectId};

/// The largest document that is read, in bytes.
const MAX_BYTES: usize = 64 << 20;
/// How deep folders of documents may nest.
const MAX_DEPTH: usize = 16;
/// The mode of a regular file that may be executed.
const MODE_EXECUTABLE: i32 = 0o100_755;
/// The mode of a link.
const MODE_LINK: i32 = 0o120_000;

/// Why a tree cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// git refused.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The system refused.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A document of unusual size.
    #[error("`{0}` is larger than a document may be")]
    TooLarge(String),
    /// Folders without end.
    #[error("the folders below `{0}` nest deeper than documents do")]
    TooDeep(String),
}

/// What a tree of the repository declares; nothing of the working folder is read.
///
/// # Errors
/// [`TreeError`] if the tree cannot be read. Wrong documents are no error: see [`Declared::errors`].
pub fn of_tree(git: &Git, tree: ObjectId) -> Result<Declared, TreeError> {
    Declared::read(&Committed { git, tree })
}

/// The plan of a pipeline that a tree declares, with other parameters: see [`Declared::plan_with`].
///
/// # Errors
/// As [`of_tree`].
pub fn plan_of_tree(
    git: &Git,
    tree: ObjectId,
    declared: &Declared,
    name: &str,
    parameters: &[(String, String)],
) -> Result<Option<Resolved>, TreeError> {
    declared.plan_with(&Committed { git, tree }, name, parameters)
}

/// What a folder declares.
///
/// # Errors
/// As [`of_tree`].
pub fn of_folder(root: &Path) -> Result<Declared, TreeError> {
    Declared::read(&Folder { root })
}

/// A tree in git.
struct Committed<'g> {
    git: &'g Git,
    tree: ObjectId,
}

impl Files for Committed<'_> {
    type Error = TreeError;

    fn list(&self, folder: &str) -> Result<Vec<String>, TreeError> {
        let mut paths = Vec::new();
        let Some(entry) = self.git.entry(self.tree, folder)?.filter(crate::git::Entry::is_tree) else {
            return Ok(paths);
        };
        let mut folders = vec![(folder.to_owned(), entry.id, 0)];
        while let Some((path, id, depth)) = folders.pop() {
            if depth > MAX_DEPTH {
                return Err(TreeError::TooDeep(folder.to_owned()));
            }
            for (name, entry) in self.git.tree(id)?.iter() {
                let path = format!("{path}/{name}");
                if entry.is_tree() {
                    folders.push((path, entry.id, depth + 1));
                } else if is_file(entry.mode) || entry.mode == MODE_LINK {
                    paths.push(path);
                }
            }
        }
        paths.sort_unstable();
        Ok(paths)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, TreeError> {
        let Some(entry) = self.git.entry(self.tree, path)?.filter(|e| is_file(e.mode)) else { return Ok(None) };
        if self.git.size(entry.id)? > MAX_BYTES {
            return Err(TreeError::TooLarge(path.to_owned()));
        }
        Ok(Some(self.git.blob(entry.id)?))
    }

    fn is_link(&self, path: &str) -> Result<bool, TreeError> {
        Ok(self.git.entry(self.tree, path)?.is_some_and(|e| e.mode == MODE_LINK))
    }
}

fn is_file(mode: i32) -> bool {
    mode == MODE_FILE || mode == MODE_EXECUTABLE
}

/// A folder. Links are not followed.
struct Folder<'r> {
    root: &'r Path,
}

impl Files for Folder<'_> {
    type Error = TreeError;

    fn list(&self, folder: &str) -> Result<Vec<String>, TreeError> {
        let mut paths = Vec::new();
        let mut folders = vec![(folder.to_owned(), 0)];
        while let Some((path, depth)) = folders.pop() {
            if depth > MAX_DEPTH {
                return Err(TreeError::TooDeep(folder.to_owned()));
            }
            let full = self.root.join(&path);
            if !status(&full)?.is_some_and(|s| s.is_folder) {
                continue;
            }
            for entry in std::fs::read_dir(&full).at("list", &full)? {
                let entry = entry.at("list", &full)?;
                let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
                let kind = entry.file_type().at("read the status of", &entry.path())?;
                let path = format!("{path}/{name}");
                if kind.is_dir() {
                    folders.push((path, depth + 1));
                } else if kind.is_file() || kind.is_symlink() {
                    paths.push(path);
                }
            }
        }
        paths.sort_unstable();
        Ok(paths)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, TreeError> {
        let full = self.root.join(path);
        match status(&full)? {
            Some(found) if found.is_file && found.stamp.size_bytes > MAX_BYTES as u64 => {
                Err(TreeError::TooLarge(path.to_owned()))
            }
            Some(found) if found.is_file => Ok(read_if_there(&full)?),
            Some(_) | None => Ok(None),
        }
    }

    fn is_link(&self, path: &str) -> Result<bool, TreeError> {
        let full = self.root.join(path);
        match std::fs::symlink_metadata(&full) {
            Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(false),
            other => Ok(other.at("read the status of", &full)?.is_symlink()),
        }
    }
}
