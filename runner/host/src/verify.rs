//! Full verification of a ledger from nothing but a clone, bare or not.
//!
//! Every commit: one parent, one root, signed by a git key of the trust in force at its parent, and it only
//! adds (design 7). Every record: numbered without a gap, its envelope verified before it is parsed, its shape,
//! its tenant, its evidence, its gates decided again, no outputs after a failure. What the readers' helps show
//! (`latest/`, `trust/allowed_signers`, commit trailers) is what the records say.
//!
//! INVARIANT: nothing here changes the repository, *missing* is never *invalid*, and the findings come in the
//! same order whatever the number of threads. Without an anchor from outside the clone the best verdict is
//! [`Verdict::NotAnchored`]: a forger's ledger is consistent too.

mod anchor;
mod approval;
mod audit;
mod chain;
mod epoch;
mod judgement;
mod log;
mod marks;
mod overriding;
mod parallel;
mod proof;
mod record;
mod report;
mod step;

use std::path::Path;

use orgo_spec::{Digest, Name, ReasonCode};

pub use anchor::{Pin, PinError, Pins};
pub use audit::{Leaves, LogAudit, audit};
pub use epoch::SealedBase;
pub use proof::{ProofRefused, Proved, RecordProof, Shown, prove};
pub(crate) use record::judge;
pub use report::{Anchor, Counts, Covered, Finding, Severity, Verdict, VerifyReport};

use crate::git::ObjectId;
use crate::ledger::{Ledger, LedgerError, Seen};
use chain::Start;

/// What a verification is asked for.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// The root that the caller names: the id of record 0.
    pub root: Option<Digest>,
    /// What this user pinned for this repository and branch.
    pub pin: Option<Pin>,
    /// Whether a ledger without an anchor is refused.
    pub ci: bool,
    /// How far this clone saw the ledger before, whoever looked.
    pub seen: Option<Seen>,
    /// Only what came after this commit; what it says of its own state is taken from it.
    pub after: Option<ObjectId>,
    /// Whose ledger it must be.
    pub tenant: Option<Name>,
}

/// What the clone begins with instead of the root, if its history begins with the sealing of an epoch.
///
/// # Errors
/// [`LedgerError`] for a fault of the environment.
pub fn begins_with(ledger: &Ledger) -> Result<Option<ObjectId>, LedgerError> {
    let git = ledger.git();
    let Some(tip) = git.tip(ledger.reference())? else { return Ok(None) };
    Ok(epoch::base(git, tip)?.map(|(commit, _)| commit))
}

