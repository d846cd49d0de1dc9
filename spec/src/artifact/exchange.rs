//! The Exchange: canon (koa-contract 2.8). Immutable, content-addressed, read and written as a stream.
//!
//! The file is exactly the RFC 8785 bytes of the payload, so `kristal_id` is computed while writing and
//! checked while reading, in memory bounded by one item. Nothing volatile is inside: times, build ids and
//! inputs are in the manifest beside it, signatures in a file of their own.
//!
//! INVARIANT: evidence ascends by `evidence_id`, items by `entity_id`, statements by `statement_id`, all by
//! bytes and without repetition; every id follows from content; every evidence id is in the index.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod frame;
mod manifest;
mod read;
mod value;
mod write;

pub use manifest::{BuildRef, ExchangeManifest, ManifestExtensions, ManifestInputs};
pub use read::{ExchangePart, read_exchange};
pub use value::{DataValue, Datatype, DateValue, EntityValue, QuantityValue, TextValue};
pub use write::{ExchangeWriter, Written};

use super::evidence::Locator;
use super::resolved::Rank;
use super::{ArtifactError, ClaimId, EntityId, HexDigest, Pid, SchemaVersion};
use crate::Digest;
use crate::canonical;

/// The whole payload, for its schema; readers use [`read_exchange`] instead of materializing it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Always `exchange`.
    pub artifact_type: String,
    /// Always `kristal.v3:jcs-rfc8785`.
    pub canonicalization_profile: String,
    /// Always `1`.
    pub canonicalization_version: String,
    /// Pointers to the bytes behind statements.
    pub evidence_index: Vec<EvidenceEntry>,
    /// The items.
    pub exchange: ExchangeBody,
    /// Always `3.0`.
    pub exchange_version: SchemaVersion,
    /// SHA-256 of the canonical bytes without this member.
    pub kristal_id: Digest,
    /// Always `3.0`.
    pub schema_version: SchemaVersion,
}

/// The member `exchange`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeBody {
    /// Everything that is known, and every property and unit that it is said with.
    pub items: Vec<Item>,
}

/// A pointer to the bytes behind a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceEntry {
    /// Digest of the other members.
    pub evidence_id: Digest,
    /// SHA-256 of the bytes.
    pub excerpt_sha256: HexDigest,
    /// Where they are.
    pub locator: Locator,
    /// In which snapshot.
    pub snapshot_id: Digest,
    /// What the snapshot is called.
    pub source: String,
    /// Where it is published.
    pub source_uri: String,
}

#[derive(Serialize)]
struct EvidenceTarget<'a> {
    excerpt_sha256: HexDigest,
    locator: &'a Locator,
    snapshot_id: Digest,
    source: &'a str,
    source_uri: &'a str,
}

impl EvidenceEntry {
    /// An entry with its id.
    #[must_use]
    pub fn new(excerpt: HexDigest, locator: Locator, snapshot_id: Digest, source: &str, source_uri: &str) -> Self {
        let evidence_id =
            digest(&EvidenceTarget { excerpt_sha256: excerpt, locator: &locator, snapshot_id, source, source_uri });
        let (source, source_uri) = (source.to_owned(), source_uri.to_owned());
        Self { evidence_id, excerpt_sha256: excerpt, locator, snapshot_id, source, source_uri }
    }

    /// # Errors
    /// [`ArtifactError::Identity`] if the id does not follow from the content.
    pub fn check(&self) -> Result<(), ArtifactError> {
        let fresh =
            Self::new(self.excerpt_sha256, self.locator.clone(), self.snapshot_id, &self.source, &self.source_uri);
        same_id("an evidence entry", self.evidence_id, fresh.evidence_id)
    }
}

/// An entity and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Other names, by language; `mul` where no language is known.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Descriptions by language.
    pub descriptions: BTreeMap<String, String>,
    /// The id.
    pub entity_id: EntityId,
    /// Labels by language.
    pub labels: BTreeMap<String, String>,
    /// What is said, sorted by id.
    pub statements: Vec<Statement>,
    /// What it is.
    pub r#type: ItemType,
}

