//! Threats to a single record: its envelope, its bytes, whose it is.
//!
//! | Threat | Test |
//! |---|---|
//! | T-01 edited payload | `tampered::a_tampered_statement_is_refused`, `flips` |
//! | T-02 no signatures | here; the file itself: `tampered::a_missing_signature_file_is_refused` |
//! | T-03 malformed signature | here, `tampered::a_tampered_signature_file_is_refused` |
//! | T-04 payload type | `tampered::a_tampered_signature_file_is_refused` |
//! | T-05, T-06 one key counted twice | here |
//! | T-07 algorithm field | `tampered::a_tampered_signature_file_is_refused` |
//! | T-08 to T-12 digests, twins, names, numbers, depth and size | here |
//! | T-13 weak keys and signatures | here |
//! | T-14 a statement other than the signed one | here: the envelope has no payload of its own |
//! | T-15 another subject | `tampered::a_record_of_another_tenant_or_commit_is_refused` |
//! | T-18 trust without consent | `tampered::a_trust_record_without_the_roots_consent_is_refused` |
//! | T-20, T-21 another tenant | here |
//! | T-41 outputs after a failure | `tampered::outputs_after_a_refusal_are_refused` |
//! | T-41 a compilation without a gate | `tampered::a_compilation_without_a_gate_is_refused` |

use orgo_host::key::{PrivateKey, Role};
use orgo_host::ledger::{AUDIT, Entry, MAX_RECORD_BYTES, Signers};
use orgo_host::verify::{Verdict, VerifyOptions, verify};
use orgo_spec::ReasonCode;
use orgo_spec::record::BuildRecord;
use orgo_spec::signature::{Envelope, PublicKey};

use super::attack::{Forgery, found, key, listed, one, refused, set_tip, trust_with};
use super::support::{Keys, World, build, name};

/// Record 4 with other bytes, properly signed: refused by the signer, and by the verifier if somebody signed it.
fn both_refuse(world: &World, statement: Vec<u8>, code: ReasonCode) {
    let mut append = build(4, "ci");
    append.entries[0].statement.clone_from(&statement);
    assert_eq!(refused(world, &append, &world.keys.signers()), code);
    let tip = world.tip().to_string();
    Forgery::of(world).record(&Entry::new::<BuildRecord>(statement, vec![]), &[&world.keys.runner]).commit();
    let codes = found(&world.verify().findings);
    set_tip(world, &tip);
    assert_eq!(codes, [(code, Some(4))]);
}

fn text() -> String {
    String::from_utf8(build(4, "ci").entries.remove(0).statement).expect("text")
}

/// T-08 to T-11
#[test]
fn a_record_has_one_spelling() {
    let world = World::with_builds();
    let good = text();
    let digest = orgo_spec::Digest::EMPTY.hex();
    for (from, to, code) in [
        ("\"gitCommit\": \"", "\"md5\": \"", ReasonCode::DigestAlgorithmRefused),
        ("\"gitCommit\": \"0", "\"gitCommit\": \"", ReasonCode::DigestAlgorithmRefused),
        // Within the facts the type of the record refuses what is no digest and no name.
        (&*digest, &*digest.to_uppercase(), ReasonCode::SchemaInvalid),
        (&*digest, &digest[2..], ReasonCode::SchemaInvalid),
        ("sha256:", "md5:", ReasonCode::SchemaInvalid),
        ("\"name\": \"ci\"", "\"name\": \"c\u{456}\"", ReasonCode::SchemaInvalid),
        ("\"host\": \"test\"", "\"host\": \"test\",\n      \"host\": \"best\"", ReasonCode::JsonDuplicateKey),
        ("\"name\": \"ci\"", "\"name\": \"c\u{200b}i\"", ReasonCode::NameNotCanonical),
        ("\"host\": \"test\"", "\"host\": \"te\u{301}st\"", ReasonCode::NameNotCanonical),
        ("\"host\": \"test\"", "\"host\": \"te\u{202e}st\"", ReasonCode::NameNotCanonical),
        ("\"host\": \"test\"", "\"host\": 1e400", ReasonCode::JsonNumberRefused),
        ("\"host\": \"test\"", "\"host\": -0", ReasonCode::JsonNumberRefused),
        ("\"host\": \"test\"", "\"host\": 1152921504606846976", ReasonCode::JsonNumberRefused),
        ("\"host\": \"test\"", "\"host\": \"test\",\n      \"x\": 1", ReasonCode::SchemaInvalid),
    ] {
        assert!(good.contains(from), "{from}");
        both_refuse(&world, good.replacen(from, to, 1).into_bytes(), code);
    }
}

