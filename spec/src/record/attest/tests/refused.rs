//! An attestation is believed only from whom, about what, and for what it is expected (supply-chain T-08, T-15 to T-17).

use std::collections::BTreeMap;

use super::super::super::{ParametersExpect, ProvenanceExpect, VsaExpect, resource_uri};
use super::*;

fn authorities(pairs: &[(String, u8)]) -> Authorities {
    pairs.iter().map(|(id, seed)| (id.clone(), BTreeSet::from([public(*seed)]))).collect()
}

/// An attestation with one member changed, pretty as before.
fn with(bytes: &[u8], path: &str, value: Json) -> Vec<u8> {
    let mut json: Json = serde_json::from_slice(bytes).expect("JSON");
    let (parent, name) = path.rsplit_once('/').expect("a path");
    json.pointer_mut(parent).expect("the parent is there")[name] = value;
    serde_json::to_vec_pretty(&json).expect("JSON")
}

fn believe(payload: &[u8], seeds: &[u8], parameters: ParametersExpect<'_>) -> Result<Provenance, ReasonCode> {
    let builders = authorities(&[(id(RUNNER), RUNNER), (id(2), 2)]);
    let build_types = &[Provenance::BUILD_TYPE];
    let expect = ProvenanceExpect { artifact: artifact(), builders: &builders, build_types, parameters };
    Provenance::verify(signed_by(seeds, payload), &expect).map_err(|e| e.code())
}

fn accept(payload: &[u8], seeds: &[u8], resource_uri: &str, levels: &[&str]) -> Result<Vsa, ReasonCode> {
    let verifiers = authorities(&[(id(RUNNER), RUNNER), (id(2), 2)]);
    let expect = VsaExpect { artifact: artifact(), resource_uri, verifiers: &verifiers, levels };
    Vsa::verify(signed_by(seeds, payload), &expect).map_err(|e| e.code())
}

#[test]
fn t15_an_attestation_of_another_artifact_or_resource_is_refused() {
    assert!(believe(&provenance(), &[RUNNER], ParametersExpect::default()).is_ok());
    assert!(accept(&summary(), &[RUNNER], RESOURCE, &[Vsa::UNEVALUATED]).is_ok());
    let swapped = |bytes: &[u8]| with(bytes, "/subject/0/digest/sha256", json!(Digest::of(b"other").hex()));
    let refused = believe(&swapped(&provenance()), &[RUNNER], ParametersExpect::default());
    assert_eq!(refused, Err(ReasonCode::SubjectMismatch));
    assert_eq!(accept(&swapped(&summary()), &[RUNNER], RESOURCE, &[]), Err(ReasonCode::SubjectMismatch));
    let name = |text| Name::new(text).expect("a name");
    for resource in [
        resource_uri(&name("acme"), &name("elements"), "report"),
        resource_uri(&name("acme"), &name("stable"), "canon"),
        resource_uri(&name("other"), &name("elements"), "canon"),
        String::new(),
    ] {
        assert_eq!(accept(&summary(), &[RUNNER], &resource, &[]), Err(ReasonCode::ResourceUriMismatch), "{resource}");
    }
}

#[test]
fn t16_a_summary_counts_only_from_the_key_of_its_verifier() {
    let refused = |payload: &[u8], seeds| accept(payload, seeds, RESOURCE, &[]).map(|_| ());
    assert_eq!(refused(&summary(), &[2]), Err(ReasonCode::VerifierNotAuthorized), "a trusted key, another verifier");
    assert_eq!(refused(&summary(), &[RUNNER, 2]), Err(ReasonCode::VerifierNotAuthorized), "every signer is bound");
    assert_eq!(refused(&summary(), &[3]), Err(ReasonCode::KeyUnknown));
    let other = with(&summary(), "/predicate/verifier/id", json!("https://example.org/verifier"));
    assert_eq!(refused(&other, &[RUNNER]), Err(ReasonCode::VerifierNotAuthorized));
    let forged = Unverified::new(other, envelope(&[RUNNER], &summary()));
    let verifiers = authorities(&[(id(RUNNER), RUNNER)]);
    let expect = VsaExpect { artifact: artifact(), resource_uri: RESOURCE, verifiers: &verifiers, levels: &[] };
    assert_eq!(Vsa::verify(forged, &expect).map_err(|e| e.code()), Err(ReasonCode::SigInvalid));
    let nobody = VsaExpect { verifiers: &Authorities::new(), ..expect };
    let refused = Vsa::verify(signed_by(&[RUNNER], &summary()), &nobody).map_err(|e| e.code());
    assert_eq!(refused, Err(ReasonCode::KeyUnknown), "without roots nobody is trusted");
}

