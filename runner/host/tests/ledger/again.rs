//! A record that is there already, byte for byte: whoever appends it again is told where it stands.

use orgo_host::ledger::{Append, Appended, Ledger};
use orgo_spec::ReasonCode;
use orgo_spec::record::AdminAction;

use super::attack::{FOR_LONG, admin, batch, one, refused, started};
use super::group::meet;
use super::support::{World, build};

/// How many records there are, and that all of them verify.
fn sound(world: &World) -> u64 {
    let report = world.verify();
    assert_eq!(report.findings, []);
    report.counts.records.values().sum()
}

fn numbers(done: &Appended) -> Vec<u64> {
    done.records.iter().map(|(number, _)| *number).collect()
}

#[test]
fn what_is_appended_again_is_answered_with_its_number_and_stands_there_once() {
    let world = World::with_builds();
    for append in [build(10, "ci"), one(started(11, FOR_LONG), 11)] {
        let first = world.append(&append);
        let count = sound(&world);
        world.append(&build(100 + u32::try_from(count).expect("few"), "ci"));
        let tip = world.tip();
        let again = world.append(&append);
        assert_eq!((numbers(&again), again.commit, world.tip()), (numbers(&first), tip, tip));
        // By another process, and at another time.
        let ledger = Ledger::open(&world.repo(), orgo_host::ledger::AUDIT).expect("a ledger");
        let later = Append { seconds: append.seconds + 3600, ..append };
        let again = ledger.append(&later, &world.keys.signers()).expect("there already");
        assert_eq!(numbers(&again), numbers(&first));
        assert_eq!(sound(&world), count + 1);
    }
}

#[test]
fn of_several_records_only_those_are_appended_that_are_not_there() {
    let world = World::with_builds();
    world.append(&build(10, "ci"));
    let entries = [10, 11, 11, 12].map(|n| build(n, "ci").entries.remove(0)).to_vec();
    let done = world.append(&batch(entries, 13));
    assert_eq!(numbers(&done), [4, 5, 5, 6]);
    assert_eq!(sound(&world), 7);
}

#[test]
fn writers_that_meet_with_the_same_record_are_told_the_same_number() {
    let world = World::with_builds();
    let appends = vec![build(10, "ci"), build(10, "ci"), build(3, "elements")];
    let told: Vec<_> = meet(&world, appends, |_| {}).into_iter().map(|d| numbers(&d.expect("appended"))).collect();
    assert_eq!(told, [vec![4], vec![4], vec![3]]);
    assert_eq!(sound(&world), 5);
}

#[test]
fn what_changes_trust_or_settings_is_judged_each_time() {
    let world = World::with_builds();
    let hold = one(admin(AdminAction::Hold, "rotation"), 20);
    world.append(&hold);
    assert_eq!(refused(&world, &hold, &world.keys.signers()), ReasonCode::HoldInForce);
    let change = one(admin(AdminAction::Change, "counter"), 21);
    assert_eq!([world.append(&change), world.append(&change)].map(|done| numbers(&done)), [vec![5], vec![6]]);
    assert_eq!(sound(&world), 7);
}
