//! Who counts, who does not and for which reason; and that a decision can be reached again.

use orgo_spec::approval::{ApprovalAction, ApprovalDocument, ApprovalSubject, SCHEMA, SignedApproval, moment_plus};
use orgo_spec::signature::Namespace;

use super::*;
use crate::people::{name, public, signature, trusted};

const NOW: &str = "2026-01-02T00:00:00Z";
const DAY: u64 = 86_400;

fn subject() -> ApprovalSubject {
    ApprovalSubject {
        approval: name("release"),
        key: Digest::of(b"key"),
        pipeline: name("p"),
        stage: "deploy".to_owned(),
        tenant_id: name("acme"),
    }
}

fn document(at: &str, lasts: u64) -> ApprovalDocument {
    ApprovalDocument {
        action: ApprovalAction::Approve,
        comment: None,
        expires_at: moment_plus(at, lasts),
        requested_at: at.to_owned(),
        schema: SCHEMA.to_owned(),
        source: None,
        subject: subject(),
    }
}

fn signed(seed: u8, document: ApprovalDocument) -> SignedApproval {
    let signature = signature(seed, Namespace::Approval, &document.to_bytes());
    SignedApproval { document, signature }
}

fn approves(seed: u8) -> SignedApproval {
    signed(seed, document("2026-01-01T12:00:00Z", DAY))
}

fn withdraws(seed: u8, at: &str) -> SignedApproval {
    let document = ApprovalDocument { action: ApprovalAction::Withdraw, expires_at: None, ..document(at, DAY) };
    signed(seed, document)
}

fn facts(documents: Vec<SignedApproval>) -> ApprovalFacts {
    let mut approvers = vec![trusted(1, "alice"), trusted(2, "bob"), trusted(3, "carol")];
    approvers.sort_unstable_by_key(|k| k.key);
    ApprovalFacts {
        approvers,
        documents,
        expires_s: 3 * DAY,
        need: 2,
        runner: Some(public(9)),
        schema_version: ApprovalFacts::SCHEMA_VERSION.to_owned(),
        subject: subject(),
    }
}

/// Decides on these documents; says why each does not count, in their order.
fn told(facts: &ApprovalFacts) -> (bool, Vec<Option<ReasonCode>>) {
    let (decided, grant) = decide(facts, NOW, "run");
    assert_eq!(grant.is_some(), decided.entry.decision == ApprovalDecision::Granted);
    (grant.is_some(), decided.votes.iter().map(|v| v.refused).collect())
}

#[test]
fn as_many_people_as_must_approve() {
    assert_eq!(told(&facts(vec![])), (false, vec![]));
    assert_eq!(told(&facts(vec![approves(1)])), (false, vec![None]));
    assert_eq!(told(&facts(vec![approves(1), approves(2)])), (true, vec![None, None]));
}

#[test]
fn what_does_not_count_has_its_reason() {
    let second = |document: SignedApproval| {
        let (granted, votes) = told(&facts(vec![approves(1), document]));
        assert!(!granted);
        votes[1]
    };
    let about = |change: fn(&mut ApprovalSubject)| {
        let mut other = document("2026-01-01T12:00:00Z", DAY);
        change(&mut other.subject);
        signed(2, other)
    };
    assert_eq!(second(about(|s| s.key = Digest::of(b"other inputs"))), Some(ReasonCode::SubjectMismatch));
    assert_eq!(second(about(|s| s.stage = "other".to_owned())), Some(ReasonCode::SubjectMismatch));
    assert_eq!(second(approves(7)), Some(ReasonCode::KeyUnknown));
    assert_eq!(second(approves(9)), Some(ReasonCode::ApprovalByRunner));
    assert_eq!(second(approves(1)), Some(ReasonCode::ApprovalRepeated));
    assert_eq!(second(signed(2, document("2025-12-31T00:00:00Z", DAY))), Some(ReasonCode::ApprovalStale));
    assert_eq!(second(signed(2, document("2026-01-02T00:00:01Z", DAY))), Some(ReasonCode::ApprovalStale));
    assert_eq!(second(signed(2, document("2026-01-01T00:00:00Z", 4 * DAY))), Some(ReasonCode::ApprovalStale));
    let mut tampered = approves(2);
    tampered.document.expires_at = moment_plus(NOW, DAY);
    assert_eq!(second(tampered), Some(ReasonCode::SigInvalid));
}

#[test]
fn an_approval_counts_up_to_its_last_moment() {
    let ends = |lasts| signed(2, document("2026-01-01T12:00:00Z", lasts));
    assert!(told(&facts(vec![approves(1), ends(DAY / 2)])).0);
    assert!(!told(&facts(vec![approves(1), ends(DAY / 2 - 1)])).0);
}

