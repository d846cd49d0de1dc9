//! What running stages hold: pools, mutexes, memory.
//!
//! A stage takes all that it claims at once or nothing, and holds it only while it runs, so no two stages
//! ever wait for each other. One that cannot start waits in the line of the first thing that it lacks; what
//! is given back wakes as many of that line as now fit, the most urgent first.
//!
//! INVARIANT: of nothing is more held than there is.
//! INVARIANT: a stage waits in a line only while a running stage holds what it lacks, or another stage that
//! was woken for it has not been looked at. So when nothing runs, nobody waits.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::graph::StageId;
use crate::plan::{Resolved, StageRuntime};

/// How urgent a stage is, and which one: longer ways to the end go first, then lower ids.
pub(super) type Urgency = (u32, Reverse<StageId>);

#[derive(Debug)]
pub(super) struct Claims {
    capacity: Vec<u64>,
    free: Vec<u64>,
    lines: Vec<BinaryHeap<Urgency>>,
    /// Where the machine's memory is among them.
    memory: usize,
}

impl Claims {
    /// Everything is free; `memory_bytes` is what stages may take together, without end if it is `None`.
    pub(super) fn new(plan: &Resolved, memory_bytes: Option<u64>) -> Self {
        let mut capacity: Vec<u64> = plan.resources.iter().map(|r| r.capacity).collect();
        capacity.push(memory_bytes.unwrap_or(u64::MAX));
        let memory = capacity.len() - 1;
        Self { free: capacity.clone(), lines: vec![BinaryHeap::new(); capacity.len()], capacity, memory }
    }

    /// What a stage takes: never more than there is, so that it can start when nothing else runs.
    fn of(&self, stage: &StageRuntime) -> impl Iterator<Item = (usize, u64)> + use<> {
        let memory = stage.memory_bytes.map(|bytes| (self.memory, bytes.min(self.capacity[self.memory])));
        let claims: Vec<(usize, u64)> =
            stage.claims.iter().map(|(at, much)| (*at as usize, (*much).min(self.capacity[*at as usize]))).collect();
        claims.into_iter().chain(memory)
    }

    /// Takes everything that a stage claims; if something is lacking, the stage waits for it and nothing is taken.
    pub(super) fn take(&mut self, stage: &StageRuntime, urgency: Urgency) -> bool {
        if let Some((lacking, _)) = self.of(stage).find(|(at, much)| *much > self.free[*at]) {
            self.lines[lacking].push(urgency);
            return false;
        }
        for (at, much) in self.of(stage) {
            self.free[at] -= much;
        }
        true
    }

    /// Takes back what a stage held. Those who may try now go to `woken`.
    pub(super) fn give_back(&mut self, stage: &StageRuntime, plan: &Resolved, woken: &mut BinaryHeap<Urgency>) {
        for (at, much) in self.of(stage) {
            self.free[at] += much;
        }
        self.pass_on(stage, plan, woken);
    }

    /// Wakes those who wait for what a stage claims, as many as fit.
    pub(super) fn pass_on(&mut self, stage: &StageRuntime, plan: &Resolved, woken: &mut BinaryHeap<Urgency>) {
        for (at, _) in self.of(stage) {
            let mut left = self.free[at];
            while let Some(first) = self.lines[at].peek().copied() {
                let runtime = plan.stage(first.1.0).runtime.as_deref();
                let much = runtime.and_then(|r| self.of(r).find(|(a, _)| *a == at)).map_or(0, |(_, much)| much);
                if much > left {
                    break;
                }
                left -= much;
                self.lines[at].pop();
                woken.push(first);
            }
        }
    }

    /// Sends everybody away: nothing that waits will start.
    pub(super) fn clear_lines(&mut self) {
        self.lines.iter_mut().for_each(BinaryHeap::clear);
    }

    /// What is free of the resource at that position.
    #[cfg(test)]
    pub(super) fn free(&self, at: usize) -> u64 {
        self.free[at]
    }
}
