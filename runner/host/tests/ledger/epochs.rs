//! Sealed epochs: what they take out of the tree, what stays provable, and what is refused.

use std::path::PathBuf;

use orgo_host::ledger::{AUDIT, Archive, Entry, Ledger};
use orgo_host::verify::{Covered, Leaves, Verdict, VerifyOptions, VerifyReport, audit, prove, verify};
use orgo_spec::ReasonCode;
use orgo_spec::record::{Actor, AdminAction, AdminFacts, AdminRecord, AdminRun, Epoch, Statement};

use super::attack::{Forgery, admin, batch, found, one, refused, revocation, set_tip};
use super::support::{World, build, must, name, program};

/// A ledger of 600 records: trust, and two builds with evidence in each ten, in three commits.
fn world() -> World {
    let world = World::new();
    for (from, to) in [(1, 250), (250, 500), (500, 600)] {
        world.append(&batch(some(from, to), i64::from(from)));
    }
    world
}

fn some(from: u32, to: u32) -> Vec<Entry> {
    let entry = |n| if n % 10 < 2 { build(n, "ci").entries.remove(0) } else { admin(AdminAction::Change, "counter") };
    (from..to).map(entry).collect()
}

fn archive(world: &World, until: Option<u64>) -> Archive {
    let head = world.ledger.head().expect("readable").expect("a ledger");
    world.ledger.archive(&head, until, &world.folder.path().join("archives")).expect("an archive")
}

fn sealing(epoch: &Epoch) -> Entry {
    let facts = AdminFacts {
        action: AdminAction::Change,
        after: Some(epoch.to_string()),
        before: None,
        object: epoch.object(),
        reason: "a test".to_owned(),
        schema_version: AdminRecord::SCHEMA_VERSION.to_owned(),
        tenant_id: name("acme"),
    };
    let actor = Actor { id: "t".to_owned(), kind: "person".to_owned() };
    let run = AdminRun { actor, created_at: "2026-01-01T00:00:00Z".to_owned() };
    Entry::new::<AdminRecord>(Statement::new(AdminRecord { facts, run }).to_bytes().expect("plain"), vec![])
}

fn seal(world: &World, until: Option<u64>) -> Archive {
    let archive = archive(world, until);
    world.append(&one(sealing(&archive.epoch), 700));
    archive
}

/// How many files `records/` and `evidence/` of the newest tree have.
fn files(world: &World) -> (usize, usize) {
    let count = |folder| must(&world.repo(), "git", &["ls-tree", "-r", "--name-only", AUDIT, folder]).lines().count();
    (count("records/"), count("evidence/"))
}

/// A clone whose history begins with the sealing.
fn small(world: &World, archive: &Archive, at: &str) -> PathBuf {
    let path = world.folder.path().join(at);
    let (from, without) =
        (format!("file://{}", world.repo().display()), format!("--shallow-exclude={}", archive.reference));
    must(world.folder.path(), "git", &["init", "-q", "--bare", at]);
    must(&path, "git", &["fetch", "-q", &without, &from, &format!("{AUDIT}:{AUDIT}")]);
    path
}

fn report(path: &std::path::Path) -> VerifyReport {
    verify(path, AUDIT, &VerifyOptions::default()).expect("a report")
}

#[test]
fn sealed_records_leave_the_tree_and_stay_provable() {
    let world = world();
    let before = files(&world);
    let sealed = seal(&world, None);
    assert_eq!((sealed.epoch.first, sealed.epoch.end), (0, 256));
    let after = files(&world);
    // The trust record stays; the sealing is one more record.
    assert_eq!(after.0, before.0 - 2 * 255 + 2);
    assert!(after.1 < before.1, "evidence that only sealed records name is gone: {before:?}, {after:?}");
    let full = world.verify();
    assert_eq!(full.findings, []);
    assert_eq!(full.counts.all_records(), 601, "every record is verified, out of history");
    assert_eq!(full.sealed, None);
    // Reading, listing, proving and the audit of leaves go on.
    let head = world.ledger.head().expect("readable").expect("a ledger");
    assert_eq!(world.ledger.list().expect("listed").len(), 601);
    for number in [0, 1, 255, 256, 600] {
        assert_eq!(world.ledger.record(number).expect("a record").number, number);
        let proof = prove(&world.ledger, &head, number).expect("a proof");
        assert_eq!(proof.verify().map(|shown| shown.number).map_err(|e| e.code), Ok(number));
    }
    for leaves in [Leaves::Tiles, Leaves::Bytes] {
        assert_eq!(audit(&world.ledger, &head, leaves, &[]).expect("sound").leaves, 601);
    }
    // It grows as before, and the next epoch begins where this one ended.
    world.append(&batch(some(700, 900), 800));
    let next = seal(&world, None);
    assert_eq!((next.epoch.first, next.epoch.end), (256, 512));
    assert_eq!(world.verify().findings, []);
    assert_eq!(world.ledger.list().expect("listed").len(), 802);
    assert_eq!(world.ledger.record(300).expect("a record").number, 300);
}

