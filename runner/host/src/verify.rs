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
mod chain;
mod judgement;
mod record;
mod report;
mod step;

use std::path::Path;

use orgo_spec::{Digest, ReasonCode};

pub use anchor::{Pin, PinError, Pins};
pub(crate) use record::judge;
pub use report::{Anchor, Counts, Finding, Severity, Verdict, VerifyReport};

use crate::git::Git;
use crate::ledger::LedgerError;

/// What a verification is asked for.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// The root that the caller names: the id of record 0.
    pub root: Option<Digest>,
    /// What this user pinned for this repository and branch.
    pub pin: Option<Pin>,
    /// Whether a ledger without an anchor is refused.
    pub ci: bool,
}

/// Verifies the ledger on `reference` of the repository at `path`.
///
/// # Errors
/// [`LedgerError`] if there is no such repository or branch, or for a fault of the environment. What is wrong
/// with the ledger is in the report.
pub fn verify(path: &Path, reference: &str, options: &VerifyOptions) -> Result<VerifyReport, LedgerError> {
    let git = Git::open(path)?;
    let tip = git.tip(reference)?.ok_or_else(|| LedgerError::Empty(reference.to_owned()))?;
    let mut report = VerifyReport::new(reference, tip);
    chain::verify(&git, tip, options.pin.as_ref(), &mut report)?;
    anchor(&mut report, options);
    report.finish();
    Ok(report)
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
