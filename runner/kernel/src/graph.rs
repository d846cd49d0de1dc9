//! The graph of a pipeline: dense ids, edges in compressed sparse rows.
//!
//! Ids are positions in one plan and mean nothing outside of it. Edges point from a stage to the
//! stages that need it; [`Graph::dependencies`] is the same set the other way round. Algorithms come
//! from `petgraph` through its visit traits; nothing is copied for them.

use petgraph::algo::tarjan_scc;
use petgraph::visit::{GraphBase, IntoNeighbors, IntoNodeIdentifiers, NodeCount, NodeIndexable};
use serde::{Deserialize, Serialize};

/// A stage in one plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StageId(pub u32);

impl StageId {
    /// The position as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One direction of the edges: `targets[offsets[i]..offsets[i + 1]]` belong to stage `i`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rows {
    offsets: Vec<u32>,
    targets: Vec<StageId>,
}

impl Rows {
    fn new(count: usize, edges: impl Iterator<Item = (StageId, StageId)> + Clone) -> Self {
        let mut offsets = vec![0u32; count + 1];
        for (from, _) in edges.clone() {
            offsets[from.index() + 1] += 1;
        }
        for i in 0..count {
            offsets[i + 1] += offsets[i];
        }
        let mut next = offsets.clone();
        let mut targets = vec![StageId(0); offsets[count] as usize];
        for (from, to) in edges {
            let slot = &mut next[from.index()];
            targets[*slot as usize] = to;
            *slot += 1;
        }
        Self { offsets, targets }
    }

    fn row(&self, stage: StageId) -> &[StageId] {
        &self.targets[self.offsets[stage.index()] as usize..self.offsets[stage.index() + 1] as usize]
    }
}

/// Stages and who needs whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    dependents: Rows,
    dependencies: Rows,
}

impl Graph {
    /// Builds the graph of `count` stages; an edge is (needed, needing). Duplicate edges count once.
    /// Linear in stages, `n log n` in edges.
    #[must_use]
    pub fn new(count: usize, mut edges: Vec<(StageId, StageId)>) -> Self {
        edges.sort_unstable();
        edges.dedup();
        let dependents = Rows::new(count, edges.iter().copied());
        let dependencies = Rows::new(count, edges.iter().map(|(needed, needing)| (*needing, *needed)));
        Self { dependents, dependencies }
    }

    /// How many stages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dependents.offsets.len().saturating_sub(1)
    }

    /// Whether there is no stage.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The stages that need `stage`.
    #[must_use]
    pub fn dependents(&self, stage: StageId) -> &[StageId] {
        self.dependents.row(stage)
    }

    /// The stages that `stage` needs.
    #[must_use]
    pub fn dependencies(&self, stage: StageId) -> &[StageId] {
        self.dependencies.row(stage)
    }

    /// All stages, in the order they were declared.
    pub fn stages(&self) -> impl Iterator<Item = StageId> + use<> {
        (0..u32::try_from(self.len()).expect("ids are u32")).map(StageId)
    }

    /// An order in which every stage stands behind what it needs, ties by id; `None` if there is a cycle.
    #[must_use]
    pub fn topological(&self) -> Option<Vec<StageId>> {
        let mut missing: Vec<u32> = self.stages().map(|s| len_u32(self.dependencies(s))).collect();
        let mut order: Vec<StageId> = self.stages().filter(|s| missing[s.index()] == 0).collect();
        let mut next = 0;
        while next < order.len() {
            for dependent in self.dependents(order[next]) {
                missing[dependent.index()] -= 1;
                if missing[dependent.index()] == 0 {
                    order.push(*dependent);
                }
            }
            next += 1;
        }
        (order.len() == self.len()).then_some(order)
    }

    /// For each stage the number of stages on the longest path behind it (1 for a last stage).
    /// Needs an acyclic graph; costs one pass.
    #[must_use]
    pub fn heights(&self, order: &[StageId]) -> Vec<u32> {
        let mut heights = vec![1; self.len()];
        for stage in order.iter().rev() {
            let behind = self.dependents(*stage).iter().map(|d| heights[d.index()]).max().unwrap_or(0);
            heights[stage.index()] = behind + 1;
        }
        heights
    }

    /// One cycle, as the stages on it in order, each needing the one before (the first needs the
    /// last); `None` if there is none. The shortest through the lowest stage of its component.
    #[must_use]
    pub fn cycle(&self) -> Option<Vec<StageId>> {
        let looped = |c: &Vec<StageId>| c.len() > 1 || self.dependents(c[0]).contains(&c[0]);
        let component = tarjan_scc(self).into_iter().filter(looped).min_by_key(|c| c.iter().min().copied())?;
        let start = *component.iter().min()?;
        let mut inside = vec![false; self.len()];
        component.iter().for_each(|s| inside[s.index()] = true);
        let mut came_from: Vec<Option<StageId>> = vec![None; self.len()];
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(stage) = queue.pop_front() {
            for next in self.dependents(stage) {
                if *next == start {
                    let mut cycle = vec![stage];
                    while let Some(before) = came_from[cycle[cycle.len() - 1].index()] {
                        cycle.push(before);
                    }
                    cycle.reverse();
                    return Some(cycle);
                }
                if inside[next.index()] && came_from[next.index()].is_none() {
                    came_from[next.index()] = Some(stage);
                    queue.push_back(*next);
                }
            }
        }
        None
    }
}

