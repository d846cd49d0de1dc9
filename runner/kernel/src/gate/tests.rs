//! Gates refuse whatever is not a clean pass about exactly this input.

use orgo_spec::document::Document;
use orgo_spec::record::{Accepts, Lane, Produces, RequestFacts, ValidatorFacts};
use proptest::prelude::*;

use super::*;

const RULES: Digest = Digest::EMPTY;

pub(crate) fn report(status: &str, errors: usize, subject: Digest) -> Vec<u8> {
    let issues = vec![r#"{"severity":"ERROR","code":"FUNCTIONAL_CONFLICT","message":"27 or 28"}"#; errors].join(",");
    let counts = if errors > 0 { format!(r#""FUNCTIONAL_CONFLICT":{errors}"#) } else { String::new() };
    format!(
        r#"{{"schema_version":"3.0","validation_status":"{status}","issues":[{issues}],
            "stats":{{"error_count":{errors},"warning_count":0,"info_count":0}},
            "extensions":{{"koa":{{"counts":{{{counts}}},"decisions_digest":"{RULES}","ruleset_digest":"{RULES}","subject_digest":"{subject}"}}}}}}"#
    )
    .into_bytes()
}

pub(crate) fn facts(_report: &[u8], subject: Digest) -> GateFacts {
    GateFacts {
        accepts: None,
        gate: "accept".into(),
        mandate: None,
        mandate_required: false,
        overriding: None,
        report: None,
        report_digest: None,
        request: None,
        schema_version: FACTS_VERSION.into(),
        stage: "canon".into(),
        subject: Some(subject),
        validator: ValidatorFacts { builtin: true, digest: Digest::EMPTY },
    }
}

/// Facts under a mandate that accepts the rules and the built-in validator.
pub(crate) fn governed(report: &[u8], subject: Digest) -> GateFacts {
    GateFacts {
        accepts: Some(Accepts { builtin: true, rulesets: vec![RULES], validators: vec![] }),
        mandate: Some(Digest::of(b"m")),
        request: Some(RequestFacts {
            lane: Lane::Protected,
            pipeline: "elements".into(),
            produces: Produces::Exchange,
        }),
        ..facts(report, subject)
    }
}

fn policies(mandate: Digest, text: &str) -> Policies {
    Policies::load(mandate, &[Document::new("mandates/m/gate.cedar", text)]).expect("valid policies")
}

fn permissive(mandate: Digest) -> Policies {
    policies(mandate, "@id(\"all\") permit(principal, action, resource);")
}

fn codes(facts: GateFacts, report: Option<&[u8]>) -> Vec<ReasonCode> {
    let policies = facts.mandate.map(permissive);
    let (verdict, pass) = decide(facts, report, policies.as_ref(), "run");
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
}

#[test]
fn a_report_that_contradicts_itself_is_no_report() {
    let ours = Digest::of(b"ours");
    let text = |status, errors| String::from_utf8(report(status, errors, ours)).expect("text");
    let (clean, failed) = (text("passed", 0), text("failed", 2));
    assert!(read_report(clean.as_bytes()).is_some() && read_report(failed.as_bytes()).is_some());
    let listed = r#""issues":[{"severity":"ERROR","code":"FUNCTIONAL_CONFLICT","message":"hidden"}]"#;
    for (what, other) in [
        ("an issue that is not counted", clean.replace(r#""issues":[]"#, listed)),
        ("issues that are counted and not listed", clean.replace(r#""error_count":0"#, r#""error_count":2"#)),
        ("fewer errors than are listed", failed.replace(r#""error_count":2"#, r#""error_count":0"#)),
        (
            "errors passed off as remarks",
            failed.replace(
                r#""error_count":2,"warning_count":0,"info_count":0"#,
                r#""error_count":0,"warning_count":0,"info_count":2"#,
            ),
        ),
        (
            "other counts by code",
            failed.replace(r#""FUNCTIONAL_CONFLICT":2"#, r#""FUNCTIONAL_CONFLICT":1,"DECISION_STALE":1"#),
        ),
        ("no counts", clean.replace(r#""counts":{},"#, "")),
        ("a negative count", clean.replace(r#""info_count":0"#, r#""info_count":-1"#)),
        ("an unknown severity", failed.replacen("ERROR", "FATAL", 1)),
        ("an unknown member", clean.replacen('{', r#"{"verdict":"passed","#, 1)),
        ("two verdicts", clean.replacen('{', r#"{"validation_status":"failed","#, 1)),
        ("another version", clean.replace("3.0", "3.1")),
        ("no subject", clean.replace("subject_digest", "subject")),
    ] {
        assert!(other != clean && other != failed, "{what}: the test changes nothing");
        assert_eq!(read_report(other.as_bytes()), None, "{what}");
    }
}

#[test]
fn a_mandate_is_kept_to() {
    use ReasonCode as C;
    let ours = Digest::of(b"ours");
    let good = report("passed", 0, ours);
    let with = |accepts: Accepts| GateFacts { accepts: Some(accepts), ..governed(&good, ours) };
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
        let (verdict, _) = decide(facts(&bytes, ours), Some(&bytes), None, "run");
        let again = replay(&verdict.record, &verdict.facts, Some(&bytes), None, None).expect("the evidence is there");
        assert!(again.confirmed && again.same_engine && !again.report_absent);
        let alone = replay(&verdict.record, &verdict.facts, None, None, None).expect("the facts are there");
        assert!(!alone.confirmed && alone.report_absent, "a report that is not at hand confirms nothing");
        assert_eq!(alone.decision, verdict.record.decision, "missing is not invalid");
    }
    let (verdict, _) = decide(facts(&[], ours), None, None, "run");
    let again = replay(&verdict.record, &verdict.facts, None, None, None).expect("there was no report");
    assert!(again.confirmed && !again.report_absent);
}

#[test]
fn facts_have_one_spelling_and_say_what_the_report_says() {
    let ours = Digest::of(b"ours");
    let bad = report("failed", 1, ours);
    let (verdict, _) = decide(facts(&bad, ours), Some(&bad), None, "run");
    let naming = |facts: &[u8]| {
        let mut record = GateRecord { decision: Decision::Pass, reason_codes: vec![], ..verdict.record.clone() };
        record.evidence_refs[0] = Digest::of(facts);
        record
    };
    let spaced = [b" ", verdict.facts.as_slice()].concat();
    assert!(matches!(replay(&naming(&spaced), &spaced, Some(&bad), None, None), Err(ReplayError::Facts { .. })));
    let text = String::from_utf8(verdict.facts.clone()).expect("text");
    let lying = text.replace(r#""status":"failed""#, r#""status":"passed""#).replace(r#""errors":1"#, r#""errors":0"#);
    assert_ne!(lying, text);
    let again = replay(&naming(lying.as_bytes()), lying.as_bytes(), Some(&bad), None, None).expect("well formed");
    assert_eq!((again.decision, again.confirmed), (Decision::Fail, false), "the report itself is read again");
}

const NO_WARNINGS: &str = r#"
@id("clean") permit(principal, action == Action::"compile", resource);
@id("no-warnings") forbid(principal, action == Action::"compile", resource) when { context.report.issues > 0 };
"#;

#[test]
fn policies_refuse_more_and_never_permit_what_the_floor_refuses() {
    let ours = Digest::of(b"ours");
    let mandate = Digest::of(b"m");
    let (good, bad) = (report("passed", 0, ours), report("failed", 2, ours));
    let (all, strict) = (permissive(mandate), policies(mandate, NO_WARNINGS));
    let none = policies(mandate, "@id(\"never\") permit(principal, action == Action::\"publish\", resource);");
    for (report, policies, expected, by) in [
        (&good, Some(&all), vec![], vec!["all"]),
        (&good, Some(&strict), vec![], vec!["clean"]),
        (&good, Some(&none), vec![ReasonCode::PolicyRefused], vec![]),
        (&good, None, vec![ReasonCode::PolicyError], vec![]),
        (&bad, Some(&all), vec![ReasonCode::ValidationFailed], vec!["all"]),
        (&bad, Some(&strict), vec![ReasonCode::PolicyRefused, ReasonCode::ValidationFailed], vec!["no-warnings"]),
    ] {
        let (verdict, pass) = decide(governed(report, ours), Some(report), policies, "run");
        assert_eq!(
            (&verdict.record.reason_codes, &verdict.record.policies),
            (&expected, &by.iter().map(ToString::to_string).collect())
        );
        assert_eq!(pass.is_some(), expected.is_empty());
        let again =
            replay(&verdict.record, &verdict.facts, Some(report), None, policies).expect("the evidence is there");
        assert_eq!(again.confirmed, policies.is_some(), "the record alone gives the same verdict");
        assert!(again.same_engine && again.decision == verdict.record.decision);
    }
}

#[test]
fn policies_of_another_mandate_decide_nothing() {
    let ours = Digest::of(b"ours");
    let good = report("passed", 0, ours);
    let other = permissive(Digest::of(b"another mandate"));
    let (verdict, pass) = decide(governed(&good, ours), Some(&good), Some(&other), "run");
    assert_eq!(verdict.record.reason_codes, [ReasonCode::PolicyError]);
    assert!(pass.is_none());
}

#[test]
fn a_gate_whose_policies_are_not_at_hand_is_not_confirmed_and_not_invalid() {
    let ours = Digest::of(b"ours");
    let mandate = Digest::of(b"m");
    let (good, bad) = (report("passed", 0, ours), report("failed", 2, ours));
    for (report, policies) in [(&good, permissive(mandate)), (&bad, policies(mandate, NO_WARNINGS))] {
        let (verdict, _) = decide(governed(report, ours), Some(report), Some(&policies), "run");
        let again = replay(&verdict.record, &verdict.facts, Some(report), None, None).expect("the facts are there");
        assert!(again.policies_absent && !again.confirmed);
        assert_eq!((again.decision, &again.reason_codes), (verdict.record.decision, &verdict.record.reason_codes));
    }
    // The floor is decided again all the same: a record cannot hide behind policies that are gone.
    let (verdict, _) = decide(governed(&bad, ours), Some(&bad), Some(&permissive(mandate)), "run");
    let forged = GateRecord { decision: Decision::Pass, reason_codes: vec![], ..verdict.record.clone() };
    let again = replay(&forged, &verdict.facts, Some(&bad), None, None).expect("the facts are there");
    assert_eq!((again.decision, again.confirmed), (Decision::Fail, false));
}

#[test]
fn a_governed_gate_cannot_be_passed_off_as_one_that_the_floor_alone_decided() {
    let ours = Digest::of(b"ours");
    let good = report("passed", 0, ours);
    let (verdict, _) = decide(governed(&good, ours), Some(&good), None, "run");
    assert_eq!(verdict.record.reason_codes, [ReasonCode::PolicyError]);
    let engine = Engine { name: ENGINE.into(), version: ENGINE_VERSION.into() };
    let forged = GateRecord { decision: Decision::Pass, reason_codes: vec![], engine, ..verdict.record };
    assert!(matches!(replay(&forged, &verdict.facts, Some(&good), None, None), Err(ReplayError::Other { .. })));
}

/// One thing that may happen to a gate.
#[derive(Debug, Clone)]
struct Trial {
    status: &'static str,
    errors: usize,
    about_ours: bool,
    altered: Option<(prop::sample::Index, u8)>,
    mandate: Option<(bool, bool)>,
    required: bool,
    present: bool,
}

prop_compose! {
    fn trial()(
        status in prop::sample::select(vec!["passed", "passed", "partial", "failed"]),
        errors in prop_oneof![3 => Just(0usize), 1 => 1..4usize],
        about_ours in prop::bool::weighted(0.8),
        altered in prop::option::weighted(0.2, (any::<prop::sample::Index>(), 0u8..8)),
        mandate in prop::option::of((any::<bool>(), any::<bool>())),
        required in any::<bool>(),
        present in prop::bool::weighted(0.9),
    ) -> Trial {
        Trial { status, errors, about_ours, altered, mandate, required, present }
    }
}

proptest! {
    /// In any history, a pass comes only from an unaltered, passed report about this input that the
    /// mandate accepts, and it opens this input in this run only.
    #[test]
    fn a_pass_never_comes_from_anything_else(history in prop::collection::vec(trial(), 1..12)) {
        let ours = Digest::of(b"ours");
        for (i, t) in history.iter().enumerate() {
            let run = format!("run {i}");
            let clean = report(t.status, t.errors, if t.about_ours { ours } else { Digest::of(b"other") });
            let mut bytes = clean.clone();
            if let Some((at, bit)) = &t.altered {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            let mut asked = facts(&bytes, ours);
            asked.mandate_required = t.required;
            if let Some((rules, builtin)) = t.mandate {
                asked.mandate = Some(Digest::of(b"m"));
                asked.request = governed(&bytes, ours).request;
                asked.accepts = Some(Accepts { builtin, rulesets: if rules { vec![RULES] } else { vec![] }, validators: vec![] });
            }
            let policies = asked.mandate.map(permissive);
            let (verdict, pass) = decide(asked, t.present.then_some(bytes.as_slice()), policies.as_ref(), &run);
            prop_assert_eq!(pass.is_some(), verdict.record.decision == Decision::Pass);
            let accepted = t.mandate.map_or(!t.required, |(rules, builtin)| rules && builtin);
            let may = t.present && t.status == "passed" && t.errors == 0 && t.about_ours && accepted;
            match (may, &t.altered) {
                (_, None) => prop_assert_eq!(pass.is_some(), may),
                // An alteration may hit white space; it never opens what was closed.
                (false, Some(_)) => prop_assert!(pass.is_none()),
                (true, Some(_)) => {}
            }
            if let Some(pass) = pass {
                prop_assert_eq!(verdict.record.evidence_refs[1], Digest::of(&bytes));
                prop_assert!(pass.admit(ours, &format!("run {}", i + 1)).is_none(), "a pass is for one run");
            }
        }
    }

    /// Evidence with any bit changed is not the evidence that the record names.
    #[test]
    fn altered_evidence_never_passes(at in any::<prop::sample::Index>(), bit in 0u8..8, in_report in any::<bool>()) {
        let ours = Digest::of(b"ours");
        let mut bytes = report("passed", 0, ours);
        let (verdict, _) = decide(facts(&bytes, ours), Some(&bytes), None, "run");
        let mut facts = verdict.facts.clone();
        let target = if in_report { &mut bytes } else { &mut facts };
        let at = at.index(target.len());
        target[at] ^= 1 << bit;
        prop_assert!(replay(&verdict.record, &facts, Some(&bytes), None, None).is_err());
        // Even a record that names the altered facts of a refusal does not make it a pass.
        let bad = report("failed", 1, ours);
        let (failing, _) = decide(super::tests::facts(&bad, ours), Some(&bad), None, "run");
        let mut altered = failing.facts.clone();
        let at = at % altered.len();
        altered[at] ^= 1 << bit;
        let mut forged = GateRecord { decision: Decision::Pass, reason_codes: vec![], ..failing.record };
        forged.evidence_refs[0] = Digest::of(&altered);
        if let Ok(again) = replay(&forged, &altered, Some(&bad), None, None) {
            prop_assert!(!again.confirmed && again.decision == Decision::Fail);
        }
    }
}
