//! Ledgers that somebody touched: each is refused, for its reason.
//!
//! The attacker here is strong: he can write to the repository and, where it matters, holds the git key, so
//! that only the check under test stands in his way.

use orgo_host::ledger::AUDIT;
use orgo_host::ledger::Entry;
use orgo_host::verify::{Pin, Severity, Verdict, VerifyOptions, verify};
use orgo_spec::record::TrustRecord;
use orgo_spec::{Digest, ReasonCode};
use proptest::prelude::*;

use super::support::{
    Keys, NOW, World, build, build_of, decided, evidence, must, name, record, report, subject, trust, trust_version,
    with_member,
};

#[test]
fn a_tampered_statement_is_refused() {
    let world = World::with_builds();
    let (statement, _) = world.paths(3);
    let forged = String::from_utf8(world.file(&statement)).expect("text").replace("development", "production");
    world.rewrite_tip(&[(&statement, Some(forged.as_bytes()))], &world.keys.git);
    assert!(world.codes().contains(&ReasonCode::SigInvalid), "{:?}", world.codes());
}

#[test]
fn a_tampered_signature_file_is_refused() {
    let world = World::with_builds();
    let (_, envelope) = world.paths(3);
    let good = String::from_utf8(world.file(&envelope)).expect("text");
    for (forged, code) in [
        (good.replace("in-toto", "in-tots"), ReasonCode::PayloadTypeMismatch),
        (
            good.replace("  \"payloadType\"", "  \"alg\": \"none\",\n  \"payloadType\""),
            ReasonCode::EnvelopeFieldUnknown,
        ),
        (good.replace("==\"", "=\""), ReasonCode::SigMalformed),
        (good.replace('\n', "\r\n"), ReasonCode::SigMalformed),
    ] {
        world.rewrite_tip(&[(&envelope, Some(forged.as_bytes()))], &world.keys.git);
        assert_eq!(world.codes(), [code], "{forged}");
    }
}

#[test]
fn a_missing_signature_file_is_refused() {
    let world = World::with_builds();
    let (_, envelope) = world.paths(3);
    world.rewrite_tip(&[(&envelope, None)], &world.keys.git);
    assert_eq!(world.codes(), [ReasonCode::SigMissing]);
}

#[test]
fn a_record_signed_by_the_wrong_key_is_refused() {
    let world = World::with_builds();
    let (statement, envelope) = world.paths(3);
    let bytes = world.file(&statement);
    let stranger = Keys::new(&world.folder.path().join("stranger"));
    for (key, code) in [(&stranger.runner, ReasonCode::KeyUnknown), (&world.keys.root[0], ReasonCode::KeyScopeMismatch)]
    {
        let forged = orgo_spec::signature::Envelope::new([key.sign_payload(&bytes).expect("signed")]).to_bytes();
        world.rewrite_tip(&[(&envelope, Some(&forged))], &world.keys.git);
        assert_eq!(world.codes(), [code]);
    }
}

#[test]
fn a_commit_signed_by_the_wrong_key_is_refused() {
    let world = World::with_builds();
    let stranger = Keys::new(&world.folder.path().join("stranger"));
    world.rewrite_tip(&[], &stranger.git);
    assert_eq!(world.codes(), [ReasonCode::KeyUnknown]);
    assert!(world.ledger.head().is_ok(), "only verification reads signatures of the past");
}

#[test]
fn an_unsigned_commit_is_refused() {
    let world = World::with_builds();
    let git = world.git();
    let tip = git.commit(world.tip()).expect("a commit");
    world.commit(tip.parents.first().copied(), tip.tree, &[], tip.message.trim_end(), None);
    assert_eq!(world.codes(), [ReasonCode::SigMissing]);
}

#[test]
fn swapped_evidence_is_refused() {
    let world = World::with_builds();
    let hex = Digest::of(&evidence(3)).hex();
    let path = format!("evidence/{}/{}/{hex}", &hex[..2], &hex[2..4]);
    world.rewrite_tip(&[(&path, Some(b"{}"))], &world.keys.git);
    assert!(world.codes().contains(&ReasonCode::EvidenceAltered), "{:?}", world.codes());
    // Later, on top: an edit of what is there.
    let world = World::with_builds();
    world.add_commit(&[(&path, Some(b"{}"))], "nothing to see\n");
    assert!(world.codes().contains(&ReasonCode::AuditNotLinear), "{:?}", world.codes());
}

