//! A world that carries out commands in any order and checks every promise at every turn.

use orgo_spec::pipeline::Pipeline;
use proptest::prelude::{TestCaseError, prop_assert};

use super::*;
use crate::plan::ResolvedStage;

/// What a random pipeline may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    /// Gates; then nothing is optional.
    pub(super) gates: bool,
    /// Stages that come last.
    pub(super) last: usize,
}

/// A pipeline with a stage for each entry of `edges`, which names earlier stages.
pub(super) fn random_plan(edges: &[Vec<usize>], traits: Traits) -> Resolved {
    let mut text = String::from(
        "approval \"people\" { need 1; role \"approver\"; }; pool \"a\" capacity=2; pool \"b\" capacity=3; service \"x\" { run \"x\" }; service \"y\" { run \"y\" }\n",
    );
    for (i, needs) in edges.iter().enumerate() {
        let mut needs: Vec<usize> = needs.iter().filter(|_| i > 0).map(|n| n % i.max(1)).collect();
        needs.sort_unstable();
        needs.dedup();
        let gated = traits.gates && i % 7 == 6 && !needs.is_empty();
        let approved = i % 5 == 4 && (traits.gates || i % 4 != 3);
        let gate = if gated { format!(" gate=\"g{i}\"") } else { String::new() };
        let gate = if approved { format!("{gate} approval=\"people\"") } else { gate };
        let after: Vec<String> = needs.iter().map(|n| format!("after \"s{n}\"")).collect();
        let retry = match i % 5 {
            0 => format!("retries {}", i % 3),
            1 => "retry { times 2; backoff \"1s\" }".to_owned(),
            _ => String::new(),
        };
        let takes = match i % 6 {
            0 => "pool \"a\" weight=2; mutex \"m\"",
            1 => "pool \"b\" weight=3; pool \"a\"",
            2 => "mutex \"m\"; mutex \"n\"; memory \"3MiB\"",
            3 => "pool \"b\"; memory \"9MiB\"",
            4 => "mutex \"n\"; pool \"b\" weight=2; cpus 2",
            _ => "",
        };
        let needs_service = match i % 9 {
            3 => "needs \"x\"",
            5 => "needs \"x\" \"y\"",
            _ => "",
        };
        let optional = if !traits.gates && i % 4 == 3 { "optional #true" } else { "" };
        let fields = ["run \"x\"", &retry, takes, needs_service, optional];
        let fields: Vec<&str> = after.iter().map(String::as_str).chain(fields).filter(|f| !f.is_empty()).collect();
        text.push_str(&format!("stage \"s{i}\"{gate} {{ {} }}\n", fields.join("; ")));
        if gated {
            text.push_str(&format!("gate \"g{i}\" on=\"s{}\"\n", needs[0]));
        }
    }
    for i in 0..traits.last {
        let after = if i > 1 { "; after \"f0\"" } else { "" };
        text.push_str(&format!("stage \"f{i}\" {{ run \"x\"; finally #true; mutex \"m\"; needs \"y\"{after} }}\n"));
    }
    plan(&text)
}

pub(super) struct World<'p> {
    plan: &'p Resolved,
    pub(super) scheduler: Scheduler<'p>,
    pub(super) pending: Vec<Command>,
    refused: Vec<bool>,
    /// Stages that people approved, until they are looked up.
    granted: Vec<bool>,
    cancels: u32,
    /// Per service: 0 never asked for, 1 running, 2 gone.
    services: Vec<u8>,
    /// The pipeline, if stages of it write lists.
    source: Option<&'p (Document, Pipeline)>,
    lists: Vec<KnownList>,
}

impl<'p> World<'p> {
    pub(super) fn new(plan: &'p Resolved, options: Options) -> Self {
        let mut scheduler = Scheduler::new(plan, &vec![true; plan.stages.len()], options);
        let pending = scheduler.begin();
        let (refused, services) = (vec![false; plan.stages.len()], vec![0; plan.services.len()]);
        let granted = refused.clone();
        Self { plan, scheduler, pending, refused, granted, cancels: 0, services, source: None, lists: Vec::new() }
    }

    /// A world in which stages of this pipeline write lists.
    pub(super) fn listing(source: &'p (Document, Pipeline), plan: &'p Resolved, options: Options) -> Self {
        Self { source: Some(source), ..Self::new(plan, options) }
    }

