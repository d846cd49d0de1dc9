//! One commit of the ledger: what it adds, and whether it may.

use std::collections::BTreeMap;
use std::sync::Arc;

use orgo_spec::log::{Leaf, Malformed, Tile};
use orgo_spec::signature::{PublicKey, Unverified};
use orgo_spec::{Digest, Name, ReasonCode};

use super::judgement::{Judgement, RecordJudged, unreadable, unreadable_in};
use super::log::LogFacts;
use super::report::{Counts, Finding};
use crate::git::{Change, Git, GitError, MODE_FILE, ObjectId};
use crate::ledger::layout::{self, Part, Place};
use crate::ledger::{LedgerError, MAX_RECORD_BYTES, Moment, Trust, bounded};

/// A commit's place in the chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) id: ObjectId,
    pub(super) tree: ObjectId,
    /// Its parent.
    pub(super) parent: Option<ObjectId>,
    /// The tree of its parent.
    pub(super) before: Option<ObjectId>,
    /// Its time, in seconds since 1970.
    pub(super) seconds: i64,
    /// The time of its parent.
    pub(super) before_seconds: Option<i64>,
}

/// The files of one record.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) kind: Name,
    pub(super) statement: Option<ObjectId>,
    pub(super) envelope: Option<ObjectId>,
}

/// A commit with what it adds.
pub(super) struct Step {
    pub(super) link: Link,
    pub(super) records: BTreeMap<u64, Files>,
    pub(super) evidence: Vec<(Digest, ObjectId)>,
    pub(super) latest: BTreeMap<String, ObjectId>,
    pub(super) allowed_signers: Option<ObjectId>,
    pub(super) revoked_keys: Option<ObjectId>,
    pub(super) checkpoint: Option<ObjectId>,
    pub(super) edge: Option<ObjectId>,
    pub(super) tiles: BTreeMap<Tile, ObjectId>,
    /// Files that show the present state: what they show now, or that they are gone.
    pub(super) marks: BTreeMap<String, Option<ObjectId>>,
    /// Files of records and evidence that are gone, and what that is called where nothing explains it.
    pub(super) removed: BTreeMap<String, ReasonCode>,
    /// When the commit was made: RFC 3339, UTC.
    time: String,
    /// What judges this commit: the trust in force at its parent; for the first commit, its own.
    trust: Option<Arc<Trust>>,
    /// Whether `trust/allowed_signers` must be the one of a trust that this commit brings.
    pub(super) next: Option<Arc<Trust>>,
    /// Whether this clone was filtered and lacks something of what the commit adds, other than evidence.
    pub(super) filtered: bool,
    findings: Vec<Finding>,
}

impl Step {
    /// Computes what a commit adds.
    pub(super) fn read(git: &Git, link: Link) -> Result<Self, LedgerError> {
        let mut step = Self {
            link,
            records: BTreeMap::new(),
            evidence: Vec::new(),
            latest: BTreeMap::new(),
            allowed_signers: None,
            revoked_keys: None,
            checkpoint: None,
            edge: None,
            tiles: BTreeMap::new(),
            marks: BTreeMap::new(),
            removed: BTreeMap::new(),
            time: crate::clock::moment(link.seconds),
            trust: None,
            next: None,
            filtered: false,
            findings: Vec::new(),
        };
        match git.changes(link.before, link.tree) {
            Ok(changes) => {
                let lacks = |c: &Change| {
                    !matches!(layout::place(&c.path), Some(Place::Evidence(_)))
                        && c.after.is_some_and(|e| !git.has(e.id))
                };
                step.filtered = git.is_filtered() && changes.iter().any(lacks);
                changes.into_iter().for_each(|change| step.place(change));
            }
            Err(GitError::Missing(_)) if git.is_filtered() => step.filtered = true,
            Err(error) => {
                let finding = unreadable(error)?;
                step.findings.push(finding.at_commit(link.id));
            }
        }
        if link.before_seconds.is_some_and(|before| link.seconds < before) {
            let message = "the commit is older than its parent";
            step.findings.push(Finding::invalid(ReasonCode::AuditNotLinear, message).at_commit(link.id));
        }
        if step.records.is_empty() && step.findings.is_empty() && step.removed.is_empty() {
            step.invalid(ReasonCode::AuditNotLinear, "the commit adds no record", "records");
        }
        Ok(step)
    }