#[test]
fn a_withdrawal_wins_until_the_same_key_approves_anew() {
    let first = [approves(1), approves(2)];
    let with = |more: &[SignedApproval]| told(&facts([first.as_slice(), more].concat()));
    let back = withdraws(2, "2026-01-01T13:00:00Z");
    assert_eq!(with(std::slice::from_ref(&back)), (false, vec![None, Some(ReasonCode::ApprovalWithdrawn)]));
    // In the same second, in the past, and in the future: nobody wins a race against a withdrawal.
    assert!(!with(&[withdraws(2, "2026-01-01T12:00:00Z")]).0);
    assert!(!with(&[withdraws(2, "2027-01-01T00:00:00Z")]).0);
    assert!(with(&[withdraws(2, "2026-01-01T11:59:59Z")]).0, "it was approved after that");
    assert!(with(&[withdraws(3, "2026-01-01T13:00:00Z")]).0, "who never approved takes nothing back");
    let anew = signed(2, document("2026-01-01T14:00:00Z", DAY));
    let kept = newest(&[first.as_slice(), &[back, anew.clone()]].concat(), &subject());
    assert_eq!(kept.len(), 2);
    assert!(kept.contains(&anew) && told(&facts(kept)).0);
}

#[test]
fn two_keys_of_one_person_count_once() {
    let mut facts = facts(vec![approves(1), approves(4)]);
    facts.approvers.push(trusted(4, "alice"));
    assert_eq!(told(&facts), (false, vec![None, Some(ReasonCode::ApprovalRepeated)]));
}

#[test]
fn a_key_counts_within_the_scope_and_the_window_of_the_trust() {
    let limited = |change: fn(&mut TrustedKey)| {
        let mut facts = facts(vec![approves(1), approves(2)]);
        change(facts.approvers.iter_mut().find(|k| k.key == public(2)).expect("listed"));
        told(&facts).1[1]
    };
    assert_eq!(limited(|k| k.kinds = vec![name("mandate")]), Some(ReasonCode::KeyScopeMismatch));
    assert_eq!(limited(|k| k.kinds = vec![name("approval")]), None);
    assert_eq!(limited(|k| k.not_after = Some("2026-01-01T23:59:59Z".to_owned())), Some(ReasonCode::KeyExpired));
    assert_eq!(limited(|k| k.not_before = Some("2026-01-02T00:00:01Z".to_owned())), Some(ReasonCode::KeyExpired));
}

#[test]
fn names_and_beginnings_of_key_ids_name_keys_of_the_trust() {
    let keys = [trusted(1, "alice"), trusted(2, "bob"), trusted(3, "carol")];
    let declared = |by: &[&str]| ResolvedApproval {
        name: "release".to_owned(),
        need: 1,
        by: by.iter().map(|b| (*b).to_owned()).collect(),
        expires_s: DAY,
    };
    assert_eq!(approvers(&declared(&[]), &keys).0.len(), 3);
    let id = public(2).id().to_string();
    let (found, unknown) = approvers(&declared(&["alice", &id[..8], "carola", &id[..7]]), &keys);
    assert_eq!((found.len(), unknown.len()), (2, 2), "{unknown:?}");
    assert!(unknown[0].contains("did you mean `carol`?"), "{unknown:?}");
}

#[test]
fn a_decision_is_reached_again_from_its_evidence_alone() {
    let facts = facts(vec![approves(1), approves(2)]);
    let decided = decide(&facts, NOW, "run").0;
    let again = replay(&decided.entry, &decided.facts, NOW).expect("sound");
    assert!(again.confirmed && again.same_engine);
    // Later, they had expired; and other facts are not these facts.
    assert!(!replay(&decided.entry, &decided.facts, "2026-02-01T00:00:00Z").expect("sound").confirmed);
    let fewer = ApprovalFacts { need: 1, ..facts };
    let other = canonical::bytes_of(&fewer).expect("small numbers");
    assert!(replay(&decided.entry, &other, NOW).is_err());
    let mut forged = decided.entry.clone();
    forged.evidence_refs = vec![Digest::of(&other)];
    assert!(replay(&forged, &other, NOW).is_err(), "the record says another number than the facts");
    forged = decided.entry;
    forged.approvers = vec![public(3)];
    assert!(!replay(&forged, &decided.facts, NOW).expect("readable").confirmed);
}

#[test]
fn a_grant_admits_one_key_in_one_run() {
    let grant = || decide(&facts(vec![approves(1), approves(2)]), NOW, "run").1.expect("granted");
    assert!(grant().admits(subject().key, "run"));
    assert!(!grant().admits(Digest::of(b"other inputs"), "run"));
    assert!(!grant().admits(subject().key, "another run"));
}
