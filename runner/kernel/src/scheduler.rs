//! The scheduler: a state machine fed by one linear stream of events.
//!
//! It decides; it never waits, reads or starts anything. The host carries out [`Command`]s and reports
//! [`Event`]s; any order of reports is legal, and simulation tests feed every order they can think of.
//!
//! ```text
//!             deps done            look-up misses, workers free
//!  Waiting ─────────────► Looking ──────────────────────► Running ──► Done
//!     │   (gated: Deciding ──►)  └── hit ──► Done            │  ▲        
//!     │        │ refused                                     └──┘ retry
//!     ▼        ▼                                             ▼
//!  Skipped   Refused                                       Failed
//! ```
//!
//! INVARIANT: a gated stage is looked up or started only with an [`Admission`], and an admission
//! comes only from a [`Pass`] about exactly the stage's input.
//! INVARIANT: no stage starts before everything it needs is done; none starts twice at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use orgo_spec::{Digest, ReasonCode};

use crate::gate::{Admission, Pass};
use crate::graph::StageId;
use crate::plan::Resolved;

/// What the host reports.
#[derive(Debug)]
pub enum Event {
    /// The gate of a stage was decided; a pass comes with the digest of the stage's real input.
    Decided {
        /// The gated stage.
        stage: StageId,
        /// The verdict.
        verdict: Verdict,
    },
    /// The cache was asked; the admission of a gated stage comes back.
    Looked {
        /// The stage.
        stage: StageId,
        /// Whether there is a usable result.
        hit: bool,
        /// What was handed out with [`Command::Look`].
        admission: Option<Admission>,
    },
    /// A stage could not be looked up or started for a reason of its own (a missing input, say).
    Refused {
        /// The stage.
        stage: StageId,
        /// Why.
        code: ReasonCode,
    },
    /// An attempt ended.
    Ended {
        /// The stage.
        stage: StageId,
        /// How.
        end: Result<(), ReasonCode>,
    },
    /// Somebody wants the run to stop.
    Cancel,
}

/// A gate's verdict as the scheduler needs it.
#[derive(Debug)]
pub enum Verdict {
    /// The gate passed.
    Pass {
        /// The token.
        pass: Pass,
        /// Digest of the input that the stage would read.
        input: Digest,
    },
    /// The gate refused.
    Fail(ReasonCode),
}

/// What the host is to do.
#[derive(Debug)]
pub enum Command {
    /// Decide the gate of a stage.
    Decide(StageId),
    /// Compute the stage's key and ask the cache.
    Look {
        /// The stage.
        stage: StageId,
        /// Present exactly for gated stages; it comes back with the answer.
        admission: Option<Admission>,
    },
    /// Start an attempt.
    Start {
        /// The stage.
        stage: StageId,
        /// Attempts are counted from 1.
        attempt: u32,
        /// Present exactly for gated stages; kept by the host for further attempts is impossible: a
        /// retry of a gated stage is decided again.
        admission: Option<Admission>,
    },
    /// End a running stage.
    Kill(StageId),
}

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Something it needs is not done.
    Waiting,
    /// Its gate is being decided.
    Deciding,
    /// The cache is being asked.
    Looking,
    /// It waits for a worker.
    Ready,
    /// It runs.
    Running,
    /// It is done: ran or was answered from the cache.
    Done {
        /// Whether the cache answered.
        hit: bool,
    },
    /// It failed.
    Failed(ReasonCode),
    /// Its gate refused.
    Refused(ReasonCode),
    /// It will not run, because something before it did not end well or the run stops.
    Skipped(ReasonCode),
}

impl State {
    /// Whether the stage will not change any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed(_) | Self::Refused(_) | Self::Skipped(_))
    }
}

/// How a run is to behave.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many workers there are.
    pub jobs: u32,
    /// Whether stages that do not depend on a failure still run.
    pub keep_going: bool,
    /// The run's id; a pass of another run admits nothing.
    pub run: String,
}

