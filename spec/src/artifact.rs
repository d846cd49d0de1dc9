//! The documents of the knowledge spine: closed types, strict readers, and the ids that follow from content.
//!
//! * [`snapshot`]: raw bytes with provenance. [`claim`]: Claim-IR. [`registry`]: local names for things.
//! * [`resolved`]: Resolved Claim-IR and [`resolved::Adjudication`]. [`report`]: the Validation Report.
//! * [`Accepted`]: the proof that a report passed about exactly one input; compilers take it.
//! * [`exchange`]: canon, written and verified as a stream. [`pack`]: the Runtime Pack's manifest.
//!
//! Shapes are those of Kristal v4 (koa-contract 2.4–2.15) with its v3-branded wire constants. Where they
//! differ, `docs/formats/` says so: numbers are decimal texts, evidence has exact byte ranges.
//! INVARIANT: no document holds a float, a host name or a time of day other than the build clock.

mod accepted;
pub mod claim;
mod common;
pub mod evidence;
pub mod exchange;
mod ids;
pub mod pack;
pub mod registry;
pub mod report;
pub mod resolved;
pub mod snapshot;

pub use accepted::{Accepted, NotAccepted};
pub use common::{ClaimId, EntityId, FileRef, HexDigest, Pid, Qid, SchemaVersion, Sha256Object, Tool, Utc};
pub use ids::{
    KRISTAL_VOLATILE, PACK_ID_PROFILE, STABLE_CONTENT_PROFILE, hash_target, kristal_id, runtime_pack_id,
    stable_content_id,
};

use schemars::schema_for;

use crate::canonical::JsonError;

/// The `schema_version` of every Kristal document (koa-contract 0.3: v4 keeps it).
pub const SCHEMA_VERSION: &str = "3.0";

/// A document that cannot be what it says it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// Not JSON of the strict profile, or not of the document's shape.
    #[error("{what} is not readable: {error}")]
    Json {
        /// Which document.
        what: String,
        /// What the reader found.
        error: JsonError,
    },
    /// The bytes are not the canonical bytes of what they say.
    #[error("{0} is not in canonical form")]
    NotCanonical(String),
    /// An id or digest does not follow from the content.
    #[error("{what} says `{declared}`, its content gives `{computed}`")]
    Identity {
        /// Which document or part.
        what: String,
        /// The id it carries.
        declared: String,
        /// The id that its content has.
        computed: String,
    },
    /// Parts are not in the order that the format demands, or one stands twice.
    #[error("{0} is out of order or stands twice")]
    Order(String),
    /// Something refers to a part that is not there.
    #[error("{0}")]
    Dangling(String),
    /// A rule of the format that the shape alone does not hold.
    #[error("{0}")]
    Rule(String),
}

impl ArtifactError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> crate::ReasonCode {
        match self {
            Self::Json { error, .. } => error.code(),
            Self::Identity { .. } => crate::ReasonCode::FileHashMismatch,
            Self::NotCanonical(_) | Self::Order(_) | Self::Dangling(_) | Self::Rule(_) => {
                crate::ReasonCode::SchemaInvalid
            }
        }
    }
}

/// Reads one document of at most 1 GiB strictly: profile first, then shape.
///
/// # Errors
/// [`ArtifactError::Json`], naming `what`.
pub fn read<T: serde::de::DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, ArtifactError> {
    crate::canonical::from_slice(bytes, crate::canonical::Profile::DOCUMENT)
        .map_err(|error| ArtifactError::Json { what: what.to_owned(), error })
}

/// The reviewer's form of a document.
///
/// # Panics
/// Never for the types of this module: they hold no float and no integer beyond 2^53−1.
#[must_use]
pub fn pretty<T: serde::Serialize>(document: &T) -> Vec<u8> {
    crate::canonical::pretty_of(document).expect("artifact types hold no float and no large integer")
}

/// The canonical bytes of a document, without a line feed.
///
/// # Panics
/// As [`pretty`].
#[must_use]
pub fn canonical<T: serde::Serialize>(document: &T) -> Vec<u8> {
    crate::canonical::bytes_of(document).expect("artifact types hold no float and no large integer")
}

/// The JSON Schemas of all artifacts: file stem and schema.
#[must_use]
pub fn schemas() -> Vec<(&'static str, schemars::Schema)> {
    vec![
        ("adjudication", schema_for!(resolved::Adjudication)),
        ("claim-ir", schema_for!(claim::ClaimDocument)),
        ("claim-ir-batch", schema_for!(claim::ClaimBatch)),
        ("exchange", schema_for!(exchange::Exchange)),
        ("exchange-manifest", schema_for!(exchange::ExchangeManifest)),
        ("registry-entry", schema_for!(registry::RegistryEntry)),
        ("resolved-claim-ir", schema_for!(resolved::ResolvedDocument)),
        ("resolved-claim-ir-batch", schema_for!(resolved::ResolvedBatch)),
        ("runtime-pack-capabilities", schema_for!(pack::Capabilities)),
        ("runtime-pack-manifest", schema_for!(pack::PackManifest)),
        ("runtime-pack-row", schema_for!(pack::Row)),
        ("snapshot-manifest", schema_for!(snapshot::SnapshotManifest)),
        ("snapshot-set", schema_for!(snapshot::SnapshotSet)),
        ("validation-report", schema_for!(report::ValidationReport)),
    ]
}
