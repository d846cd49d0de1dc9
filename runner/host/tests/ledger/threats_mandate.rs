//! Threats to mandates: older ones that come back, approvals that are none, records that say something else.

use orgo_host::key::{PrivateKey, Role};
use orgo_host::ledger::{Active, Entry};
use orgo_host::verify::Verdict;
use orgo_spec::record::{Actor, Approval, MandateFacts, MandateRecord, MandateRun, Statement};
use orgo_spec::signature::Namespace;
use orgo_spec::{Digest, ReasonCode};

use super::attack::{Forgery, found, key, listed, one, refused, set_tip, trust_with};
use super::support::{World, name};

const POLICY: &str = "@id(\"all\") permit(principal, action, resource);";

/// The manifest of a version of the mandate `m` that asks for so many approvals.
fn manifest(version: u32, approvals: u32) -> Vec<u8> {
    let policy = Digest::of(POLICY.as_bytes());
    let trust = if approvals == 1 { String::new() } else { format!(r#","trust":{{"approvals":{approvals}}}"#) };
    format!(
        r#"{{"name":"m","policies":[{{"file":"gate.cedar","sha256":"{policy}"}}],"tenant_id":"acme"{trust},"validation":{{"rulesets":[],"validators":[]}},"version":{version}}}"#
    )
    .into_bytes()
}

/// A world whose trust lists two approvers, and a third key that it does not list.
fn world() -> (World, [PrivateKey; 3]) {
    let world = World::new();
    let keys = ["one", "two", "three"].map(|n| key(&world, n, Role::Approver));
    let approvers = &keys[..2];
    world.append(&one(
        trust_with(&world, |facts| {
            facts.keys.approver = approvers.iter().map(listed).collect();
            facts.keys.approver.sort_unstable_by_key(|k| k.key);
        }),
        1,
    ));
    (world, keys)
}

fn active(world: &World) -> Option<Active> {
    let head = world.ledger.head().expect("readable").expect("a ledger");
    world.ledger.mandate(&head, &name("m")).expect("readable")
}

/// The record that activates `manifest`, approved by `keys`, in the place of what is active.
fn activation(world: &World, manifest: &[u8], keys: &[&PrivateKey], change: impl Fn(&mut MandateFacts)) -> Entry {
    let mut approvals: Vec<Approval> = keys
        .iter()
        .map(|k| {
            Approval::parse(Namespace::Mandate, &k.sign_mandate(manifest).expect("an approver").armor())
                .expect("our own armor")
        })
        .collect();
    approvals.sort_unstable_by_key(|a| a.key);
    let terms = orgo_spec::mandate::Terms::of(manifest).expect("a manifest");
    let mut facts = MandateFacts {
        approvals,
        approvals_required: terms.trust.approvals,
        mandate_id: Digest::of(manifest),
        name: terms.name,
        schema_version: MandateRecord::SCHEMA_VERSION.to_owned(),
        supersedes: active(world).map(|a| a.record),
        tenant_id: terms.tenant_id,
        version: terms.version,
    };
    change(&mut facts);
    let actor = Actor { id: world.keys.runner.public().id().to_string(), kind: "person".to_owned() };
    let run = MandateRun { actor, created_at: "2026-01-01T00:00:00Z".to_owned() };
    let statement = Statement::new(MandateRecord { facts, run }).to_bytes().expect("a record");
    Entry::new::<MandateRecord>(statement, vec![manifest.to_vec(), POLICY.as_bytes().to_vec()])
}

#[test]
fn an_approved_mandate_is_active() {
    let (world, [one_key, two, _]) = world();
    assert_eq!(active(&world), None);
    world.append(&one(activation(&world, &manifest(1, 1), &[&one_key], |_| {}), 2));
    assert_eq!(active(&world).expect("active").facts.version, 1);
    world.append(&one(activation(&world, &manifest(3, 2), &[&one_key, &two], |_| {}), 3));
    assert_eq!(active(&world).expect("active").facts.version, 3);
    assert_eq!(world.verify().findings, []);
    assert_eq!(world.verify().counts.records["mandate"], 2);
}

/// T-45: an older version, or other content under the same one, at the signer and at the verifier.
#[test]
fn an_older_mandate_never_comes_back() {
    let (world, [approver, ..]) = world();
    world.append(&one(activation(&world, &manifest(2, 1), &[&approver], |_| {}), 2));
    for version in [1, 2] {
        let old = activation(&world, &manifest(version, 1), &[&approver], |_| {});
        assert_eq!(refused(&world, &one(old.clone(), 3), &world.keys.signers()), ReasonCode::MandateRollback);
        let tip = world.tip().to_string();
        Forgery::of(&world).file("mandates/m.json", Some(&old.statement)).record(&old, &[&world.keys.runner]).commit();
        assert_eq!(found(&world.verify().findings), [(ReasonCode::MandateRollback, Some(3))]);
        set_tip(&world, &tip);
    }
    // Nor one that leaves out what it follows, nor a file that shows what no record says.
    let beside = activation(&world, &manifest(3, 1), &[&approver], |facts| facts.supersedes = None);
    assert_eq!(refused(&world, &one(beside, 3), &world.keys.signers()), ReasonCode::MandateRollback);
    let next = activation(&world, &manifest(3, 1), &[&approver], |_| {});
    Forgery::of(&world).record(&next, &[&world.keys.runner]).commit();
    assert_eq!(world.codes(), [ReasonCode::RecordAltered], "the file still shows the one before");
}

/// T-47: keys that are no approvers, approvals of something else, too few of them.
#[test]
fn approvals_that_are_none_do_not_count() {
    let (world, [first, second, stranger]) = world();
    let text = manifest(1, 1);
    let attempt = |entry: Entry| refused(&world, &one(entry, 2), &world.keys.signers());
    assert_eq!(attempt(activation(&world, &text, &[&stranger], |_| {})), ReasonCode::KeyUnknown);
    let elsewhere = first.sign_mandate(&manifest(2, 1)).expect("an approver").armor();
    let moved = activation(&world, &text, &[&first], |facts| facts.approvals[0].signature.clone_from(&elsewhere));
    assert_eq!(attempt(moved), ReasonCode::SigInvalid, "an approval of another version");
    let fewer = activation(&world, &manifest(1, 2), &[&first], |facts| facts.approvals_required = 1);
    assert_eq!(attempt(fewer), ReasonCode::MandateInvalid, "the record asks for fewer than the mandate does");
    // What is active says how many must agree to what follows it.
    world.append(&one(activation(&world, &manifest(1, 2), &[&first, &second], |_| {}), 2));
    let alone = activation(&world, &manifest(2, 1), &[&first], |_| {});
    assert_eq!(attempt(alone.clone()), ReasonCode::ApprovalInsufficient);
    Forgery::of(&world).file("mandates/m.json", Some(&alone.statement)).record(&alone, &[&world.keys.runner]).commit();
    assert_eq!(found(&world.verify().findings), [(ReasonCode::ApprovalInsufficient, Some(3))]);
}

#[test]
fn an_approver_whose_window_is_over_approves_nothing() {
    let (world, [approver, ..]) = world();
    let over = trust_with(&world, |facts| {
        for trusted in &mut facts.keys.approver {
            trusted.not_after = Some("2026-01-01T00:00:01Z".to_owned());
        }
    });
    world.append(&one(over, 2));
    let late = activation(&world, &manifest(1, 1), &[&approver], |_| {});
    assert_eq!(refused(&world, &one(late, 3), &world.keys.signers()), ReasonCode::KeyExpired);
}

#[test]
fn a_mandate_whose_policies_are_not_at_hand_is_missing_and_not_invalid() {
    let (world, [approver, ..]) = world();
    let mut entry = activation(&world, &manifest(1, 1), &[&approver], |_| {});
    entry.evidence.pop();
    world.append(&one(entry, 2));
    assert_eq!(world.verify().verdict, Verdict::Incomplete);
}
