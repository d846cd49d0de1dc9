//! Appending from clones that leave most of the ledger at the remote: `git clone --filter=…`, shallow or not.

use std::path::{Path, PathBuf};

use orgo_host::ledger::{AUDIT, Ledger, LedgerError, Submitted};
use orgo_host::verify::{Severity, Verdict, VerifyOptions, verify};
use orgo_spec::ReasonCode;

use super::attack::batch;
use super::support::{NOW, World, build, must};

/// The clones: filter, and whether history begins with the newest commit.
const CLONES: [(&str, bool); 4] = [("blob:none", false), ("blob:none", true), ("tree:0", false), ("tree:0", true)];

/// A ledger of `count` records that clones may be filtered from.
fn remote(count: u32) -> World {
    let world = World::new();
    must(&world.repo(), "git", &["config", "uploadpack.allowFilter", "true"]);
    let numbers: Vec<u32> = (1..count).collect();
    for (at, some) in (0_i64..).zip(numbers.chunks(50)) {
        world.append(&batch(some.iter().flat_map(|n| build(*n, "ci").entries).collect(), at));
    }
    world
}

fn clone(world: &World, name: &str, filter: &str, shallow: bool) -> PathBuf {
    let folder = world.folder.path().join(name);
    let (address, filter) = (format!("file://{}", world.repo().display()), format!("--filter={filter}"));
    let mut args = vec!["clone", "-q", "--bare", "--single-branch", "--branch", "orgo/audit", filter.as_str()];
    args.extend(shallow.then_some("--depth=1"));
    args.extend([address.as_str(), name]);
    must(world.folder.path(), "git", &args);
    folder
}

/// How many objects are here; nothing is fetched for that.
fn objects(repo: &Path) -> usize {
    must(repo, "git", &["cat-file", "--batch-all-objects", "--batch-check", "--unordered"]).lines().count()
}

fn submit(world: &World, folder: &Path) -> Result<Submitted, LedgerError> {
    let ledger = Ledger::open(folder, AUDIT).expect("a ledger");
    let remote = ledger.git().remote("origin").expect("a name");
    ledger.submit(&remote, &[], &world.keys.signers(), None, NOW)
}

/// Appends run `n` in each kind of clone and submits it; how many objects that made there, written or fetched.
fn append_in_clones(world: &World, n: u32) -> Vec<usize> {
    let mut made = Vec::new();
    for ((filter, shallow), n) in CLONES.into_iter().zip(n..) {
        let folder = clone(world, &format!("clone{n}"), filter, shallow);
        let before = objects(&folder);
        let ledger = Ledger::open(&folder, AUDIT).expect("a ledger");
        let done = ledger.append(&build(n, "ci"), &world.keys.signers()).expect("appended");
        let submitted = submit(world, &folder).expect("submitted");
        assert_eq!(submitted.records, done.records, "{filter} {shallow}");
        made.push(objects(&folder) - before);
    }
    made
}

#[test]
fn an_append_from_a_filtered_clone_fetches_as_much_from_a_large_ledger_as_from_a_small_one() {
    let (small, large) = (remote(40), remote(300));
    let counts = [append_in_clones(&small, 1000), append_in_clones(&large, 1000)];
    for (small, large) in counts[0].iter().zip(&counts[1]) {
        assert!(*large <= 60 && large.abs_diff(*small) <= 12, "{counts:?}");
    }
    for (world, count) in [(small, 40), (large, 300)] {
        let report = world.verify();
        assert_eq!((report.findings, report.verdict), (vec![], Verdict::NotAnchored));
        assert_eq!(report.counts.records["build"], count - 1 + 4);
    }
}

#[test]
fn a_tile_that_becomes_full_costs_its_records_once() {
    let world = remote(255);
    let made = append_in_clones(&world, 1000);
    // The first clone completes the tile; its 255 records have two files each.
    assert!((500..600).contains(&made[0]) && made[1..].iter().all(|n| *n <= 60), "{made:?}");
    assert_eq!(world.codes(), []);
}

#[test]
fn verify_tells_what_a_filtered_clone_lacks_and_fetches_nothing() {
    let world = remote(40);
    for (filter, shallow) in CLONES {
        let folder = clone(&world, &format!("{}{shallow}", filter.replace(':', "")), filter, shallow);
        let before = objects(&folder);
        let report = verify(&folder, AUDIT, &VerifyOptions::default()).expect("a report");
        assert_eq!(report.verdict, Verdict::Incomplete, "{filter} {shallow}: {:?}", report.findings);
        let told: Vec<_> = report.findings.iter().map(|f| (f.code, f.severity)).collect();
        assert_eq!(told, [(ReasonCode::RecordMissing, Severity::Missing)], "{filter} {shallow}");
        let said = if shallow { "no record was verified" } else { "nothing of that was verified" };
        let message = &report.findings[0].message;
        assert!(message.contains(said) && message.contains("rests on the signed log alone"), "{message}");
        assert_eq!(report.covered.verified, 0);
        assert_eq!(objects(&folder), before, "{filter} {shallow}");
    }
}

#[test]
fn a_filtered_clone_whose_remote_is_away_says_so_and_appends_nothing() {
    let world = remote(40);
    let folder = clone(&world, "clone", "tree:0", true);
    let away = world.folder.path().join("away");
    std::fs::rename(world.repo(), &away).expect("moved");
    let ledger = Ledger::open(&folder, AUDIT).expect("a ledger");
    let error = ledger.append(&build(1000, "ci"), &world.keys.signers()).expect_err("nobody to ask");
    assert_eq!(error.code(), Some(ReasonCode::RemoteUnreachable), "{error}");
    std::fs::rename(&away, world.repo()).expect("moved back");
    ledger.append(&build(1000, "ci"), &world.keys.signers()).expect("appended");
    submit(&world, &folder).expect("submitted");
    assert_eq!(world.codes(), []);
}

#[test]
fn a_lost_race_is_begun_again_in_a_filtered_clone() {
    let world = remote(40);
    let folder = clone(&world, "clone", "tree:0", true);
    let ledger = Ledger::open(&folder, AUDIT).expect("a ledger");
    ledger.append(&build(1000, "ci"), &world.keys.signers()).expect("appended");
    submit(&world, &folder).expect("submitted");
    ledger.append(&build(1001, "ci"), &world.keys.signers()).expect("appended");
    world.append(&build(1002, "elements"));
    let submitted = submit(&world, &folder).expect("submitted");
    assert_eq!(submitted.records.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [42]);
    assert!(submitted.replaced.is_some());
    assert_eq!(world.codes(), []);
}
