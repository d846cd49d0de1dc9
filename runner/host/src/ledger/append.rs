//! Appending: seal, build, read back, swap, confirm.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orgo_spec::record::{AdminRecord, Predicate, TrustRecord};
use orgo_spec::{Digest, Name};

use super::build::Build;
use super::queue::{numbered, own_ids};
use super::seal::{Sealed, seal};
use super::{Head, Ledger, LedgerError, Trust};
use crate::git::{Git, ObjectId, Swap};
use crate::key::PrivateKey;

/// How often an append begins again after another writer was faster.
const ATTEMPTS: u32 = 32;

/// The keys that sign an append.
#[derive(Debug, Clone, Copy)]
pub struct Signers<'k> {
    /// Signs the records.
    pub runner: &'k PrivateKey,
    /// Signs the commit.
    pub git: &'k PrivateKey,
    /// Signs the checkpoint of the log.
    pub log: &'k PrivateKey,
    /// Sign changes of trust besides the runner; empty for all others.
    pub roots: &'k [PrivateKey],
}

/// A record to append.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its kind, such as `build`.
    pub kind: Name,
    /// The bytes to sign. They carry neither number nor position, so that a retry need not sign again.
    pub statement: Vec<u8>,
    /// Its `.dsse` file, if it was signed elsewhere: it is verified, and nothing signs in its place.
    pub envelope: Option<Vec<u8>>,
    /// What it refers to by digest.
    pub evidence: Vec<Vec<u8>>,
}

impl Entry {
    /// A record that is yet to be signed.
    ///
    /// # Panics
    /// If the kind of `P` is no name: that is a bug.
    #[must_use]
    pub fn new<P: Predicate>(statement: Vec<u8>, evidence: Vec<Vec<u8>>) -> Self {
        let kind = Name::new(P::KIND).expect("a kind is a name");
        Self { kind, statement, envelope: None, evidence }
    }
}

/// One commit's worth of records.
#[derive(Debug, Clone)]
pub struct Append {
    /// The records, in order.
    pub entries: Vec<Entry>,
    /// What happened, in one line.
    pub subject: String,
    /// Trailers besides `Orgo-Record`, for instance `Source-Commit`.
    pub trailers: Vec<(String, String)>,
    /// The commit's time, in seconds since 1970; a commit is never older than its parent.
    pub seconds: i64,
}

/// What was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The commit.
    pub commit: ObjectId,
    /// Number and id of each record, in order.
    pub records: Vec<(u64, Digest)>,
}

/// Paths of the tree and the blobs to put there; none removes.
pub(super) type Files = BTreeMap<String, Option<ObjectId>>;

impl Ledger {
    /// Begins a ledger with its trust record.
    ///
    /// # Errors
    /// [`LedgerError::Exists`] if the branch is there, [`LedgerError::KeyUnknown`] if the trust does not list
    /// the signers.
    pub fn init(&self, statement: Vec<u8>, seconds: i64, signers: &Signers<'_>) -> Result<Appended, LedgerError> {
        if self.git.tip(&self.reference)?.is_some() {
            return Err(LedgerError::Exists(self.reference.clone()));
        }
        // Whoever removes the ledger of local runs begins a new one.
        if let Some(seen) = self.seen()?.filter(|_| self.reference != super::LOCAL) {
            return Err(self.gone(Some(&seen)));
        }
        let trust = Trust::read(0, &statement)?;
        let subject = format!("{} trust begins", trust.tenant());
        let entries = vec![Entry::new::<TrustRecord>(statement, Vec::new())];
        let append = Append { entries, subject, trailers: Vec::new(), seconds };
        let sealed = seal(&self.git, &append, &trust, seconds, signers)?;
        let built = Build { git: &self.git, append: &append, head: None, trust: &trust, signers }.commit(&sealed)?;
        self.git.sync_objects(&built.written)?;
        match self.git.compare_and_swap(&self.reference, None, built.commit, &append.subject)? {
            Swap::Done => self.confirm(built.commit, built.records),
            Swap::Moved => Err(self.locked().unwrap_or_else(|| LedgerError::Exists(self.reference.clone()))),
        }
    }

    /// That a writer that was killed while it held the reference's lock left the file; it guards nothing then.
    fn locked(&self) -> Option<LedgerError> {
        let lock = self.git.common_dir().join(format!("{}.lock", self.reference));
        lock.exists().then_some(LedgerError::Locked(lock))
    }

    /// Appends records in one commit, those that are not there yet.
    pub(super) fn append_alone(&self, append: &Append, signers: &Signers<'_>) -> Result<Appended, LedgerError> {
        let mut sealer = Sealer::new(append, signers);
        let mut is_new = self.is_new(append)?;
        for attempt in 0..ATTEMPTS {
            // In this order: another writer may move the branch in between, and then remember more.
            let seen = self.seen()?;
            let head = self.head()?.ok_or_else(|| self.gone(seen.as_ref()))?;
            self.check_seen(seen.as_ref(), &head)?;
            if !is_new {
                let numbers = self.newest_ids(Some(head.commit))?;
                if let Some(rest) = without(append, &numbers) {
                    return self.append_rest(append, &rest, numbers, head.commit, signers);
                }
            }
            // What was built once lies here as files, whoever else wrote the same.
            is_new = false;
            let built = sealer.build(&self.git, &head)?;
            self.git.sync_objects(&built.written)?;
            match self.git.compare_and_swap(&self.reference, Some(head.commit), built.commit, &append.subject)? {
                Swap::Done => return self.confirm(built.commit, built.records),
                Swap::Moved => back_off(attempt),
            }
        }
        Err(self.locked().unwrap_or(LedgerError::Exhausted(ATTEMPTS)))
    }

