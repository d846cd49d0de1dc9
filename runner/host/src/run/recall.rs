//! The run in which nothing changed: answered from memory, with one status per source and per output.
//!
//! Before the scheduler is asked, [`Planner::unchanged`] compares everything with what the last run left:
//! the fingerprint of each stage, the stamp of each result below `out/`, and for each object that it is
//! still in the store. Only if all of it is as it was the run ends there; any difference, and everything
//! is looked at again, stage by stage, in the ordinary way.
//!
//! Whether an object is still there is known for many at a time: while the folder that it lies in has the
//! same stamp, nothing in there came or went. What an object *contains* is verified when it is used, and
//! here nothing is used.

use std::path::{Path, PathBuf};

use orgo_kernel::graph::StageId;
use orgo_kernel::key::OutputKind;
use orgo_kernel::plan::Action;
use serde::{Deserialize, Serialize};

use crate::file::{PathError, Stamp, read_if_there, replace};
use crate::folder::Folder;
use crate::memory::Remembered;
use crate::sandbox::is_kind;
use crate::sources::{RACY_NS, now_ns};
use crate::store::Store;

use super::look::Planner;

/// The folders of the store as they were when a run ended.
#[derive(Debug)]
pub(super) struct Shards {
    path: PathBuf,
    before: Option<Taken>,
    /// Whether all of them were found as they were.
    settled: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    at_ns: i64,
    stamps: Vec<Stamp>,
}

impl Shards {
    pub(super) fn open(path: &Path) -> Result<Self, PathError> {
        let before = read_if_there(path)?.and_then(|bytes| postcard::from_bytes(&bytes).ok());
        Ok(Self { path: path.to_owned(), before, settled: false })
    }

    /// For each first byte of a digest whether no such object has come or gone since. A folder that changed
    /// just before its stamp was taken may have changed after it without a trace: it does not count.
    fn quiet(&mut self, store: &Store) -> Result<Vec<bool>, PathError> {
        let Some(before) = &self.before else { return Ok(vec![false; 256]) };
        let now = store.shards()?;
        let quiet = |i: usize| {
            let was = before.stamps.get(i)?;
            Some(now[i] == *was && was.mtime_ns.max(was.ctime_ns) + RACY_NS < before.at_ns)
        };
        let all: Vec<bool> = (0..now.len()).map(|i| quiet(i).unwrap_or(false)).collect();
        self.settled = !all.contains(&false);
        Ok(all)
    }

    /// Whether what was kept is what is there, unless this run changed it.
    pub(super) fn settled(&self) -> bool {
        self.settled
    }

    /// Keeps what is there now.
    pub(super) fn save(&self, store: &Store) -> Result<(), PathError> {
        let taken = Taken { at_ns: now_ns(), stamps: store.shards()? };
        replace(&self.path, &postcard::to_stdvec(&taken).expect("a plain structure serializes"))
    }
}

impl Planner<'_> {
    /// Whether every stage that `wanted` marks would be answered from memory as the last run left it.
    ///
    /// Says no where it does not know: of gated stages, whose gates are decided on every run, and of
    /// built-in tools.
    ///
    /// # Errors
    /// [`PathError`] if a status cannot be read.
    pub(super) fn unchanged(&mut self, wanted: &[bool]) -> Result<bool, PathError> {
        let plan = self.plan;
        let simple = |id: StageId| {
            let stage = plan.stage(id);
            stage.gate.is_none() && matches!(stage.action, Action::Run(_)) && self.memory.get(id.index()).is_some()
        };
        let mut order = plan.graph.topological().expect("`expand` refuses cycles");
        order.retain(|id| wanted[id.index()]);
        if !order.iter().all(|id| simple(*id)) {
            return Ok(false);
        }
        let out = self.workspace.out(&plan.name, "");
        let Ok(out) = Folder::open(&out) else { return Ok(false) };
        let quiet = self.shards.quiet(&self.store)?;
        let mut name = String::new();
        for id in order {
            if !self.is_as_it_was(id, &out, &quiet, &mut name)? {
                self.sources.look_again();
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_as_it_was(
        &mut self,
        id: StageId,
        out: &Folder,
        quiet: &[bool],
        name: &mut String,
    ) -> Result<bool, PathError> {
        let stage = self.plan.stage(id);
        let Action::Run(argv) = &stage.action else { return Ok(false) };
        // What is wrong with a source or a program is told when the stage is planned.
        let Ok(Some(files)) = self.sources.recall(&stage.files) else { return Ok(false) };
        let Ok((tools, _)) = self.host_programs(id, &argv[0]) else { return Ok(false) };
        let remembered = |id: StageId| self.memory.get(id.index()).expect("asked before");
        let trees = stage.from.iter().map(|(needed, at)| (at.as_str(), remembered(*needed).tree));
        let now = super::fingerprint::fingerprint(&mut self.message, stage, &files, trees, tools, None);
        let before = remembered(id);
        if before.fingerprint != now
            || before.isolation < stage.isolation
            || before.stamps.len() != before.outputs.len()
        {
            return Ok(false);
        }
        for (output, (shown, object)) in before.outputs.iter().zip(&before.stamps) {
            name.clear();
            name.extend([&stage.name, "/", &output.path]);
            if out.status(name)?.is_none_or(|s| !is_kind(output, &s) || s.stamp != *shown) {
                return Ok(false);
            }
            if let OutputKind::File { blob, .. } = &output.kind
                && !quiet[usize::from(blob.digest.as_bytes()[0])]
                && self.store.stamp(blob.digest)? != Some(*object)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands out what is remembered of a stage, after [`Planner::unchanged`] said yes.
    pub(super) fn recall(&mut self, id: StageId) -> Remembered {
        self.memory.take(id.index()).expect("`unchanged` asked for it")
    }
}
