//! A stage and its parts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::matrix::Matrix;
use super::runtime::StageRuntime;
use super::tool::{CompileTool, SpineTool};
use super::words;
use crate::Name;
use crate::document::{ByteSize, DurationMs, RelativePath, Spanned};

/// One stage.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Stage {
    /// What it is called; unique in its pipeline.
    pub name: Spanned<Name>,
    /// What it does, and behind which gate.
    pub work: Work,
    /// The approval that it needs before it runs.
    pub approval: Option<Spanned<Name>>,
    /// Axes over which it is repeated, besides those of the pipeline.
    #[serde(skip_serializing_if = "Matrix::is_empty")]
    pub matrix: Matrix,
    /// The list whose items it is repeated for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_each: Option<ForEach>,
    /// What must hold for it to be part of a run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Condition>,
    /// Repository files it reads: paths or patterns (`src/**`, `*.c`).
    pub files: Vec<Spanned<String>>,
    /// Earlier stages whose outputs it reads.
    pub from: Vec<From>,
    /// Earlier stages that must have ended well, without reading from them.
    pub after: Vec<Spanned<Name>>,
    /// What it produces: files or folders, relative to its working folder.
    pub outs: Vec<Spanned<RelativePath>>,
    /// Outputs that have a name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
    /// Environment on top of the pipeline's.
    pub env: Vec<Env>,
    /// Variables of the runner's environment that it sees; their values enter its key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_pass: Vec<Spanned<String>>,
    /// Secrets that it sees; their values enter neither key nor record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// Host programs it starts besides its own; they enter its key by content.
    pub tools: Vec<Spanned<String>>,
    /// After which it is killed.
    pub timeout: Spanned<DurationMs>,
    /// How often it is tried again after a failure.
    pub retries: u32,
    /// Processors it wants; never more than there are workers.
    pub cpus: u32,
    /// Memory it wants.
    pub memory: Option<ByteSize>,
    /// What network it may use.
    pub network: Network,
    /// What is kept away from it.
    pub isolation: Option<Spanned<Isolation>>,
    /// The step of the spine in whose place the program stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Spanned<Step>>,
    /// How it is run: retries, pools, services, optional, finally.
    #[serde(flatten)]
    pub runtime: StageRuntime,
}

/// A step of the knowledge spine that a program of the user's may take over. Compilers are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Raw files become snapshots.
    Ingest,
    /// Snapshots become claims.
    Extract,
    /// Claims become resolved claims.
    Resolve,
    /// Decisions are applied.
    Decide,
    /// Resolved claims become a report.
    Validate,
    /// A pack is published.
    Publish,
    /// A published pack is rendered.
    Render,
    /// Tasks are executed.
    Execute,
    /// Signals come back.
    Feedback,
}

impl Step {
    /// The word that is written for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Extract => "extract",
            Self::Resolve => "resolve",
            Self::Decide => "decide",
            Self::Validate => "validate",
            Self::Publish => "publish",
            Self::Render => "render",
            Self::Execute => "execute",
            Self::Feedback => "feedback",
        }
    }
}

words!(Step, "`ingest`, `extract`, `resolve`, `decide`, `validate`, `publish`, `render`, `execute` or `feedback`",
    "ingest" => Self::Ingest, "extract" => Self::Extract, "resolve" => Self::Resolve, "decide" => Self::Decide,
    "validate" => Self::Validate, "publish" => Self::Publish, "render" => Self::Render, "execute" => Self::Execute,
    "feedback" => Self::Feedback);

/// What a stage does.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Runs a program.
    Run(Run),
    /// Runs a built-in tool of the spine.
    Tool(SpineTool),
    /// Runs only behind a gate.
    Gated {
        /// The gate.
        gate: Spanned<Name>,
        /// What runs when it has passed.
        action: GatedAction,
    },
}

/// What may run behind a gate.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GatedAction {
    /// A program.
    Run(Run),
    /// A compiler of the spine; there is no other place for one.
    Compile(CompileTool),
}

/// A program and its arguments, started directly, without a shell.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Run {
    /// Program and arguments, at least the program.
    pub argv: Vec<Spanned<String>>,
}

/// An edge that carries outputs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct From {
    /// The earlier stage.
    pub stage: Spanned<Name>,
    /// The only output that is read, by its name; all of them unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Spanned<Name>>,
    /// Where its outputs appear; `in/<stage>` unless told.
    pub at: Option<Spanned<RelativePath>>,
}

