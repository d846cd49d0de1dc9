//! Objects and results from elsewhere: written beside the store, verified, and named only when all of it holds.
//!
//! INVARIANT: what was not hashed to its digest here never gets a name in the store, and a result gets its name after
//! all that it names. What is there already is kept.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use orgo_kernel::key::Blob;
use orgo_spec::{Digest, Hasher};

use super::{Cached, Store, place};
use crate::file::PathError;
use crate::folder::AtName;

/// Why an object was not taken.
#[derive(Debug)]
pub(crate) enum TakeError {
    /// It could not be read there.
    Read(std::io::Error),
    /// It is not what its digest and its size say.
    Wrong,
    /// It could not be written here.
    Own(PathError),
}

/// Objects on their way into a store; what has no name at the end is removed.
pub(crate) struct Incoming<'s> {
    store: &'s Store,
    waiting: Vec<(String, Digest)>,
    /// What is in the store or waits, with its size.
    known: BTreeMap<Digest, u64>,
}

impl Store {
    /// Begins to take objects in.
    pub(crate) fn incoming(&self) -> Incoming<'_> {
        Incoming { store: self, waiting: Vec::new(), known: BTreeMap::new() }
    }
}

impl Incoming<'_> {
    /// Takes one object: reads exactly as many bytes as it has, and hashes them.
    ///
    /// # Errors
    /// [`TakeError`]; then nothing is kept of it.
    pub(crate) fn take(&mut self, blob: Blob, from: &mut impl Read) -> Result<(), TakeError> {
        let there = self.is_there(blob).map_err(TakeError::Own)?;
        let root = &self.store.root;
        let name = self.store.new_name();
        let mut file = match there {
            true => None,
            false => Some(root.create(&name, 0o444).map_err(TakeError::Own)?),
        };
        if file.is_some() {
            self.waiting.push((name.clone(), blob.digest));
        }
        let mut hasher = Hasher::new();
        let mut left = blob.size_bytes;
        let mut buffer = vec![0; usize::try_from(left).unwrap_or(usize::MAX).clamp(1, 1 << 20)];
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let n = match from.read(&mut buffer[..most]) {
                Ok(0) => return Err(TakeError::Wrong),
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(TakeError::Read(e)),
            };
            hasher.update(&buffer[..n]);
            if let Some(file) = &mut file {
                file.write_all(&buffer[..n]).at_name("write", root, &name).map_err(TakeError::Own)?;
            }
            left -= n as u64;
        }
        if hasher.finish() != blob.digest {
            return Err(TakeError::Wrong);
        }
        self.known.insert(blob.digest, blob.size_bytes);
        Ok(())
    }

    /// Whether an object of this digest and size was taken, or is in the store and verified.
    ///
    /// # Errors
    /// [`PathError`] if it is there and cannot be read.
    pub(crate) fn is_there(&mut self, blob: Blob) -> Result<bool, PathError> {
        if let Some(size_bytes) = self.known.get(&blob.digest) {
            return Ok(*size_bytes == blob.size_bytes);
        }
        let stamp = self.store.stamp(blob.digest)?;
        let there = stamp.is_some_and(|s| s.size_bytes == blob.size_bytes) && self.store.verify(blob)?;
        if there {
            self.known.insert(blob.digest, blob.size_bytes);
        }
        Ok(there)
    }

    /// Gives everything that was taken its name, and then stores `results` where the store has none; says how many.
    ///
    /// # Errors
    /// [`PathError`] if something cannot be named; every result that is stored is whole then too.
    pub(crate) fn accept(mut self, results: &[Cached]) -> Result<usize, PathError> {
        while let Some((name, digest)) = self.waiting.last() {
            self.store.root.rename(name, &place("sha256", *digest))?;
            self.waiting.pop();
        }
        let mut stored = 0;
        for result in results {
            stored += usize::from(self.store.add_result(result)?);
        }
        Ok(stored)
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        for (name, _) in &self.waiting {
            let _ = self.store.root.remove(name); // a later run removes it
        }
    }
}
