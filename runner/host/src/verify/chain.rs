//! The chain of commits: walked once from the tip, then judged in order from the root.
//!
//! Four passes over each batch: differences are computed in parallel; the trust in force and the numbering
//! are carried along in order, since the trust at a commit's *parent* judges the commit; then records are verified
//! in parallel, however many a commit has; then what is left of the commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use orgo_spec::ReasonCode;
use orgo_spec::log::{Checkpoint, Edge, Tiles};
use orgo_spec::signature::PublicKey;

use super::VerifyOptions;
use super::log::LogWalk;
use super::parallel::Handles;
use super::report::{Finding, Severity, VerifyReport};
use super::step::{Link, Step};
use crate::git::{Commit, Git, GitError, ObjectId};
use crate::ledger::log::TreeTiles;
use crate::ledger::{Ledger, LedgerError, Trust};

/// Commits per batch: bounds memory at any length of the ledger.
const BATCH: usize = 512;

/// Where a verification begins.
pub(super) struct Start {
    /// The commit before the first that is verified; none from the root on.
    pub(super) after: Option<ObjectId>,
    trust: Option<Arc<Trust>>,
    count: u64,
    log: LogWalk,
    tree: Option<(ObjectId, i64)>,
}

impl Start {
    /// From the root on.
    pub(super) fn root() -> Self {
        Self { after: None, trust: None, count: 0, log: LogWalk::after(Edge::new(), |_| None), tree: None }
    }

    /// After a commit, with the state that it says it has.
    pub(super) fn after(ledger: &Ledger, commit: ObjectId) -> Result<Self, LedgerError> {
        let head = ledger.head_at(commit)?;
        let mut tiles = TreeTiles::new(ledger.git(), head.tree);
        Ok(Self {
            after: Some(commit),
            count: head.count,
            log: LogWalk::after(head.log.edge.clone(), |tile| tiles.tile(tile).ok()),
            tree: Some((head.tree, head.seconds)),
            trust: Some(Arc::new(head.trust)),
        })
    }