/// An output that has a name.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Artifact {
    /// The name; unique in its stage.
    pub name: Spanned<Name>,
    /// Position of the output in [`Stage::outs`].
    pub out: usize,
}

/// A stage for each item of a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ForEach {
    /// What an item is called: `${name}`, or `${name.column}` for lists with columns.
    pub item: Spanned<Name>,
    /// Where the list is: a text file with an item a line, or rows as `.csv` or `.jsonl`.
    pub list: ItemList,
}

/// Where a list is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ItemList {
    /// A committed file.
    File(Spanned<RelativePath>),
    /// An output of an earlier stage: the items are known when that stage has ended.
    Output {
        /// The earlier stage.
        stage: Spanned<Name>,
        /// The output, by its name.
        artifact: Spanned<Name>,
    },
}

impl ForEach {
    /// The stage that writes the list, and the name of that output; nothing for a committed list.
    #[must_use]
    pub const fn output(&self) -> Option<(&Spanned<Name>, &Spanned<Name>)> {
        match &self.list {
            ItemList::File(_) => None,
            ItemList::Output { stage, artifact } => Some((stage, artifact)),
        }
    }
}

impl Stage {
    /// The stages that it names as needed: what it reads from, what it comes after, and what writes its list.
    pub fn needed(&self) -> impl Iterator<Item = &Spanned<Name>> {
        self.from.iter().map(|f| &f.stage).chain(&self.after).chain(self.listed_by().map(|(stage, _)| stage))
    }

    /// The stage that writes the list whose items this one is repeated for, and the name of that output.
    #[must_use]
    pub fn listed_by(&self) -> Option<(&Spanned<Name>, &Spanned<Name>)> {
        self.for_each.as_ref().and_then(ForEach::output)
    }
}

/// What must hold for a stage to be part of a run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// One of these files differs from the base; without a base it holds.
    Changed(Vec<Spanned<String>>),
    /// A parameter has this value.
    Param {
        /// The parameter.
        name: Spanned<Name>,
        /// The value, as text.
        is: Spanned<String>,
    },
}

/// A secret that a stage sees as a variable.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Secret {
    /// The variable.
    pub name: Spanned<String>,
    /// Where the value is.
    pub from: Spanned<SecretSource>,
    /// Whether a keyed digest of the value enters the stage key.
    pub keyed_digest: bool,
}

/// Where the value of a secret is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// In a variable of the runner's environment.
    Env(String),
    /// In a file of the runner's machine; an absolute path.
    File(String),
}

impl crate::document::FromScalar for SecretSource {
    const EXPECTED: &'static str = "`env:NAME` or `file:/path`";

    fn from_scalar(scalar: &crate::document::Scalar) -> Option<Self> {
        let crate::document::Scalar::Text(text) = scalar else { return None };
        let plain = |t: &str| !t.is_empty() && !t.contains(char::is_control);
        match text.split_once(':')? {
            ("env", name) if plain(name) && !name.contains('=') => Some(Self::Env(name.to_owned())),
            ("file", path) if plain(path) && path.starts_with('/') => Some(Self::File(path.to_owned())),
            _ => None,
        }
    }
}

impl std::fmt::Display for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

/// One environment variable.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Env {
    /// The name.
    pub name: Spanned<String>,
    /// The value.
    pub value: Spanned<String>,
}

/// A gate: a report that must pass before gated stages may run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Gate {
    /// What it is called; unique in its pipeline.
    pub name: Spanned<Name>,
    /// The stage that produces the report.
    pub on: Spanned<Name>,
}

/// How much of the machine is kept away from a stage. Ordered: each level promises more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Nothing is enforced.
    Open,
    /// Undeclared files are unreadable, only outputs are writable, no network.
    Confined,
    /// A root of its own.
    Hermetic,
}

impl Isolation {
    /// The word that is written for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Confined => "confined",
            Self::Hermetic => "hermetic",
        }
    }
}

/// What network a stage may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// None.
    #[default]
    None,
    /// That of the host.
    Host,
}

words!(Isolation, "`open`, `confined` or `hermetic`", "open" => Self::Open, "confined" => Self::Confined, "hermetic" => Self::Hermetic);
words!(Network, "`none` or `host`", "none" => Self::None, "host" => Self::Host);
