//! The chain of commits: walked once from the tip, then judged in order from the root.
//!
//! Three passes over each batch: differences are computed in parallel; the trust in force and the numbering
//! are carried along in order, since the trust at a commit's *parent* judges the commit; then signatures,
//! records and evidence are verified in parallel.

use std::sync::Arc;

use orgo_spec::ReasonCode;
use rayon::prelude::*;

use super::anchor::Pin;
use super::report::{Finding, Severity, VerifyReport};
use super::step::{Link, Step};
use crate::git::{Commit, Git, GitError, ObjectId};
use crate::ledger::{LedgerError, Trust};

/// Commits per batch: bounds memory at any length of the ledger.
const BATCH: usize = 8192;
/// Commits per task: each task opens the repository once.
const TASK: usize = 128;

pub(super) fn verify(
    git: &Git,
    tip: ObjectId,
    pin: Option<&Pin>,
    report: &mut VerifyReport,
) -> Result<(), LedgerError> {
    let Some(chain) = walk(git, tip, report)? else { return Ok(()) };
    if let Some(seen) = pin.and_then(|p| p.seen.as_deref())
        && !chain.iter().any(|link| link.id.to_string() == seen)
    {
        let message = format!("commit {seen} verified before and is no longer in the ledger");
        report.push(Finding::invalid(ReasonCode::AuditRewound, message));
    }
    let mut trust: Option<Arc<Trust>> = None;
    let mut count = 0;
    for batch in chain.chunks(BATCH) {
        let steps = in_parallel(git, batch, |git, link| Step::read(git, *link))?;
        let mut judged = Vec::with_capacity(steps.len());
        for mut step in steps {
            step.number_from(&mut count);
            trust = step.carry(git, trust)?;
            if report.root.is_none() {
                report.root = step.root(git)?;
            }
            judged.push(step);
        }
        let results = in_parallel(git, &judged, |git, step| step.verify(git))?;
        for (findings, counts) in results {
            report.findings.extend(findings);
            report.counts.add(&counts);
        }
    }
    if let Some(trust) = trust {
        report.tenant = Some(trust.tenant().clone());
        report.development = trust.is_development();
    }
    Ok(())
}

/// Applies `work` to every item, in order, with a repository handle per task.
fn in_parallel<T: Sync, R: Send>(
    git: &Git,
    items: &[T],
    work: impl Fn(&Git, &T) -> Result<R, LedgerError> + Sync,
) -> Result<Vec<R>, LedgerError> {
    let path = git.path();
    let parts: Vec<Vec<R>> = items
        .par_chunks(TASK)
        .map(|part| {
            let git = Git::open(path)?;
            part.iter().map(|item| work(&git, item)).collect()
        })
        .collect::<Result<_, LedgerError>>()?;
    Ok(parts.into_iter().flatten().collect())
}

/// Every commit from the root to the tip; none if the way is broken, which is then a finding.
fn walk(git: &Git, tip: ObjectId, report: &mut VerifyReport) -> Result<Option<Vec<Link>>, LedgerError> {
    let mut ids: Vec<(ObjectId, ObjectId)> = Vec::new();
    let mut next = Some(tip);
    while let Some(id) = next {
        let broken = match git.commit_bytes(id) {
            Ok(bytes) => match Commit::parse(&bytes) {
                Ok(commit) => {
                    if commit.parents.len() > 1 {
                        let message = format!("the commit has {} parents", commit.parents.len());
                        report.push(Finding::invalid(ReasonCode::AuditNotLinear, message).at_commit(id));
                    }
                    ids.push((id, commit.tree));
                    next = commit.parents.first().copied();
                    continue;
                }
                Err(shape) => Finding::invalid(shape.code(), shape.to_string()),
            },
            Err(GitError::Missing(_)) => {
                let message = "the history ends here before its root: a shallow clone, or a lost commit";
                Finding::new(ReasonCode::RecordMissing, Severity::Missing, message)
            }
            Err(error @ GitError::Damaged { .. }) => Finding::invalid(ReasonCode::RecordAltered, error.to_string()),
            Err(error) => return Err(error.into()),
        };
        report.push(broken.at_commit(id));
        return Ok(None);
    }
    ids.reverse();
    let mut before = None;
    let links = ids.into_iter().map(|(id, tree)| Link { id, tree, before: before.replace(tree) });
    Ok(Some(links.collect()))
}
