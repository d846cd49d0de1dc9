//! What the threats have in common: documents of every kind, and an attacker who holds some of the keys.

use std::path::PathBuf;

use orgo_host::git::ObjectId;
use orgo_host::key::{KeyClass, PrivateKey, Role};
use orgo_host::ledger::{Append, Entry, Seen, Signers};
use orgo_host::verify::Finding;
use orgo_spec::record::{
    AbandonedFacts, AbandonedRecord, AbandonedRun, Actor, AdminAction, AdminFacts, AdminRecord, AdminRun, Class,
    RevocationFacts, RevocationReason, RevocationRecord, Revoked, StartedFacts, StartedRecord, StartedRun, Statement,
    TrustFacts, TrustRecord, TrustRun, TrustedKey,
};
use orgo_spec::signature::PublicKey;
use orgo_spec::{Digest, ReasonCode};

pub(crate) use super::forgery::Forgery;
use super::support::{NOW, World, build_of, decided, evidence, name, record};

const CREATED: &str = "2026-01-01T00:00:00Z";

/// A key that was made on purpose.
pub(crate) fn key(world: &World, label: &str, role: Role) -> PrivateKey {
    PrivateKey::create(&world.folder.path().join(label), role, KeyClass::Standard).expect("a new key")
}

pub(crate) fn listed(key: &PrivateKey) -> TrustedKey {
    TrustedKey::new(*key.public(), Class::Development)
}

/// The trust in force, one version on, with a change.
pub(crate) fn trust_with(world: &World, change: impl FnOnce(&mut TrustFacts)) -> Entry {
    try_trust_with(world, change).expect("a document")
}

/// The same, or why there is no such document.
pub(crate) fn try_trust_with(world: &World, change: impl FnOnce(&mut TrustFacts)) -> Result<Entry, ReasonCode> {
    let mut facts = world.ledger.head().expect("readable").expect("a ledger").trust.facts().clone();
    facts.version += 1;
    change(&mut facts);
    let keys = &mut facts.keys;
    for list in [&mut keys.git, &mut keys.log, &mut keys.root, &mut keys.runner] {
        list.sort_unstable_by_key(|k| k.key);
    }
    let run = TrustRun { created_at: CREATED.to_owned() };
    let statement = Statement::new(TrustRecord { facts, run }).to_bytes().map_err(|e| e.code())?;
    Ok(Entry::new::<TrustRecord>(statement, vec![]))
}

/// A revocation of keys, each from a record on, under the trust in force.
pub(crate) fn revocation(world: &World, keys: &[(&PublicKey, u64)]) -> Entry {
    let reason = RevocationReason::Compromised;
    let mut revoked: Vec<_> = keys.iter().map(|(k, since)| Revoked { key: **k, reason, since: *since }).collect();
    revoked.sort_unstable_by_key(|r| r.key);
    let facts = RevocationFacts {
        revoked,
        schema_version: RevocationRecord::SCHEMA_VERSION.to_owned(),
        tenant_id: name("acme"),
        trust: world.ledger.head().expect("readable").expect("a ledger").trust.declared().1,
    };
    let run = TrustRun { created_at: CREATED.to_owned() };
    Entry::new::<RevocationRecord>(Statement::new(RevocationRecord { facts, run }).to_bytes().expect("plain"), vec![])
}

/// The start of run `n`.
pub(crate) fn started(n: u32, expires_at: &str) -> Entry {
    let report = evidence(n);
    let build = record(n, "ci", decided(n, &report).0, &report).predicate;
    let facts = StartedFacts {
        class: build.facts.class,
        config_hash: Digest::EMPTY,
        lane: build.facts.lane,
        pipeline: build.facts.pipeline,
        schema_version: StartedRecord::SCHEMA_VERSION.to_owned(),
        source: build.facts.source,
        tenant_id: name("acme"),
    };
    let run = StartedRun {
        build_id: build.run.build_id,
        created_at: CREATED.to_owned(),
        expires_at: expires_at.to_owned(),
        host: "test".to_owned(),
        workspace: Digest::EMPTY,
    };
    Entry::new::<StartedRecord>(Statement::new(StartedRecord { facts, run }).to_bytes().expect("plain"), vec![])
}

