//! Overrides at a gate: whether what people signed lifts the policies that refuse.
//!
//! Only where policies refuse and nothing else does is an override looked at. The policies are then asked again without
//! those that it lifts, so a `permit` must hold all the same: an override takes a prohibition away and grants nothing.

use std::collections::BTreeSet;

use orgo_spec::mandate::Overridable;
use orgo_spec::overriding::{OverrideScope, SignedOverride};
use orgo_spec::record::{Approval, GateFacts, Lane, OverrideFacts, OverrideRecord, Predicate, TrustedKey};
use orgo_spec::signature::PublicKey;
use orgo_spec::{Name, ReasonCode};

/// What became of one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Whose key it is.
    pub key: PublicKey,
    /// The name in the trust, or the beginning of the key's id.
    pub who: String,
    /// Why it does not count.
    pub refused: Option<ReasonCode>,
}

/// Every reason why the override of `facts` does not count at their gate, sorted; none if it does.
pub(super) fn objections(facts: &GateFacts, over: &OverrideFacts) -> Vec<ReasonCode> {
    let scope = &over.signed.document.scope;
    let mut codes = BTreeSet::new();
    codes.extend(over.signed.verify().err().map(|(code, _)| code));
    let request = facts.request.as_ref();
    let is_about_this = scope.gate.as_str() == facts.gate
        && Some(scope.mandate) == facts.mandate
        && Some(scope.subject) == facts.subject
        && request.is_some_and(|r| r.pipeline == scope.pipeline.as_str());
    if !is_about_this {
        codes.insert(ReasonCode::SubjectMismatch);
    }
    if scope.tenant_id != over.tenant_id {
        codes.insert(ReasonCode::TenantMismatch);
    }
    if request.is_none_or(|r| r.lane != Lane::Protected) {
        codes.insert(ReasonCode::OverrideNotAllowed);
    }
    if over.spent {
        codes.insert(ReasonCode::OverrideSpent);
    }
    match terms(scope, &over.allowed) {
        None => drop(codes.insert(ReasonCode::OverrideNotAllowed)),
        Some((signers, longest_s)) => {
            let document = &over.signed.document;
            // Texts of this one form sort as the moments do.
            let in_force = document.requested_at <= over.at && over.at <= document.expires_at;
            if !in_force || document.lasts_s().is_none_or(|s| s > longest_s) {
                codes.insert(ReasonCode::OverrideStale);
            }
            let signed = count(&over.signed, &over.approvers, over.runner, &over.at);
            if signed.iter().filter(|s| s.refused.is_none()).count() < signers as usize {
                codes.insert(ReasonCode::ApprovalInsufficient);
                codes.extend(signed.iter().filter_map(|s| s.refused));
            }
        }
    }
    codes.into_iter().collect()
}

/// How many people must sign for all policies of a scope, and how long they may ask for, in seconds; none if one of the
/// policies may not be lifted.
#[must_use]
pub fn terms(scope: &OverrideScope, allowed: &[Overridable]) -> Option<(u32, u64)> {
    let of = |policy: &Name| allowed.iter().find(|o| o.policy == *policy);
    let found: Vec<&Overridable> = scope.policies.iter().filter_map(of).collect();
    let signers = found.iter().map(|o| o.signers).max()?.max(2);
    let longest_s = found.iter().map(|o| o.expires_s).min()?;
    (found.len() == scope.policies.len()).then_some((signers, longest_s))
}

/// Looks at every signature, in order: a person counts once, the runner never.
#[must_use]
pub fn count(signed: &SignedOverride, approvers: &[TrustedKey], runner: Option<PublicKey>, at: &str) -> Vec<Signer> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let one = |signature: &Approval| {
        let key = signature.key;
        let listed = approvers.iter().find(|a| a.key == key);
        let who = listed.and_then(|l| l.name.as_ref()).map_or_else(|| key.id().short(), ToString::to_string);
        let refused = match listed {
            _ if runner == Some(key) => Some(ReasonCode::ApprovalByRunner),
            None => Some(ReasonCode::KeyUnknown),
            Some(listed) if !listed.covers(OverrideRecord::KIND) => Some(ReasonCode::KeyScopeMismatch),
            Some(listed) if !listed.is_valid_at(at) => Some(ReasonCode::KeyExpired),
            Some(_) => (!seen.insert(who.clone())).then_some(ReasonCode::ApprovalRepeated),
        };
        Signer { key, who, refused }
    };
    signed.signatures.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
