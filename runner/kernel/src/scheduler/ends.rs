//! How stages end, and what follows from it for others.

use orgo_spec::ReasonCode;

use super::machine::Scheduler;
use super::{Bad, Command, State};
use crate::graph::StageId;

impl Scheduler<'_> {
    pub(super) fn ended(&mut self, stage: StageId, end: Result<(), Bad>, out: &mut Vec<Command>) {
        self.give_back(stage);
        match end {
            Ok(()) => self.done(stage, false, out),
            Err(bad) => {
                let attempt = self.attempts[stage.index()];
                let pause = self.plan.stage(stage).again_after_ms(attempt, bad.code, bad.exit);
                match pause.filter(|_| self.stopped(stage).is_none()) {
                    None => self.failed(stage, bad.code, out),
                    Some(0) => self.ready_to_look(stage, out), // gates are decided again; the cache has nothing new
                    Some(ms) => {
                        self.states[stage.index()] = State::Paused(bad.code);
                        out.push(Command::Pause { stage, ms });
                    }
                }
            }
        }
    }

    pub(super) fn done(&mut self, stage: StageId, hit: bool, out: &mut Vec<Command>) {
        self.settle(stage, State::Done { hit });
        let plan = self.plan;
        for dependent in plan.graph.dependents(stage) {
            self.count_down(*dependent, out);
        }
    }

    /// One thing less that a stage waits for.
    pub(super) fn count_down(&mut self, stage: StageId, out: &mut Vec<Command>) {
        let missing = &mut self.missing[stage.index()];
        *missing -= 1;
        if *missing == 0 && self.states[stage.index()] == State::Waiting {
            match self.stopped(stage) {
                None => self.ready_to_look(stage, out),
                Some(code) => self.fail(stage, State::Skipped(code)),
            }
        }
    }

    pub(super) fn failed(&mut self, stage: StageId, code: ReasonCode, out: &mut Vec<Command>) {
        self.fail(stage, State::Failed(code));
        let declared = self.plan.stage(stage);
        if !self.options.keep_going && !declared.is_optional() && !declared.is_finally() {
            self.stop(ReasonCode::UpstreamFailed, false, out);
        }
    }

    /// Ends a stage badly, and with it everything that needs it.
    pub(super) fn fail(&mut self, stage: StageId, state: State) {
        let mut queue = vec![(stage, state)];
        while let Some((stage, state)) = queue.pop() {
            if self.state(stage).is_final() {
                continue;
            }
            self.settle(stage, state);
            let code = if let State::Skipped(code) | State::Unapproved(code) = state {
                code
            } else {
                ReasonCode::UpstreamFailed
            };
            queue.extend(self.plan.graph.dependents(stage).iter().map(|d| (*d, State::Skipped(code))));
        }
    }

    /// Gives a stage its last state.
    pub(super) fn settle(&mut self, stage: StageId, state: State) {
        self.states[stage.index()] = state;
        self.open -= 1;
        let declared = self.plan.stage(stage);
        if !declared.is_finally() {
            self.open_before -= 1;
        }
        self.services.leave(declared);
    }

    /// Lets what comes last go, once everything else has ended.
    pub(super) fn release_last(&mut self, out: &mut Vec<Command>) {
        if self.open_before == 0 && !self.last.is_empty() {
            for stage in std::mem::take(&mut self.last) {
                self.count_down(stage, out);
            }
        }
    }

    /// Starts nothing more; what waits is skipped, what runs is ended (`kill`) or may finish.
    /// What comes last goes on, unless somebody insists.
    pub(super) fn stop(&mut self, code: ReasonCode, kill: bool, out: &mut Vec<Command>) {
        if self.stopping.is_none() {
            self.stopping = Some(code);
        }
        let insists = self.cancels > 1;
        if self.open_before > 0 || insists {
            self.ready.clear();
            self.admissions.clear();
            self.claims.clear_lines();
        }
        for stage in self.plan.graph.stages() {
            if self.plan.stage(stage).is_finally() && !insists {
                continue;
            }
            match self.state(stage) {
                State::Waiting | State::Ready => self.fail(stage, State::Skipped(code)),
                State::Paused(last) => self.fail(stage, State::Failed(last)),
                State::Running if kill => out.push(Command::Kill(stage)),
                State::Deciding | State::Asking | State::Looking if kill => self.fail(stage, State::Skipped(code)),
                State::Deciding
                | State::Asking
                | State::Looking
                | State::Running
                | State::Done { .. }
                | State::Failed(_)
                | State::Refused(_)
                | State::Unapproved(_)
                | State::Skipped(_) => {}
            }
        }
    }

    pub(super) fn give_back(&mut self, stage: StageId) {
        self.free += self.weight(stage);
        if let Some(runtime) = self.plan.stage(stage).runtime.as_deref() {
            self.claims.give_back(runtime, self.plan, &mut self.ready);
        }
    }
}