/// Verifies the ledger on `reference` of the repository at `path`.
///
/// # Errors
/// [`LedgerError`] if there is no such repository or branch, or for a fault of the environment. What is wrong
/// with the ledger is in the report.
pub fn verify(path: &Path, reference: &str, options: &VerifyOptions) -> Result<VerifyReport, LedgerError> {
    let ledger = Ledger::open(path, reference)?;
    let git = ledger.git();
    let tip = git.tip(reference)?.ok_or_else(|| ledger.gone(options.seen.as_ref()))?;
    let mut report = VerifyReport::new(reference, tip);
    let found = epoch::base(git, tip)?;
    if let Some((commit, epoch)) = &found {
        report.sealed = Some(SealedBase { records: epoch.end, commit: commit.to_string(), archive: epoch.archive });
        report.covered.sealed = epoch.end;
        report.covered.logged = ledger.head_at(*commit).map_or(0, |head| head.count.saturating_sub(epoch.end));
    }
    let base = match found.filter(|_| options.after.is_none()) {
        None => None,
        Some((commit, epoch)) => match epoch::establish(&ledger, commit, &epoch)? {
            Ok(head) => Some(head),
            Err(finding) => {
                report.push(finding);
                report.finish();
                return Ok(report);
            }
        },
    };
    let after = options.after.or(base.as_ref().map(|head| head.commit));
    let start = match after {
        None => Start::root(),
        Some(commit) => {
            report.root = Some(ledger.head_at(commit)?.root);
            Start::after(&ledger, commit)?
        }
    };
    report.from = start.count();
    report.covered.left_out = report.from.saturating_sub(report.covered.by_log());
    let known =
        options.after.map(|commit| ledger.head_at(commit)).transpose()?.map(|h| h.trust.facts().revoked.clone());
    let trust = chain::verify(git, tip, start, options, &mut report)?;
    if let (Some(trust), Some(base)) = (&trust, &base) {
        let reaches = |r: &&orgo_spec::record::Revoked| r.since < base.count && !base.trust.has_revoked(&r.key.id());
        if let Some(revoked) = trust.facts().revoked.iter().find(reaches) {
            let message = format!(
                "a key was revoked from record {} on, and what it signed before record {} is sealed: a clone that has it \
                 can tell",
                revoked.since, base.count
            );
            report.push(Finding::new(ReasonCode::RecordMissing, Severity::Missing, message));
        }
    }
    if let (Some(trust), Some(known)) = (&trust, known)
        && trust.facts().revoked != known
    {
        // A revocation reaches back: everything is looked at again.
        return verify(path, reference, &VerifyOptions { after: None, ..options.clone() });
    }
    if let Some(trust) = &trust {
        report.tenant = Some(trust.tenant().clone());
        report.development = trust.is_development();
    }
    report.covered.verified = report.counts.all_records();
    open_runs(&ledger, tip, &mut report)?;
    if let (Some(wanted), Some(found)) = (&options.tenant, &report.tenant)
        && wanted != found
    {
        let message = format!("the ledger is of the tenant `{found}`, not of `{wanted}`");
        report.push(Finding::new(ReasonCode::TenantMismatch, Severity::Invalid, message));
    }
    anchor(&mut report, options);
    report.finish();
    Ok(report)
}

/// Tells of runs that began and did not end: those that nobody need wait for any more are abandoned.
fn open_runs(ledger: &Ledger, tip: ObjectId, report: &mut VerifyReport) -> Result<(), LedgerError> {
    // A ledger that does not verify was told about already.
    let Ok(head) = ledger.head_at(tip) else { return Ok(()) };
    let now = crate::clock::moment(head.seconds.max(crate::clock::Clock::system().now_ms() / 1000));
    let Ok(runs) = ledger.open_runs(&head) else { return Ok(()) };
    for started in runs {
        let (facts, run) = (&started.predicate.facts, &started.predicate.run);
        report.counts.open_runs += 1;
        if run.expires_at < now {
            let message = format!(
                "the run {} of `{}` on {} began at {} and never ended: ABANDONED",
                run.build_id, facts.pipeline.name, run.host, run.created_at
            );
            report.push(Finding::new(ReasonCode::RunAbandoned, Severity::Notice, message));
        }
    }
    Ok(())
}

/// Compares the ledger's root with what came from outside.
fn anchor(report: &mut VerifyReport, options: &VerifyOptions) {
    let Some(root) = report.root else { return };
    let named = options.root.map(|r| (r, "the root that was named"));
    let pinned = options.pin.as_ref().map(|p| (p.root, "the root that is pinned"));
    for (expected, what) in [named, pinned].into_iter().flatten() {
        if expected != root {
            let message = format!("the ledger's root is {root}; {what} is {expected}");
            report.push(Finding::new(ReasonCode::RootNotTrusted, Severity::Invalid, message).at_record(0));
        }
    }
    report.anchor = match (named, pinned) {
        (Some((r, _)), _) if r == root => Anchor::Named,
        (_, Some((r, _))) if r == root => Anchor::Pinned,
        (_, _) => Anchor::None,
    };
    if options.ci && named.is_none() && pinned.is_none() {
        let message = format!("no root is named or pinned; the ledger's root is {root}");
        report.push(Finding::new(ReasonCode::RootNotTrusted, Severity::Refused, message).at_record(0));
    }
}
