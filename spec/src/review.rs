//! What a change does to what a repository declares: the document that `orgo diff --format json` prints.
//!
//! Nothing here is signed and nothing is decided by it: a review is for the people who read a change, and every
//! statement in it can be made again from the two trees. Strings come from both trees and are not trusted.

mod kind;

pub use kind::Kind;

use schemars::JsonSchema;
use serde::Serialize;

/// The name and version of the document.
pub const SCHEMA: &str = "orgo.diff/1";

/// What a change does: findings, weakest first, and what runs again.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Review {
    /// `orgo.diff/1`.
    pub schema: &'static str,
    /// What is compared with.
    pub base: Side,
    /// What is reviewed.
    pub head: Side,
    /// How many findings are `weaker`.
    pub weakened: usize,
    /// Everything that changes in what is declared: weaker first, then unclear, stronger, neutral.
    pub findings: Vec<Finding>,
    /// Pipelines that changed or in which something runs again, by name.
    pub pipelines: Vec<PipelineReview>,
    /// Files that differ, by path.
    pub files: Vec<FileChange>,
    /// What is wrong with documents of the head; findings about these documents are left out.
    pub problems: Vec<ReviewProblem>,
}

/// One of the two trees.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Side {
    /// As it was asked for, or `the working folder`.
    pub name: String,
    /// The commit; null for the working folder.
    pub commit: Option<String>,
}

/// One change of something declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Which way it goes.
    pub strength: Strength,
    /// What it is.
    pub kind: Kind,
    /// The pipeline that it is about.
    pub pipeline: Option<String>,
    /// The stages that it is about, after expansion.
    pub stages: Vec<String>,
    /// The field that changes, as it is written.
    pub field: Option<String>,
    /// In words.
    pub message: String,
    /// What was there.
    pub before: Option<String>,
    /// What is there now.
    pub after: Option<String>,
    /// Where it is written in the head, or where what held it is.
    pub place: Option<Place>,
}

/// Which way a change goes. Ordered: what needs most attention comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// Less is demanded, or more is permitted.
    Weaker,
    /// It may be weaker; nobody can tell without reading it.
    Unclear,
    /// More is demanded, or less is permitted.
    Stronger,
    /// It changes what is done, not what is permitted.
    Neutral,
}

impl Strength {
    /// The word that is written for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Weaker => "weaker",
            Self::Unclear => "unclear",
            Self::Stronger => "stronger",
            Self::Neutral => "neutral",
        }
    }
}

/// A place in the head.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Place {
    /// Path in the repository.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// A pipeline of the head, or one that is gone.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PipelineReview {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub status: Status,
    /// How many stages it has in the head.
    pub total: usize,
    /// Stages that changed or run again, as they are declared; then those that are gone.
    pub stages: Vec<StageReview>,
    /// How long what runs again may take.
    pub estimate: Estimate,
}

/// What became of a pipeline or a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is declared differently.
    Changed,
    /// It is declared as before.
    Same,
}

impl Status {
    /// The word that is written for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Same => "same",
        }
    }
}

/// A stage that changed or runs again.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StageReview {
    /// Its name after expansion.
    pub stage: String,
    /// What became of it.
    pub status: Status,
    /// Why it runs again; null if it does not.
    pub rerun: Option<Rerun>,
    /// How long its last known run took, in milliseconds.
    pub last_ms: Option<u64>,
    /// Where it is written in the head.
    pub place: Option<Place>,
}

/// Why a stage runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rerun {
    /// Whether its key is another in any case. If not, it is answered from the cache when what it reads comes out as
    /// before.
    pub certain: bool,
    /// The reasons, at least one.
    pub because: Vec<Because>,
}

/// A reason to run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Because {
    /// The stage is new.
    New,
    /// It is declared differently.
    Definition {
        /// Fields that enter the key.
        fields: Vec<String>,
    },
    /// Files that it reads differ.
    Files {
        /// Their paths.
        paths: Vec<String>,
    },
    /// A service that it needs is another one.
    Services {
        /// The services.
        services: Vec<String>,
    },
    /// It reads from stages that run again.
    Upstream {
        /// The stages.
        stages: Vec<String>,
    },
    /// It comes last, after stages that run again.
    Last,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileChange {
    /// Its path, in the head if it is there.
    pub path: String,
    /// What became of it.
    pub change: FileStatus,
    /// The path that it had, if it was renamed.
    pub from: Option<String>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileStatus {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its content or mode differs.
    Changed,
    /// It has another path and the same content.
    Renamed,
}

impl FileStatus {
    /// The word that is written for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Renamed => "renamed",
        }
    }
}

/// How long what runs again may take, by what was measured last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Estimate {
    /// All stages that may run again, one after the other, in milliseconds.
    pub work_ms: u64,
    /// Those of them that run in any case.
    pub certain_ms: u64,
    /// The longest chain of them, each needing the one before: what remains with workers enough.
    pub chain_ms: u64,
    /// How many of them nobody has measured; they count as nothing.
    pub unknown: usize,
    /// Where the times come from: `workspace`, `record N of BRANCH`, or null.
    pub source: Option<String>,
}

/// A problem of a document of the head.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReviewProblem {
    /// The reason code.
    pub code: crate::ReasonCode,
    /// In words.
    pub message: String,
    /// The way out, if one is known.
    pub help: Option<String>,
    /// Where it is.
    pub place: Place,
}
