//! Results from elsewhere that a Build Record confirms: a runner of this ledger made exactly that, under the same key.
//!
//! The bytes of records are looked through for a key, the newest record first; nothing that is found so is believed. What
//! counts is verified first: the record's place in the log, its signatures under the trust that judged it and under the
//! one in force, and that either the ledger's root is pinned by this user or the key at hand signed the record itself.

mod record;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use orgo_host::file::{read_if_there, replace};
use orgo_host::key::UserDir;
use orgo_host::ledger::{Head, Ledger};
use orgo_host::run::{Confirm, Foreign, Objects};
use orgo_host::verify::{Pins, prove};
use orgo_spec::Digest;
use orgo_spec::record::{Artifact, BuildRecord, Class as RecordClass, Lane, Predicate as _, Statement};
use orgo_spec::signature::{PublicKey, Unverified};

use self::record::Record;
use super::artifact;
use super::lane::Desk;
use crate::failure::Failure;

/// How many of the newest records are looked through.
const NEWEST: u64 = 1024;
/// How many bytes of them, at most.
const MOST_BYTES: usize = 128 << 20;
/// How many records are verified for one key, at most.
const TRIED: usize = 8;
/// How many records are read whole because their stages stand on pages, at most.
const PAGED: u32 = 32;
/// How many keys are remembered.
const MOST_REMEMBERED: usize = 65_536;

/// What the records of a ledger say about keys of stages, as far as somebody asked.
#[derive(Debug)]
pub(crate) struct Confirmations {
    ledger: Ledger,
    /// The branch, as pins name it.
    branch: String,
    class: RecordClass,
    runner: PublicKey,
    home: UserDir,
    /// The ledger as it was when somebody first asked; none if it cannot be read.
    opened: OnceCell<Option<Opened>>,
    /// Where it is remembered which record confirmed a key: where to look first, and no more than that.
    memo: PathBuf,
    found: RefCell<Found>,
    /// Whether a record would have been asked, had its root been pinned.
    is_unanchored: Cell<bool>,
}

/// A ledger that is asked.
#[derive(Debug)]
struct Opened {
    head: Head,
    /// The root that the user pinned.
    pin: Option<Digest>,
}

#[derive(Debug, Default)]
struct Found {
    /// Records below this number were not looked through; none were, if there is none.
    next: Option<u64>,
    bytes: usize,
    paged: u32,
    /// Records that may say something about a key, the newest first.
    said: HashMap<Digest, Vec<u64>>,
    /// Records that were verified; none for those that do not count.
    records: HashMap<u64, Option<Rc<Record>>>,
    /// By key, the record that confirmed it.
    memo: Option<BTreeMap<Digest, u64>>,
    is_changed: bool,
}

impl Confirmations {
    /// What the ledger that a protected run writes to can confirm. It is not read before somebody asks.
    pub(crate) fn of(desk: &Desk, home: &UserDir, state: &Path) -> Self {
        Self {
            ledger: Ledger::of(desk.ledger.git_rc(), desk.ledger.reference()),
            branch: desk.branch.clone(),
            class: desk.class,
            runner: *desk.runner.public(),
            home: home.clone(),
            opened: OnceCell::new(),
            memo: state.join("confirmations"),
            found: RefCell::default(),
            is_unanchored: Cell::new(false),
        }
    }

    fn opened(&self) -> Option<&Opened> {
        let open = || {
            let head = self.ledger.head().ok()??;
            let pins = Pins::load(&self.home).ok()?;
            let pin = pins.get(self.ledger.git(), &self.branch).ok()?.map(|pin| pin.root);
            Some(Opened { head, pin })
        };
        self.opened.get_or_init(open).as_ref()
    }

    /// What to tell somebody whose results a record would confirm, if its ledger's root were pinned.
    pub(crate) fn note(&self) -> Option<String> {
        let root = self.opened.get()?.as_ref().filter(|_| self.is_unanchored.get())?.head.root;
        Some(format!(
            "records of other runners confirm nothing here: compare the ledger's root with its owner, then pin it: \
             orgo verify --pin --root {root}"
        ))
    }

