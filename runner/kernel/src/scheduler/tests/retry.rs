//! Further attempts.

use super::*;

const RETRY: &str = "stage \"s\" { run \"x\"; retry { times 2; on-exit 75; backoff \"1s\"; factor 3 } }; stage \"t\" { after \"s\"; run \"x\" }";

fn started(plan: &Resolved) -> Scheduler<'_> {
    let mut scheduler = Scheduler::new(plan, &vec![true; plan.stages.len()], options(4, false));
    let _ = scheduler.begin();
    assert_eq!(starts(&scheduler.step(miss(StageId(0)))), [0]);
    scheduler
}

#[test]
fn a_declared_exit_code_is_tried_again_after_a_growing_pause() {
    let plan = plan(RETRY);
    let mut scheduler = started(&plan);
    for ms in [1000, 3000] {
        let commands = scheduler.step(badly(StageId(0), 75));
        assert!(matches!(commands.as_slice(), [Command::Pause { ms: pause, .. }] if *pause == ms), "{commands:?}");
        assert_eq!(scheduler.state(StageId(0)), State::Paused(ReasonCode::StageFailed));
        let commands = scheduler.step(Event::Elapsed(StageId(0)));
        assert!(matches!(commands.as_slice(), [Command::Look { .. }]), "{commands:?}");
        assert_eq!(starts(&scheduler.step(miss(StageId(0)))), [0]);
    }
    assert!(scheduler.step(badly(StageId(0), 75)).is_empty());
    assert_eq!(scheduler.state(StageId(0)), State::Failed(ReasonCode::StageFailed));
    assert!(scheduler.is_finished());
}

#[test]
fn another_exit_code_is_final() {
    let plan = plan(RETRY);
    let mut scheduler = started(&plan);
    assert!(scheduler.step(badly(StageId(0), 1)).is_empty());
    assert_eq!(scheduler.state(StageId(0)), State::Failed(ReasonCode::StageFailed));
}

#[test]
fn a_cancel_ends_a_pause_at_once_and_a_late_timer_changes_nothing() {
    let plan = plan(RETRY);
    let mut scheduler = started(&plan);
    let _ = scheduler.step(badly(StageId(0), 75));
    assert!(scheduler.step(Event::Cancel).is_empty());
    assert!(scheduler.is_finished());
    assert_eq!(scheduler.state(StageId(0)), State::Failed(ReasonCode::StageFailed));
    assert!(scheduler.step(Event::Elapsed(StageId(0))).is_empty());
}
