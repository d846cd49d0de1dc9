//! Submitting: records that wait, in a spool or on a branch that the remote does not have yet, are put on top
//! of what the remote has and pushed (supply-chain 2.5).
//!
//! INVARIANT: the push is never forced, so the server's fast-forward check is the only commit point; a lost race
//! begins again from what the winner wrote, with the meaning of every record judged again; and success is
//! claimed only after the remote was read back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orgo_spec::record::{AdminAction, AdminRecord, Lane, Predicate};
use orgo_spec::{Digest, ReasonCode};

use super::append::{Append, Entry, Sealer, Signers, spread};
use super::{Head, Ledger, LedgerError, Record, Trust, Waiting, layout, read_evidence, read_record};
use crate::git::{ObjectId, Remote, RemoteError, Swap};
use crate::verify::{Finding, Severity, VerifyOptions, verify};

/// How often a push begins again after another writer was faster.
const ATTEMPTS: u32 = 8;
/// How many records go into one commit.
const BATCH: usize = 256;
/// How far before a record was made its own entry is looked for: clocks differ.
const SKEW_S: i64 = 24 * 3600;

/// What a submission did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submitted {
    /// Number and id of each record that was appended, in order.
    pub records: Vec<(u64, Digest)>,
    /// How many records the remote had already.
    pub known: usize,
    /// Whether the branch here moved to what the remote has.
    pub moved: bool,
    /// The tip that the branch here had, if it was put aside: its records stand elsewhere now.
    pub replaced: Option<ObjectId>,
}

impl From<RemoteError> for LedgerError {
    fn from(error: RemoteError) -> Self {
        Self::Transport { what: error.what.to_owned(), said: error.said }
    }
}

impl Ledger {
    /// Where the remote's branch is kept here.
    fn tracking(&self) -> String {
        format!("refs/orgo/remote/{}", layout::encoded(&self.reference))
    }

    /// Appends what waits, and what only the branch here has, to the remote's branch; then moves the branch here.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing that waits is lost, whatever happens. [`LedgerError::Exhausted`] after eight
    /// lost races.
    pub fn submit(
        &self,
        remote: &Remote,
        waiting: &[Waiting],
        signers: &Signers<'_>,
        root: Option<Digest>,
        seconds: i64,
    ) -> Result<Submitted, LedgerError> {
        self.git.bring_missing();
        waiting.iter().try_for_each(refuse_local)?;
        let mut total = Submitted::default();
        let mut attempt = 0;
        // What others settled meanwhile: a run that ended is not abandoned. It is not tried again.
        let mut settled: BTreeSet<Digest> = BTreeSet::new();
        loop {
            let Some(head) = self.fetch(remote)? else {
                // The remote has no ledger yet: it gets ours, as it is.
                let tip = self.git.tip(&self.reference)?.ok_or_else(|| LedgerError::Empty(self.reference.clone()))?;
                if remote.push(tip, &self.reference)? == Swap::Moved {
                    pause(attempt);
                }
                attempt += 1;
                if attempt == ATTEMPTS {
                    return Err(LedgerError::Exhausted(ATTEMPTS));
                }
                continue;
            };
            if let Some(root) = root.filter(|root| *root != head.root) {
                let message = format!("the remote's ledger has the root {}, not {root}", head.root);
                return Err(LedgerError::Refused { code: ReasonCode::RootNotTrusted, message });
            }
            let (mut entries, own) = self.pending(head.commit, waiting)?;
            let known = self.known(&head, entries.iter().map(|w| w.seconds).min())?;
            let ours: BTreeSet<Digest> = total.records.iter().map(|(_, id)| *id).collect();
            let mut there = 0;
            entries.retain(|waiting| {
                let id = Digest::of(&waiting.entry.statement);
                there += usize::from(known.contains(&id) && !ours.contains(&id));
                !known.contains(&id) && !settled.contains(&id)
            });
            // An epoch is sealed upon the commit that it names or not at all; it is sealed anew then.
            settled.extend(entries.iter().filter(|w| outdated(w, &head)).map(|w| Digest::of(&w.entry.statement)));
            entries.retain(|waiting| !outdated(waiting, &head));
            total.known = there + settled.len();
            entries.truncate(BATCH);
            entries.truncate(together(&entries));
            let Some(append) = batch(&entries, seconds) else {
                (total.moved, total.replaced) = self.adopt(head.commit, own)?;
                return Ok(total);
            };
            let built = Sealer::new(&append, signers).build(&self.git, &head)?;
            let said: BTreeSet<Digest> = built.records.iter().map(|(_, id)| *id).collect();
            let ids = entries.iter().map(|w| Digest::of(&w.entry.statement));
            settled.extend(ids.filter(|id| !said.contains(id)));
            if said.is_empty() {
                continue;
            }
            self.git.sync_objects(&built.written)?;
            match remote.push(built.commit, &self.reference)? {
                Swap::Done => {
                    self.read_back(remote, built.commit)?;
                    total.records.extend(built.records);
                    attempt = 0;
                }
                Swap::Moved if attempt + 1 == ATTEMPTS => return Err(LedgerError::Exhausted(ATTEMPTS)),
                Swap::Moved => {
                    pause(attempt);
                    attempt += 1;
                }
            }
        }
    }

