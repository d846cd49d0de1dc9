//! What a gate saw and decided.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::Lane;
use super::overriding::OverrideFacts;
use crate::{Digest, ReasonCode};

/// A verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Decision {
    /// What stands behind the gate may run.
    Pass,
    /// It may not.
    Fail,
}

/// Who decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Name of the rules that decided.
    pub name: String,
    /// Their version.
    pub version: String,
}

/// Everything that a decision rests on: evidence, as canonical JSON of at most 64 KiB. Deciding again on
/// these facts and the report gives the same verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateFacts {
    /// What the mandate accepts; absent without a mandate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepts: Option<Accepts>,
    /// The gate's name.
    pub gate: String,
    /// The mandate in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate: Option<Digest>,
    /// Whether the pipeline may not run without a mandate.
    pub mandate_required: bool,
    /// An override that somebody signed; absent unless policies of the mandate refused what it is about.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub overriding: Option<OverrideFacts>,
    /// The report; absent if there is none that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportFacts>,
    /// SHA-256 of the report's bytes; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_digest: Option<Digest>,
    /// What is asked of the policies of the mandate; absent where none governs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestFacts>,
    /// Version of this document.
    pub schema_version: String,
    /// The stage behind the gate.
    pub stage: String,
    /// Digest of what that stage would work on: of the batch that it reads, or, for a pack, of the batch
    /// that the Exchange's manifest names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// The validator that made the report.
    pub validator: ValidatorFacts,
}

/// What is asked of policies besides the report: may this pipeline compile, here?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestFacts {
    /// What the run may leave behind.
    pub lane: Lane,
    /// The pipeline that runs.
    pub pipeline: String,
    /// What the stage behind the gate makes.
    pub produces: Produces,
}

/// What a gated stage makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Produces {
    /// The Exchange.
    Exchange,
    /// A Runtime Pack.
    Pack,
    /// Whatever a program makes.
    Program,
}

/// What a report says, as far as a gate asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportFacts {
    /// Exact counts by code.
    pub counts: BTreeMap<String, u64>,
    /// Digest of the set of decisions that were applied.
    pub decisions: Digest,
    /// Errors that it counts or lists, whichever is more.
    pub errors: u64,
    /// Digest of the rules.
    pub ruleset: Digest,
    /// `passed`, `partial` or `failed`.
    pub status: String,
    /// Digest of what it is about.
    pub subject: Digest,
}

/// A validator: what the report says of itself, and what really ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidatorFacts {
    /// Whether the program that decides is the program that validated.
    pub builtin: bool,
    /// Digest of the tools that the validating stage ran with.
    pub digest: Digest,
}

/// What a mandate accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accepts {
    /// Whether the built-in validator is accepted.
    pub builtin: bool,
    /// Rule sets, sorted.
    pub rulesets: Vec<Digest>,
    /// Validators besides the built-in one, sorted.
    pub validators: Vec<Digest>,
}

/// A decision in a build record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateRecord {
    /// The verdict.
    pub decision: Decision,
    /// Who decided.
    pub engine: Engine,
    /// Digests of the evidence: the facts first, then the report, then the excerpt of a report that is too large to be kept.
    pub evidence_refs: Vec<Digest>,
    /// The gate's name.
    pub gate: String,
    /// The policies that the override lifted, by id, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lifted: Vec<String>,
    /// The override that the verdict rests on: the digest of what was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_ref: Option<Digest>,
    /// The policies that determined the verdict, by id, sorted: those that permitted, or those that forbade or
    /// could not be evaluated. Empty where no policy was asked, and where none permitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Why not, sorted.
    pub reason_codes: Vec<ReasonCode>,
    /// The stage behind the gate.
    pub stage: String,
}
