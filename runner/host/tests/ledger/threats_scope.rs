//! Threats to the scopes of keys: windows and kinds, judged where the record is signed and where it is verified.

use orgo_host::key::{PrivateKey, Role};
use orgo_host::ledger::{Entry, Signers};
use orgo_spec::ReasonCode;
use orgo_spec::record::{TrustFacts, TrustedKey};
use orgo_spec::signature::{Envelope, PublicKey};

use super::attack::{FOR_LONG, Forgery, found, key, listed, one, refused, started, trust_with};
use super::support::{NOW, World, build, build_of, evidence, name};

/// 100 seconds after the beginning.
const BORDER: &str = "2026-01-01T00:01:40Z";

fn entry(n: u32) -> Entry {
    build(n, "ci").entries.remove(0)
}

fn of<'f>(facts: &'f mut TrustFacts, key: &PublicKey) -> &'f mut TrustedKey {
    let keys = &mut facts.keys;
    let mut all = keys.git.iter_mut().chain(&mut keys.log).chain(&mut keys.root).chain(&mut keys.runner);
    all.find(|k| k.key == *key).expect("listed")
}

/// T-37: a window ends, at the signer and at the verifier.
#[test]
fn a_key_signs_nothing_after_its_window() {
    for role in [Role::Runner, Role::Git, Role::Log] {
        let world = World::new();
        let keys = &world.keys;
        let key = [(Role::Runner, &keys.runner), (Role::Git, &keys.git), (Role::Log, &keys.log)];
        let key = key.into_iter().find(|(r, _)| *r == role).expect("one of them").1;
        world.append(&one(trust_with(&world, |f| of(f, key.public()).not_after = Some(BORDER.to_owned())), 1));
        world.append(&build(100, "ci"));
        assert_eq!(refused(&world, &build(101, "ci"), &keys.signers()), ReasonCode::KeyExpired, "{role}");
        Forgery::of(&world).record(&entry(101), &[&keys.runner]).at(NOW + 101).commit();
        let codes: Vec<_> = world.codes();
        assert_eq!(codes, [ReasonCode::KeyExpired], "{role}");
    }
}

/// T-37: a window begins.
#[test]
fn a_key_signs_nothing_before_its_window() {
    let world = World::new();
    let next = key(&world, "next", Role::Runner);
    world.append(&one(
        trust_with(&world, |f| {
            f.keys.runner.push(TrustedKey { not_before: Some(BORDER.to_owned()), ..listed(&next) });
        }),
        1,
    ));
    let early = Signers { runner: &next, ..world.keys.signers() };
    assert_eq!(refused(&world, &build(99, "ci"), &early), ReasonCode::KeyExpired);
    let before = world.tip().to_string();
    Forgery::of(&world).record(&entry(99), &[&next]).at(NOW + 99).commit();
    assert_eq!(found(&world.verify().findings), [(ReasonCode::KeyExpired, Some(2))]);
    super::attack::set_tip(&world, &before);
    world.ledger.append(&build(100, "ci"), &early).expect("in its window");
    assert_eq!(world.verify().findings, []);
}

/// T-37: that another log key is still in its window does not help the one that is not.
#[test]
fn a_checkpoint_by_an_expired_log_key_is_refused() {
    let world = World::new();
    let next = key(&world, "next", Role::Log);
    world.append(&one(
        trust_with(&world, |f| {
            f.keys.log.push(listed(&next));
            of(f, world.keys.log.public()).not_after = Some(BORDER.to_owned());
        }),
        1,
    ));
    assert_eq!(refused(&world, &build(101, "ci"), &world.keys.signers()), ReasonCode::KeyExpired);
    Forgery::of(&world).record(&entry(101), &[&world.keys.runner]).at(NOW + 101).commit();
    assert_eq!(world.codes(), [ReasonCode::KeyExpired]);
}

