//! Pools, mutexes, memory and services.

use super::*;

fn all_missed(plan: &Resolved, options: Options) -> (Scheduler<'_>, Vec<Command>) {
    let mut scheduler = Scheduler::new(plan, &vec![true; plan.stages.len()], options);
    let _ = scheduler.begin();
    let mut commands = Vec::new();
    for stage in plan.graph.stages() {
        commands.extend(scheduler.step(miss(stage)));
    }
    (scheduler, commands)
}

#[test]
fn a_mutex_lets_one_stage_run_and_others_pass_by() {
    let plan = plan(
        "stage \"a\" { run \"x\"; mutex \"m\" }; stage \"b\" { run \"x\"; mutex \"m\" }; stage \"c\" { run \"x\" }",
    );
    let (mut scheduler, commands) = all_missed(&plan, options(8, false));
    assert_eq!(starts(&commands), [0, 2]);
    assert_eq!(starts(&scheduler.step(well(StageId(2)))), [0u32; 0]);
    assert_eq!(starts(&scheduler.step(well(StageId(0)))), [1]);
}

#[test]
fn weights_add_up_to_the_capacity_of_a_pool() {
    let plan = plan(
        "pool \"gpu\" capacity=3; stage \"a\" { run \"x\"; pool \"gpu\" weight=2 }; stage \"b\" { run \"x\"; pool \"gpu\" weight=2 }; stage \"c\" { run \"x\"; pool \"gpu\" }",
    );
    let (mut scheduler, commands) = all_missed(&plan, options(8, false));
    assert_eq!(starts(&commands), [0, 2]);
    assert_eq!(starts(&scheduler.step(well(StageId(0)))), [1]);
}

#[test]
fn memory_is_shared_and_a_stage_that_wants_more_than_there_is_runs_alone() {
    let plan = plan(
        "stage \"a\" { run \"x\"; memory \"2GiB\" }; stage \"b\" { run \"x\"; memory \"1GiB\" }; stage \"c\" { run \"x\"; memory \"100GiB\" }",
    );
    let options = Options { memory_bytes: Some(3 << 30), ..options(8, false) };
    let (mut scheduler, commands) = all_missed(&plan, options);
    assert_eq!(starts(&commands), [0, 1]);
    assert_eq!(starts(&scheduler.step(well(StageId(0)))), [0u32; 0]);
    assert_eq!(starts(&scheduler.step(well(StageId(1)))), [2]);
}

#[test]
fn a_service_is_started_for_the_first_stage_and_ended_after_the_last() {
    let plan = plan(
        "service \"db\" { run \"x\" }; stage \"a\" { run \"x\"; needs \"db\" }; stage \"b\" { after \"a\"; run \"x\"; needs \"db\" }; stage \"c\" { after \"b\"; run \"x\" }",
    );
    let mut scheduler = Scheduler::new(&plan, &[true; 3], options(8, false));
    let _ = scheduler.begin();
    let commands = scheduler.step(miss(StageId(0)));
    assert!(matches!(commands.as_slice(), [Command::Serve(0)]), "{commands:?}");
    assert_eq!(starts(&scheduler.step(Event::Service { service: 0, ready: Ok(()) })), [0]);
    assert!(matches!(scheduler.step(well(StageId(0))).as_slice(), [Command::Look { .. }]));
    assert_eq!(starts(&scheduler.step(miss(StageId(1)))), [1]);
    let commands = scheduler.step(well(StageId(1)));
    assert!(commands.iter().any(|c| matches!(c, Command::Dismiss(0))), "{commands:?}");
}

#[test]
fn stages_that_are_answered_from_the_cache_start_no_service() {
    let plan = plan("service \"db\" { run \"x\" }; stage \"a\" { run \"x\"; needs \"db\" }");
    let mut scheduler = Scheduler::new(&plan, &[true], options(8, false));
    let _ = scheduler.begin();
    assert!(scheduler.step(Event::Looked { stage: StageId(0), hit: true, admission: None }).is_empty());
    assert!(scheduler.is_finished());
}

#[test]
fn a_service_that_is_gone_fails_the_stages_that_wait_for_it() {
    let plan = plan(
        "service \"db\" { run \"x\" }; stage \"a\" { run \"x\"; needs \"db\"; mutex \"m\" }; stage \"b\" { run \"x\"; needs \"db\"; mutex \"m\" }",
    );
    let (mut scheduler, _) = all_missed(&plan, options(8, true));
    let _ = scheduler.step(Event::Service { service: 0, ready: Err(ReasonCode::ServiceFailed) });
    assert!(scheduler.is_finished());
    assert_eq!(scheduler.states(), [State::Failed(ReasonCode::ServiceFailed); 2]);
}
