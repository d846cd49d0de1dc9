//! What is generated from the types: JSON Schemas and the table of reason codes.
//!
//! The files are committed, so that people and other programs have them without building anything;
//! a test compares them with what the types say now.

use std::fmt::Write as _;

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Value as Json, json};

use crate::canonical;
use crate::record::{
    AbandonedRecord, AdminRecord, ApprovalFacts, ApprovalRecord, BuildRecord, GateFacts, MandateRecord, OverrideRecord,
    RevocationRecord, StartedRecord, Statement, TrustRecord,
};
use crate::{Digest, ReasonCode, artifact};

/// Where schemas are published.
const BASE: &str = "https://orgo.dev/schemas/";

/// Every generated file: path in the repository, and bytes.
///
/// # Panics
/// Never: schemas are JSON without floats.
#[must_use]
pub fn generated() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = schemas()
        .into_iter()
        .map(|(stem, mut schema)| {
            schema.insert("$id".to_owned(), json!(format!("{BASE}{stem}.schema.json")));
            (format!("schemas/{stem}.schema.json"), pretty(&schema))
        })
        .collect();
    files.push(("schemas/reason-codes.json".to_owned(), pretty(&reason_codes())));
    files.push(("docs/formats/reason-codes.md".to_owned(), reason_page().into_bytes()));
    files.sort();
    files
}

/// The schemas of the contract's artifacts: `$id` and digest of the published file, sorted.
///
/// # Panics
/// Never: schemas are JSON without floats.
#[must_use]
pub fn artifact_schemas() -> Vec<(String, Digest)> {
    let mut schemas: Vec<_> = artifact::schemas()
        .into_iter()
        .map(|(stem, mut schema)| {
            let id = format!("{BASE}{stem}.schema.json");
            schema.insert("$id".to_owned(), json!(id));
            (id, Digest::of(&pretty(&schema)))
        })
        .collect();
    schemas.sort_unstable();
    schemas
}

/// The id of the set of these schemas: SHA-256 over one line for each, `$id`, a tab, the digest, a line feed.
#[must_use]
pub fn schema_set_id() -> Digest {
    let lines: String = artifact_schemas().iter().map(|(id, digest)| format!("{id}\t{digest}\n")).collect();
    Digest::of(lines.as_bytes())
}

/// All schemas, by file stem.
fn schemas() -> Vec<(&'static str, Schema)> {
    let mut schemas = artifact::schemas();
    schemas.extend([
        ("blueprint", schema_for!(crate::blueprint::Blueprint)),
        ("build-record", build_record()),
        ("gate-facts", schema_for!(GateFacts)),
        ("mandate", schema_for!(crate::mandate::Mandate)),
        ("pipeline", schema_for!(crate::pipeline::Pipeline)),
        ("project", schema_for!(crate::project::Project)),
        ("review", schema_for!(crate::review::Review)),
        ("trust-record", statement::<TrustRecord>()),
        ("revocation-record", statement::<RevocationRecord>()),
        ("started-record", statement::<StartedRecord>()),
        ("abandoned-record", statement::<AbandonedRecord>()),
        ("admin-record", statement::<AdminRecord>()),
        ("mandate-record", statement::<MandateRecord>()),
        ("approval", schema_for!(crate::approval::ApprovalDocument)),
        ("approval-facts", schema_for!(ApprovalFacts)),
        ("approval-record", statement::<ApprovalRecord>()),
        ("override", schema_for!(crate::overriding::OverrideDocument)),
        ("override-record", statement::<OverrideRecord>()),
    ]);
    schemas
}

/// The schema of a whole statement, its two type URIs as constants.
fn statement<P: crate::record::Predicate + JsonSchema>() -> Schema {
    let mut schema = Statement::<P>::schema();
    if let Some(Json::Object(properties)) = schema.get_mut("properties") {
        properties.insert("_type".to_owned(), json!({ "const": crate::record::STATEMENT_TYPE }));
        properties.insert("predicateType".to_owned(), json!({ "const": P::TYPE }));
    }
    schema
}

