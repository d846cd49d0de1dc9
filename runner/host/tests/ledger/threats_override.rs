//! Threats to overrides (T-67): used twice, lent to another run, signed by those who may not, never put on record.

use orgo_host::key::{PrivateKey, Role};
use orgo_host::ledger::{Append, Entry};
use orgo_kernel::gate::{FACTS_VERSION, decide};
use orgo_kernel::policy::Policies;
use orgo_spec::document::Document;
use orgo_spec::mandate::Overridable;
use orgo_spec::overriding::{OverrideDocument, OverrideScope, SCHEMA, SignedOverride};
use orgo_spec::record::{
    Accepts, Actor, Approval, BuildRecord, GateFacts, Lane, OverrideFacts, OverrideRecord, OverrideRecordFacts,
    OverrideRun, Produces, RequestFacts, Statement, TrustedKey, ValidatorFacts,
};
use orgo_spec::signature::Namespace;
use orgo_spec::{Digest, ReasonCode};

use super::attack::{Forgery, key, listed, one, refused, set_tip, trust_with};
use super::support::{World, build, evidence, name, record, subject};

const POLICY: &str = "@id(\"all\") permit(principal, action, resource); @id(\"freeze\") forbid(principal, action == Action::\"compile\", resource) when { context.report.issues == 0 };";
const NOW: &str = "2026-01-01T00:00:00Z";

/// A world whose trust lists two approvers, and a third key that it does not list.
fn world() -> (World, [PrivateKey; 3]) {
    let world = World::new();
    let keys = ["one", "two", "three"].map(|n| key(&world, n, Role::Approver));
    world.append(&one(
        trust_with(&world, |facts| {
            facts.keys.approver = keys[..2].iter().map(listed).collect();
            facts.keys.approver.sort_unstable_by_key(|k| k.key);
        }),
        1,
    ));
    (world, keys)
}