#[test]
fn a_missing_record_is_refused() {
    let world = World::with_builds();
    let (statement, envelope) = world.paths(2);
    world.add_commit(&[(&statement, None), (&envelope, None)], "tidy\n");
    assert!(world.codes().contains(&ReasonCode::RecordMissing), "{:?}", world.codes());
}

#[test]
fn a_gap_in_the_numbering_is_refused() {
    let world = World::with_builds();
    let (statement, envelope) = world.paths(3);
    let (bytes, signed) = (world.file(&statement), world.file(&envelope));
    let at = |path: &str| path.replace("/3.", "/4.");
    world.rewrite_tip(
        &[(&statement, None), (&envelope, None), (&at(&statement), Some(&bytes)), (&at(&envelope), Some(&signed))],
        &world.keys.git,
    );
    assert!(world.codes().contains(&ReasonCode::RecordMissing), "{:?}", world.codes());
}

#[test]
fn an_edited_old_path_is_refused() {
    let world = World::with_builds();
    let (statement, envelope) = world.paths(1);
    let forged = String::from_utf8(world.file(&statement))
        .expect("text")
        .replace("host\": \"test", "host\": \"best")
        .into_bytes();
    let signed = world.envelope(&forged);
    world.add_commit(&[(&statement, Some(&forged)), (&envelope, Some(&signed))], "better\n");
    let codes = world.codes();
    // Both files are edits, and the log that he signed anew is not that of the records.
    assert_eq!(codes.iter().filter(|c| **c == ReasonCode::AuditNotLinear).count(), 2, "{codes:?}");
    assert!(codes[2..].iter().all(|c| *c == ReasonCode::LogInconsistent), "{codes:?}");
}

#[test]
fn a_merge_is_refused() {
    let world = World::with_builds();
    let repo = world.repo();
    let args = ["-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", "-m", "merge"];
    let tree = format!("{AUDIT}^{{tree}}");
    let parent = format!("{AUDIT}~");
    let merge = must(&repo, "git", &[&args[..], &["-p", AUDIT, "-p", &parent, &tree]].concat());
    must(&repo, "git", &["update-ref", AUDIT, merge.trim()]);
    assert!(world.codes().contains(&ReasonCode::AuditNotLinear), "{:?}", world.codes());
}

#[test]
fn files_that_the_format_does_not_know_are_refused() {
    for path in ["README", "records/0/0/1.build.txt", "trust/other", ".gitattributes"] {
        let world = World::with_builds();
        world.add_commit(&[(path, Some(b"x"))], "more\n");
        assert!(world.codes().contains(&ReasonCode::RepoUnsafe), "{path}: {:?}", world.codes());
    }
}

#[test]
fn a_list_of_signers_that_the_trust_does_not_generate_is_refused() {
    let world = World::with_builds();
    let mut list = world.file("trust/allowed_signers");
    list.extend_from_slice(b"evil@acme namespaces=\"git\" ssh-ed25519 AAAA\n");
    world.rewrite_tip(&[("trust/allowed_signers", Some(&list))], &world.keys.git);
    assert_eq!(world.codes(), [ReasonCode::RecordAltered]);
    let refused = world.ledger.append(&build(9, "ci"), &world.keys.signers()).map(|_| ()).map_err(|e| e.code());
    assert_eq!(refused, Err(Some(ReasonCode::RecordAltered)), "nobody appends to it either");
}

#[test]
fn trailers_that_lie_are_refused() {
    let world = World::with_builds();
    let git = world.git();
    let tip = git.commit(world.tip()).expect("a commit");
    let message = tip.message.replace("sha256:", "sha256:0").replacen('0', "", 1);
    world.commit(tip.parents.first().copied(), tip.tree, &[], &message, Some(&world.keys.git));
    assert_eq!(world.codes(), [ReasonCode::RecordAltered], "{message}");
}