    /// Fetches the remote's branch and verifies what is new in it; none if the remote has no such branch.
    ///
    /// # Errors
    /// [`LedgerError`] if the remote cannot be read, was rewound or forked, or what it has does not verify.
    pub fn fetch(&self, remote: &Remote) -> Result<Option<Head>, LedgerError> {
        let seen = self.seen_at(&self.tracking())?;
        let Some(tip) = remote.tip(&self.reference)? else {
            if let Some(seen) = seen {
                let message =
                    format!("the remote has no `{}` any more; commit {} was there", self.reference, seen.commit);
                return Err(LedgerError::Refused { code: ReasonCode::AuditRewound, message });
            }
            return Ok(None);
        };
        if self.git.tip(&self.tracking())? != Some(tip) {
            remote.fetch(&self.reference, &self.tracking())?;
            self.git.refresh()?;
        }
        let tip = self.git.tip(&self.tracking())?.ok_or_else(|| LedgerError::Empty(self.tracking()))?;
        let head = self.head_at(tip)?;
        if seen.as_ref().is_some_and(|s| s.commit == tip.to_string()) {
            return Ok(Some(head));
        }
        self.check_seen(seen.as_ref(), &head)?;
        let after = seen.as_ref().and_then(|s| s.commit.parse().ok());
        // `verify` fetches nothing: in a filtered clone it begins with what is brought here.
        after.filter(|_| self.git.is_filtered()).map(|commit| self.head_at(commit)).transpose()?;
        let options = VerifyOptions { after, seen: seen.clone(), ..VerifyOptions::default() };
        let report = verify(self.git.path(), &self.tracking(), &options)?;
        // What a compromised key signed long ago stays on record; it is `verify` that tells of it.
        let fatal = |f: &Finding| f.severity == Severity::Invalid && f.code != ReasonCode::KeyRevoked;
        if let Some(finding) = report.findings.into_iter().find(fatal) {
            let message = format!("what the remote has does not verify: {}", finding.message);
            return Err(LedgerError::Refused { code: finding.code, message });
        }
        self.remember_at(&self.tracking(), tip)?;
        Ok(Some(head))
    }

