//! A record has one spelling, is about what it says, and claims outputs only if everything passed.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::signature::PublicKey;
use crate::{Digest, Name, ReasonCode};

fn name(text: &str) -> Name {
    Name::new(text).expect("a plain name")
}

fn facts() -> BuildFacts {
    let program = Compiler { digest: Digest::of(b"orgo"), name: "orgo".into(), version: "0.1.0".into() };
    let pipeline = PipelineRef {
        definition: Digest::of(b"pipeline"),
        name: name("elements"),
        parameters: BTreeMap::new(),
        profile: None,
        targets: vec![],
    };
    let source = Source {
        base: None,
        commit: "a".repeat(40),
        dirty: false,
        reference: Some("refs/heads/main".into()),
        tree: "b".repeat(40),
    };
    BuildFacts::new(name("acme"), Class::Development, Lane::Local, pipeline, source, program, Digest::EMPTY)
}

fn run() -> BuildRun {
    let at = || "2026-11-20T00:00:00Z".to_owned();
    BuildRun {
        actor: Actor { id: "somebody".into(), kind: "person".into() },
        approvals_decided_at: BTreeMap::new(),
        build_id: "6e6c1c0e-0000-4000-8000-000000000000".into(),
        clock: "injected".into(),
        created_at: at(),
        ended_at: at(),
        environment: "development".into(),
        executor: Program { digest: Digest::EMPTY, name: "orgo".into(), version: "0.1.0".into() },
        host: "machine".into(),
        stages: vec![],
        started: None,
        started_at: at(),
        workflow_id: "case".into(),
    }
}

fn outputs() -> Outputs {
    Outputs { artifacts: vec![Artifact { digest: Digest::of(b"out"), name: "canon".into() }], kristal: None }
}

fn stage(stage: &str, status: StageStatus) -> StageFacts {
    StageFacts {
        artifacts_in: vec![],
        artifacts_out: vec![],
        errors: vec![],
        identity: Identity { config_hash: None, name: "run".into(), version: "1".into() },
        isolation: None,
        key: None,
        optional: false,
        origin: None,
        services: vec![],
        stage: stage.into(),
        status,
        unpinned: vec![],
    }
}

fn gate(decision: Decision, reason_codes: Vec<ReasonCode>) -> GateRecord {
    GateRecord {
        decision,
        engine: Engine { name: "orgo-builtin".into(), version: "1".into() },
        evidence_refs: vec![],
        gate: "accept".into(),
        lifted: vec![],
        override_ref: None,
        policies: vec![],
        reason_codes,
        stage: "canon".into(),
    }
}

fn passed() -> BuildFacts {
    let mut facts = facts();
    facts.gates = vec![gate(Decision::Pass, vec![])];
    facts.stages = vec![stage("report", StageStatus::Pass), stage("canon", StageStatus::Pass)];
    facts.stage_counts = StageCounts::of(&facts.stages);
    facts.end(Outcome::Passed { outputs: outputs() });
    facts
}

fn failed() -> BuildFacts {
    let mut facts = facts();
    facts.gates = vec![gate(Decision::Fail, vec![ReasonCode::ValidationFailed])];
    facts.stages = vec![stage("report", StageStatus::Pass), stage("canon", StageStatus::Fail)];
    facts.stage_counts = StageCounts::of(&facts.stages);
    facts.validation_status = Some(Decision::Fail);
    facts.end(Outcome::Failed { reason: ReasonCode::ValidationFailed });
    facts
}

/// Records of a run that passed, of one that failed, and of one that was abandoned; whether each passed.
pub(crate) fn samples() -> Vec<(Vec<u8>, bool)> {
    let bytes = |facts| write(facts).expect("consistent");
    vec![(bytes(passed()), true), (bytes(failed()), false), (bytes(facts()), false)]
}

fn write(facts: BuildFacts) -> Result<Vec<u8>, RecordError> {
    Statement::new(BuildRecord { facts, run: run() }).to_bytes()
}

