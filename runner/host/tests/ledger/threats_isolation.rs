//! Threats to what production trust stands for: results from whose making nothing was kept away (design 5).

use orgo_host::key::Role;
use orgo_host::ledger::{Append, Entry, LedgerError, Signers, Spool};
use orgo_host::verify::{Severity, Verdict};
use orgo_spec::pipeline::Isolation::{self, Confined, Hermetic, Open};
use orgo_spec::record::{
    BuildFacts, Class, Identity, ServiceFacts, StageCounts, StageFacts, StagePage, StageStatus, TrustKeys, TrustedKey,
};
use orgo_spec::signature::Envelope;
use orgo_spec::{Digest, ReasonCode};

use super::attack::{Forgery, found, key, one, refused, set_tip, trust_with};
use super::support::{Keys, World, build_of, evidence};

/// A ledger whose trust is for production from record 1 on, with the keys of that trust.
fn production() -> World {
    let mut world = World::new();
    let made = |label: &str, role| key(&world, label, role);
    let next = Keys {
        root: [made("root", Role::Root)],
        runner: made("runner", Role::Runner),
        git: made("git", Role::Git),
        log: made("log", Role::Log),
    };
    let only = |key: &orgo_host::key::PrivateKey| vec![TrustedKey::new(*key.public(), Class::Production)];
    let declared = trust_with(&world, |facts| {
        facts.class = Class::Production;
        facts.keys = TrustKeys {
            approver: Vec::new(),
            git: only(&next.git),
            log: only(&next.log),
            root: only(&next.root[0]),
            runner: only(&next.runner),
        };
    });
    let roots = [world.keys.root[0].clone(), next.root[0].clone()];
    let signers = Signers { roots: &roots, ..world.keys.signers() };
    world.ledger.append(&one(declared, 1), &signers).expect("both roots consent");
    world.keys = next;
    world
}

fn stage(isolation: Option<Isolation>, services: &[Isolation]) -> StageFacts {
    StageFacts {
        artifacts_in: vec![],
        artifacts_out: vec![],
        errors: vec![],
        identity: Identity { config_hash: None, name: "sh".to_owned(), version: "1".to_owned() },
        isolation,
        key: None,
        optional: false,
        origin: None,
        services: services.iter().map(|level| ServiceFacts { isolation: *level, name: "db".to_owned() }).collect(),
        stage: "s".to_owned(),
        status: StageStatus::Pass,
        unpinned: vec![],
    }
}

/// Run 2 with these stages, on the record itself.
fn with(stages: Vec<StageFacts>) -> Append {
    of(|facts| {
        facts.isolation = BuildFacts::weakest_of(&stages);
        facts.stage_counts = StageCounts::of(&stages);
        facts.stages = stages;
    })
}

/// Run 2 with 300 stages on pages.
fn paged(isolation: Option<Isolation>) -> Append {
    of(|facts| {
        facts.isolation = isolation;
        facts.stage_counts = StageCounts { passed: 300, ..StageCounts::default() };
        facts.pages = vec![StagePage { digest: Digest::EMPTY, stages: 300 }];
    })
}

fn of(change: impl FnOnce(&mut BuildFacts)) -> Append {
    build_of(2, "ci", &evidence(2), |s| change(&mut s.predicate.facts))
}

fn contradictions() -> [Append; 4] {
    [
        with(vec![stage(Some(Confined), &[]), stage(Some(Open), &[])]),
        with(vec![stage(Some(Hermetic), &[Confined, Open])]),
        with(vec![stage(None, &[])]),
        paged(Some(Open)),
    ]
}

fn signed_elsewhere(world: &World, append: &Append) -> Append {
    let entry = &append.entries[0];
    let envelope = Envelope::new([world.keys.runner.sign_payload(&entry.statement).expect("a runner key")]).to_bytes();
    Append { entries: vec![Entry { envelope: Some(envelope), ..entry.clone() }], ..append.clone() }
}

#[test]
fn under_production_trust_nothing_is_signed_that_was_made_at_open() {
    let world = production();
    let spool = Spool::open(&world.folder.path().join("spool")).expect("a folder");
    let trust = world.ledger.head().expect("readable").expect("a ledger").trust;
    for append in contradictions().iter().chain([&paged(None)]) {
        assert_eq!(refused(&world, append, &world.keys.signers()), ReasonCode::IsolationTooWeak);
        let handed_in = signed_elsewhere(&world, append);
        assert_eq!(refused(&world, &handed_in, &world.keys.signers()), ReasonCode::IsolationTooWeak);
        match spool.put(append, &world.keys.runner, &trust) {
            Err(LedgerError::Refused { code, .. }) => assert_eq!(code, ReasonCode::IsolationTooWeak),
            other => panic!("it is not signed for a spool either: {other:?}"),
        }
    }
    assert_eq!(spool.waiting().expect("readable").len(), 0);
}

#[test]
fn what_production_keys_signed_although_it_was_made_at_open_is_found() {
    let world = production();
    let before = world.tip().to_string();
    for append in contradictions() {
        Forgery::of(&world).record(&append.entries[0], &[&world.keys.runner]).commit();
        let report = world.verify();
        assert_eq!(found(&report.findings), [(ReasonCode::IsolationTooWeak, Some(2))]);
        assert_eq!(report.verdict, Verdict::Invalid);
        set_tip(&world, &before);
    }
}

/// Records of earlier versions with pages say nothing of them: that is no contradiction, and no consent.
#[test]
fn pages_of_which_a_record_says_nothing_leave_the_verdict_open() {
    let world = production();
    Forgery::of(&world).record(&paged(None).entries[0], &[&world.keys.runner]).commit();
    let report = world.verify();
    assert_eq!(found(&report.findings), [(ReasonCode::IsolationTooWeak, Some(2))]);
    assert_eq!((report.findings[0].severity, report.verdict), (Severity::Missing, Verdict::Incomplete));
}

#[test]
fn what_something_was_kept_away_from_is_signed_under_production_trust() {
    for append in [with(vec![stage(Some(Confined), &[]), stage(Some(Hermetic), &[Confined])]), paged(Some(Confined))] {
        let world = production();
        world.append(&append);
        assert_eq!(world.verify().findings, []);
    }
}

#[test]
fn under_development_trust_everything_is_signed() {
    for append in contradictions().into_iter().chain([paged(None)]) {
        let world = World::new();
        world.append(&append);
        assert_eq!(world.verify().findings, []);
    }
}
