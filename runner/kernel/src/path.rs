//! The critical path: what decided how long a run took.

use crate::graph::{Graph, StageId};

/// The chain of stages, each needing the one before, with the greatest sum of costs, and that sum. Stages
/// that cost nothing are left out. Linear in stages and edges; `order` is that of [`Graph::topological`].
#[must_use]
pub fn critical_path(graph: &Graph, order: &[StageId], cost: impl Fn(StageId) -> u64) -> (u64, Vec<StageId>) {
    let mut sums: Vec<(u64, Option<StageId>)> = vec![(0, None); graph.len()];
    let mut best: Option<StageId> = None;
    for stage in order {
        let before = graph.dependencies(*stage).iter().copied().max_by_key(|d| sums[d.index()].0);
        let so_far = before.map_or(0, |d| sums[d.index()].0);
        sums[stage.index()] = (so_far + cost(*stage), before);
        if best.is_none_or(|b| sums[stage.index()].0 > sums[b.index()].0) {
            best = Some(*stage);
        }
    }
    let total = best.map_or(0, |b| sums[b.index()].0);
    let mut path = Vec::new();
    while let Some(stage) = best {
        if cost(stage) > 0 {
            path.push(stage);
        }
        best = sums[stage.index()].1;
    }
    path.reverse();
    (total, path)
}

/// For each stage the sum of costs of the dearest chain that begins with it. Linear in stages and edges; `order` is that of
/// [`Graph::topological`].
#[must_use]
pub fn chains(graph: &Graph, order: &[StageId], cost: impl Fn(StageId) -> u64) -> Vec<u64> {
    let mut sums = vec![0; graph.len()];
    for stage in order.iter().rev() {
        // What stands there is the dearest chain behind the stage.
        sums[stage.index()] += cost(*stage);
        let own = sums[stage.index()];
        for needed in graph.dependencies(*stage) {
            sums[needed.index()] = sums[needed.index()].max(own);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dearest_chain_is_found_whatever_is_cached() {
        let edges = [(0, 1), (1, 3), (0, 2), (2, 3), (3, 4)].map(|(a, b)| (StageId(a), StageId(b)));
        let graph = Graph::new(6, edges.to_vec());
        let order = graph.topological().expect("no cycle");
        let costs = [5, 1, 7, 0, 2, 9];
        let (total, path) = critical_path(&graph, &order, |s| costs[s.index()]);
        assert_eq!((total, path), (14, vec![StageId(0), StageId(2), StageId(4)]));
        assert_eq!(chains(&graph, &order, |s| costs[s.index()]), [14, 3, 9, 2, 2, 9]);
        assert_eq!(critical_path(&Graph::default(), &[], |_| 1), (0, Vec::new()));
    }
}
