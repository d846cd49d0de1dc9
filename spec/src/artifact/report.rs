//! The Validation Report (koa-contract 2.7): what a validator found about exactly one batch.
//!
//! Counts are exact; the list of issues is complete up to [`MAX_LISTED`] of each code, the first in order.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClaimId, Qid, SchemaVersion, Utc};
use crate::Digest;

/// Most issues of one code that a report lists; counts stay exact beyond it.
pub const MAX_LISTED: usize = 10_000;

/// A report: `report.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidationReport {
    /// Always `3.0`.
    pub schema_version: SchemaVersion,
    /// Stable content id of this document.
    pub report_id: Digest,
    /// The build clock.
    pub created_at: Utc,
    /// The verdict. `partial` is in Kristal's vocabulary; ours never says it, gates treat it as failed.
    pub validation_status: ValidationStatus,
    /// The validator.
    pub tooling: Tooling,
    /// What was validated, in Kristal's terms.
    pub inputs: ReportInputs,
    /// Exact counts by severity.
    pub stats: Stats,
    /// What was found, sorted by severity, code, place, claim and message.
    pub issues: Vec<Issue>,
    /// What Kristal's closed shape has no slot for.
    pub extensions: Extensions,
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ValidationStatus {
    /// No error.
    Passed,
    /// Not everything was looked at.
    Partial,
    /// At least one error.
    Failed,
}

/// The validator and the canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tooling {
    /// Name.
    pub validator_name: String,
    /// Version.
    pub validator_version: String,
    /// Always `kristal.v3:jcs-rfc8785`.
    pub canonicalization_profile: String,
    /// Always `1`.
    pub canonicalization_version: String,
}

/// What was validated, in Kristal's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportInputs {
    /// The snapshot set.
    pub source_snapshot_id: Digest,
}

/// Exact counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stats {
    /// Errors.
    pub error_count: u64,
    /// Warnings.
    pub warning_count: u64,
    /// Remarks.
    pub info_count: u64,
}

/// How bad an issue is; the order is the order of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Stops the build.
    Error,
    /// Does not.
    Warning,
    /// For the reader.
    Info,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// How bad.
    pub severity: Severity,
    /// Which kind: a reason code of ours, or another validator's (`^[A-Z0-9_]+$`).
    pub code: IssueCode,
    /// What.
    pub message: String,
    /// Where.
    pub location: Location,
    /// Under which rule, where a written rule was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleRef>,
    /// Values, sources and tolerance, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// A validation code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(transparent)]
pub struct IssueCode(#[schemars(regex(pattern = "^[A-Z0-9_]+$"))] String);

impl IssueCode {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<crate::ReasonCode> for IssueCode {
    fn from(code: crate::ReasonCode) -> Self {
        Self(code.as_str().to_owned())
    }
}

impl<'de> Deserialize<'de> for IssueCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let ok = (1..=100).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if ok { Ok(Self(text)) } else { Err(serde::de::Error::custom("a code has the letters A-Z, 0-9 and `_`")) }
    }
}

/// Where an issue is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// JSON Pointer into `documents.jsonl` read as an array of its lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_pointer: Option<String>,
    /// The subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<Qid>,
    /// The claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_id: Option<ClaimId>,
}

/// The rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleRef {
    /// Kind and property: `functional/atomic-mass`.
    pub rule_id: String,
    /// Version of the rule set.
    pub rule_version: String,
}

/// What a steward needs to decide.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Details {
    /// The subject's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The property's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// The tolerance in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<crate::Decimal>,
    /// Who says what, sorted by source and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<SourcedValue>,
}

/// What one source says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourcedValue {
    /// Source name.
    pub source: String,
    /// Value as published.
    pub value: String,
    /// The claim.
    pub claim_id: ClaimId,
}

/// Kristal's open slot, closed by us to one name space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extensions {
    /// Ours.
    pub koa: KoaExtension,
}

/// The facts that a gate needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KoaExtension {
    /// SHA-256 of the `batch.json` that was validated: what the report is about.
    pub subject_digest: Digest,
    /// The batch's id.
    pub resolved_batch_id: Digest,
    /// SHA-256 of the rules file.
    pub ruleset_digest: Digest,
    /// Digest of the set of decision files.
    pub decisions_digest: Digest,
    /// Digest of the validator's configuration.
    pub config_hash: Digest,
    /// How many claims were looked at.
    pub claims: u64,
    /// How many evidence pointers were re-read.
    pub evidence_reread: u64,
    /// Exact counts by code.
    pub counts: BTreeMap<String, u64>,
}

impl Issue {
    /// What issues are sorted by (koa-contract 2.7).
    #[must_use]
    pub fn order(&self) -> (Severity, &str, Option<&str>, Option<&str>, &str) {
        (
            self.severity,
            self.code.as_str(),
            self.location.json_pointer.as_deref(),
            self.location.claim_id.as_ref().map(ClaimId::as_str),
            &self.message,
        )
    }
}