/// What an item is, in Wikibase's words; units are items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemType {
    /// A thing or a unit.
    Item,
    /// A property.
    Property,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The first claim behind it; further ones stand in `notes`.
    pub claim_id: ClaimId,
    /// What the value is for.
    pub datatype: Datatype,
    /// The value.
    pub datavalue: DataValue,
    /// Further claims merged into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// The property.
    pub property_id: Pid,
    /// Conditions, sorted by property, value and whole.
    pub qualifiers: Vec<Snak>,
    /// Rank.
    pub rank: Rank,
    /// Who says so, sorted by id; one for each claim.
    pub references: Vec<Reference>,
    /// Always `value`.
    pub snaktype: SnakType,
    /// Digest of subject, property, value, qualifiers and references.
    pub statement_id: Digest,
}

/// A remark on a statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// `MERGED_CLAIM`: an equal value from another claim.
    pub code: String,
    /// That claim's id.
    pub message: String,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Snak {
    /// What the value is for.
    pub datatype: Datatype,
    /// The value.
    pub datavalue: DataValue,
    /// The property.
    pub property_id: Pid,
    /// Always `value`.
    pub snaktype: SnakType,
}

/// The only kind of snak that the spine makes: missing values are no claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SnakType {
    /// There is a value.
    Value,
}

/// Why a statement is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Evidence, sorted.
    pub evidence_ids: Vec<Digest>,
    /// Digest of the other members.
    pub reference_id: Digest,
    /// Always empty: what a source is stands in its snapshot's manifest.
    pub snaks: Vec<Snak>,
}

#[derive(Serialize)]
struct ReferenceTarget<'a> {
    evidence_ids: &'a [Digest],
    snaks: &'a [Snak],
}

impl Reference {
    /// A reference with its id.
    #[must_use]
    pub fn new(mut evidence_ids: Vec<Digest>) -> Self {
        evidence_ids.sort_unstable();
        evidence_ids.dedup();
        let reference_id = digest(&ReferenceTarget { evidence_ids: &evidence_ids, snaks: &[] });
        Self { evidence_ids, reference_id, snaks: Vec::new() }
    }
}

#[derive(Serialize)]
struct StatementTarget<'a> {
    subject: &'a EntityId,
    property: &'a Pid,
    value: &'a DataValue,
    qualifiers: &'a [Snak],
    references: &'a [Reference],
}

impl Statement {
    /// The id that follows from the content (koa-contract 3.3).
    #[must_use]
    pub fn derive_id(&self, subject: &EntityId) -> Digest {
        digest(&StatementTarget {
            subject,
            property: &self.property_id,
            value: &self.datavalue,
            qualifiers: &self.qualifiers,
            references: &self.references,
        })
    }
}

impl Item {
    /// Holds the item to its invariants: order, ids, and that every evidence id satisfies `known`.
    ///
    /// # Errors
    /// [`ArtifactError`] naming the first statement that breaks one.
    pub fn check(&self, known: impl Fn(&Digest) -> bool) -> Result<(), ArtifactError> {
        let what = || format!("a statement of {}", self.entity_id);
        if !self.statements.is_sorted_by(|a, b| a.statement_id < b.statement_id) {
            return Err(ArtifactError::Order(format!("a list of statements ({})", self.entity_id)));
        }
        for statement in &self.statements {
            if !statement.references.is_sorted_by(|a, b| a.reference_id < b.reference_id) {
                return Err(ArtifactError::Order(format!("a list of references ({})", self.entity_id)));
            }
            if statement.references.is_empty() {
                return Err(ArtifactError::Rule(format!("{} has no reference", what())));
            }
            for reference in &statement.references {
                let fresh = Reference::new(reference.evidence_ids.clone());
                same_id("a reference", reference.reference_id, fresh.reference_id)?;
                if reference.evidence_ids.is_empty() || !reference.evidence_ids.iter().all(&known) {
                    return Err(ArtifactError::Dangling(format!("{} names evidence that is not there", what())));
                }
            }
            same_id(&what(), statement.statement_id, statement.derive_id(&self.entity_id))?;
        }
        Ok(())
    }
}

fn same_id(what: &str, declared: Digest, computed: Digest) -> Result<(), ArtifactError> {
    if declared == computed {
        return Ok(());
    }
    Err(ArtifactError::Identity {
        what: what.to_owned(),
        declared: declared.to_string(),
        computed: computed.to_string(),
    })
}

fn digest<T: Serialize>(target: &T) -> Digest {
    canonical::digest_of(target).expect("hash targets hold texts only")
}

#[cfg(test)]
mod tests;
