//! Host programs and libraries: their content, and what they ask for where somebody wants to know, read once and
//! remembered.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use orgo_kernel::key::Blob;
use orgo_spec::Digest;
use serde::{Deserialize, Serialize};

use super::Needs;
use crate::file::{At, PathError, Stamp, read_if_there, replace, status_followed};
use crate::sources::{RACY_NS, SourceError, now_ns};

/// The version of the file; others are ignored.
const FORMAT: u32 = 1;

/// A host file as it was when it was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Program {
    stamp: Stamp,
    blob: Blob,
    needs: Option<Needs>,
}

/// Host files by absolute path, with what is known of them.
pub(super) struct Programs {
    memory: PathBuf,
    known: HashMap<PathBuf, Program>,
    learned: bool,
}

impl Programs {
    /// Starts with what earlier runs wrote to `memory`; an unreadable memory is an empty one.
    ///
    /// # Errors
    /// [`PathError`] if the memory is there and cannot be opened.
    pub(super) fn open(memory: &Path) -> Result<Self, PathError> {
        let read: Option<(u32, HashMap<PathBuf, Program>)> =
            read_if_there(memory)?.and_then(|bytes| postcard::from_bytes(&bytes).ok());
        let known = read.filter(|(format, _)| *format == FORMAT).map_or_else(HashMap::new, |(_, known)| known);
        Ok(Self { memory: memory.to_owned(), known, learned: false })
    }

    /// The content of a host file, links followed. It does not enter the store.
    ///
    /// # Errors
    /// [`SourceError`] if it is missing, changes while it is read, or cannot be read.
    pub(super) fn content(&mut self, path: &Path) -> Result<Blob, SourceError> {
        self.get(path, false).map(|program| program.blob)
    }

    /// As [`Programs::content`], and what the file asks the loader for.
    ///
    /// # Errors
    /// As [`Programs::content`].
    pub(super) fn with_needs(&mut self, path: &Path) -> Result<(Blob, Needs), SourceError> {
        self.get(path, true).map(|program| (program.blob, program.needs.unwrap_or_default()))
    }

    fn get(&mut self, path: &Path, with_needs: bool) -> Result<Program, SourceError> {
        let name = || path.to_string_lossy().into_owned();
        let before = status_followed(path)?.ok_or_else(|| SourceError::Missing { path: name() })?;
        let known = self.known.get(path).filter(|p| p.stamp == before.stamp);
        if let Some(known) = known.filter(|p| p.needs.is_some() || !with_needs) {
            return Ok(known.clone());
        }
        let read_ns = now_ns();
        let (blob, needs) = if with_needs {
            let bytes = std::fs::read(path).at("read", path)?;
            (Blob::of(&bytes), Some(Needs::of(&bytes)))
        } else {
            let (digest, size_bytes) = Digest::of_reader(File::open(path).at("open", path)?).at("read", path)?;
            (Blob { digest, size_bytes }, None)
        };
        if status_followed(path)?.map(|s| s.stamp) != Some(before.stamp) {
            return Err(SourceError::Changed { path: name() });
        }
        let program = Program { stamp: before.stamp, blob, needs };
        self.learned = true;
        if before.stamp.mtime_ns.max(before.stamp.ctime_ns) + RACY_NS < read_ns {
            self.known.insert(path.to_owned(), program.clone());
        } else {
            self.known.remove(path);
        }
        Ok(program)
    }

    /// Writes what was learned for the next run.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be written.
    pub(super) fn save(&self) -> Result<(), PathError> {
        if !self.learned {
            return Ok(());
        }
        let bytes = postcard::to_stdvec(&(FORMAT, &self.known)).expect("a plain structure serializes");
        replace(&self.memory, &bytes)
    }
}