    /// Remembers which records confirmed what.
    ///
    /// # Errors
    /// [`Failure`] if it cannot be written.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let found = self.found.borrow();
        match &found.memo {
            Some(memo) if found.is_changed => {
                let lines: String = memo.iter().map(|(key, number)| format!("{key} {number}\n")).collect();
                Ok(replace(&self.memo, lines.as_bytes())?)
            }
            _ => Ok(()),
        }
    }

    /// The record that confirmed a key last, if that is remembered.
    fn hint(&self, key: Digest) -> Option<u64> {
        let mut found = self.found.borrow_mut();
        let memo = found.memo.get_or_insert_with(|| remembered(&self.memo));
        memo.get(&key).copied()
    }

    /// Looks further back until a record turns up that may say something about a key, beyond the `after` that are known.
    fn look_back(&self, key: Digest, after: usize, objects: Objects<'_>) -> Option<u64> {
        let count = self.opened()?.head.count;
        loop {
            let next = {
                let mut found = self.found.borrow_mut();
                if let Some(number) = found.said.get(&key).and_then(|said| said.get(after)) {
                    return Some(*number);
                }
                let oldest = count.saturating_sub(NEWEST);
                let next = found.next.unwrap_or(count).checked_sub(1);
                let next = next.filter(|next| *next >= oldest && found.bytes < MOST_BYTES)?;
                found.next = Some(next);
                next
            };
            // A clone that begins later, or is filtered, has no older ones.
            let Ok(stored) = self.ledger.record(next) else {
                self.found.borrow_mut().next = Some(0);
                return None;
            };
            if stored.kind.as_str() != BuildRecord::KIND {
                continue;
            }
            let mut said = keys_in(&stored.statement);
            if has_pages(&stored.statement) && self.found.borrow().paged < PAGED {
                self.found.borrow_mut().paged += 1;
                said.extend(self.record(next, objects).iter().flat_map(|record| record.keys()));
            }
            let mut found = self.found.borrow_mut();
            found.bytes += stored.statement.len();
            for key in said {
                found.said.entry(key).or_default().push(next);
            }
        }
    }

    /// A record, if it counts.
    fn record(&self, number: u64, objects: Objects<'_>) -> Option<Rc<Record>> {
        if let Some(known) = self.found.borrow().records.get(&number) {
            return known.clone();
        }
        let record = self.verified(number, objects).map(Rc::new);
        self.found.borrow_mut().records.insert(number, record.clone());
        record
    }

    fn verified(&self, number: u64, objects: Objects<'_>) -> Option<Record> {
        let Opened { head, pin } = self.opened()?;
        let stored = self.ledger.record(number).ok()?;
        let id = stored.id();
        let shown = prove(&self.ledger, head, number).ok()?.verify().ok()?;
        if shown.id != id || shown.tenant != *head.trust.tenant() || pin.is_some_and(|root| root != shown.root) {
            return None;
        }
        let unverified: Unverified<Statement<BuildRecord>> = Unverified::new(stored.statement, stored.envelope?);
        let verified = unverified.verify(std::slice::from_ref(head.trust.runners())).ok()?;
        if pin.is_none() && !verified.signers().contains(&self.runner) {
            self.is_unanchored.set(true);
            return None;
        }
        let facts = verified.open(Statement::<BuildRecord>::parse).ok()?.predicate.facts;
        let is_development = facts.class == RecordClass::Development;
        if facts.lane != Lane::Protected || is_development && self.class != RecordClass::Development {
            return None;
        }
        Record::read(id, facts, objects)
    }
}

impl Confirm for Confirmations {
    fn confirms(&self, result: &Foreign<'_>, objects: Objects<'_>) -> Option<Digest> {
        let key = result.key.0;
        let outputs: Vec<Artifact> = result.outputs.iter().map(artifact).collect();
        let says = |number| Some((number, self.record(number, objects)?.says(result, &outputs)?));
        let hinted = self.hint(key).and_then(says);
        let confirmed =
            hinted.or_else(|| (0..TRIED).map_while(|after| self.look_back(key, after, objects)).find_map(says));
        let (number, id) = confirmed?;
        let mut found = self.found.borrow_mut();
        let memo = found.memo.get_or_insert_default();
        if memo.len() >= MOST_REMEMBERED {
            memo.clear();
        }
        let before = memo.insert(key, number);
        found.is_changed |= before != Some(number);
        Some(id)
    }
}

/// What was remembered; nothing of it is believed.
fn remembered(path: &Path) -> BTreeMap<Digest, u64> {
    let bytes = read_if_there(path).ok().flatten().unwrap_or_default();
    let line = |line: &str| {
        let (key, number) = line.split_once(' ')?;
        Some((key.parse().ok()?, number.parse().ok()?))
    };
    String::from_utf8(bytes).unwrap_or_default().lines().filter_map(line).collect()
}

/// The keys of stages that the bytes of a record speak of, but for results that came from elsewhere. Nothing is parsed:
/// records have one spelling.
fn keys_in(statement: &[u8]) -> Vec<Digest> {
    let text = String::from_utf8_lossy(statement);
    let mut found = Vec::new();
    for part in text.split("\"key\": \"").skip(1) {
        let of_stage = part.split("\"status\": ").next().unwrap_or_default();
        let key: Option<Digest> = part.split('"').next().and_then(|key| key.parse().ok());
        found.extend(key.filter(|_| !of_stage.contains("\"origin\": {")));
    }
    found
}

fn has_pages(statement: &[u8]) -> bool {
    String::from_utf8_lossy(statement).contains("\"pages\": [")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_the_bytes_of_a_record_unless_their_results_came_from_elsewhere() {
        let (mine, theirs) = (Digest::of(b"mine"), Digest::of(b"theirs"));
        let text = format!(
            "{{ \"keys\": \"{theirs}\", \"stages\": [ {{ \"key\": \"{theirs}\", \"origin\": {{ \"by\": \"pack\" }}, \
             \"stage\": \"a\", \"status\": \"PASS\" }}, {{ \"key\": \"{mine}\", \"stage\": \"b\", \"status\": \"PASS\" }} ] }}"
        );
        assert_eq!(keys_in(text.as_bytes()), [mine]);
        assert_eq!(keys_in(b"\"key\": \"no digest\"\xff"), []);
    }
}
