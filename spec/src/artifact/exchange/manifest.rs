//! The Exchange Manifest (koa-contract 2.9): who made it from what. Never part of `kristal_id`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::artifact::snapshot::SourceRef;
use crate::artifact::{ArtifactError, FileRef, SchemaVersion, Sha256Object, Utc};
use crate::canonical::{CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION};

/// `exchange-manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeManifest {
    /// Always `3.0`.
    pub schema_version: SchemaVersion,
    /// The build clock.
    pub created_at: Utc,
    /// The Exchange.
    pub kristal_id: Digest,
    /// Always `kristal.v3:jcs-rfc8785`.
    pub canonicalization_profile: String,
    /// Always `1`.
    pub canonicalization_version: String,
    /// The digest of `kristal_id` again.
    pub content_hash: Sha256Object,
    /// Who made it.
    pub build: BuildRef,
    /// What it was made from.
    pub inputs: ManifestInputs,
    /// Signatures over the digest of `kristal_id`; emitted in a file of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<crate::artifact::pack::Signature>,
    /// Ours.
    pub extensions: ManifestExtensions,
}

/// Who made an artifact, without host, commit or time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildRef {
    /// Follows from inputs and configuration.
    pub build_id: String,
    /// Name of the compiler.
    pub compiler_name: String,
    /// Version of the compiler.
    pub compiler_version: String,
    /// Digest of its configuration.
    pub config_hash: Digest,
}

/// What an Exchange was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManifestInputs {
    /// The snapshot set.
    pub source_snapshot_id: Digest,
    /// The Claim-IR batch.
    pub claim_ir_ids: Vec<Digest>,
    /// The resolved batch.
    pub resolved_claim_ir_ids: Vec<Digest>,
}

/// What Kristal's closed shape has no slot for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManifestExtensions {
    /// SHA-256 of the `batch.json` that was compiled: the subject of the report.
    pub subject_digest: Digest,
    /// SHA-256 of the report that accepted it.
    pub report_digest: Digest,
    /// The payload file.
    pub payload: FileRef,
    /// Items in it.
    pub items: u64,
    /// Statements in it.
    pub statements: u64,
    /// Evidence entries in it.
    pub evidence: u64,
    /// Snapshots with license and version, and files of decisions.
    pub sources: Vec<SourceRef>,
}

impl ExchangeManifest {
    /// Reads a manifest and holds it to what it says about itself.
    ///
    /// # Errors
    /// [`ArtifactError`] for another shape, another canonical form, or two different ids.
    pub fn read(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let manifest: Self = crate::artifact::read("the Exchange manifest", bytes)?;
        if manifest.canonicalization_profile != CANONICALIZATION_PROFILE
            || manifest.canonicalization_version != CANONICALIZATION_VERSION
        {
            return Err(ArtifactError::Rule("the Exchange manifest names another canonical form".to_owned()));
        }
        if manifest.content_hash.value.0 != manifest.kristal_id {
            return Err(ArtifactError::Identity {
                what: "the Exchange manifest".to_owned(),
                declared: manifest.content_hash.value.to_string(),
                computed: manifest.kristal_id.hex(),
            });
        }
        Ok(manifest)
    }
}
