//! When what takes no time of its own happened: answers of the cache, and what gates decided.

use orgo_host::run::RunOutcome;
use orgo_kernel::graph::StageId;
use orgo_kernel::plan::Resolved;

/// For every stage, when everything that it waits for was over: in milliseconds since the epoch, by its id. What was
/// answered from the cache was so then, and the gate in front of a stage decided then.
pub(super) fn moments(plan: &Resolved, outcome: &RunOutcome) -> Vec<i64> {
    let mut known = vec![outcome.started_ms; outcome.stages.len()];
    let over = |known: &[i64], id: StageId| {
        let last = outcome.stages.get(id.index()).and_then(|stage| stage.attempts.last());
        last.map_or_else(|| known.get(id.index()).copied(), |attempt| Some(attempt.ended_ms))
    };
    for id in plan.graph.topological().unwrap_or_default() {
        let needed = plan.graph.dependencies(id).iter().filter_map(|needed| over(&known, *needed)).max();
        if let (Some(moment), Some(needed)) = (known.get_mut(id.index()), needed) {
            *moment = needed.max(*moment);
        }
    }
    known
}
