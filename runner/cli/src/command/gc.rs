//! `orgo gc`: takes out of the object store what nothing needs any more.

use clap::Args;
use orgo_host::gc::{GcError, GcOptions, gc, gc_kept};
use orgo_kernel::collect::Limits;
use orgo_spec::document::ByteSize;
use orgo_spec::evidence::Keep;
use serde_json::json;

use super::Context;
use crate::evidence::{now_ms, register_of_all};
use crate::failure::{Class, Failure};
use crate::project::Repository;

/// The age from which what nothing keeps is removed, unless the project says otherwise.
const AGE: Keep = Keep::Days(30);
/// What is younger always stays, in milliseconds.
const GRACE_MS: i64 = 3_600_000;

#[derive(Debug, Args)]
#[command(
    after_help = "What always stays: results of runs that did not end, what the last run of each pipeline stands on, what records\nwithin their retention name, what a hold keeps, pins, and whatever is younger than an hour.\n\nExamples:\n  orgo gc --dry-run\n  orgo gc --max-size 10GiB --max-age 14d"
)]
pub(crate) struct Gc {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Remove the oldest results until the store is no larger; what `gc { size … }` says unless told
    #[arg(long, value_name = "SIZE", value_parser = crate::args::value::<ByteSize>)]
    max_size: Option<ByteSize>,
    /// Remove what is older; what `gc { age … }` says, or 30d, unless told
    #[arg(long, value_name = "DAYS", value_parser = crate::args::value::<Keep>)]
    max_age: Option<Keep>,
    /// Leave nothing out for being young (only where no run can be under way)
    #[arg(long, hide = true)]
    no_grace: bool,
    /// Use this time instead of the clock (accepted with development keys only)
    #[arg(long, value_name = "TIME", hide = true)]
    clock: Option<String>,
}

/// Collects garbage.
pub(super) fn run(context: &Context, args: &Gc) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let declared = &repository.project.evidence.gc;
    let store = repository.workspace.open_store()?;
    let (register, development) = register_of_all(&repository, &store)?;
    let age_ms = match args.max_age.or(declared.age).unwrap_or(AGE) {
        Keep::Days(days) => Some(i64::from(days) * 86_400_000),
        Keep::Forever => None,
    };
    let limits = Limits {
        now_ms: now_ms(args.clock.as_deref(), development)?,
        grace_ms: if args.no_grace { 0 } else { GRACE_MS },
        age_ms,
        size_bytes: args.max_size.or(declared.size).map(|s| s.0),
    };
    let options = GcOptions { limits, pins: &declared.pins, dry_run: args.dry_run };
    let (removal, kept) = gc(&repository.workspace, &store, &register, &options).map_err(failure)?;
    let sandboxes = gc_kept(&repository.workspace, &options)?;
    let bytes = removal.results.iter().map(|(r, _)| r.size_bytes).sum::<u64>()
        + removal.objects.iter().map(|(o, _)| o.size_bytes).sum::<u64>();
    let out = context.output;
    let word = if args.dry_run { "would remove" } else { "removed" };
    let (results, objects) = (removal.results.len(), removal.objects.len());
    out.line(format!(
        "{word} {results} results and {objects} objects, {bytes} bytes; {} bytes stay",
        removal.kept_bytes
    ));
    out.line(format!(
        "kept: {} objects that records name ({} by a hold), {} results of last runs, {} of unfinished runs, {} pins",
        kept.records, kept.held, kept.last_runs, kept.unfinished, kept.pins
    ));
    if sandboxes > 0 {
        out.line(format!("{word} {sandboxes} working folders that failed stages left"));
    }
    let over = limits.size_bytes.is_some_and(|limit| removal.kept_bytes > limit);
    if over {
        out.line(format!(
            "the store stays above its limit: {} bytes must stay (roots, and what is younger than an hour)",
            removal.rooted_bytes
        ));
    }
    if out.verbose {
        for (result, because) in &removal.results {
            out.line(format!("  result {}: {because}", result.key));
        }
        for (object, because) in &removal.objects {
            out.line(format!("  object {}: {because}", object.digest));
        }
    }
    let told_results: Vec<_> =
        removal.results.iter().map(|(r, why)| json!({ "key": r.key, "because": why, "bytes": r.size_bytes })).collect();
    let told_objects: Vec<_> = removal
        .objects
        .iter()
        .map(|(o, why)| json!({ "digest": o.digest, "because": why, "bytes": o.size_bytes }))
        .collect();
    out.document(&json!({
        "schema": "orgo.gc/1", "dry_run": args.dry_run, "results": told_results, "objects": told_objects,
        "removed_bytes": bytes, "kept_bytes": removal.kept_bytes, "kept": kept, "over_limit": over,
        "sandboxes": sandboxes,
    }));
    Ok(())
}

fn failure(error: GcError) -> Failure {
    match error {
        GcError::Busy => Failure::message(
            Class::Environment,
            None,
            error.to_string(),
            "collect when it has ended; runs that begin meanwhile wait for the collection",
        ),
        GcError::Unknown(_) => Failure::message(
            Class::Refused,
            Some(orgo_spec::ReasonCode::HoldInForce),
            error.to_string(),
            "bring the page back (`orgo evidence fetch`), then collect",
        ),
        GcError::Path(error) => error.into(),
    }
}