fn len_u32(row: &[StageId]) -> u32 {
    u32::try_from(row.len()).expect("a row is not longer than the edges, which are counted in u32")
}

impl GraphBase for Graph {
    type EdgeId = (StageId, StageId);
    type NodeId = StageId;
}

impl<'g> IntoNeighbors for &'g Graph {
    type Neighbors = std::iter::Copied<std::slice::Iter<'g, StageId>>;

    fn neighbors(self, stage: StageId) -> Self::Neighbors {
        self.dependents(stage).iter().copied()
    }
}

impl IntoNodeIdentifiers for &Graph {
    type NodeIdentifiers = Box<dyn Iterator<Item = StageId>>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        Box::new(self.stages())
    }
}

impl NodeCount for Graph {
    fn node_count(&self) -> usize {
        self.len()
    }
}

impl NodeIndexable for Graph {
    fn node_bound(&self) -> usize {
        self.len()
    }

    fn to_index(&self, stage: StageId) -> usize {
        stage.index()
    }

    fn from_index(&self, index: usize) -> StageId {
        StageId(u32::try_from(index).expect("ids are u32"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(count: usize, edges: &[(u32, u32)]) -> Graph {
        Graph::new(count, edges.iter().map(|(a, b)| (StageId(*a), StageId(*b))).collect())
    }

    #[test]
    fn a_cycle_is_reported_in_order_and_alone() {
        let g = graph(6, &[(0, 1), (1, 2), (2, 3), (3, 1), (3, 4), (4, 5)]);
        assert_eq!(g.cycle(), Some(vec![StageId(1), StageId(2), StageId(3)]));
        assert_eq!(g.topological(), None);
        assert_eq!(graph(1, &[(0, 0)]).cycle(), Some(vec![StageId(0)]));
        assert_eq!(graph(3, &[(0, 1), (1, 2), (0, 2)]).cycle(), None);
    }

    proptest! {
        #[test]
        fn topological_order_exists_exactly_when_there_is_no_cycle(
            edges in proptest::collection::vec((0u32..12, 0u32..12), 0..30)
        ) {
            let g = graph(12, &edges);
            match (g.topological(), g.cycle()) {
                (Some(order), None) => {
                    let place = |s: StageId| order.iter().position(|o| *o == s);
                    for (a, b) in edges {
                        prop_assert!(place(StageId(a)) < place(StageId(b)));
                    }
                }
                (None, Some(cycle)) => {
                    for (i, stage) in cycle.iter().enumerate() {
                        let next = cycle[(i + 1) % cycle.len()];
                        prop_assert!(g.dependents(*stage).contains(&next));
                    }
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
