//! Appending: build, read back, swap, confirm.

use std::collections::BTreeMap;
use std::time::Duration;

use orgo_spec::signature::{Envelope, PublicKey, Quorum, Unverified};
use orgo_spec::{Digest, Name};

use super::layout::{self, Part};
use super::secret::refuse_secrets;
use super::{
    Head, Ledger, LedgerError, MAX_EVIDENCE_BYTES, MAX_RECORD_BYTES, Record, Trust, read_evidence, read_record,
};
use crate::git::{Git, Identity, ObjectId, Swap};
use crate::key::PrivateKey;
use crate::verify::{Severity, judge};

/// How often an append begins again after another writer was faster.
const ATTEMPTS: u32 = 32;

/// The keys that sign an append.
#[derive(Debug, Clone, Copy)]
pub struct Signers<'k> {
    /// Signs the records.
    pub runner: &'k PrivateKey,
    /// Signs the commit.
    pub git: &'k PrivateKey,
    /// Sign trust records besides the runner; empty for all others.
    pub roots: &'k [PrivateKey],
}

/// A record to append.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its kind, such as `build`.
    pub kind: Name,
    /// The bytes to sign. They carry neither number nor position, so that a retry need not sign again.
    pub statement: Vec<u8>,
    /// What it refers to by digest.
    pub evidence: Vec<Vec<u8>>,
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
    /// The commit's time, in seconds since 1970.
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

