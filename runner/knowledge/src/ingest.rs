//! Ingest: raw files become snapshots with provenance. Nothing about the bytes changes.

use std::io::{Read, Write};

use orgo_spec::artifact::snapshot::{
    Connector, Integrity, Provenance, SetMember, SnapshotManifest, SnapshotManifestType, SnapshotSet, Source,
};
use orgo_spec::artifact::{SchemaVersion, Utc, pretty};
use orgo_spec::document::RelativePath;
use orgo_spec::{Digest, Hasher, Name, ReasonCode};
use serde::Deserialize;

use crate::error::{Refusals, SpineError};
use crate::folder::{ReadFolder, WriteFolder};
use crate::lines::{write_bytes, write_document};
use crate::tool::tool;

/// What `ingest` is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngestConfig {
    /// The sources.
    pub sources: Vec<SourceConfig>,
}

/// A source as its pipeline declares it. Texts may be empty here; [`ingest`] refuses that by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// What the pipeline calls it.
    pub name: Name,
    /// The committed file.
    pub file: RelativePath,
    /// License.
    #[serde(default)]
    pub license: String,
    /// Version.
    #[serde(default)]
    pub version: String,
    /// `YYYY-MM-DDThh:mm:ssZ` or `YYYY-MM-DD`.
    #[serde(default)]
    pub retrieved_at: String,
    /// Where it is published.
    #[serde(default)]
    pub uri: Option<String>,
    /// What its bytes must hash to.
    #[serde(default)]
    pub sha256: Option<Digest>,
}

/// Writes `payload/<hex>`, `manifests/<name>.json` and `set.json`.
///
/// # Errors
/// `PROVENANCE_INCOMPLETE`, `INPUT_MISSING`, `SNAPSHOT_HASH_MISMATCH`, or what the folders report.
pub fn ingest(
    config: &IngestConfig,
    files: &dyn ReadFolder,
    out: &mut dyn WriteFolder,
) -> Result<SnapshotSet, SpineError> {
    let mut refusals = Refusals::default();
    let mut members: Vec<SetMember> = Vec::new();
    let mut newest: Option<Utc> = None;
    for source in &config.sources {
        if members.iter().any(|m| m.name == source.name) {
            refusals.push(ReasonCode::FieldDuplicate, format!("two sources are called `{}`", source.name));
            continue;
        }
        let Some(provenance) = provenance(source, &mut refusals) else { continue };
        let Some(member) = snapshot(source, &provenance, files, out, &mut refusals)? else { continue };
        newest = newest.max(Some(provenance.retrieved_at));
        members.push(member);
    }
    refusals.check()?;
    let nothing = || SpineError::refused(ReasonCode::ProvenanceIncomplete, "there is no source to take a snapshot of");
    let set = newest.and_then(|newest| SnapshotSet::new(members, newest)).ok_or_else(nothing)?;
    write_document(out, "set.json", &set)?;
    Ok(set)
}

fn provenance(source: &SourceConfig, refusals: &mut Refusals) -> Option<Provenance> {
    let retrieved_at = Utc::from_date_or_moment(&source.retrieved_at);
    let missing: Vec<_> = [
        ("license", source.license.trim().is_empty()),
        ("version", source.version.trim().is_empty()),
        ("retrieved-at", retrieved_at.is_none()),
    ]
    .into_iter()
    .filter_map(|(field, missing)| missing.then_some(format!("`{field}`")))
    .collect();
    if !missing.is_empty() {
        let message = format!("source `{}` lacks {}", source.name, missing.join(", "));
        refusals.push(ReasonCode::ProvenanceIncomplete, message);
    }
    Some(Provenance {
        source: Source {
            uri: source.uri.clone(),
            path: source.file.clone(),
            connector_type: Connector::RepositoryFile,
        },
        retrieved_at: retrieved_at?,
        license: source.license.clone(),
        version: source.version.clone(),
    })
}

fn snapshot(
    source: &SourceConfig,
    provenance: &Provenance,
    files: &dyn ReadFolder,
    out: &mut dyn WriteFolder,
    refusals: &mut Refusals,
) -> Result<Option<SetMember>, SpineError> {
    let path = source.file.as_str();
    let Some(mut input) = files.open(path)? else {
        refusals.push(ReasonCode::InputMissing, format!("source `{}`: there is no `{path}`", source.name));
        return Ok(None);
    };
    // The name of the copy is its digest, so the file is read twice: once to hash, once to copy.
    let (snapshot_id, size_bytes) = Digest::of_reader(&mut input)?;
    if let Some(pinned) = source.sha256.filter(|pinned| *pinned != snapshot_id) {
        let message = format!("source `{}`: `{path}` is {snapshot_id}, pinned is {pinned}", source.name);
        refusals.push(ReasonCode::SnapshotHashMismatch, message);
        return Ok(None);
    }
    input.rewind()?;
    let mut copy = out.create(&format!("payload/{}", snapshot_id.hex()))?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = input.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        copy.write_all(&buffer[..read])?;
    }
    copy.flush()?;
    if hasher.finish() != snapshot_id {
        return Err(SpineError::refused(ReasonCode::InputChanged, format!("`{path}` changed while it was read")));
    }
    let manifest = SnapshotManifest {
        schema_version: SchemaVersion::current(),
        artifact_type: SnapshotManifestType::SnapshotManifest,
        name: source.name.clone(),
        snapshot_id,
        size_bytes,
        media_type: media_type(path).to_owned(),
        provenance: provenance.clone(),
        transforms: Vec::new(),
        adapter: tool("ingest", &[]),
        integrity: Integrity { hash: snapshot_id.into() },
    };
    let bytes = pretty(&manifest);
    write_bytes(out, &format!("manifests/{}.json", source.name), &bytes)?;
    Ok(Some(SetMember { snapshot_id, manifest_digest: Digest::of(&bytes), name: source.name.clone() }))
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("jsonl") => "application/jsonl",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}