#[test]
fn a_forged_root_is_refused() {
    let honest = World::with_builds();
    let forged = World::with_builds();
    let root = honest.ledger.record(0).expect("there").id();
    assert_eq!(forged.verify().verdict, Verdict::NotAnchored, "a forger's ledger agrees with itself");
    let options = VerifyOptions { root: Some(root), ..VerifyOptions::default() };
    let report = verify(&forged.repo(), AUDIT, &options).expect("a report");
    assert_eq!((report.verdict, report.findings[0].code), (Verdict::Invalid, ReasonCode::RootNotTrusted));
}

#[test]
fn a_trust_record_without_the_roots_consent_is_refused() {
    let world = World::with_builds();
    let thief = Keys::new(&world.folder.path().join("thief"));
    let statement = trust_version(&thief, "acme", 2);
    // The thief holds the runner key and the git key of the ledger, not its root key.
    let keys = [&world.keys.runner, &thief.root[0]];
    let envelope = orgo_spec::signature::Envelope::new(keys.map(|k| k.sign_payload(&statement).expect("signed")));
    let id = Digest::of(&statement);
    let message = format!("new trust\n\nOrgo-Record: 4 {id}\n");
    let files: [(&str, Option<&[u8]>); 2] =
        [("records/0/0/4.trust.json", Some(&statement)), ("records/0/0/4.trust.dsse", Some(&envelope.to_bytes()))];
    world.add_commit(&files, &message);
    assert_eq!(world.codes(), [ReasonCode::SigThresholdNotMet]);
}

/// Puts a record on top that nobody would append: signed by the runner, committed with the git key.
fn smuggle(world: &World, statement: &[u8], evidence: &[Vec<u8>], latest: bool) -> Vec<ReasonCode> {
    let envelope = world.envelope(statement);
    let paths: Vec<String> = evidence
        .iter()
        .map(|e| {
            let hex = Digest::of(e).hex();
            format!("evidence/{}/{}/{hex}", &hex[..2], &hex[2..4])
        })
        .collect();
    let mut files: Vec<(&str, Option<&[u8]>)> =
        vec![("records/0/0/4.build.json", Some(statement)), ("records/0/0/4.build.dsse", Some(&envelope))];
    files.extend(paths.iter().zip(evidence).map(|(path, bytes)| (path.as_str(), Some(bytes.as_slice()))));
    if latest {
        files.push(("latest/elements/main.json", Some(statement)));
    }
    world.add_commit(&files, &format!("elements\n\nOrgo-Record: 4 {}\n", Digest::of(statement)));
    world.codes()
}

#[test]
fn a_smuggled_record_that_is_in_order_verifies() {
    // The control of the tests below: what they change is what is refused.
    let world = World::with_builds();
    let report = evidence(4);
    let (gate, facts) = decided(4, &report);
    let statement = record(4, "elements", gate, &report).to_bytes().expect("plain");
    assert_eq!(smuggle(&world, &statement, &[facts, report], true), []);
}

#[test]
fn a_gate_that_decides_otherwise_is_refused() {
    let world = World::with_builds();
    let failing = report("failed", 27, subject(4));
    let (gate, facts) = decided(4, &failing);
    assert_eq!(gate.decision, orgo_spec::record::Decision::Fail);
    let forged = orgo_spec::record::GateRecord {
        decision: orgo_spec::record::Decision::Pass,
        reason_codes: vec![],
        ..gate.clone()
    };
    let statement = record(4, "elements", forged.clone(), &failing).to_bytes().expect("plain");
    let evidence = [facts, failing.clone()];
    assert_eq!(smuggle(&world, &statement, &evidence, true), [ReasonCode::GateNotReproduced]);
    // Nor does anybody append it, and another engine's word is not enough to call it verified.
    let world = World::with_builds();
    let append = build_of(4, "elements", &failing, |s| {
        *s = record(4, "elements", forged.clone(), &failing);
    });
    let refused = world.ledger.append(&append, &world.keys.signers()).map(|_| ()).map_err(|e| e.code());
    assert_eq!(refused, Err(Some(ReasonCode::GateNotReproduced)));
    let mut foreign = forged;
    foreign.engine.version = "0".to_owned();
    let statement = record(4, "elements", foreign, &failing).to_bytes().expect("plain");
    smuggle(&world, &statement, &evidence, true);
    assert_eq!(world.verify().verdict, Verdict::Incomplete);
}