    /// Whether none of the records can be on the branch: nobody has stored them here, and each stands there once. A filtered
    /// clone cannot tell.
    fn is_new(&self, append: &Append) -> Result<bool, LedgerError> {
        let mut ids = BTreeSet::new();
        for entry in append.entries.iter().filter(|e| stands_once(e)) {
            let id = Git::blob_id(&entry.statement)?;
            if self.git.is_filtered() || self.git.has(id) || !ids.insert(id) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Appends what is left of an append without what is there, and tells the numbers of all.
    fn append_rest(
        &self,
        append: &Append,
        rest: &Append,
        mut numbers: BTreeMap<Digest, u64>,
        mut commit: ObjectId,
        signers: &Signers<'_>,
    ) -> Result<Appended, LedgerError> {
        if !rest.entries.is_empty() {
            let done = self.append_alone(rest, signers)?;
            numbers.extend(done.records.iter().map(|(number, id)| (*id, *number)));
            commit = done.commit;
        }
        Ok(Appended { commit, records: numbered(&own_ids(append), &numbers) })
    }

    /// Packs the repository whenever a folder of records is full, so that a million records are not millions of files.
    fn pack_if_due(&self, records: &[(u64, Digest)]) {
        const EVERY: u64 = 256;
        if records.iter().any(|(number, _)| number % EVERY == EVERY - 1) {
            // What cannot be packed now is packed the next time; the records are safe either way.
            let _ = self.git.pack();
        }
    }

    /// Makes sure that the branch leads to the commit, on the disk, and remembers how far the ledger has come.
    pub(super) fn confirm(&self, commit: ObjectId, records: Vec<(u64, Digest)>) -> Result<Appended, LedgerError> {
        self.git.sync_reference(&self.reference)?;
        let git: Git = self.git.reopen()?;
        let mut at = git.tip(&self.reference)?;
        // Others may have appended since; our commit is then a few steps back.
        for _ in 0..1000 {
            match at {
                Some(id) if id == commit => {
                    self.remember(&git, commit)?;
                    self.pack_if_due(&records);
                    return Ok(Appended { commit, records });
                }
                Some(id) => at = git.commit(id)?.parents.first().copied(),
                None => break,
            }
        }
        Err(LedgerError::NotDurable(format!("`{}` does not lead to commit {commit}", self.reference)))
    }
}

/// Whether it is told where such a record stands, byte for byte. Changes of trust and administrative ones are judged each time:
/// who goes back to an earlier state must not be told that all is well.
fn stands_once(entry: &Entry) -> bool {
    !Trust::is_changed_by(entry.kind.as_str()) && entry.kind.as_str() != AdminRecord::KIND
}

/// An append without the records that have a number, and each of the others once; none if that is all of it.
fn without(append: &Append, numbers: &BTreeMap<Digest, u64>) -> Option<Append> {
    let mut ids = BTreeSet::new();
    let is_due = |entry: &&Entry| {
        let id = Digest::of(&entry.statement);
        if !stands_once(entry) {
            return true;
        }
        !numbers.contains_key(&id) && ids.insert(id)
    };
    let entries: Vec<Entry> = append.entries.iter().filter(is_due).cloned().collect();
    (entries.len() < append.entries.len()).then(|| Append { entries, ..append.clone() })
}

/// What is being appended, signed for a trust: once, and again only if the trust changes under us.
pub(super) struct Sealer<'a> {
    append: &'a Append,
    signers: &'a Signers<'a>,
    sealed: Option<(Trust, Sealed)>,
}

/// A commit that is built and read back, and that no reference leads to yet.
pub(super) struct Built {
    pub(super) commit: ObjectId,
    pub(super) records: Vec<(u64, Digest)>,
    pub(super) written: Vec<ObjectId>,
}

impl<'a> Sealer<'a> {
    pub(super) fn new(append: &'a Append, signers: &'a Signers<'a>) -> Self {
        Self { append, signers, sealed: None }
    }

    /// Builds the commit that follows `head`.
    pub(super) fn build(&mut self, git: &Git, head: &Head) -> Result<Built, LedgerError> {
        if self.sealed.as_ref().is_none_or(|(trust, _)| *trust != head.trust) {
            let seconds = self.append.seconds.max(head.seconds);
            let sealed = seal(git, self.append, &head.trust, seconds, self.signers)?;
            self.sealed = Some((head.trust.clone(), sealed));
        }
        let (trust, sealed) = self.sealed.as_ref().expect("sealed above");
        Build { git, append: self.append, head: Some(head), trust, signers: self.signers }.commit(sealed)
    }
}

/// Waits a random while that grows with the attempts, so that writers do not meet again.
pub(super) fn back_off(attempt: u32) {
    std::thread::sleep(Duration::from_micros(spread() * u64::from(attempt.min(20) + 1)));
}

/// A random number below 1,000; without randomness writers are only less spread.
pub(super) fn spread() -> u64 {
    let mut random = [0u8; 2];
    getrandom::fill(&mut random).map_or(500, |()| u64::from(u16::from_le_bytes(random)) % 1000)
}
