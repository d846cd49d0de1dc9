//! `orgo cache`: results that travel, and what the store holds.

mod stats;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use orgo_host::cache::{PackError, pack, unpack};
use orgo_host::clock::Clock;
use orgo_host::file::{At, read_if_there};
use orgo_host::key::UserDir;
use orgo_host::run::Others;
use orgo_spec::ReasonCode;
use orgo_spec::document::ByteSize;
use orgo_spec::record::Lane;
use serde_json::json;

use super::Context;
use crate::failure::{Class, Failure};
use crate::output::plain;
use crate::project::Repository;

/// The user's file of shared cache directories.
const FOLDERS: &str = "caches";

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo cache pack orgo.pack ci\n  orgo cache unpack orgo.pack\n  orgo cache stats --json"
)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Write what the last runs stand on to one file, for machines that start empty
    Pack(Pack),
    /// Take a pack in: all of it, verified, or nothing
    Unpack(Unpack),
    /// Show what the store holds, and what the newest runs missed in it
    Stats(stats::Stats),
}

#[derive(Debug, Args)]
#[command(
    after_help = "What saves most time for each byte goes in first. Equal results make an equal file.\n\nExamples:\n  orgo cache pack orgo.pack\n  orgo cache pack orgo.pack ci --max-size 500MiB"
)]
struct Pack {
    /// The file; one that is there is replaced
    file: PathBuf,
    /// The pipeline; all of them unless told
    pipeline: Option<String>,
    /// How much it may hold, before it is compressed
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = crate::args::value::<ByteSize>)]
    max_size: ByteSize,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Results that are here already stay as they are. A protected run uses of it only what a record of a runner confirms, unless it says `--unpacked`.\n\nExamples:\n  orgo cache unpack orgo.pack\n  orgo cache unpack orgo.pack --into /mnt/orgo-cache"
)]
struct Unpack {
    /// The file
    file: PathBuf,
    /// How much it may hold, when it is not compressed any more
    #[arg(long, value_name = "SIZE", default_value = "16GiB", value_parser = crate::args::value::<ByteSize>)]
    max_size: ByteSize,
    /// Take it into this folder, which others use with `--cache`, and not into the store of this repository
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

/// Packs, unpacks or counts.
pub(super) fn run(context: &Context, args: &CacheArgs) -> Result<(), Failure> {
    match &args.command {
        CacheCommand::Pack(args) => write(context, args),
        CacheCommand::Unpack(args) => read(context, args),
        CacheCommand::Stats(args) => stats::run(context, args),
    }
}

fn write(context: &Context, args: &Pack) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let mut pipelines = repository.names()?;
    if let Some(wanted) = &args.pipeline {
        if !pipelines.contains(wanted) {
            let help = format!("the pipelines are {}", pipelines.join(", "));
            return Err(Failure::usage(format!("no pipeline is called `{wanted}`"), help));
        }
        pipelines = vec![wanted.clone()];
    }
    let (workspace, store) = (&repository.workspace, repository.workspace.open_store()?);
    let packed =
        pack(workspace, &store, workspace.tenant(), &pipelines, args.max_size.0, &args.file).map_err(failure)?;
    let out = context.output;
    out.line(format!(
        "packed {} results and {} objects, {} bytes ({} as a file): {}",
        packed.results, packed.objects, packed.content_bytes, packed.file_bytes, packed.id
    ));
    if packed.left_out > 0 {
        out.line(format!("left out {} results: they did not fit, or are not whole in the store", packed.left_out));
    }
    if packed.results == 0 {
        out.note("no pipeline has a result here yet: `orgo run` makes them");
    }
    out.document(&json!({
        "schema": "orgo.cache-pack/1", "pack": packed.id, "file": args.file, "pipelines": pipelines,
        "results": packed.results, "left_out": packed.left_out, "objects": packed.objects,
        "content_bytes": packed.content_bytes, "file_bytes": packed.file_bytes, "saves_ms": packed.saves_ms,
    }));
    Ok(())
}

fn read(context: &Context, args: &Unpack) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let workspace = &repository.workspace;
    let store = match &args.into {
        Some(folder) => workspace.open_store_at(folder)?,
        None => workspace.open_store()?,
    };
    let now_ms = Clock::system().now_ms();
    let taken = unpack(&store, workspace.tenant(), &args.file, args.max_size.0, now_ms).map_err(failure)?;
    let out = context.output;
    out.line(format!(
        "took {} of {} results and {} objects from the pack {}",
        taken.new, taken.results, taken.objects, taken.id
    ));
    for key in &taken.other {
        out.warn(format!("the pack has another result for the key {key} than is here; what is here stays"));
    }
    out.document(&json!({
        "schema": "orgo.cache-unpack/1", "pack": taken.id, "results": taken.results, "new": taken.new,
        "objects": taken.objects, "other": taken.other,
    }));
    Ok(())
}

fn failure(error: PackError) -> Failure {
    let (code, message) = (error.code(), plain(&error.to_string()));
    match error {
        PackError::Invalid { .. } => {
            Failure::message(Class::Integrity, code, message, ReasonCode::CachePackInvalid.remedy())
        }
        PackError::Tenant { .. } => {
            Failure::message(Class::Integrity, code, message, "take it in where that tenant works, or pack your own")
        }
        PackError::Object(error) => error.into(),
        PackError::Path(error) => error.into(),
    }
}

/// Which results of others a run in a lane uses: of directories named on its command line or by the user's file, and
/// whatever came here earlier. In a protected run only the command line vouches for what it names; everything else has to
/// be confirmed.
///
/// # Errors
/// [`Failure`] if a directory has no usable path, or the user's file cannot be read.
pub(super) fn others(folders: &[PathBuf], unpacked: bool, home: &UserDir, lane: Lane) -> Result<Others, Failure> {
    let mut named: Vec<String> = Vec::new();
    for folder in folders {
        named.push(text(&std::path::absolute(folder).at("resolve", folder)?)?);
    }
    let mut found = named.clone();
    found.extend(of_user(&home.path().join(FOLDERS))?);
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|name| seen.insert(name.clone()));
    Ok(Others { folders: found, all: lane != Lane::Protected, named, unpacked, confirm: None })
}

/// The directories that the user's file names: one absolute path a line; empty lines and `#` lines say nothing.
fn of_user(file: &Path) -> Result<Vec<String>, Failure> {
    let bytes = read_if_there(file)?.unwrap_or_default();
    let wrong = |line: usize| {
        let message = format!("`{}` names no folder in line {}", plain(&file.display().to_string()), line + 1);
        Failure::usage(message, "write one absolute path a line, as UTF-8")
    };
    let lines = String::from_utf8(bytes).map_err(|_| wrong(0))?;
    let mut found = Vec::new();
    for (at, line) in lines.lines().enumerate() {
        let line = line.trim();
        match line.is_empty() || line.starts_with('#') {
            true => {}
            false if line.starts_with('/') => found.push(line.to_owned()),
            false => return Err(wrong(at)),
        }
    }
    Ok(found)
}

fn text(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::usage("the path of a cache is not UTF-8", "name it otherwise, such as by a link"))
}
