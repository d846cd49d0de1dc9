//! Attestations say what the record says, and are made only of what passed.

mod refused;

use serde_json::{Value as Json, json};

use super::super::tests::samples;
use super::super::{
    Artifact, BuildFacts, BuildRecord, KristalOutputs, Outcome, Outputs, Provenance, Statement, Vsa, runner_id,
};
use super::*;
use crate::signature::tests::{public, sign};
use crate::signature::{Envelope, PAYLOAD_TYPE, pae};

/// The runner of all records here.
const RUNNER: u8 = 1;

fn envelope(seeds: &[u8], payload: &[u8]) -> Vec<u8> {
    let message = pae(PAYLOAD_TYPE, payload);
    Envelope::new(seeds.iter().map(|seed| (public(*seed), sign(*seed, &message)))).to_bytes()
}

fn signed_by<T>(seeds: &[u8], payload: &[u8]) -> Unverified<T> {
    Unverified::new(payload.to_vec(), envelope(seeds, payload))
}

fn verified(bytes: &[u8]) -> Verified<Statement<BuildRecord>> {
    let quorum = Quorum::new(1, [public(RUNNER)]).expect("one of one");
    signed_by(&[RUNNER], bytes).verify(&[quorum]).expect("signed here")
}

/// The record of a run that passed, changed.
fn passed(change: impl FnOnce(&mut BuildFacts)) -> Verified<Statement<BuildRecord>> {
    let mut statement = Statement::<BuildRecord>::parse(&samples()[0].0).expect("a sample");
    change(&mut statement.predicate.facts);
    verified(&statement.to_bytes().expect("consistent"))
}

fn id(seed: u8) -> String {
    runner_id(&public(seed).id())
}

fn artifact() -> Digest {
    Digest::of(b"out")
}

fn provenance() -> Vec<u8> {
    Provenance::of(&passed(|_| ()), &public(RUNNER)).and_then(|p| p.to_bytes()).expect("it passed")
}

fn summary() -> Vec<u8> {
    Vsa::of(&passed(|_| ()), "canon", &public(RUNNER)).and_then(|v| v.to_bytes()).expect("its gate passed")
}

const RESOURCE: &str = "orgo:acme/elements/canon";

#[test]
fn provenance_says_what_the_record_says() {
    let record = passed(|f| f.mandate_ref = Some(Digest::of(b"mandate")));
    let made = Provenance::of(&record, &public(RUNNER)).expect("it passed");
    let bytes = made.to_bytes().expect("it reads back");
    assert_eq!(Provenance::parse(&bytes), Ok(made), "what is written reads back");
    assert_eq!(
        Provenance::of(&record, &public(RUNNER)).and_then(|p| p.to_bytes()),
        Ok(bytes.clone()),
        "once and again"
    );
    let json: Json = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(json["subject"], json!([{ "digest": { "sha256": artifact().hex() }, "name": "canon" }]));
    let definition = &json["predicate"]["buildDefinition"];
    assert_eq!(
        definition["externalParameters"],
        json!({
            "pipeline": "elements",
            "source": {
                "digest": { "gitCommit": "a".repeat(40) }, "ref": "refs/heads/main", "uri": "orgo:acme/source",
            },
            "targets": [],
        })
    );
    assert_eq!(definition["internalParameters"]["mandate"], Digest::of(b"mandate").to_string());
    assert_eq!(definition["internalParameters"]["class"], "development", "nobody takes it for a release");
    assert_eq!(definition["resolvedDependencies"][1]["digest"], json!({ "gitTree": "b".repeat(40) }));
    let details = &json["predicate"]["runDetails"];
    assert_eq!(details["builder"]["id"], id(RUNNER));
    assert_eq!(details["byproducts"][0]["digest"]["sha256"], record.id().hex(), "it leads back to the record");
    assert_eq!(details["metadata"]["startedOn"], "2026-11-20T00:00:00Z");
}

#[test]
fn attestations_are_made_only_of_what_passed() {
    let runner = public(RUNNER);
    let [_, failed, abandoned] = samples().try_into().expect("three samples");
    for (record, expected) in [
        (verified(&failed.0), ReasonCode::ValidationFailed),
        (verified(&abandoned.0), ReasonCode::OutputWithoutPass),
        (passed(|f| f.source.dirty = true), ReasonCode::TreeDirty),
        (passed(|f| f.end(Outcome::Passed { outputs: Outputs::default() })), ReasonCode::SchemaInvalid),
    ] {
        assert_eq!(Provenance::of(&record, &runner).map_err(|e| e.code()), Err(expected));
        assert_eq!(Vsa::of(&record, "canon", &runner).map_err(|e| e.code()), Err(expected));
    }
}

#[test]
fn only_the_key_that_signed_the_record_attests_it() {
    let (record, other) = (passed(|_| ()), public(2));
    assert_eq!(Provenance::of(&record, &other).map_err(|e| e.code()), Err(ReasonCode::KeyScopeMismatch));
    assert_eq!(Vsa::of(&record, "canon", &other).map_err(|e| e.code()), Err(ReasonCode::KeyScopeMismatch));
}

#[test]
fn a_summary_is_of_what_stood_behind_the_gate() {
    let runner = public(RUNNER);
    let json: Json = serde_json::from_slice(&summary()).expect("JSON");
    assert_eq!(json["predicate"]["resourceUri"], RESOURCE);
    assert_eq!(json["predicate"]["policy"]["uri"], "orgo:acme/pipeline/elements", "no mandate was in force");
    assert_eq!(json["predicate"]["verifier"]["id"], id(RUNNER));
    let ungated = passed(|_| ());
    assert_eq!(Vsa::of(&ungated, "report", &runner).map_err(|e| e.code()), Err(ReasonCode::GateUnknown));

    let (file, empty, other) = (Digest::of(b"file"), Digest::EMPTY, Digest::of(b"other"));
    let named = |name: &str, digest| Artifact { digest, name: name.into() };
    let record = passed(|f| {
        f.mandate_ref = Some(Digest::of(b"mandate"));
        f.stages[1].artifacts_out = vec![named("e/file", file), named("e/empty", empty)];
        let kristal = KristalOutputs {
            exchange_hashes: vec![named("file", file), named("empty", empty)],
            exchange_manifest_ref: file,
            kristal_id: file,
            payload_hashes: vec![named("other", other)],
            runtime_pack_id: None,
            runtime_pack_manifest_ref: None,
        };
        let artifacts = vec![named("canon", artifact()), named("report", artifact())];
        f.end(Outcome::Passed { outputs: Outputs { artifacts, kristal: Some(kristal) } });
    });
    let made = Vsa::of(&record, "canon", &runner).expect("its gate passed");
    let names: Vec<_> = made.subject.iter().filter_map(|s| s.name.as_deref()).collect();
    assert_eq!(names, ["canon", "exchange/file"], "nothing of other stages, and no empty file");
    assert_eq!(made.predicate.policy.digest.get_sha256(), Some(Digest::of(b"mandate")));
}
