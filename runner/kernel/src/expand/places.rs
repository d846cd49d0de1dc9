//! Which id belongs to which declared stage.

use orgo_spec::ReasonCode;
use orgo_spec::document::{Problem, Span};
use orgo_spec::pipeline::{Pipeline, Work};

use super::fan::Fan;
use crate::graph::StageId;

/// The layout of ids: combinations of the pipeline's axes, in each the stages as they are declared, of each its children.
pub(super) struct Places {
    /// Where the children of each stage begin within a combination, and where the last ones end.
    starts: Vec<usize>,
}

impl Places {
    pub(super) fn new(fans: &[Fan<'_>]) -> Self {
        let mut starts = vec![0usize];
        for fan in fans {
            starts.push(starts[starts.len() - 1].saturating_add(fan.len()));
        }
        Self { starts }
    }

    /// How many stages there are in each combination.
    pub(super) fn len(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// The id of a child.
    pub(super) fn id(&self, combination: usize, position: usize, child: usize) -> StageId {
        let id = combination * self.len() + self.starts[position] + child;
        StageId(u32::try_from(id).expect("bounded by MAX_STAGES"))
    }

    /// The position of the declared stage that an id belongs to.
    pub(super) fn owner(&self, id: usize) -> usize {
        let at = id % self.len().max(1);
        self.starts.partition_point(|start| *start <= at) - 1
    }

    /// A cycle, with the place of every edge.
    pub(super) fn cycle_problem(&self, pipeline: &Pipeline, cycle: &[StageId]) -> Problem {
        let stage = |id: StageId| &pipeline.stages[self.owner(id.index())];
        let names: Vec<String> = cycle.iter().chain(cycle.first()).map(|s| format!("`{}`", *stage(*s).name)).collect();
        let mut places: Vec<(Span, String)> = Vec::new();
        for (i, needing) in cycle.iter().enumerate() {
            let needed = stage(cycle[(i + cycle.len() - 1) % cycle.len()]);
            let needing = stage(*needing);
            let edges = needing.from.iter().map(|f| &f.stage).chain(&needing.after);
            let gate = match &needing.work {
                Work::Gated { gate, .. } => {
                    pipeline.gates.iter().find(|g| *g.name == **gate && *g.on == *needed.name).map(|_| gate.span)
                }
                Work::Run(_) | Work::Tool(_) => None,
            };
            let span =
                edges.filter(|e| ***e == *needed.name).map(|e| e.span).next().or(gate).unwrap_or(needing.name.span);
            places.push((span, format!("`{}` needs `{}`", *needing.name, *needed.name)));
        }
        let (first, label) = places.remove(0);
        let mut problem = Problem::new(
            ReasonCode::CycleInGraph,
            format!("stages need each other in a circle: {}", names.join(" → ")),
            first,
        )
        .label(label)
        .help("remove one of these edges");
        for (span, label) in places {
            problem = problem.also(span, label);
        }
        problem
    }
}
