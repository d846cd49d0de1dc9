//! The documents that pipelines name: mandates, blueprints, maps, rules.

use std::collections::BTreeSet;
use std::path::Path;

use orgo_host::file::read_if_there;
use orgo_kernel::plan::Action;
use orgo_spec::ReasonCode;
use orgo_spec::blueprint::Blueprint;
use orgo_spec::document::{Document, DocumentError, Problem, Problems, Span};
use orgo_spec::knowledge::{Map, Rules};
use orgo_spec::mandate::Mandate;
use serde_json::Value;

use crate::failure::Failure;
use crate::ledger::{pinned_file, pinned_mandate};
use crate::project::{Checked, document_name};

/// Reads every document that the pipelines name, each once; all problems of all of them come at once.
///
/// # Errors
/// [`Failure`] with every problem.
pub(super) fn check(root: &Path, pipelines: &[Checked]) -> Result<(), Failure> {
    let mut errors: Vec<DocumentError> = Vec::new();
    let mut seen: BTreeSet<(String, &str)> = BTreeSet::new();
    for Checked { document, pipeline, plan } in pipelines {
        let mut wanted: Vec<(String, &str, Span, ReasonCode)> = Vec::new();
        if let Some(name) = &pipeline.mandate {
            let path = written(root, &format!("mandates/{name}/mandate"))?;
            wanted.push((path, "mandate", name.span, ReasonCode::MandateMissing));
        }
        if let Some(name) = &pipeline.blueprint {
            let path = written(root, &format!("blueprints/{name}"))?;
            wanted.push((path, "blueprint", name.span, ReasonCode::BlueprintUnpinned));
        }
        for stage in &plan.stages {
            let Action::Tool { config, .. } = &stage.action else { continue };
            let config: Value = serde_json::from_slice(config).unwrap_or_default();
            for kind in ["map", "rules"] {
                if let Some(path) = config[kind].as_str() {
                    let declared = pipeline
                        .stages
                        .iter()
                        .find(|s| stage.name == s.name.as_str() || stage.name.starts_with(&format!("{}.", *s.name)));
                    let span = declared.map_or(pipeline.name.span, |s| s.name.span);
                    wanted.push((path.to_owned(), kind, span, ReasonCode::InputMissing));
                }
            }
        }
        let mut missing = Problems::new(document);
        for (path, kind, span, code) in wanted {
            if !seen.insert((path.clone(), kind)) {
                continue;
            }
            match read_if_there(&root.join(&path))?.map(String::from_utf8) {
                None => missing.push(
                    Problem::new(code, format!("the {kind} `{path}` is not there"), span)
                        .label("named here")
                        .help(format!("write `{path}`, or correct the name")),
                ),
                Some(Err(_)) => missing.push(
                    Problem::new(ReasonCode::DocumentInvalid, format!("`{path}` is not UTF-8 text"), span)
                        .help("save it as UTF-8"),
                ),
                Some(Ok(text)) => errors.extend(read(root, kind, &Document::new(&path, text)).err()),
            }
        }
        if !missing.is_empty() {
            errors.push(missing.into_error());
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::documents(errors)) }
}

/// The document called `stem` in the syntax that it is written in; in KDL if it is not there.
fn written(root: &Path, stem: &str) -> Result<String, Failure> {
    Ok(document_name(root, stem)?.unwrap_or_else(|| format!("{stem}.kdl")))
}

fn read(root: &Path, kind: &str, document: &Document) -> Result<(), DocumentError> {
    match kind {
        "mandate" => Mandate::parse(document).map(drop),
        "blueprint" => {
            let blueprint = Blueprint::parse(document)?;
            // What is wrong with the mandate itself is told where it is read.
            let mandate = pinned_mandate(root, &blueprint).unwrap_or_default();
            blueprint.check(document, mandate, |path| pinned_file(root, path))
        }
        "map" => Map::decode(document).map(drop),
        _ => Rules::decode(document).map(drop),
    }
}
