//! What plain Cedar forgives refuses here, and what is wrong with policies is said with its place.

use orgo_spec::document::{Document, DocumentError};

use super::schema::ACTIONS;
use super::*;
use crate::gate::tests::{governed, report};

fn facts(status: &str, errors: usize) -> GateFacts {
    let subject = Digest::of(b"batch");
    let bytes = report(status, errors, subject);
    GateFacts { report: crate::gate::read_report(&bytes), ..governed(&bytes, subject) }
}

fn load(text: &str) -> Result<Policies, Vec<DocumentError>> {
    Policies::load(Digest::of(b"m"), &[Document::new("mandates/m/gate.cedar", text)])
}

/// What Cedar itself says, without the wrapper.
fn plain(policies: &Policies, facts: &GateFacts) -> Decision {
    let request = request::compile(facts).expect("of the schema");
    Authorizer::new().is_authorized(&request, &policies.set, &Entities::empty()).decision()
}

/// Overflows for every count of errors but 0, and passes validation: types say nothing about sizes.
const OVERFLOW: &str = "context.report.errors * 9223372036854775807 * 9223372036854775807 > 1";

#[test]
fn trap_one_a_forbid_that_errors_is_skipped_by_cedar_and_refuses_here() {
    let text = format!(
        "@id(\"all\") permit(principal, action == Action::\"compile\", resource);
         @id(\"broken\") forbid(principal, action == Action::\"compile\", resource) when {{ {OVERFLOW} }};"
    );
    let policies = load(&text).expect("validation cannot see it");
    let facts = facts("failed", 2);
    assert_eq!(plain(&policies, &facts), Decision::Allow, "the trap: Cedar skips the forbid and allows");
    let answer = policies.ask(&facts);
    assert_eq!((answer.codes, answer.by), (vec![ReasonCode::PolicyError], vec!["broken".to_owned()]));
    assert!(answer.errors[0].contains("broken"), "{:?}", answer.errors);
}

#[test]
fn trap_two_a_permit_that_errors_beside_another_is_skipped_by_cedar_and_refuses_here() {
    let text = format!(
        "@id(\"all\") permit(principal, action == Action::\"compile\", resource);
         @id(\"broken\") permit(principal, action == Action::\"compile\", resource) when {{ {OVERFLOW} }};"
    );
    let policies = load(&text).expect("validation cannot see it");
    let facts = facts("failed", 2);
    assert_eq!(plain(&policies, &facts), Decision::Allow, "the trap: Cedar skips it and allows by the other");
    assert_eq!(policies.ask(&facts).codes, [ReasonCode::PolicyError]);
}

#[test]
fn an_unknown_attribute_is_refused_at_load_and_would_refuse_at_evaluation() {
    let text = "@id(\"all\") permit(principal, action == Action::\"compile\", resource);
                @id(\"typo\") forbid(principal, action == Action::\"compile\", resource) when { context.reprot.errors > 0 };";
    let errors = load(text).map(|_| ()).expect_err("no such attribute");
    let problem = errors[0].problems().next().expect("one");
    assert_eq!(problem.code(), ReasonCode::MandateInvalid);
    let span = problem.span();
    let at = span.offset as usize;
    assert!(text[at..at + span.len as usize].contains("reprot"), "the place is shown: {span:?}");
    let unchecked = Policies::unchecked(Digest::of(b"m"), text);
    let facts = facts("passed", 0);
    assert_eq!(plain(&unchecked, &facts), Decision::Allow, "Cedar skips it");
    assert_eq!(unchecked.ask(&facts).codes, [ReasonCode::PolicyError]);
}

#[test]
fn an_empty_set_and_missing_facts_refuse() {
    let facts = facts("passed", 0);
    let empty = Policies::load(Digest::of(b"m"), &[]).expect("nothing is wrong with nothing");
    assert_eq!(empty.ask(&facts).codes, [ReasonCode::PolicyError]);
    let all = load("@id(\"all\") permit(principal, action, resource);").expect("valid");
    assert!(all.ask(&facts).permits());
    for broken in [
        GateFacts { request: None, ..facts.clone() },
        GateFacts { report: None, ..facts.clone() },
        GateFacts { subject: None, ..facts.clone() },
    ] {
        assert_eq!(all.ask(&broken).codes, [ReasonCode::PolicyError]);
    }
}

#[test]
fn the_deciding_policies_are_named() {
    let text = r#"
        @id("clean") permit(principal == Pipeline::"elements", action == Action::"compile", resource)
        when { context.report.status == "passed" };
        @id("protected") permit(principal, action == Action::"compile", resource) when { context.lane == "protected" };
        @id("no-conflicts") forbid(principal, action == Action::"compile", resource)
        when { context.report.codes.contains("FUNCTIONAL_CONFLICT") };
    "#;
    let policies = load(text).expect("valid");
    let answer = policies.ask(&facts("passed", 0));
    assert_eq!((answer.permits(), answer.by), (true, vec!["clean".to_owned(), "protected".to_owned()]));
    let answer = policies.ask(&facts("failed", 1));
    assert_eq!((answer.codes, answer.by), (vec![ReasonCode::PolicyRefused], vec!["no-conflicts".to_owned()]));
    let nobody = load("@id(\"p\") permit(principal == Pipeline::\"other\", action, resource);").expect("valid");
    let answer = nobody.ask(&facts("passed", 0));
    assert_eq!((answer.codes, answer.by), (vec![ReasonCode::PolicyRefused], vec![]), "nobody permits it");
}

#[test]
fn what_is_wrong_with_policies_is_said_all_at_once() {
    let refused = |text: &str| load(text).map(|_| ()).expect_err("wrong")[0].problems().count();
    for (what, text, problems) in [
        ("no id", "permit(principal, action, resource);", 1),
        ("an id that is no name", "@id(\"No Name\") permit(principal, action, resource);", 1),
        (
            "the same id twice",
            "@id(\"a\") permit(principal, action, resource); @id(\"a\") forbid(principal, action, resource);",
            1,
        ),
        ("a template", "@id(\"a\") permit(principal == ?principal, action, resource);", 1),
        ("no Cedar", "permit(principal, action resource);", 1),
        ("an unknown action", "@id(\"a\") permit(principal, action == Action::\"fly\", resource);", 1),
        (
            "a wrong type",
            "@id(\"a\") permit(principal, action == Action::\"compile\", resource) when { context.lane > 3 };",
            1,
        ),
        (
            "what only one action has",
            "@id(\"a\") permit(principal, action, resource) when { context.report.errors == 0 };",
            1,
        ),
        (
            "what can never apply",
            "@id(\"a\") forbid(principal, action == Action::\"compile\", resource) when { false };",
            1,
        ),
    ] {
        assert!(refused(text) >= problems, "{what}");
    }
}

/// Whoever writes evidence into a ledger writes policies, too: reading and asking them must end, on the small stack
/// of a worker, whatever they nest.
#[test]
fn policies_that_nest_without_end_are_refused() {
    let forms = [
        ("(", "true", ")"),
        ("!", "true", ""),
        ("if true then ", "true", " else false"),
        ("[", "1", "] == [2]"),
        ("{a: ", "true", "} == {a: 1}"),
        ("-", "1", " > 0"),
        ("context.report.errors + ", "1 > 0", ""),
        ("context.validator.builtin && ", "true", ""),
        ("context.validator.builtin || ", "true", ""),
        ("context.report.", "errors == 0", ""),
    ];
    for (open, middle, close) in forms {
        for n in [20, 60, 120, 250, 20_000] {
            let condition = format!("{}{middle}{}", open.repeat(n), close.repeat(n));
            let text = format!(
                "@id(\"a\") permit(principal, action == Action::\"compile\", resource) when {{ {condition} }};"
            );
            let work = move || load(&text).map(|policies| policies.ask(&facts("passed", 0))).is_ok();
            let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(work).expect("a thread");
            let loaded = worker.join().expect("no panic");
            assert!(!loaded || n < 20_000, "{open}");
        }
    }
}

#[test]
fn the_schema_is_one_and_knows_every_action() {
    let text = schema_text();
    assert_eq!(include_str!("../../../../schemas/mandate.cedarschema"), text, "run `orgo dev generate`");
    let (_, warnings) = cedar_policy::Schema::from_cedarschema_str(&text).expect("a schema");
    assert_eq!(warnings.count(), 0);
    for (name, _, _) in ACTIONS {
        let policy = format!("@id(\"a\") permit(principal, action == Action::\"{name}\", resource);");
        load(&policy).expect("an action that policies may name");
    }
}

#[test]
fn an_older_mandate_never_comes_back_and_a_newer_one_waits_for_approval() {
    let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
    assert_eq!(may_govern((one, 1), Some((one, 1)), true), Ok(()));
    assert_eq!(may_govern((one, 1), Some((two, 2)), false), Err(ReasonCode::MandateRollback));
    assert_eq!(may_govern((one, 2), Some((two, 2)), false), Err(ReasonCode::MandateRollback), "other content");
    assert_eq!(may_govern((two, 3), Some((one, 2)), false), Err(ReasonCode::MandateUnapproved));
    assert_eq!(may_govern((one, 1), None, true), Err(ReasonCode::MandateMissing));
    assert_eq!(may_govern((one, 1), None, false), Ok(()));
}

#[test]
fn a_change_says_which_way_it_goes() {
    let old = load("@id(\"a\") permit(principal, action, resource); @id(\"b\") forbid(principal, action, resource);")
        .expect("valid");
    let new = load("@id(\"a\") permit(principal, action == Action::\"compile\", resource); @id(\"c\") permit(principal, action, resource);").expect("valid");
    let before = br#"{"isolation_minimum":"open","record":"always","trust":{"approvals":2},"validation":{"validators":["builtin"]},"version":1}"#;
    let after = br#"{"isolation_minimum":"confined","overrides":[{"expires_s":60,"policy":"b","signers":2}],"record":"changed","validation":{"validators":["builtin",{"tool":{"name":"x"}}]},"version":2}"#;
    let changes = compare((before, old.list()), (after, new.list()));
    let told: Vec<_> = changes.iter().map(|c| (c.what.as_str(), c.strength)).collect();
    assert_eq!(
        told,
        [
            ("isolation_minimum", Strength::Stronger),
            ("overrides {\"expires_s\":60,\"policy\":\"b\",\"signers\":2}", Strength::Weaker),
            ("record", Strength::Weaker),
            ("trust.approvals", Strength::Weaker),
            ("validation.validators {\"tool\":{\"name\":\"x\"}}", Strength::Weaker),
            ("policy a", Strength::Unclear),
            ("policy b", Strength::Weaker),
            ("policy c", Strength::Weaker),
        ]
    );
}
