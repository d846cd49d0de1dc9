//! Threats to the files that show the present state: runs that are open, holds that are in force.

use orgo_host::ledger::{Ledger, Signers};
use orgo_host::verify::{Severity, Verdict};
use orgo_spec::ReasonCode;
use orgo_spec::record::{AdminAction, BuildRecord, Statement};

use super::attack::{
    EXPIRED, FOR_LONG, Forgery, abandoned, admin, batch, ended, found, key, one, open, refused, revocation, set_tip,
    started, state, trust_with,
};
use super::support::{World, build, must};

fn is_open(world: &World) -> usize {
    let head = world.ledger.head().expect("readable").expect("a ledger");
    world.ledger.open_runs(&head).expect("readable").len()
}

#[test]
fn a_run_that_ended_is_not_open() {
    let world = World::new();
    let start = started(1, EXPIRED);
    world.append(&one(start.clone(), 1));
    assert_eq!(is_open(&world), 1);
    world.append(&ended(1, &start));
    assert_eq!(is_open(&world), 0);
    let report = world.verify();
    assert_eq!((report.findings, report.counts.open_runs), (vec![], 0));
}

#[test]
fn a_run_that_was_killed_cannot_be_hidden() {
    let world = World::new();
    world.append(&one(started(1, EXPIRED), 1));
    world.append(&one(started(2, FOR_LONG), 2));
    let report = world.verify();
    assert_eq!(report.counts.open_runs, 2);
    let notices: Vec<_> = report.findings.iter().map(|f| (f.code, f.severity)).collect();
    assert_eq!(notices, [(ReasonCode::RunAbandoned, Severity::Notice)]);
    assert!(report.findings[0].message.contains("00000000-0000-4000-8000-000000000001"));
    assert_eq!(report.verdict, Verdict::NotAnchored, "worth knowing, not invalid");
    // Taking the file away is no way out.
    Forgery::of(&world).file(&open(1), None).replace_tip();
    assert_eq!(world.codes(), [ReasonCode::RecordAltered]);
}

#[test]
fn an_abandoned_run_is_not_open() {
    let world = World::new();
    let start = started(1, EXPIRED);
    world.append(&one(start.clone(), 1));
    world.append(&one(abandoned(1, &start), 2));
    let report = world.verify();
    assert_eq!((report.findings, report.counts.open_runs), (vec![], 0));
    // It may still end.
    world.append(&ended(1, &start));
    assert_eq!(world.verify().findings, []);
}

#[test]
fn what_is_settled_is_not_said_again() {
    let world = World::new();
    let (start, next) = (started(1, EXPIRED), started(2, FOR_LONG));
    world.append(&one(start.clone(), 1));
    world.append(&ended(1, &start));
    // Beside something else it is left out; alone it would be a commit without a record.
    let appended = world.append(&batch(vec![abandoned(1, &start), next], 3));
    assert_eq!(appended.records.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [3]);
    assert_eq!(world.verify().findings, []);
    let before = state(&world);
    let alone = world.ledger.append(&one(abandoned(1, &start), 4), &world.keys.signers());
    assert!(alone.is_err() || alone.is_ok_and(|a| a.records.is_empty()));
    assert_eq!(state(&world), before, "nothing was added");
    assert_eq!(world.verify().findings, []);
}

#[test]
fn a_commit_without_records_is_not_made() {
    let world = World::with_builds();
    let before = state(&world);
    let _ = world.ledger.append(&batch(vec![], 9), &world.keys.signers());
    assert_eq!(state(&world), before);
    assert_eq!(world.verify().findings, []);
}

#[test]
fn what_contradicts_the_present_state_is_not_appended() {
    let world = World::new();
    let (start, other) = (started(1, EXPIRED), started(1, FOR_LONG));
    world.append(&one(start.clone(), 1));
    world.append(&one(admin(AdminAction::Hold, "publishing"), 2));
    let hold = |object| admin(AdminAction::Hold, object);
    for (append, code) in [
        (one(other.clone(), 3), ReasonCode::RecordAltered),
        (one(abandoned(1, &other), 3), ReasonCode::RecordAltered),
        (ended(1, &other), ReasonCode::RecordAltered),
        (one(hold("publishing"), 3), ReasonCode::HoldInForce),
        (one(admin(AdminAction::Release, "rotation"), 3), ReasonCode::RecordMissing),
        (batch(vec![started(2, EXPIRED), started(2, FOR_LONG)], 3), ReasonCode::RecordAltered),
        (batch(vec![hold("records"), hold("records")], 3), ReasonCode::HoldInForce),
    ] {
        assert_eq!(refused(&world, &append, &world.keys.signers()), code);
    }
    let codes: Vec<_> = world.verify().findings.iter().map(|f| f.severity).collect();
    assert_eq!(codes, [Severity::Notice]);
}

/// T-43: nothing changes there but by a record.
#[test]
fn a_forged_present_state_is_refused() {
    let world = World::with_builds();
    world.append(&batch(vec![started(5, FOR_LONG), admin(AdminAction::Hold, "publishing")], 5));
    let tip = world.tip().to_string();
    let start = started(6, FOR_LONG).statement;
    let hold = admin(AdminAction::Hold, "rotation").statement;
    let held = world.file("holds/publishing.json");
    let cases: [(&str, Option<&[u8]>); 6] = [
        (&open(6), Some(&start)),
        (&open(5), None),
        ("holds/rotation.json", Some(&hold)),
        ("holds/publishing.json", None),
        ("holds/records.json", Some(&held)),
        (&open(5), Some(&start)),
    ];
    let next = build(7, "ci").entries.remove(0);
    for (path, content) in cases {
        Forgery::of(&world).file(path, content).record(&next, &[&world.keys.runner]).commit();
        let report = world.verify();
        let code =
            if path == open(5) && content.is_some() { ReasonCode::AuditNotLinear } else { ReasonCode::RecordAltered };
        let codes: Vec<_> = report.findings.iter().map(|f| f.code).collect();
        assert_eq!(codes, [code], "beside a record: {path}");
        assert_eq!(report.findings[0].path.as_deref(), Some(path));
        set_tip(&world, &tip);
        Forgery::of(&world).file(path, content).commit();
        assert_eq!(world.verify().verdict, Verdict::Invalid, "alone: {path}");
        set_tip(&world, &tip);
    }
    assert_eq!(world.verify().findings, []);
}

