//! Host programs and libraries: their content and what they ask for, read once and remembered.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use orgo_kernel::key::Blob;
use serde::{Deserialize, Serialize};

use super::Needs;
use crate::file::{At, PathError, Stamp, read_if_there, replace, status_followed};
use crate::sources::{RACY_NS, SourceError, now_ns};

/// The version of the file; others are ignored.
const FORMAT: u32 = 1;

/// A host file as it was when it was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Program {
    stamp: Stamp,
    /// Its content.
    pub blob: Blob,
    /// What it asks the loader for.
    pub needs: Needs,
}

/// Host files by absolute path, with what is known of them.
pub struct Programs {
    memory: PathBuf,
    known: HashMap<PathBuf, Program>,
    learned: bool,
}

impl Programs {
    /// Starts with what earlier runs wrote to `memory`; an unreadable memory is an empty one.
    ///
    /// # Errors
    /// [`PathError`] if the memory is there and cannot be opened.
    pub fn open(memory: &Path) -> Result<Self, PathError> {
        let read: Option<(u32, HashMap<PathBuf, Program>)> =
            read_if_there(memory)?.and_then(|bytes| postcard::from_bytes(&bytes).ok());
        let known = read.filter(|(format, _)| *format == FORMAT).map_or_else(HashMap::new, |(_, known)| known);
        Ok(Self { memory: memory.to_owned(), known, learned: false })
    }

    /// What a host file is, links followed. It does not enter the store.
    ///
    /// # Errors
    /// [`SourceError`] if it is missing, changes while it is read, or cannot be read.
    pub fn get(&mut self, path: &Path) -> Result<Program, SourceError> {
        let name = || path.to_string_lossy().into_owned();
        let before = status_followed(path)?.ok_or_else(|| SourceError::Missing { path: name() })?;
        if let Some(known) = self.known.get(path).filter(|p| p.stamp == before.stamp) {
            return Ok(known.clone());
        }
        let read_ns = now_ns();
        let bytes = std::fs::read(path).at("read", path)?;
        if status_followed(path)?.map(|s| s.stamp) != Some(before.stamp) {
            return Err(SourceError::Changed { path: name() });
        }
        let program = Program { stamp: before.stamp, blob: Blob::of(&bytes), needs: Needs::of(&bytes) };
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
    pub fn save(&self) -> Result<(), PathError> {
        if !self.learned {
            return Ok(());
        }
        let bytes = postcard::to_stdvec(&(FORMAT, &self.known)).expect("a plain structure serializes");
        replace(&self.memory, &bytes)
    }
}
