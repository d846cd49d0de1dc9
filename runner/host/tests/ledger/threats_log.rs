//! Threats to the history: records dropped, leaves swapped, branches rewound and forked.

use orgo_host::ledger::{AUDIT, Ledger, LedgerError};
use orgo_host::verify::{Verdict, VerifyOptions, VerifyReport, verify};
use orgo_spec::ReasonCode;

use super::attack::{Forgery, memory, refused, set_tip, state};
use super::support::{World, build, must, program, trust};

fn with(world: &World, options: &VerifyOptions) -> VerifyReport {
    verify(&world.repo(), AUDIT, options).expect("a report")
}

fn against_memory(world: &World) -> VerifyReport {
    let seen = world.ledger.seen().expect("readable");
    assert!(seen.is_some());
    with(world, &VerifyOptions { seen, ..VerifyOptions::default() })
}

fn codes(report: &VerifyReport) -> Vec<ReasonCode> {
    report.findings.iter().map(|f| f.code).collect()
}

/// A copy of the world's repository, with its memory.
fn copy(world: &World, name: &str) -> Ledger {
    must(world.folder.path(), "cp", &["-r", "repo", name]);
    Ledger::open(&world.folder.path().join(name), AUDIT).expect("a repository")
}

/// T-38: without the log key, and with it.
#[test]
fn a_dropped_record_is_refused() {
    for log_key in [false, true] {
        let world = World::with_builds();
        let (statement, envelope) = world.paths(2);
        let forgery = Forgery::of(&world).file(&statement, None).file(&envelope, None);
        let next = build(4, "ci").entries.remove(0);
        let forgery = forgery.record(&next, &[&world.keys.runner]);
        if log_key {
            forgery.commit()
        } else {
            forgery.without_log_key().commit()
        }
        let found = codes(&world.verify());
        assert!(found.contains(&ReasonCode::RecordMissing), "{found:?}");
        assert!(found.contains(&ReasonCode::LogInconsistent), "the log tells too: {found:?}");
    }
}

/// T-39: two records change places, by whoever has the git key.
#[test]
fn swapped_leaves_are_refused_without_the_log_key() {
    let world = World::new();
    let (first, second) = (build(1, "ci").entries.remove(0), build(2, "ci").entries.remove(0));
    world.append(&super::attack::batch(vec![first.clone(), second.clone()], 2));
    let honest = world.tip().to_string();
    let note = world.file("log/checkpoint");
    let edge = world.file("log/edge");
    // The whole commit anew, in the other order, under the checkpoint that was signed.
    set_tip(&world, &format!("{honest}~"));
    let keys = [&world.keys.runner];
    let forgery = Forgery::of(&world).record(&second, &keys).record(&first, &keys).without_log_key();
    forgery.file("log/checkpoint", Some(&note)).file("log/edge", Some(&edge)).commit();
    assert_eq!(codes(&world.verify()), [ReasonCode::LogInconsistent; 2]);
    let seen = codes(&against_memory(&world));
    assert!(seen.contains(&ReasonCode::CheckpointFork), "{seen:?}");
    // With an edge of his own the checkpoint still speaks against him.
    set_tip(&world, &format!("{honest}~"));
    let forgery = Forgery::of(&world).record(&second, &keys).record(&first, &keys);
    forgery.commit();
    let own = world.file("log/edge");
    assert_ne!(own, edge);
    Forgery::of(&world).without_log_key().file("log/checkpoint", Some(&note)).replace_tip();
    assert_eq!(codes(&world.verify()), [ReasonCode::LogInconsistent]);
}

/// T-39, T-42: with every key of the ledger only memory speaks against it.
#[test]
fn a_history_that_was_written_anew_is_a_fork() {
    let world = World::with_builds();
    set_tip(&world, &format!("{AUDIT}~"));
    Forgery::of(&world).record(&build(7, "ci").entries.remove(0), &[&world.keys.runner]).commit();
    assert_eq!(world.verify().findings, [], "it agrees with itself");
    assert_eq!(codes(&against_memory(&world)), [ReasonCode::CheckpointFork]);
    assert_eq!(refused(&world, &build(8, "ci"), &world.keys.signers()), ReasonCode::CheckpointFork);
    // A longer one is the same fork.
    Forgery::of(&world).record(&build(8, "ci").entries.remove(0), &[&world.keys.runner]).commit();
    assert_eq!(codes(&against_memory(&world)), [ReasonCode::CheckpointFork]);
    assert_eq!(refused(&world, &build(9, "ci"), &world.keys.signers()), ReasonCode::CheckpointFork);
}