#[test]
fn a_clone_that_begins_with_the_sealing_verifies_what_it_has_and_says_what_it_rests_on() {
    let world = world();
    let sealed = seal(&world, None);
    world.append(&build(700, "ci"));
    let path = small(&world, &sealed, "small.git");
    let ledger = Ledger::open(&path, AUDIT).expect("a repository");
    let found = report(&path);
    assert_eq!((found.verdict, found.findings.len()), (Verdict::NotAnchored, 0), "{:?}", found.findings);
    let base = found.sealed.expect("it rests on an epoch");
    assert_eq!((base.records, base.archive), (256, sealed.epoch.archive));
    assert_eq!((found.from, found.counts.all_records()), (601, 1));
    let covered = Covered { sealed: 256, logged: 345, left_out: 0, verified: 1 };
    assert_eq!((found.covered, world.verify().covered.verified), (covered, 602));
    assert_eq!(found.root, world.verify().root);
    // The root is compared as ever.
    let other = VerifyOptions { root: Some(orgo_spec::Digest::EMPTY), ..VerifyOptions::default() };
    assert_eq!(verify(&path, AUDIT, &other).expect("a report").verdict, Verdict::Invalid);
    // What is sealed is named and not taken for lost; what is not is proved.
    let code = |number| ledger.record(number).err().and_then(|e| e.code());
    assert_eq!((code(5), code(0), code(300)), (Some(ReasonCode::RecordMissing), None, None));
    assert!(ledger.list().is_err(), "who needs all of them is not given some");
    assert_eq!(ledger.list_here().expect("listed").len(), 602 - 255);
    let head = ledger.head().expect("readable").expect("a ledger");
    assert!(prove(&ledger, &head, 300).expect("a proof").verify().is_ok());
    assert_eq!(audit(&ledger, &head, Leaves::Tiles, &[]).expect("sound").leaves, 602);
    assert!(audit(&ledger, &head, Leaves::Bytes, &[]).is_err());
    // It appends like any other clone.
    ledger.append(&build(701, "ci"), &world.keys.signers()).expect("appended");
    assert_eq!(report(&path).findings, []);
    // With the archive it is whole again.
    must(&path, "git", &["fetch", "-q", &sealed.file.to_string_lossy(), &format!("{0}:{0}", sealed.reference)]);
    std::fs::remove_file(path.join("shallow")).expect("it was shallow");
    let whole = report(&path);
    assert_eq!((whole.findings.len(), whole.counts.all_records(), whole.sealed), (0, 603, None));
}

#[test]
fn only_the_whole_of_an_epoch_is_removed_and_only_by_its_sealing() {
    let world = world();
    let archive = archive(&world, None);
    let tip = world.tip().to_string();
    let invalid = |what: &str| {
        let codes = found(&world.verify().findings);
        assert!(codes.iter().any(|(code, _)| *code == ReasonCode::AuditNotLinear), "{what}: {codes:?}");
        assert_eq!(world.verify().verdict, Verdict::Invalid);
        set_tip(&world, &tip);
    };
    let entry = sealing(&archive.epoch);
    let path = format!("epochs/{}.json", archive.epoch.end);
    let shown = |forgery: Forgery<'_>| forgery.file(&path, Some(&entry.statement)).without_log_key().commit();
    // Nothing is removed; then one record too few.
    shown(Forgery::of(&world).record(&entry, &[&world.keys.runner]));
    invalid("nothing removed");
    let mut forgery = Forgery::of(&world).record(&entry, &[&world.keys.runner]);
    for n in 1..255 {
        for part in ["json", "dsse"] {
            let kind = if n % 10 < 2 { "build" } else { "admin" };
            forgery = forgery.file(&format!("records/0/0/{n}.{kind}.{part}"), None);
        }
    }
    shown(forgery);
    invalid("one stays");
    // One that was sealed well, and then edited: another record goes as well.
    world.append(&one(entry.clone(), 700));
    assert_eq!(world.verify().findings, []);
    Forgery::of(&world).file("records/0/1/4.build.json", None).without_log_key().replace_tip();
    invalid("another goes");
    // Removal without a sealing.
    Forgery::of(&world)
        .record(&build(700, "ci").entries[0], &[&world.keys.runner])
        .file("records/0/0/10.build.json", None)
        .without_log_key()
        .commit();
    let codes = found(&world.verify().findings);
    assert!(codes.iter().any(|(code, _)| *code == ReasonCode::RecordMissing), "{codes:?}");
}

