//! Snapshots: raw bytes with provenance (koa-contract 2.4).
//!
//! The id of a snapshot is the digest of its bytes alone; provenance lives in its manifest, and the set
//! binds both. The newest `retrieved_at` of a set is the build clock of everything made from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ArtifactError, SchemaVersion, Sha256Object, Tool, Utc};
use crate::document::RelativePath;
use crate::{Digest, Name, canonical};

/// What is known about one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotManifest {
    /// Always `3.0`.
    pub schema_version: SchemaVersion,
    /// Always `snapshot_manifest`.
    pub artifact_type: SnapshotManifestType,
    /// What the pipeline calls the source.
    pub name: Name,
    /// SHA-256 of the payload's bytes.
    pub snapshot_id: Digest,
    /// Length of the payload.
    pub size_bytes: u64,
    /// Media type, by the file's extension.
    pub media_type: String,
    /// Where it is from and under what terms.
    pub provenance: Provenance,
    /// Transport transforms applied before hashing; `ingest` applies none.
    pub transforms: Vec<Transform>,
    /// The program that took the snapshot.
    pub adapter: Tool,
    /// The payload's hash again, in Kristal's form.
    pub integrity: Integrity,
}

/// The constant `snapshot_manifest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SnapshotManifestType {
    /// The only value.
    #[serde(rename = "snapshot_manifest")]
    SnapshotManifest,
}

/// Where bytes are from and under what terms. License, version and date are never optional.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The place.
    pub source: Source,
    /// When the bytes were taken from there.
    pub retrieved_at: Utc,
    /// License under which they came: an SPDX expression where one fits.
    pub license: String,
    /// Version of the source.
    pub version: String,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where the source is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The committed file that was read.
    pub path: RelativePath,
    /// How it was read.
    pub connector_type: Connector,
}

/// How bytes were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Connector {
    /// A file of the repository.
    RepositoryFile,
}

/// One deterministic transform of the container, never of the meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transform {
    /// Program.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// What it did.
    pub step: String,
    /// Digest of its parameters.
    pub params_hash: Digest,
    /// Bytes before.
    pub input_sha256: Digest,
    /// Bytes after.
    pub output_sha256: Digest,
}

/// A hash in Kristal's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Integrity {
    /// SHA-256 of the payload.
    pub hash: Sha256Object,
}

/// The snapshots of one build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotSet {
    /// Always `3.0`.
    pub schema_version: SchemaVersion,
    /// Always `snapshot_set`.
    pub artifact_type: SnapshotSetType,
    /// Digest over the sorted pairs of snapshot id and manifest digest.
    pub snapshot_set_id: Digest,
    /// The build clock: the newest `retrieved_at`.
    pub created_at: Utc,
    /// Members, sorted by snapshot id, then manifest digest.
    pub snapshots: Vec<SetMember>,
}

/// The constant `snapshot_set`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SnapshotSetType {
    /// The only value.
    #[serde(rename = "snapshot_set")]
    SnapshotSet,
}

/// One member of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetMember {
    /// The payload: `payload/<hex>`.
    pub snapshot_id: Digest,
    /// SHA-256 of the manifest's bytes.
    pub manifest_digest: Digest,
    /// The source's name: `manifests/<name>.json`.
    pub name: Name,
}

#[derive(Serialize)]
struct MemberTarget {
    snapshot_id: Digest,
    manifest_digest: Digest,
}

impl SnapshotSet {
    /// The set of `members`; `None` if there is none, because then there is no build clock.
    #[must_use]
    pub fn new(mut members: Vec<SetMember>, newest: Utc) -> Option<Self> {
        members.sort();
        members.dedup();
        (!members.is_empty()).then(|| Self {
            schema_version: SchemaVersion::current(),
            artifact_type: SnapshotSetType::SnapshotSet,
            snapshot_set_id: set_id(&members),
            created_at: newest,
            snapshots: members,
        })
    }

    /// Reads a set and recomputes its id.
    ///
    /// # Errors
    /// [`ArtifactError`] for another shape, another order or another id.
    pub fn read(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let set: Self = super::read("the snapshot set", bytes)?;
        if set.snapshots.is_empty() || !set.snapshots.is_sorted_by(|a, b| a < b) {
            return Err(ArtifactError::Order("the list of snapshots".to_owned()));
        }
        let computed = set_id(&set.snapshots);
        if computed != set.snapshot_set_id {
            return Err(ArtifactError::Identity {
                what: "the snapshot set".to_owned(),
                declared: set.snapshot_set_id.to_string(),
                computed: computed.to_string(),
            });
        }
        Ok(set)
    }
}

fn set_id(members: &[SetMember]) -> Digest {
    let targets: Vec<_> = members
        .iter()
        .map(|m| MemberTarget { snapshot_id: m.snapshot_id, manifest_digest: m.manifest_digest })
        .collect();
    canonical::digest_of(&targets).expect("digests are text")
}

/// What batches and canon remember of a snapshot: the row of their `sources` table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceRef {
    /// The source's name; for decisions, the file's path.
    pub name: String,
    /// Digest of its bytes.
    pub snapshot_id: Digest,
    /// What it is.
    pub kind: SourceKind,
    /// Where it is published: its URI, or `file:` and the path in the repository.
    pub source_uri: String,
    /// License.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it was retrieved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrieved_at: Option<Utc>,
}

/// What evidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Published data.
    Data,
    /// A file of stewards' decisions.
    Decisions,
}

impl From<&SnapshotManifest> for SourceRef {
    fn from(manifest: &SnapshotManifest) -> Self {
        let provenance = &manifest.provenance;
        Self {
            name: manifest.name.to_string(),
            snapshot_id: manifest.snapshot_id,
            kind: SourceKind::Data,
            source_uri: provenance.source.uri.clone().unwrap_or_else(|| format!("file:{}", provenance.source.path)),
            license: Some(provenance.license.clone()),
            version: Some(provenance.version.clone()),
            retrieved_at: Some(provenance.retrieved_at.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> SetMember {
        SetMember {
            snapshot_id: Digest::of(name.as_bytes()),
            manifest_digest: Digest::of(format!("m{name}").as_bytes()),
            name: Name::new(name).expect("a name"),
        }
    }

    #[test]
    fn the_id_of_a_set_depends_on_its_members_only() {
        let clock = |text| Utc::new(text).expect("a moment");
        let (early, late) = (clock("2026-01-01T00:00:00Z"), clock("2026-02-01T00:00:00Z"));
        let one = SnapshotSet::new(vec![member("a"), member("b")], early.clone()).expect("two members");
        let two = SnapshotSet::new(vec![member("b"), member("a"), member("a")], late).expect("two members");
        assert_eq!(one.snapshot_set_id, two.snapshot_set_id);
        assert_eq!(SnapshotSet::new(Vec::new(), early), None);
        let mut altered = one.clone();
        altered.snapshots[0].manifest_digest = Digest::EMPTY;
        assert!(SnapshotSet::read(&super::super::pretty(&altered)).is_err());
        assert_eq!(SnapshotSet::read(&super::super::pretty(&one)), Ok(one));
    }
}
