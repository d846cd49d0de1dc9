//! A pipeline with every name bound: what the scheduler, the keys and the plan cache work on.
//!
//! `Declared` (in `orgo_spec::pipeline`, with spans) becomes [`Resolved`] here; it becomes planned
//! when keys are known, which happens stage by stage as outputs appear.

mod runtime;
mod share;
mod show;

use std::sync::Arc;

pub use runtime::{Readiness, ResolvedService, Resource, Retry, StageRuntime};

use orgo_spec::pipeline::{CompileTool, Isolation, Network, Profile, RecordMode, SecretSource, Step};
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, StageId};

/// A pipeline whose names are bound and whose matrix is expanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The pipeline's name.
    pub name: String,
    /// Whether it promises the knowledge spine.
    pub kristal: bool,
    /// The mandate's name.
    pub mandate: Option<String>,
    /// The blueprint's name.
    pub blueprint: Option<String>,
    /// Whether a run that repeats the last one adds a record all the same.
    pub record_always: bool,
    /// What the run was told, with the defaults of what it was not told, by name.
    pub parameters: Vec<(String, String)>,
    /// The stages; [`StageId`] is the position.
    #[serde(deserialize_with = "share::stages")]
    pub stages: Vec<ResolvedStage>,
    /// The gates.
    pub gates: Vec<ResolvedGate>,
    /// What people must approve.
    pub approvals: Vec<ResolvedApproval>,
    /// Who needs whom.
    pub graph: Graph,
    /// Pools and mutexes.
    pub resources: Vec<Resource>,
    /// Services.
    pub services: Vec<ResolvedService>,
}

/// One stage of a resolved pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedStage {
    /// The name, with the matrix values behind it.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// The gate in front of it, as an index into [`Resolved::gates`].
    pub gate: Option<u32>,
    /// The approval that it needs, as an index into [`Resolved::approvals`].
    pub approval: Option<u32>,
    /// Patterns of repository files. Lists that do not differ between the stages of a matrix are shared.
    pub files: Arc<[String]>,
    /// Stages whose outputs it reads, and where they appear.
    pub from: Vec<(StageId, String)>,
    /// Declared outputs, sorted.
    pub outs: Arc<[String]>,
    /// Environment, sorted by name.
    pub env: Arc<[(String, String)]>,
    /// Host programs besides its own, sorted.
    pub tools: Arc<[String]>,
    /// Killed after this many milliseconds.
    pub timeout_ms: u64,
    /// How often it is tried again.
    pub retries: u32,
    /// Workers that it takes.
    pub cpus: u32,
    /// What is kept away from it.
    pub isolation: Isolation,
    /// What network it may use.
    pub network: Network,
    /// How it is run, if it says anything about that.
    pub runtime: Option<Box<StageRuntime>>,
    /// What few stages say.
    pub extra: Option<Box<Extra>>,
}

/// What few stages say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// Edges that carry one output only: position in [`ResolvedStage::from`], and the output's path.
    pub artifacts: Vec<(u32, String)>,
    /// Variables of the runner's environment that are passed on, sorted; values are added when a run begins.
    pub env_pass: Vec<String>,
    /// Secrets, sorted by the name of their variable.
    pub secrets: Vec<SecretRef>,
    /// Patterns of files one of which has to differ from the base, for each such condition.
    pub changed: Vec<Vec<String>>,
    /// Conditions on parameters.
    pub params: Vec<ParamCondition>,
    /// The step of the spine in whose place its program stands.
    pub step: Option<Step>,
    /// The list whose items it stands for, while nobody knows them. Its texts are then as they are written.
    pub list: Option<PendingList>,
}

/// A list that is known when the stage that writes it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingList {
    /// What an item is called.
    pub item: String,
    /// The stage that writes it.
    pub stage: StageId,
    /// The path of the output.
    pub output: String,
}

/// A secret that a stage sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    /// The variable.
    pub name: String,
    /// Where the value is.
    pub from: SecretSource,
    /// Whether a keyed digest of the value enters the stage key.
    pub keyed_digest: bool,
}

/// A condition on a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamCondition {
    /// The parameter.
    pub name: String,
    /// The value that it has to have.
    pub is: String,
    /// Whether it has.
    pub holds: bool,
}

impl ResolvedStage {
    /// The only output that the edge at `position` carries; `None` if it carries all.
    #[must_use]
    pub fn artifact(&self, position: usize) -> Option<&str> {
        let artifacts = &self.extra.as_ref()?.artifacts;
        artifacts.iter().find(|(at, _)| *at as usize == position).map(|(_, path)| path.as_str())
    }

