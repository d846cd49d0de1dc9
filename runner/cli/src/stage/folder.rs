//! Folders and scratch space on disk, for functions that open nothing themselves.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use orgo_knowledge::{ReadFolder, ReadSeek, Spill, SpillFile, WriteFolder};
use orgo_spec::document::RelativePath;

/// A folder on disk.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn at(&self, path: &str) -> io::Result<PathBuf> {
        let refused = || io::Error::new(io::ErrorKind::InvalidInput, format!("`{path}` leaves its folder"));
        Ok(self.0.join(RelativePath::new(path).ok_or_else(refused)?.as_str()))
    }
}

impl ReadFolder for Folder {
    fn open(&self, path: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        match File::open(self.at(path)?) {
            Ok(file) if file.metadata()?.is_file() => Ok(Some(Box::new(file))),
            Ok(_) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl WriteFolder for Folder {
    fn create(&mut self, path: &str) -> io::Result<Box<dyn Write>> {
        let path = self.at(path)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(Box::new(File::create(path)?))
    }
}

/// Unnamed files in the stage's temporary folder.
pub(crate) struct TempSpill;

impl Spill for TempSpill {
    fn file(&self) -> io::Result<Box<dyn SpillFile>> {
        Ok(Box::new(tempfile::tempfile()?))
    }
}
