//! The state machine itself.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use orgo_spec::{Digest, ReasonCode};

use super::claims::{Claims, Urgency};
use super::services::{Served, Services};
use super::{Command, Event, Options, State, Verdict};
use crate::approval::Grant;
use crate::gate::Admission;
use crate::graph::StageId;
use crate::plan::Resolved;

/// The state machine.
#[derive(Debug)]
pub struct Scheduler<'p> {
    pub(super) plan: &'p Resolved,
    pub(super) options: Options,
    pub(super) states: Vec<State>,
    pub(super) missing: Vec<u32>,
    pub(super) attempts: Vec<u32>,
    pub(super) admissions: Vec<(StageId, Admission)>,
    pub(super) heights: Vec<u32>,
    pub(super) ready: BinaryHeap<Urgency>,
    pub(super) free: u32,
    pub(super) open: usize,
    /// Open stages that do not come last.
    pub(super) open_before: usize,
    /// What comes last, until it is released.
    pub(super) last: Vec<StageId>,
    pub(super) stopping: Option<ReasonCode>,
    pub(super) cancels: u32,
    pub(super) claims: Claims,
    pub(super) services: Services,
}

impl<'p> Scheduler<'p> {
    /// A scheduler for the stages that `wanted` marks; the others are left out of the run. What a
    /// wanted stage needs must be wanted too.
    ///
    /// # Panics
    /// If the plan has a cycle; `expand` refuses such plans.
    #[must_use]
    pub fn new(plan: &'p Resolved, wanted: &[bool], options: Options) -> Self {
        let order = plan.graph.topological().expect("`expand` refuses cycles");
        let heights = plan.graph.heights(&order);
        let mut states = vec![State::Waiting; plan.stages.len()];
        for (state, _) in states.iter_mut().zip(wanted).filter(|(_, wanted)| !**wanted) {
            *state = State::Skipped(ReasonCode::RunCancelled);
        }
        let mut missing: Vec<u32> = plan.graph.stages().map(|s| plan.graph.dependencies(s).len() as u32).collect();
        let open = wanted.iter().filter(|w| **w).count();
        let last: Vec<StageId> =
            plan.graph.stages().filter(|s| wanted[s.index()] && plan.stage(*s).is_finally()).collect();
        for stage in &last {
            missing[stage.index()] += 1; // everything else
        }
        Self {
            plan,
            free: options.jobs.max(1),
            claims: Claims::new(plan, options.memory_bytes),
            services: Services::new(plan, wanted),
            options,
            states,
            missing,
            attempts: vec![0; plan.stages.len()],
            admissions: Vec::new(),
            heights,
            ready: BinaryHeap::new(),
            open,
            open_before: open - last.len(),
            last,
            stopping: None,
            cancels: 0,
        }
    }

    /// Leaves stages out of the run because their condition does not hold. What only comes `after` one of them runs;
    /// what reads from one has to be left out too. Must be called before [`Scheduler::begin`], for stages that are not
    /// wanted.
    pub fn withhold(&mut self, stages: impl Iterator<Item = StageId>) {
        for stage in stages {
            self.states[stage.index()] = State::Skipped(ReasonCode::ConditionNotMet);
            for dependent in self.plan.graph.dependents(stage) {
                self.missing[dependent.index()] -= 1;
            }
        }
    }

    /// The first commands.
    #[must_use]
    pub fn begin(&mut self) -> Vec<Command> {
        let mut out = Vec::new();
        for stage in self.plan.graph.stages() {
            if self.states[stage.index()] == State::Waiting && self.missing[stage.index()] == 0 {
                self.ready_to_look(stage, &mut out);
            }
        }
        self.release_last(&mut out);
        out
    }

    /// Takes one event and says what is to be done now.
    ///
    /// Events about stages that are already final are ignored (a kill and an end may cross).
    #[must_use]
    pub fn step(&mut self, event: Event) -> Vec<Command> {
        let mut out = Vec::new();
        match event {
            Event::Decided { stage, verdict } if self.is(stage, State::Deciding) => {
                self.decided(stage, verdict, &mut out)
            }
            Event::Asked { stage, grant } if self.is(stage, State::Asking) => self.asked(stage, grant, &mut out),
            Event::Looked { stage, hit, admission }
                if self.is(stage, State::Looking) && self.plan.stage(stage).pending().is_none() =>
            {
                if hit {
                    self.done(stage, true, &mut out);
                } else if let Some(code) = self.stopped(stage) {
                    self.fail(stage, State::Skipped(code));
                } else {
                    self.admissions.extend(admission.map(|a| (stage, a)));
                    self.states[stage.index()] = State::Ready;
                    self.ready.push(self.urgency(stage));
                }
            }
            Event::Refused { stage, code } if !self.state(stage).is_final() => {
                if self.is(stage, State::Running) {
                    self.give_back(stage);
                }
                self.failed(stage, code, &mut out);
            }
            Event::Ended { stage, end } if self.is(stage, State::Running) => self.ended(stage, end, &mut out),
            Event::Elapsed(stage) if matches!(self.state(stage), State::Paused(_)) => {
                self.ready_to_look(stage, &mut out);
            }
            Event::Service { service, ready: Ok(()) } => {
                let waited = self.services.ready(service);
                self.ready.extend(waited);
            }
            Event::Service { service, ready: Err(code) } => {
                for stage in self.services.gone(service, code) {
                    if self.is(stage, State::Ready) {
                        self.failed(stage, code, &mut out);
                    }
                }
            }
            Event::Cancel => {
                self.cancels += 1;
                self.stop(ReasonCode::RunCancelled, true, &mut out);
            }
            Event::Decided { .. }
            | Event::Asked { .. }
            | Event::Looked { .. }
            | Event::Refused { .. }
            | Event::Ended { .. }
            | Event::Elapsed(_) => {}
        }
        self.follow_up(&mut out);
        out
    }

