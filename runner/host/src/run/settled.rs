//! The run in which nothing changed, answered without its plan.
//!
//! A run in which every stage ended well leaves a list of all that a later run would look at: the stamps of
//! sources and of results below `out/`, what patterns matched, the digests of host programs. If the plan is still
//! made from the same declarations by the same program, and everything on the list is as it was, then every stage
//! would be answered as in that run; it takes one status a file to say so, and neither the plan nor the memory of
//! its stages is read.
//!
//! The list is written only for pipelines whose stages are all plain `run` stages: gates are decided, and what comes
//! last is run, on every run. Any difference, and the run takes the ordinary way, which looks at every stage.

use std::path::{Path, PathBuf};

use orgo_kernel::key::StageKey;
use orgo_spec::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::file::{PathError, Stamp, read_if_there, replace};
use crate::folder::Folder;
use crate::sources::pattern;
use crate::tools::Tools;
use crate::workspace::{Lock, Workspace};

use super::options::RunError;
use super::planner::{Planner, programs};

/// The version of the file; others are ignored.
const FORMAT: u32 = 1;

/// A run that changed nothing, while it holds the workspace.
#[derive(Debug)]
pub struct Settled {
    /// How many stages the pipeline has.
    pub stages: usize,
    /// Digest over the keys of all stages, see [`keys`].
    pub keys: Digest,
    /// Digest of the running program.
    pub executor: Digest,
    _lock: Lock,
}

#[derive(Serialize, Deserialize)]
struct List<'l> {
    format: u32,
    plan: Digest,
    stages: usize,
    keys: Digest,
    programs: Vec<(Vec<String>, Digest)>,
    #[serde(borrow)]
    patterns: Vec<(&'l str, Digest)>,
    #[serde(borrow)]
    sources: Vec<(&'l str, Stamp)>,
    #[serde(borrow)]
    results: Vec<(&'l str, &'l str, Stamp)>,
}

/// Digest over the names and keys of all stages, in the order of the plan; a stage without a key has the digest of
/// nothing.
pub fn keys<'s>(stages: impl Iterator<Item = (&'s str, Option<StageKey>)>) -> Digest {
    let mut hasher = Hasher::new();
    for (name, key) in stages {
        hasher.update(name.as_bytes());
        hasher.update(b"\n");
        hasher.update(key.map_or(Digest::EMPTY, |key| key.0).as_bytes());
    }
    hasher.finish()
}

fn path(workspace: &Workspace, pipeline: &str) -> PathBuf {
    workspace.state().join(format!("{pipeline}.settled"))
}

impl Settled {
    /// Takes the workspace and looks whether everything is as the last run of `pipeline` left it; `plan` stands for
    /// the declarations and the program that read them. `None` if it is not, or if that is not known.
    ///
    /// # Errors
    /// [`RunError`] if another run is under way, or the system refuses.
    pub fn look(workspace: &Workspace, pipeline: &str, plan: Digest, binary: &Path) -> Result<Option<Self>, RunError> {
        let Some(bytes) = read_if_there(&path(workspace, pipeline))? else { return Ok(None) };
        let Ok(list) = postcard::from_bytes::<List<'_>>(&bytes) else { return Ok(None) };
        if list.format != FORMAT || list.plan != plan || workspace.was_cut_off()? {
            return Ok(None);
        }
        let lock = workspace.lock()?;
        let mut tools = Tools::open(&programs(workspace))?;
        for (asked, digest) in &list.programs {
            let Some((path, names)) = asked.split_last() else { return Ok(None) };
            // What is wrong with a program is told when a stage is planned.
            if tools.digest(names, path).ok() != Some(*digest) {
                return Ok(None);
            }
        }
        if !list.files_are_as_they_were(workspace, pipeline)? {
            return Ok(None);
        }
        let Ok(program) = tools.content(binary) else { return Ok(None) };
        Ok(Some(Self { stages: list.stages, keys: list.keys, executor: program.digest, _lock: lock }))
    }
}

impl List<'_> {
    fn files_are_as_they_were(&self, workspace: &Workspace, pipeline: &str) -> Result<bool, PathError> {
        let root = Folder::open(workspace.root())?;
        for (path, stamp) in &self.sources {
            if root.status(path)?.is_none_or(|s| !s.is_file || s.stamp != *stamp) {
                return Ok(false);
            }
        }
        for (pattern, digest) in &self.patterns {
            if pattern::matches(&root, pattern).map(|paths| pattern::digest(&paths)).ok() != Some(*digest) {
                return Ok(false);
            }
        }
        let Ok(out) = Folder::open(&workspace.out(pipeline, "")) else { return Ok(false) };
        let mut name = String::new();
        for (stage, output, stamp) in &self.results {
            name.clear();
            name.extend([*stage, "/", *output]);
            if out.status(&name)?.is_none_or(|s| s.stamp != *stamp) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Planner<'_> {
    /// Leaves the list for the next run, if every stage is of the plain kind and remembered; takes away an older one
    /// otherwise. Called only after a run in which every stage ended well; `plan` is as in [`Settled::look`].
    ///
    /// # Errors
    /// [`PathError`] if it cannot be written.
    pub(super) fn settle(&self, plan: Digest) -> Result<(), PathError> {
        let path = path(self.workspace, &self.plan.name);
        match (read_if_there(&path)?, self.list(plan)) {
            (None, None) => Ok(()),
            (Some(old), Some(new)) if old == new => Ok(()),
            (_, Some(new)) => replace(&path, &new),
            (Some(_), None) => crate::file::remove_tree(&path),
        }
    }

    fn list(&self, plan: Digest) -> Option<Vec<u8>> {
        let mut results = Vec::with_capacity(self.plan.stages.len());
        let mut of_stages = Vec::with_capacity(self.plan.stages.len());
        for (i, stage) in self.plan.stages.iter().enumerate() {
            let remembered = self.memory.get(i)?;
            let shown = remembered.stamps.len() == remembered.outputs.len();
            // Whether what came from elsewhere counts is asked anew by every run.
            if !stage.is_plain() || !shown || remembered.origin.is_some() {
                return None;
            }
            of_stages.push((stage.name.as_str(), Some(remembered.keyed.key)));
            let outputs = remembered.outputs.iter().zip(&remembered.stamps);
            results.extend(outputs.map(|(output, stamp)| (stage.name.as_str(), output.path.as_str(), *stamp)));
        }
        let list = List {
            format: FORMAT,
            plan,
            stages: self.plan.stages.len(),
            keys: keys(of_stages.into_iter()),
            programs: self.tools.digests().map(|(asked, digest)| (asked.to_vec(), digest)).collect(),
            patterns: self.sources.matched(),
            sources: self.sources.settled()?,
            results,
        };
        Some(postcard::to_stdvec(&list).expect("a plain structure serializes"))
    }
}