    /// How many records lie before it.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

/// Verifies every commit from `start` to `tip`; returns the trust in force at the end.
pub(super) fn verify(
    git: &Git,
    tip: ObjectId,
    start: Start,
    options: &VerifyOptions,
    report: &mut VerifyReport,
) -> Result<Option<Arc<Trust>>, LedgerError> {
    let Start { after, mut trust, mut count, mut log, tree } = start;
    let mut handles = Handles::new(git);
    if after.is_none() {
        handles.expect(git, usize::MAX);
    }
    let Some(chain) = walk(git, tip, after, tree, report)? else { return Ok(trust) };
    handles.expect(git, chain.len());
    let known = |seen: &str| after.is_some_and(|a| a.to_string() == seen);
    if let Some(seen) = options.pin.as_ref().and_then(|p| p.seen.as_deref())
        && after.is_none()
        && !chain.iter().any(|link| link.id.to_string() == seen)
        && !known(seen)
    {
        let message = format!("commit {seen} verified before and is no longer in the ledger");
        report.push(Finding::invalid(ReasonCode::AuditRewound, message));
    }
    let mut signed_by: BTreeMap<PublicKey, Vec<u64>> = BTreeMap::new();
    let seen = options.seen.as_ref();
    for batch in chain.chunks(BATCH) {
        let steps = handles.map(batch, |git, link| Step::read(git, *link))?;
        // What comes after a commit that is not all here cannot be judged: neither its numbers nor its trust are known.
        let border = steps.iter().find(|step| step.filtered).map(|step| step.link.id);
        let mut judged = Vec::with_capacity(steps.len());
        for mut step in steps.into_iter().take_while(|step| !step.filtered) {
            step.number_from(&mut count);
            trust = step.carry(git, trust)?;
            if report.root.is_none() {
                report.root = step.root(git)?;
            }
            judged.push(step);
        }
        let origin = match (&trust, report.root) {
            (Some(trust), Some(root)) => Checkpoint::origin_for(trust.tenant(), &root),
            _ => String::new(),
        };
        let records: Vec<_> =
            judged.iter().flat_map(|step| step.records.iter().map(move |(n, files)| (step, *n, files))).collect();
        handles.expect(git, records.len());
        let mut records =
            handles.map(&records, |git, (step, number, files)| step.verify_record(git, *number, files))?.into_iter();
        // To each commit its records.
        let judged: Vec<_> =
            judged.iter().map(|step| (step, records.by_ref().take(step.records.len()).collect::<Vec<_>>())).collect();
        let results = handles.map(&judged, |git, (step, records)| step.verify(git, &origin, records))?;
        for ((step, _), verified) in judged.iter().zip(results) {
            report.findings.extend(verified.findings);
            report.counts.add(&verified.counts);
            log.step(&verified.log, step.records.len(), &mut report.findings);
            if let Some(seen) = seen.filter(|s| s.size == log.size())
                && log.root().is_some_and(|root| root != seen.root)
            {
                let message = format!(
                    "this clone saw {} records with the root {}; the same number now has another root",
                    seen.size, seen.root
                );
                report.push(Finding::invalid(ReasonCode::CheckpointFork, message).at_commit(step.link.id));
            }
            for (number, key) in verified.signers {
                signed_by.entry(key).or_default().push(number);
            }
        }
        if let Some(border) = border {
            let message = "this clone was filtered, and has not all that was appended from here on: nothing of that was verified, and nothing \
                 was fetched. What is appended here rests on the signed log alone; a clone without `--filter` can verify";
            report.push(Finding::new(ReasonCode::RecordMissing, Severity::Missing, message).at_commit(border));
            return Ok(trust);
        }
    }
    if let Some(seen) = seen.filter(|s| s.size > count) {
        let message = format!("this clone saw {} records; there are {count}", seen.size);
        report.push(Finding::invalid(ReasonCode::AuditRewound, message));
    }
    report.checkpoint = log.root().map(|root| (log.size(), root));
    if let Some(trust) = &trust {
        revoked_before(trust, &signed_by, report);
    }
    Ok(trust)
}

/// What a key signed before it was revoked, from the record on that the revocation reaches back to.
fn revoked_before(trust: &Trust, signed_by: &BTreeMap<PublicKey, Vec<u64>>, report: &mut VerifyReport) {
    for revoked in &trust.facts().revoked {
        let numbers = signed_by.get(&revoked.key).map_or(&[][..], Vec::as_slice);
        for number in numbers.iter().filter(|n| **n >= revoked.since) {
            let message = format!(
                "the key {}, which is revoked from record {} on, signed it",
                revoked.key.id().short(),
                revoked.since
            );
            report.push(Finding::invalid(ReasonCode::KeyRevoked, message).at_record(*number));
        }
    }
}

/// Every commit after `after` (from the root, if none) to the tip; none if the way is broken, which is then a finding.
fn walk(
    git: &Git,
    tip: ObjectId,
    after: Option<ObjectId>,
    before: Option<(ObjectId, i64)>,
    report: &mut VerifyReport,
) -> Result<Option<Vec<Link>>, LedgerError> {
    let mut ids: Vec<(ObjectId, ObjectId, i64)> = Vec::new();
    let mut next = Some(tip);
    while let Some(id) = next.filter(|id| Some(*id) != after) {
        let broken = match git.commit_bytes(id) {
            Ok(bytes) => match Commit::parse(&bytes) {
                Ok(commit) => {
                    if commit.parents.len() > 1 {
                        let message = format!("the commit has {} parents", commit.parents.len());
                        report.push(Finding::invalid(ReasonCode::AuditNotLinear, message).at_commit(id));
                    }
                    ids.push((id, commit.tree, commit.seconds));
                    next = commit.parents.first().copied();
                    continue;
                }
                Err(shape) => Finding::invalid(shape.code(), shape.to_string()),
            },
            Err(GitError::Missing(_)) => {
                let message = "the history ends here before its root (a shallow clone, or a lost commit): no record was verified. What is \
                               appended here rests on the signed log alone; a whole clone can verify";
                Finding::new(ReasonCode::RecordMissing, Severity::Missing, message)
            }
            Err(error @ GitError::Damaged { .. }) => Finding::invalid(ReasonCode::RecordAltered, error.to_string()),
            Err(error) => return Err(error.into()),
        };
        report.push(broken.at_commit(id));
        return Ok(None);
    }
    if let Some(after) = after
        && next.is_none()
    {
        let message = format!("commit {after} was seen before and is no longer in the ledger");
        report.push(Finding::invalid(ReasonCode::AuditRewound, message));
        return Ok(None);
    }
    ids.reverse();
    let (mut before, mut parent) = (before, after);
    let links = ids.into_iter().map(|(id, tree, seconds)| {
        let last = before.replace((tree, seconds));
        let parent = parent.replace(id);
        Link { id, tree, parent, before: last.map(|l| l.0), seconds, before_seconds: last.map(|l| l.1) }
    });
    Ok(Some(links.collect()))
}
