//! Services: asked for by the first stage that needs one, dismissed when the last one ended.

use std::cmp::Reverse;

use orgo_spec::ReasonCode;

use super::claims::Urgency;
use crate::graph::StageId;
use crate::plan::{Resolved, ResolvedStage};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Off,
    Starting,
    Ready,
    Gone(ReasonCode),
    Dismissed,
}

/// Whether a stage has the services that it needs.
pub(super) enum Served {
    /// All are ready.
    Yes,
    /// It waits; these are to be started.
    Later(Vec<u32>),
    /// One is gone.
    Never(ReasonCode),
}

#[derive(Debug)]
pub(super) struct Services {
    states: Vec<State>,
    /// How many stages of each may still run.
    users: Vec<u32>,
    waiting: Vec<Vec<Urgency>>,
    /// Nobody needs these any more.
    leaving: Vec<u32>,
}

impl Services {
    pub(super) fn new(plan: &Resolved, wanted: &[bool]) -> Self {
        let count = plan.services.len();
        let mut users = vec![0; count];
        if count > 0 {
            for (stage, _) in plan.stages.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
                stage.services().iter().for_each(|s| users[*s as usize] += 1);
            }
        }
        Self { states: vec![State::Off; count], users, waiting: vec![Vec::new(); count], leaving: Vec::new() }
    }

    /// Asks for the services of a stage; one that has to wait is heard of again by [`Services::ready`].
    pub(super) fn ask(&mut self, stage: &ResolvedStage, urgency: Urgency) -> Served {
        let mut start = Vec::new();
        let mut waits_for = None;
        for service in stage.services() {
            let state = &mut self.states[*service as usize];
            match *state {
                State::Ready => {}
                State::Gone(code) => return Served::Never(code),
                State::Dismissed => return Served::Never(ReasonCode::ServiceFailed),
                State::Starting => waits_for = Some(*service),
                State::Off => {
                    *state = State::Starting;
                    start.push(*service);
                    waits_for = Some(*service);
                }
            }
        }
        match waits_for {
            None => Served::Yes,
            Some(service) => {
                self.waiting[service as usize].push(urgency);
                Served::Later(start)
            }
        }
    }

    /// A service is ready: those who waited may ask again.
    pub(super) fn ready(&mut self, service: u32) -> Vec<Urgency> {
        let state = &mut self.states[service as usize];
        if *state != State::Starting {
            return Vec::new();
        }
        *state = State::Ready;
        std::mem::take(&mut self.waiting[service as usize])
    }

    /// A service is gone by itself: those who waited for it will never run.
    pub(super) fn gone(&mut self, service: u32, code: ReasonCode) -> Vec<StageId> {
        let state = &mut self.states[service as usize];
        if matches!(state, State::Off | State::Gone(_) | State::Dismissed) {
            return Vec::new();
        }
        *state = State::Gone(code);
        std::mem::take(&mut self.waiting[service as usize]).into_iter().map(|(_, Reverse(stage))| stage).collect()
    }

    /// One more stage of the run needs its services.
    pub(super) fn enter(&mut self, stage: &ResolvedStage) {
        stage.services().iter().for_each(|service| self.users[*service as usize] += 1);
    }

    /// A stage ended for good.
    pub(super) fn leave(&mut self, stage: &ResolvedStage) {
        for service in stage.services() {
            let at = *service as usize;
            self.users[at] -= 1;
            if self.users[at] == 0 && matches!(self.states[at], State::Starting | State::Ready) {
                self.states[at] = State::Dismissed;
                self.leaving.push(*service);
            }
        }
    }

    /// Services that nobody needs any more, each once.
    pub(super) fn dismissed(&mut self) -> std::vec::Drain<'_, u32> {
        self.leaving.drain(..)
    }

    /// Whether a service is ready.
    #[cfg(test)]
    pub(super) fn is_ready(&self, service: u32) -> bool {
        self.states[service as usize] == State::Ready
    }
}