/// A record with its signatures: what does not change when an append begins again.
struct Sealed {
    kind: Name,
    id: Digest,
    quorums: Vec<Quorum>,
    statement: ObjectId,
    envelope: ObjectId,
    evidence: Vec<Digest>,
    latest: Option<String>,
}

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
        let trust = Trust::read(0, &statement)?;
        let subject = format!("{} trust begins", trust.tenant());
        let kind = Name::new(Trust::KIND).expect("a kind is a name");
        let entry = Entry { kind, statement, evidence: Vec::new() };
        let append = Append { entries: vec![entry], subject, trailers: Vec::new(), seconds };
        let (sealed, files, mut written) = self.seal(&append, &trust, signers)?;
        let commit = self.build(&append, None, &trust, &sealed, files, &mut written, signers)?;
        self.read_back(commit, 0, &sealed, &trust)?;
        self.git.sync_objects(&written)?;
        match self.git.compare_and_swap(&self.reference, None, commit, &append.subject)? {
            Swap::Done => self.confirm(commit, 0, &sealed),
            Swap::Moved => Err(LedgerError::Exists(self.reference.clone())),
        }
    }

    /// Appends records in one commit.
    ///
    /// # Errors
    /// [`LedgerError::Empty`] before [`Ledger::init`]; [`LedgerError::KeyUnknown`] if the trust in force does
    /// not list the signers; [`LedgerError::Exhausted`] if other writers were always faster;
    /// [`LedgerError::NotDurable`] if what was written does not read back.
    pub fn append(&self, append: &Append, signers: &Signers<'_>) -> Result<Appended, LedgerError> {
        let mut sealed: Option<(Trust, Vec<Sealed>, Files, Vec<ObjectId>)> = None;
        for attempt in 0..ATTEMPTS {
            let head = self.head()?.ok_or_else(|| LedgerError::Empty(self.reference.clone()))?;
            // Signed once; again only if the trust changed under us.
            if sealed.as_ref().is_none_or(|(trust, ..)| *trust != head.trust) {
                let (records, files, written) = self.seal(append, &head.trust, signers)?;
                sealed = Some((head.trust.clone(), records, files, written));
            }
            let (_, records, files, written) = sealed.as_ref().expect("sealed above");
            let mut written = written.clone();
            let commit = self.build(append, Some(&head), &head.trust, records, files.clone(), &mut written, signers)?;
            self.read_back(commit, head.count, records, &head.trust)?;
            self.git.sync_objects(&written)?;
            match self.git.compare_and_swap(&self.reference, Some(head.commit), commit, &append.subject)? {
                Swap::Done => return self.confirm(commit, head.count, records),
                Swap::Moved => back_off(attempt),
            }
        }
        // A writer that was killed while it held the reference's lock leaves the file; it guards nothing then.
        let lock = self.git.common_dir().join(format!("{}.lock", self.reference));
        Err(if lock.exists() { LedgerError::Locked(lock) } else { LedgerError::Exhausted(ATTEMPTS) })
    }

    /// Stores and signs what does not depend on the tip of the branch.
    fn seal(
        &self,
        append: &Append,
        trust: &Trust,
        signers: &Signers<'_>,
    ) -> Result<(Vec<Sealed>, Files, Vec<ObjectId>), LedgerError> {
        let known = |role, keys: &std::collections::BTreeSet<PublicKey>, key: &PrivateKey| {
            if keys.contains(key.public()) {
                return Ok(());
            }
            Err(LedgerError::KeyUnknown { key: key.public().id().short(), role })
        };
        known("git", trust.git_keys(), signers.git)?;
        known("runner", trust.runners().keys(), signers.runner)?;

        let mut files = Files::new();
        let mut written = Vec::new();
        let mut sealed = Vec::new();
        for entry in &append.entries {
            let kind = entry.kind.clone();
            limit("the record", entry.statement.len(), MAX_RECORD_BYTES)?;
            refuse_secrets("the record", &entry.statement)?;
            // Nothing is signed unread.
            let record = Record::parse(kind.as_str(), &entry.statement)
                .map_err(|e| LedgerError::Refused { code: e.code(), message: e.to_string() })?;
            let quorums = trust.quorums_for(kind.as_str(), &entry.statement)?;
            let roots = if kind.as_str() == Trust::KIND { signers.roots } else { &[] };
            let signatures = std::iter::once(signers.runner).chain(roots).map(|k| k.sign_payload(&entry.statement));
            let envelope = Envelope::new(signatures.collect::<Result<Vec<_>, _>>()?).to_bytes();
            let mut store = |bytes: &[u8]| {
                let id = self.git.write_blob(bytes)?;
                written.push(id);
                Ok::<_, LedgerError>(id)
            };
            let statement = store(&entry.statement)?;
            let envelope = store(&envelope)?;
            let mut evidence = Vec::new();
            for bytes in &entry.evidence {
                limit("a piece of evidence", bytes.len(), MAX_EVIDENCE_BYTES)?;
                refuse_secrets("a piece of evidence", bytes)?;
                let digest = Digest::of(bytes);
                files.insert(layout::evidence_path(&digest), store(bytes)?);
                evidence.push(digest);
            }
            let latest = record.latest_path();
            let id = Digest::of(&entry.statement);
            sealed.push(Sealed { kind, id, quorums, statement, envelope, evidence, latest });
        }
        Ok((sealed, files, written))
    }

    /// Builds the commit that follows `head`.
    #[expect(clippy::too_many_arguments, reason = "one call site per caller, and each value is used")]
    fn build(
        &self,
        append: &Append,
        head: Option<&Head>,
        trust: &Trust,
        sealed: &[Sealed],
        mut files: Files,
        written: &mut Vec<ObjectId>,
        signers: &Signers<'_>,
    ) -> Result<ObjectId, LedgerError> {
        let first = head.map_or(0, |h| h.count);
        let mut message = format!("{}\n\n", one_line(&append.subject));
        for (key, value) in &append.trailers {
            message.push_str(&format!("{}: {}\n", one_line(key), one_line(value)));
        }
        for (number, record) in (first..).zip(sealed) {
            files.insert(layout::record_path(number, &record.kind, Part::Statement), record.statement);
            files.insert(layout::record_path(number, &record.kind, Part::Envelope), record.envelope);
            if let Some(path) = &record.latest {
                files.insert(path.clone(), record.statement);
            }
            if record.kind.as_str() == Trust::KIND {
                let next = Trust::read(number, &self.git.blob(record.statement)?)?;
                let list = self.git.write_blob(&next.allowed_signers())?;
                written.push(list);
                files.insert(layout::ALLOWED_SIGNERS.to_owned(), list);
            }
            message.push_str(&format!("Orgo-Record: {number} {}\n", record.id));
        }
        let tree = self.git.write_tree(head.map(|h| h.tree), &files, written)?;
        let who = Identity { name: "orgo".to_owned(), email: trust.principal(), seconds: append.seconds };
        let commit = self.git.write_commit(tree, head.map(|h| h.commit), &who, &message, |bytes| {
            signers.git.sign_commit(bytes).map_err(LedgerError::from)
        })?;
        written.push(commit);
        Ok(commit)
    }

    /// Reads the commit through a fresh handle and verifies it and its records, before any reference moves:
    /// what would not verify later is refused now.
    fn read_back(&self, commit: ObjectId, first: u64, sealed: &[Sealed], trust: &Trust) -> Result<(), LedgerError> {
        let git = self.git.reopen()?;
        let check = || -> Result<(), String> {
            let stored = git.commit(commit).map_err(|e| e.to_string())?;
            let signature = stored.verify().map_err(|e| e.to_string())?;
            if !trust.git_keys().contains(signature.key()) {
                return Err("the commit is signed by another key".to_owned());
            }
            for (number, record) in (first..).zip(sealed) {
                let found = read_record(&git, stored.tree, number).map_err(|e| e.to_string())?;
                if found.id() != record.id || found.kind != record.kind {
                    return Err(format!("record {number} has other bytes"));
                }
                let envelope = found.envelope.ok_or_else(|| format!("record {number} has no envelope"))?;
                Unverified::<()>::new(found.statement, envelope).verify(&record.quorums).map_err(|e| e.to_string())?;
                for digest in &record.evidence {
                    let read = read_evidence(&git, stored.tree, digest).map_err(|e| e.to_string())?;
                    read.ok_or_else(|| format!("the evidence {digest} is missing"))?;
                }
            }
            Ok(())
        };
        check().map_err(LedgerError::NotDurable)?;
        let tree = git.commit(commit)?.tree;
        for (number, record) in (first..).zip(sealed) {
            let statement = read_record(&git, tree, number)?.statement;
            let evidence = |digest: &Digest| read_evidence(&git, tree, digest);
            let judged = judge(record.kind.as_str(), number, &statement, trust, &evidence)?;
            if let Some(finding) = judged.findings.into_iter().find(|f| f.severity == Severity::Invalid) {
                return Err(LedgerError::Refused { code: finding.code, message: finding.message });
            }
        }
        Ok(())
    }

    /// Makes sure that the branch leads to the commit, on the disk.
    fn confirm(&self, commit: ObjectId, first: u64, sealed: &[Sealed]) -> Result<Appended, LedgerError> {
        self.git.sync_reference(&self.reference)?;
        let git: Git = self.git.reopen()?;
        let mut at = git.tip(&self.reference)?;
        // Others may have appended since; our commit is then a few steps back.
        for _ in 0..1000 {
            match at {
                Some(id) if id == commit => {
                    let records = (first..).zip(sealed.iter().map(|r| r.id)).collect();
                    return Ok(Appended { commit, records });
                }
                Some(id) => at = git.commit(id)?.parents.first().copied(),
                None => break,
            }
        }
        Err(LedgerError::NotDurable(format!("`{}` does not lead to commit {commit}", self.reference)))
    }
}

/// Paths of the tree and the blobs to put there.
type Files = BTreeMap<String, ObjectId>;

fn limit(what: &str, size: usize, limit: usize) -> Result<(), LedgerError> {
    if size > limit {
        return Err(LedgerError::TooLarge { what: what.to_owned(), size, limit });
    }
    Ok(())
}

/// A text as one line without control characters: nothing that a caller passes can forge a trailer.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Waits a random while that grows with the attempts, so that writers do not meet again.
fn back_off(attempt: u32) {
    let mut random = [0u8; 2];
    // Without randomness the wait is only less spread.
    let spread = getrandom::fill(&mut random).map_or(500, |()| u64::from(u16::from_le_bytes(random)) % 1000);
    std::thread::sleep(Duration::from_micros(spread * u64::from(attempt.min(20) + 1)));
}
