//! Threats to trust: rotation, revocation, windows and scopes of keys, and who may change them.

use orgo_host::key::{KeyClass, PrivateKey, Role};
use orgo_host::ledger::{Append, Entry, Signers};
use orgo_host::verify::prove;
use orgo_spec::ReasonCode;
use orgo_spec::record::Class;

use super::attack::{
    Forgery, batch, found, key, listed, one, refused, revocation, set_tip, trust_with, try_trust_with,
};
use super::support::{NOW, World, build};

/// A ledger whose trust lists a second runner, git key and log key; that trust is record 1.
struct Two {
    world: World,
    runner: PrivateKey,
    git: PrivateKey,
    log: PrivateKey,
}

impl Two {
    fn new() -> Self {
        let world = World::new();
        let two = Self {
            runner: key(&world, "runner", Role::Runner),
            git: key(&world, "git", Role::Git),
            log: key(&world, "log", Role::Log),
            world,
        };
        let both = trust_with(&two.world, |facts| {
            facts.keys.runner.push(listed(&two.runner));
            facts.keys.git.push(listed(&two.git));
            facts.keys.log.push(listed(&two.log));
        });
        two.world.append(&one(both, 1));
        two
    }

    /// All of the second keys.
    fn second(&self) -> Signers<'_> {
        Signers { runner: &self.runner, git: &self.git, log: &self.log, roots: &self.world.keys.root }
    }

    fn append(&self, append: &Append, signers: &Signers<'_>) {
        self.world.ledger.append(append, signers).expect("appended");
    }

    fn sound(&self) {
        assert_eq!(self.world.verify().findings, []);
    }
}

fn entry(n: u32) -> Entry {
    build(n, "ci").entries.remove(0)
}

/// T-36
#[test]
fn keys_rotate_with_an_overlap() {
    let two = Two::new();
    two.world.append(&build(2, "ci"));
    two.append(&build(3, "ci"), &two.second());
    let only_new = trust_with(&two.world, |facts| {
        facts.keys.runner.retain(|k| k.key == *two.runner.public());
        facts.keys.git.retain(|k| k.key == *two.git.public());
        facts.keys.log.retain(|k| k.key == *two.log.public());
    });
    two.world.append(&one(only_new, 4));
    assert_eq!(refused(&two.world, &build(5, "ci"), &two.world.keys.signers()), ReasonCode::KeyUnknown);
    two.append(&build(5, "ci"), &two.second());
    two.sound();
}

/// T-37
#[test]
fn a_revoked_key_signs_nothing_any_more() {
    let two = Two::new();
    two.world.append(&build(2, "ci"));
    let old = &two.world.keys.runner;
    two.append(&one(revocation(&two.world, &[(old.public(), 3)]), 3), &two.second());
    two.sound();
    let mixed = Signers { runner: old, ..two.second() };
    assert_eq!(refused(&two.world, &build(4, "ci"), &mixed), ReasonCode::KeyRevoked);
    // By force, and claiming an earlier time than the revocation.
    Forgery::of(&two.world).record(&entry(4), &[old]).commit();
    assert_eq!(found(&two.world.verify().findings), [(ReasonCode::KeyRevokedAtIndex, Some(4))]);
}

/// T-36, T-37
#[test]
fn a_revocation_reaches_back_exactly_as_far_as_it_says() {
    let two = Two::new();
    two.world.append(&build(2, "ci"));
    two.append(&build(3, "ci"), &two.second());
    two.world.append(&build(4, "ci"));
    let second_commits = Signers { runner: &two.world.keys.runner, ..two.second() };
    two.append(&build(5, "ci"), &second_commits);
    two.append(&one(revocation(&two.world, &[(two.world.keys.runner.public(), 4)]), 6), &two.second());
    let findings = two.world.verify().findings;
    assert_eq!(found(&findings), [(ReasonCode::KeyRevoked, Some(4)), (ReasonCode::KeyRevoked, Some(5))]);
}

/// T-36
#[test]
fn a_revoked_git_key_and_a_revoked_log_key_reach_back_too() {
    for role in [Role::Git, Role::Log] {
        let two = Two::new();
        two.world.append(&build(2, "ci"));
        two.append(&build(3, "ci"), &two.second());
        let keys = &two.world.keys;
        let gone = if role == Role::Git { keys.git.public() } else { keys.log.public() };
        two.append(&one(revocation(&two.world, &[(gone, 2)]), 4), &two.second());
        assert_eq!(found(&two.world.verify().findings), [(ReasonCode::KeyRevoked, Some(2))], "{role}");
    }
}

