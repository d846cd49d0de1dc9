//! What a run that compiled claims: Exchange and Runtime Pack, by the ids in their manifests.

use orgo_host::run::{RunOutcome, StageOutcome};
use orgo_host::store::Store;
use orgo_kernel::key::{Blob, OutputKind};
use orgo_kernel::plan::{Action, Compiler as Which, Resolved};
use orgo_spec::ReasonCode;
use orgo_spec::blueprint::Blueprint;
use orgo_spec::canonical::{self, Profile, Value};
use orgo_spec::record::{Artifact, Compiler, KristalOutputs};
use orgo_spec::schema::schema_set_id;

use crate::failure::{Class, Failure};
use crate::pins::CONTRACT_VERSION;

/// The contract that artifacts follow, for pipelines of the spine.
pub(super) fn pin(plan: &Resolved, blueprint: Option<&Blueprint>) -> Option<Compiler> {
    plan.kristal.then(|| Compiler {
        digest: blueprint.map_or_else(schema_set_id, |b| b.pins.kristal.schema_set_id),
        name: "kristal".to_owned(),
        version: blueprint.map_or_else(|| CONTRACT_VERSION.to_owned(), |b| b.pins.kristal.version.clone()),
    })
}

/// The outputs of the compile stages, if there are any.
///
/// # Errors
/// [`Failure`] if a manifest cannot be read: then nothing may be claimed.
pub(super) fn outputs(plan: &Resolved, outcome: &RunOutcome, store: &Store) -> Result<Option<KristalOutputs>, Failure> {
    let of = |which: Which| {
        let mut stages = plan.stages.iter().zip(&outcome.stages);
        stages.find(|(s, o)| s.action == Action::Compile(which) && o.tree.is_some()).map(|(_, o)| o)
    };
    let Some(exchange) = of(Which::Exchange) else { return Ok(None) };
    let (manifest_blob, manifest) = manifest(exchange, "exchange-manifest.json", store)?;
    let kristal_id = text(&manifest, "kristal_id")?.parse().map_err(|_| unreadable("exchange-manifest.json"))?;
    let mut outputs = KristalOutputs {
        exchange_hashes: files(exchange),
        exchange_manifest_ref: manifest_blob.digest,
        kristal_id,
        payload_hashes: Vec::new(),
        runtime_pack_id: None,
        runtime_pack_manifest_ref: None,
    };
    if let Some(pack) = of(Which::Pack) {
        let (manifest_blob, manifest) = self::manifest(pack, "runtime-pack-manifest.json", store)?;
        outputs.runtime_pack_id = Some(text(&manifest, "runtime_pack_id")?);
        outputs.runtime_pack_manifest_ref = Some(manifest_blob.digest);
        outputs.payload_hashes = files(pack);
    }
    Ok(Some(outputs))
}

fn files(stage: &StageOutcome) -> Vec<Artifact> {
    let file = |o: &orgo_kernel::key::Output| match &o.kind {
        OutputKind::File { blob, .. } => Some(Artifact { digest: blob.digest, name: o.path.clone() }),
        OutputKind::Link(_) | OutputKind::EmptyFolder => None,
    };
    stage.outputs.iter().filter_map(file).collect()
}

fn manifest(stage: &StageOutcome, name: &str, store: &Store) -> Result<(Blob, Value), Failure> {
    let blob = stage.outputs.iter().find_map(|o| match &o.kind {
        OutputKind::File { blob, .. } if o.path.rsplit('/').next() == Some(name) => Some(*blob),
        OutputKind::File { .. } | OutputKind::Link(_) | OutputKind::EmptyFolder => None,
    });
    let blob = blob.ok_or_else(|| unreadable(name))?;
    let bytes = store.get(blob.digest)?;
    let value = canonical::parse(&bytes, Profile::DOCUMENT).map_err(|_| unreadable(name))?;
    Ok((blob, value))
}

fn text(manifest: &Value, field: &str) -> Result<String, Failure> {
    manifest.get(field).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| unreadable(field))
}

fn unreadable(what: &str) -> Failure {
    let code = ReasonCode::SchemaInvalid;
    Failure::message(Class::Integrity, Some(code), format!("the compiled `{what}` cannot be read"), code.remedy())
}