/// The path that shows run `n` while it is open.
pub(crate) fn open(n: u32) -> String {
    format!("open/00000000-0000-4000-8000-{n:012}.json")
}

/// Nobody need wait for it any more, or not for centuries.
pub(crate) const EXPIRED: &str = "2026-01-01T01:00:00Z";
pub(crate) const FOR_LONG: &str = "2999-01-01T00:00:00Z";

/// The end of run `n`, which began with the start of that id.
pub(crate) fn ended(n: u32, start: &Entry) -> Append {
    build_of(n, "ci", &evidence(n), |s| s.predicate.run.started = Some(Digest::of(&start.statement)))
}

pub(crate) fn abandoned(n: u32, start: &Entry) -> Entry {
    let facts = AbandonedFacts {
        build_id: format!("00000000-0000-4000-8000-{n:012}"),
        reason_code: ReasonCode::RunAbandoned,
        schema_version: AbandonedRecord::SCHEMA_VERSION.to_owned(),
        started: Digest::of(&start.statement),
        tenant_id: name("acme"),
    };
    let run = AbandonedRun { created_at: CREATED.to_owned(), noticed_by: "test".to_owned() };
    Entry::new::<AbandonedRecord>(Statement::new(AbandonedRecord { facts, run }).to_bytes().expect("plain"), vec![])
}

pub(crate) fn admin(action: AdminAction, object: &str) -> Entry {
    let held = Some("held".to_owned());
    let (before, after) = match action {
        AdminAction::Hold => (None, held),
        AdminAction::Release => (held, None),
        AdminAction::Change => (Some("a".to_owned()), Some("b".to_owned())),
    };
    let facts = AdminFacts {
        action,
        after,
        before,
        object: name(object),
        reason: "a test".to_owned(),
        schema_version: AdminRecord::SCHEMA_VERSION.to_owned(),
        tenant_id: name("acme"),
    };
    let actor = Actor { id: "t".to_owned(), kind: "person".to_owned() };
    let run = AdminRun { actor, created_at: CREATED.to_owned() };
    Entry::new::<AdminRecord>(Statement::new(AdminRecord { facts, run }).to_bytes().expect("plain"), vec![])
}

/// Entries as one commit, `n` seconds after the beginning.
pub(crate) fn batch(entries: Vec<Entry>, n: i64) -> Append {
    Append { entries, subject: "test".to_owned(), trailers: vec![], seconds: NOW + n }
}

pub(crate) fn one(entry: Entry, n: i64) -> Append {
    batch(vec![entry], n)
}

/// The file that remembers what this clone saw.
pub(crate) fn memory(world: &World) -> PathBuf {
    world.repo().join("orgo/refs%2Fheads%2Forgo%2Faudit.seen")
}

/// What must not change when something is refused.
pub(crate) fn state(world: &World) -> (Option<ObjectId>, Option<Seen>) {
    let tip = world.git().tip(orgo_host::ledger::AUDIT).expect("readable");
    (tip, world.ledger.seen().expect("readable"))
}

/// The reason why an append is refused; nothing changes by it.
pub(crate) fn refused(world: &World, append: &Append, signers: &Signers<'_>) -> ReasonCode {
    let before = state(world);
    let error = world.ledger.append(append, signers).expect_err("a refusal");
    assert_eq!(state(world), before, "a refusal changes nothing: {error}");
    error.code().unwrap_or_else(|| panic!("a refusal has a reason: {error}"))
}

/// The findings as code and record.
pub(crate) fn found(findings: &[Finding]) -> Vec<(ReasonCode, Option<u64>)> {
    findings.iter().map(|f| (f.code, f.record)).collect()
}

/// Moves the branch by force.
pub(crate) fn set_tip(world: &World, to: &str) {
    super::support::must(&world.repo(), "git", &["update-ref", orgo_host::ledger::AUDIT, to]);
}
