//! Names of what a pipeline declares, to positions.

use orgo_spec::Name;
use orgo_spec::document::Spanned;
use orgo_spec::pipeline::{Pipeline, Work};

/// Names to positions, for binary search.
pub(super) struct Index<'p> {
    stages: Vec<(&'p str, usize)>,
    gates: Vec<(&'p str, usize)>,
}

impl<'p> Index<'p> {
    pub(super) fn new(pipeline: &'p Pipeline) -> Self {
        fn sorted<'n>(names: impl Iterator<Item = &'n Spanned<Name>>) -> Vec<(&'n str, usize)> {
            let mut list: Vec<_> = names.enumerate().map(|(i, n)| (n.as_str(), i)).collect();
            list.sort_unstable();
            list
        }
        Self {
            stages: sorted(pipeline.stages.iter().map(|s| &s.name)),
            gates: sorted(pipeline.gates.iter().map(|g| &g.name)),
        }
    }

    fn look(list: &[(&str, usize)], name: &Name) -> Option<usize> {
        list.binary_search_by(|(n, _)| (*n).cmp(name.as_str())).ok().map(|i| list[i].1)
    }

    pub(super) fn stage(&self, name: &Name) -> Option<usize> {
        Self::look(&self.stages, name)
    }

    pub(super) fn gate(&self, work: &Work) -> Option<usize> {
        match work {
            Work::Gated { gate, .. } => Self::look(&self.gates, gate),
            Work::Run(_) | Work::Tool(_) => None,
        }
    }
}