/// T-43: an end that names another start than the one that is open.
#[test]
fn a_start_is_ended_only_by_its_own_end() {
    let world = World::new();
    let (start, other) = (started(1, FOR_LONG), started(1, EXPIRED));
    world.append(&one(start, 1));
    let end = ended(1, &other).entries.remove(0);
    assert!(Statement::<BuildRecord>::parse(&end.statement).is_ok());
    Forgery::of(&world).record(&end, &[&world.keys.runner]).file(&open(1), None).commit();
    assert_eq!(found(&world.verify().findings), [(ReasonCode::RecordAltered, Some(2))]);
}

/// T-68: while a hold is in force nothing that it covers is signed.
#[test]
fn a_hold_stops_the_signer() {
    let world = World::new();
    let second = key(&world, "second", orgo_host::key::Role::Git);
    let signers = world.keys.signers();
    world.append(&one(admin(AdminAction::Hold, "records"), 1));
    for append in [build(2, "ci"), one(started(2, FOR_LONG), 2), one(trust_with(&world, |_| {}), 2)] {
        assert_eq!(refused(&world, &append, &signers), ReasonCode::HoldInForce);
    }
    // What an emergency needs stays possible.
    world.append(&one(revocation(&world, &[(second.public(), 2)]), 2));
    world.append(&one(admin(AdminAction::Release, "records"), 3));
    world.append(&build(4, "ci"));
    world.append(&one(admin(AdminAction::Hold, "rotation"), 5));
    assert_eq!(refused(&world, &one(trust_with(&world, |_| {}), 6), &signers), ReasonCode::HoldInForce);
    world.append(&build(6, "ci"));
    world.append(&one(admin(AdminAction::Release, "rotation"), 7));
    world.append(&one(trust_with(&world, |_| {}), 8));
    assert_eq!(world.verify().findings, []);
}

/// T-68: a hold keeps back what comes behind it, in the same commit too; what was released there is not held.
#[test]
fn a_hold_keeps_back_what_comes_behind_it_in_one_batch() {
    let world = World::new();
    let signers = world.keys.signers();
    let hold = |object| admin(AdminAction::Hold, object);
    let next = || build(2, "ci").entries.remove(0);
    for (behind, object) in [(next(), "records"), (trust_with(&world, |_| {}), "rotation")] {
        let append = batch(vec![hold(object), behind], 1);
        assert_eq!(refused(&world, &append, &signers), ReasonCode::HoldInForce);
    }
    // Before it, beside another hold, or after its release nothing is held.
    world.append(&batch(vec![build(1, "ci").entries.remove(0), hold("records")], 1));
    let release = admin(AdminAction::Release, "records");
    world.append(&batch(vec![release.clone(), next()], 2));
    world.append(&batch(vec![hold("records"), release, build(3, "ci").entries.remove(0)], 3));
    world.append(&batch(vec![hold("publishing"), build(4, "ci").entries.remove(0)], 4));
    assert_eq!(world.verify().findings, []);
}

/// T-50: what was written and cannot be read back is not appended.
#[test]
fn what_does_not_read_back_is_not_appended() {
    let world = World::with_builds();
    // The commit before is damaged on the disk: another object stands under its name.
    let tip = world.tip().to_string();
    let file = |id: &str| world.repo().join("objects").join(&id[..2]).join(&id[2..]);
    let other = world.git().write_blob(b"other").expect("stored").to_string();
    let put = |id: &str, bytes: &[u8]| {
        must(&world.repo(), "chmod", &["u+w", &file(id).display().to_string()]);
        std::fs::write(file(id), bytes).expect("written");
    };
    let (good, wrong) = (std::fs::read(file(&tip)).expect("loose"), std::fs::read(file(&other)).expect("loose"));
    let before = state(&world);
    let append = |world: &World| {
        let ledger = Ledger::open(&world.repo(), orgo_host::ledger::AUDIT).expect("a repository");
        ledger.append(&build(9, "ci"), &world.keys.signers()).map(|_| ())
    };
    put(&tip, &wrong);
    assert!(append(&world).is_err());
    put(&tip, &good);
    assert_eq!(state(&world), before);
    // A blob of the append is there already, with other bytes: git would not write it again.
    let statement = build(9, "ci").entries.remove(0).statement;
    let blob = world.git().write_blob(&statement).expect("stored").to_string();
    put(&blob, &wrong);
    let error = append(&world).expect_err("it does not read back");
    assert_eq!(error.code(), Some(ReasonCode::RecordNotDurable), "{error}");
    assert_eq!(state(&world), before);
    std::fs::remove_file(file(&blob)).expect("removed");
    append(&world).expect("appended");
    assert_eq!(world.verify().findings, []);
}

/// A signer that is asked to sign with a key of a role that the append does not have.
#[test]
fn a_change_of_trust_takes_no_runner_for_a_root() {
    let world = World::new();
    let runners = [world.keys.runner.clone()];
    let append = one(trust_with(&world, |_| {}), 1);
    let code = refused(&world, &append, &Signers { roots: &runners, ..world.keys.signers() });
    assert_eq!(code, ReasonCode::RecordNotDurable);
}