    /// Writes the list that a stage stands for, and goes on with its items; or refuses it.
    fn list(&mut self, stage: StageId, dice: u8) {
        let Some(pending) = self.plan.stage(stage).pending() else { return };
        if dice.is_multiple_of(7) {
            return self.feed(Event::Refused { stage, code: ReasonCode::ListInvalid });
        }
        if self.scheduler.state(stage) != State::Looking {
            return;
        }
        assert!(matches!(self.scheduler.state(pending.stage), State::Done { .. }), "a list is read when it is written");
        let text = ["one", "one\ntwo", "one\ntwo\nthree\nfour"][usize::from(dice % 3)].to_owned();
        let writer = self.plan.stage(pending.stage).name.clone();
        self.lists.push(KnownList { stage: writer, output: pending.output.clone(), text });
        let (document, pipeline) = self.source.expect("only such pipelines have lists");
        let refuse = |_: &orgo_spec::document::RelativePath| unreachable!("it has no committed list");
        let parameters = &std::collections::BTreeMap::new();
        let given = Given { parameters, lenient: false, read: &refuse, lists: &self.lists, document };
        let growth = Box::leak(Box::new(grow(pipeline, &given).expect("the list is sound")));
        for (before, now) in self.plan.stages.iter().zip(&growth.plan.stages) {
            let same = before.name == now.name;
            assert_eq!(same, before.pending().is_none() || now.pending().is_some(), "{} {}", before.name, now.name);
        }
        self.plan = &growth.plan;
        self.refused.resize(self.plan.stages.len(), false);
        self.granted.resize(self.plan.stages.len(), false);
        let more = self.scheduler.grow(self.plan, &growth.origins);
        self.take(more);
    }

    /// Carries out one pending command in the way that `dice` says, and checks the promises.
    pub(super) fn turn(&mut self, dice: u8) {
        let command = self.pending.swap_remove(usize::from(dice) % self.pending.len());
        if let Command::List(stage) = command {
            return self.list(stage, dice);
        }
        if let Some(event) = self.event(command, dice) {
            self.feed(event);
        }
    }

    /// Plays the run to its end: turn by turn as the dice say, cancelled at the given turns, in fewer than `most` of them.
    pub(super) fn play(&mut self, dice: &[u8], cancels: &[usize], most: usize) -> Result<(), TestCaseError> {
        let mut turns = 0;
        while !self.scheduler.is_finished() {
            if cancels.contains(&turns) {
                self.cancel();
            } else {
                let states = self.scheduler.states();
                prop_assert!(!self.pending.is_empty(), "stages are open and nothing is under way: {states:?}");
                self.turn(dice[turns % dice.len()]);
            }
            turns += 1;
            prop_assert!(turns < most, "the run does not end");
        }
        self.over();
        Ok(())
    }

    pub(super) fn cancel(&mut self) {
        self.cancels += 1;
        self.feed(Event::Cancel);
    }

    fn feed(&mut self, event: Event) {
        let more = self.scheduler.step(event);
        self.take(more);
    }

    /// Checks what may be done now.
    fn take(&mut self, more: Vec<Command>) {
        for command in &more {
            if let Command::Start { stage, admission, .. } = command {
                self.check_start(*stage, admission.is_some());
            }
        }
        self.pending.extend(more);
        let running = |s: &&ResolvedStage| self.scheduler.state(id(self.plan, &s.name)) == State::Running;
        let running: Vec<&ResolvedStage> = self.plan.stages.iter().filter(running).collect();
        assert!(running.len() <= self.scheduler.options.jobs as usize);
        for (at, resource) in self.plan.resources.iter().enumerate() {
            let claims = running.iter().filter_map(|s| s.runtime.as_ref()).flat_map(|r| &r.claims);
            let held: u64 = claims.filter(|(a, _)| *a as usize == at).map(|(_, much)| much).sum();
            assert!(held <= resource.capacity, "{}: {held}", resource.name);
            assert_eq!(self.scheduler.claims.free(at), resource.capacity - held, "{}", resource.name);
        }
        if let Some(budget) = self.scheduler.options.memory_bytes {
            let wants = running.iter().filter_map(|s| s.runtime.as_ref()?.memory_bytes);
            assert!(wants.map(|bytes| bytes.min(budget)).sum::<u64>() <= budget);
        }
    }

