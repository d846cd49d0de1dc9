//! A shared cache directory: somebody else's store, read and never written.
//!
//! It is advisory. What is wrong with it is a miss and a warning, never the failure of a run; after a few faults, or when it
//! does not answer, it is left alone for the rest of the run. A result counts only after all that it names was hashed while
//! it was copied into the own store.

use std::path::Path;

use orgo_kernel::key::{Blob, StageKey};
use orgo_spec::Digest;
use orgo_spec::canonical::{self, Profile};
use orgo_spec::pipeline::Isolation;
use orgo_spec::record::{Bringer, Origin};

use super::distant::{Distant, PATIENCE};
use super::{are_declared, objects};
use crate::file::PathError;
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
    root: Option<Distant>,
    faults: u32,
    /// Why it could not be opened, until a miss tells it.
    untold: Option<String>,
}

/// What a directory says about a key.
pub(crate) enum Offer {
    /// It has no result.
    Nothing,
    /// It has one that was obtained at too weak an isolation.
    Weak(Isolation),
    /// It has one that cannot be used.
    Faulty(String),
    /// It has one, and says that it has these objects for it.
    Result(Box<Cached>, Vec<Blob>),
}

impl Shared {
    /// Opens the directory called `name`, which must be a store of `tenant`; or says why it is of no use.
    pub(crate) fn open(name: &str, tenant: &str) -> (Self, Option<String>) {
        let opened = Self::look(Path::new(name), tenant);
        let fault = opened.as_ref().err().cloned();
        (Self { name: name.to_owned(), root: opened.ok(), faults: 0, untold: fault.clone() }, fault)
    }

    fn look(path: &Path, tenant: &str) -> Result<Distant, String> {
        let root = Distant::open(path, PATIENCE)?;
        if !root.has_folder("actions")? {
            return Err("it is no store: it has no folder `actions`".to_owned());
        }
        match root.read(TENANT, 1024)? {
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

    /// Why it could not be opened, if nobody was told yet.
    pub(crate) fn untold(&mut self) -> Option<String> {
        self.untold.take()
    }

    /// Looks for a result. `outs` is what the stage declares, `least` the isolation that is demanded.
    pub(crate) fn offer(&mut self, key: StageKey, outs: &[String], least: Isolation) -> Offer {
        let Some(root) = &self.root else { return Offer::Nothing };
        match entry(root, key, outs) {
            Ok(None) => Offer::Nothing,
            Ok(Some((cached, _))) if cached.isolation < least => Offer::Weak(cached.isolation),
            Ok(Some((mut cached, objects))) => {
                cached.origin = Some(Origin { by: Bringer::Shared, name: self.name.clone() });
                Offer::Result(Box::new(cached), objects)
            }
            Err(fault) => Offer::Faulty(self.fault(fault)),
        }
    }

    /// Copies the objects of a result into `store`, all or none; the inner error is the directory's.
    ///
    /// # Errors
    /// [`PathError`] if the own store cannot be written.
    pub(crate) fn take(&mut self, objects: &[Blob], store: &Store) -> Result<Result<(), String>, PathError> {
        let Some(root) = &self.root else { return Ok(Err("it is not asked any more".to_owned())) };
        Ok(take(root, objects, store)?.map_err(|fault| self.fault(fault)))
    }

    /// The bytes of an object of at most `most` bytes, verified, if they can be had.
    pub(crate) fn object(&self, digest: Digest, most: u64) -> Option<Vec<u8>> {
        let bytes = self.root.as_ref()?.read(&place("sha256", digest), most).ok()??;
        (Digest::of(&bytes) == digest).then_some(bytes)
    }

    /// Counts a fault; after a few of them, or of silence, the directory is left alone.
    fn fault(&mut self, fault: String) -> String {
        self.faults += 1;
        if self.faults >= MOST_FAULTS || self.root.as_ref().is_some_and(Distant::is_silent) {
            self.root = None;
        }
        fault
    }

    /// Whether it seems to have a result that could be used: nothing is copied, and no object is read. The error says that
    /// it does not answer, and so is not asked any more.
    pub(crate) fn foresee(
        &mut self,
        key: StageKey,
        outs: &[String],
        least: Isolation,
    ) -> Result<Option<Cached>, String> {
        let Some(root) = &self.root else { return Ok(None) };
        let seems = || {
            let Some((cached, objects)) = entry(root, key, outs)? else { return Ok(None) };
            let mut is_there = cached.isolation >= least;
            for blob in &objects {
                is_there = is_there && root.size(&place("sha256", blob.digest))? == Some(blob.size_bytes);
            }
            Ok(is_there.then_some(cached))
        };
        match seems() {
            Err(fault) if root.is_silent() => {
                self.root = None;
                Err(fault)
            }
            Err(_) => Ok(None), // a run will tell what is wrong
            Ok(found) => Ok(found),
        }
    }
}

/// What is there for a key: a result that such a stage can have, and the objects that it names.
fn entry(root: &Distant, key: StageKey, outs: &[String]) -> Result<Option<(Cached, Vec<Blob>)>, String> {
    let Some(bytes) = root.read(&place("actions", key.0), MAX_RESULT)? else { return Ok(None) };
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

/// Copies objects, all or none; the inner error is the directory's.
fn take(root: &Distant, objects: &[Blob], store: &Store) -> Result<Result<(), String>, PathError> {
    let mut incoming = store.incoming();
    for blob in objects {
        if incoming.is_there(*blob)? {
            continue;
        }
        let mut file = match root.file(&place("sha256", blob.digest)) {
            Ok(Some(file)) if file.size_bytes == blob.size_bytes => file,
            Ok(Some(_)) => return Ok(Err(format!("its object {} is not what it hashes to", blob.digest))),
            Ok(None) => return Ok(Err(format!("it has no object {}", blob.digest))),
            Err(fault) => return Ok(Err(fault)),
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