/// T-40
#[test]
fn a_rewound_branch_is_refused() {
    let world = World::with_builds();
    for back in 1..=3 {
        set_tip(&world, &format!("{AUDIT}~"));
        assert_eq!(codes(&against_memory(&world)), [ReasonCode::AuditRewound], "{back} back");
        assert_eq!(refused(&world, &build(9, "ci"), &world.keys.signers()), ReasonCode::AuditRewound);
    }
}

/// T-40
#[test]
fn a_deleted_branch_is_refused() {
    let world = World::with_builds();
    let tip = world.tip().to_string();
    let seen = world.ledger.seen().expect("readable");
    must(&world.repo(), "git", &["update-ref", "-d", AUDIT]);
    assert_eq!(refused(&world, &build(9, "ci"), &world.keys.signers()), ReasonCode::AuditRewound);
    let options = VerifyOptions { seen: seen.clone(), ..VerifyOptions::default() };
    let code = verify(&world.repo(), AUDIT, &options).map(|_| ()).map_err(|e| e.code());
    assert_eq!(code, Err(Some(ReasonCode::AuditRewound)));
    // Nor does anybody begin a new ledger in its place.
    let again = world.ledger.init(trust(&world.keys, "acme"), super::support::NOW, &world.keys.signers());
    assert_eq!(again.map(|_| ()).map_err(|e| e.code()), Err(Some(ReasonCode::AuditRewound)));
    assert_eq!(state(&world), (None, seen));
    set_tip(&world, &tip);
    world.append(&build(9, "ci"));
}

/// T-40: a memory that cannot be read is not taken for none.
#[test]
fn a_damaged_memory_is_refused() {
    let world = World::with_builds();
    let tip = world.tip();
    let good = std::fs::read(memory(&world)).expect("remembered");
    for bad in [&b""[..], b"x", &good[..good.len() - 9]] {
        std::fs::write(memory(&world), bad).expect("written");
        let refused = world.ledger.append(&build(9, "ci"), &world.keys.signers());
        assert!(matches!(refused, Err(LedgerError::Damaged { .. })), "{refused:?}");
        assert_eq!((world.tip(), std::fs::read(memory(&world)).expect("there")), (tip, bad.to_vec()));
    }
}

/// T-42: two readers compare what they saw.
#[test]
fn two_histories_are_a_fork_for_whoever_saw_both() {
    let world = World::with_builds();
    let other = copy(&world, "other");
    let keys = &world.keys;
    world.append(&build(4, "ci"));
    other.append(&build(5, "ci"), &keys.signers()).expect("appended");
    let theirs = other.seen().expect("readable").expect("something");
    let ours = world.ledger.seen().expect("readable").expect("something");
    assert_eq!(theirs.size, ours.size);
    assert_ne!(theirs.root, ours.root);
    let check = |report: VerifyReport| {
        assert_eq!((codes(&report), report.verdict), (vec![ReasonCode::CheckpointFork], Verdict::Invalid));
    };
    let seen = |seen: &orgo_host::ledger::Seen| VerifyOptions { seen: Some(seen.clone()), ..VerifyOptions::default() };
    check(with(&world, &seen(&theirs)));
    check(verify(&world.folder.path().join("other"), AUDIT, &seen(&ours)).expect("a report"));
    // Ours grew on: they saw a shorter one, and it is still another.
    world.append(&build(6, "ci"));
    world.append(&build(7, "elements"));
    check(with(&world, &seen(&theirs)));
    let head = world.ledger.head().expect("readable").expect("a ledger");
    let error = world.ledger.check_seen(Some(&theirs), &head).expect_err("a fork");
    assert_eq!(error.code(), Some(ReasonCode::CheckpointFork));
    world.ledger.check_seen(Some(&ours), &head).expect("the same history");
}