#[test]
fn an_epoch_is_sealed_as_it_should_be_or_not_at_all() {
    let world = world();
    let signers = world.keys.signers();
    let good = archive(&world, None).epoch;
    for bad in [
        Epoch { end: 512, ..good.clone() },
        Epoch { first: 256, end: 512, ..good.clone() },
        Epoch { commit: "0".repeat(40), ..good.clone() },
    ] {
        assert_eq!(refused(&world, &one(sealing(&bad), 700), &signers), ReasonCode::AuditNotLinear, "{bad}");
    }
    let beside = batch(vec![build(700, "ci").entries.remove(0), sealing(&good)], 700);
    assert_eq!(refused(&world, &beside, &signers), ReasonCode::AuditNotLinear);
    // Nothing is sealed while something is held that it would take away.
    for object in ["records", "evidence"] {
        world.append(&one(admin(AdminAction::Hold, object), 700));
        let held = archive(&world, None).epoch;
        assert_eq!(refused(&world, &one(sealing(&held), 701), &signers), ReasonCode::HoldInForce);
        world.append(&one(admin(AdminAction::Release, object), 702));
    }
    // Too few to seal.
    let young = World::with_builds();
    let head = young.ledger.head().expect("readable").expect("a ledger");
    let error = young.ledger.archive(&head, None, young.folder.path()).expect_err("nothing to seal");
    assert_eq!(error.code(), Some(ReasonCode::RecordMissing));
}

#[test]
fn nothing_is_archived_that_does_not_verify() {
    let world = world();
    let (path, _) = world.paths(10);
    // A record that somebody altered, with a commit signed anew.
    let altered = String::from_utf8(world.file(&path)).expect("text").replace("\"ci\"", "\"cj\"");
    Forgery::of(&world).file(&path, Some(altered.as_bytes())).replace_tip();
    let head = world.ledger.head().expect("readable").expect("a ledger");
    let to = world.folder.path().join("archives");
    assert!(world.ledger.archive(&head, None, &to).is_err());
    assert_eq!(std::fs::read_dir(&to).expect("a folder").count(), 0, "nothing is left behind");
}

#[test]
fn a_small_clone_is_not_believed_what_its_sealing_does_not_show() {
    let world = world();
    let sealed = seal(&world, None);
    world.append(&build(700, "ci"));
    // A border elsewhere: one commit further on, nothing is sealed there.
    let path = small(&world, &sealed, "small.git");
    let tip = program(&path, "git", &["rev-parse", AUDIT]);
    let tip = String::from_utf8(tip.stdout).expect("an id");
    std::fs::write(path.join("shallow"), &tip).expect("written");
    must(&path, "git", &["-c", "gc.pruneExpire=now", "gc", "-q", "--prune=now"]);
    assert_eq!(report(&path).verdict, Verdict::Incomplete);
    // A sealing by a stranger's key.
    let world = self::world();
    let archive = archive(&world, None);
    let stranger = super::attack::key(&world, "stranger", orgo_host::key::Role::Git);
    world.append(&one(sealing(&archive.epoch), 700));
    Forgery::of(&world).by(&stranger).without_log_key().replace_tip();
    let path = small(&world, &archive, "forged.git");
    assert_eq!(report(&path).verdict, Verdict::Invalid);
}

/// What a key signed before the sealing cannot be looked at again in a small clone.
#[test]
fn a_revocation_that_reaches_into_a_sealed_epoch_leaves_a_small_clone_incomplete() {
    let world = world();
    let second = super::attack::key(&world, "second", orgo_host::key::Role::Git);
    let sealed = seal(&world, None);
    world.append(&one(revocation(&world, &[(second.public(), 5)]), 701));
    let path = small(&world, &sealed, "small.git");
    assert_eq!(report(&path).verdict, Verdict::Incomplete);
    assert_eq!(world.verify().verdict, Verdict::NotAnchored);
}
