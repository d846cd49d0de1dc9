//! Random plans, random orders.

use proptest::prelude::*;

use super::world::{Traits, World, random_plan};
use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_order_of_events_keeps_the_promises(
        edges in proptest::collection::vec(proptest::collection::vec(0usize..40, 0..4), 1..40),
        dice in proptest::collection::vec(any::<u8>(), 1..64),
        jobs in 1u32..5,
        keep_going in any::<bool>(),
        memory_mib in proptest::option::of(1u64..12),
        gates in any::<bool>(),
        last in 0usize..4,
        cancels in proptest::collection::vec(0usize..90, 0..3),
    ) {
        let plan = random_plan(&edges, Traits { gates, last });
        let options = Options { jobs, keep_going, run: RUN.to_owned(), memory_bytes: memory_mib.map(|m| m << 20) };
        let mut world = World::new(&plan, options);
        world.play(&dice, &cancels, 6000)?;
    }
}

#[test]
fn a_pass_about_another_input_starts_nothing() {
    let plan = plan("stage \"r\" { run \"x\" }; gate \"g\" on=\"r\"; stage \"c\" gate=\"g\" { run \"x\" }");
    let gated = id(&plan, "c");
    let mut scheduler = Scheduler::new(&plan, &[true; 2], options(9, true));
    let _ = scheduler.begin();
    let commands = scheduler.step(Event::Looked { stage: StageId(0), hit: true, admission: None });
    assert!(commands.iter().any(|c| matches!(c, Command::Decide(s) if *s == gated)));
    let verdict = Verdict::Pass { pass: Pass::for_test(Digest::of(b"one"), RUN), input: Digest::of(b"two") };
    let commands = scheduler.step(Event::Decided { stage: gated, verdict });
    assert!(commands.is_empty(), "{commands:?}");
    assert_eq!(scheduler.state(gated), State::Refused(ReasonCode::GateOrderViolation));
}
