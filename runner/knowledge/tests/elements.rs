//! The elements example through the whole spine, in memory: two sources, 27 conflicts, 27 decisions.

use std::collections::BTreeMap;
use std::path::Path;

use orgo_knowledge::{
    MemoryFolder, MemorySpill, SpineError, decide, exchange, extract, ingest, pack, query, read_all, resolve, validate,
};
use orgo_spec::artifact::report::{Severity, ValidationReport, ValidationStatus};
use orgo_spec::artifact::resolved::Rank;
use orgo_spec::artifact::{Accepted, NotAccepted};
use orgo_spec::document::{Document, RelativePath};
use orgo_spec::{Digest, ReasonCode};

fn example(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/elements");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn document(path: &str) -> Document {
    Document::new(path, example(path))
}

fn decisions() -> Vec<(RelativePath, String)> {
    ["decisions/density.kdl", "decisions/atomic-mass.kdl"]
        .map(|path| (RelativePath::new(path).expect("relative"), example(path)))
        .to_vec()
}

fn config(retrieved_at: &str) -> ingest::IngestConfig {
    let json = serde_json::json!({ "sources": [
        { "name": "mendeleev", "file": "data/mendeleev.csv", "license": "MIT", "version": "1.3.0",
          "retrieved_at": retrieved_at, "uri": "pkg:pypi/mendeleev@1.3.0" },
        { "name": "periodictable", "file": "data/periodictable.csv", "license": "LicenseRef-public-domain",
          "version": "2.1.0", "retrieved_at": "2026-11-21T00:00:00Z" },
    ]});
    serde_json::from_value(json).expect("a configuration")
}

/// Everything that the spine made, one folder a stage.
struct Spine {
    snapshots: MemoryFolder,
    claims: MemoryFolder,
    resolved: MemoryFolder,
    decided: MemoryFolder,
    report: MemoryFolder,
    verdict: ValidationReport,
}

const SPILL: MemorySpill = MemorySpill { budget: 64 << 20 };

fn spine(
    edit: impl Fn(&str, String) -> String,
    decided_by: &[(RelativePath, String)],
    budget: usize,
) -> Result<Spine, SpineError> {
    spine_of(&config("2026-11-20"), edit, decided_by, budget)
}

fn spine_of(
    config: &ingest::IngestConfig,
    edit: impl Fn(&str, String) -> String,
    decided_by: &[(RelativePath, String)],
    budget: usize,
) -> Result<Spine, SpineError> {
    let files = MemoryFolder::default();
    for path in ["data/mendeleev.csv", "data/periodictable.csv"] {
        files.put(path, edit(path, example(path)));
    }
    let [mut snapshots, mut claims, mut resolved, mut decided, mut report] = [(); 5].map(|()| MemoryFolder::default());
    ingest::ingest(config, &files, &mut snapshots)?;
    extract::extract(&snapshots, &document("maps/elements.kdl"), &mut claims)?;
    resolve::resolve(&claims, example("data/registry.jsonl").as_bytes(), &mut resolved)?;
    decide::decide(&resolved, decided_by, &mut decided)?;
    let rules = document("rules/elements.kdl");
    let verdict = validate::validate(&decided, &snapshots, &rules, &MemorySpill { budget }, &mut report)?;
    Ok(Spine { snapshots, claims, resolved, decided, report, verdict })
}

fn as_published(_: &str, text: String) -> String {
    text
}

impl Spine {
    fn accepted(&self) -> Result<Accepted, NotAccepted> {
        let batch = read_all(&self.decided, "batch.json").expect("written");
        Accepted::from_report(&read_all(&self.report, "report.json").expect("written"), Digest::of(&batch))
    }

    fn canon(&self, budget: usize) -> MemoryFolder {
        let mut canon = MemoryFolder::default();
        let accepted = self.accepted().expect("the report passes");
        exchange::compile_exchange(&accepted, &self.decided, &MemorySpill { budget }, &mut canon).expect("compiles");
        canon
    }

    fn pack(&self, canon: &MemoryFolder) -> MemoryFolder {
        let mut out = MemoryFolder::default();
        pack::compile_pack(&self.accepted().expect("the report passes"), canon, &mut out).expect("compiles");
        out
    }
}

fn conflicts(report: &ValidationReport) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for issue in report.issues.iter().filter(|i| i.code.as_str() == "FUNCTIONAL_CONFLICT") {
        let details = issue.details.clone().expect("conflicts have details");
        found.entry(details.property.expect("a property")).or_default().push(details.subject.expect("a subject"));
    }
    found
}