    /// What waits, and the records of commits that only the branch here has; also that branch's tip.
    fn pending(&self, remote: ObjectId, waiting: &[Waiting]) -> Result<(Vec<Waiting>, Option<ObjectId>), LedgerError> {
        let own = self.git.tip(&self.reference)?;
        let mut entries = Vec::new();
        let theirs = self.ancestors(remote)?;
        let (mut at, mut commits) = (own, Vec::new());
        while let Some(id) = at.filter(|id| !theirs.contains(id)) {
            let commit = self.git.commit(id)?;
            at = commit.parents.first().copied();
            commits.push((id, commit));
        }
        if own.is_some() && at.is_none() {
            let message = format!("`{}` here and at the remote begin with different roots", self.reference);
            return Err(LedgerError::Refused { code: ReasonCode::CheckpointFork, message });
        }
        for (_, commit) in commits.iter().rev() {
            for (number, _) in commit.records() {
                let number = number.parse().map_err(|_| LedgerError::NoRecord(number.to_owned()))?;
                entries.push(self.waiting_at(commit.tree, number, commit.subject(), commit.seconds)?);
            }
        }
        entries.extend(waiting.iter().cloned());
        Ok((entries, own))
    }

    /// A record of the branch here, as one that waits.
    fn waiting_at(&self, tree: ObjectId, number: u64, subject: &str, seconds: i64) -> Result<Waiting, LedgerError> {
        let record = read_record(&self.git, tree, number)?;
        let mut evidence = Vec::new();
        for digest in mentioned(&record.statement) {
            evidence.extend(read_evidence(&self.git, tree, &digest)?);
        }
        let entry = Entry { kind: record.kind, statement: record.statement, envelope: record.envelope, evidence };
        let path = std::path::PathBuf::new();
        Ok(Waiting { path, entry, subject: subject.to_owned(), trailers: Vec::new(), seconds })
    }

    /// The newest commits of a history: as many as could matter to what is pending.
    fn ancestors(&self, tip: ObjectId) -> Result<BTreeSet<ObjectId>, LedgerError> {
        let own = self.git.tip(&self.reference)?;
        let mut found = BTreeSet::from([tip]);
        let mut at = Some(tip);
        while let Some(id) = at.filter(|id| Some(*id) != own) {
            found.insert(id);
            at = match self.git.commit(id) {
                Ok(commit) => commit.parents.first().copied(),
                Err(crate::git::GitError::Missing(_)) => None,
                Err(error) => return Err(error.into()),
            };
        }
        found.extend(at);
        Ok(found)
    }

    /// The ids of the records that were appended since the oldest that waits was made.
    fn known(&self, head: &Head, oldest: Option<i64>) -> Result<BTreeSet<Digest>, LedgerError> {
        let mut ids = BTreeSet::new();
        let Some(oldest) = oldest else { return Ok(ids) };
        let mut at = Some(head.commit);
        while let Some(id) = at {
            let commit = match self.git.commit(id) {
                Ok(commit) if commit.seconds >= oldest - SKEW_S => commit,
                Ok(_) | Err(crate::git::GitError::Missing(_)) => break,
                Err(error) => return Err(error.into()),
            };
            ids.extend(commit.records().filter_map(|(_, id)| id.parse::<Digest>().ok()));
            at = commit.parents.first().copied();
        }
        Ok(ids)
    }

    /// Moves the branch here to what the remote has.
    fn adopt(&self, commit: ObjectId, from: Option<ObjectId>) -> Result<(bool, Option<ObjectId>), LedgerError> {
        let theirs = self.ancestors(commit)?;
        let replaced = from.filter(|own| !theirs.contains(own));
        if from != Some(commit) {
            let swap = self.git.compare_and_swap(&self.reference, from, commit, "orgo: as the remote has it")?;
            if swap == Swap::Moved {
                return Ok((false, None)); // another process is at it; what it appended is pending next time
            }
            if replaced.is_some() {
                self.forget_verified()?; // what was verified here is not what the branch has now
            }
        }
        self.remember(&self.git, commit)?;
        Ok((from != Some(commit), replaced))
    }