/// The state machine.
#[derive(Debug)]
pub struct Scheduler<'p> {
    plan: &'p Resolved,
    options: Options,
    states: Vec<State>,
    missing: Vec<u32>,
    attempts: Vec<u32>,
    admissions: Vec<(StageId, Admission)>,
    heights: Vec<u32>,
    ready: BinaryHeap<(u32, Reverse<StageId>)>,
    free: u32,
    open: usize,
    stopping: Option<ReasonCode>,
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
        let missing = plan.graph.stages().map(|s| plan.graph.dependencies(s).len() as u32).collect();
        let open = wanted.iter().filter(|w| **w).count();
        Self {
            plan,
            free: options.jobs.max(1),
            options,
            states,
            missing,
            attempts: vec![0; plan.stages.len()],
            admissions: Vec::new(),
            heights,
            ready: BinaryHeap::new(),
            open,
            stopping: None,
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
            Event::Looked { stage, hit, admission } if self.is(stage, State::Looking) => {
                if hit {
                    self.done(stage, true, &mut out);
                } else if let Some(code) = self.stopping {
                    self.fail(stage, State::Skipped(code));
                } else {
                    self.admissions.extend(admission.map(|a| (stage, a)));
                    self.states[stage.index()] = State::Ready;
                    self.ready.push((self.heights[stage.index()], Reverse(stage)));
                }
            }
            Event::Refused { stage, code } if !self.state(stage).is_final() => {
                if self.is(stage, State::Running) {
                    self.free += self.weight(stage);
                }
                self.failed(stage, code, &mut out);
            }
            Event::Ended { stage, end } if self.is(stage, State::Running) => self.ended(stage, end, &mut out),
            Event::Cancel => self.stop(ReasonCode::RunCancelled, true, &mut out),
            Event::Decided { .. } | Event::Looked { .. } | Event::Refused { .. } | Event::Ended { .. } => {}
        }
        self.fill(&mut out);
        out
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

    fn is(&self, stage: StageId, state: State) -> bool {
        self.state(stage) == state
    }

    fn weight(&self, stage: StageId) -> u32 {
        self.plan.stage(stage).cpus.clamp(1, self.options.jobs.max(1))
    }

    fn ready_to_look(&mut self, stage: StageId, out: &mut Vec<Command>) {
        if self.plan.stage(stage).gate.is_some() {
            self.states[stage.index()] = State::Deciding;
            out.push(Command::Decide(stage));
        } else {
            self.states[stage.index()] = State::Looking;
            out.push(Command::Look { stage, admission: None });
        }
    }

    fn decided(&mut self, stage: StageId, verdict: Verdict, out: &mut Vec<Command>) {
        let code = match verdict {
            Verdict::Pass { pass, input } => match pass.admit(input, &self.options.run) {
                Some(admission) => {
                    self.states[stage.index()] = State::Looking;
                    out.push(Command::Look { stage, admission: Some(admission) });
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

    fn ended(&mut self, stage: StageId, end: Result<(), ReasonCode>, out: &mut Vec<Command>) {
        self.free += self.weight(stage);
        match end {
            Ok(()) => self.done(stage, false, out),
            Err(code) => {
                let again = self.attempts[stage.index()] <= self.plan.stage(stage).retries;
                if again && self.stopping.is_none() && code != ReasonCode::RunCancelled {
                    self.ready_to_look(stage, out); // gates are decided again; the cache has nothing new
                } else {
                    self.failed(stage, code, out);
                }
            }
        }
    }

    fn done(&mut self, stage: StageId, hit: bool, out: &mut Vec<Command>) {
        self.states[stage.index()] = State::Done { hit };
        self.open -= 1;
        let plan = self.plan;
        for dependent in plan.graph.dependents(stage) {
            let missing = &mut self.missing[dependent.index()];
            *missing -= 1;
            if *missing == 0 && self.states[dependent.index()] == State::Waiting {
                match self.stopping {
                    None => self.ready_to_look(*dependent, out),
                    Some(code) => self.fail(*dependent, State::Skipped(code)),
                }
            }
        }
    }

    fn failed(&mut self, stage: StageId, code: ReasonCode, out: &mut Vec<Command>) {
        self.fail(stage, State::Failed(code));
        if !self.options.keep_going {
            self.stop(ReasonCode::UpstreamFailed, false, out);
        }
    }

    /// Ends a stage badly, and with it everything that needs it.
    fn fail(&mut self, stage: StageId, state: State) {
        let mut queue = vec![(stage, state)];
        while let Some((stage, state)) = queue.pop() {
            if self.state(stage).is_final() {
                continue;
            }
            self.states[stage.index()] = state;
            self.open -= 1;
            let code = if let State::Skipped(code) = state { code } else { ReasonCode::UpstreamFailed };
            queue.extend(self.plan.graph.dependents(stage).iter().map(|d| (*d, State::Skipped(code))));
        }
    }

    /// Starts nothing more; what waits is skipped, what runs is ended (`kill`) or may finish.
    fn stop(&mut self, code: ReasonCode, kill: bool, out: &mut Vec<Command>) {
        if self.stopping.is_none() {
            self.stopping = Some(code);
        }
        self.ready.clear();
        self.admissions.clear();
        for stage in self.plan.graph.stages() {
            match self.state(stage) {
                State::Waiting | State::Ready => self.fail(stage, State::Skipped(code)),
                State::Running if kill => out.push(Command::Kill(stage)),
                State::Deciding | State::Looking if kill => self.fail(stage, State::Skipped(code)),
                State::Deciding
                | State::Looking
                | State::Running
                | State::Done { .. }
                | State::Failed(_)
                | State::Refused(_)
                | State::Skipped(_) => {}
            }
        }
    }

    fn fill(&mut self, out: &mut Vec<Command>) {
        while let Some((_, Reverse(stage))) = self.ready.peek().copied() {
            let weight = self.weight(stage);
            if weight > self.free {
                return;
            }
            self.ready.pop();
            if self.state(stage) != State::Ready {
                continue;
            }
            self.free -= weight;
            self.attempts[stage.index()] += 1;
            self.states[stage.index()] = State::Running;
            let at = self.admissions.iter().position(|(s, _)| *s == stage);
            let admission = at.map(|i| self.admissions.swap_remove(i).1);
            out.push(Command::Start { stage, attempt: self.attempts[stage.index()], admission });
        }
    }
}

#[cfg(test)]
mod tests;