    fn check_start(&self, stage: StageId, admitted: bool) {
        self.admitted(stage, admitted);
        let declared = self.plan.stage(stage);
        assert!(declared.pending().is_none(), "a stage whose items are not known does not start");
        assert!(self.cancels == 0 || declared.is_finally() && self.cancels == 1, "nothing starts after a cancel");
        for need in self.plan.graph.dependencies(stage) {
            assert!(matches!(self.scheduler.state(*need), State::Done { .. }), "{stage:?} before {need:?}");
        }
        if declared.is_finally() {
            let before = self.plan.graph.stages().filter(|s| !self.plan.stage(*s).is_finally());
            assert!(before.into_iter().all(|s| self.scheduler.state(s).is_final()), "something comes after the last");
        }
        for service in declared.services() {
            assert!(self.scheduler.services.is_ready(*service), "the service {service} is not ready");
        }
    }

    fn event(&mut self, command: Command, dice: u8) -> Option<Event> {
        Some(match command {
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
            Command::Ask(stage) => {
                let key = Digest::of(b"key");
                let grant = match dice % 5 {
                    0 => Err(ReasonCode::ApprovalInsufficient),
                    1 => Ok((Grant::for_test(Digest::of(b"another key"), RUN), key)),
                    2 => Ok((Grant::for_test(key, "another run"), key)),
                    _ => Ok((Grant::for_test(key, RUN), key)),
                };
                self.granted[stage.index()] = dice % 5 > 2;
                self.refused[stage.index()] |= dice % 5 < 3;
                Event::Asked { stage, grant }
            }
            Command::Look { stage, admission } => {
                let needs = self.plan.stage(stage).approval.is_some();
                let granted = std::mem::replace(&mut self.granted[stage.index()], false);
                assert_eq!(needs, granted, "each look-up of such a stage has its own grant");
                self.admitted(stage, admission.is_some());
                Event::Looked { stage, hit: dice.is_multiple_of(3), admission }
            }
            Command::Start { stage, .. } => {
                let bad = Bad { code: ReasonCode::StageFailed, exit: Some(1) };
                Event::Ended { stage, end: if dice.is_multiple_of(4) { Err(bad) } else { Ok(()) } }
            }
            Command::Kill(stage) => Event::Ended { stage, end: Err(ReasonCode::RunCancelled.into()) },
            Command::Pause { stage, .. } => Event::Elapsed(stage),
            Command::List(_) => return None, // carried out by `list`
            Command::Serve(service) => {
                let state = &mut self.services[service as usize];
                if *state == 2 {
                    return None; // dismissed before it was started
                }
                assert_eq!(*state, 0, "a service is started once");
                let ready = if dice.is_multiple_of(5) { Err(ReasonCode::ServiceFailed) } else { Ok(()) };
                *state = if ready.is_ok() { 1 } else { 2 };
                Event::Service { service, ready }
            }
            Command::Dismiss(service) => {
                self.services[service as usize] = 2;
                return None;
            }
        })
    }

    fn admitted(&self, stage: StageId, has: bool) {
        assert_eq!(has, self.plan.stage(stage).gate.is_some(), "admissions belong to gated stages");
        assert!(!self.refused[stage.index()], "a refused stage is neither looked up nor started");
    }

    /// Checks what has to hold when the run is over.
    pub(super) fn over(&mut self) {
        for command in std::mem::take(&mut self.pending) {
            // A service that was asked for and dismissed before it was looked at is never started.
            if let Command::Dismiss(service) = command {
                self.services[service as usize] = 2;
            }
        }
        assert!(self.services.iter().all(|s| *s != 1), "every service was dismissed");
        for stage in self.plan.graph.stages() {
            let state = self.scheduler.state(stage);
            assert!(state.is_final());
            let done = matches!(state, State::Done { .. });
            assert!(!(self.refused[stage.index()] && done));
            for need in self.plan.graph.dependencies(stage) {
                assert!(!done || matches!(self.scheduler.state(*need), State::Done { .. }));
            }
            let untouched = self.plan.stage(stage).is_finally() && self.cancels < 2;
            let skipped = matches!(state, State::Skipped(ReasonCode::RunCancelled));
            assert!(!(untouched && skipped), "what comes last runs, whatever happened");
        }
    }
}