    fn invalid(&mut self, code: ReasonCode, message: impl Into<String>, path: impl Into<String>) {
        self.findings.push(Finding::invalid(code, message).at_commit(self.link.id).at_path(path));
    }

    /// Sorts one change into what the format allows, or into the findings.
    fn place(&mut self, change: Change) {
        let Change { path, before, after } = change;
        let Some(after) = after else {
            let code = match layout::place(&path) {
                Some(Place::Open(_) | Place::Hold(_)) => {
                    self.marks.insert(path, None);
                    return;
                }
                Some(Place::Record { .. }) => {
                    self.removed.insert(path, ReasonCode::RecordMissing);
                    return;
                }
                Some(Place::Evidence(_)) => {
                    self.removed.insert(path, ReasonCode::EvidenceMissing);
                    return;
                }
                Some(Place::Checkpoint | Place::Edge | Place::Tile(_)) => ReasonCode::LogInconsistent,
                Some(
                    Place::Latest
                    | Place::AllowedSigners
                    | Place::RevokedKeys
                    | Place::Mandate(_)
                    | Place::Epoch
                    | Place::Override,
                )
                | None => ReasonCode::AuditNotLinear,
            };
            return self.invalid(code, "the commit removes what was recorded", path);
        };
        if after.is_tree() {
            return self.invalid(ReasonCode::RepoUnsafe, "a folder without files: no record explains it", path);
        }
        if after.mode != MODE_FILE {
            let message = format!("the mode {:o} is not that of a regular file", after.mode);
            return self.invalid(ReasonCode::RepoUnsafe, message, path);
        }
        let edited = "the commit edits what was recorded";
        match layout::place(&path) {
            None => self.invalid(ReasonCode::RepoUnsafe, "the format knows no such path", path),
            Some(Place::Latest) => drop(self.latest.insert(path, after.id)),
            Some(Place::AllowedSigners) => self.allowed_signers = Some(after.id),
            Some(Place::RevokedKeys) => self.revoked_keys = Some(after.id),
            Some(Place::Checkpoint) => self.checkpoint = Some(after.id),
            Some(Place::Edge) => self.edge = Some(after.id),
            Some(Place::Mandate(_) | Place::Override) => drop(self.marks.insert(path, Some(after.id))),
            Some(_) if before.is_some() => self.invalid(ReasonCode::AuditNotLinear, edited, path),
            Some(Place::Evidence(digest)) => self.evidence.push((digest, after.id)),
            Some(Place::Tile(tile)) => drop(self.tiles.insert(tile, after.id)),
            Some(Place::Open(_) | Place::Hold(_) | Place::Epoch) => drop(self.marks.insert(path, Some(after.id))),
            Some(Place::Record { number, kind, part }) => {
                let files =
                    self.records.entry(number).or_insert(Files { kind: kind.clone(), statement: None, envelope: None });
                if files.kind != kind {
                    return self.invalid(ReasonCode::RecordAltered, format!("record {number} has two kinds"), path);
                }
                match part {
                    Part::Statement => files.statement = Some(after.id),
                    Part::Envelope => files.envelope = Some(after.id),
                }
            }
        }
    }

    /// Checks that the records continue the numbering at `count`.
    pub(super) fn number_from(&mut self, count: &mut u64) {
        let numbers: Vec<u64> = self.records.keys().copied().collect();
        for number in numbers {
            if number != *count {
                let message = format!("record {number} was added where record {count} is due");
                let finding = Finding::invalid(ReasonCode::RecordMissing, message);
                self.findings.push(finding.at_commit(self.link.id).at_record(number));
            }
            *count = number.saturating_add(1).max(*count);
        }
    }

