//! The run in which nothing changed: answered from memory, with one status per source and per output.
//!
//! Before the scheduler is asked, [`Planner::unchanged`] compares everything with what the last run left:
//! the fingerprint of each stage and the stamp of each result below `out/`. If all of it is as it was the run
//! ends there. Otherwise what changed is looked at in the ordinary way, and so is all that needs it; the rest is
//! answered by what was found here. Objects in the store are not asked for: nothing here reads them (see
//! [`super::heal`]).

use orgo_kernel::graph::StageId;
use orgo_kernel::plan::Action;

use crate::file::PathError;
use crate::folder::Folder;
use crate::memory::Remembered;
use crate::sandbox::is_kind;

use super::planner::Planner;

impl Planner<'_> {
    /// Whether every stage that `wanted` marks would be answered from memory as the last run left it. What is found of
    /// each answers [`Planner::look`] and [`Planner::foresee`] afterwards: nothing that it needs can come out otherwise.
    ///
    /// Says no where it does not know: of gated stages, whose gates are decided on every run, and of
    /// built-in tools.
    ///
    /// # Errors
    /// [`PathError`] if a status cannot be read.
    pub fn unchanged(&mut self, wanted: &[bool]) -> Result<bool, PathError> {
        let plan = self.plan;
        let simple = |planner: &Self, id: StageId| {
            let stage = plan.stage(id);
            let whole =
                stage.extra.as_ref().is_none_or(|e| e.artifacts.is_empty() && e.secrets.is_empty() && e.list.is_none());
            stage.is_plain() && whole && planner.memory.get(id.index()).is_some()
        };
        let mut order = plan.graph.topological().expect("`expand` refuses cycles");
        order.retain(|id| wanted[id.index()]);
        let out = self.workspace.out(&plan.name, "");
        let Ok(out) = Folder::open(&out) else { return Ok(false) };
        let mut unchanged = vec![false; plan.stages.len()];
        let mut name = String::new();
        let mut all = true;
        for id in order {
            let known = plan.stage(id).from.iter().all(|(needed, _)| unchanged[needed.index()]);
            unchanged[id.index()] = known && simple(self, id) && self.is_as_it_was(id, &out, &mut name)?;
            all &= unchanged[id.index()];
        }
        self.unchanged = unchanged;
        Ok(all)
    }

    /// What is remembered of a stage that is as the last run left it, as is everything that it needs.
    pub(super) fn unchanged_at(&self, id: StageId) -> Option<&Remembered> {
        self.remembered(id).filter(|_| self.unchanged.get(id.index()).copied().unwrap_or(false))
    }

    fn is_as_it_was(&mut self, id: StageId, out: &Folder, name: &mut String) -> Result<bool, PathError> {
        let stage = self.plan.stage(id);
        let Action::Run(argv) = &stage.action else { return Ok(false) };
        // What is wrong with a source or a program is told when the stage is planned.
        let Ok(Some(files)) = self.sources.recall(&stage.files) else { return Ok(false) };
        let Ok((tools, _)) = self.host_programs(id, &argv[0]) else { return Ok(false) };
        let remembered = |id: StageId| self.memory.get(id.index()).expect("asked before");
        let trees = stage.from.iter().map(|(needed, at)| (at.as_str(), remembered(*needed).tree));
        let now = super::fingerprint::fingerprint(&mut self.message, stage, &files, trees, tools, None, &[]);
        let before = remembered(id);
        if before.fingerprint != now
            || before.isolation < stage.isolation
            || before.stamps.len() != before.outputs.len()
            || !self.takes(id, before.origin.as_ref())
        {
            return Ok(false);
        }
        for (output, shown) in before.outputs.iter().zip(&before.stamps) {
            name.clear();
            name.extend([&stage.name, "/", &output.path]);
            if out.status(name)?.is_none_or(|s| !is_kind(output, &s) || s.stamp != *shown) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands out what is remembered of a stage, after [`Planner::unchanged`] said yes; a memory that will not be
    /// written again need not keep it.
    pub(super) fn recall(&mut self, id: StageId) -> Remembered {
        let remembered = if self.dirty { self.memory.get(id.index()).cloned() } else { self.memory.take(id.index()) };
        remembered.expect("`unchanged` asked for it")
    }
}