/// T-12
#[test]
fn a_record_that_is_too_deep_or_too_large_is_refused() {
    let world = World::with_builds();
    let good = text();
    let deep = format!("\"host\": {}{}", "[".repeat(40), "]".repeat(40));
    both_refuse(&world, good.replacen("\"host\": \"test\"", &deep, 1).into_bytes(), ReasonCode::InputTooDeep);
    let large = good.replacen("\"test\"", &format!("\"{}\"", "t".repeat(MAX_RECORD_BYTES)), 1).into_bytes();
    let mut append = build(4, "ci");
    append.entries[0].statement.clone_from(&large);
    assert_eq!(refused(&world, &append, &world.keys.signers()), ReasonCode::InputTooLarge);
    Forgery::of(&world).record(&Entry::new::<BuildRecord>(large, vec![]), &[&world.keys.runner]).commit();
    let codes = found(&world.verify().findings);
    assert!(codes.iter().all(|(code, _)| *code == ReasonCode::InputTooLarge) && !codes.is_empty(), "{codes:?}");
}

/// T-02, T-03, T-13, T-14
#[test]
fn an_envelope_holds_signatures_and_nothing_else() {
    let world = World::with_builds();
    let (statement, path) = world.paths(3);
    let payload = world.file(&statement);
    let good = String::from_utf8(world.file(&path)).expect("text");
    let (public, mut signature) = world.keys.runner.sign_payload(&payload).expect("a runner key");
    // The same signature with the order of the group added to its second half.
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let mut carry = 0u16;
    for (at, pair) in order.as_bytes().chunks(2).enumerate() {
        let byte = u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits");
        carry += u16::from(signature[32 + at]) + u16::from(byte);
        signature[32 + at] = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    let twin = Envelope::new([(public, signature)]).to_bytes();
    let joined = Envelope::parse(good.as_bytes()).expect("an envelope").join(&payload);
    for (forged, code) in [
        (Envelope::new([]).to_bytes(), ReasonCode::SigMissing),
        (good.replacen("\"sig\": \"", "\"sig\": \"A", 1).into_bytes(), ReasonCode::SigMalformed),
        (format!("{good}x").into_bytes(), ReasonCode::SigMalformed),
        (joined, ReasonCode::EnvelopeFieldUnknown),
        (twin, ReasonCode::SigInvalid),
    ] {
        world.rewrite_tip(&[(&path, Some(&forged))], &world.keys.git);
        assert_eq!(world.codes(), [code], "{}", String::from_utf8_lossy(&forged));
    }
    for weak in [[0; 32], std::array::from_fn(|at| u8::from(at == 0))] {
        assert_eq!(PublicKey::from_bytes(&weak).map_err(|e| e.code()), Err(ReasonCode::KeyWeak));
    }
}

/// T-05, T-06
#[test]
fn a_threshold_counts_keys_and_not_signatures() {
    let world = World::new();
    let second = key(&world, "root", Role::Root);
    let both = [world.keys.root[0].clone(), second.clone()];
    let two = trust_with(&world, |facts| {
        facts.keys.root.push(listed(&second));
        facts.root_threshold = 2;
    });
    let signers = Signers { roots: &both, ..world.keys.signers() };
    world.ledger.append(&one(two, 1), &signers).expect("both consent");
    let next = trust_with(&world, |_| {});
    let [runner, root] = [&world.keys.runner, &world.keys.root[0]];
    let tip = world.tip().to_string();
    let code = |keys: &[&PrivateKey]| {
        Forgery::of(&world).record(&next, keys).commit();
        let codes = found(&world.verify().findings);
        set_tip(&world, &tip);
        codes[0]
    };
    assert_eq!(code(&[runner, root]), (ReasonCode::SigThresholdNotMet, Some(2)));
    assert_eq!(code(&[runner, root, root]), (ReasonCode::SigThresholdNotMet, Some(2)));
    // The second signature under another name for the same key.
    let signed = |key: &PrivateKey| key.sign_payload(&next.statement).expect("signed");
    let twice =
        String::from_utf8(Envelope::new([signed(runner), signed(root), signed(root)]).to_bytes()).expect("text");
    let other = twice.replacen(&root.public().id().to_string(), &second.public().id().to_string(), 1);
    assert_ne!(twice, other);
    Forgery::of(&world)
        .record(&next, &[runner, root])
        .file("records/0/0/2.trust.dsse", Some(other.as_bytes()))
        .commit();
    let codes = found(&world.verify().findings);
    assert!([ReasonCode::SigInvalid, ReasonCode::SigThresholdNotMet].contains(&codes[0].0), "{codes:?}");
    set_tip(&world, &tip);
    world.ledger.append(&one(next, 2), &signers).expect("both consent");
    assert_eq!(world.verify().findings, []);
}

/// T-20, T-21
#[test]
fn tenants_share_nothing() {
    let world = World::with_builds();
    let with = |options| verify(&world.repo(), AUDIT, &options).expect("a report");
    let ours = with(VerifyOptions { tenant: Some(name("acme")), ..VerifyOptions::default() });
    assert_eq!((ours.verdict, ours.findings), (Verdict::NotAnchored, vec![]));
    let theirs = with(VerifyOptions { tenant: Some(name("other")), ..VerifyOptions::default() });
    assert_eq!((theirs.verdict, found(&theirs.findings)), (Verdict::Invalid, vec![(ReasonCode::TenantMismatch, None)]));
    let tip = world.tip().to_string();
    // Their record by our key, our trust for them, and our record by their key.
    let foreign = |change: fn(&mut orgo_spec::record::Statement<BuildRecord>)| {
        super::support::build_of(4, "ci", &super::support::evidence(4), change).entries.remove(0)
    };
    let record = foreign(|s| s.predicate.facts.tenant_id = name("other"));
    let trust = trust_with(&world, |facts| facts.tenant_id = name("other"));
    let stranger = Keys::new(&world.folder.path().join("other"));
    let (runner, root) = (&world.keys.runner, &world.keys.root[0]);
    let cases: [(&Entry, &[&PrivateKey], ReasonCode); 4] = [
        (&record, &[runner], ReasonCode::TenantMismatch),
        (&trust, &[runner, root], ReasonCode::TenantMismatch),
        (&foreign(|_| {}), &[&stranger.runner], ReasonCode::KeyUnknown),
        (&trust_with(&world, |_| {}), &[runner, &stranger.root[0]], ReasonCode::KeyUnknown),
    ];
    for (entry, keys, code) in cases {
        Forgery::of(&world).record(entry, keys).commit();
        let codes = found(&world.verify().findings);
        set_tip(&world, &tip);
        assert_eq!(codes.first(), Some(&(code, Some(4))), "{codes:?}");
    }
    for entry in [record, trust] {
        assert_eq!(refused(&world, &one(entry, 9), &world.keys.signers()), ReasonCode::TenantMismatch);
    }
    // Their whole ledger under our name.
    let root = world.ledger.record(0).expect("there").id();
    let other = World::with_builds();
    let report = verify(&other.repo(), AUDIT, &VerifyOptions { root: Some(root), ..VerifyOptions::default() });
    assert_eq!(found(&report.expect("a report").findings), [(ReasonCode::RootNotTrusted, Some(0))]);
}
