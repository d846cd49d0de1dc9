//! A tree of a commit, written out: the very bytes that git has, no filter and no line endings changed.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{Git, GitError, ObjectId};

/// Kinds of entries that are files or links; what else there is (a submodule) is another repository.
const MODE_EXECUTABLE: i32 = 0o100_755;
const MODE_LINK: i32 = 0o120_000;
const MODE_SUBMODULE: i32 = 0o160_000;

impl Git {
    /// Writes the files of a tree below the folder `to`, which is empty. Submodules are left out; links come last, so
    /// that nothing is ever written through one.
    ///
    /// # Errors
    /// [`GitError`] if the tree cannot be read strictly or a file cannot be written.
    pub fn export(&self, tree: ObjectId, to: &Path) -> Result<(), GitError> {
        let mut links: Vec<(PathBuf, String)> = Vec::new();
        for change in self.changes(None, tree)? {
            let Some(entry) = change.after.filter(|e| !e.is_tree() && e.mode != MODE_SUBMODULE) else { continue };
            let path = to.join(&change.path);
            let io = |error| GitError::Io { path: path.clone(), error };
            path.parent().map_or(Ok(()), fs::create_dir_all).map_err(io)?;
            let bytes = self.blob(entry.id)?;
            if entry.mode == MODE_LINK {
                let target = String::from_utf8(bytes)
                    .map_err(|_| GitError::Damaged { id: entry.id, why: "a link that is not UTF-8".to_owned() })?;
                links.push((path, target));
            } else {
                let mode = if entry.mode == MODE_EXECUTABLE { 0o755 } else { 0o644 };
                let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
                file.and_then(|mut file| std::io::Write::write_all(&mut file, &bytes)).map_err(io)?;
            }
        }
        links.into_iter().try_for_each(|(path, target)| {
            symlink(target, &path).map_err(|error| GitError::Io { path: path.clone(), error })
        })
    }
}
