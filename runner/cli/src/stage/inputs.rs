//! Finds what a tool reads among the outputs of earlier stages, by kind of file.

use std::fs;
use std::path::{Path, PathBuf};

use orgo_spec::ReasonCode;
use orgo_spec::canonical::{Profile, Value, parse};
use orgo_spec::document::RelativePath;

use super::StageError;
use super::folder::Folder;

/// How deep below an input a folder is looked for: `in/<stage>/<output>`.
const DEPTH: usize = 3;

/// The places of inputs.
pub(super) struct Inputs<'r> {
    root: &'r Path,
    places: Vec<RelativePath>,
}

impl<'r> Inputs<'r> {
    pub(super) fn new(root: &'r Path, places: Vec<RelativePath>) -> Self {
        Self { root, places }
    }

    /// The folder of a snapshot set.
    pub(super) fn snapshots(&self) -> Result<Folder, StageError> {
        self.one("set.json", Some("snapshot_set"), "snapshots (an `ingest` stage)")
    }

    /// The folder of a Claim-IR batch.
    pub(super) fn claims(&self) -> Result<Folder, StageError> {
        self.one("batch.json", Some("claim_ir_batch"), "a Claim-IR batch (an `extract` stage)")
    }

    /// The folder of a resolved batch, decided or not.
    pub(super) fn resolved(&self) -> Result<Folder, StageError> {
        self.one("batch.json", Some("resolved_claim_ir_batch"), "a resolved batch (a `resolve` or `decide` stage)")
    }

    /// The folder of an Exchange.
    pub(super) fn canon(&self) -> Result<Folder, StageError> {
        self.one(orgo_knowledge::exchange::MANIFEST, None, "an Exchange (a `compile-exchange` stage)")
    }

    /// The bytes of a report.
    pub(super) fn report(&self) -> Result<Vec<u8>, StageError> {
        let missing = |mut e: StageError| {
            e.code = ReasonCode::ReportMissing;
            e
        };
        let folder = self.one("report.json", None, "a Validation Report (a `validate` stage)").map_err(missing)?;
        Ok(orgo_knowledge::read_all(&folder, "report.json")?)
    }

    /// The only folder that holds a file of that name and type.
    fn one(&self, name: &str, artifact_type: Option<&str>, what: &str) -> Result<Folder, StageError> {
        let mut found = Vec::new();
        for place in &self.places {
            search(&self.root.join(place.as_str()), DEPTH, name, artifact_type, &mut found)?;
        }
        found.sort();
        found.dedup();
        match found.as_slice() {
            [one] => Ok(Folder::new(one)),
            [] => {
                let message = format!("among the inputs there is no {name}; add a `from` with {what}");
                Err(StageError::new(ReasonCode::InputMissing, message))
            }
            several => {
                let places: Vec<_> =
                    several.iter().map(|p| format!("`{}`", p.strip_prefix(self.root).unwrap_or(p).display())).collect();
                let message = format!("{} all hold {what}; keep one of them in `from`", places.join(", "));
                Err(StageError::new(ReasonCode::DocumentInvalid, message))
            }
        }
    }
}

fn search(
    folder: &Path,
    depth: usize,
    name: &str,
    artifact_type: Option<&str>,
    found: &mut Vec<PathBuf>,
) -> Result<(), StageError> {
    let marker = folder.join(name);
    if marker.is_file() {
        let typed = match artifact_type {
            None => true,
            Some(wanted) => {
                let document = parse(&fs::read(&marker)?, Profile::DOCUMENT)
                    .map_err(|e| StageError::new(e.code(), format!("`{name}` is not readable: {e}")))?;
                document.get("artifact_type").and_then(Value::as_str) == Some(wanted)
            }
        };
        if typed {
            found.push(folder.to_owned());
        }
        return Ok(());
    }
    if depth == 0 || !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            search(&entry.path(), depth - 1, name, artifact_type, found)?;
        }
    }
    Ok(())
}
