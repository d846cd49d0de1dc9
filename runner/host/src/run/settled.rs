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

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use orgo_kernel::key::StageKey;
use orgo_spec::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::file::{PathError, Stamp, read_if_there, replace};
use crate::folder::Folder;
use crate::git::Looked;
use crate::sources::pattern;
use crate::tools::Tools;
use crate::workspace::{Lock, Workspace};

use super::options::RunError;
use super::planner::{Planner, programs};

/// The version of the file; others are ignored.
const FORMAT: u32 = 2;

/// How many results are looked at together.
const TOGETHER: usize = 4096;

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
    /// Below `out/` and the pipeline's name.
    #[serde(borrow)]
    results: Vec<(Cow<'l, str>, Stamp)>,
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

/// What the last run left, if it may still hold.
#[derive(Debug)]
pub struct Settlement(Vec<u8>);

impl Settlement {
    /// Reads what the last run of `pipeline` left; `plan` stands for the declarations and the program that read them. `None`
    /// if it left nothing, or the plan is another one.
    ///
    /// # Errors
    /// [`PathError`] if it is there and cannot be read.
    pub fn read(workspace: &Workspace, pipeline: &str, plan: Digest) -> Result<Option<Self>, PathError> {
        let Some(bytes) = read_if_there(&path(workspace, pipeline))? else { return Ok(None) };
        let begins = postcard::take_from_bytes::<(u32, Digest)>(&bytes).ok().map(|(begin, _)| begin);
        Ok((begins == Some((FORMAT, plan)) && !workspace.was_cut_off()?).then_some(Self(bytes)))
    }

    /// How many stages there are, if everything is as the last run left it; `looked` is what was found when git looked at
    /// the tracked files. `None` if it is not, or if that is not known.
    ///
    /// # Errors
    /// [`PathError`] if a status cannot be read.
    pub fn holds(
        &self,
        workspace: &Workspace,
        pipeline: &str,
        looked: Option<&Looked>,
    ) -> Result<Option<usize>, PathError> {
        let list = self.list();
        let holds = match &list {
            Some(list) => list.holds(workspace, pipeline, &mut Tools::open(&programs(workspace))?, looked)?,
            None => false,
        };
        Ok(list.filter(|_| holds).map(|list| list.stages))
    }

    /// As [`Settlement::holds`], and keeps the workspace.
    ///
    /// # Errors
    /// [`RunError`] if another run is under way, or the system refuses.
    pub fn take(
        &self,
        workspace: &Workspace,
        pipeline: &str,
        binary: &Path,
        looked: Option<&Looked>,
    ) -> Result<Option<Settled>, RunError> {
        let Some(list) = self.list() else { return Ok(None) };
        let lock = workspace.lock()?;
        let mut tools = Tools::open(&programs(workspace))?;
        if !list.holds(workspace, pipeline, &mut tools, looked)? {
            return Ok(None);
        }
        let Ok(program) = tools.content(binary) else { return Ok(None) };
        Ok(Some(Settled { stages: list.stages, keys: list.keys, executor: program.digest, _lock: lock }))
    }

    fn list(&self) -> Option<List<'_>> {
        postcard::from_bytes(&self.0).ok()
    }
}

impl List<'_> {
    fn holds(
        &self,
        workspace: &Workspace,
        pipeline: &str,
        tools: &mut Tools,
        looked: Option<&Looked>,
    ) -> Result<bool, PathError> {
        for (asked, digest) in &self.programs {
            let Some((path, names)) = asked.split_last() else { return Ok(false) };
            // What is wrong with a program is told when a stage is planned.
            if tools.digest(names, path).ok() != Some(*digest) {
                return Ok(false);
            }
        }
        let root = Folder::open(workspace.root())?;
        let mut hint = 0;
        for (path, stamp) in &self.sources {
            let found = looked.and_then(|looked| looked.next(&mut hint, path));
            if found.map_or_else(|| root.status(path), Ok)?.is_none_or(|s| !s.is_file || s.stamp != *stamp) {
                return Ok(false);
            }
        }
        for (pattern, digest) in &self.patterns {
            if pattern::matches(&root, pattern).map(|paths| pattern::digest(&paths)).ok() != Some(*digest) {
                return Ok(false);
            }
        }
        let Ok(out) = Folder::open(&workspace.out(pipeline, "")) else { return Ok(false) };
        for results in self.results.chunks(TOGETHER) {
            let names: Vec<&str> = results.iter().map(|(name, _)| &**name).collect();
            let found = out.statuses(&names)?;
            if !found.iter().zip(results).all(|(found, (_, stamp))| found.is_some_and(|s| s.stamp == *stamp)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Planner<'_> {
    /// Leaves the list for the next run, if every stage is of the plain kind and remembered; takes away an older one
    /// otherwise. Called only after a run in which every stage ended well; `plan` is as in [`Settlement::read`].
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
            let name = |path: &str| Cow::Owned([&*stage.name, "/", path].concat());
            results.extend(outputs.map(|(output, stamp)| (name(&output.path), *stamp)));
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
