//! Resolved Claim-IR: names bound to ids, ambiguity explicit, nothing dropped (koa-contract 2.6).
//!
//! A resolution that is not `resolved` keeps the surface and every candidate; validation refuses it.
//! `rank` is ours: only a steward's decision sets it.

mod decided;

pub use decided::{Action, Adjudication, DecisionFile, DecisionsRef};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::claim::{MonolingualText, TimeValue};
use super::evidence::Evidence;
use super::snapshot::SourceRef;
use super::{ClaimId, EntityId, FileRef, HexDigest, Pid, Qid, SchemaVersion, Tool, Utc};
use crate::{Amount, Decimal, Digest};

/// One resolved document: one line of `documents.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolvedDocument {
    /// Always `3.0`.
    pub schema_version: SchemaVersion,
    /// What it was made from.
    pub input: InputRef,
    /// The subject.
    pub subject: EntityResolution,
    /// The claims, all of them.
    pub claims: Vec<ResolvedClaim>,
}

/// The Claim-IR document behind a resolved one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputRef {
    /// Which record.
    pub claim_ir_ref: super::claim::DocumentRef,
    /// SHA-256 of the canonical bytes of the Claim-IR document.
    pub claim_ir_hash: super::Sha256Object,
}

/// How a name was bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// To exactly one id.
    Resolved,
    /// Several ids match equally well.
    Ambiguous,
    /// None matches.
    Unresolved,
}

/// What bound it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// An identifier or a label, character by character.
    ExactMatch,
    /// A label or alias after the declared folds.
    AliasMatch,
}

/// How a resolution came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What bound it.
    pub method: Method,
    /// What was lost on the way: the folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// One id that a name may mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The id.
    pub id: EntityId,
    /// 1 for an exact match, less for a folded one.
    pub score: Decimal,
    /// Its label.
    pub label: String,
}

/// A name of an entity and what it is bound to. `qid` is there exactly when `status` is `resolved`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityResolution {
    /// Whether it is bound.
    pub status: Status,
    /// The id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qid: Option<Qid>,
    /// The name as written.
    pub surface: String,
    /// Complete when ambiguous: score descending, then id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// How, when resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// A name of a property and what it is bound to. `pid` is there exactly when `status` is `resolved`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PropertyResolution {
    /// Whether it is bound.
    pub status: Status,
    /// The id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<Pid>,
    /// The name as written.
    pub surface: String,
    /// Complete when ambiguous: score descending, then id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// How, when resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

impl EntityResolution {
    /// The id, if bound and honest about it.
    #[must_use]
    pub fn id(&self) -> Option<&Qid> {
        self.qid.as_ref().filter(|_| self.status == Status::Resolved)
    }
}

impl PropertyResolution {
    /// The id, if bound and honest about it.
    #[must_use]
    pub fn id(&self) -> Option<&Pid> {
        self.pid.as_ref().filter(|_| self.status == Status::Resolved)
    }
}

/// Rank among values of one property (Wikibase).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// Known to be wrong or out of date.
    Deprecated,
    /// As published.
    #[default]
    Normal,
    /// Chosen by a steward.
    Preferred,
}

impl Rank {
    fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

/// One resolved claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolvedClaim {
    /// The claim's id, unchanged.
    pub claim_id: ClaimId,
    /// The property.
    pub predicate: PropertyResolution,
    /// The normalized value.
    pub object: ResolvedObject,
    /// Conditions, sorted by property and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub qualifiers: Vec<ResolvedQualifier>,
    /// The bytes that say so: the published cell first, then lines of decisions.
    pub evidence: Vec<Evidence>,
    /// How sure the extractor was.
    pub confidence: Decimal,
    /// Set by decisions only.
    #[serde(default, skip_serializing_if = "Rank::is_normal")]
    pub rank: Rank,
}

/// A resolved condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolvedQualifier {
    /// The property.
    pub predicate: PropertyResolution,
    /// The value.
    pub object: ResolvedObject,
}

/// A normalized value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case", deny_unknown_fields)]
pub enum ResolvedObject {
    /// Another entity.
    Item(EntityResolution),
    /// Text.
    String(String),
    /// A number with an optional unit.
    Quantity(ResolvedQuantity),
    /// A date.
    Time(TimeValue),
    /// Text in a language.
    MonolingualText(MonolingualText),
    /// An address.
    Url(String),
}

impl ResolvedObject {
    /// The word for its kind, as rules and maps write it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Item(_) => "item",
            Self::String(_) => "string",
            Self::Quantity(_) => "quantity",
            Self::Time(_) => "time",
            Self::MonolingualText(_) => "monolingual-text",
            Self::Url(_) => "url",
        }
    }
}

/// A number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolvedQuantity {
    /// Exact amount.
    pub amount: Amount,
    /// Unit; none for a pure number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<EntityResolution>,
}

/// The batch: `batch.json` beside `documents.jsonl` and `entities.jsonl`, and after `decide` also
/// `adjudication.jsonl`. The SHA-256 of this file is the *subject* of reports and gates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolvedBatch {
    /// Always `3.0`.
    pub schema_version: SchemaVersion,
    /// Always `resolved_claim_ir_batch`.
    pub artifact_type: ResolvedBatchType,
    /// Stable content id of this document.
    pub batch_id: Digest,
    /// The build clock.
    pub created_at: Utc,
    /// The snapshots behind it.
    pub snapshot_set_id: Digest,
    /// The Claim-IR batch behind it.
    pub claim_batch_id: Digest,
    /// Who resolved.
    pub resolver: Tool,
    /// Digest of the registry that was used.
    pub registry_sha256: HexDigest,
    /// Folds, tie-breakers and limits in force.
    pub policies: ResolutionPolicies,
    /// Snapshots and decision files, sorted.
    pub sources: Vec<SourceRef>,
    /// The documents, in the order of the Claim-IR batch.
    pub documents: FileRef,
    /// The registry entries that the documents use, sorted by id.
    pub entities: FileRef,
    /// How many claims the documents hold.
    pub claims: u64,
    /// What `decide` did; absent before it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisions: Option<DecisionsRef>,
}

/// The constant `resolved_claim_ir_batch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ResolvedBatchType {
    /// The only value.
    #[serde(rename = "resolved_claim_ir_batch")]
    ResolvedClaimIrBatch,
}

/// The policies of a resolution (koa-contract 2.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolutionPolicies {
    /// Most candidates that an ambiguous name lists.
    pub candidate_top_k: u32,
    /// Order of candidates.
    pub tie_breakers: Vec<String>,
    /// Name and version of the folds.
    pub normalization_ruleset_id: String,
}