/// The manifest of a mandate that lets people lift the policy `freeze`, or not.
fn manifest(lifts: bool) -> Vec<u8> {
    let overrides = if lifts { r#""overrides":[{"expires_s":3600,"policy":"freeze","signers":2}],"# } else { "" };
    let policy = Digest::of(POLICY.as_bytes());
    let rules = Digest::EMPTY;
    format!(
        r#"{{"name":"m",{overrides}"policies":[{{"file":"gate.cedar","sha256":"{policy}"}}],"tenant_id":"acme","validation":{{"rulesets":[{{"path":"r","sha256":"{rules}"}}],"validators":["builtin"]}},"version":1}}"#
    )
    .into_bytes()
}

/// An override about run `n` under `manifest`, signed by `keys`.
fn signed(n: u32, manifest: &[u8], keys: &[&PrivateKey]) -> SignedOverride {
    let document = OverrideDocument {
        expires_at: "2026-01-01T01:00:00Z".to_owned(),
        nonce: "0".repeat(32),
        reason: "the fix cannot wait".to_owned(),
        requested_at: NOW.to_owned(),
        schema: SCHEMA.to_owned(),
        scope: OverrideScope {
            gate: name("accept"),
            mandate: Digest::of(manifest),
            pipeline: name("elements"),
            policies: vec![name("freeze")],
            subject: subject(n),
            tenant_id: name("acme"),
        },
    };
    let of = |key: &&PrivateKey| {
        let armor = key.sign_override(&document.to_bytes()).expect("an approver").armor();
        Approval::parse(Namespace::Override, &armor).expect("our own armor")
    };
    let mut signatures: Vec<Approval> = keys.iter().map(of).collect();
    signatures.sort_unstable_by_key(|s| s.key);
    SignedOverride { document, signatures }
}

fn actor(world: &World) -> Actor {
    Actor { id: world.keys.runner.public().id().to_string(), kind: "runner".to_owned() }
}

/// The record of an override that run `n` used.
fn used(world: &World, n: u32, signed: &SignedOverride) -> Entry {
    let facts = OverrideRecordFacts {
        schema_version: OverrideRecord::SCHEMA_VERSION.to_owned(),
        signed: signed.clone(),
        tenant_id: name("acme"),
    };
    let build_id = format!("00000000-0000-4000-8000-{n:012}");
    let run = OverrideRun { actor: actor(world), build_id, created_at: NOW.to_owned() };
    Entry::new::<OverrideRecord>(Statement::new(OverrideRecord { facts, run }).to_bytes().expect("plain"), vec![])
}

/// The record of run `n`, whose gate rests on an override; `approvers` is whom the run takes for approvers, and `about`
/// the run that the override is about.
fn overridden(
    world: &World,
    n: u32,
    about: u32,
    signed: &SignedOverride,
    approvers: &[&PrivateKey],
    manifest: &[u8],
) -> Entry {
    let report = evidence(about);
    let mandate = Digest::of(manifest);
    let policies = Policies::load(mandate, &[Document::new("gate.cedar", POLICY)]).expect("valid");
    let mut approvers: Vec<TrustedKey> = approvers.iter().map(|k| listed(k)).collect();
    approvers.sort_unstable_by_key(|k| k.key);
    let facts = GateFacts {
        accepts: Some(Accepts { builtin: true, rulesets: vec![Digest::EMPTY], validators: vec![] }),
        gate: "accept".to_owned(),
        mandate: Some(mandate),
        mandate_required: true,
        overriding: Some(OverrideFacts {
            allowed: vec![Overridable { expires_s: 3600, policy: name("freeze"), signers: 2 }],
            approvers,
            at: NOW.to_owned(),
            signed: signed.clone(),
            runner: Some(*world.keys.runner.public()),
            spent: false,
            tenant_id: name("acme"),
        }),
        report: None,
        report_digest: None,
        request: Some(RequestFacts {
            lane: Lane::Protected,
            pipeline: "elements".to_owned(),
            produces: Produces::Exchange,
        }),
        schema_version: FACTS_VERSION.to_owned(),
        stage: "canon".to_owned(),
        subject: Some(subject(about)),
        validator: ValidatorFacts { builtin: true, digest: Digest::EMPTY },
    };
    let (verdict, pass) = decide(facts, Some(&report), Some(&policies), "run");
    assert!(pass.is_some(), "{:?}", verdict.record.reason_codes);
    let mut statement = record(n, "elements", verdict.record, &report);
    let predicate = &mut statement.predicate;
    predicate.facts.mandate_ref = Some(mandate);
    predicate.facts.overrides = vec![signed.document.id()];
    predicate.run.actor = actor(world);
    let evidence = vec![verdict.facts, report, manifest.to_vec(), POLICY.as_bytes().to_vec()];
    Entry::new::<BuildRecord>(statement.to_bytes().expect("a record"), evidence)
}

fn together(entries: Vec<Entry>, n: u32) -> Append {
    Append { entries, ..build(n, "elements") }
}

#[test]
fn an_override_is_used_once_by_the_run_that_puts_it_on_record() {
    let (world, [alice, bob, _]) = world();
    let manifest = manifest(true);
    let over = signed(2, &manifest, &[&alice, &bob]);
    let run = |n| overridden(&world, n, 2, &over, &[&alice, &bob], &manifest);
    let signers = world.keys.signers();
    assert_eq!(refused(&world, &together(vec![run(2)], 2), &signers), ReasonCode::RecordMissing, "not put on record");
    let lent = together(vec![used(&world, 3, &over), run(2)], 2);
    assert_eq!(refused(&world, &lent, &signers), ReasonCode::RecordMissing, "put on record by another run");
    world.append(&together(vec![used(&world, 2, &over), run(2)], 2));
    assert_eq!(world.codes(), []);
    assert_eq!(world.verify().counts.gates, 1, "decided again from the record alone");
    let again = together(vec![used(&world, 4, &over), run(4)], 4);
    assert_eq!(refused(&world, &again, &signers), ReasonCode::OverrideSpent);
    let twice = together(vec![run(5)], 5);
    assert_eq!(refused(&world, &twice, &signers), ReasonCode::RecordMissing, "its file shows the run that used it");
}

#[test]
fn whoever_forges_the_use_of_an_override_is_found_out() {
    let (world, [alice, bob, _]) = world();
    let manifest = manifest(true);
    let over = signed(2, &manifest, &[&alice, &bob]);
    world.append(&together(
        vec![used(&world, 2, &over), overridden(&world, 2, 2, &over, &[&alice, &bob], &manifest)],
        2,
    ));
    let tip = world.tip().to_string();
    let path = format!("overrides/{}.json", over.document.id().hex());
    let again = used(&world, 4, &over);
    let statement = again.statement.clone();
    Forgery::of(&world).record(&again, &[&world.keys.runner]).file(&path, Some(&statement)).commit();
    assert_eq!(world.codes(), [ReasonCode::OverrideSpent]);
    set_tip(&world, &tip);
    let build = overridden(&world, 5, 2, &over, &[&alice, &bob], &manifest);
    let statement = build.statement.clone();
    Forgery::of(&world).record(&build, &[&world.keys.runner]).file(&path, Some(&statement)).commit();
    assert_eq!(world.codes(), [ReasonCode::RecordAltered]);
}

#[test]
fn an_override_rests_on_the_trust_and_on_the_mandate_in_force() {
    let (world, [alice, bob, mallory]) = world();
    let signers = world.keys.signers();
    let allows = manifest(true);
    let strange = signed(2, &allows, &[&alice, &mallory]);
    let run = overridden(&world, 2, 2, &strange, &[&alice, &mallory], &allows);
    let append = together(vec![used(&world, 2, &strange), run.clone()], 2);
    assert_eq!(refused(&world, &append, &signers), ReasonCode::ApprovalInsufficient, "the record of the override");
    let over = signed(2, &allows, &[&alice, &bob]);
    let mixed = together(vec![used(&world, 2, &over), run], 2);
    assert_eq!(refused(&world, &mixed, &signers), ReasonCode::KeyUnknown, "what the gate saw");
    let keeps = manifest(false);
    let over = signed(2, &keeps, &[&alice, &bob]);
    let run = overridden(&world, 2, 2, &over, &[&alice, &bob], &keeps);
    let append = together(vec![used(&world, 2, &over), run], 2);
    assert_eq!(refused(&world, &append, &signers), ReasonCode::GateNotReproduced, "the mandate lets nobody lift it");
}
