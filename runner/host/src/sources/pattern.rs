//! Patterns with wildcards: which files of a repository they match.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use orgo_spec::{Digest, Hasher};

use super::SourceError;
use crate::file::status;
use crate::folder::Folder;

/// Whether a pattern names one path.
pub(crate) fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', '{'])
}

/// Whether one of the patterns matches one of the paths.
///
/// # Errors
/// [`SourceError::Pattern`] for a pattern that cannot be read.
pub fn matches_any(patterns: &[String], paths: &[String]) -> Result<bool, SourceError> {
    for pattern in patterns {
        let bad = |e: globset::Error| SourceError::Pattern { pattern: pattern.clone(), why: e.kind().to_string() };
        let glob = GlobBuilder::new(pattern).literal_separator(true).build().map_err(bad)?.compile_matcher();
        if paths.iter().any(|path| glob.is_match(path)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether patterns match paths, without looking at any file; each pattern is read once. A pattern that cannot be read
/// matches everything: whoever asks what a change touches had better be told too much.
#[derive(Debug, Default)]
pub struct Matcher {
    known: std::collections::HashMap<String, Option<globset::GlobMatcher>>,
}

impl Matcher {
    /// Whether `pattern`, as a stage declares it, matches `path`.
    pub fn matches(&mut self, pattern: &str, path: &str) -> bool {
        if is_literal(pattern) {
            return pattern == path;
        }
        if path.split('/').any(|part| part == ".orgo") {
            return false;
        }
        let read = || GlobBuilder::new(pattern).literal_separator(true).build().ok().map(|glob| glob.compile_matcher());
        let matcher = self.known.entry(pattern.to_owned()).or_insert_with(read);
        matcher.as_ref().is_none_or(|m| m.is_match(path))
    }
}

/// A digest over the paths that a pattern matches.
pub(crate) fn digest(paths: &[String]) -> Digest {
    let mut hasher = Hasher::new();
    for path in paths {
        hasher.update(path.as_bytes());
        hasher.update(b"\0");
    }
    hasher.finish()
}

/// Paths that a pattern matches: files below `root` that git does not ignore, sorted.
///
/// # Errors
/// [`SourceError`] if the pattern cannot be read, or a folder cannot be listed.
pub(crate) fn matches(root: &Folder, pattern: &str) -> Result<Vec<String>, SourceError> {
    walk(root, pattern, true).map(|walked| walked.files)
}

/// What was seen on the way to the files that a pattern matches.
pub(crate) struct Walked {
    /// The files, relative to the root, sorted.
    pub(crate) files: Vec<String>,
    /// Every folder in which there is such a file, or may be one later; whole paths.
    pub(crate) folders: Vec<PathBuf>,
}

/// As [`matches`], with the folders; files that git ignores, and links, are left out only if `ignores` says so.
///
/// # Errors
/// As [`matches`].
pub(crate) fn walk(root: &Folder, pattern: &str, ignores: bool) -> Result<Walked, SourceError> {
    let bad = |why: String| SourceError::Pattern { pattern: pattern.to_owned(), why };
    let glob = GlobBuilder::new(pattern).literal_separator(true).build().map_err(|e| bad(e.kind().to_string()))?;
    let matcher = glob.compile_matcher();
    let fixed: PathBuf = Path::new(pattern)
        .parent()
        .into_iter()
        .flat_map(Path::components)
        .take_while(|part| is_literal(&part.as_os_str().to_string_lossy()))
        .collect();
    // Only `**` crosses folders; without it nothing is deeper than the pattern is long.
    let deepest = pattern.matches('/').count() + 1 - fixed.components().count();
    let deepest = (!pattern.contains("**")).then_some(deepest);
    let start = root.path().join(fixed);
    let mut walked = Walked { files: Vec::new(), folders: Vec::new() };
    if status(&start)?.is_some_and(|s| s.is_folder) {
        let walk = ignore::WalkBuilder::new(&start)
            .standard_filters(ignores)
            .hidden(false)
            .git_global(false)
            .max_depth(deepest)
            .filter_entry(|entry| entry.file_name() != ".git" && entry.file_name() != ".orgo")
            .build();
        for entry in walk {
            let entry = entry.map_err(|e| bad(e.to_string()))?;
            let Ok(path) = entry.path().strip_prefix(root.path()) else { continue };
            let Some(kind) = entry.file_type() else { continue };
            if kind.is_dir() && deepest.is_none_or(|deepest| entry.depth() < deepest) {
                walked.folders.push(entry.path().to_owned());
            }
            if (kind.is_file() || kind.is_symlink() && !ignores) && matcher.is_match(path) {
                let path = path.to_str().ok_or_else(|| bad(format!("`{}` is not UTF-8", path.display())))?;
                walked.files.push(path.to_owned());
            }
        }
    }
    walked.files.sort_unstable();
    Ok(walked)
}