    /// Makes sure that the remote's branch leads to the commit.
    fn read_back(&self, remote: &Remote, commit: ObjectId) -> Result<(), LedgerError> {
        let head = self.fetch(remote)?;
        let mut at = head.map(|h| h.commit);
        for _ in 0..4096 {
            match at {
                Some(id) if id == commit => return Ok(()),
                Some(id) => at = self.git.commit(id)?.parents.first().copied(),
                None => break,
            }
        }
        Err(LedgerError::NotDurable(format!("the remote's `{}` does not lead to commit {commit}", self.reference)))
    }
}

/// Records of local runs are never pushed: they say nothing that others could rely on (design 3.2).
fn refuse_local(waiting: &Waiting) -> Result<(), LedgerError> {
    let refused = |code, message: String| Err(LedgerError::Refused { code, message });
    let record = match Record::parse(waiting.entry.kind.as_str(), &waiting.entry.statement) {
        Ok(record) => record,
        Err(error) => return refused(error.code(), error.to_string()),
    };
    let lane = match &record {
        Record::Build(s) => s.predicate.facts.lane,
        Record::Started(s) => s.predicate.facts.lane,
        Record::Abandoned(_)
        | Record::Trust(_)
        | Record::Revocation(_)
        | Record::Admin(_)
        | Record::Mandate(_)
        | Record::Approval(_)
        | Record::Override(_) => Lane::Protected,
    };
    if lane != Lane::Protected {
        let message = format!("`{}` is the record of a local run, which is never submitted", waiting.path.display());
        return refused(ReasonCode::KeyScopeMismatch, message);
    }
    Ok(())
}

/// How many of the first may be one commit: a change of trust is the last record of its commit, and so is a hold, since
/// what it keeps back behind it it does not keep back before it; an epoch is sealed by a commit of its own.
fn together(entries: &[Waiting]) -> usize {
    for (n, waiting) in entries.iter().enumerate() {
        let kind = waiting.entry.kind.as_str();
        let record = if kind == AdminRecord::KIND { Record::parse(kind, &waiting.entry.statement).ok() } else { None };
        if record.as_ref().is_some_and(|r| r.epoch().is_some()) {
            return n.max(1);
        }
        let holds = matches!(&record, Some(Record::Admin(s)) if s.predicate.facts.action == AdminAction::Hold);
        if holds || Trust::is_changed_by(kind) {
            return n + 1;
        }
    }
    entries.len()
}

/// Whether it would seal an epoch upon another commit than the newest.
fn outdated(waiting: &Waiting, head: &Head) -> bool {
    let record = Record::parse(waiting.entry.kind.as_str(), &waiting.entry.statement).ok();
    record.and_then(|r| r.epoch()).is_some_and(|epoch| epoch.commit != head.commit.to_string())
}

/// Every digest that a statement mentions: what it refers to is among them.
pub(super) fn mentioned(statement: &[u8]) -> BTreeSet<Digest> {
    let text = String::from_utf8_lossy(statement);
    let at = text.match_indices("sha256:");
    at.filter_map(|(at, _)| text.get(at..at + 71)?.parse().ok()).collect()
}

/// The append of what waits; none if nothing does.
pub(super) fn batch(entries: &[Waiting], seconds: i64) -> Option<Append> {
    let subject = match entries {
        [] => return None,
        [one] => one.subject.clone(),
        [first, ..] => format!("{} records: {}, …", entries.len(), first.subject),
    };
    let mut trailers: BTreeMap<(String, String), ()> = BTreeMap::new();
    for (key, value) in entries.iter().flat_map(|w| &w.trailers) {
        trailers.insert((key.clone(), value.clone()), ());
    }
    let newest = entries.iter().map(|w| w.seconds).max().unwrap_or(seconds);
    Some(Append {
        entries: entries.iter().map(|w| w.entry.clone()).collect(),
        subject,
        trailers: trailers.into_keys().collect(),
        seconds: seconds.max(newest),
    })
}

/// Waits longer with every lost race, and never as long as another writer.
fn pause(attempt: u32) {
    std::thread::sleep(Duration::from_millis((20 + spread() / 10) << attempt.min(5)));
}