    /// What may follow from any change.
    pub(super) fn follow_up(&mut self, out: &mut Vec<Command>) {
        self.fill(out);
        self.release_last(out);
        out.extend(self.services.dismissed().map(Command::Dismiss));
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.open == 0
    }

    /// Where a stage stands.
    #[must_use]
    pub fn state(&self, stage: StageId) -> State {
        self.states[stage.index()]
    }

    /// Where all stages stand.
    #[must_use]
    pub fn states(&self) -> &[State] {
        &self.states
    }

    pub(super) fn is(&self, stage: StageId, state: State) -> bool {
        self.state(stage) == state
    }

    pub(super) fn weight(&self, stage: StageId) -> u32 {
        self.plan.stage(stage).cpus.clamp(1, self.options.jobs.max(1))
    }

    pub(super) fn urgency(&self, stage: StageId) -> Urgency {
        (self.heights[stage.index()], Reverse(stage))
    }

    /// Why a stage may not start any more. What comes last ends only when somebody insists.
    pub(super) fn stopped(&self, stage: StageId) -> Option<ReasonCode> {
        if self.plan.stage(stage).is_finally() {
            (self.cancels > 1).then_some(ReasonCode::RunCancelled)
        } else {
            self.stopping
        }
    }

    pub(super) fn ready_to_look(&mut self, stage: StageId, out: &mut Vec<Command>) {
        if self.plan.stage(stage).pending().is_some() {
            self.states[stage.index()] = State::Looking;
            out.push(Command::List(stage));
        } else if self.plan.stage(stage).gate.is_some() {
            self.states[stage.index()] = State::Deciding;
            out.push(Command::Decide(stage));
        } else {
            self.approve_or_look(stage, None, out);
        }
    }

    /// Asks for the approval that a stage needs, or has it looked up. An admission is kept while people are asked.
    fn approve_or_look(&mut self, stage: StageId, admission: Option<Admission>, out: &mut Vec<Command>) {
        if self.plan.stage(stage).approval.is_some() {
            self.states[stage.index()] = State::Asking;
            self.admissions.retain(|(s, _)| *s != stage);
            self.admissions.extend(admission.map(|a| (stage, a)));
            out.push(Command::Ask(stage));
        } else {
            self.states[stage.index()] = State::Looking;
            out.push(Command::Look { stage, admission });
        }
    }

    /// A stage that is not approved holds up nothing that does not need it.
    fn asked(&mut self, stage: StageId, grant: Result<(Grant, Digest), ReasonCode>, out: &mut Vec<Command>) {
        let at = self.admissions.iter().position(|(s, _)| *s == stage);
        let admission = at.map(|i| self.admissions.swap_remove(i).1);
        if let Some(code) = self.stopped(stage) {
            return self.fail(stage, State::Skipped(code));
        }
        match grant.map(|(grant, key)| grant.admits(key, &self.options.run)) {
            Err(code) => self.fail(stage, State::Unapproved(code)),
            Ok(admits) if admits && self.plan.stage(stage).gate.is_some() == admission.is_some() => {
                self.states[stage.index()] = State::Looking;
                out.push(Command::Look { stage, admission });
            }
            Ok(_) => self.fail(stage, State::Refused(ReasonCode::GateOrderViolation)),
        }
    }

    fn decided(&mut self, stage: StageId, verdict: Verdict, out: &mut Vec<Command>) {
        let code = match verdict {
            Verdict::Pass { pass, input } => match pass.admit(input, &self.options.run) {
                Some(admission) => {
                    self.approve_or_look(stage, Some(admission), out);
                    return;
                }
                None => ReasonCode::GateOrderViolation,
            },
            Verdict::Fail(code) => code,
        };
        self.fail(stage, State::Refused(code));
        if !self.options.keep_going {
            self.stop(code, false, out);
        }
    }

    fn fill(&mut self, out: &mut Vec<Command>) {
        while let Some(urgency) = self.ready.peek().copied() {
            let Reverse(stage) = urgency.1;
            if self.state(stage) == State::Ready {
                let weight = self.weight(stage);
                if weight > self.free {
                    return;
                }
                self.ready.pop();
                if self.may_start(stage, urgency, out) {
                    self.start(stage, weight, out);
                }
            } else {
                self.ready.pop();
            }
        }
    }

    /// Whether a stage has its services and all that it takes; if not, it waits or has failed.
    fn may_start(&mut self, stage: StageId, urgency: Urgency, out: &mut Vec<Command>) -> bool {
        let declared = self.plan.stage(stage);
        let Some(runtime) = declared.runtime.as_deref() else { return true };
        match self.services.ask(declared, urgency) {
            Served::Yes => self.claims.take(runtime, urgency),
            Served::Later(start) => {
                out.extend(start.into_iter().map(Command::Serve));
                false
            }
            Served::Never(code) => {
                // It may have been woken for something that it will not take now.
                self.claims.pass_on(runtime, self.plan, &mut self.ready);
                self.failed(stage, code, out);
                false
            }
        }
    }

    fn start(&mut self, stage: StageId, weight: u32, out: &mut Vec<Command>) {
        self.free -= weight;
        self.attempts[stage.index()] += 1;
        self.states[stage.index()] = State::Running;
        let at = self.admissions.iter().position(|(s, _)| *s == stage);
        let admission = at.map(|i| self.admissions.swap_remove(i).1);
        out.push(Command::Start { stage, attempt: self.attempts[stage.index()], admission });
    }
}