#[test]
fn a_summary_that_failed_or_lacks_a_level_is_refused() {
    let failed = with(&summary(), "/predicate/verificationResult", json!("FAILED"));
    assert_eq!(accept(&failed, &[RUNNER], RESOURCE, &[]), Err(ReasonCode::ValidationFailed));
    let production = &["ORGO_CLASS_PRODUCTION"];
    assert_eq!(accept(&summary(), &[RUNNER], RESOURCE, production), Err(ReasonCode::LevelNotVerified));
    let three = with(&summary(), "/predicate/verifiedLevels", json!(["SLSA_BUILD_LEVEL_3"]));
    assert!(accept(&three, &[RUNNER], RESOURCE, &["SLSA_BUILD_LEVEL_2"]).is_ok(), "a level implies those below");
    for unmet in ["SLSA_BUILD_LEVEL_4", "SLSA_SOURCE_LEVEL_1", Vsa::UNEVALUATED] {
        assert_eq!(accept(&three, &[RUNNER], RESOURCE, &[unmet]), Err(ReasonCode::LevelNotVerified), "{unmet}");
    }
    let other = with(&summary(), "/predicateType", json!(Provenance::TYPE));
    assert_eq!(accept(&other, &[RUNNER], RESOURCE, &[]), Err(ReasonCode::SchemaInvalid));
}

#[test]
fn t17_provenance_counts_only_from_a_trusted_builder_with_expected_parameters() {
    let any = ParametersExpect::default;
    assert_eq!(believe(&provenance(), &[2], any()).map(|_| ()), Err(ReasonCode::BuilderNotTrusted));
    assert_eq!(believe(&provenance(), &[3], any()).map(|_| ()), Err(ReasonCode::KeyUnknown));
    let other = with(&provenance(), "/predicate/runDetails/builder/id", json!("https://example.org/builder"));
    assert_eq!(believe(&other, &[RUNNER], any()), Err(ReasonCode::BuilderNotTrusted));

    let definition = "/predicate/buildDefinition";
    for (path, value) in [
        ("buildType", json!("https://example.org/other")),
        ("externalParameters/hint", json!("x")),
        ("externalParameters/source/path", json!("x")),
        ("externalParameters/targets", json!(null)),
        ("externalParameters", json!({})),
    ] {
        let changed = with(&provenance(), &format!("{definition}/{path}"), value);
        assert_eq!(believe(&changed, &[RUNNER], any()), Err(ReasonCode::ParametersUnexpected), "{path}");
    }

    let commit = "a".repeat(40);
    let (none, some) = (BTreeMap::new(), BTreeMap::from([("a".to_owned(), "b".to_owned())]));
    let right = ParametersExpect {
        pipeline: Some("elements"),
        source: Some("orgo:acme/source"),
        commit: Some(&commit),
        reference: Some("refs/heads/main"),
        targets: Some(&[]),
        parameters: Some(&none),
    };
    assert!(believe(&provenance(), &[RUNNER], right.clone()).is_ok());
    let other_commit = "b".repeat(40);
    for (what, wrong) in [
        ("pipeline", ParametersExpect { pipeline: Some("other"), ..right.clone() }),
        ("source", ParametersExpect { source: Some("orgo:other/source"), ..right.clone() }),
        ("commit", ParametersExpect { commit: Some(&other_commit), ..right.clone() }),
        ("branch", ParametersExpect { reference: Some("refs/heads/side"), ..right.clone() }),
        ("targets", ParametersExpect { targets: Some(&["canon"]), ..right.clone() }),
        ("parameters", ParametersExpect { parameters: Some(&some), ..right }),
    ] {
        assert_eq!(believe(&provenance(), &[RUNNER], wrong), Err(ReasonCode::ParametersUnexpected), "{what}");
    }
}

