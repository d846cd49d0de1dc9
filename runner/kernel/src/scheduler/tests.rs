//! Simulation: any order of events keeps the scheduler's promises.

use orgo_spec::document::Document;
use orgo_spec::pipeline::parse_pipelines;
use proptest::prelude::*;

use super::*;
use crate::expand::expand;

/// A pipeline of `n` stages; `edges` name earlier stages; every seventh stage is gated by its first edge.
fn plan(edges: &[Vec<usize>]) -> Resolved {
    let mut text = String::from("pipeline \"p\" {\n");
    for (i, needs) in edges.iter().enumerate() {
        let mut needs: Vec<usize> = needs.iter().filter(|_| i > 0).map(|n| n % i.max(1)).collect();
        needs.sort_unstable();
        needs.dedup();
        let gated = i % 7 == 6 && !needs.is_empty();
        let gate = if gated { format!(" gate=\"g{i}\"") } else { String::new() };
        let after: String = needs.iter().map(|n| format!("after \"s{n}\"; ")).collect();
        text.push_str(&format!("stage \"s{i}\"{gate} {{ {after}run \"x\"; retries {} }}\n", i % 3));
        if gated {
            text.push_str(&format!("gate \"g{i}\" on=\"s{}\"\n", needs[0]));
        }
    }
    text.push_str("}\n");
    let document = Document::new("p.kdl", text);
    let pipelines = parse_pipelines(&document).unwrap_or_else(|e| panic!("{:?}", e.problems().collect::<Vec<_>>()));
    expand(&document, &pipelines[0]).expect("edges point backwards")
}

const RUN: &str = "run";

struct World<'p> {
    plan: &'p Resolved,
    scheduler: Scheduler<'p>,
    pending: Vec<Command>,
    started: Vec<bool>,
    refused: Vec<bool>,
    cancelled: bool,
}

impl World<'_> {
    /// Carries out one pending command in the way that `dice` says, and checks the promises.
    fn turn(&mut self, dice: u8) {
        let command = self.pending.swap_remove(usize::from(dice) % self.pending.len());
        let event = match command {
            Command::Decide(stage) => {
                let input = Digest::of(b"input");
                let verdict = match dice % 5 {
                    0 => {
                        self.refused[stage.index()] = true;
                        Verdict::Fail(ReasonCode::ValidationFailed)
                    }
                    1 => {
                        self.refused[stage.index()] = true;
                        Verdict::Pass { pass: Pass::for_test(Digest::of(b"another input"), RUN), input }
                    }
                    _ => Verdict::Pass { pass: Pass::for_test(input, RUN), input },
                };
                Event::Decided { stage, verdict }
            }
            Command::Look { stage, admission } => {
                self.admitted(stage, admission.is_some());
                Event::Looked { stage, hit: dice.is_multiple_of(3), admission }
            }
            Command::Start { stage, admission, .. } => {
                self.admitted(stage, admission.is_some());
                assert!(!self.cancelled, "nothing starts after a cancel");
                for need in self.plan.graph.dependencies(stage) {
                    assert!(matches!(self.scheduler.state(*need), State::Done { .. }), "{stage:?} before {need:?}");
                }
                self.started[stage.index()] = true;
                let end = if dice.is_multiple_of(4) { Err(ReasonCode::StageFailed) } else { Ok(()) };
                Event::Ended { stage, end }
            }
            Command::Kill(stage) => Event::Ended { stage, end: Err(ReasonCode::RunCancelled) },
        };
        let more = self.scheduler.step(event);
        self.pending.extend(more);
        let running: u32 = self.scheduler.states().iter().filter(|s| **s == State::Running).count() as u32;
        assert!(running <= self.scheduler.options.jobs);
    }

    fn admitted(&self, stage: StageId, has: bool) {
        assert_eq!(has, self.plan.stage(stage).gate.is_some(), "admissions belong to gated stages");
        assert!(!self.refused[stage.index()], "a refused stage is neither looked up nor started");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_order_of_events_keeps_the_promises(
        edges in proptest::collection::vec(proptest::collection::vec(0usize..40, 0..4), 1..40),
        dice in proptest::collection::vec(any::<u8>(), 1..64),
        jobs in 1u32..5,
        keep_going in any::<bool>(),
        cancel_at in proptest::option::of(0usize..60),
    ) {
        let plan = plan(&edges);
        let options = Options { jobs, keep_going, run: RUN.to_owned() };
        let mut scheduler = Scheduler::new(&plan, &vec![true; edges.len()], options);
        let pending = scheduler.begin();
        let n = edges.len();
        let mut world = World { plan: &plan, scheduler, pending, started: vec![false; n], refused: vec![false; n], cancelled: false };
        let mut turns = 0;
        while !world.scheduler.is_finished() {
            if cancel_at == Some(turns) {
                let more = world.scheduler.step(Event::Cancel);
                world.pending.extend(more);
                world.cancelled = true;
                // Starts that were handed out before the cancel are carried out by ending them.
                let starts: Vec<Command> = std::mem::take(&mut world.pending);
                for command in starts {
                    if let Command::Start { stage, .. } = command {
                        let more = world.scheduler.step(Event::Ended { stage, end: Err(ReasonCode::RunCancelled) });
                        world.pending.extend(more);
                    } else {
                        world.pending.push(command);
                    }
                }
            } else {
                prop_assert!(!world.pending.is_empty(), "stages are open and nothing is under way: {:?}", world.scheduler.states());
                world.turn(dice[turns % dice.len()]);
            }
            turns += 1;
            prop_assert!(turns < 4000, "the run does not end");
        }
        for stage in plan.graph.stages() {
            let state = world.scheduler.state(stage);
            prop_assert!(state.is_final());
            if matches!(state, State::Done { .. }) {
                for need in plan.graph.dependencies(stage) {
                    let done = matches!(world.scheduler.state(*need), State::Done { .. });
                    prop_assert!(done);
                }
            }
            let done = matches!(state, State::Done { .. });
            prop_assert!(!(world.refused[stage.index()] && done));
        }
    }
}

#[test]
fn a_pass_about_another_input_starts_nothing() {
    let plan = plan(&(0..7).map(|i| if i == 6 { vec![0] } else { vec![] }).collect::<Vec<_>>());
    let gated = StageId(6);
    let mut scheduler = Scheduler::new(&plan, &[true; 7], Options { jobs: 9, keep_going: true, run: RUN.to_owned() });
    let _ = scheduler.begin();
    let commands = scheduler.step(Event::Looked { stage: StageId(0), hit: true, admission: None });
    assert!(commands.iter().any(|c| matches!(c, Command::Decide(s) if *s == gated)));
    let verdict = Verdict::Pass { pass: Pass::for_test(Digest::of(b"one"), RUN), input: Digest::of(b"two") };
    let commands = scheduler.step(Event::Decided { stage: gated, verdict });
    assert!(commands.is_empty(), "{commands:?}");
    assert_eq!(scheduler.state(gated), State::Refused(ReasonCode::GateOrderViolation));
}
