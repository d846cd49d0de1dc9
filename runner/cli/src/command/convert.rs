//! `orgo convert`: a document in the other syntax.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use orgo_host::file::{At, status, write_atomic};
use orgo_spec::document::{Document, Syntax, convert};
use serde_json::json;

use super::Context;
use super::fmt::read;
use crate::failure::Failure;

/// What to convert.
#[derive(Debug, Args)]
#[command(
    after_help = "Comments stay, on lines of their own. Parts that `/-` takes out do not; they are named.\n\nExamples:\n  orgo convert pipelines/ci.kdl --to yaml\n  orgo convert pipelines/ci.yaml --to kdl --replace"
)]
pub(crate) struct Convert {
    /// The document
    file: PathBuf,
    /// The syntax to write
    #[arg(long, value_name = "SYNTAX")]
    to: To,
    /// Write the result beside the document, under its other name, and remove the document
    #[arg(long)]
    replace: bool,
}

/// A syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// KDL 2
    Kdl,
    /// YAML
    Yaml,
}

/// Converts one document, and reads the result again to see that it says the same.
///
/// # Errors
/// [`Failure`] if the document does not parse, or the other syntax cannot say the same.
pub(super) fn run(context: &Context, args: &Convert) -> Result<(), Failure> {
    let path = context.global.directory.join(&args.file);
    let name = args.file.to_string_lossy().into_owned();
    let from = Syntax::of(&name).ok_or_else(|| {
        Failure::usage(format!("`{name}` is not a document"), "documents end in `.kdl`, `.yaml` or `.yml`")
    })?;
    let (to, ending) = match args.to {
        To::Kdl => (Syntax::Kdl, "kdl"),
        To::Yaml => (Syntax::Yaml, "yaml"),
    };
    if from == to {
        return Err(Failure::usage(format!("`{name}` is written so already"), "name the other syntax"));
    }
    let document = Document::new(&name, read(&path, &name)?);
    let converted = convert(&document, to).map_err(|e| Failure::documents(vec![e]))?;
    let lost: Vec<usize> = converted.lost.iter().map(|span| document.position(*span).0).collect();
    if !lost.is_empty() {
        let lines = lost.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        context.output.note(format!("what `/-` takes out is lost: line {lines} of `{name}`"));
    }
    let mut wrote = None;
    if args.replace {
        let target = path.with_extension(ending);
        if status(&target)?.is_some() {
            return Err(Failure::usage(format!("`{}` is there already", target.display()), "remove one of the two"));
        }
        write_atomic(&target, converted.text.as_bytes())?;
        std::fs::set_permissions(&target, std::fs::metadata(&path).at("look at", &path)?.permissions())
            .at("set the permissions of", &target)?;
        std::fs::remove_file(&path).at("remove", &path)?;
        let target = args.file.with_extension(ending).to_string_lossy().into_owned();
        context.output.line(format!("wrote {target}, removed {name}"));
        wrote = Some(target);
    } else {
        context.output.line(converted.text.trim_end());
    }
    context
        .output
        .document(&json!({ "schema": "orgo.convert/1", "text": converted.text, "lost": lost, "wrote": wrote }));
    Ok(())
}
