//! Approvals: whether enough people agree that a stage runs on exactly these inputs.
//!
//! [`decide`] is a function of facts and a moment: what people signed, whom the trust lists, how many must agree.
//! It verifies every signature itself, so what it says can be said again from the ledger alone ([`replay`]). Whoever
//! may not approve, signed something else, came too late or changed their mind does not count, each for a reason.
//!
//! INVARIANT: a stage that needs an approval is looked up or started only after a [`Grant`] for its key in this run was
//! consumed; a grant comes only from [`decide`], and can be neither cloned nor stored.

mod vote;

pub use vote::{Vote, newest};

use std::collections::BTreeSet;

use orgo_spec::canonical::{self, Profile};
use orgo_spec::document::closest;
use orgo_spec::record::{ApprovalDecision, ApprovalEntry, ApprovalFacts, Engine, TrustedKey};
use orgo_spec::signature::PublicKey;
use orgo_spec::{Digest, ReasonCode};

use crate::gate::MAX_FACTS_BYTES;
use crate::plan::ResolvedApproval;

/// The rules that decide, as they stand in records.
pub const ENGINE: &str = "orgo-approval";
/// The version of these rules: it changes when a decision could.
pub const ENGINE_VERSION: &str = "1";

/// Enough people approve one stage with one key, in one run.
#[derive(Debug)]
pub struct Grant {
    key: Digest,
    run: String,
}

impl Grant {
    /// Whether it is about this key, in this run. It is consumed either way.
    #[must_use]
    pub fn admits(self, key: Digest, run: &str) -> bool {
        self.key == key && self.run == run
    }

    #[cfg(test)]
    pub(crate) fn for_test(key: Digest, run: &str) -> Self {
        Self { key, run: run.to_owned() }
    }
}

/// A decision, the facts that it rests on, and what became of each document.
#[derive(Debug, Clone)]
pub struct Decided {
    /// What goes into the build record.
    pub entry: ApprovalEntry,
    /// Evidence: canonical JSON.
    pub facts: Vec<u8>,
    /// What became of each document.
    pub votes: Vec<Vote>,
}

/// Decides at the moment `now` (RFC 3339, UTC, whole seconds); a grant comes with a decision to go on.
///
/// # Panics
/// Never: facts have no numbers beyond 2^53.
#[must_use]
pub fn decide(facts: &ApprovalFacts, now: &str, run: &str) -> (Decided, Option<Grant>) {
    let bytes = canonical::bytes_of(facts).expect("facts have no numbers beyond 2^53");
    let votes = vote::count(facts, now);
    let (approvers, mut reason_codes) = assess(facts, &votes);
    if bytes.len() > MAX_FACTS_BYTES {
        reason_codes = vec![ReasonCode::InputTooLarge];
    }
    let granted = reason_codes.is_empty();
    let entry = ApprovalEntry {
        approval: facts.subject.approval.to_string(),
        approvers,
        decision: if granted { ApprovalDecision::Granted } else { ApprovalDecision::Waiting },
        engine: Engine { name: ENGINE.to_owned(), version: ENGINE_VERSION.to_owned() },
        evidence_refs: vec![Digest::of(&bytes)],
        need: facts.need,
        reason_codes,
        stage: facts.subject.stage.clone(),
    };
    let grant = granted.then(|| Grant { key: facts.subject.key, run: run.to_owned() });
    (Decided { entry, facts: bytes, votes }, grant)
}

/// Who counts, sorted by key, and why that does not suffice; nothing, if it does.
fn assess(facts: &ApprovalFacts, votes: &[Vote]) -> (Vec<PublicKey>, Vec<ReasonCode>) {
    let mut approvers: Vec<PublicKey> = votes.iter().filter(|v| v.refused.is_none()).filter_map(|v| v.key).collect();
    approvers.sort_unstable();
    let mut codes = BTreeSet::new();
    if facts.schema_version != ApprovalFacts::SCHEMA_VERSION {
        codes.insert(ReasonCode::SchemaInvalid);
    }
    if approvers.len() < facts.need.max(1) as usize {
        codes.insert(ReasonCode::ApprovalInsufficient);
        codes.extend(votes.iter().filter_map(|v| v.refused));
    }
    let mut codes: Vec<ReasonCode> = codes.into_iter().collect();
    codes.sort_unstable_by_key(|c| c.as_str());
    (approvers, codes)
}

/// The decision of a record, reached again from its evidence. Starts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayedApproval {
    /// The facts.
    pub facts: ApprovalFacts,
    /// The decision now.
    pub decision: ApprovalDecision,
    /// Whether the record was made by the same rules.
    pub same_engine: bool,
    /// Whether the decision, who counted and the reasons are those of the record.
    pub confirmed: bool,
}

/// Decides a recorded approval again, at the moment at which it was decided.
///
/// # Errors
/// Why the evidence is not what the record names, or cannot be read.
pub fn replay(entry: &ApprovalEntry, facts: &[u8], decided_at: &str) -> Result<ReplayedApproval, String> {
    let other = || format!("the evidence of the approval of `{}` belongs to something else", entry.stage);
    if entry.evidence_refs != [Digest::of(facts)] {
        return Err(other());
    }
    let profile = Profile { max_bytes: MAX_FACTS_BYTES, ..Profile::RECORD };
    let unreadable = |why: String| format!("the facts of the approval of `{}` cannot be read: {why}", entry.stage);
    let read: ApprovalFacts = canonical::from_slice(facts, profile).map_err(|e| unreadable(e.to_string()))?;
    if canonical::bytes_of(&read).map_err(|e| unreadable(e.to_string()))? != facts {
        return Err(unreadable("they are not in canonical form".to_owned()));
    }
    let subject = &read.subject;
    if subject.approval.as_str() != entry.approval || subject.stage != entry.stage || read.need != entry.need {
        return Err(other());
    }
    let (again, _) = decide(&read, decided_at, "");
    let again = again.entry;
    Ok(ReplayedApproval {
        decision: again.decision,
        same_engine: again.engine == entry.engine,
        confirmed: again.decision == entry.decision
            && again.approvers == entry.approvers
            && again.reason_codes == entry.reason_codes,
        facts: read,
    })
}

/// The keys of the trust that may give an approval, sorted, and what a name means that nobody there has.
#[must_use]
pub fn approvers(declared: &ResolvedApproval, trusted: &[TrustedKey]) -> (Vec<TrustedKey>, Vec<String>) {
    let is_named = |name: &str, key: &TrustedKey| {
        let hex = key.key.id().to_string();
        key.name.as_ref().is_some_and(|n| n.as_str() == name) || name.len() >= 8 && hex.starts_with(name)
    };
    let mut may: Vec<TrustedKey> = trusted
        .iter()
        .filter(|key| declared.by.is_empty() || declared.by.iter().any(|name| is_named(name, key)))
        .cloned()
        .collect();
    may.sort_unstable_by_key(|k| k.key);
    let names = || trusted.iter().filter_map(|k| k.name.as_ref()).map(|n| n.as_str());
    let unknown = declared.by.iter().filter(|name| !trusted.iter().any(|key| is_named(name, key)));
    let unknown = unknown.map(|name| match closest(name, names()) {
        Some(near) => format!("the trust lists no approver called `{name}`; did you mean `{near}`?"),
        None => format!("the trust lists no approver called `{name}`"),
    });
    (may, unknown.collect())
}

#[cfg(test)]
mod tests;
