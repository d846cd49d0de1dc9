//! Lists that stages write: read when the stage has ended, and the run goes on with their items.

use orgo_kernel::expand::{Growth, KnownList};
use orgo_kernel::graph::StageId;
use orgo_kernel::key::OutputKind;
use orgo_kernel::plan::{PendingList, Resolved};
use orgo_kernel::scheduler::{Command, State};
use orgo_spec::{Digest, ReasonCode};

use crate::journal::Entry;

use super::engine::Engine;
use super::options::{Notice, RunError};
use super::outcome::StageOutcome;
use super::planner::Planner;
use super::problem::Problem;

/// The largest list, in bytes: as large as a committed one.
const MAX_LIST: u64 = 256 << 20;

/// Makes the plan with the items of these lists.
pub type Grow<'p> = dyn Fn(&[KnownList]) -> Result<&'p Growth, Problem> + 'p;

impl<'p> Planner<'p> {
    /// Reads a list, if what its stage produced is known.
    ///
    /// # Errors
    /// [`Problem`] if the output is no text file of at most 256 MiB.
    pub fn written_list(&self, pending: &PendingList) -> Result<Option<KnownList>, Problem> {
        let Some(product) = self.product(pending.stage) else { return Ok(None) };
        let stage = self.plan.stage(pending.stage).name.clone();
        let name = format!("`{}` of `{stage}`", pending.output);
        let invalid = |why: &str| Problem { code: ReasonCode::ListInvalid, message: format!("{name} {why}") };
        let output = product.outputs.iter().find(|o| o.path == pending.output);
        let Some(OutputKind::File { blob, .. }) = output.map(|o| &o.kind) else {
            return Err(invalid("is no file, and a list is one"));
        };
        if blob.size_bytes > MAX_LIST {
            return Err(invalid("is larger than 256 MiB"));
        }
        let bytes = self
            .object(pending.stage, *blob)
            .map_err(|e| Problem { code: ReasonCode::OutputMissing, message: format!("{name} cannot be read: {e}") })?;
        let text = String::from_utf8(bytes).map_err(|_| invalid("is not UTF-8 text"))?;
        Ok(Some(KnownList { stage, output: pending.output.clone(), text }))
    }

    /// Goes on with a plan that has more stages.
    pub fn grow(&mut self, plan: &'p Resolved) {
        let before = std::mem::replace(&mut self.plan, plan);
        for id in plan.graph.stages() {
            let is_new = before.stages.get(id.index()).is_none_or(|stage| stage.name != plan.stage(id).name);
            if is_new {
                self.memory.adopt(id.index(), &plan.stage(id).name);
            }
        }
        self.products.resize(plan.stages.len(), None);
        self.unchanged.clear();
    }
}

impl<'p> Engine<'p, '_> {
    /// Reads the list whose items a stage stands for, and goes on with them.
    pub(super) fn list(
        &mut self,
        stage: StageId,
        notices: &mut dyn FnMut(Notice<'_>),
    ) -> Result<Vec<Command>, RunError> {
        // The list of several stages is read for the first of them; and the run may have stopped.
        let Some(pending) = self.plan.stage(stage).pending().filter(|_| self.scheduler.state(stage) == State::Looking)
        else {
            return Ok(Vec::new());
        };
        let known = self.planner.written_list(pending).and_then(|list| {
            let early = "its list is read before it is written".to_owned();
            let list = list.ok_or(Problem { code: ReasonCode::InternalError, message: early })?;
            let digest = Digest::of(list.text.as_bytes());
            self.lists.push(list);
            let growth = (self.grow)(&self.lists);
            if growth.is_err() {
                self.lists.pop();
            }
            growth.map(|growth| (digest, growth))
        });
        match known {
            Ok((digest, growth)) => {
                self.adopt(growth, digest, notices)?;
                Ok(self.scheduler.grow(&growth.plan, &growth.origins))
            }
            Err(problem) => {
                self.begin_work()?;
                let event = self.unplanned(stage, problem, notices);
                Ok(self.scheduler.step(event))
            }
        }
    }

    /// Makes room for the stages of a grown plan: they are wanted, forced and withheld as the first item is.
    fn adopt(&mut self, growth: &'p Growth, list: Digest, notices: &mut dyn FnMut(Notice<'_>)) -> Result<(), RunError> {
        let (before, plan) = (self.plan, &growth.plan);
        let known = before.stages.len();
        self.plan = plan;
        self.planner.grow(plan);
        for (id, origin) in plan.graph.stages().skip(self.outcomes.len()).zip(last(&growth.origins, plan, known)) {
            self.outcomes.push(StageOutcome::blank(plan.stage(id)));
            for flags in [&mut self.wanted, &mut self.force, &mut self.withheld] {
                flags.push(flags[origin.index()]);
            }
        }
        notices(Notice::Grown);
        for stage in before.graph.stages().filter(|id| before.stage(*id).pending().is_some()) {
            if plan.stage(stage).pending().is_none() {
                let further = last(&growth.origins, plan, known).iter().filter(|origin| **origin == stage).count();
                let name = before.stage(stage).name.clone();
                notices(Notice::Listed(&name, further + 1));
                self.journal.add(&Entry::Listed { stage: name, list, items: further as u64 + 1 });
            }
        }
        Ok(())
    }
}

/// The origins of the stages that came last.
fn last<'g>(origins: &'g [StageId], plan: &Resolved, known: usize) -> &'g [StageId] {
    &origins[origins.len() - (plan.stages.len() - known)..]
}