    /// Notes the trust that judges this commit and returns the one that judges the next.
    pub(super) fn carry(&mut self, git: &Git, trust: Option<Arc<Trust>>) -> Result<Option<Arc<Trust>>, LedgerError> {
        self.trust = trust;
        let declared: Vec<u64> =
            self.records.iter().filter(|(_, f)| Trust::is_changed_by(f.kind.as_str())).map(|(n, _)| *n).collect();
        for number in declared {
            let Some(unverified) = self.unverified(git, number)? else { continue };
            let kind = self.records[&number].kind.clone();
            let current = self.next.as_deref().or(self.trust.as_deref());
            let (judge, next) = match Trust::succeed(current, number, kind.as_str(), unverified) {
                Ok(both) => both,
                Err(error) if self.next.is_some() => {
                    let message = format!("it does not follow the change of trust before it: {error}");
                    let finding = Finding::invalid(error.code(), message);
                    self.findings.push(finding.at_commit(self.link.id).at_record(number));
                    continue;
                }
                Err(_) => continue, // `verify` says why
            };
            self.trust.get_or_insert(Arc::new(judge));
            self.next = Some(Arc::new(next));
        }
        if self.trust.is_none() {
            let message = "no trust is in force: the ledger does not begin with a trust record that verifies";
            self.invalid(ReasonCode::RootNotTrusted, message, "records");
        }
        Ok(self.next.clone().or_else(|| self.trust.clone()))
    }

    /// The id of record 0, if this commit adds it.
    pub(super) fn root(&self, git: &Git) -> Result<Option<Digest>, LedgerError> {
        let Some(id) = self.records.get(&0).and_then(|f| f.statement) else { return Ok(None) };
        match bounded(git, id, MAX_RECORD_BYTES, "record 0") {
            Ok(bytes) => Ok(Some(Digest::of(&bytes))),
            Err(error) => unreadable_in(error).map(|_| None),
        }
    }

    /// Statement and envelope of a record, if both are there and readable.
    fn unverified(&self, git: &Git, number: u64) -> Result<Option<Unverified<Trust>>, LedgerError> {
        let Some(files) = self.records.get(&number) else { return Ok(None) };
        let (Some(statement), Some(envelope)) = (files.statement, files.envelope) else { return Ok(None) };
        let read = |id| match bounded(git, id, MAX_RECORD_BYTES, "a record") {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => unreadable_in(error).map(|_| None),
        };
        Ok(read(statement)?.zip(read(envelope)?).map(|(statement, envelope)| Unverified::new(statement, envelope)))
    }

    /// Whether `id` is the statement of a record that this commit adds.
    pub(super) fn adds(&self, id: ObjectId) -> bool {
        self.records.values().any(|f| f.statement == Some(id))
    }

    /// Verifies a record that the commit adds; none if no trust is in force.
    pub(super) fn verify_record(
        &self,
        git: &Git,
        number: u64,
        files: &Files,
    ) -> Result<Option<RecordVerified>, LedgerError> {
        let Some(trust) = &self.trust else { return Ok(None) };
        let mut out = Judgement { git, step: self, findings: Vec::new(), counts: Counts::default() };
        let path = layout::record_path(number, &files.kind, Part::Statement);
        let judged = out.record(number, files, trust, Moment { time: &self.time }, &path)?;
        let leaf = match judged.id.zip(judged.envelope) {
            Some((id, envelope)) => Some(Leaf::new(&path, id, envelope).map_err(|e| damaged(path, &e))?.hash()),
            None => None,
        };
        Ok(Some(RecordVerified { judged, leaf, findings: out.findings, counts: out.counts }))
    }