#[test]
fn without_decisions_there_are_exactly_27_conflicts() {
    let spine = spine(as_published, &[], 1 << 20).expect("runs");
    let report = &spine.verdict;
    assert_eq!(report.validation_status, ValidationStatus::Failed);
    assert_eq!(report.stats.error_count, 27, "{:#?}", report.issues.first());
    let conflicts = conflicts(report);
    assert_eq!(conflicts["atomic-mass"].len(), 10);
    assert_eq!(conflicts["density"].len(), 17);
    for name in ["Technetium", "Promethium", "Rutherfordium", "Hassium"] {
        assert!(conflicts["atomic-mass"].iter().any(|n| n == name), "{name}");
    }
    assert!(
        report
            .issues
            .iter()
            .filter(|i| i.severity == Severity::Error)
            .all(|i| i.code.as_str() == "FUNCTIONAL_CONFLICT")
    );
    assert_eq!(report.extensions.koa.evidence_reread, report.extensions.koa.claims);
    let refused = spine.accepted().map(|_| ()).map_err(|e| e.code());
    assert_eq!(refused, Err(ReasonCode::ValidationFailed), "and nothing can be compiled");
    // the first conflict, as a steward reads it
    let hydrogen = report.issues.iter().find(|i| i.message.starts_with("Hydrogen: density")).expect("H conflicts");
    assert_eq!(
        hydrogen.message,
        "Hydrogen: density is 8.2e-05 (mendeleev) and 0.0708 (periodictable), beyond the tolerance of 0.02"
    );
}

#[test]
fn with_the_committed_decisions_it_passes_and_both_values_stay() {
    let spine = spine(as_published, &decisions(), 1 << 20).expect("runs");
    let report = &spine.verdict;
    assert_eq!(
        (report.validation_status, report.stats.error_count),
        (ValidationStatus::Passed, 0),
        "{:#?}",
        report.issues
    );
    assert!(report.stats.info_count > 0, "values within tolerance are counted");
    let canon = spine.canon(1 << 20);
    let pack = pack::Pack::open(&spine.pack(&canon)).expect("verifies");

    let technetium = query::about(&pack, "Tc", Some("atomic mass")).expect("answers");
    let values: Vec<_> = technetium.claims.iter().map(|c| (c.value.as_str(), c.rank, c.truthy)).collect();
    assert_eq!(values, [("97.90721", Rank::Preferred, true), ("98", Rank::Normal, false)]);
    let preferred = &technetium.claims[0];
    let sources: Vec<_> = preferred.evidence.iter().map(|e| e.source.as_str()).collect();
    assert!(sources.contains(&"mendeleev") && sources.contains(&"decisions/atomic-mass.kdl"), "{sources:?}");

    let hydrogen = query::about(&pack, "hydrogen", Some("density")).expect("answers");
    let liquid = hydrogen.claims.iter().find(|c| c.value == "0.0708").expect("stays");
    assert_eq!(liquid.qualifiers, [("phase".to_owned(), "liquid".to_owned())]);
    assert_eq!(liquid.unit.as_deref(), Some("gram per cubic centimetre"));
    assert!(hydrogen.claims.iter().any(|c| c.value == "0.000082" && c.qualifiers.is_empty()));

    // equal decimals of two sources are one statement with both evidences
    let helium = query::about(&pack, "Q4000000002", Some("atomic mass")).expect("answers");
    assert_eq!(helium.claims.len(), 1);
    assert_eq!(helium.claims[0].evidence.len(), 2);

    // and every excerpt reads back to the bytes it names
    for evidence in hydrogen.claims.iter().flat_map(|c| &c.evidence) {
        let hex = evidence.snapshot_id.hex();
        let bytes = read_all(&spine.snapshots, &format!("payload/{hex}"))
            .or_else(|_| read_all(&spine.decided, &format!("snapshots/{hex}")))
            .expect("a snapshot");
        let at = |n: u64| usize::try_from(n).expect("small");
        let excerpt = &bytes[at(evidence.locator.start)..at(evidence.locator.end)];
        assert_eq!(Digest::of(excerpt), evidence.excerpt_sha256.0);
    }
}

#[test]
fn bytes_do_not_depend_on_memory_or_on_the_order_of_files() {
    let small = spine(as_published, &decisions(), 256).expect("runs");
    let mut reversed = decisions();
    reversed.reverse();
    let large = spine(as_published, &reversed, usize::MAX).expect("runs");
    assert!(small.decided.files() == large.decided.files(), "the same bytes");
    assert!(small.report.files() == large.report.files(), "the same bytes");
    let (one, two) = (small.canon(256), large.canon(usize::MAX));
    assert!(one.files() == two.files(), "the same bytes");
    assert!(small.pack(&one).files() == large.pack(&two).files(), "the same bytes");
}