#[test]
fn outputs_after_a_refusal_are_refused() {
    let world = World::with_builds();
    let failing = report("failed", 1, subject(4));
    let (gate, facts) = decided(4, &failing);
    let honest = record(4, "elements", gate, &failing).to_bytes().expect("plain");
    let statement = with_member(&honest, &["predicate", "facts"], "outputs", r#"{"artifacts":[]}"#);
    let codes = smuggle(&world, &statement, &[facts, failing], false);
    assert!(codes.contains(&ReasonCode::OutputWithoutPass), "{codes:?}");
}

#[test]
fn a_compilation_without_a_gate_is_refused() {
    let world = World::with_builds();
    let kristal = orgo_spec::record::KristalOutputs {
        exchange_hashes: vec![],
        exchange_manifest_ref: Digest::EMPTY,
        kristal_id: Digest::EMPTY,
        payload_hashes: vec![],
        runtime_pack_id: None,
        runtime_pack_manifest_ref: None,
    };
    let append = build_of(4, "elements", &evidence(4), |s| {
        s.predicate.facts.gates.clear();
        s.predicate.facts.validation_status = None;
        s.predicate.facts.validation_report_ref = None;
        let outputs = orgo_spec::record::Outputs { artifacts: vec![], kristal: Some(kristal) };
        s.predicate.facts.end(orgo_spec::record::Outcome::Passed { outputs });
    });
    let refused = world.ledger.append(&append, &world.keys.signers()).map(|_| ()).map_err(|e| e.code());
    assert_eq!(refused, Err(Some(ReasonCode::OutputWithoutPass)));
}

#[test]
fn a_record_of_another_tenant_or_commit_is_refused() {
    let world = World::with_builds();
    let refused = |change: fn(&mut orgo_spec::record::Statement<orgo_spec::record::BuildRecord>)| {
        let append = build_of(4, "elements", &evidence(4), change);
        world.ledger.append(&append, &world.keys.signers()).map(|_| ()).map_err(|e| e.code())
    };
    let tenant = refused(|s| s.predicate.facts.tenant_id = name("other"));
    assert_eq!(tenant, Err(Some(ReasonCode::TenantMismatch)));
    let mut append = build(4, "elements");
    let other = format!(r#"[{{"digest":{{"gitCommit":"{}"}},"name":"source"}}]"#, "f".repeat(40));
    append.entries[0].statement = with_member(&append.entries[0].statement, &[], "subject", &other);
    let commit = world.ledger.append(&append, &world.keys.signers()).map(|_| ()).map_err(|e| e.code());
    assert_eq!(commit, Err(Some(ReasonCode::SubjectMismatch)));
    let class = refused(|s| s.predicate.facts.class = orgo_spec::record::Class::Production);
    assert_eq!(class, Err(Some(ReasonCode::KeyScopeMismatch)));
}

#[test]
fn evidence_that_is_not_there_is_missing_and_not_invalid() {
    let world = World::with_builds();
    let report = evidence(4);
    let (gate, facts) = decided(4, &report);
    let statement = record(4, "elements", gate, &report).to_bytes().expect("plain");
    let codes = smuggle(&world, &statement, &[facts], true);
    assert!(codes.iter().all(|c| *c == ReasonCode::EvidenceMissing) && !codes.is_empty(), "{codes:?}");
    assert_eq!(world.verify().verdict, Verdict::Incomplete);
}

#[test]
fn a_missing_report_hides_no_contradiction() {
    let world = World::with_builds();
    let failing = report("failed", 3, subject(4));
    let (gate, facts) = decided(4, &failing);
    let decision = orgo_spec::record::Decision::Pass;
    let forged = orgo_spec::record::GateRecord { decision, reason_codes: vec![], ..gate };
    let statement = record(4, "elements", forged, &failing).to_bytes().expect("plain");
    let codes = smuggle(&world, &statement, &[facts], true);
    assert!(codes.contains(&ReasonCode::GateNotReproduced), "{codes:?}");
    assert_eq!(world.verify().verdict, Verdict::Invalid);
}

#[test]
fn a_latest_file_that_shows_something_else_is_refused() {
    let world = World::with_builds();
    let report = evidence(4);
    let (gate, facts) = decided(4, &report);
    let statement = record(4, "elements", gate, &report).to_bytes().expect("plain");
    assert_eq!(smuggle(&world, &statement, &[facts, report], false), [ReasonCode::RecordAltered], "not updated");
    let world = World::with_builds();
    world.rewrite_tip(&[("latest/elements/main.json", Some(b"{}"))], &world.keys.git);
    assert_eq!(world.codes(), [ReasonCode::RecordAltered], "other bytes");
    let world = World::with_builds();
    let newest = world.file(&world.paths(3).0);
    world.rewrite_tip(&[("latest/other/main.json", Some(&newest))], &world.keys.git);
    assert_eq!(world.codes(), [ReasonCode::RecordAltered], "another name");
}

#[test]
fn the_trust_that_a_commit_brings_does_not_judge_it() {
    // A change of trust with everyone's consent: the next commit needs the new keys, this one the old.
    let world = World::with_builds();
    let next = Keys::new(&world.folder.path().join("next"));
    let statement = trust_version(&next, "acme", 2);
    let entry = Entry::new::<TrustRecord>(statement, vec![]);
    let append = orgo_host::ledger::Append {
        entries: vec![entry],
        subject: "rotate".to_owned(),
        trailers: vec![],
        seconds: NOW,
    };
    let roots = [world.keys.root[0].clone(), next.root[0].clone()];
    let old = orgo_host::ledger::Signers { roots: &roots, ..world.keys.signers() };
    world.ledger.append(&append, &old).expect("everyone consents");
    assert_eq!(world.verify().findings, []);
    let refused = world.ledger.append(&build(5, "ci"), &world.keys.signers()).map(|_| ()).map_err(|e| e.code());
    assert_eq!(refused, Err(Some(ReasonCode::KeyUnknown)), "the old keys are out");
    world.ledger.append(&build(5, "ci"), &next.signers()).expect("the new keys are in");
    assert_eq!(world.verify().findings, []);
    // Going back to the first version is not a change of trust.
    let back = trust_version(&world.keys, "acme", 1);
    let entry = Entry::new::<TrustRecord>(back, vec![]);
    let append = orgo_host::ledger::Append { entries: vec![entry], ..append };
    let all = orgo_host::ledger::Signers { roots: &roots, ..next.signers() };
    let refused = world.ledger.append(&append, &all).map(|_| ()).map_err(|e| e.code());
    assert_eq!(refused, Err(Some(ReasonCode::RootNotTrusted)));
}

#[test]
fn a_ledger_of_another_beginning_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    must(folder.path(), "git", &["init", "-q", "--bare", "repo"]);
    let keys = Keys::new(&folder.path().join("home"));
    let ledger = orgo_host::ledger::Ledger::open(&folder.path().join("repo"), AUDIT).expect("a repository");
    let wrong = Keys::new(&folder.path().join("other"));
    let refused = ledger.init(trust(&wrong, "acme"), NOW, &keys.signers()).map(|_| ()).map_err(|e| e.code());
    assert_eq!(refused, Err(Some(ReasonCode::KeyUnknown)));
}

#[test]
fn a_rewound_ledger_is_noticed() {
    let world = World::with_builds();
    let root = world.ledger.record(0).expect("there").id();
    let seen = Some(world.tip().to_string());
    must(&world.repo(), "git", &["update-ref", AUDIT, &format!("{AUDIT}~")]);
    let pin = Pin { branch: AUDIT.to_owned(), repository: world.repo(), root, seen };
    let options = VerifyOptions { pin: Some(pin), ..VerifyOptions::default() };
    let report = verify(&world.repo(), AUDIT, &options).expect("a report");
    assert_eq!(report.findings.iter().map(|f| f.code).collect::<Vec<_>>(), [ReasonCode::AuditRewound]);
}

#[test]
fn a_damaged_object_is_invalid_and_a_lost_one_is_missing() {
    let world = World::with_builds();
    let git = world.git();
    let tree = git.commit(world.tip()).expect("a commit").tree;
    let (statement, _) = world.paths(2);
    let id = git.entry(tree, &statement).expect("readable").expect("there").id.to_string();
    let path = world.repo().join("objects").join(&id[..2]).join(&id[2..]);
    let other = git.entry(tree, &world.paths(1).0).expect("readable").expect("there").id.to_string();
    let other = world.repo().join("objects").join(&other[..2]).join(&other[2..]);
    std::fs::remove_file(&path).expect("removed");
    let report = world.verify();
    assert_eq!(report.verdict, Verdict::Incomplete, "{:?}", report.findings);
    assert!(report.findings.iter().all(|f| f.severity == Severity::Missing));
    std::fs::copy(&other, &path).expect("another object under its name");
    assert_eq!(world.codes(), [ReasonCode::RecordAltered]);
}

/// libgit2 waits for ever for the rest of such a file.
#[test]
fn an_object_that_was_cut_off_is_refused_wherever_it_was_cut() {
    let world = World::with_builds();
    let objects = must(&world.repo(), "git", &["rev-list", "--objects", AUDIT]);
    let ids: Vec<&str> = objects.lines().filter_map(|l| l.split(' ').next()).collect();
    for (n, id) in (0u32..).zip(ids) {
        let path = world.repo().join("objects").join(&id[..2]).join(&id[2..]);
        let whole = std::fs::read(&path).expect("a loose object");
        std::fs::remove_file(&path).expect("removed");
        for cut in [0, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).expect("written");
            let (done, waits) = std::sync::mpsc::channel();
            let (repo, keys) = (world.repo(), &world.keys);
            let next = build(100 + n, "ci");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let verdict = verify(&repo, AUDIT, &VerifyOptions::default()).map(|r| r.verdict);
                    if n % 8 == 0 && cut > 0 && cut < whole.len() - 1 {
                        // Whether it needs that object or not, an append ends.
                        let ledger = orgo_host::ledger::Ledger::open(&repo, AUDIT).expect("a repository");
                        let _ended = ledger.append(&next, &keys.signers());
                    }
                    let _ = done.send(verdict);
                });
                // Who still waits is not waited for: a panic would be.
                let verdict =
                    waits.recv_timeout(std::time::Duration::from_secs(60)).unwrap_or_else(|_| std::process::exit(1));
                assert!(verdict.is_err() || verdict.is_ok_and(|v| v == Verdict::Invalid), "{id}, {cut} bytes");
            });
        }
        std::fs::write(&path, &whole).expect("written");
    }
    assert_eq!(world.verify().findings, []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// No single flipped bit of a record, of its envelope or of its evidence is accepted, even if the forger
    /// holds the git key and signs the commit anew.
    #[test]
    fn no_flipped_bit_is_accepted(which in 0usize..3, at in 0usize..100_000, bit in 0u8..8) {
        let world = SHARED.with(std::rc::Rc::clone);
        let (statement, envelope) = world.paths(3);
        let hex = Digest::of(&evidence(3)).hex();
        let paths = [statement, envelope, format!("evidence/{}/{}/{hex}", &hex[..2], &hex[2..4])];
        let tip = world.tip().to_string();
        let mut bytes = world.file(&paths[which]);
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        world.rewrite_tip(&[(&paths[which], Some(&bytes))], &world.keys.git);
        let verdict = world.verify().verdict;
        must(&world.repo(), "git", &["update-ref", AUDIT, &tip]);
        prop_assert_eq!(verdict, Verdict::Invalid, "byte {} of {}", at, paths[which]);
    }
}

