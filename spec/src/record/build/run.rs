//! The circumstances of a build: when, where, by whom, in which attempts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::record::stage::StageRun;

/// In which circumstances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildRun {
    /// Who triggered it.
    pub actor: Actor,
    /// When approvals were decided, by stage: RFC 3339, UTC, whole seconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub approvals_decided_at: BTreeMap<String, String>,
    /// The run's id, a UUID; the same for all its attempts.
    pub build_id: String,
    /// `system`, or `injected` for tests.
    pub clock: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC.
    pub ended_at: String,
    /// What the record was made for: `development` unless told.
    pub environment: String,
    /// The program that ran it.
    pub executor: Program,
    /// The machine's name.
    pub host: String,
    /// Stages; only those that ran, if there are many.
    pub stages: Vec<StageRun>,
    /// The id of the record of its start, if one was written before the first stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Digest>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// The case that the run belongs to.
    pub workflow_id: String,
}

/// Who triggered a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// Account or service.
    pub id: String,
    /// `person` or `runner`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A program that ran a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Digest of its binary.
    pub digest: Digest,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}
