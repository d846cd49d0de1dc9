//! The audit of all leaves, and ledgers that are read out of packs.

use std::path::{Path, PathBuf};

use orgo_host::git::{GitError, Identity};
use orgo_host::ledger::{AUDIT, Entry, Ledger, LedgerError};
use orgo_host::verify::{Leaves, VerifyOptions, audit, verify};
use orgo_spec::record::AdminAction;
use orgo_spec::signature::SshSignature;
use orgo_spec::{Digest, ReasonCode};

use super::attack::{admin, batch, set_tip};
use super::support::{World, must};

/// A ledger of 300 records.
fn world() -> World {
    let world = World::new();
    let changes =
        |from, to| -> Vec<Entry> { (from..to).map(|n| admin(AdminAction::Change, &format!("object-{n}"))).collect() };
    world.append(&batch(changes(1, 200), 1));
    world.append(&batch(changes(200, 300), 1));
    world
}

fn audited(world: &World, from: Leaves, known: &[(u64, Digest)]) -> Result<(u64, u64), Option<ReasonCode>> {
    let ledger = Ledger::open(&world.repo(), AUDIT).expect("it opens");
    let head = ledger.head().map_err(|e| e.code())?.expect("it has records");
    let audit = audit(&ledger, &head, from, known);
    audit.map(|a| (a.leaves, a.from_bytes)).map_err(|e: LedgerError| e.code())
}

#[test]
fn an_audit_computes_the_log_again_and_knows_what_was_seen() {
    let world = world();
    assert_eq!(audited(&world, Leaves::Tiles, &[]), Ok((300, 44)));
    assert_eq!(audited(&world, Leaves::Bytes, &[]), Ok((300, 300)));
    let head = world.ledger.head().expect("readable").expect("not empty");
    let now = (300, *head.log.checkpoint.root());
    let earlier = world.ledger.head_at(world.ledger.commit_before(200).expect("there").expect("a commit"));
    let earlier = earlier.expect("readable").log.checkpoint;
    let earlier = (earlier.size(), *earlier.root());
    assert_eq!(earlier.0, 200);
    for from in [Leaves::Tiles, Leaves::Bytes] {
        assert_eq!(audited(&world, from, &[now, earlier]).map(|a| a.0), Ok(300));
        assert_eq!(audited(&world, from, &[(200, now.1)]), Err(Some(ReasonCode::CheckpointFork)));
        assert_eq!(audited(&world, from, &[(301, now.1)]), Err(Some(ReasonCode::AuditRewound)));
    }
}

#[test]
fn an_audit_finds_what_it_says_it_looks_at() {
    let world = world();
    let tip = world.tip().to_string();
    let mut tile = world.file("log/tile/0/000");
    tile[100] ^= 1;
    let (old, _) = world.paths(7);
    let (new, envelope) = world.paths(299);
    let mut altered = world.file(&old);
    let at = altered.len() / 2;
    altered[at] ^= 1;
    let extra = "records/0/0/7.extra.json";
    // What is altered, and whether tiles and bytes show it.
    let cases: [(&str, Option<&[u8]>, bool, bool); 6] = [
        ("log/tile/0/000", Some(&tile), true, true),
        (&old, Some(&altered), false, true),
        (&old, None, true, true),
        (&new, Some(&altered), true, true),
        (&envelope, None, true, true),
        (extra, Some(&altered), true, true),
    ];
    for (path, bytes, tiles, all) in cases {
        alter(&world, path, bytes);
        assert_eq!(audited(&world, Leaves::Tiles, &[]).is_err(), tiles, "{path}");
        assert_eq!(audited(&world, Leaves::Bytes, &[]).is_err(), all, "{path}");
        set_tip(&world, &tip);
    }
}

/// Alters a file of the newest commit, and nothing of the log that was made of it.
fn alter(world: &World, path: &str, bytes: Option<&[u8]>) {
    let git = world.git();
    let old = git.commit(world.tip()).expect("a commit");
    let blob = bytes.map(|bytes| git.write_blob(bytes).expect("stored"));
    let tree = git.write_tree(Some(old.tree), &[(path.to_owned(), blob)].into(), &mut Vec::new()).expect("stored");
    let who = Identity { name: "orgo".to_owned(), email: "orgo@acme".to_owned(), seconds: old.seconds };
    let sign =
        |bytes: &[u8]| -> Result<SshSignature, GitError> { Ok(world.keys.git.sign_commit(bytes).expect("a git key")) };
    let parent = old.parents.first().copied();
    set_tip(world, &git.write_commit(tree, parent, &who, &old.message, sign).expect("a commit").to_string());
}

fn packs(repo: &Path, extension: &str) -> Vec<PathBuf> {
    let folder = must(repo, "git", &["rev-parse", "--git-path", "objects/pack"]);
    let entries = repo.join(folder.trim()).read_dir().expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

/// No object of a pack can be altered unseen.
#[test]
fn what_is_altered_in_a_pack_is_refused() {
    let world = world();
    must(&world.repo(), "git", &["repack", "-a", "-d", "-q", "--depth=20", "--window=20"]);
    let is_sound = |repo: &Path| {
        let report = verify(repo, AUDIT, &VerifyOptions::default());
        report.is_ok_and(|r| r.findings.is_empty() && r.counts.all_records() == 300)
    };
    assert!(is_sound(&world.repo()));
    let path = packs(&world.repo(), "pack").remove(0);
    let good = std::fs::read(&path).expect("readable");
    let folder = tempfile::tempdir().expect("a folder");
    for at in (12..good.len() - 28).step_by(good.len() / 20) {
        // A copy for each: what is mapped into memory elsewhere must not change.
        let copy = folder.path().join(at.to_string());
        let text = copy.to_str().expect("UTF-8");
        must(folder.path(), "cp", &["-r", world.repo().to_str().expect("UTF-8"), text]);
        let path = packs(&copy, "pack").remove(0);
        let mut bad = good.clone();
        // As many as no padding of a compressed stream has.
        bad[at..at + 8].iter_mut().for_each(|byte| *byte = !*byte);
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, &bad).expect("writable");
        assert!(!is_sound(&copy), "byte {at}");
    }
}
