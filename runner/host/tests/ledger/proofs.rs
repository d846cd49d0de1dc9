//! Proofs that travel alone: about every record of a ledger whose trust changed, and about none that was altered.

use std::rc::Rc;

use orgo_host::key::Role;
use orgo_host::ledger::Signers;
use orgo_host::verify::{Proved, RecordProof, prove};
use orgo_spec::log::{Leaf, NoteKey, Proof};
use orgo_spec::record::{AdminAction, TrustedKey};
use orgo_spec::{Digest, ReasonCode};
use proptest::prelude::*;

use super::attack::{Forgery, admin, batch, key, listed, one, revocation, started, trust_with};
use super::support::{World, build, name};

/// A ledger of 600 records; its trust changed at 300 and 450, when the first runner was revoked from there on.
fn large() -> World {
    let world = World::new();
    let second = key(&world, "second", Role::Runner);
    let grow = |to: u64, signers: &Signers<'_>| {
        let from = world.ledger.count().expect("readable");
        let entries = (from..to).map(|n| admin(AdminAction::Change, &format!("object-{n}"))).collect();
        world.ledger.append(&batch(entries, 1), signers).expect("appended");
    };
    grow(300, &world.keys.signers());
    world.append(&one(trust_with(&world, |f| f.keys.runner.push(listed(&second))), 1));
    grow(450, &world.keys.signers());
    let signers = Signers { runner: &second, ..world.keys.signers() };
    let gone = one(revocation(&world, &[(world.keys.runner.public(), 450)]), 1);
    world.ledger.append(&gone, &signers).expect("appended");
    grow(600, &signers);
    world
}

fn proof(world: &World, number: u64) -> RecordProof {
    let head = world.ledger.head().expect("readable").expect("a ledger");
    prove(&world.ledger, &head, number).expect("a proof")
}

fn refusal(proof: &RecordProof) -> ReasonCode {
    proof.verify().expect_err("a refusal").code
}

thread_local! {
    static LARGE: Rc<World> = Rc::new(large());
}

#[test]
fn every_record_of_a_large_ledger_is_proved() {
    let world = LARGE.with(Rc::clone);
    let head = world.ledger.head().expect("readable").expect("a ledger");
    let origin = head.origin();
    let log_key = NoteKey::new(&origin, *world.keys.log.public()).expect("a name");
    for number in 0..600 {
        let record = world.ledger.record(number).expect("there");
        let proof = prove(&world.ledger, &head, number).expect("a proof");
        let bytes = proof.to_bytes();
        assert_eq!(RecordProof::parse(&bytes).expect("one spelling"), proof);
        let shown = proof.verify().expect("a proof");
        assert_eq!((shown.number, shown.id, shown.size), (number, record.id(), 600));
        assert_eq!((shown.root, shown.log_root), (head.root, *head.log.checkpoint.root()));
        // What clients of the log alone see.
        let text = proof.to_tlog().expect("a proof");
        let tlog = Proof::parse(text.as_bytes()).expect("C2SP");
        let envelope = Digest::of(&record.envelope.expect("an envelope"));
        let entry = Leaf::new(&record.path, Digest::of(&record.statement), envelope).expect("a leaf").to_bytes();
        assert_eq!(tlog.verify(&entry, &log_key).expect("included").size(), 600);
        assert!(tlog.verify(&[&entry[..], b" "].concat(), &log_key).is_err());
    }
    assert!(prove(&world.ledger, &head, 600).is_err(), "there is none");
}

