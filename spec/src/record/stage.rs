//! Stages in a build record: what they did (facts) and when (run).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::Artifact;
use super::level::ServiceFacts;
use super::origin::Origin;
use crate::pipeline::Isolation;
use crate::{Digest, ReasonCode};

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum StageStatus {
    /// Well.
    Pass,
    /// Badly, or its gate refused.
    Fail,
    /// It was not run.
    Skip,
    /// It waits for approvals.
    Wait,
}

/// What ran: `run` for programs, the name of a built-in tool otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Digest of the whole command: program, arguments, environment, outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_hash: Option<Digest>,
    /// Name of the program or tool.
    pub name: String,
    /// Version of a built-in tool; host programs are known by the digest in `version`.
    pub version: String,
}

/// A problem of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageError {
    /// The reason code.
    pub code: ReasonCode,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The facts about a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageFacts {
    /// What it read: repository files by path, outputs of earlier stages by place.
    pub artifacts_in: Vec<Artifact>,
    /// What it produced. These are intermediate artifacts; what a run claims stands in `outputs`.
    pub artifacts_out: Vec<Artifact>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<StageError>,
    /// What ran.
    pub identity: Identity,
    /// The isolation that was obtained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// The stage key: the digest of its Remote Execution API action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest>,
    /// Whether the run may end well although this stage did not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Where its result came from, if it was not made here and no run here made it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The services that were beside it when its result was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceFacts>,
    /// The stage's name.
    pub stage: String,
    /// How it ended.
    pub status: StageStatus,
    /// What of the host it could read besides its inputs and the programs in its key; of a stage at `open` that is
    /// everything, and nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unpinned: Vec<String>,
}

/// How many stages ended how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageCounts {
    /// Stages that ended well and whose results were not made here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub elsewhere: u64,
    /// Stages that ended badly.
    pub failed: u64,
    /// Stages that ended well.
    pub passed: u64,
    /// Stages that were not run.
    pub skipped: u64,
    /// Optional stages that ended badly.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tolerated: u64,
    /// Stages that wait for approvals.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl StageCounts {
    /// Counts.
    #[must_use]
    pub fn of(stages: &[StageFacts]) -> Self {
        let mut counts = Self::default();
        for stage in stages {
            counts.add(stage);
        }
        counts
    }

    /// Counts one more stage.
    pub fn add(&mut self, stage: &StageFacts) {
        self.elsewhere += u64::from(stage.origin.is_some());
        *match (stage.status, stage.optional) {
            (StageStatus::Pass, _) => &mut self.passed,
            (StageStatus::Fail, false) => &mut self.failed,
            (StageStatus::Fail, true) => &mut self.tolerated,
            (StageStatus::Skip, _) => &mut self.skipped,
            (StageStatus::Wait, _) => &mut self.waiting,
        } += 1;
    }
}

/// A page of stage facts that lies in the object store, not in git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagePage {
    /// Digest of the page: canonical JSON, an array of stage facts.
    pub digest: Digest,
    /// How many stages it holds.
    pub stages: u64,
}

/// The circumstances of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageRun {
    /// Attempts of this run; none if the cache answered or it was not run.
    pub attempts: Vec<AttemptRun>,
    /// Whether the cache answered.
    pub cached: bool,
    /// What it printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Digest>,
    /// The stage's name.
    pub stage: String,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttemptRun {
    /// Counted from 1.
    pub attempt: u32,
    /// RFC 3339, UTC.
    pub ended_at: String,
    /// The exit code, if it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// RFC 3339, UTC.
    pub started_at: String,
}
