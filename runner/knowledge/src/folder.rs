//! Doors to the outside: what a stage reads, writes and spills, without knowing where.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek, Write};
use std::rc::Rc;

/// Something that can be read from any place.
pub trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Files that a stage may read.
pub trait ReadFolder {
    /// Opens the file at a relative path; `None` if there is none.
    ///
    /// # Errors
    /// Passes on what the system reports.
    fn open(&self, path: &str) -> io::Result<Option<Box<dyn ReadSeek>>>;
}

/// A place for a stage's files.
pub trait WriteFolder {
    /// Creates the file at a relative path, with the folders above it.
    ///
    /// # Errors
    /// Passes on what the system reports.
    fn create(&mut self, path: &str) -> io::Result<Box<dyn Write>>;
}

/// A scratch file: written once, then read from its beginning.
pub trait SpillFile: Read + Write + Seek {}
impl<T: Read + Write + Seek> SpillFile for T {}

/// Scratch space for sorting what does not fit in memory.
pub trait Spill {
    /// A new, empty scratch file that vanishes when it is dropped.
    ///
    /// # Errors
    /// Passes on what the system reports.
    fn file(&self) -> io::Result<Box<dyn SpillFile>>;

    /// How many bytes one sort may hold in memory.
    fn budget(&self) -> usize {
        64 << 20
    }
}

/// Reads a whole file.
///
/// # Errors
/// Passes on what the folder reports; `NotFound` if there is no such file.
pub fn read_all(folder: &dyn ReadFolder, path: &str) -> io::Result<Vec<u8>> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no `{path}`"));
    let mut bytes = Vec::new();
    folder.open(path)?.ok_or_else(missing)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A folder in memory, for tests and small data.
#[derive(Debug, Clone, Default)]
pub struct MemoryFolder(Rc<RefCell<BTreeMap<String, Vec<u8>>>>);

impl MemoryFolder {
    /// All files by path.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.borrow().clone()
    }

    /// Puts a file in its place.
    pub fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.0.borrow_mut().insert(path.to_owned(), bytes.into());
    }
}

impl ReadFolder for MemoryFolder {
    fn open(&self, path: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        let bytes = self.0.borrow().get(path).cloned();
        Ok(bytes.map(|b| Box::new(Cursor::new(b)) as Box<dyn ReadSeek>))
    }
}

impl WriteFolder for MemoryFolder {
    fn create(&mut self, path: &str) -> io::Result<Box<dyn Write>> {
        self.put(path, Vec::new());
        Ok(Box::new(MemoryFile { files: Rc::clone(&self.0), path: path.to_owned() }))
    }
}

struct MemoryFile {
    files: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    path: String,
}

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.files.borrow_mut().entry(self.path.clone()).or_default().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Scratch space in memory; the budget decides when runs are made, so that tests can force many.
#[derive(Debug, Clone, Copy)]
pub struct MemorySpill {
    /// Bytes that one sort may hold before it makes a run.
    pub budget: usize,
}

impl Spill for MemorySpill {
    fn file(&self) -> io::Result<Box<dyn SpillFile>> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    fn budget(&self) -> usize {
        self.budget
    }
}