fn text(facts: BuildFacts) -> String {
    String::from_utf8(write(facts).expect("consistent")).expect("records are text")
}

fn code(text: &str) -> Option<ReasonCode> {
    Statement::<BuildRecord>::parse(text.as_bytes()).err().map(|e| e.code())
}

#[test]
fn a_run_is_locked_by_a_lock_and_by_nothing_else() {
    let locked = Digest::of(b"lock");
    for pins in [Pins::UNPINNED, Pins::locked(locked)] {
        let mut facts = passed();
        facts.pins = Some(pins);
        let good = text(facts);
        assert_eq!(code(&good), None);
        let (from, to) = if pins.lock().is_some() { ("locked", "unpinned") } else { ("unpinned", "locked") };
        let state = |state: &str| format!("\"state\": \"{state}\"");
        assert!(good.contains(&state(from)));
        assert_eq!(code(&good.replace(&state(from), &state(to))), Some(ReasonCode::SchemaInvalid));
    }
    assert_eq!(code(&text(passed())), None, "older records do not say");
}

#[test]
fn the_level_of_a_run_is_that_of_its_weakest_stage() {
    use crate::pipeline::Isolation::{Confined, Hermetic, Open};
    let at = |own, services: &[_]| StageFacts {
        isolation: Some(own),
        services: services.iter().map(|level| ServiceFacts { isolation: *level, name: "db".into() }).collect(),
        ..stage("s", StageStatus::Pass)
    };
    let page = StagePage { digest: Digest::EMPTY, stages: 1 };
    let says = |level, stages: Vec<StageFacts>, pages: &[StagePage]| {
        let mut facts = facts();
        facts.stage_counts = StageCounts::of(&stages);
        (facts.isolation, facts.stages, facts.pages) = (level, stages, pages.to_vec());
        write(facts).map_err(|e| e.code())
    };
    let refused = Err(ReasonCode::SchemaInvalid);
    assert_eq!(says(Some(Confined), vec![at(Open, &[])], &[]), refused);
    assert_eq!(says(Some(Confined), vec![at(Hermetic, &[Open])], &[]), refused, "a service is weaker");
    assert_eq!(says(Some(Confined), vec![], &[]), refused, "no stage ended well");
    assert_eq!(
        says(Some(Confined), vec![at(Open, &[])], std::slice::from_ref(&page)),
        refused,
        "a listed one is weaker"
    );
    assert!(says(Some(Open), vec![at(Confined, &[])], &[page]).is_ok(), "a weaker one is on a page");
    assert!(says(Some(Confined), vec![at(Hermetic, &[Confined]), at(Hermetic, &[])], &[]).is_ok());
    assert!(says(None, vec![at(Open, &[])], &[]).is_ok(), "older records do not say");
}

#[test]
fn what_is_written_reads_back_and_lists_facts_first() {
    for facts in [facts(), passed(), failed()] {
        let record = BuildRecord { facts, run: run() };
        let bytes = Statement::new(record.clone()).to_bytes().expect("consistent");
        assert_eq!(Statement::<BuildRecord>::parse(&bytes).expect("its own bytes").predicate, record);
        let text = String::from_utf8(bytes).expect("records are text");
        assert!(text.starts_with("{\n  \"_type\": \"https://in-toto.io/Statement/v1\",\n") && text.ends_with("}\n"));
        assert!(text.find("\"facts\"") < text.find("\"run\""), "circumstances come last");
        assert!(text.find("\"build_id\"") > text.find("\"run\""), "the run's id is a circumstance");
    }
}

#[test]
fn a_failed_run_is_about_its_source_only() {
    assert!(!text(failed()).contains("\"sha256\": \""), "no artifact is a subject");
    let record = |facts| BuildRecord { facts, run: run() };
    let of = |facts| record(facts).subjects();
    let source = [Subject::commit(&"a".repeat(40)), Subject::tree(&"b".repeat(40))];
    assert_eq!(of(failed()), source);
    assert_eq!(of(passed())[..2], source);
    assert_eq!(of(passed())[2..], [Subject::sha256("canon", Digest::of(b"out"))]);
    let mut dirty = passed();
    dirty.source.dirty = true;
    assert_eq!(of(dirty)[0], Subject::sha256("pipeline/elements", Digest::of(b"pipeline")), "not about the commit");
}

