//! Host programs: found, and known by the content of everything they load.
//!
//! The digest of a stage's host programs is SHA-256 over the sorted list of (name, real path, file
//! digest) of its own program, every declared tool, and the libraries and interpreters that they
//! load: one line each, fields separated by a tab, ended by a line feed
//! (see `docs/formats/stage-key.md`).

mod needs;
mod programs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use orgo_kernel::key::Blob;
use orgo_spec::Digest;

pub use needs::Needs;
use programs::Programs;

use crate::file::{At, PathError, status_followed};
use crate::sources::SourceError;

/// Why a host program cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ToolError {
    /// Nowhere on the search path.
    #[error("no program called `{name}` is on this machine (looked in {path})")]
    #[diagnostic(code(TOOL_MISSING), help("install it, correct the name, or set `env \"PATH\" \"…\"` in the stage"))]
    Missing {
        /// The program.
        name: String,
        /// The search path.
        path: String,
    },
    /// It could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Source(#[from] SourceError),
    /// The system refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Path(#[from] PathError),
}

/// A file that a program loads before its first instruction, or the program itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loaded {
    /// The name that it is asked for; empty for the program.
    pub asked: String,
    /// The file, links resolved.
    pub file: PathBuf,
    /// Its content.
    pub digest: Digest,
}

/// Finds and identifies host programs; remembers what it found for the length of a run.
pub struct Tools {
    programs: Programs,
    found: BTreeMap<(String, String), PathBuf>,
    closures: BTreeMap<PathBuf, Vec<(String, PathBuf, Digest)>>,
    digests: BTreeMap<Vec<String>, Digest>,
}

impl Tools {
    /// Starts with what earlier runs wrote to `memory`.
    ///
    /// # Errors
    /// [`PathError`] if the memory is there and cannot be opened.
    pub fn open(memory: &Path) -> Result<Self, PathError> {
        Ok(Self {
            programs: Programs::open(memory)?,
            found: BTreeMap::new(),
            closures: BTreeMap::new(),
            digests: BTreeMap::new(),
        })
    }

    /// The content of a host file, links followed.
    ///
    /// # Errors
    /// [`SourceError`] if it is missing, changes while it is read, or cannot be read.
    pub fn content(&mut self, path: &Path) -> Result<Blob, SourceError> {
        self.programs.content(path)
    }

    /// Every question that [`Tools::digest`] was asked, the search path last, and the answer.
    pub fn digests(&self) -> impl Iterator<Item = (&[String], Digest)> {
        self.digests.iter().map(|(asked, digest)| (asked.as_slice(), *digest))
    }

    /// Every program that was asked for, and every file that one of them loads: where it was found, where it lies with
    /// links resolved, and its content.
    #[must_use]
    pub fn used(&self) -> BTreeMap<PathBuf, Digest> {
        let mut used = BTreeMap::new();
        for (found, closure) in &self.closures {
            let own =
                closure.iter().filter(|(asked, ..)| asked.is_empty()).map(|(_, _, digest)| (found.clone(), *digest));
            used.extend(own.chain(closure.iter().map(|(_, file, digest)| (file.clone(), *digest))));
        }
        used
    }

    /// Writes what was learned for the next run.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be written.
    pub fn save(&self) -> Result<(), PathError> {
        self.programs.save()
    }

    /// The program that `name` means on the search path `path`.
    ///
    /// # Errors
    /// [`ToolError::Missing`] if there is none.
    pub fn find(&mut self, name: &str, path: &str) -> Result<PathBuf, ToolError> {
        let asked = (name.to_owned(), path.to_owned());
        if let Some(found) = self.found.get(&asked) {
            return Ok(found.clone());
        }
        let candidates: Vec<PathBuf> = if name.contains('/') {
            vec![PathBuf::from(name)]
        } else {
            path.split(':').filter(|p| p.starts_with('/')).map(|p| Path::new(p).join(name)).collect()
        };
        for candidate in candidates {
            if status_followed(&candidate)?.is_some_and(|s| s.is_file && s.executable) {
                self.found.insert(asked, candidate.clone());
                return Ok(candidate);
            }
        }
        Err(ToolError::Missing { name: name.to_owned(), path: path.to_owned() })
    }

