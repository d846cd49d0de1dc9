//! The adapter that turns a built-in tool into a process: folders and files in, one folder out.
//!
//! The working folder holds `.orgo/config.json` (`docs/formats/stages.md`), repository files at their
//! paths, and outputs of earlier stages where `inputs` says. Each tool finds what it reads by *kind* (a
//! folder with `set.json`, with a `batch.json` of the right type, and so on), so any program that keeps
//! the file contract can take the place of the stage before it. A tool that refuses leaves no file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use orgo_knowledge::{SpineError, decide, exchange, extract, ingest, pack, resolve, validate};
use orgo_spec::artifact::{Accepted, NotAccepted};
use orgo_spec::canonical::{Profile, from_slice};
use orgo_spec::document::{Document, DocumentError, RelativePath};
use orgo_spec::{Digest, ReasonCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

mod folder;
mod inputs;

use folder::{Folder, TempSpill};
use inputs::Inputs;

/// Why a tool refuses: a reason for programs, a message for people.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct StageError {
    /// The reason.
    pub(crate) code: ReasonCode,
    /// What, where, and what to do.
    pub(crate) message: String,
    /// The document that is wrong, if that is why: it can show its places.
    pub(crate) document: Option<Box<DocumentError>>,
}

impl StageError {
    fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), document: None }
    }
}

impl From<SpineError> for StageError {
    fn from(error: SpineError) -> Self {
        let (code, message) = (error.code(), error.to_string());
        let document = if let SpineError::Document(document) = error { Some(document) } else { None };
        Self { code, message, document }
    }
}

impl From<NotAccepted> for StageError {
    fn from(error: NotAccepted) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<std::io::Error> for StageError {
    fn from(error: std::io::Error) -> Self {
        Self::new(ReasonCode::StageFailed, format!("reading or writing failed: {error}"))
    }
}

/// `.orgo/config.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    tool: String,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted for people who read the file; nothing may depend on it")]
    stage: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted for people who read the file; nothing may depend on it")]
    pipeline: Option<String>,
    #[serde(default)]
    inputs: BTreeMap<String, RelativePath>,
    #[serde(default)]
    config: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MapConfig {
    map: RelativePath,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegistryConfig {
    registry: RelativePath,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionsConfig {
    decisions: Vec<RelativePath>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesConfig {
    rules: RelativePath,
}

/// What a tool writes, relative to its working folder; nothing for a name that is no tool.
#[must_use]
pub(crate) fn outputs(tool: &str) -> &'static [&'static str] {
    match tool {
        "ingest" => &["snapshots"],
        "extract" => &["claims"],
        "resolve" => &["resolved"],
        "decide" => &["decided"],
        "validate" => &["report"],
        "compile-exchange" => &["exchange"],
        "compile-pack" => &["pack"],
        _ => &[],
    }
}

/// Runs a tool in the working folder `root`.
///
/// A report that says `failed` is no error: the gate decides about it.
///
/// # Errors
/// [`StageError`]; then the tool's folder is empty.
pub(crate) fn run(tool: &str, root: &Path) -> Result<(), StageError> {
    let Some(output) = outputs(tool).first() else {
        return Err(StageError::new(ReasonCode::ToolMissing, format!("no built-in tool is called `{tool}`")));
    };
    let bytes = fs::read(root.join(".orgo/config.json"))
        .map_err(|e| StageError::new(ReasonCode::InputMissing, format!("`.orgo/config.json` cannot be read: {e}")))?;
    let config: Config = from_slice(&bytes, Profile::DOCUMENT)
        .map_err(|e| StageError::new(e.code(), format!("`.orgo/config.json` is not a configuration: {e}")))?;
    if config.tool != tool {
        let message = format!("`.orgo/config.json` configures `{}`, not `{tool}`", config.tool);
        return Err(StageError::new(ReasonCode::DocumentInvalid, message));
    }
    let out = root.join(output);
    clear(&out)?;
    let inputs = Inputs::new(root, config.inputs.into_values().collect());
    let done = dispatch(tool, root, config.config, &inputs, &mut Folder::new(&out));
    if done.is_err() {
        // Nothing that a failed tool wrote may be mistaken for its result.
        clear(&out)?;
    }
    done
}

fn dispatch(
    tool: &str,
    root: &Path,
    config: serde_json::Value,
    inputs: &Inputs<'_>,
    out: &mut Folder,
) -> Result<(), StageError> {
    match tool {
        "ingest" => {
            ingest::ingest(&settings(config)?, &Folder::new(root), out)?;
        }
        "extract" => {
            let MapConfig { map } = settings(config)?;
            extract::extract(&inputs.snapshots()?, &document(root, &map)?, out)?;
        }
        "resolve" => {
            let RegistryConfig { registry } = settings(config)?;
            resolve::resolve(&inputs.claims()?, &read(root, &registry)?, out)?;
        }
        "decide" => {
            let DecisionsConfig { decisions } = settings(config)?;
            let files = decisions.into_iter().map(|path| Ok((path.clone(), text(root, &path)?)));
            decide::decide(&inputs.resolved()?, &files.collect::<Result<Vec<_>, StageError>>()?, out)?;
        }
        "validate" => {
            let RulesConfig { rules } = settings(config)?;
            let rules = document(root, &rules)?;
            validate::validate(&inputs.resolved()?, &inputs.snapshots()?, &rules, &TempSpill, out)?;
        }
        "compile-exchange" => {
            let decided = inputs.resolved()?;
            let batch = orgo_knowledge::read_all(&decided, "batch.json")?;
            let accepted = Accepted::from_report(&inputs.report()?, Digest::of(&batch))?;
            exchange::compile_exchange(&accepted, &decided, &TempSpill, out)?;
        }
        "compile-pack" => {
            let canon = inputs.canon()?;
            let bytes = orgo_knowledge::read_all(&canon, exchange::MANIFEST)?;
            let manifest = orgo_spec::artifact::exchange::ExchangeManifest::read(&bytes).map_err(SpineError::from)?;
            let accepted = Accepted::from_report(&inputs.report()?, manifest.extensions.subject_digest)?;
            pack::compile_pack(&accepted, &canon, out)?;
        }
        _ => return Err(StageError::new(ReasonCode::ToolMissing, format!("no built-in tool is called `{tool}`"))),
    }
    Ok(())
}

/// Empties a folder and makes sure that it exists. The folder itself stays: a sandbox may have made it
/// the only place that can be written.
fn clear(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

fn settings<T: DeserializeOwned>(config: serde_json::Value) -> Result<T, StageError> {
    let config = if config.is_null() { serde_json::Value::Object(serde_json::Map::new()) } else { config };
    serde_json::from_value(config)
        .map_err(|e| StageError::new(ReasonCode::DocumentInvalid, format!("`.orgo/config.json`: {e}")))
}

fn read(root: &Path, path: &RelativePath) -> Result<Vec<u8>, StageError> {
    fs::read(root.join(path.as_str()))
        .map_err(|e| StageError::new(ReasonCode::InputMissing, format!("`{path}` cannot be read: {e}")))
}

fn text(root: &Path, path: &RelativePath) -> Result<String, StageError> {
    let bytes = read(root, path)?;
    let what = |_| StageError::new(ReasonCode::DocumentInvalid, format!("`{path}` is not UTF-8"));
    String::from_utf8(bytes).map_err(what)
}

fn document(root: &Path, path: &RelativePath) -> Result<Document, StageError> {
    Ok(Document::new(path.as_str(), text(root, path)?))
}

#[cfg(test)]
mod tests;