/// T-37
#[test]
fn a_backdated_commit_is_refused() {
    let two = Two::new();
    let old = &two.world.keys.runner;
    two.append(&one(revocation(&two.world, &[(old.public(), 2)]), 3), &two.second());
    Forgery::of(&two.world).record(&entry(3), &[old]).at(NOW).commit();
    let findings = two.world.verify().findings;
    let codes = [(ReasonCode::AuditNotLinear, None), (ReasonCode::KeyRevokedAtIndex, Some(3))];
    assert_eq!(found(&findings), codes);
    // Nor is a sound record in a commit that is older than its parent.
    let world = World::with_builds();
    Forgery::of(&world).record(&entry(4), &[&world.keys.runner]).at(NOW).commit();
    assert_eq!(found(&world.verify().findings), [(ReasonCode::AuditNotLinear, None)]);
}

/// T-36
#[test]
fn a_revocation_is_never_forgotten() {
    let two = Two::new();
    let (old, signers) = (two.world.keys.runner.public(), two.second());
    two.append(&one(revocation(&two.world, &[(old, 2)]), 2), &signers);
    two.append(&build(3, "ci"), &signers);
    let third = key(&two.world, "third", Role::Git);
    let without = trust_with(&two.world, |facts| facts.revoked.clear());
    let later = trust_with(&two.world, |facts| facts.revoked[0].since = 3);
    let other = revocation(&two.world, &[(third.public(), 3)]);
    let weaker = revocation(&two.world, &[(old, 3), (third.public(), 3)]);
    for forgetful in [without, later, other, weaker] {
        assert_eq!(refused(&two.world, &one(forgetful.clone(), 4), &signers), ReasonCode::KeyRevoked);
        let before = two.world.tip();
        Forgery::of(&two.world).by(&two.git).record(&forgetful, &[&two.runner, &two.world.keys.root[0]]).commit();
        assert!(found(&two.world.verify().findings).contains(&(ReasonCode::KeyRevoked, Some(4))));
        super::attack::set_tip(&two.world, &before.to_string());
    }
    let listed_again = try_trust_with(&two.world, |facts| facts.keys.runner.push(listed(&two.world.keys.runner)));
    assert_eq!(listed_again.map(|_| ()), Err(ReasonCode::KeyRevoked), "there is no such document");
    let future = revocation(&two.world, &[(old, 2), (third.public(), 99)]);
    assert_eq!(refused(&two.world, &one(future, 4), &signers), ReasonCode::KeyRevoked);
    two.sound();
}

/// T-36
#[test]
fn a_revocation_leaves_every_duty_a_key() {
    let world = World::with_builds();
    let keys = &world.keys;
    for gone in [keys.git.public(), keys.log.public(), keys.runner.public(), keys.root[0].public()] {
        let append = one(revocation(&world, &[(gone, 1)]), 9);
        assert_eq!(refused(&world, &append, &keys.signers()), ReasonCode::SigThresholdNotMet);
    }
}

/// T-36
#[test]
fn a_revocation_needs_the_root() {
    let two = Two::new();
    let entry = revocation(&two.world, &[(two.runner.public(), 2)]);
    let rootless = Signers { roots: &[], ..two.world.keys.signers() };
    // What lacks a signature is not durable: it is refused when it is read back.
    assert_eq!(refused(&two.world, &one(entry.clone(), 2), &rootless), ReasonCode::RecordNotDurable);
    Forgery::of(&two.world).record(&entry, &[&two.world.keys.runner]).commit();
    let codes = found(&two.world.verify().findings);
    assert!(codes.contains(&(ReasonCode::SigThresholdNotMet, Some(2))), "{codes:?}");
}

/// T-37: nothing that is revoked signs its own revocation, or anything beside it.
#[test]
fn a_key_that_is_revoked_does_not_sign_the_commit_that_revokes_it() {
    let two = Two::new();
    let keys = &two.world.keys;
    for gone in [&keys.runner, &keys.git, &keys.log] {
        let entry = revocation(&two.world, &[(gone.public(), 2)]);
        assert_eq!(refused(&two.world, &one(entry.clone(), 2), &keys.signers()), ReasonCode::KeyRevoked);
        let beside = batch(vec![build(2, "ci").entries.remove(0), entry], 2);
        assert_eq!(refused(&two.world, &beside, &keys.signers()), ReasonCode::KeyRevoked);
    }
    two.sound();
}