#[test]
fn t08_digests_have_one_spelling_and_no_broken_algorithm() {
    let hex = artifact().hex();
    let cases = [
        (json!({ "sha1": "a".repeat(40), "sha256": hex }), ReasonCode::DigestAlgorithmRefused),
        (json!({ "md5": "a".repeat(32) }), ReasonCode::DigestAlgorithmRefused),
        (json!({ "SHA256": hex }), ReasonCode::DigestAlgorithmRefused),
        (json!({ "sha256": hex.to_uppercase() }), ReasonCode::DigestMalformed),
        (json!({ "sha256": hex[..62] }), ReasonCode::DigestMalformed),
        (json!({ "sha256": format!("{hex}00") }), ReasonCode::DigestMalformed),
        (json!({ "sha256": "" }), ReasonCode::DigestMalformed),
    ];
    for (set, expected) in cases {
        for path in ["/subject/0/digest", "/predicate/policy/digest", "/predicate/inputAttestations/0/digest"] {
            let changed = with(&summary(), path, set.clone());
            assert_eq!(accept(&changed, &[RUNNER], RESOURCE, &[]), Err(expected), "{path}: {set}");
        }
        let definition = "/predicate/buildDefinition";
        for path in [
            "/subject/0/digest".to_owned(),
            format!("{definition}/resolvedDependencies/0/digest"),
            format!("{definition}/externalParameters/source/digest"),
            "/predicate/runDetails/byproducts/0/digest".to_owned(),
        ] {
            let changed = with(&provenance(), &path, set.clone());
            let refused = believe(&changed, &[RUNNER], ParametersExpect::default());
            assert_eq!(refused, Err(expected), "{path}: {set}");
        }
    }
    let without = |set| accept(&with(&summary(), "/subject/0/digest", set), &[RUNNER], RESOURCE, &[]);
    assert_eq!(without(json!({})), Err(ReasonCode::DigestMalformed), "an empty set matches nothing");
    let only = json!({ "sha512": "a".repeat(128) });
    assert_eq!(without(only), Err(ReasonCode::DigestAlgorithmRefused), "artifacts go by SHA-256");
    assert!(without(json!({ "sha256": hex, "sha512": "a".repeat(128) })).is_ok());
}

#[test]
fn unknown_fields_of_open_bodies_are_ignored_and_json_stays_strict() {
    let paths = ["/hint", "/subject/0/annotations", "/predicate/hint", "/predicate/verifier/hint"];
    for path in paths {
        assert!(accept(&with(&summary(), path, json!({ "a": 1 })), &[RUNNER], RESOURCE, &[]).is_ok(), "{path}");
    }
    for path in ["/predicate/buildDefinition/hint", "/predicate/runDetails/builder/hint", "/predicate/hint"] {
        let more = with(&provenance(), path, json!({ "a": 1 }));
        assert!(believe(&more, &[RUNNER], ParametersExpect::default()).is_ok(), "{path}");
    }
    let text = String::from_utf8(summary()).expect("JSON is text");
    let twice =
        text.replacen("\"verificationResult\"", "\"verificationResult\": \"FAILED\",\n    \"verificationResult\"", 1);
    assert_eq!(accept(twice.as_bytes(), &[RUNNER], RESOURCE, &[]), Err(ReasonCode::JsonDuplicateKey));
    for missing in ["resourceUri", "verifier", "policy", "verificationResult", "verifiedLevels"] {
        let mut json: Json = serde_json::from_slice(&summary()).expect("JSON");
        json["predicate"].as_object_mut().expect("an object").remove(missing);
        let bytes = serde_json::to_vec(&json).expect("JSON");
        assert_eq!(accept(&bytes, &[RUNNER], RESOURCE, &[]), Err(ReasonCode::SchemaInvalid), "{missing}");
    }
}
