//! Gates refuse whatever is not a clean pass about exactly this input.

use orgo_spec::record::{Accepts, ValidatorFacts};
use proptest::prelude::*;

use super::*;

const RULES: Digest = Digest::EMPTY;

pub(crate) fn report(status: &str, errors: u64, subject: Digest) -> Vec<u8> {
    format!(
        r#"{{"schema_version":"3.0","validation_status":"{status}","stats":{{"error_count":{errors}}},"issues":[],
            "extensions":{{"koa":{{"counts":{{}},"decisions_digest":"{RULES}","ruleset_digest":"{RULES}","subject_digest":"{subject}"}}}}}}"#
    )
    .into_bytes()
}

pub(crate) fn facts(_report: &[u8], subject: Digest) -> GateFacts {
    GateFacts {
        accepts: None,
        gate: "accept".into(),
        mandate: None,
        mandate_required: false,
        report: None,
        report_digest: None,
        schema_version: FACTS_VERSION.into(),
        stage: "canon".into(),
        subject: Some(subject),
        validator: ValidatorFacts { builtin: true, digest: Digest::EMPTY },
    }
}

fn codes(facts: GateFacts, report: Option<&[u8]>) -> Vec<ReasonCode> {
    let (verdict, pass) = decide(facts, report, "run");
    assert_eq!(pass.is_some(), verdict.record.decision == Decision::Pass);
    assert_eq!(pass.is_some(), verdict.record.reason_codes.is_empty());
    verdict.record.reason_codes
}

#[test]
fn only_a_clean_report_about_this_input_passes() {
    use ReasonCode as C;
    let (ours, other) = (Digest::of(b"ours"), Digest::of(b"other"));
    let good = report("passed", 0, ours);
    assert_eq!(codes(facts(&good, ours), Some(&good)), []);
    for (bytes, code) in [
        (report("failed", 0, ours), C::ValidationFailed),
        (report("partial", 0, ours), C::ValidationFailed),
        (report("passed", 1, ours), C::ValidationFailed),
        (report("passed", 0, other), C::SubjectMismatch),
        (report("fine", 0, ours), C::ReportUnreadable),
        (good[..good.len() - 1].to_vec(), C::ReportUnreadable),
    ] {
        assert_eq!(codes(facts(&bytes, ours), Some(&bytes)), [code]);
    }
    assert_eq!(codes(facts(&[], ours), None), [C::ReportMissing]);
    let mut blind = facts(&good, ours);
    blind.subject = None;
    assert_eq!(codes(blind, Some(&good)), [C::SubjectMismatch]);
    let listed =
        String::from_utf8(good).expect("text").replace("\"issues\":[]", "\"issues\":[{\"severity\":\"ERROR\"}]");
    assert_eq!(codes(facts(&[], ours), Some(listed.as_bytes())), [C::ValidationFailed]);
}

#[test]
fn a_mandate_is_kept_to() {
    use ReasonCode as C;
    let ours = Digest::of(b"ours");
    let good = report("passed", 0, ours);
    let with =
        |accepts: Accepts| GateFacts { mandate: Some(Digest::of(b"m")), accepts: Some(accepts), ..facts(&good, ours) };
    let accepts = Accepts { builtin: true, rulesets: vec![RULES], validators: vec![] };
    assert_eq!(codes(with(accepts.clone()), Some(&good)), []);
    assert_eq!(codes(with(Accepts { builtin: false, ..accepts.clone() }), Some(&good)), [C::ValidatorNotAccepted]);
    assert_eq!(codes(with(Accepts { rulesets: vec![], ..accepts.clone() }), Some(&good)), [C::RulesetNotAccepted]);
    let missing = GateFacts { mandate_required: true, ..facts(&good, ours) };
    assert_eq!(codes(missing, Some(&good)), [C::MandateMissing]);
    let torn = GateFacts { accepts: None, ..with(accepts) };
    assert_eq!(codes(torn, Some(&good)), [C::PolicyError]);
}

#[test]
fn a_pass_admits_its_input_in_its_run_only() {
    let ours = Digest::of(b"ours");
    assert!(Pass::for_test(ours, "run").admit(ours, "run").is_some());
    assert!(Pass::for_test(ours, "run").admit(Digest::of(b"other"), "run").is_none());
    assert!(Pass::for_test(ours, "run").admit(ours, "another run").is_none());
}

#[test]
fn a_recorded_gate_decides_the_same_again() {
    let ours = Digest::of(b"ours");
    for bytes in [report("passed", 0, ours), report("failed", 3, ours), b"not a report".to_vec()] {
        let (verdict, _) = decide(facts(&bytes, ours), Some(&bytes), "run");
        let again = replay(&verdict.record, &verdict.facts, Some(&bytes)).expect("the evidence is there");
        assert!(again.confirmed && again.same_engine);
    }
}

proptest! {
    #[test]
    fn altered_evidence_never_passes(at in any::<prop::sample::Index>(), bit in 0u8..8, in_report in any::<bool>()) {
        let ours = Digest::of(b"ours");
        let mut bytes = report("passed", 0, ours);
        let (verdict, _) = decide(facts(&bytes, ours), Some(&bytes), "run");
        let mut facts = verdict.facts.clone();
        let target = if in_report { &mut bytes } else { &mut facts };
        let at = at.index(target.len());
        target[at] ^= 1 << bit;
        prop_assert!(replay(&verdict.record, &facts, Some(&bytes)).is_err());
        // Even a record that names the altered evidence does not make a refusal into a pass.
        let (failing, _) = decide(super::tests::facts(&[], ours), Some(&report("failed", 1, ours)), "run");
        let forged = GateRecord { decision: Decision::Pass, reason_codes: vec![], ..failing.record };
        let again = replay(&forged, &failing.facts, Some(&report("failed", 1, ours))).expect("named correctly");
        prop_assert!(!again.confirmed && again.decision == Decision::Fail);
    }
}
