//! Which id belongs to which declared stage.

use orgo_spec::ReasonCode;
use orgo_spec::document::{Problem, Span};
use orgo_spec::pipeline::{Pipeline, Work};

use super::fan::Fan;
use crate::graph::StageId;

/// The layout of ids: combinations of the pipeline's axes, in each the stages as they are declared, of each its children.
///
/// A stage whose list another one writes has one place until the list is known. Then its first item takes that place,
/// and the others stand behind everything else, in the order in which lists became known: no other id changes.
pub(super) struct Places {
    /// Where the children of each stage begin within a combination, and where the last ones end.
    starts: Vec<usize>,
    /// How many combinations there are.
    combinations: usize,
    /// What stands behind everything else, in order.
    added: Vec<Added>,
}

/// The further items of a stage whose list became known.
struct Added {
    /// The stage's position.
    position: usize,
    /// The first id.
    first: usize,
    /// How many items there are, with the one that has the stage's place.
    width: usize,
    /// How many ids these are.
    count: usize,
}

impl Places {
    /// The layout of `fans` in so many combinations, when so many lists are known.
    pub(super) fn new(fans: &[Fan<'_>], combinations: usize, lists: usize) -> Self {
        let mut starts = vec![0usize];
        for fan in fans {
            starts.push(starts[starts.len() - 1].saturating_add(fan.places()));
        }
        let mut first = combinations.saturating_mul(starts[starts.len() - 1]);
        let mut added = Vec::new();
        for known in 0..lists {
            for (position, fan) in fans.iter().enumerate() {
                if fan.list.as_ref().is_some_and(|list| list.known == Some(known)) {
                    let count = fan.len().saturating_sub(fan.places());
                    added.push(Added { position, first, width: fan.width(), count });
                    first = first.saturating_add(count);
                }
            }
        }
        Self { starts, combinations, added }
    }

    /// How many stages there are in each combination, without those that were added.
    fn len(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// How many stages there were before any list was known.
    pub(super) fn places(&self) -> usize {
        self.combinations.saturating_mul(self.len())
    }

    /// How many stages there are.
    pub(super) fn total(&self) -> usize {
        self.added.last().map_or(self.places(), |last| last.first.saturating_add(last.count))
    }

    /// The id of a child.
    pub(super) fn id(&self, combination: usize, position: usize, child: usize) -> StageId {
        let place = |at: usize| combination * self.len() + self.starts[position] + at;
        let id = match self.added.iter().find(|added| added.position == position) {
            None => place(child),
            Some(added) => match (child / added.width, child % added.width) {
                (own, 0) => place(own),
                (own, item) => added.first + own * (added.width - 1) + item - 1,
            },
        };
        StageId(u32::try_from(id).expect("bounded by MAX_STAGES"))
    }

    /// The position of the declared stage that an id belongs to.
    pub(super) fn owner(&self, id: usize) -> usize {
        if id >= self.places() {
            return self.added_at(id).position;
        }
        let at = id % self.len().max(1);
        self.starts.partition_point(|start| *start <= at) - 1
    }

    /// For every stage that was added, the one in whose place it stands.
    pub(super) fn origins(&self) -> Vec<StageId> {
        let origin = |id: usize| {
            let added = self.added_at(id);
            self.id(0, added.position, (id - added.first) / (added.width - 1) * added.width)
        };
        (self.places()..self.total()).map(origin).collect()
    }

    fn added_at(&self, id: usize) -> &Added {
        let at = self.added.partition_point(|added| added.first + added.count <= id);
        &self.added[at]
    }

    /// A cycle, with the place of every edge.
    pub(super) fn cycle_problem(&self, pipeline: &Pipeline, cycle: &[StageId]) -> Problem {
        let stage = |id: StageId| &pipeline.stages[self.owner(id.index())];
        let names: Vec<String> = cycle.iter().chain(cycle.first()).map(|s| format!("`{}`", *stage(*s).name)).collect();
        let mut places: Vec<(Span, String)> = Vec::new();
        for (i, needing) in cycle.iter().enumerate() {
            let needed = stage(cycle[(i + cycle.len() - 1) % cycle.len()]);
            let needing = stage(*needing);
            let edges = needing.needed();
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
