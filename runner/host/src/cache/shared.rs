//! A shared cache directory: somebody else's store, read and never written.
//!
//! It is advisory. What is wrong with it is a miss and a warning, never the failure of a run; after a few faults it is
//! left alone for the rest of the run. A result counts only after all that it names was hashed while it was copied into
//! the own store.

use std::io::Read;
use std::path::Path;

use orgo_kernel::key::{Blob, StageKey};
use orgo_spec::canonical::{self, Profile};
use orgo_spec::pipeline::Isolation;
use orgo_spec::record::{Bringer, Origin};

use super::{are_declared, objects};
use crate::file::PathError;
use crate::folder::Folder;
use crate::store::{Cached, Store, TENANT, TakeError, place};

/// After so many faults a directory is not asked any more.
const MOST_FAULTS: u32 = 3;
/// The largest result that is read, in bytes.
const MAX_RESULT: u64 = 16 << 20;
/// The most that the objects of one result may have, in bytes.
const MAX_OBJECTS: u64 = 64 << 30;

/// A directory that is asked during one run.
pub(crate) struct Shared {
    name: String,
    root: Option<Folder>,
    faults: u32,
}

/// What a directory says about a key.
pub(crate) enum Found {
    /// It has no result.
    Nothing,
    /// It has one that was obtained at too weak an isolation.
    Weak(Isolation),
    /// It has one that cannot be used.
    Faulty(String),
    /// It has one, and everything that it names is in the own store now.
    Result(Box<Cached>),
}

impl Shared {
    /// Opens the directory called `name`, which must be a store of `tenant`; or says why it is of no use.
    pub(crate) fn open(name: &str, tenant: &str) -> (Self, Option<String>) {
        let opened = Self::look(Path::new(name), tenant);
        let fault = opened.as_ref().err().cloned();
        (Self { name: name.to_owned(), root: opened.ok(), faults: 0 }, fault)
    }

    fn look(path: &Path, tenant: &str) -> Result<Folder, String> {
        let root = Folder::open(path).map_err(|e| said(&e))?;
        if root.status("actions").map_err(|e| said(&e))?.is_none_or(|s| !s.is_folder) {
            return Err("it is no store: it has no folder `actions`".to_owned());
        }
        match read(&root, TENANT, 1024)? {
            Some(of) if of.trim_ascii() == tenant.as_bytes() => Ok(root),
            Some(_) => Err("it belongs to another tenant".to_owned()),
            None => Err(format!("it does not say whose it is: it has no file `{TENANT}`")),
        }
    }

    /// The path under which it was named.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is still asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.root.is_some()
    }

    /// Looks for a result, and copies what it names into `store`. `outs` is what the stage declares, `least` the
    /// isolation that is demanded.
    ///
    /// # Errors
    /// [`PathError`] if the own store cannot be written.
    pub(crate) fn fetch(
        &mut self,
        key: StageKey,
        outs: &[String],
        least: Isolation,
        store: &Store,
    ) -> Result<Found, PathError> {
        let Some(root) = &self.root else { return Ok(Found::Nothing) };
        let found = match self.entry(root, key, outs) {
            Ok(None) => return Ok(Found::Nothing),
            Ok(Some((cached, _))) if cached.isolation < least => return Ok(Found::Weak(cached.isolation)),
            Ok(Some((cached, objects))) => take(root, &objects, store)?.map(|()| cached),
            Err(fault) => Err(fault),
        };
        Ok(match found {
            Ok(mut cached) => {
                cached.origin = Some(Origin { by: Bringer::Shared, name: self.name.clone() });
                Found::Result(Box::new(cached))
            }
            Err(fault) => {
                self.faults += 1;
                if self.faults >= MOST_FAULTS {
                    self.root = None;
                }
                Found::Faulty(fault)
            }
        })
    }

    /// Whether it seems to have a result that could be used: nothing is copied, and no object is read.
    pub(crate) fn foresee(&self, key: StageKey, outs: &[String], least: Isolation) -> Option<Cached> {
        let root = self.root.as_ref()?;
        let (cached, objects) = self.entry(root, key, outs).ok()??;
        let there = |blob: &Blob| {
            let status = root.status(&place("sha256", blob.digest)).ok().flatten();
            status.is_some_and(|s| s.is_file && s.stamp.size_bytes == blob.size_bytes)
        };
        (cached.isolation >= least && objects.iter().all(there)).then_some(cached)
    }

    fn entry(&self, root: &Folder, key: StageKey, outs: &[String]) -> Result<Option<(Cached, Vec<Blob>)>, String> {
        let Some(bytes) = read(root, &place("actions", key.0), MAX_RESULT)? else { return Ok(None) };
        let cached: Cached =
            canonical::from_slice(&bytes, Profile::DOCUMENT).map_err(|_| "its result cannot be read".to_owned())?;
        if cached.key != key {
            return Err("its result belongs to another key".to_owned());
        }
        let objects = objects(&cached)?;
        if !are_declared(&cached, outs) {
            return Err("its result has other outputs than the stage declares".to_owned());
        }
        if objects.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.size_bytes)) > MAX_OBJECTS {
            return Err("its result is too large".to_owned());
        }
        Ok(Some((cached, objects)))
    }
}

/// Copies objects, all or none; the inner error is the directory's.
fn take(root: &Folder, objects: &[Blob], store: &Store) -> Result<Result<(), String>, PathError> {
    let mut incoming = store.incoming();
    for blob in objects {
        if incoming.is_there(*blob)? {
            continue;
        }
        let mut file = match root.read(&place("sha256", blob.digest)) {
            Ok(Some(file)) if file.metadata().is_ok_and(|m| m.is_file() && m.len() == blob.size_bytes) => file,
            Ok(Some(_)) => return Ok(Err(format!("its object {} is not what it hashes to", blob.digest))),
            Ok(None) => return Ok(Err(format!("it has no object {}", blob.digest))),
            Err(e) => return Ok(Err(said(&e))),
        };
        match incoming.take(*blob, &mut file) {
            Ok(()) => {}
            Err(TakeError::Own(error)) => return Err(error),
            Err(TakeError::Read(error)) => {
                return Ok(Err(format!("its object {} cannot be read: {error}", blob.digest)));
            }
            Err(TakeError::Wrong) => return Ok(Err(format!("its object {} is not what it hashes to", blob.digest))),
        }
    }
    incoming.accept(&[])?;
    Ok(Ok(()))
}

/// A small regular file of a directory; `None` if it has none.
fn read(root: &Folder, name: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
    let Some(file) = root.read(name).map_err(|e| said(&e))? else { return Ok(None) };
    let status = file.metadata().map_err(|e| e.to_string())?;
    if !status.is_file() || status.len() > most {
        return Err(format!("its file `{name}` is none, or too large"));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|e| format!("its file `{name}` cannot be read: {e}"))?;
    Ok(Some(bytes))
}

fn said(error: &PathError) -> String {
    format!("{error}: {}", error.io())
}
