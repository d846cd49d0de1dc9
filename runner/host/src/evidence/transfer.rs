//! Objects to and from stores, one store at a time.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use orgo_spec::Digest;
use serde::Serialize;

use super::{EvidenceError, Got, Identities, Mirror, NamedObject, Put, Register};
use crate::file::At;
use crate::ledger::Ledger;
use crate::store::Store;

/// What came of a push to one store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pushed {
    /// Objects that were written.
    pub written: u64,
    /// Their size in the store, in bytes.
    pub bytes: u64,
    /// Objects that were there.
    pub there: u64,
    /// Objects that are not here.
    pub missing: Vec<Digest>,
    /// Objects that are not what they are named as, here.
    pub altered: Vec<Digest>,
    /// Objects that are larger than the store takes.
    pub too_large: Vec<Digest>,
}

/// What came of a fetch from all stores.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fetched {
    /// Objects that were fetched.
    pub fetched: u64,
    /// Objects that were here.
    pub here: u64,
    /// Objects that are somewhere sealed, and were not opened.
    pub sealed: Vec<Digest>,
    /// Objects that are nowhere.
    pub missing: Vec<Digest>,
    /// What is not what it is named as: digest, store.
    pub altered: Vec<(Digest, String)>,
}

/// Mirrors what records name and is kept: from the object store, or out of the ledger.
///
/// What was written before a fault stays: a push may be repeated at any time.
///
/// # Errors
/// [`EvidenceError`] if the store cannot be written.
pub fn push(
    mirror: &mut Mirror<'_>,
    register: &Register,
    ledger: &Ledger,
    store: &Store,
    scratch: &Path,
    now_ms: i64,
) -> Result<Pushed, EvidenceError> {
    let mut pushed = Pushed::default();
    for object in register.objects().filter(|o| o.kept(now_ms)) {
        if !mirror.wants(object) {
            continue;
        }
        let Some(content) = content(object, ledger, store, scratch)? else {
            // What is there already need not be here.
            match mirror.size(object)? {
                Some(_) => pushed.there += 1,
                None => pushed.missing.push(object.digest),
            }
            continue;
        };
        match mirror.put(object, content) {
            Ok(Put::There) => pushed.there += 1,
            Ok(Put::Written(bytes)) => (pushed.written, pushed.bytes) = (pushed.written + 1, pushed.bytes + bytes),
            Ok(Put::Altered) => pushed.altered.push(object.digest),
            Err(EvidenceError::TooLarge { .. }) => pushed.too_large.push(object.digest),
            Err(error) => return Err(error),
        }
    }
    let why = format!("evidence: {} objects of {} records", pushed.written, register.records);
    mirror.commit(&why, now_ms)?;
    Ok(pushed)
}

/// The content of an object, from the object store or out of the ledger.
fn content(
    object: &NamedObject,
    ledger: &Ledger,
    store: &Store,
    scratch: &Path,
) -> Result<Option<File>, EvidenceError> {
    let path = store.path(object.digest);
    match File::open(&path) {
        Ok(file) => return Ok(Some(file)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(Err::<(), _>(e).at("open", &path).expect_err("an error stays one").into()),
    }
    let Some(bytes) = ledger.evidence(&object.digest)? else { return Ok(None) };
    let mut file = tempfile::tempfile_in(scratch).at("create a file in", scratch)?;
    file.write_all(&bytes).and_then(|()| file.rewind()).at("write", scratch)?;
    Ok(Some(file))
}

/// Brings what records name, and neither the object store nor the ledger has, from the first store that has it.
///
/// # Errors
/// [`EvidenceError`] if a store cannot be read, or the object store not written.
pub fn fetch(
    mirrors: &[Mirror<'_>],
    register: &Register,
    store: &Store,
    identities: &Identities,
    scratch: &Path,
    now_ms: i64,
) -> Result<Fetched, EvidenceError> {
    let mut fetched = Fetched::default();
    for object in register.objects() {
        if object.in_ledger || store.stamp(object.digest)?.is_some() {
            fetched.here += 1;
            continue;
        }
        let mut sealed = false;
        let mut found = false;
        for mirror in mirrors {
            let mut file = tempfile::tempfile_in(scratch).at("create a file in", scratch)?;
            match mirror.get(object, identities, &mut file)? {
                Got::Missing => {}
                Got::Sealed => sealed = true,
                Got::Altered => fetched.altered.push((object.digest, mirror.name().to_owned())),
                Got::Found => {
                    file.rewind().at("read", scratch)?;
                    let size = file.metadata().at("read the status of", scratch)?.len();
                    store.put_file(file, scratch, size)?;
                    found = true;
                    break;
                }
            }
        }
        match (found, sealed) {
            (true, _) => fetched.fetched += 1,
            (false, true) => fetched.sealed.push(object.digest),
            // What retention let go is not missed.
            (false, false) if object.kept(now_ms) => fetched.missing.push(object.digest),
            (false, false) => {}
        }
    }
    store.flush()?;
    Ok(fetched)
}