/// T-36: where all roots must consent, the one that goes consents to it as well; nobody else is spared by that.
#[test]
fn of_two_roots_that_must_both_sign_one_is_revoked() {
    let world = World::new();
    let second = key(&world, "root", Role::Root);
    let both = [world.keys.root[0].clone(), second.clone()];
    let two = trust_with(&world, |facts| {
        facts.keys.root.push(listed(&second));
        facts.root_threshold = 2;
    });
    let signers = Signers { roots: &both, ..world.keys.signers() };
    world.ledger.append(&one(two, 1), &signers).expect("both consent");
    let entry = revocation(&world, &[(second.public(), 2)]);
    // Neither alone: one root in wrong hands must not become the only one.
    for alone in &both {
        let signers = Signers { roots: std::slice::from_ref(alone), ..world.keys.signers() };
        assert_eq!(refused(&world, &one(entry.clone(), 2), &signers), ReasonCode::RecordNotDurable);
        let tip = world.tip().to_string();
        Forgery::of(&world).record(&entry, &[&world.keys.runner, alone]).commit();
        assert!(found(&world.verify().findings).contains(&(ReasonCode::SigThresholdNotMet, Some(2))));
        set_tip(&world, &tip);
    }
    world.ledger.append(&one(entry, 2), &signers).expect("both consent");
    assert_eq!(found(&world.verify().findings), []);
    let head = world.ledger.head().expect("readable").expect("a ledger");
    let proof = prove(&world.ledger, &head, 2).expect("a proof");
    assert_eq!(proof.verify().map(|shown| shown.size).map_err(|e| e.code), Ok(3));
    // From now on the one that is left signs alone, and the other nothing more.
    let next = trust_with(&world, |facts| facts.root_threshold = 1);
    let by = |root: &PrivateKey| Forgery::of(&world).record(&next, &[&world.keys.runner, root]).commit();
    let tip = world.tip().to_string();
    by(&second);
    assert_ne!(found(&world.verify().findings), []);
    set_tip(&world, &tip);
    world.append(&one(next, 3));
    world.append(&build(4, "ci"));
    assert_eq!(found(&world.verify().findings), []);
}

/// T-36: what a root signed before, from the record on that its revocation names, counts no more; its consent to the
/// revocation does.
#[test]
fn a_revoked_root_consents_to_its_own_end_and_to_nothing_before() {
    let world = World::new();
    let second = key(&world, "root", Role::Root);
    let both = [world.keys.root[0].clone(), second.clone()];
    let signers = Signers { roots: &both, ..world.keys.signers() };
    let two = trust_with(&world, |facts| facts.keys.root.push(listed(&second)));
    world.ledger.append(&one(two, 1), &signers).expect("both consent");
    world.ledger.append(&one(trust_with(&world, |_| {}), 2), &signers).expect("both consent");
    let entry = revocation(&world, &[(second.public(), 2)]);
    world.ledger.append(&one(entry, 3), &signers).expect("both consent");
    assert_eq!(found(&world.verify().findings), [(ReasonCode::KeyRevoked, Some(2))]);
}

/// T-18: of two changes of trust in one commit the second is judged after the first.
#[test]
fn a_second_change_of_trust_in_one_commit_is_not_overlooked() {
    let two = Two::new();
    let third = key(&two.world, "third", Role::Git);
    let first = revocation(&two.world, &[(third.public(), 2)]);
    let forgets = revocation(&two.world, &[(two.runner.public(), 2)]);
    let both = batch(vec![first.clone(), forgets.clone()], 2);
    assert_eq!(refused(&two.world, &both, &two.world.keys.signers()), ReasonCode::AuditNotLinear);
    // The forger brings what the first alone makes of the trust.
    let keys = [&two.world.keys.runner, &two.world.keys.root[0]];
    let head = two.world.ledger.head().expect("readable").expect("a ledger");
    let next = head.trust.revoke(2, &first.statement).expect("it follows");
    let lists = (next.allowed_signers(), next.revoked_keys().expect("one"));
    Forgery::of(&two.world)
        .record(&first, &keys)
        .record(&forgets, &keys)
        .file("trust/allowed_signers", Some(&lists.0))
        .file("trust/revoked_keys", Some(&lists.1))
        .commit();
    let found = found(&two.world.verify().findings);
    assert_eq!(found, [(ReasonCode::KeyRevoked, Some(3)), (ReasonCode::AuditNotLinear, Some(2))]);
}

/// T-68
#[test]
fn production_trust_refuses_development_keys() {
    let world = World::with_builds();
    let production = try_trust_with(&world, |facts| facts.class = Class::Production);
    assert_eq!(production.map(|_| ()), Err(ReasonCode::KeyScopeMismatch), "there is no such document");
    // The document calls them production keys; the files say otherwise, whoever asks.
    let liar = |facts: &mut orgo_spec::record::TrustFacts| {
        facts.class = Class::Production;
        let keys = &mut facts.keys;
        for list in [&mut keys.git, &mut keys.log, &mut keys.root, &mut keys.runner] {
            list.iter_mut().for_each(|k| k.class = Class::Production);
        }
    };
    world.append(&one(trust_with(&world, liar), 9));
    assert_eq!(world.keys.runner.class(), KeyClass::Development);
    assert_eq!(refused(&world, &build(10, "ci"), &world.keys.signers()), ReasonCode::KeyScopeMismatch);
}