#[test]
fn outputs_without_a_pass_cannot_be_read_or_written() {
    let claimed = "\"outputs\": {\n        \"artifacts\": []\n      },\n      \"pipeline\": {";
    let forged = text(failed()).replacen("\"pipeline\": {", claimed, 1);
    assert_eq!(code(&forged), Some(ReasonCode::OutputWithoutPass));

    type Change = fn(&mut BuildFacts);
    let changes: [Change; 4] = [
        |f| f.validation_status = Some(Decision::Fail),
        |f| f.gates = vec![gate(Decision::Fail, vec![ReasonCode::ValidationFailed])],
        |f| f.stages[0].status = StageStatus::Fail,
        |f| f.stage_counts.failed = 1,
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut facts = passed();
        change(&mut facts);
        assert!(write(facts).is_err(), "change {i}");
    }
    let mut elsewhere = failed();
    elsewhere.stages[1].origin = Some(Origin { by: Bringer::Shared, name: "/caches/one".into() });
    assert_eq!(write(elsewhere.clone()).map_err(|e| e.code()), Err(ReasonCode::SchemaInvalid));
    elsewhere.stages.swap(0, 1);
    elsewhere.stages[0].origin = None;
    elsewhere.stages[1].origin = Some(Origin { by: Bringer::Pack, name: "sha256:1".into() });
    elsewhere.stage_counts = StageCounts::of(&elsewhere.stages);
    assert!(text(elsewhere).contains(r#""by": "pack""#), "a stage that ended well says where its result came from");
    let silent = text(failed()).replacen("\"terminal_reason_code\": \"VALIDATION_FAILED\",", "", 1);
    let read = Statement::<BuildRecord>::parse(silent.as_bytes());
    assert!(matches!(read, Err(RecordError::Contradiction { .. })), "a failure without a reason");
    let mut compiled = failed();
    compiled.stages[1].artifacts_out = outputs().artifacts;
    assert_eq!(write(compiled).map_err(|e| e.code()), Err(ReasonCode::OutputWithoutPass));
    let mut started = failed();
    started.stages[1].status = StageStatus::Pass;
    started.stage_counts = StageCounts::of(&started.stages);
    assert_eq!(write(started).map_err(|e| e.code()), Err(ReasonCode::OutputWithoutPass));
}

#[test]
fn a_record_is_consistent_with_itself() {
    type Change = fn(&mut BuildFacts);
    let changes: [(Change, ReasonCode); 7] = [
        (|f| f.schema_version = "9.0.0".into(), ReasonCode::SchemaInvalid),
        (|f| f.canonicalization_profile = "jcs-rfc8785".into(), ReasonCode::SchemaInvalid),
        (|f| f.gates[0].reason_codes.clear(), ReasonCode::SchemaInvalid),
        (|f| f.stage_counts.passed = 7, ReasonCode::SchemaInvalid),
        (|f| f.source.commit = "main".into(), ReasonCode::DigestAlgorithmRefused),
        (|f| f.variance = vec!["right\u{202e}left".into()], ReasonCode::NameNotCanonical),
        (
            |f| {
                f.lane = Lane::Protected;
                f.source.dirty = true;
            },
            ReasonCode::TreeDirty,
        ),
    ];
    for (i, (change, expected)) in changes.into_iter().enumerate() {
        let mut facts = failed();
        change(&mut facts);
        assert_eq!(write(facts).map_err(|e| e.code()), Err(expected), "change {i}");
    }
}

#[test]
fn one_record_has_one_spelling() {
    let good = text(passed());
    assert_eq!(code(&good), None);
    for (what, other) in [
        ("no line feed at the end", good.trim_end().to_owned()),
        ("another line feed", format!("{good}\n")),
        ("carriage returns", good.replace('\n', "\r\n")),
        ("one line", good.replace("\n", " ")),
        ("an escape", good.replacen("elements", "\\u0065lements", 1)),
        ("an explicit absence", good.replacen("\"lane\"", "\"kristal_pin\": null,\n      \"lane\"", 1)),
        ("an empty list that is left out", good.replacen("\"lane\"", "\"overrides\": [],\n      \"lane\"", 1)),
    ] {
        assert_ne!(other, good, "{what}");
        assert_eq!(code(&other), Some(ReasonCode::SchemaInvalid), "{what}");
    }
    let unknown = good.replacen("\"lane\"", "\"hint\": 1,\n      \"lane\"", 1);
    assert_eq!(code(&unknown), Some(ReasonCode::SchemaInvalid));
    let twice = good.replacen("\"lane\": \"local\"", "\"lane\": \"local\",\n      \"lane\": \"local\"", 1);
    assert_eq!(code(&twice), Some(ReasonCode::JsonDuplicateKey));
    assert_eq!(
        Statement::<TrustRecord>::parse(good.as_bytes()).err().map(|e| e.code()),
        Some(ReasonCode::SchemaInvalid)
    );
}

#[test]
fn a_statement_is_about_what_it_says() {
    let good = text(passed());
    let other = good.replacen(&Digest::of(b"out").hex(), &Digest::of(b"other").hex(), 2);
    let subject_only = {
        let at = good.rfind(&Digest::of(b"out").hex()).expect("the output is a subject");
        format!("{}{}{}", &good[..at], Digest::of(b"other").hex(), &good[at + 64..])
    };
    assert_eq!(code(&other), None, "predicate and subject together");
    assert_eq!(code(&subject_only), Some(ReasonCode::SubjectMismatch));
    let weak = good.replacen("\"gitCommit\"", "\"sha1\"", 1);
    assert_eq!(code(&weak), Some(ReasonCode::DigestAlgorithmRefused));
}

#[test]
fn trust_gives_every_role_enough_keys_and_every_key_one_role() {
    let key = |seed: u8| {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        PublicKey::from_bytes(secret.verifying_key().as_bytes()).expect("a fresh key is not weak")
    };
    let trusted = |seed: u8| TrustedKey::new(key(seed), Class::Development);
    let mut root = vec![trusted(3), trusted(4)];
    root.sort_unstable_by_key(|t| t.key);
    let trust = TrustRecord {
        facts: TrustFacts {
            class: Class::Development,
            keys: TrustKeys {
                approver: Vec::new(),
                git: vec![trusted(1)],
                log: vec![trusted(5)],
                root,
                runner: vec![trusted(2)],
            },
            revoked: Vec::new(),
            root_threshold: 2,
            schema_version: TrustRecord::SCHEMA_VERSION.into(),
            tenant_id: name("acme"),
            version: 1,
        },
        run: TrustRun { created_at: "2026-11-20T00:00:00Z".into() },
    };
    let bytes = Statement::new(trust.clone()).to_bytes().expect("consistent");
    assert_eq!(Statement::<TrustRecord>::parse(&bytes).expect("its own bytes").predicate, trust);

    type Change = fn(&mut TrustFacts);
    let changes: [(Change, ReasonCode); 13] = [
        (|f| f.root_threshold = 0, ReasonCode::SigThresholdNotMet),
        (|f| f.root_threshold = 3, ReasonCode::SigThresholdNotMet),
        (|f| f.keys.runner.clear(), ReasonCode::SigThresholdNotMet),
        (|f| f.keys.git = f.keys.runner.clone(), ReasonCode::KeyScopeMismatch),
        (|f| f.keys.root.reverse(), ReasonCode::SchemaInvalid),
        (|f| f.keys.git.extend(f.keys.git.clone()), ReasonCode::KeyScopeMismatch),
        (|f| f.keys.log.clear(), ReasonCode::SigThresholdNotMet),
        (|f| f.class = Class::Production, ReasonCode::KeyScopeMismatch),
        (|f| f.keys.git[0].not_after = Some("2026-01-01".into()), ReasonCode::SchemaInvalid),
        (|f| f.keys.git[0].not_after = Some("2026-13-01T00:00:00Z".into()), ReasonCode::SchemaInvalid),
        (|f| f.keys.runner[0].kinds = vec![name("trust"), name("build")], ReasonCode::SchemaInvalid),
        (
            |f| {
                let key = f.keys.git[0].key;
                f.revoked = vec![Revoked { key, reason: RevocationReason::Lost, since: 1 }];
            },
            ReasonCode::KeyRevoked,
        ),
        (
            |f| {
                let revoked = Revoked { key: f.keys.git[0].key, reason: RevocationReason::Lost, since: 1 };
                f.revoked = vec![revoked.clone(), revoked];
            },
            ReasonCode::SchemaInvalid,
        ),
    ];
    for (i, (change, expected)) in changes.into_iter().enumerate() {
        let mut other = trust.clone();
        change(&mut other.facts);
        assert_eq!(Statement::new(other).to_bytes().map_err(|e| e.code()), Err(expected), "change {i}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No change of one bit reads as the same record, and none turns a failed run into one that claims outputs.
    #[test]
    fn no_bit_of_a_record_can_change_unseen(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = write(failed()).expect("consistent");
        let before = Statement::<BuildRecord>::parse(&bytes).expect("its own bytes");
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(after) = Statement::<BuildRecord>::parse(&bytes) {
            prop_assert_ne!(&after, &before);
            prop_assert!(after.predicate.facts.outputs().is_none());
        }
    }
}

fn asked(decision: ApprovalDecision) -> ApprovalEntry {
    let waits = decision == ApprovalDecision::Waiting;
    ApprovalEntry {
        approval: "release".into(),
        approvers: vec![],
        decision,
        engine: Engine { name: "orgo-approval".into(), version: "1".into() },
        evidence_refs: vec![],
        need: 1,
        reason_codes: if waits { vec![ReasonCode::ApprovalInsufficient] } else { vec![] },
        stage: "deploy".into(),
    }
}

fn waiting() -> BuildFacts {
    let mut facts = facts();
    facts.approvals = vec![asked(ApprovalDecision::Waiting)];
    facts.stages = vec![stage("build", StageStatus::Pass), stage("deploy", StageStatus::Wait)];
    facts.stage_counts = StageCounts::of(&facts.stages);
    facts.end(Outcome::Waiting { reason: ReasonCode::ApprovalInsufficient });
    facts
}

#[test]
fn a_run_that_waits_for_people_claims_nothing() {
    let bytes = write(waiting()).expect("consistent");
    let read = Statement::<BuildRecord>::parse(&bytes).expect("our own bytes").predicate;
    assert_eq!((read.facts.status(), read.facts.outputs(), read.claims()), (Status::Waiting, None, vec![]));
    assert_eq!(read.facts.stage_counts.waiting, 1);
    let refused = |change: fn(&mut BuildFacts)| {
        let mut facts = waiting();
        change(&mut facts);
        facts.stage_counts = StageCounts::of(&facts.stages);
        write(facts).expect_err("a contradiction").code()
    };
    assert_eq!(refused(|f| f.end(Outcome::Passed { outputs: outputs() })), ReasonCode::OutputWithoutPass);
    assert_eq!(refused(|f| f.stages[1].status = StageStatus::Pass), ReasonCode::OutputWithoutPass);
    assert_eq!(refused(|f| f.stages[1].artifacts_out = outputs().artifacts), ReasonCode::OutputWithoutPass);
    assert_eq!(refused(|f| f.stages[0].status = StageStatus::Fail), ReasonCode::SchemaInvalid);
    assert_eq!(refused(|f| f.approvals.clear()), ReasonCode::SchemaInvalid);
    assert_eq!(refused(|f| f.approvals = vec![asked(ApprovalDecision::Granted)]), ReasonCode::SchemaInvalid);
    assert_eq!(refused(|f| f.approvals[0].reason_codes.clear()), ReasonCode::SchemaInvalid);
}