/// T-68: a key that is for starts signs no builds.
#[test]
fn a_key_signs_only_the_kinds_that_it_is_for() {
    let world = World::new();
    let starter = key(&world, "starter", Role::Runner);
    world.append(&one(
        trust_with(&world, |f| f.keys.runner.push(TrustedKey { kinds: vec![name("started")], ..listed(&starter) })),
        1,
    ));
    let signers = Signers { runner: &starter, ..world.keys.signers() };
    world.ledger.append(&one(started(2, FOR_LONG), 2), &signers).expect("what it is for");
    assert_eq!(refused(&world, &build(3, "ci"), &signers), ReasonCode::KeyScopeMismatch);
    // Signed elsewhere and handed in: the same.
    let mut handed_in = build(3, "ci");
    let statement = handed_in.entries[0].statement.clone();
    handed_in.entries[0].envelope =
        Some(Envelope::new([starter.sign_payload(&statement).expect("a runner key")]).to_bytes());
    assert_eq!(refused(&world, &handed_in, &world.keys.signers()), ReasonCode::KeyScopeMismatch);
    assert_eq!(world.verify().findings, []);
    Forgery::of(&world).record(&entry(3), &[&starter]).commit();
    assert_eq!(found(&world.verify().findings), [(ReasonCode::KeyScopeMismatch, Some(3))]);
}

/// T-68: a key that is for one environment signs no builds for another.
#[test]
fn a_key_signs_only_for_the_environments_that_it_is_for() {
    let world = World::new();
    let tester = key(&world, "tester", Role::Runner);
    world.append(&one(
        trust_with(&world, |f| {
            f.keys.runner.push(TrustedKey { environments: vec![name("testing")], ..listed(&tester) });
        }),
        1,
    ));
    let signers = Signers { runner: &tester, ..world.keys.signers() };
    let for_testing = build_of(2, "ci", &evidence(2), |s| "testing".clone_into(&mut s.predicate.run.environment));
    world.ledger.append(&for_testing, &signers).expect("what it is for");
    assert_eq!(refused(&world, &build(3, "ci"), &signers), ReasonCode::KeyScopeMismatch);
    let mut handed_in = build(3, "ci");
    let statement = handed_in.entries[0].statement.clone();
    handed_in.entries[0].envelope =
        Some(Envelope::new([tester.sign_payload(&statement).expect("a runner key")]).to_bytes());
    assert_eq!(refused(&world, &handed_in, &world.keys.signers()), ReasonCode::KeyScopeMismatch);
    assert_eq!(world.verify().findings, []);
    Forgery::of(&world).record(&entry(3), &[&tester]).commit();
    assert_eq!(found(&world.verify().findings), [(ReasonCode::KeyScopeMismatch, Some(3))]);
}

/// T-68: every key refuses what is not its duty, before it signs.
#[test]
fn a_key_refuses_what_is_not_its_duty() {
    let world = World::with_builds();
    let keys = &world.keys;
    let code = |key: &PrivateKey| {
        [
            key.sign_payload(b"{}").err().map(|e| e.code()),
            key.sign_commit(b"tree").err().map(|e| e.code()),
            key.sign_note(b"text\n").err().map(|e| e.code()),
        ]
    };
    let no = Some(ReasonCode::KeyScopeMismatch);
    assert_eq!(code(&keys.runner), [None, no, no]);
    assert_eq!(code(&keys.root[0]), [None, no, no]);
    assert_eq!(code(&keys.git), [no, None, no]);
    assert_eq!(code(&keys.log), [no, no, None]);
    // In an append they are not even asked: the trust lists them under another duty.
    let append = build(9, "ci");
    for signers in [
        Signers { runner: &keys.git, ..keys.signers() },
        Signers { runner: &keys.root[0], ..keys.signers() },
        Signers { git: &keys.runner, ..keys.signers() },
        Signers { log: &keys.git, ..keys.signers() },
    ] {
        assert_eq!(refused(&world, &append, &signers), ReasonCode::KeyUnknown);
    }
}

/// T-37: a signature of a root outside its window is no consent.
#[test]
fn a_root_consents_only_in_its_window() {
    let world = World::new();
    let root = &world.keys.root[0];
    world.append(&one(trust_with(&world, |f| of(f, root.public()).not_after = Some(BORDER.to_owned())), 1));
    let late = trust_with(&world, |_| {});
    assert_eq!(refused(&world, &one(late.clone(), 101), &world.keys.signers()), ReasonCode::KeyExpired);
    world.append(&one(late, 100));
    assert_eq!(world.verify().findings, []);
}