/// Outputs belong to runs that succeeded and reasons to those that did not: the schema says it too.
fn build_record() -> Schema {
    let mut schema = statement::<BuildRecord>();
    let succeeded = json!({ "properties": { "status": { "const": "SUCCEEDED" } } });
    let only_outputs = json!({ "required": ["outputs"], "properties": { "terminal_reason_code": false } });
    let only_reason = json!({ "required": ["terminal_reason_code"], "properties": { "outputs": false } });
    let facts = schema.get_mut("$defs").and_then(|defs| defs.get_mut("BuildFacts")).and_then(Json::as_object_mut);
    let facts = facts.expect("the build record refers to its facts");
    facts.extend([("if", succeeded), ("then", only_outputs), ("else", only_reason)].map(|(k, v)| (k.to_owned(), v)));
    schema
}

fn reason_codes() -> Json {
    let codes: Vec<_> = ReasonCode::ALL
        .iter()
        .map(|code| {
            json!({ "actor": code.actor(), "code": code.as_str(), "meaning": code.meaning(), "remedy": code.remedy() })
        })
        .collect();
    json!({ "reason_codes": codes })
}

fn reason_page() -> String {
    let mut page = "# Reason codes\n\n\
        Generated from the registry in `spec/src/reason.rs` by `orgo dev generate`; for programs: \
        `schemas/reason-codes.json`.\nOne meaning, one code; codes are only ever added.\n\n\
        | Code | Meaning | What to do | Who |\n|---|---|---|---|\n"
        .to_owned();
    for code in ReasonCode::ALL {
        let actor = json!(code.actor());
        let actor = actor.as_str().expect("actors are words");
        let cell = |text: &str| text.replace('|', "\\|");
        writeln!(page, "| `{code}` | {} | {} | {actor} |", cell(code.meaning()), cell(code.remedy()))
            .expect("writing to memory does not fail");
    }
    page
}

fn pretty<T: serde::Serialize>(value: &T) -> Vec<u8> {
    canonical::pretty_of(value).expect("schemas have no number that is refused")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn committed_files_are_what_the_types_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository");
        let stale: Vec<_> = generated()
            .into_iter()
            .filter(|(path, bytes)| std::fs::read(root.join(path)).ok().as_ref() != Some(bytes))
            .map(|(path, _)| path)
            .collect();
        assert!(stale.is_empty(), "run `cargo run -- dev generate`: {stale:?}");
        let known: Vec<_> = generated().into_iter().map(|(path, _)| path).collect();
        for entry in std::fs::read_dir(root.join("schemas")).expect("schemas/ is there") {
            let path = format!("schemas/{}", entry.expect("an entry").file_name().to_string_lossy());
            // The schema of policies follows from the kernel's table of actions, and is held to it there.
            let of_policies = path == "schemas/mandate.cedarschema";
            assert!(of_policies || known.contains(&path), "{path} is generated by nothing");
        }
    }

    #[test]
    fn every_schema_is_one_and_says_of_what() {
        for (stem, schema) in schemas() {
            assert!(jsonschema::meta::is_valid(schema.as_value()), "{stem}");
            assert!(jsonschema::validator_for(schema.as_value()).is_ok(), "{stem}");
            assert!(schema.get("description").is_some(), "{stem} says what it is");
        }
    }

    #[test]
    fn the_schema_of_build_records_accepts_ours_and_refuses_outputs_without_a_pass() {
        let schema = build_record();
        let validator = jsonschema::validator_for(schema.as_value()).expect("a schema");
        for (bytes, passed) in crate::record::tests::samples() {
            let record: Json = serde_json::from_slice(&bytes).expect("JSON");
            assert!(validator.is_valid(&record), "{:?}", validator.iter_errors(&record).collect::<Vec<_>>());
            let change = |path: &str, value: Json| {
                let mut changed = record.clone();
                *changed.pointer_mut(path).expect("the path is there") = value;
                changed
            };
            let status = if passed { "FAILED" } else { "SUCCEEDED" };
            assert!(!validator.is_valid(&change("/predicate/facts/status", json!(status))));
            assert!(!validator.is_valid(&change("/predicateType", json!("https://example.org/other"))));
            let mut claiming = record["predicate"]["facts"].clone();
            claiming["outputs"] = json!({ "artifacts": [] });
            assert_eq!(validator.is_valid(&change("/predicate/facts", claiming)), passed);
            let mut unknown = record["predicate"]["facts"].clone();
            unknown["hint"] = json!(1);
            assert!(!validator.is_valid(&change("/predicate/facts", unknown)));
        }
    }
}
