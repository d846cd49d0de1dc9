//! Group commit: writers that meet are committed together, each for himself, none twice, none lost.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use orgo_host::ledger::{AUDIT, Append, Appended, Ledger, LedgerError};
use orgo_spec::{Digest, ReasonCode};

use super::attack::{one, started};
use super::support::{Keys, World, build};

fn queue(world: &World) -> PathBuf {
    world.repo().join("orgo").join(format!("{}.queue", AUDIT.replace('/', "%2F")))
}

fn tickets(queue: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(queue).expect("a queue").map(|e| e.expect("an entry").path());
    names.filter(|p| p.extension().is_some_and(|e| e == "ticket")).collect()
}

/// What becomes of appends that all find the branch taken; `meanwhile` is called when all of them wait.
pub(super) fn meet(
    world: &World,
    appends: Vec<Append>,
    meanwhile: impl Fn(&Path),
) -> Vec<Result<Appended, LedgerError>> {
    let queue = queue(world);
    let lock = File::create(queue.join("lock")).expect("the first append made the queue");
    lock.lock().expect("nobody has it");
    let (repo, home) = (world.repo(), world.folder.path().join("home"));
    std::thread::scope(|scope| {
        let count = tickets(&queue).len() + appends.len();
        let writer = |append: Append| {
            let ledger = Ledger::open(&repo, AUDIT).expect("a ledger");
            ledger.append(&append, &Keys::new(&home).signers())
        };
        let threads: Vec<_> = appends.into_iter().map(|append| scope.spawn(move || writer(append))).collect();
        while tickets(&queue).len() < count {
            std::thread::sleep(Duration::from_millis(5));
        }
        meanwhile(&queue);
        lock.unlock().expect("it was ours");
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    })
}

fn commits(world: &World) -> usize {
    super::support::must(&world.repo(), "git", &["rev-list", "--count", AUDIT]).trim().parse().expect("a number")
}

#[test]
fn writers_that_meet_make_one_commit_and_each_learns_its_numbers() {
    let world = World::with_builds();
    let before = commits(&world);
    let appends: Vec<Append> = (10..18).map(|n| build(n, "ci")).collect();
    let ids: Vec<Digest> = appends.iter().map(|a| Digest::of(&a.entries[0].statement)).collect();
    let done = meet(&world, appends, |_| {});
    assert_eq!(commits(&world), before + 1);
    let mut numbers = Vec::new();
    for (done, id) in done.into_iter().zip(ids) {
        let records = done.expect("appended").records;
        assert_eq!(records.iter().map(|(_, id)| *id).collect::<Vec<_>>(), [id], "its own record and no other");
        numbers.push(records[0].0);
    }
    numbers.sort_unstable();
    let first = numbers[0];
    assert_eq!(numbers, (first..first + 8).collect::<Vec<_>>());
    assert_eq!((world.codes(), tickets(&queue(&world))), (vec![], vec![]));
}

#[test]
fn what_one_writer_is_refused_for_does_not_stop_the_others() {
    let world = World::with_builds();
    let start = started(30, "2027-01-01T00:00:00Z");
    world.append(&one(start.clone(), 30));
    // The same start again contradicts what the ledger shows.
    let mut appends: Vec<Append> = (10..13).map(|n| build(n, "ci")).collect();
    let other = Append { entries: vec![started(30, "2028-01-01T00:00:00Z")], ..one(start, 31) };
    appends.insert(1, other);
    let done = meet(&world, appends, |_| {});
    let codes: Vec<_> = done.iter().map(|d| d.as_ref().err().and_then(LedgerError::code)).collect();
    assert_eq!(codes, [None, Some(ReasonCode::RecordAltered), None, None]);
    assert!(tickets(&queue(&world)).is_empty());
    assert_eq!(world.verify().counts.records["build"], 3 + 3);
}

#[test]
fn what_a_killed_leader_left_behind_is_neither_lost_nor_appended_twice() {
    let world = World::with_builds();
    let saved = world.folder.path().join("saved");
    let keep = |queue: &Path| {
        for ticket in tickets(queue) {
            let to = saved.join(ticket.file_name().expect("a name"));
            std::fs::create_dir_all(&to).expect("made");
            for file in std::fs::read_dir(&ticket).expect("a ticket") {
                let file = file.expect("an entry");
                std::fs::copy(file.path(), to.join(file.file_name())).expect("copied");
            }
        }
    };
    meet(&world, vec![build(10, "ci"), build(11, "ci")], keep).into_iter().for_each(|d| drop(d.expect("appended")));
    // As if the leader had been killed after its commit, and another writer before any.
    for ticket in std::fs::read_dir(&saved).expect("saved") {
        let ticket = ticket.expect("an entry");
        std::fs::rename(ticket.path(), queue(&world).join(ticket.file_name())).expect("put back");
    }
    meet(&world, vec![build(12, "ci")], |_| {}).into_iter().for_each(|d| drop(d.expect("appended")));
    assert_eq!(world.verify().counts.records["build"], 3 + 3);
    assert_eq!((world.codes(), tickets(&queue(&world))), (vec![], vec![]));
}