#[test]
fn provenance_does_not_change_canon_but_a_value_does() {
    let kristal_id = |spine: &Spine| {
        let bytes = read_all(&spine.canon(1 << 20), exchange::MANIFEST).expect("written");
        orgo_spec::artifact::exchange::ExchangeManifest::read(&bytes).expect("a manifest").kristal_id
    };
    let base = kristal_id(&spine(as_published, &decisions(), 1 << 20).expect("runs"));
    let later = config("2027-01-01");
    let later = spine_of(&later, as_published, &decisions(), 1 << 20).expect("runs");
    assert_eq!(later.verdict.created_at.as_str(), "2027-01-01T00:00:00Z", "the newest date is the build clock");
    assert_eq!(base, kristal_id(&later), "and the build clock is not in canon");
    let edited = spine(|_, text| text.replacen(",1766\n", ",1767\n", 1), &decisions(), 1 << 20).expect("runs");
    assert_ne!(base, kristal_id(&edited));
}

#[test]
fn a_changed_value_makes_its_decision_stale() {
    let edit = |path: &str, text: String| {
        if path.contains("mendeleev") { text.replace("97.90721", "97.9073") } else { text }
    };
    let refused = spine(edit, &decisions(), 1 << 20).err().expect("stale");
    assert_eq!(refused.code(), ReasonCode::DecisionStale);
    let message = refused.to_string();
    assert!(message.contains("atomic-mass.kdl:10") && message.contains("mendeleev says `97.9073`"), "{message}");
}

#[test]
fn decisions_about_what_is_not_there_are_unknown() {
    let (path, text) = decisions().swap_remove(1);
    for (from, to) in [("subject=\"Bh\"", "subject=\"Bhx\""), ("source=\"mendeleev\"", "source=\"wikipedia\"")] {
        let refused =
            spine(as_published, &[(path.clone(), text.replacen(from, to, 1))], 1 << 20).err().expect("unknown");
        assert!(matches!(refused.code(), ReasonCode::DecisionUnknown | ReasonCode::DocumentInvalid), "{refused}");
    }
}

#[test]
fn cells_that_do_not_survive_are_refused_with_their_place() {
    for (from, to, code) in [
        ("H,1,hydrogen,1.008,", "H,01,hydrogen,1.008,", ReasonCode::NormalizeLiteralLossy),
        ("H,1,hydrogen,1.008,", "H,1,hydrogen,+1.008,", ReasonCode::NormalizeLiteralLossy),
        ("H,1,hydrogen,1.008,", "H,one,hydrogen,1.008,", ReasonCode::NormalizeLiteralInvalid),
        ("H,1,hydrogen,", "H,1,hydrogen,,", ReasonCode::IngestParseError),
        ("symbol,number,name,mass", "symbol,number,name,weight", ReasonCode::IngestParseError),
        ("H,1,hydrogen", ",1,hydrogen", ReasonCode::NormalizeLiteralInvalid),
    ] {
        let refused = spine(|_, text| text.replacen(from, to, 1), &[], 1 << 20).err().expect(to);
        assert_eq!(refused.code(), code, "{to}: {refused}");
        assert!(refused.to_string().contains("periodictable"), "{refused}");
    }
}

#[test]
fn rules_find_what_they_are_for() {
    for (from, to, code) in [
        ("H,1,hydrogen", "H,119,hydrogen", "RANGE_VIOLATION"),
        ("H,1,hydrogen", "Hx,1,hydrogen", "RESOLVE_ENTITY_NOT_FOUND"),
        ("H,1,hydrogen", "H,2,hydrogen", "FUNCTIONAL_CONFLICT"),
    ] {
        let spine = spine(|_, text| text.replacen(from, to, 1), &decisions()[1..], 1 << 20).expect("runs");
        assert!(
            spine.verdict.extensions.koa.counts.contains_key(code),
            "{code}: {:?}",
            spine.verdict.extensions.koa.counts
        );
        assert_eq!(spine.verdict.validation_status, ValidationStatus::Failed);
    }
    let gone = |_: &str, text: String| {
        text.replace("\nHe,2,Helium,4.002602,", "\nHe,2,Helium,,").replace("\nHe,2,helium,4.002602,", "\nHe,2,helium,,")
    };
    let spine = spine(gone, &decisions()[1..], 1 << 20).expect("runs");
    assert_eq!(spine.verdict.extensions.koa.counts.get("REQUIRED_MISSING"), Some(&1));
}