/// T-43: the other files that show something follow from records as well.
#[test]
fn a_change_that_no_record_explains_is_refused() {
    for (path, code) in [
        ("latest/ci/main.json", ReasonCode::RecordAltered),
        ("latest/new/main.json", ReasonCode::RecordAltered),
        ("trust/allowed_signers", ReasonCode::RecordAltered),
        ("trust/revoked_keys", ReasonCode::RecordAltered),
        ("log/edge", ReasonCode::LogMalformed),
        ("log/tile/0/000", ReasonCode::LogInconsistent),
        ("log/tile/0/000.p/4", ReasonCode::RepoUnsafe),
    ] {
        let world = World::with_builds();
        let tip = world.tip().to_string();
        Forgery::of(&world).file(path, Some(b"x")).without_log_key().replace_tip();
        assert_eq!(codes(&world.verify()), [code], "with a record: {path}");
        set_tip(&world, &tip);
        Forgery::of(&world).file(path, Some(b"y")).without_log_key().commit();
        assert_eq!(world.verify().verdict, Verdict::Invalid, "without: {path}");
        assert!(program(&world.repo(), "git", &["fsck", "--strict"]).status.success(), "sound for git");
    }
}

/// T-43: a folder without files would be a change that no record explains.
#[test]
fn a_folder_without_files_is_refused() {
    let world = World::with_builds();
    let (repo, tip) = (world.repo(), world.tip());
    Forgery::of(&world).record(&build(4, "ci").entries[0], &[&world.keys.runner]).commit();
    let message = world.git().commit(world.tip()).expect("a commit").message;
    let tree = |listed: &str, folder: &str| {
        std::fs::write(repo.join("listed"), listed).expect("written");
        let made = must(&repo, "sh", &["-c", "git mktree < listed"]);
        format!("040000 tree {}\t{folder}\n", made.trim())
    };
    let listed = must(&repo, "git", &["ls-tree", AUDIT]);
    let open = tree("", "open");
    let deep = tree(&tree(&tree("", "c"), "b"), "new");
    let inside = {
        let below = must(&repo, "git", &["ls-tree", &format!("{AUDIT}:latest")]);
        let latest = tree(&format!("{below}{}", tree("", "zz")), "latest");
        let others: String = listed.lines().filter(|l| !l.ends_with("\tlatest")).map(|l| format!("{l}\n")).collect();
        format!("{others}{latest}")
    };
    for listed in [format!("{listed}{open}"), format!("{listed}{deep}"), inside] {
        std::fs::write(repo.join("listed"), listed).expect("written");
        let tree = must(&repo, "sh", &["-c", "git mktree < listed"]).trim().parse().expect("an id");
        world.commit(Some(tip), tree, &[], &message, Some(&world.keys.git));
        assert_eq!(codes(&world.verify()), [ReasonCode::RepoUnsafe]);
    }
}

/// T-69: links, foreign repositories and programs.
#[test]
fn entries_that_are_no_regular_files_are_refused() {
    let world = World::with_builds();
    let (repo, tip) = (world.repo(), world.tip());
    let blob = world.git().write_blob(b"x").expect("stored").to_string();
    Forgery::of(&world).record(&build(4, "ci").entries[0], &[&world.keys.runner]).commit();
    let message = world.git().commit(world.tip()).expect("a commit").message;
    let listed = must(&repo, "git", &["ls-tree", AUDIT]);
    for entry in [format!("160000 commit {tip}"), format!("120000 blob {blob}"), format!("100755 blob {blob}")] {
        std::fs::write(repo.join("listed"), format!("{listed}{entry}\tx\n")).expect("written");
        let tree = must(&repo, "sh", &["-c", "git mktree --missing < listed"]).trim().parse().expect("an id");
        world.commit(Some(tip), tree, &[], &message, Some(&world.keys.git));
        assert_eq!(codes(&world.verify()), [ReasonCode::RepoUnsafe], "{entry}");
    }
}
