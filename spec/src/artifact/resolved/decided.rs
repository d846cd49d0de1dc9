//! What `decide` did to a batch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::evidence::Evidence;
use super::super::{ClaimId, FileRef, Pid, Qid, Tool};
use crate::Digest;
use crate::document::RelativePath;

/// What `decide` applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionsRef {
    /// Who applied them.
    pub decider: Tool,
    /// Digest over the sorted list of files: the `decisions` that a mandate may accept.
    pub digest: Digest,
    /// The files, sorted by path; each is a snapshot under `snapshots/<hex>`.
    pub files: Vec<DecisionFile>,
    /// How many decisions were applied.
    pub applied: u64,
    /// One line for each.
    pub adjudication: FileRef,
}

/// One file of decisions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionFile {
    /// Where it stands in the repository.
    pub path: RelativePath,
    /// Digest of its bytes.
    pub snapshot_id: Digest,
}

/// One applied decision: one line of `adjudication.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adjudication {
    /// What was done.
    pub action: Action,
    /// The subject.
    pub subject: Qid,
    /// The property.
    pub property: Pid,
    /// The source whose claim was changed.
    pub source: String,
    /// Its value as published.
    pub value: String,
    /// The value that it was decided against, as published.
    pub against: String,
    /// The qualifier that was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<Pid>,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier_value: Option<String>,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The line that says so.
    pub evidence: Evidence,
    /// The claims that were changed, sorted.
    pub changed: Vec<ClaimId>,
    /// The claims that they were decided against, sorted; they stay as they were.
    pub against_claims: Vec<ClaimId>,
}

/// What a decision does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// One source is preferred; the other stays normal.
    Prefer,
    /// A missing qualifier is added.
    Qualify,
}
