//! Host programs and libraries: their content and what they ask for, read once and remembered.

use std::path::Path;

use orgo_kernel::key::Blob;
use serde::{Deserialize, Serialize};

use super::{RACY_NS, SourceError, Sources, now_ns};
use crate::file::{At, Stamp, status_followed};
use crate::tools::Needs;

/// A host file as it was when it was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Program {
    stamp: Stamp,
    blob: Blob,
    needs: Needs,
}

impl Sources {
    /// The content of a host file, links followed, and what it asks the loader for. It does not enter the store.
    ///
    /// # Errors
    /// [`SourceError`] if it is missing, changes while it is read, or cannot be read.
    pub fn host_file(&mut self, path: &Path) -> Result<(Blob, Needs), SourceError> {
        let name = || path.to_string_lossy().into_owned();
        let before = status_followed(path)?.ok_or_else(|| SourceError::Missing { path: name() })?;
        if let Some(known) = self.programs.get(path).filter(|p| p.stamp == before.stamp) {
            return Ok((known.blob, known.needs.clone()));
        }
        let read_ns = now_ns();
        let bytes = std::fs::read(path).at("read", path)?;
        if status_followed(path)?.map(|s| s.stamp) != Some(before.stamp) {
            return Err(SourceError::Changed { path: name() });
        }
        let program = Program { stamp: before.stamp, blob: Blob::of(&bytes), needs: Needs::of(&bytes) };
        let answer = (program.blob, program.needs.clone());
        self.learned = true;
        if before.stamp.mtime_ns.max(before.stamp.ctime_ns) + RACY_NS < read_ns {
            self.programs.insert(path.to_owned(), program);
        } else {
            self.programs.remove(path);
        }
        Ok(answer)
    }
}