thread_local! {
    static SHARED: std::rc::Rc<World> = std::rc::Rc::new(World::with_builds());
}

/// A manifest of a mandate that accepts these rule sets, with one policy.
fn manifest(rulesets: &[Digest], policy: &str) -> String {
    let rulesets: Vec<_> = rulesets.iter().map(|r| format!(r#"{{"path":"r","sha256":"{r}"}}"#)).collect();
    let policy = Digest::of(policy.as_bytes());
    format!(
        r#"{{"name":"m","policies":[{{"file":"gate.cedar","sha256":"{policy}"}}],"tenant_id":"acme","validation":{{"rulesets":[{}],"validators":["builtin"]}},"version":1}}"#,
        rulesets.join(",")
    )
}

const POLICY: &str =
    "@id(\"clean\") permit(principal, action == Action::\"compile\", resource) when { context.report.issues == 0 };";

/// What becomes of a run whose gate was decided under `manifest` by `policy`, after `change`.
fn governed_run(
    manifest: &str,
    policy: &str,
    change: impl Fn(&mut orgo_spec::record::GateRecord, &mut Vec<Vec<u8>>),
) -> (World, Result<(), Option<ReasonCode>>) {
    use orgo_kernel::policy::Policies;
    use orgo_spec::record::{Accepts, GateFacts, Lane, Produces, RequestFacts, ValidatorFacts};
    let world = World::new();
    let report = evidence(1);
    let mandate = Digest::of(manifest.as_bytes());
    let document = orgo_spec::document::Document::new("gate.cedar", policy);
    let policies = Policies::load(mandate, &[document]).expect("valid");
    let facts = GateFacts {
        accepts: Some(Accepts { builtin: true, rulesets: vec![Digest::EMPTY], validators: vec![] }),
        gate: "accept".to_owned(),
        mandate: Some(mandate),
        mandate_required: true,
        overriding: None,
        report: None,
        report_digest: None,
        request: Some(RequestFacts {
            lane: Lane::Protected,
            pipeline: "elements".to_owned(),
            produces: Produces::Exchange,
        }),
        schema_version: orgo_kernel::gate::FACTS_VERSION.to_owned(),
        stage: "canon".to_owned(),
        subject: Some(subject(1)),
        validator: ValidatorFacts { builtin: true, digest: Digest::EMPTY },
    };
    let (mut verdict, _) = orgo_kernel::gate::decide(facts, Some(&report), Some(&policies), "run");
    let mut evidence = vec![verdict.facts, report.clone(), manifest.as_bytes().to_vec(), policy.as_bytes().to_vec()];
    change(&mut verdict.record, &mut evidence);
    let mut statement = record(1, "elements", verdict.record, &report);
    statement.predicate.facts.mandate_ref = Some(mandate);
    let mut append = build(1, "elements");
    append.entries[0].statement = statement.to_bytes().expect("a record");
    append.entries[0].evidence = evidence;
    let done = world.ledger.append(&append, &world.keys.signers()).map(|_| ()).map_err(|e| e.code());
    (world, done)
}

#[test]
fn a_gate_accepts_what_its_mandate_says_and_nothing_else() {
    let (_, done) = governed_run(&manifest(&[], POLICY), POLICY, |_, _| {});
    assert_eq!(done, Err(Some(ReasonCode::GateNotReproduced)), "the mandate lists no rule set");
    let (world, done) = governed_run(&manifest(&[Digest::EMPTY], POLICY), POLICY, |_, _| {});
    assert_eq!(done, Ok(()));
    let report = world.verify();
    assert_eq!(world.codes(), []);
    assert_eq!(report.counts.gates, 1, "the record alone gave the same verdict, policies included");
}

#[test]
fn a_gate_is_decided_again_with_the_policies_that_its_mandate_names() {
    let lists = manifest(&[Digest::EMPTY], POLICY);
    // Decided by other policies than the mandate's.
    let other = "@id(\"other\") permit(principal, action, resource);";
    let (_, done) = governed_run(&lists, other, |_, evidence| evidence.push(POLICY.as_bytes().to_vec()));
    assert_eq!(done, Err(Some(ReasonCode::GateNotReproduced)), "another policy decided");
    // Passed off as decided by the floor alone.
    let (_, done) = governed_run(&lists, POLICY, |gate, _| {
        gate.engine = orgo_spec::record::Engine { name: "orgo-builtin".to_owned(), version: "1".to_owned() };
        gate.policies.clear();
    });
    assert_eq!(done, Err(Some(ReasonCode::GateNotReproduced)), "a mandate with policies was not asked");
    // Another policy named as the one that decided.
    let (_, done) = governed_run(&lists, POLICY, |gate, _| gate.policies = vec!["other".to_owned()]);
    assert_eq!(done, Err(Some(ReasonCode::GateNotReproduced)), "no such policy decided");
    // Without the policies nothing is confirmed, and nothing is invalid.
    let (world, done) = governed_run(&lists, POLICY, |_, evidence| drop(evidence.pop()));
    assert_eq!(done, Ok(()));
    assert_eq!((world.verify().verdict, world.verify().counts.gates), (Verdict::Incomplete, 0));
    // Under another version of the engine it is said so.
    let (world, done) = governed_run(&lists, POLICY, |gate, _| gate.engine.version = "1+cedar-4.0.0".to_owned());
    assert_eq!(done, Ok(()));
    assert_eq!(world.verify().counts.gates_under_another_version, 1);
}
