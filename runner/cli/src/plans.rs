//! The plan of a run, and what it grows to when stages write lists.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use orgo_host::run::{Planner, Problem};
use orgo_kernel::expand::{Growth, KnownList};
use orgo_kernel::graph::StageId;
use orgo_kernel::plan::{PendingList, Resolved, ResolvedStage};
use orgo_spec::ReasonCode;

use crate::args::Told;
use crate::project::Repository;

/// A plan, and room for what it grows to.
pub(crate) struct Plans {
    first: Resolved,
    /// By the number of lists that are known.
    grown: Vec<OnceCell<Growth>>,
}

impl Plans {
    /// A plan that has not grown yet.
    pub(crate) fn new(first: Resolved) -> Self {
        let lists: BTreeSet<_> =
            first.stages.iter().filter_map(|s| s.pending().map(|l| (l.stage, &l.output))).collect();
        let grown = (0..lists.len()).map(|_| OnceCell::new()).collect();
        Self { first, grown }
    }

    /// The plan without any list.
    pub(crate) const fn first(&self) -> &Resolved {
        &self.first
    }

    /// The plan as far as it has grown.
    pub(crate) fn latest(&self) -> &Resolved {
        self.grown.iter().rev().find_map(OnceCell::get).map_or(&self.first, |growth| &growth.plan)
    }

    /// The plan with these lists, in the order in which they became known.
    ///
    /// # Errors
    /// [`Problem`] if a list is not what it should be, or the declarations changed since the run began.
    pub(crate) fn grow(&self, repository: &Repository, told: &Told, lists: &[KnownList]) -> Result<&Growth, Problem> {
        let invalid = |message: String| Problem { code: ReasonCode::ListInvalid, message };
        let cell = lists.len().checked_sub(1).and_then(|at| self.grown.get(at));
        let cell = cell.ok_or_else(|| invalid("there are more lists than stages that write one".to_owned()))?;
        let growth = repository.grow(&self.first.name, told, lists)?;
        Ok(cell.get_or_init(|| growth))
    }

    /// Lets the plan grow by the lists that the cache has, without a run; says in whose place each further stage stands.
    /// A list that is not what it should be is left to the run, which says so.
    pub(crate) fn learn<'p>(&'p self, repository: &Repository, told: &Told, planner: &mut Planner<'p>) -> Vec<StageId> {
        let mut known: Vec<KnownList> = Vec::new();
        let mut origins = Vec::new();
        while let Some(growth) = self.next(repository, told, planner, &mut known) {
            planner.grow(&growth.plan);
            origins.clone_from(&growth.origins);
        }
        origins
    }

    /// The plan with one list more that the cache has.
    fn next(
        &self,
        repository: &Repository,
        told: &Told,
        planner: &mut Planner<'_>,
        known: &mut Vec<KnownList>,
    ) -> Option<&Growth> {
        let plan = self.latest();
        let pending: Vec<&PendingList> = plan.stages.iter().filter_map(ResolvedStage::pending).collect();
        let mut needed = vec![false; plan.stages.len()];
        let mut queue: Vec<StageId> = pending.iter().map(|list| list.stage).collect();
        while let Some(id) = queue.pop() {
            if !std::mem::replace(&mut needed[id.index()], true) {
                queue.extend(plan.graph.dependencies(id));
            }
        }
        for id in plan.graph.topological()?.into_iter().filter(|id| needed[id.index()]) {
            let _ = planner.foresee(id); // what cannot be planned has no result to learn from, and is told later
        }
        pending.into_iter().find_map(|pending| {
            let list = planner.written_list(pending).ok()??;
            known.push(list);
            let growth = self.grow(repository, told, known).ok();
            if growth.is_none() {
                known.pop();
            }
            growth
        })
    }
}
