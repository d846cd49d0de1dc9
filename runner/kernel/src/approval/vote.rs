//! One document after the other: whether it counts, and why not.

use std::collections::{BTreeMap, BTreeSet};

use orgo_spec::ReasonCode;
use orgo_spec::approval::{ApprovalAction, ApprovalSubject, SignedApproval, seconds_between};
use orgo_spec::record::{ApprovalFacts, TrustedKey};
use orgo_spec::signature::PublicKey;

/// The kind of records that an approver's key must cover.
const KIND: &str = "approval";

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// Who signed it, if that verifies.
    pub key: Option<PublicKey>,
    /// Whose key it is: the name in the trust, or the beginning of the key's id.
    pub who: String,
    /// When it expires.
    pub expires_at: Option<String>,
    /// Why it does not count.
    pub refused: Option<ReasonCode>,
}

/// Looks at every approval among the documents, in the order in which they were given.
pub(super) fn count(facts: &ApprovalFacts, now: &str) -> Vec<Vote> {
    let last = last_words(facts.documents.iter());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut votes = Vec::new();
    for signed in &facts.documents {
        let signer = signed.signer();
        let key = signer.as_ref().ok().copied();
        if key.is_some() && signed.document.action == ApprovalAction::Withdraw {
            continue;
        }
        let listed = key.and_then(|key| facts.approvers.iter().find(|t| t.key == key));
        let who = match (listed.and_then(|t| t.name.as_ref()), key) {
            (Some(name), _) => name.to_string(),
            (None, Some(key)) => key.id().short(),
            (None, None) => "nobody".to_owned(),
        };
        let mut refused = match &signer {
            Err((code, _)) => Some(*code),
            Ok(key) => objection(facts, signed, key, listed, last.get(key), now),
        };
        if refused.is_none() && !seen.insert(who.clone()) {
            refused = Some(ReasonCode::ApprovalRepeated);
        }
        votes.push(Vote { key, who, expires_at: signed.document.expires_at.clone(), refused });
    }
    votes
}

/// Why a document that its key really signed does not count.
fn objection(
    facts: &ApprovalFacts,
    signed: &SignedApproval,
    key: &PublicKey,
    listed: Option<&TrustedKey>,
    last: Option<&(String, ApprovalAction)>,
    now: &str,
) -> Option<ReasonCode> {
    let document = &signed.document;
    if document.subject != facts.subject {
        return Some(ReasonCode::SubjectMismatch);
    }
    if facts.runner == Some(*key) {
        return Some(ReasonCode::ApprovalByRunner);
    }
    let Some(listed) = listed else { return Some(ReasonCode::KeyUnknown) };
    if !listed.covers(KIND) {
        return Some(ReasonCode::KeyScopeMismatch);
    }
    if !listed.is_valid_at(now) {
        return Some(ReasonCode::KeyExpired);
    }
    if last.is_some_and(|(_, action)| *action == ApprovalAction::Withdraw) {
        return Some(ReasonCode::ApprovalWithdrawn);
    }
    let expires = document.expires_at.as_deref().unwrap_or(&document.requested_at);
    let lasts = seconds_between(&document.requested_at, expires).and_then(|s| u64::try_from(s).ok());
    // Texts of this one form sort as the moments do.
    let in_force = document.requested_at.as_str() <= now && now <= expires;
    (!in_force || lasts.is_none_or(|s| s > facts.expires_s)).then_some(ReasonCode::ApprovalStale)
}

/// The newest document of each key: when it was written, and what it says. Of two of one second, a withdrawal wins.
fn last_words<'d>(
    documents: impl Iterator<Item = &'d SignedApproval>,
) -> BTreeMap<PublicKey, (String, ApprovalAction)> {
    let mut last: BTreeMap<PublicKey, (String, ApprovalAction)> = BTreeMap::new();
    for signed in documents {
        let Ok(key) = signed.signer() else { continue };
        let words = (signed.document.requested_at.clone(), signed.document.action);
        let newest = last.entry(key).or_insert_with(|| words.clone());
        if *newest < words {
            *newest = words;
        }
    }
    last
}

/// The newest document of each key, each once, in the order of keys: what facts hold of all that is there.
///
/// A document about something else, and one whose signature does not verify, is left out: it decides nothing, and
/// whoever read it says so.
#[must_use]
pub fn newest(documents: &[SignedApproval], subject: &ApprovalSubject) -> Vec<SignedApproval> {
    let about = || documents.iter().filter(|d| d.document.subject == *subject);
    let last = last_words(about());
    let mut kept: BTreeMap<PublicKey, SignedApproval> = BTreeMap::new();
    for signed in about() {
        let Ok(key) = signed.signer() else { continue };
        let is_last = last
            .get(&key)
            .is_some_and(|(at, action)| *at == signed.document.requested_at && *action == signed.document.action);
        if is_last {
            kept.entry(key).or_insert_with(|| signed.clone());
        }
    }
    kept.into_values().collect()
}
