//! Optional stages, and stages that come last.

use super::*;

const LAST: &str =
    "stage \"a\" { run \"x\" }; stage \"b\" { after \"a\"; run \"x\" }; stage \"f\" { run \"x\"; finally #true }";

#[test]
fn what_comes_last_runs_after_a_failure() {
    let plan = plan(LAST);
    let mut scheduler = Scheduler::new(&plan, &[true; 3], options(8, false));
    assert_eq!(scheduler.begin().len(), 1);
    let _ = scheduler.step(miss(StageId(0)));
    let commands = scheduler.step(badly(StageId(0), 1));
    assert!(matches!(commands.as_slice(), [Command::Look { stage: StageId(2), .. }]), "{commands:?}");
    assert_eq!(starts(&scheduler.step(miss(StageId(2)))), [2]);
    let _ = scheduler.step(well(StageId(2)));
    assert!(scheduler.is_finished());
    assert_eq!(scheduler.state(StageId(1)), State::Skipped(ReasonCode::UpstreamFailed));
    assert_eq!(scheduler.state(StageId(0)), State::Failed(ReasonCode::StageFailed));
}

#[test]
fn one_cancel_leaves_what_comes_last_a_second_one_does_not() {
    let plan = plan(LAST);
    for insists in [false, true] {
        let mut scheduler = Scheduler::new(&plan, &[true; 3], options(8, false));
        let _ = scheduler.begin();
        let _ = scheduler.step(miss(StageId(0)));
        assert!(matches!(scheduler.step(Event::Cancel).as_slice(), [Command::Kill(StageId(0))]));
        let end = Event::Ended { stage: StageId(0), end: Err(ReasonCode::RunCancelled.into()) };
        assert!(matches!(scheduler.step(end).as_slice(), [Command::Look { stage: StageId(2), .. }]));
        assert_eq!(starts(&scheduler.step(miss(StageId(2)))), [2]);
        if insists {
            assert!(matches!(scheduler.step(Event::Cancel).as_slice(), [Command::Kill(StageId(2))]));
        } else {
            let _ = scheduler.step(well(StageId(2)));
            assert!(scheduler.is_finished());
        }
    }
}

#[test]
fn an_optional_failure_stops_nothing_but_what_needs_it() {
    let plan = plan(
        "stage \"o\" { run \"x\"; optional #true }; stage \"r\" { after \"o\"; run \"x\" }; stage \"a\" { run \"x\" }; stage \"b\" { after \"a\"; run \"x\" }",
    );
    let mut scheduler = Scheduler::new(&plan, &[true; 4], options(8, false));
    let _ = scheduler.begin();
    let _ = scheduler.step(miss(StageId(0)));
    let _ = scheduler.step(miss(StageId(2)));
    let _ = scheduler.step(badly(StageId(0), 1));
    assert_eq!(scheduler.state(StageId(1)), State::Skipped(ReasonCode::UpstreamFailed));
    let commands = scheduler.step(well(StageId(2)));
    assert!(matches!(commands.as_slice(), [Command::Look { stage: StageId(3), .. }]), "{commands:?}");
}
