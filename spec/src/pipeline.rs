//! Pipelines as written: stages, gates and what they need, each with its place in the file.
//!
//! A compile stage cannot be decoded without its gate: [`Work::Gated`] is the only variant that can
//! hold a [`CompileTool`], and it has the gate's name as a field (no compile on fail, by construction).

mod approval;
mod decode;
mod include;
mod matrix;
mod param;
mod runtime;
mod stage;
mod template;
mod tool;

pub use approval::Approval;
pub use decode::{parse_pipelines, parse_pipelines_with};
pub use matrix::{Axis, Combination, Matrix};
pub use param::{Param, ParamKind};
pub use runtime::{PipelineRuntime, Pool, PoolUse, Ready, Retry, Service, StageRuntime, StopSignal};
pub use stage::{
    Artifact, Condition, Env, ForEach, From, Gate, GatedAction, Isolation, ItemList, Network, Run, Secret,
    SecretSource, Stage, Step, Work,
};
pub use tool::{CompileTool, Source, SpineTool};

use schemars::JsonSchema;
use serde::Serialize;

use crate::Name;
use crate::document::Spanned;

/// One pipeline.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Pipeline {
    /// What it is called; unique in a repository.
    pub name: Spanned<Name>,
    /// The profile that it promises to keep.
    pub profile: Option<Spanned<Profile>>,
    /// The mandate that governs it.
    pub mandate: Option<Spanned<Name>>,
    /// The blueprint that pins what it uses.
    pub blueprint: Option<Spanned<Name>>,
    /// Whether a run that repeats the last one adds a record.
    pub record: RecordMode,
    /// What a run may be told, with types.
    pub params: Vec<Param>,
    /// Axes over which every stage is repeated.
    pub matrix: Matrix,
    /// Environment of every `run` stage.
    pub env: Vec<Env>,
    /// The stages, in the order they are written.
    pub stages: Vec<Stage>,
    /// The gates.
    pub gates: Vec<Gate>,
    /// What people must approve before stages run.
    pub approvals: Vec<Approval>,
    /// What stages share while they run: pools and services.
    #[serde(flatten)]
    pub runtime: PipelineRuntime,
}

/// What a pipeline promises beyond its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The knowledge spine: ingest, extract, resolve, decide, validate, compile.
    Kristal,
}

/// When a run adds a record (design: a run adds a record unless it repeats one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordMode {
    /// Unless it repeats one that verifies.
    #[default]
    Changed,
    /// In any case.
    Always,
}

macro_rules! words {
    ($type:ty, $expected:literal, $($word:literal => $value:expr),+ $(,)?) => {
        impl crate::document::FromScalar for $type {
            const EXPECTED: &'static str = $expected;
            fn from_scalar(scalar: &crate::document::Scalar) -> Option<Self> {
                match scalar { crate::document::Scalar::Text(t) => match t.as_str() { $($word => Some($value),)+ _ => None }, _ => None }
            }
        }
    };
}
pub(crate) use words;

words!(Profile, "`kristal`", "kristal" => Self::Kristal);
words!(RecordMode, "`changed` or `always`", "changed" => Self::Changed, "always" => Self::Always);
