//! Finds documents: files below a folder, by the ending of their names.

use std::io;
use std::path::{Path, PathBuf};

use crate::file::{At, PathError};

/// The regular files below `folder` whose names `wanted` accepts, sorted. Hidden files and folders, what git ignores
/// and links are left out.
///
/// # Errors
/// [`PathError`] if a folder cannot be listed.
pub fn below(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, PathError> {
    let mut found = Vec::new();
    for entry in ignore::WalkBuilder::new(folder).parents(true).git_global(false).build() {
        let entry = entry.map_err(io::Error::other).at("list", folder)?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if is_file && entry.file_name().to_str().is_some_and(&wanted) {
            found.push(entry.into_path());
        }
    }
    found.sort_unstable();
    Ok(found)
}
