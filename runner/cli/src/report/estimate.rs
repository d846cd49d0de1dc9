//! How long a run may still take, from how long its stages took when they last ran.

use std::time::Duration;

use orgo_kernel::graph::{Graph, StageId};
use orgo_kernel::path::chains;

/// What is left of a run.
pub(super) struct Estimate {
    jobs: u64,
    /// How long each stage takes, in milliseconds; a stage that never ran is taken to be like the others.
    took_ms: Vec<u64>,
    /// How long the longest chain takes that begins with each stage.
    chain_ms: Vec<u64>,
    /// The sum over all stages that have not ended.
    left_ms: u64,
}

impl Estimate {
    /// Before the run; `took_ms` is what is known of the stages that `wanted` marks.
    pub(super) fn new(graph: &Graph, jobs: u32, wanted: &[bool], took_ms: &dyn Fn(StageId) -> Option<u64>) -> Self {
        let known: Vec<Option<u64>> =
            graph.stages().map(|s| if wanted[s.index()] { took_ms(s) } else { Some(0) }).collect();
        let all: Vec<u64> = known.iter().flatten().copied().filter(|ms| *ms > 0).collect();
        let usual = all.iter().sum::<u64>() / (all.len() as u64).max(1);
        let took_ms: Vec<u64> = known.into_iter().map(|ms| ms.unwrap_or(usual)).collect();
        let order = graph.topological().unwrap_or_default();
        let chain_ms = chains(graph, &order, |s| took_ms[s.index()]);
        Self { jobs: u64::from(jobs.max(1)), left_ms: took_ms.iter().sum(), took_ms, chain_ms }
    }

    /// A stage ended for good.
    pub(super) fn ended(&mut self, stage: StageId) {
        self.left_ms = self.left_ms.saturating_sub(self.took_ms.get(stage.index()).copied().unwrap_or(0));
    }

    /// How long it may still take: all the work that is left, shared by the workers, and no less than the longest chain
    /// that begins with a running stage.
    pub(super) fn left(&self, running: impl Iterator<Item = (StageId, Duration)>) -> Duration {
        let chain = |s: StageId| Duration::from_millis(self.chain_ms.get(s.index()).copied().unwrap_or(0));
        let longest = running.map(|(s, since)| chain(s).saturating_sub(since)).max();
        Duration::from_millis(self.left_ms / self.jobs).max(longest.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_the_work_by_the_workers_or_the_longest_chain() {
        let ids: Vec<StageId> = (0..4).map(StageId).collect();
        let graph = Graph::new(4, vec![(ids[0], ids[1]), (ids[1], ids[2])]);
        let took = |s: StageId| [Some(1000), Some(2000), None, Some(3000)][s.index()];
        let mut estimate = Estimate::new(&graph, 2, &[true; 4], &took);
        let ms = |estimate: &Estimate, running: &[(usize, u64)]| {
            let running = running.iter().map(|(s, since)| (ids[*s], Duration::from_millis(*since)));
            estimate.left(running).as_millis()
        };
        assert_eq!(ms(&estimate, &[]), 4000, "8 s by two; the stage without a history takes as long as the others");
        assert_eq!(ms(&estimate, &[(0, 0), (3, 0)]), 5000, "1 s, 2 s and 2 s one after the other");
        assert_eq!(ms(&estimate, &[(0, 400), (3, 400)]), 4600);
        estimate.ended(ids[0]);
        assert_eq!(ms(&estimate, &[(1, 0), (3, 1000)]), 4000);
        let few = Estimate::new(&graph, 2, &[true, false, false, false], &took);
        assert_eq!(ms(&few, &[(0, 0)]), 1000, "what is not asked for takes no time");
    }
}
