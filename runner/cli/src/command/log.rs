//! `orgo log`: what a stage printed.

use orgo_host::journal::{self, Entry};
use serde_json::json;

use super::Context;
use super::explain::find_stage;
use crate::args::Log;
use crate::failure::Failure;
use crate::output::plain;
use crate::project::Repository;

/// Prints the log of one attempt, from the run that made it or from the cache entry of a hit.
pub(super) fn run(context: &Context, args: &Log) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let (plan, id) = find_stage(&repository, args.pipeline.as_deref(), &args.stage, &args.told)?;
    let runs = repository.workspace.runs();
    let store = repository.workspace.open_store()?;
    let candidates = match &args.run {
        Some(run) => vec![run.clone()],
        None => journal::list(&runs)?.into_iter().rev().collect(),
    };
    for run in candidates {
        let entries = journal::read(&runs, &run)?.unwrap_or_default();
        if !entries.iter().any(|e| matches!(e, Entry::Begin { pipeline, .. } if *pipeline == plan.name)) {
            continue;
        }
        let ends = entries.into_iter().filter_map(|entry| match entry {
            Entry::End { stage, attempt, log, message, code, .. } if stage == args.stage => {
                Some((attempt, log, message, code))
            }
            Entry::Begin { .. }
            | Entry::Miss { .. }
            | Entry::Hit { .. }
            | Entry::Refused { .. }
            | Entry::Start { .. }
            | Entry::End { .. }
            | Entry::Finish { .. } => None,
        });
        let mut ends = ends.filter(|(a, ..)| args.attempt.is_none_or(|n| n == *a));
        let Some((attempt, log, message, code)) = ends.next_back() else { continue };
        let text = match log {
            Some(blob) => String::from_utf8_lossy(&store.get(blob.digest)?).into_owned(),
            None => String::new(),
        };
        context.output.document(&json!({
            "schema": "orgo.log/1", "run": run, "stage": args.stage, "attempt": attempt,
            "code": code, "message": message, "log": text,
        }));
        context.output.line(plain(text.trim_end_matches('\n')));
        if let Some(message) = message {
            context.output.note(plain(&message));
        }
        return Ok(());
    }
    Err(Failure::usage(
        format!("no kept run of `{}` ran the stage `{}`", plan.name, plan.stage(id).name),
        "a stage that is answered from the cache prints nothing; run it with `--force` to see it again",
    ))
}
