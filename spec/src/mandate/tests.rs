//! A mandate says what it accepts, and what is wrong with it is said all at once.

use super::*;

const GOOD: &str = r#"
mandate "reference-data" version=3 tenant="acme" {
    mission "publish reference data"
    objective "every value with its origin"
    constraint "no silent winner"
    validation {
        ruleset "rules/b.kdl" sha256="sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        ruleset "rules/a.kdl" sha256="sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        validator "builtin"
        validator "other" sha256="sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    }
    isolation-minimum "confined"
    record "always"
}
"#;

fn read(text: &str) -> Result<Mandate, Vec<(ReasonCode, String)>> {
    Mandate::parse(&Document::new("mandates/m/mandate.kdl", text))
        .map_err(|e| e.problems().map(|p| (p.code(), p.message().to_owned())).collect())
}

fn digest(digit: &str) -> Digest {
    Digest::from_hex(&digit.repeat(64)).expect("64 digits")
}

#[test]
fn a_mandate_says_what_gates_accept() {
    let mandate = read(GOOD).expect("well formed");
    assert_eq!((mandate.version, mandate.isolation_minimum), (3, Isolation::Confined));
    assert_eq!(mandate.record, RecordMode::Always);
    let accepts = Accepts { builtin: true, rulesets: vec![digest("a"), digest("b")], validators: vec![digest("c")] };
    assert_eq!(mandate.accepts(), accepts);
    let empty = read(r#"mandate "m" version=1 tenant="acme" { mission "none"; }"#).expect("well formed");
    assert_eq!(empty.accepts(), Accepts { builtin: false, rulesets: vec![], validators: vec![] }, "nothing");
}

#[test]
fn the_same_words_are_the_same_mandate() {
    let id = |text: &str| read(text).expect("well formed").id();
    assert_eq!(id(GOOD), id(&GOOD.replace("    mission", "// a comment\n  mission")));
    for (from, to) in [
        ("version=3", "version=4"),
        ("acme", "other"),
        ("origin", "source"),
        ("no silent", "a silent"),
        ("sha256:aaaa", "sha256:0aaa"),
        ("validator \"builtin\"", ""),
        ("confined", "open"),
        ("\"always\"", "\"changed\""),
    ] {
        assert!(GOOD.contains(from));
        assert_ne!(id(GOOD), id(&GOOD.replace(from, to)), "{from}");
    }
}

#[test]
fn what_is_wrong_with_a_mandate_is_said_all_at_once() {
    let text = GOOD
        .replace("version=3 ", "")
        .replace("mission", "misson")
        .replace(
            "validator \"other\" sha256=\"sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\"",
            "validator \"latest\"",
        )
        .replace("rules/a.kdl", "../rules/a.kdl");
    let problems = read(&text).map(|m| m.id()).expect_err("five problems");
    let codes: Vec<_> = problems.iter().map(|(code, _)| *code).collect();
    use ReasonCode::{DocumentInvalid, FieldUnknown, MandateInvalid};
    assert_eq!(codes.iter().filter(|c| **c == DocumentInvalid).count(), 3, "{problems:?}");
    assert_eq!(codes.iter().filter(|c| **c == FieldUnknown).count(), 1, "{problems:?}");
    assert_eq!(codes.iter().filter(|c| **c == MandateInvalid).count(), 1, "{problems:?}");
    assert!(read("").is_err() && read("mandat \"m\"").is_err());
}

#[test]
fn a_list_that_would_not_fit_into_facts_is_refused() {
    let rules = |n: usize| (0..n).map(|i| format!("ruleset \"r\" sha256=\"sha256:{i:064x}\"\n")).collect::<String>();
    let text =
        |n| format!("mandate \"m\" version=1 tenant=\"acme\" {{ mission \"m\"\n validation {{\n{}}}\n}}", rules(n));
    assert!(read(&text(MAX_LISTED)).is_ok());
    let refused = read(&text(MAX_LISTED + 1)).map(|m| m.id()).expect_err("one too many");
    assert_eq!(refused[0].0, ReasonCode::MandateInvalid);
    let twice = text(1).replace(
        "ruleset",
        "ruleset \"s\" sha256=\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"\nruleset",
    );
    assert_eq!(read(&twice).map(|m| m.id()).expect_err("listed twice")[0].0, ReasonCode::FieldDuplicate);
}

const TABLE: &str = r#"
case "a clean report" {
    pipeline "elements"; lane "local"; produces "pack"
    report status="passed" errors=0 { count "RANGE_VIOLATION" 2; }
    expect "permit" { by "b"; by "a"; }
}
case "a failed one" { report status="failed" errors=1; validator builtin=#false; expect "refuse" code="POLICY_REFUSED"; }
"#;

fn files(list: &[(&str, &str)]) -> std::collections::BTreeMap<String, Vec<u8>> {
    list.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

fn bundle(list: &[(&str, &str)]) -> Result<Bundle, Vec<ReasonCode>> {
    let name = Name::new("reference-data").expect("a name");
    Bundle::read(&name, &files(list)).map_err(|errors| errors.iter().map(DocumentError::code).collect())
}

#[test]
fn the_id_follows_from_settings_and_policies_and_from_nothing_else() {
    let base = [("mandate.kdl", GOOD), ("a.cedar", "a"), ("b.cedar", "b")];
    let id = |list: &[(&str, &str)]| bundle(list).expect("sound").id();
    let first = id(&base);
    let same: Vec<_> =
        base.into_iter().chain([("tests/t.kdl", TABLE), ("approvals/x.sig", "?"), ("NOTES", "?")]).collect();
    assert_eq!(id(&same), first, "tests, approvals and notes decide nothing");
    for other in [
        [("mandate.kdl", GOOD), ("a.cedar", "a "), ("b.cedar", "b")],
        [("mandate.kdl", GOOD), ("a.cedar", "b"), ("b.cedar", "a")],
        [("mandate.kdl", GOOD), ("a.cedar", "a"), ("c.cedar", "b")],
    ] {
        assert_ne!(id(&other), first);
    }
    assert_ne!(id(&base[..2]), first);
    let read = bundle(&base).expect("sound");
    let manifest = read.manifest();
    assert_eq!(Digest::of(&manifest), first, "the id is the digest of the manifest");
    let terms = Terms::of(&manifest).expect("our own manifest");
    assert_eq!((terms.version, terms.policies.len(), terms.trust.approvals), (3, 2, 1));
    assert_eq!(terms.accepts(), read.mandate().accepts());
    assert_eq!(read.evidence()[1..], [b"a".to_vec(), b"b".to_vec()]);
}

#[test]
fn a_bundle_that_is_not_sound_is_refused() {
    use ReasonCode as C;
    assert_eq!(bundle(&[("gate.cedar", "")]).map(|b| b.id()), Err(vec![C::MandateInvalid]), "no settings");
    let other = GOOD.replace("mandate \"reference-data\"", "mandate \"other\"");
    assert_eq!(bundle(&[("mandate.kdl", &other)]).map(|b| b.id()), Err(vec![C::MandateInvalid]), "another name");
    let zero = GOOD.replace("version=3", "version=0");
    assert_eq!(bundle(&[("mandate.kdl", &zero)]).map(|b| b.id()), Err(vec![C::MandateInvalid]));
    let large = "x".repeat(MAX_FILE_BYTES + 1);
    assert_eq!(bundle(&[("mandate.kdl", GOOD), ("a.cedar", &large)]).map(|b| b.id()), Err(vec![C::MandateInvalid]));
    let broken = bundle(&[("mandate.kdl", "mandat"), ("tests/t.kdl", "cas")]).map(|b| b.id());
    assert_eq!(broken.map_err(|codes| codes.len()), Err(2), "every document is told");
}

#[test]
fn the_other_settings_are_typed() {
    let more = "pipeline \"elements\"\n trust { approvals 2; revocation-age \"24h\"; }\n distribution { channel \"stable\"; signers 3; downgrade \"authorized\"; }\n rendering { trace-coverage 90; }\n execution { tool \"jq\"; deny \"curl\"; attempts 3; duration \"10m\"; network \"host\"; }\n";
    let mandate = read(&GOOD.replace("    record", &format!("{more}    record"))).expect("well formed");
    assert_eq!((mandate.trust.approvals, mandate.pipelines.len()), (2, 1));
    assert_eq!(mandate.distribution.map(|d| (d.signers, d.downgrade)), Some((3, Downgrade::Authorized)));
    assert_eq!(mandate.rendering.map(|r| r.trace_coverage), Some(90));
    assert_eq!(mandate.execution.map(|e| (e.attempts, e.tools.len(), e.deny.len())), Some((3, 1, 1)));
    for wrong in [
        "trust { approvals 0; }",
        "rendering { trace-coverage 101; }",
        "distribution { downgrade \"maybe\"; }",
        "trust { quorum 2; }",
    ] {
        assert!(read(&GOOD.replace("    record", &format!("{wrong}\n    record"))).is_err(), "{wrong}");
    }
}

#[test]
fn a_table_of_cases_is_read_and_what_is_wrong_with_it_is_said() {
    let table = Table::parse(&Document::new("t.kdl", TABLE)).expect("well formed");
    assert_eq!(table.cases.len(), 2);
    assert_eq!(table.cases[0].expected, Expected { permit: true, by: vec!["a".into(), "b".into()], code: None });
    assert_eq!(table.cases[1].expected.code, Some(ReasonCode::PolicyRefused));
    assert!(!table.cases[1].facts.validator.builtin);
    for (from, to) in [
        ("a failed one", "a clean report"),
        ("POLICY_REFUSED", "NO_SUCH_CODE"),
        ("\"permit\"", "\"maybe\""),
        ("expect \"refuse\" code=\"POLICY_REFUSED\";", ""),
        ("report status=\"failed\" errors=1;", ""),
        ("lane \"local\"", "lane \"fast\""),
        ("case", "kase"),
    ] {
        assert!(TABLE.contains(from));
        assert!(Table::parse(&Document::new("t.kdl", TABLE.replacen(from, to, 1))).is_err(), "{from} -> {to}");
    }
}