/// T-38, T-39
#[test]
fn a_proof_in_which_something_is_missing_or_moved_is_refused() {
    let world = LARGE.with(Rc::clone);
    let whole = proof(&world, 123);
    assert_eq!(whole.entries.iter().map(|e| e.number).collect::<Vec<_>>(), [0, 123, 300, 450]);
    let with = |change: &dyn Fn(&mut Vec<Proved>)| {
        let mut proof = whole.clone();
        change(&mut proof.entries);
        refusal(&proof)
    };
    assert_eq!(with(&Vec::clear), ReasonCode::RecordMissing);
    assert_eq!(with(&|e| drop(e.remove(1))), ReasonCode::RecordMissing, "the record");
    assert_eq!(with(&|e| drop(e.remove(0))), ReasonCode::RootNotTrusted, "the root");
    assert_eq!(with(&|e| drop(e.remove(2))), ReasonCode::RootNotTrusted, "a declaration that a revocation rests on");
    assert_eq!(with(&|e| e.swap(0, 1)), ReasonCode::RootNotTrusted);
    assert_eq!(with(&|e| e.swap(1, 2)), ReasonCode::RootNotTrusted);
    assert_eq!(with(&|e| e.insert(1, e[1].clone())), ReasonCode::RootNotTrusted, "twice");
    let stranger = proof(&world, 124).entries[1].clone();
    assert_eq!(with(&|e| e.insert(2, stranger.clone())), ReasonCode::SchemaInvalid);
    assert_eq!(with(&|e| e[1].statement = stranger.statement.clone()), ReasonCode::RecordMissing);
    assert_eq!(with(&|e| e[1].hashes.truncate(3)), ReasonCode::RecordMissing);
    assert_eq!(with(&|e| e[1].hashes.swap(0, 1)), ReasonCode::RecordMissing);
    assert_eq!(with(&|e| e[1].kind = name("build")), ReasonCode::RecordMissing);
    // The record under another number, and a checkpoint of another ledger.
    let mut moved = whole.clone();
    (moved.record, moved.entries[1].number) = (124, 124);
    assert_eq!(refusal(&moved), ReasonCode::RecordMissing);
    let other = World::with_builds();
    let mut foreign = whole;
    foreign.checkpoint = proof(&other, 1).checkpoint;
    assert_eq!(refusal(&foreign), ReasonCode::KeyUnknown);
}

/// T-20
#[test]
fn a_proof_shows_whose_ledger_it_is() {
    let (ours, theirs) = (World::with_builds(), World::with_builds());
    let shown = proof(&theirs, 1).verify().expect("a forger's proof agrees with itself");
    assert_ne!(shown.root, ours.ledger.record(0).expect("there").id());
    assert_eq!(shown.root, theirs.ledger.record(0).expect("there").id());
    let mut mixed = proof(&theirs, 1);
    mixed.entries[0] = proof(&ours, 1).entries[0].clone();
    assert_eq!(refusal(&mixed), ReasonCode::KeyUnknown);
}

/// T-36
#[test]
fn a_proof_about_what_a_revoked_key_signed_is_refused() {
    let world = World::new();
    let second = key(&world, "second", Role::Runner);
    world.append(&one(trust_with(&world, |f| f.keys.runner.push(listed(&second))), 1));
    for n in 2..6 {
        world.append(&build(n, "ci"));
    }
    let gone = one(revocation(&world, &[(world.keys.runner.public(), 4)]), 6);
    world.ledger.append(&gone, &Signers { runner: &second, ..world.keys.signers() }).expect("appended");
    for (number, refused) in [(2, false), (3, false), (4, true), (5, true), (6, false)] {
        let code = proof(&world, number).verify().map(|_| ()).map_err(|e| e.code);
        assert_eq!(code, if refused { Err(ReasonCode::KeyRevoked) } else { Ok(()) }, "record {number}");
    }
}

/// T-68
#[test]
fn a_proof_about_what_a_key_may_not_sign_is_refused() {
    let world = World::new();
    let starter = key(&world, "starter", Role::Runner);
    let scoped = TrustedKey { kinds: vec![name("started")], ..listed(&starter) };
    world.append(&one(trust_with(&world, |f| f.keys.runner.push(scoped)), 1));
    let start = started(2, super::attack::FOR_LONG);
    let open = super::attack::open(2);
    Forgery::of(&world).record(&start, &[&starter]).file(&open, Some(&start.statement)).commit();
    Forgery::of(&world).record(&build(3, "ci").entries[0], &[&starter]).commit();
    proof(&world, 2).verify().expect("what it is for");
    assert_eq!(refusal(&proof(&world, 3)), ReasonCode::KeyScopeMismatch);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// No flipped bit of a proof's file changes what it shows about its record.
    #[test]
    fn no_flipped_bit_of_a_proof_is_accepted(number in 0u64..600, at in 0usize..1_000_000, bit in 0u8..8) {
        let world = LARGE.with(Rc::clone);
        let mut bytes = proof(&world, number).to_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let shown = RecordProof::parse(&bytes).and_then(|proof| proof.verify());
        // One that names another of the records that it carries is a proof about that one.
        prop_assert!(!shown.is_ok_and(|shown| shown.number == number), "byte {at} of the proof of record {number}");
    }
}
