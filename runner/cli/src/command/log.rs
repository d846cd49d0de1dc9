//! `orgo log`: what a stage or a service printed.

use std::time::Duration;

use orgo_host::file::read_if_there;
use orgo_host::journal::{self, Entry};
use orgo_host::store::Store;
use orgo_host::workspace::Workspace;
use orgo_kernel::key::Blob;
use orgo_spec::ReasonCode;
use serde_json::json;

use super::Context;
use super::explain::find_stage;
use crate::args::Log;
use crate::failure::Failure;
use crate::output::plain;
use crate::project::Repository;

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A log that was kept.
struct Kept {
    run: String,
    attempt: u32,
    log: Option<Blob>,
    message: Option<String>,
    code: Option<ReasonCode>,
}

/// Prints the log of one attempt, from the run that made it.
pub(super) fn run(context: &Context, args: &Log) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let pipeline = if args.service {
        repository.resolve(args.pipeline.as_deref(), &args.told)?.name
    } else {
        find_stage(&repository, args.pipeline.as_deref(), &args.stage, &args.told)?.0.name
    };
    let runs = repository.workspace.runs();
    let store = repository.workspace.open_store()?;
    let mut printed = 0;
    if args.follow {
        printed = follow(context, &repository.workspace, &pipeline, args)?;
    }
    let candidates = match &args.run {
        Some(run) => vec![run.clone()],
        None => journal::list(&runs)?.into_iter().rev().collect(),
    };
    for run in candidates {
        let entries = journal::read(&runs, &run)?.unwrap_or_default();
        if !entries.iter().any(|e| matches!(e, Entry::Begin { pipeline: of, .. } if *of == pipeline)) {
            continue;
        }
        if let Some(kept) = last(run, entries, args) {
            return show(context, &store, args, &kept, printed);
        }
    }
    let (what, help) = if args.service {
        ("started the service", "a service is started only for a stage that runs")
    } else {
        (
            "ran the stage",
            "a stage that is answered from the cache prints nothing; run it with `--force` to see it again",
        )
    };
    Err(Failure::usage(format!("no kept run of `{pipeline}` {what} `{}`", args.stage), help))
}

/// The last log of a run that was asked for.
fn last(run: String, entries: Vec<Entry>, args: &Log) -> Option<Kept> {
    entries.into_iter().rev().find_map(|entry| match entry {
        Entry::End { stage, attempt, log, message, code, .. }
            if !args.service && stage == args.stage && args.attempt.is_none_or(|n| n == attempt) =>
        {
            Some(Kept { run: run.clone(), attempt, log, message, code })
        }
        Entry::Service { service, log, message, code, .. } if args.service && service == args.stage => {
            Some(Kept { run: run.clone(), attempt: 1, log, message, code })
        }
        Entry::Begin { .. }
        | Entry::Miss { .. }
        | Entry::Hit { .. }
        | Entry::Listed { .. }
        | Entry::Refused { .. }
        | Entry::Start { .. }
        | Entry::End { .. }
        | Entry::Skip { .. }
        | Entry::Service { .. }
        | Entry::Finish { .. } => None,
    })
}

/// Prints a kept log, without the lines that were printed while it was followed.
fn show(context: &Context, store: &Store, args: &Log, kept: &Kept, printed: usize) -> Result<(), Failure> {
    let text = match kept.log {
        Some(blob) => String::from_utf8_lossy(&store.get(blob.digest)?).into_owned(),
        None => String::new(),
    };
    context.output.document(&json!({
        "schema": "orgo.log/1", "run": kept.run, "stage": args.stage, "attempt": kept.attempt,
        "code": kept.code, "message": kept.message, "log": text,
    }));
    let rest: Vec<&str> = text.split_inclusive('\n').skip(printed).collect();
    if printed == 0 || !rest.is_empty() {
        context.output.line(plain(rest.concat().trim_end_matches('\n')));
    }
    if let Some(message) = &kept.message {
        context.output.note(plain(message));
    }
    Ok(())
}

/// Prints what a stage prints until it ends; says how many lines that were.
///
/// A stage that runs for less than a second shows nothing here: its kept log follows at once.
fn follow(context: &Context, workspace: &Workspace, pipeline: &str, args: &Log) -> Result<usize, Failure> {
    let runs = &workspace.runs();
    let run = match &args.run {
        Some(run) => Some(run.clone()),
        None => journal::latest(runs, pipeline)?,
    };
    let Some(run) = run else { return Ok(0) };
    let live = journal::live(runs, &run, &args.stage);
    let (mut read, mut printed) = (0, 0);
    loop {
        // Asked first: a run that ends between the two questions has said all by then. One that was killed says nothing.
        let busy = workspace.is_busy()?;
        let over = is_over(&journal::read(runs, &run)?.unwrap_or_default(), &args.stage) || !busy;
        let bytes = read_if_there(&live)?.unwrap_or_default();
        let more = bytes.get(read..).unwrap_or_default();
        let end = more.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        for line in String::from_utf8_lossy(&more[..end]).lines() {
            context.output.line(plain(line));
            printed += 1;
        }
        read += end;
        if over {
            return Ok(printed);
        }
        std::thread::sleep(LOOK);
    }
}

/// Whether nothing more will come from a stage: its last attempt ended, and so did the run or no other began.
fn is_over(entries: &[Entry], name: &str) -> bool {
    let mut ended = false;
    for entry in entries {
        match entry {
            Entry::Start { stage, .. } if stage == name => ended = false,
            Entry::End { stage, .. } | Entry::Hit { stage, .. } | Entry::Skip { stage, .. } if stage == name => {
                ended = true;
            }
            Entry::Finish { .. } => return true,
            Entry::Begin { .. }
            | Entry::Miss { .. }
            | Entry::Hit { .. }
            | Entry::Listed { .. }
            | Entry::Refused { .. }
            | Entry::Start { .. }
            | Entry::End { .. }
            | Entry::Skip { .. }
            | Entry::Service { .. } => {}
        }
    }
    ended
}
