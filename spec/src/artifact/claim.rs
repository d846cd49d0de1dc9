//! Claim-IR: what a source says, as it says it; proposals, never truth (koa-contract 2.5).
//!
//! Stricter than Kristal's schema: `claim_id`, evidence and confidence are required. Different from it:
//! amounts and confidence are decimal texts (an amount exactly as published), evidence has a byte range,
//! and a reference to an entity may name the key space that its surface belongs to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Locator};
use super::snapshot::SourceRef;
use super::{ClaimId, FileRef, SchemaVersion, Tool, Utc};
use crate::{Decimal, Digest, canonical};

/// What one record of one snapshot says about one subject: one line of `documents.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimDocument {
    /// Always `3.0`.
    pub schema_version: SchemaVersion,
    /// Which record.
    pub document: DocumentRef,
    /// Who says so, as written.
    pub subject: EntityRef,
    /// What is said; may be empty.
    pub claims: Vec<Claim>,
}

/// A record of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentRef {
    /// Source name and line: `mendeleev:2`.
    pub doc_id: String,
    /// Snapshot id.
    pub source_id: Digest,
}

/// A reference to an entity, still unresolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityRef {
    /// The name as written.
    pub surface: String,
    /// The key space of the registry that the name belongs to; a label otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A reference to a property, still unresolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PropertyRef {
    /// The name that the map gives it.
    pub surface: String,
}

/// One claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Follows from snapshot, place and property.
    pub claim_id: ClaimId,
    /// The property.
    pub predicate: PropertyRef,
    /// The value.
    pub object: ClaimObject,
    /// Conditions under which it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub qualifiers: Vec<ClaimQualifier>,
    /// The bytes that say so; at least one.
    pub evidence: Vec<Evidence>,
    /// How sure the extractor is, 0 to 1; a map is always sure.
    pub confidence: Decimal,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimQualifier {
    /// The property.
    pub predicate: PropertyRef,
    /// The value.
    pub object: ClaimObject,
}

/// A value as published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClaimObject {
    /// Another entity.
    Item(EntityRef),
    /// Text.
    String(String),
    /// A number with an optional unit.
    Quantity(PublishedQuantity),
    /// A date.
    Time(TimeValue),
    /// Text in a language.
    MonolingualText(MonolingualText),
    /// An address.
    Url(String),
}

/// A number exactly as published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedQuantity {
    /// The text of the cell: `8.2e-05`.
    pub amount: String,
    /// Name of the unit, from the map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A date.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeValue {
    /// `YYYY-MM-DD`; parts finer than the precision are `01`.
    pub iso8601: String,
    /// What of it counts.
    pub precision: TimePrecision,
}

/// How much of a date counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimePrecision {
    /// The year.
    Year,
    /// Year and month.
    Month,
    /// The day.
    Day,
}

impl TimeValue {
    /// Reads `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (padded, precision) = match text.len() {
            4 => (format!("{text}-01-01"), TimePrecision::Year),
            7 => (format!("{text}-01"), TimePrecision::Month),
            10 => (text.to_owned(), TimePrecision::Day),
            _ => return None,
        };
        Utc::from_date_or_moment(&padded).filter(|_| padded.len() == 10)?;
        Some(Self { iso8601: padded, precision })
    }

    /// The text that [`TimeValue::parse`] reads back.
    #[must_use]
    pub fn text(&self) -> &str {
        let length = match self.precision {
            TimePrecision::Year => 4,
            TimePrecision::Month => 7,
            TimePrecision::Day => 10,
        };
        self.iso8601.get(..length).unwrap_or(&self.iso8601)
    }
}

/// Text in a language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MonolingualText {
    /// The text.
    pub text: String,
    /// BCP 47 tag.
    pub lang: String,
}

#[derive(Serialize)]
struct ClaimTarget<'a> {
    source_id: Digest,
    source: &'a str,
    locator: &'a Locator,
    property: &'a str,
}

impl ClaimId {
    /// The id of the claim that `property` has the value at `locator` of the snapshot called `source`.
    #[must_use]
    pub fn derive(source_id: Digest, source: &str, locator: &Locator, property: &str) -> Self {
        let target = ClaimTarget { source_id, source, locator, property };
        Self::of(canonical::digest_of(&target).expect("texts only"))
    }
}

/// The batch: `batch.json` beside `documents.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimBatch {
    /// Always `3.0`.
    pub schema_version: SchemaVersion,
    /// Always `claim_ir_batch`.
    pub artifact_type: ClaimBatchType,
    /// Stable content id of this document.
    pub batch_id: Digest,
    /// The build clock.
    pub created_at: Utc,
    /// The set that was read.
    pub snapshot_set_id: Digest,
    /// Who extracted.
    pub extractor: Tool,
    /// The snapshots, sorted by name.
    pub sources: Vec<SourceRef>,
    /// The documents, in the order of sources and records.
    pub documents: FileRef,
    /// How many claims they hold.
    pub claims: u64,
}

/// The constant `claim_ir_batch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClaimBatchType {
    /// The only value.
    #[serde(rename = "claim_ir_batch")]
    ClaimIrBatch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_say_how_precise_they_are() {
        for (text, iso, precision) in [
            ("1766", "1766-01-01", TimePrecision::Year),
            ("1766-05", "1766-05-01", TimePrecision::Month),
            ("2024-02-29", "2024-02-29", TimePrecision::Day),
        ] {
            let time = TimeValue::parse(text).expect("a date");
            assert_eq!((time.iso8601.as_str(), time.precision), (iso, precision));
            assert_eq!(time.text(), text);
        }
        for refused in ["", "66", "17661", "2023-02-29", "2024-2-9", "2024-13", "abcd"] {
            assert_eq!(TimeValue::parse(refused), None, "{refused}");
        }
    }
}
