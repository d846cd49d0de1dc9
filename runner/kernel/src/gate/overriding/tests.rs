//! An override lifts a prohibition that its mandate names, once, for one input; whatever is wrong with it lifts nothing.

use orgo_spec::Digest;
use orgo_spec::document::Document;
use orgo_spec::overriding::{OverrideDocument, SCHEMA};
use orgo_spec::record::{Decision, GateRecord};
use orgo_spec::signature::Namespace;

use super::super::tests::{governed, report};
use super::super::{Verdict, decide, replay};
use super::*;
use crate::people::{name, public, signature, trusted};
use crate::policy::Policies;

const POLICIES: &str = r#"
    @id("all") permit(principal, action, resource);
    @id("freeze") forbid(principal, action, resource) when { context.lane == "protected" };
    @id("never") forbid(principal, action == Action::"compile", resource) when { context.report.codes.contains("X") };
"#;

fn document() -> OverrideDocument {
    OverrideDocument {
        expires_at: "2026-01-01T08:00:00Z".to_owned(),
        nonce: "0123456789abcdef0123456789abcdef".to_owned(),
        reason: "the fix cannot wait".to_owned(),
        requested_at: "2026-01-01T00:00:00Z".to_owned(),
        schema: SCHEMA.to_owned(),
        scope: OverrideScope {
            gate: name("accept"),
            mandate: Digest::of(b"m"),
            pipeline: name("elements"),
            policies: vec![name("freeze")],
            subject: Digest::of(b"ours"),
            tenant_id: name("acme"),
        },
    }
}

fn signed(document: OverrideDocument, seeds: &[u8]) -> SignedOverride {
    let data = document.to_bytes();
    let one = |seed| Approval { key: public(seed), signature: signature(seed, Namespace::Override, &data) };
    let mut signatures: Vec<Approval> = seeds.iter().copied().map(one).collect();
    signatures.sort_unstable_by_key(|s| s.key);
    SignedOverride { document, signatures }
}

fn overriding() -> OverrideFacts {
    let mut approvers = vec![trusted(1, "alice"), trusted(2, "bob"), trusted(3, "bob"), trusted(9, "runner")];
    approvers.sort_unstable_by_key(|k| k.key);
    OverrideFacts {
        allowed: vec![Overridable { expires_s: 8 * 3600, policy: name("freeze"), signers: 2 }],
        approvers,
        at: "2026-01-01T04:00:00Z".to_owned(),
        signed: signed(document(), &[1, 2]),
        runner: Some(public(9)),
        spent: false,
        tenant_id: name("acme"),
    }
}

fn policies() -> Policies {
    let document = Document::new("mandates/m/gate.cedar", POLICIES);
    Policies::load(Digest::of(b"m"), &[document]).unwrap_or_else(|e| panic!("{e:?}"))
}

fn decided(over: Option<OverrideFacts>) -> (Verdict, bool) {
    let good = report("passed", 0, Digest::of(b"ours"));
    let facts = GateFacts { overriding: over, ..governed(&good, Digest::of(b"ours")) };
    let (verdict, pass) = decide(facts, Some(&good), Some(&policies()), "run");
    (verdict, pass.is_some())
}

fn again(record: &GateRecord, verdict: &Verdict, policies: Option<&Policies>) -> crate::gate::ReplayedVerdict {
    let good = report("passed", 0, Digest::of(b"ours"));
    replay(record, &verdict.facts, Some(&good), None, policies).expect("the evidence is there")
}

#[test]
fn enough_people_lift_a_prohibition_and_the_record_says_so() {
    let (refused, passes) = decided(None);
    assert!(!passes);
    assert_eq!(refused.record.reason_codes, [ReasonCode::PolicyRefused]);
    let (verdict, passes) = decided(Some(overriding()));
    let record = &verdict.record;
    assert!(passes);
    assert_eq!(
        (record.lifted.as_slice(), record.policies.as_slice()),
        (["freeze".into()].as_slice(), ["all".into()].as_slice())
    );
    assert_eq!(record.override_ref, Some(document().id()));
    assert!(again(record, &verdict, Some(&policies())).confirmed);
    let without = again(record, &verdict, None);
    assert!(without.decision == Decision::Pass && without.same_override && !without.confirmed);
}