    /// Variables of the runner's environment that are passed on.
    #[must_use]
    pub fn env_pass(&self) -> &[String] {
        self.extra.as_ref().map_or(&[], |e| &e.env_pass)
    }

    /// The list whose items it stands for, while nobody knows them.
    #[must_use]
    pub fn pending(&self) -> Option<&PendingList> {
        self.extra.as_ref()?.list.as_ref()
    }

    /// Secrets.
    #[must_use]
    pub fn secrets(&self) -> &[SecretRef] {
        self.extra.as_ref().map_or(&[], |e| &e.secrets)
    }
}

/// What a stage does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// A program and its arguments.
    Run(Vec<String>),
    /// A built-in tool and its configuration as canonical JSON, without the files that patterns match.
    Tool {
        /// The word after `uses=`.
        name: String,
        /// Canonical JSON.
        config: Vec<u8>,
    },
    /// A compiler: exists only behind a gate.
    Compile(Compiler),
}

/// The two compilers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compiler {
    /// The Exchange.
    Exchange,
    /// The Runtime Pack.
    Pack,
}

impl From<CompileTool> for Compiler {
    fn from(tool: CompileTool) -> Self {
        match tool {
            CompileTool::CompileExchange => Self::Exchange,
            CompileTool::CompilePack => Self::Pack,
        }
    }
}

impl Compiler {
    /// The tool of the language.
    #[must_use]
    pub const fn tool(self) -> CompileTool {
        match self {
            Self::Exchange => CompileTool::CompileExchange,
            Self::Pack => CompileTool::CompilePack,
        }
    }
}

/// A gate of a resolved pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedGate {
    /// The gate's name.
    pub name: String,
    /// The stage that produces the report, for each combination of the matrix its own gate.
    pub on: StageId,
}

/// An approval of a resolved pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedApproval {
    /// The approval's name.
    pub name: String,
    /// How many people must approve.
    pub need: u32,
    /// Who may: names in the trust or beginnings of key ids; empty for every approver.
    pub by: Vec<String>,
    /// The longest time that what somebody signed counts, in seconds.
    pub expires_s: u64,
}

impl Resolved {
    /// The stage of that id.
    #[must_use]
    pub fn stage(&self, id: StageId) -> &ResolvedStage {
        &self.stages[id.index()]
    }

    /// The approval that a stage needs.
    #[must_use]
    pub fn approval(&self, id: StageId) -> Option<&ResolvedApproval> {
        self.approvals.get(self.stage(id).approval? as usize)
    }

    /// The id of the stage called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<StageId> {
        let at = self.stages.iter().position(|s| s.name == name)?;
        u32::try_from(at).ok().map(StageId)
    }

    /// Marks the stages that are not part of a run: those with a condition that does not hold, and what reads from
    /// them or stands behind a gate on them. What comes only `after` them is not marked. `changed` says whether a file
    /// that one of the patterns matches differs from the base.
    #[must_use]
    pub fn withheld(&self, mut changed: impl FnMut(&[String]) -> bool) -> Vec<bool> {
        let mut withheld = vec![false; self.stages.len()];
        if self.stages.iter().all(|s| s.extra.is_none()) {
            return withheld;
        }
        for id in self.graph.topological().unwrap_or_default() {
            let stage = self.stage(id);
            let unmet = stage.extra.as_ref().is_some_and(|e| {
                e.params.iter().any(|p| !p.holds) || e.changed.iter().any(|patterns| !changed(patterns))
            });
            let gate = stage.gate.map(|g| self.gates[g as usize].on);
            let list = stage.pending().map(|list| list.stage);
            let read = stage.from.iter().map(|(needed, _)| *needed).chain(gate).chain(list);
            withheld[id.index()] = unmet || read.into_iter().any(|needed| withheld[needed.index()]);
        }
        withheld
    }

    /// Whether a stage runs the `orgo` binary itself.
    #[must_use]
    pub fn is_builtin(&self, id: StageId) -> bool {
        !matches!(self.stage(id).action, Action::Run(_))
    }
}

pub(crate) fn is_kristal(profile: Option<Profile>) -> bool {
    profile == Some(Profile::Kristal)
}

pub(crate) fn is_always(mode: RecordMode) -> bool {
    mode == RecordMode::Always
}
