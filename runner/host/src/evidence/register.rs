//! What the records of ledgers name by digest: of which kind, until when it is kept, and what is held.

use std::collections::{BTreeMap, BTreeSet};

use orgo_spec::Digest;
use orgo_spec::canonical::{self, Profile};
use orgo_spec::evidence::{Evidence, Kind};
use orgo_spec::record::{AdminRecord, EvidenceHeld, Named, StageFacts, named_by};

use super::EvidenceError;
use crate::ledger::{Ledger, LedgerError, Record, layout};
use crate::store::{ObjectError, Store};

/// An object that records name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedObject {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// What it is to the records that name it.
    pub kinds: BTreeSet<Kind>,
    /// What it is to the newest of them, in words.
    pub what: String,
    /// The number of the newest.
    pub record: u64,
    /// Until when retention keeps it, in milliseconds since 1970.
    pub until_ms: i64,
    /// Whether a hold keeps it, however old it is.
    pub held: bool,
    /// Whether the ledger itself has it as evidence.
    pub in_ledger: bool,
}

impl NamedObject {
    /// Whether it must not be deleted.
    #[must_use]
    pub fn kept(&self, now_ms: i64) -> bool {
        self.held || now_ms < self.until_ms
    }
}

/// Which records are looked at.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'s> {
    /// All of them.
    All,
    /// These.
    Records(&'s [u64]),
}

/// Everything that records name.
#[derive(Debug, Clone, Default)]
pub struct Register {
    objects: BTreeMap<Digest, NamedObject>,
    /// Pages of stages that are not in the object store: what they name is not known. With whether they are held.
    pub unknown: Vec<(Digest, bool)>,
    /// How many records were looked at.
    pub records: u64,
}

impl Register {
    /// Adds what the build records of a ledger name. Nothing is verified; a ledger without a commit names nothing.
    ///
    /// # Errors
    /// [`EvidenceError`] for a record or a hold that cannot be read: what it names is not known then.
    pub fn add(
        &mut self,
        ledger: &Ledger,
        local: bool,
        evidence: &Evidence,
        store: &Store,
        scope: Scope<'_>,
    ) -> Result<(), EvidenceError> {
        let Some(head) = ledger.head()? else { return Ok(()) };
        let holds = ledger.holds(&head)?;
        let holds: Vec<EvidenceHeld> =
            holds.iter().filter_map(|h| AdminRecord::evidence_held(&h.predicate.facts.object)).collect();
        for (number, kind) in ledger.list()? {
            let wanted = match scope {
                Scope::All => true,
                Scope::Records(numbers) => numbers.contains(&number),
            };
            if !wanted || kind.as_str() != "build" {
                continue;
            }
            let stored = ledger.record(number)?;
            let damaged = |why: String| LedgerError::Damaged { path: stored.path.clone(), why };
            let Record::Build(statement) =
                Record::parse(kind.as_str(), &stored.statement).map_err(|e| damaged(e.to_string()))?
            else {
                continue;
            };
            let id = stored.id();
            let held = holds.iter().any(|h| match h {
                EvidenceHeld::All => true,
                EvidenceHeld::Record(record) => *record == id,
            });
            let predicate = &statement.predicate;
            let time: jiff::Timestamp =
                predicate.run.created_at.parse().map_err(|_| damaged("its time is not readable".to_owned()))?;
            let mut named = predicate.named();
            for page in &predicate.facts.pages {
                match stages_of(store, page.digest)? {
                    Some(stages) => named.extend(named_by(&stages)),
                    None => self.unknown.push((page.digest, held)),
                }
            }
            self.records += 1;
            for named in named {
                let until_ms = evidence.keep(named.kind, local).until_ms(time.as_millisecond());
                let path = layout::evidence_path(&named.digest);
                let in_ledger = ledger.git().entry(head.tree, &path)?.is_some();
                self.name(named, number, until_ms, held, in_ledger);
            }
        }
        Ok(())
    }

    fn name(&mut self, named: Named, record: u64, until_ms: i64, held: bool, in_ledger: bool) {
        let object = self.objects.entry(named.digest).or_insert_with(|| NamedObject {
            digest: named.digest,
            kinds: BTreeSet::new(),
            what: String::new(),
            record,
            until_ms,
            held: false,
            in_ledger: false,
        });
        object.kinds.insert(named.kind);
        (object.what, object.record) = (named.what, record);
        object.until_ms = object.until_ms.max(until_ms);
        object.held |= held;
        object.in_ledger |= in_ledger;
    }

    /// What is named, by digest.
    pub fn objects(&self) -> impl Iterator<Item = &NamedObject> {
        self.objects.values()
    }

    /// An object that is named.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<&NamedObject> {
        self.objects.get(digest)
    }
}

/// The stages on a page; none if it is not in the store, or not what it is named as.
fn stages_of(store: &Store, digest: Digest) -> Result<Option<Vec<StageFacts>>, EvidenceError> {
    match store.peek(digest) {
        Ok(bytes) => Ok(canonical::from_slice(&bytes, Profile::DOCUMENT).ok()),
        Err(ObjectError::Missing(_) | ObjectError::Corrupt(_)) => Ok(None),
        Err(ObjectError::Path(e)) => Err(e.into()),
    }
}