    /// The digest over the programs called `names` and all that they load.
    ///
    /// # Errors
    /// [`ToolError`] if one is missing or cannot be read.
    pub fn digest(&mut self, names: &[String], path: &str) -> Result<Digest, ToolError> {
        let mut asked = names.to_vec();
        asked.push(path.to_owned());
        if let Some(digest) = self.digests.get(&asked) {
            return Ok(*digest);
        }
        let mut lines = BTreeSet::new();
        for name in names {
            let program = self.find(name, path)?;
            let closure = self.closure(&program)?;
            for (file, real, digest) in closure {
                let name = if file.is_empty() { name } else { file };
                lines.insert(format!("{name}\t{}\t{digest}\n", real.display()));
            }
        }
        let digest = Digest::of(lines.into_iter().collect::<String>().as_bytes());
        self.digests.insert(asked, digest);
        Ok(digest)
    }

    /// The program called `name` and all that it loads, sorted.
    ///
    /// # Errors
    /// [`ToolError`] if it is missing or cannot be read.
    pub fn loads(&mut self, name: &str, path: &str) -> Result<Vec<Loaded>, ToolError> {
        let program = self.find(name, path)?;
        let closure = self.closure(&program)?.iter();
        let mut loads: Vec<Loaded> = closure
            .map(|(asked, file, digest)| Loaded { asked: asked.clone(), file: file.clone(), digest: *digest })
            .collect();
        loads.sort_unstable();
        Ok(loads)
    }

    /// Every file that starting these programs reads before their first instruction, under the names that it is
    /// asked for by and where it lies; sorted.
    ///
    /// # Errors
    /// [`ToolError`] if one is missing or cannot be read.
    pub fn files(&mut self, names: &[String], path: &str) -> Result<BTreeSet<PathBuf>, ToolError> {
        let mut files = BTreeSet::new();
        for name in names {
            let mut queue = vec![self.find(name, path)?];
            while let Some(file) = queue.pop() {
                let real = std::fs::canonicalize(&file).at("resolve", &file)?;
                if files.insert(file) {
                    queue.extend(self.programs.with_needs(&real)?.1.found(&real).into_iter().map(|(_, file)| file));
                    files.insert(real);
                }
            }
        }
        Ok(files)
    }

    /// The program (with an empty name) and what it loads.
    fn closure(&mut self, program: &Path) -> Result<&[(String, PathBuf, Digest)], ToolError> {
        if !self.closures.contains_key(program) {
            let mut queue = vec![(String::new(), program.to_owned())];
            let mut seen = BTreeSet::new();
            let mut closure = Vec::new();
            while let Some((name, path)) = queue.pop() {
                let real = std::fs::canonicalize(&path).at("resolve", &path)?;
                if !seen.insert((name.clone(), real.clone())) {
                    continue;
                }
                let (blob, needs) = self.programs.with_needs(&real)?;
                queue.extend(needs.found(&real));
                closure.push((name, real, blob.digest));
            }
            self.closures.insert(program.to_owned(), closure);
        }
        Ok(&self.closures[program])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_what_it_loads() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut tools = Tools::open(&folder.path().join("memory")).expect("opened");
        let shell = tools.find("sh", "/usr/bin:/bin").expect("every system has a shell");
        let names: Vec<String> = tools.closure(&shell).expect("readable").iter().map(|(n, ..)| n.clone()).collect();
        assert!(names.iter().any(|n| n.starts_with("libc.so")), "{names:?}");
        let script = folder.path().join("script");
        std::fs::write(&script, "#!/bin/sh\n").expect("writable");
        let names: Vec<String> = tools.closure(&script).expect("readable").iter().map(|(n, ..)| n.clone()).collect();
        assert!(names.contains(&"/bin/sh".to_owned()) && names.iter().any(|n| n.starts_with("libc.so")), "{names:?}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let mut tools = Tools::open(Path::new("/nowhere/memory")).expect("there is no memory yet");
        let error = tools.find("no-such-program", "/usr/bin:/bin").expect_err("missing");
        assert!(matches!(error, ToolError::Missing { .. }));
    }
}
