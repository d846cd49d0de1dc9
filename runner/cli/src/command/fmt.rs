//! `orgo fmt`: one layout for documents.

use std::path::{Path, PathBuf};

use clap::Args;
use orgo_host::documents::below;
use orgo_host::file::{At, rewrite_atomic, status};
use orgo_spec::document::{Document, DocumentError, Syntax, format_kdl};
use serde_json::json;
use similar::TextDiff;

use super::Context;
use crate::failure::{Class, Failure};
use crate::project::find_root;

/// Where a repository's documents lie, when no path is given.
const PLACES: [&str; 11] = [
    "orgo.kdl",
    "orgo.yaml",
    "orgo.yml",
    "blueprints",
    "channels",
    "decisions",
    "mandates",
    "maps",
    "pipelines",
    "releases",
    "rules",
];

/// What to lay out.
#[derive(Debug, Args)]
#[command(
    after_help = "YAML is left alone: its comments would not survive.\n\nExamples:\n  orgo fmt\n  orgo fmt --check\n  orgo fmt pipelines/ci.kdl --diff"
)]
pub(crate) struct Fmt {
    /// Files, or folders with everything below; the repository's documents unless told
    paths: Vec<PathBuf>,
    /// Write nothing; show what would change, and refuse if anything would
    #[arg(long)]
    check: bool,
    /// Write nothing; show what would change
    #[arg(long)]
    diff: bool,
}

/// Lays out documents. One that does not parse is left as it is, with its errors; the others are done all the same.
///
/// # Errors
/// [`Failure`] with the problems of all documents, or with `--check` if one is not laid out.
pub(super) fn run(context: &Context, args: &Fmt) -> Result<(), Failure> {
    let output = context.output;
    let base = &context.global.directory;
    let (mut changed, mut left, mut errors): (Vec<String>, Vec<String>, Vec<DocumentError>) = Default::default();
    let mut looked_at = 0usize;
    for path in files(base, &args.paths)? {
        let name = path.strip_prefix(base).unwrap_or(&path).to_string_lossy().into_owned();
        if Syntax::of(&name) == Some(Syntax::Yaml) {
            left.push(name);
            continue;
        }
        looked_at += 1;
        let document = Document::new(&name, read(&path, &name)?);
        let text = match format_kdl(&document) {
            Ok(text) => text,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        if text == document.text() {
            continue;
        }
        if args.check || args.diff {
            let diff = TextDiff::from_lines(document.text(), &text);
            output.line(diff.unified_diff().header(&name, &name).to_string().trim_end());
        } else {
            rewrite_atomic(&path, text.as_bytes())?;
            output.line(format!("laid out {name}"));
        }
        changed.push(name);
    }
    if !left.is_empty() {
        output.note(format!("left alone, because YAML is not laid out: {}", left.join(", ")));
    }
    output.document(&json!({
        "schema": "orgo.fmt/1",
        "written": !(args.check || args.diff),
        "changed": changed,
        "left": left,
        "invalid": errors.iter().map(|e| e.document().name()).collect::<Vec<_>>(),
    }));
    if !errors.is_empty() {
        return Err(Failure::documents(errors));
    }
    if args.check && !changed.is_empty() {
        let message = format!("not laid out: {}", changed.join(", "));
        return Err(Failure::message(Class::Refused, None, message, "run `orgo fmt`"));
    }
    if changed.is_empty() {
        output.note(format!("{looked_at} documents are laid out"));
    }
    Ok(())
}

/// The files that are meant.
fn files(base: &Path, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let wanted = |name: &str| Syntax::of(name).is_some();
    let mut found = Vec::new();
    if paths.is_empty() {
        let root = find_root(base)?;
        for place in PLACES.map(|place| root.join(place)) {
            if status(&place)?.is_some() {
                found.extend(below(&place, wanted)?);
            }
        }
    }
    for path in paths {
        let path = base.join(path);
        match status(&path)? {
            None => {
                return Err(Failure::usage(
                    format!("`{}` is not there", path.display()),
                    "name a document or a folder",
                ));
            }
            Some(status) if status.is_folder => found.extend(below(&path, wanted)?),
            Some(_) if path.file_name().and_then(|n| n.to_str()).is_some_and(wanted) => found.push(path),
            Some(_) => {
                let message = format!("`{}` is not a document", path.display());
                return Err(Failure::usage(message, "documents end in `.kdl`, `.yaml` or `.yml`"));
            }
        }
    }
    Ok(found)
}

/// The text of a document.
///
/// # Errors
/// [`Failure`] if it cannot be read or is not UTF-8.
pub(super) fn read(path: &Path, name: &str) -> Result<String, Failure> {
    String::from_utf8(std::fs::read(path).at("read", path)?)
        .map_err(|_| Failure::message(Class::Declared, None, format!("`{name}` is not UTF-8 text"), "save it as UTF-8"))
}