#[test]
fn an_override_that_is_wrong_lifts_nothing_and_says_why() {
    type Change = fn(&mut OverrideFacts);
    let resign = |change: fn(&mut OverrideDocument)| {
        let mut document = document();
        change(&mut document);
        OverrideFacts { signed: signed(document, &[1, 2]), ..overriding() }
    };
    let changed = |change: Change| {
        let mut over = overriding();
        change(&mut over);
        over
    };
    use ReasonCode as C;
    for (over, code) in [
        (changed(|o| o.spent = true), C::OverrideSpent),
        (changed(|o| o.allowed.clear()), C::OverrideNotAllowed),
        (changed(|o| o.allowed[0].expires_s = 3600), C::OverrideStale),
        (changed(|o| "2026-01-01T08:00:01Z".clone_into(&mut o.at)), C::OverrideStale),
        (changed(|o| "2025-12-31T23:59:59Z".clone_into(&mut o.at)), C::OverrideStale),
        (changed(|o| o.allowed[0].signers = 3), C::ApprovalInsufficient),
        (changed(|o| o.signed = signed(document(), &[1])), C::ApprovalInsufficient),
        (changed(|o| o.signed = signed(document(), &[2, 3])), C::ApprovalRepeated),
        (changed(|o| o.signed = signed(document(), &[1, 4])), C::KeyUnknown),
        (changed(|o| o.signed = signed(document(), &[1, 9])), C::ApprovalByRunner),
        (changed(|o| o.approvers.iter_mut().for_each(|a| a.kinds = vec![name("approval")])), C::KeyScopeMismatch),
        (
            changed(|o| o.approvers.iter_mut().for_each(|a| a.not_after = Some("2025-01-01T00:00:00Z".into()))),
            C::KeyExpired,
        ),
        (changed(|o| o.signed.document.scope.subject = Digest::of(b"theirs")), C::SigInvalid),
        (changed(|o| o.tenant_id = name("other")), C::TenantMismatch),
        (resign(|d| d.scope.subject = Digest::of(b"theirs")), C::SubjectMismatch),
        (resign(|d| d.scope.mandate = Digest::of(b"older")), C::SubjectMismatch),
        (resign(|d| d.scope.gate = name("other")), C::SubjectMismatch),
        (resign(|d| d.scope.pipeline = name("other")), C::SubjectMismatch),
        (resign(|d| d.scope.policies.push(name("never"))), C::OverrideNotAllowed),
        (resign(|d| d.scope.policies = vec![name("all")]), C::OverrideNotAllowed),
    ] {
        let (verdict, passes) = decided(Some(over));
        let record = &verdict.record;
        assert!(!passes, "{code}");
        assert!(
            record.reason_codes.contains(&code) && record.reason_codes.contains(&C::PolicyRefused),
            "{code}: {:?}",
            record.reason_codes
        );
        assert!(record.lifted.is_empty() && record.override_ref.is_none());
        assert!(again(record, &verdict, Some(&policies())).confirmed);
        let without = again(record, &verdict, None);
        assert_eq!(
            (without.decision, &without.reason_codes),
            (Decision::Fail, &record.reason_codes),
            "missing is not invalid"
        );
        let forged = GateRecord {
            decision: Decision::Pass,
            lifted: vec!["freeze".into()],
            override_ref: Some(document().id()),
            reason_codes: vec![],
            ..record.clone()
        };
        for policies in [Some(&policies()), None] {
            let again = again(&forged, &verdict, policies);
            assert_eq!((again.decision, again.confirmed), (Decision::Fail, false), "{code}");
        }
    }
}

#[test]
fn what_the_floor_refuses_nobody_lifts() {
    let bad = report("failed", 2, Digest::of(b"ours"));
    let facts = GateFacts { overriding: Some(overriding()), ..governed(&bad, Digest::of(b"ours")) };
    let (verdict, pass) = decide(facts, Some(&bad), Some(&policies()), "run");
    assert!(pass.is_none() && verdict.record.lifted.is_empty());
    assert!(verdict.record.reason_codes.contains(&ReasonCode::ValidationFailed));
}

#[test]
fn an_override_grants_nothing_that_no_policy_permits() {
    let document = Document::new("m.cedar", POLICIES.replace("@id(\"all\") permit(principal, action, resource);", ""));
    let policies = Policies::load(Digest::of(b"m"), &[document]).expect("valid");
    let good = report("passed", 0, Digest::of(b"ours"));
    let facts = GateFacts { overriding: Some(overriding()), ..governed(&good, Digest::of(b"ours")) };
    let (verdict, pass) = decide(facts, Some(&good), Some(&policies), "run");
    assert!(pass.is_none() && verdict.record.lifted.is_empty());
    assert_eq!(verdict.record.reason_codes, [ReasonCode::PolicyRefused]);
}