#[test]
fn evidence_that_does_not_read_back_is_found() {
    let spine = spine(as_published, &decisions(), 1 << 20).expect("runs");
    let batch = read_all(&spine.decided, "batch.json").expect("written");
    let documents = String::from_utf8(read_all(&spine.decided, "documents.jsonl").expect("written")).expect("JSON");
    let validate = |from: &str, to: &str| {
        // a third party's batch: consistent in itself, wrong about its sources
        let altered = documents.replacen(from, to, 1);
        assert!(altered != documents, "{from} is not there");
        let sha = |text: &str| Digest::of(text.as_bytes()).hex();
        let batch = String::from_utf8(batch.clone()).expect("JSON").replace(&sha(&documents), &sha(&altered));
        let size = |n: usize| format!("\"size_bytes\": {n}");
        let batch = batch.replace(&size(documents.len()), &size(altered.len()));
        let folder = spine.decided.clone();
        let copy = MemoryFolder::default();
        folder.files().into_iter().for_each(|(path, bytes)| copy.put(&path, bytes));
        copy.put("documents.jsonl", altered);
        copy.put("batch.json", batch);
        validate::validate(
            &copy,
            &spine.snapshots,
            &document("rules/elements.kdl"),
            &SPILL,
            &mut MemoryFolder::default(),
        )
        .expect("runs")
        .extensions
        .koa
        .counts
    };
    for (from, to) in [
        ("\"value\":\"Hydrogen\"", "\"value\":\"Hydrogen!\""),
        ("\"quote\":\"Hydrogen\"", "\"quote\":\"Hydrogem\""),
        ("\"amount\":\"+1.008\"", "\"amount\":\"+1.009\""),
        ("bytes=111..116", "bytes=111..117"),
        ("bytes=111..116", "bytes=111..999999999"),
        ("\"title\":\"mendeleev\"", "\"title\":\"elsewhere\""),
        ("\"quote\":\"prefer subject", "\"quote\":\"refer subject"),
    ] {
        let counts = validate(from, to);
        assert!(counts.contains_key("EVIDENCE_POINTER_INVALID"), "{from} → {to}: {counts:?}");
    }
}

#[test]
fn compile_refuses_another_batch_and_altered_files() {
    let passed = spine(as_published, &decisions(), 1 << 20).expect("runs");
    let failed = spine(as_published, &[], 1 << 20).expect("runs");
    let accepted = passed.accepted().expect("passes");
    let refused = exchange::compile_exchange(&accepted, &failed.decided, &SPILL, &mut MemoryFolder::default());
    assert_eq!(refused.map(|_| ()).map_err(|e| e.code()), Err(ReasonCode::SubjectMismatch));

    let copy = |folder: &MemoryFolder, path: &str, edit: &dyn Fn(&mut Vec<u8>)| {
        let copy = MemoryFolder::default();
        folder.files().into_iter().for_each(|(p, bytes)| copy.put(&p, bytes));
        let mut bytes = read_all(folder, path).expect("there");
        edit(&mut bytes);
        copy.put(path, bytes);
        copy
    };
    let altered = copy(&passed.decided, "documents.jsonl", &|b| {
        let at = b.windows(7).position(|w| w == b"\"1.008\"").expect("a quote") + 1;
        b[at] = b'2';
    });
    let refused = exchange::compile_exchange(&accepted, &altered, &SPILL, &mut MemoryFolder::default());
    assert_eq!(refused.map(|_| ()).map_err(|e| e.code()), Err(ReasonCode::FileHashMismatch));

    let canon = passed.canon(1 << 20);
    let truncated = copy(&canon, exchange::PAYLOAD, &|b| b.truncate(b.len() - 1));
    assert!(pack::compile_pack(&accepted, &truncated, &mut MemoryFolder::default()).is_err());

    let whole = passed.pack(&canon);
    for path in whole.files().keys() {
        let altered = copy(&whole, path, &|b| b[0] ^= 1);
        assert!(pack::Pack::open(&altered).is_err(), "{path}");
        let shorter = copy(&whole, path, &|b| b.truncate(b.len() - 2));
        assert!(pack::Pack::open(&shorter).is_err(), "{path}");
    }
}

#[test]
fn claims_are_neither_lost_nor_invented() {
    let spine = spine(as_published, &decisions(), 1 << 20).expect("runs");
    let lines = |folder: &MemoryFolder| {
        let bytes = read_all(folder, "documents.jsonl").expect("written");
        let mut ids: Vec<_> = String::from_utf8(bytes)
            .expect("JSON")
            .split("\"claim_id\":\"")
            .skip(1)
            .map(|rest| rest[..34].to_owned())
            .collect();
        ids.sort();
        ids
    };
    let claimed = lines(&spine.claims);
    assert!(claimed == lines(&spine.resolved), "resolve keeps every claim");
    assert!(claimed == lines(&spine.decided), "decide keeps every claim");
    let canon = String::from_utf8(read_all(&spine.canon(1 << 20), exchange::PAYLOAD).expect("written")).expect("JSON");
    let missing: Vec<_> = claimed.iter().filter(|id| !canon.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(claimed.len() as u64, spine.verdict.extensions.koa.claims);
}
