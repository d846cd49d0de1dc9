//! A stage and its parts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Repository files it reads: paths or patterns (`src/**`, `*.c`).
    pub files: Vec<Spanned<String>>,
    /// Earlier stages whose outputs it reads.
    pub from: Vec<From>,
    /// Earlier stages that must have ended well, without reading from them.
    pub after: Vec<Spanned<Name>>,
    /// What it produces: files or folders, relative to its working folder.
    pub outs: Vec<Spanned<RelativePath>>,
    /// Environment on top of the pipeline's.
    pub env: Vec<Env>,
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
    /// How it is run: retries, pools, services, optional, finally.
    #[serde(flatten)]
    pub runtime: StageRuntime,
}

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
    /// Where its outputs appear; `in/<stage>` unless told.
    pub at: Option<Spanned<RelativePath>>,
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
