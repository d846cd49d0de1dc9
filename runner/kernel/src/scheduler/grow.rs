//! A list became known: the run goes on with a plan that has its items.

use orgo_spec::ReasonCode;

use super::machine::Scheduler;
use super::{Command, State};
use crate::graph::StageId;
use crate::plan::Resolved;

impl<'p> Scheduler<'p> {
    /// Goes on with `plan`, in which a list is known that a stage of the run wrote. What was there has its id still;
    /// each further item, at the end, is part of the run if the first one of its list is (`origins`, see
    /// [`crate::expand::Growth`]).
    ///
    /// # Panics
    /// If the plan is smaller than the one before, or has a cycle: `expand::grow` makes no such plan.
    #[must_use]
    pub fn grow(&mut self, plan: &'p Resolved, origins: &[StageId]) -> Vec<Command> {
        let before = std::mem::replace(&mut self.plan, plan);
        let known = before.stages.len();
        assert!(known <= plan.stages.len(), "a plan only grows");
        let order = plan.graph.topological().expect("`expand` refuses cycles");
        self.heights = plan.graph.heights(&order);
        self.attempts.resize(plan.stages.len(), 0);
        for id in before.graph.stages() {
            let listed = before.stage(id).pending().is_some() && plan.stage(id).pending().is_none();
            if listed && self.is(id, State::Looking) {
                self.states[id.index()] = State::Waiting;
            }
        }
        for id in plan.graph.stages().skip(known) {
            let origin = origins[origins.len() + id.index() - plan.stages.len()];
            let state = self.state(origin);
            self.states.push(state);
            if !state.is_final() {
                self.open += 1;
                self.open_before += usize::from(!plan.stage(id).is_finally());
                self.services.enter(plan.stage(id));
            }
        }
        self.missing = plan.graph.stages().map(|id| self.missing(id)).collect();
        let mut out = Vec::new();
        for id in plan.graph.stages() {
            if self.is(id, State::Waiting) && self.missing[id.index()] == 0 {
                match self.stopped(id) {
                    None => self.ready_to_look(id, &mut out),
                    Some(code) => self.fail(id, State::Skipped(code)),
                }
            }
        }
        self.follow_up(&mut out);
        out
    }

    /// How many things a stage waits for: what it needs, and if it comes last, everything else.
    fn missing(&self, id: StageId) -> u32 {
        let ended = |needed: &&StageId| {
            matches!(self.state(**needed), State::Done { .. } | State::Skipped(ReasonCode::ConditionNotMet))
        };
        let needed = self.plan.graph.dependencies(id);
        let open = needed.len() - needed.iter().filter(ended).count();
        u32::try_from(open).expect("edges are counted in u32") + u32::from(self.last.contains(&id))
    }
}