    /// Verifies everything that the commit adds, given what came of its records; `origin` is the name of the
    /// ledger's log.
    pub(super) fn verify(
        &self,
        git: &Git,
        origin: &str,
        records: &[Option<RecordVerified>],
    ) -> Result<Verified, LedgerError> {
        let mut out = Judgement { git, step: self, findings: self.findings.clone(), counts: Counts::default() };
        out.counts.commits = 1;
        let epoch = records.iter().flatten().find_map(|record| record.judged.epoch.as_ref());
        out.removals(epoch)?;
        let mut log = LogFacts { commit: self.link.id, ..LogFacts::default() };
        let Some(trust) = &self.trust else { return Ok(Verified::of(out, log, Vec::new())) };
        let at = Moment { time: &self.time };
        let mut signers = Vec::new();
        // A key that signs a commit vouches for its last record, too.
        let last = self.records.keys().next_back().copied();
        let trailers = out.commit(trust, at, last.unwrap_or_default(), &mut signers)?;
        out.evidence()?;
        out.signers_files(trust)?;
        let (mut listed, mut complete) = (Vec::new(), true);
        let mut latest = BTreeMap::new();
        let mut marks = Vec::new();
        for ((number, files), record) in self.records.iter().zip(records) {
            let Some(RecordVerified { judged, leaf, findings, counts }) = record else { continue };
            if Trust::is_changed_by(files.kind.as_str()) && Some(*number) != last {
                let message = "a change of trust is not the last record of its commit";
                let finding = Finding::invalid(ReasonCode::AuditNotLinear, message);
                out.findings.push(finding.at_commit(self.link.id).at_record(*number));
            }
            out.findings.extend(findings.iter().cloned());
            out.counts.add(counts);
            listed.extend(judged.id.map(|id| format!("{number} {id}")));
            log.leaves.extend(leaf.map(|leaf| (*number, leaf)));
            let retires = |key: &PublicKey| match &self.next {
                Some(next) => Some(*number) == last && trust.retires(key, next),
                None => false,
            };
            signers.extend(judged.signers.iter().filter(|key| !retires(key)).map(|key| (*number, *key)));
            complete &= judged.complete;
            if let Some(path) = &judged.latest {
                latest.insert(path.clone(), files.statement);
            }
            marks.extend(judged.marks.iter().map(|mark| (*number, mark.clone(), files.statement)));
        }
        if let Some(trailers) = trailers
            && listed.len() == self.records.len()
            && trailers != listed
        {
            let message = "the commit's `Orgo-Record` trailers do not name the records that it adds";
            out.findings.push(Finding::invalid(ReasonCode::RecordAltered, message).at_commit(self.link.id));
        }
        out.latest(&latest, complete);
        out.marks(&marks, complete)?;
        out.log(trust, at, origin, &mut log, &mut signers)?;
        Ok(Verified::of(out, log, signers))
    }
}

fn damaged(path: String, why: &Malformed) -> LedgerError {
    LedgerError::Damaged { path, why: why.to_string() }
}

/// What came of verifying one record.
pub(super) struct RecordVerified {
    judged: RecordJudged,
    /// Its leaf in the log, if both files could be read.
    leaf: Option<Digest>,
    findings: Vec<Finding>,
    counts: Counts,
}

/// What came of verifying one commit.
pub(super) struct Verified {
    pub(super) findings: Vec<Finding>,
    pub(super) counts: Counts,
    /// What the commit does to the log, for the walk along all commits.
    pub(super) log: LogFacts,
    /// Who signed which record; of the commit and its checkpoint, beside its first record.
    pub(super) signers: Vec<(u64, PublicKey)>,
}

impl Verified {
    fn of(judgement: Judgement<'_>, log: LogFacts, signers: Vec<(u64, PublicKey)>) -> Self {
        Self { findings: judgement.findings, counts: judgement.counts, log, signers }
    }
}
