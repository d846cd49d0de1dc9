//! Whether what records name is where it should be, and is what it is named as. Nothing is changed.

use std::collections::BTreeMap;
use std::fs::File;

use orgo_spec::evidence::Kind;
use orgo_spec::{Digest, ReasonCode};
use serde::Serialize;

use super::{EvidenceError, Got, Identities, Mirror, NamedObject, Register};
use crate::file::At;
use crate::store::Store;

/// The name of the object store in reports.
const HERE: &str = "object store";

/// What one place has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Objects that hash to their digests.
    pub verified: u64,
    /// Objects that are sealed, and were not opened.
    pub sealed: u64,
    /// Objects that are something else.
    pub altered: u64,
    /// Objects that the place should have by what is declared, and has not.
    pub absent: u64,
}

/// Something that is not what it is named as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// The digest it is named by.
    pub digest: Digest,
    /// Where it lies.
    pub place: String,
    /// The reason code.
    pub code: ReasonCode,
    /// The newest record that names it.
    pub record: u64,
    /// What it is to that record.
    pub what: String,
}

/// Something that is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// The digest it is named by.
    pub digest: Digest,
    /// What it is to the records that name it.
    pub kinds: Vec<Kind>,
    /// The newest record that names it.
    pub record: u64,
    /// What it is to that record.
    pub what: String,
}

/// A declared store that could not be looked into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unusable {
    /// Its name.
    pub store: String,
    /// Why.
    pub why: String,
}

/// What came of looking for everything that records name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreReport {
    /// Objects that records name.
    pub named: u64,
    /// Of these: found somewhere, and what they are named as.
    pub verified: u64,
    /// Found only sealed, and not opened.
    pub sealed: u64,
    /// Found nowhere, and let go by retention.
    pub expired: u64,
    /// Kept by a hold.
    pub held: u64,
    /// What each place has.
    pub places: BTreeMap<String, Checked>,
    /// Found nowhere.
    pub missing: Vec<Absent>,
    /// What is not what it is named as.
    pub wrong: Vec<Wrong>,
    /// Pages of stages that are not here: what they name was not looked for.
    pub unknown_pages: u64,
    /// Stores that could not be looked into.
    pub unusable: Vec<Unusable>,
}

/// Looks for everything that records name, in the object store and in every evidence store, and hashes it.
///
/// # Errors
/// [`EvidenceError`] if a place cannot be read.
pub fn check(
    register: &Register,
    store: &Store,
    mirrors: &[Mirror<'_>],
    identities: &Identities,
    now_ms: i64,
) -> Result<StoreReport, EvidenceError> {
    let mut report = StoreReport { unknown_pages: register.unknown.len() as u64, ..StoreReport::default() };
    report.places.insert(HERE.to_owned(), Checked::default());
    for mirror in mirrors {
        report.places.insert(mirror.name().to_owned(), Checked::default());
    }
    for object in register.objects() {
        report.named += 1;
        report.held += u64::from(object.held);
        let expected = object.kept(now_ms);
        let mut found = object.in_ledger;
        let mut sealed = false;
        let mut note = |place: &str, got: Got, expected: bool| {
            let checked = report.places.entry(place.to_owned()).or_default();
            match got {
                Got::Missing => checked.absent += u64::from(expected),
                Got::Found => (checked.verified, found) = (checked.verified + 1, true),
                Got::Sealed => (checked.sealed, sealed) = (checked.sealed + 1, true),
                Got::Altered => {
                    checked.altered += 1;
                    let code = if place == HERE { ReasonCode::StoreCorrupt } else { ReasonCode::EvidenceAltered };
                    let (digest, record, what) = (object.digest, object.record, object.what.clone());
                    report.wrong.push(Wrong { digest, place: place.to_owned(), code, record, what });
                }
            }
        };
        // The object store is a cache: it owes nothing that the ledger has.
        note(HERE, here(store, object)?, false);
        for mirror in mirrors {
            let got = mirror.get(object, identities, &mut std::io::sink())?;
            note(mirror.name(), got, expected && mirror.wants(object));
        }
        match (found, sealed) {
            (true, _) => report.verified += 1,
            (false, true) => report.sealed += 1,
            (false, false) if !expected => report.expired += 1,
            (false, false) => {
                let kinds = object.kinds.iter().copied().collect();
                let (digest, record, what) = (object.digest, object.record, object.what.clone());
                report.missing.push(Absent { digest, kinds, record, what });
            }
        }
    }
    Ok(report)
}

fn here(store: &Store, object: &NamedObject) -> Result<Got, EvidenceError> {
    let path = store.path(object.digest);
    let file = match File::open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Got::Missing),
        other => other.at("open", &path)?,
    };
    let (digest, _) = Digest::of_reader(file).at("read", &path)?;
    Ok(if digest == object.digest { Got::Found } else { Got::Altered })
}
