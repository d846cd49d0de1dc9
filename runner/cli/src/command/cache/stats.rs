//! `orgo cache stats`: what the store holds, and what the newest runs found in it.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use orgo_host::cache::{Census, census};
use orgo_host::clock::{Clock, rfc3339};
use orgo_host::journal::{self, Entry};
use orgo_kernel::key::StageKey;
use orgo_kernel::why::{Why, tally};
use serde_json::{Value, json};

use crate::command::Context;
use crate::failure::Failure;
use crate::output::plain;
use crate::project::Repository;

#[derive(Debug, Args)]
#[command(
    after_help = "A miss is counted under its first reason; `--verbose` and `--json` tell all of them.\n\nExamples:\n  orgo cache stats\n  orgo cache stats ci --verbose\n  orgo cache stats --json"
)]
pub(super) struct Stats {
    /// The pipeline whose newest run is told; all of them unless told
    pipeline: Option<String>,
}

/// What the newest run of a pipeline found.
struct Newest {
    pipeline: String,
    run: String,
    at_ms: i64,
    /// How many stages ran and how many were hits; unknown of a run that did not end.
    ended: Option<(u64, u64)>,
    misses: Vec<(String, StageKey, Vec<Why>)>,
    borrowed: BTreeMap<String, u64>,
}

pub(super) fn run(context: &Context, args: &Stats) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let store = repository.workspace.open_store()?;
    let census = census(&store, Clock::system().now_ms())?;
    let runs = repository.workspace.runs();
    let mut newest = Vec::new();
    for pipeline in repository.names()?.into_iter().filter(|name| args.pipeline.as_ref().is_none_or(|p| p == name)) {
        let Some(run) = journal::latest(&runs, &pipeline)? else { continue };
        let Some(entries) = journal::read(&runs, &run)? else { continue };
        newest.push(Newest::of(pipeline, run, entries));
    }
    tell(context, &census, &newest);
    context.output.document(&json!({
        "schema": "orgo.cache-stats/1",
        "store": {
            "objects": census.objects, "object_bytes": census.object_bytes, "results": census.results,
            "result_bytes": census.result_bytes, "unreadable": census.unreadable, "duration_ms": census.duration_ms,
            "tombstones": census.tombstones, "ages": census.ages,
            "foreign": census.foreign.iter().map(|(o, n)| json!({ "origin": o, "results": n })).collect::<Vec<_>>(),
        },
        "runs": newest.iter().map(Newest::json).collect::<Vec<_>>(),
    }));
    Ok(())
}

fn tell(context: &Context, census: &Census, newest: &[Newest]) {
    let out = context.output;
    out.line(format!("store     {} objects, {} bytes", census.objects, census.object_bytes));
    for age in census.ages.iter().filter(|age| age.objects > 0) {
        let class = age.below_days.map_or("older".to_owned(), |days| format!("below {days} d"));
        out.line(format!("  {class:<11} {} objects, {} bytes", age.objects, age.bytes));
    }
    let unreadable = match census.unreadable {
        0 => String::new(),
        n => format!(", {n} of them unreadable"),
    };
    out.line(format!("results   {}, {} bytes{unreadable}", census.results, census.result_bytes));
    for (origin, results) in &census.foreign {
        out.line(plain(&format!("  {results} from {origin}")));
    }
    let gone: Vec<String> = census.tombstones.iter().map(|(because, n)| format!("{n} by {because}")).collect();
    if !gone.is_empty() {
        out.line(format!("collected {}", gone.join(", ")));
    }
    for run in newest {
        let counts = match run.ended {
            Some((ran, hits)) => format!("{ran} ran, {hits} hits"),
            None => "did not end".to_owned(),
        };
        out.line(format!("run       {} {}: {counts}", run.pipeline, rfc3339(run.at_ms)));
        for (origin, results) in &run.borrowed {
            out.line(plain(&format!("  {results} from {origin}")));
        }
        for (name, count) in run.tally() {
            out.line(format!("  {count} {name}"));
        }
        if out.verbose {
            for (stage, _, reasons) in &run.misses {
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                out.line(plain(&format!("  {stage}: {}", reasons.join("; "))));
            }
        }
    }
}

impl Newest {
    fn of(pipeline: String, run: String, entries: Vec<Entry>) -> Self {
        let mut newest = Self { pipeline, run, at_ms: 0, ended: None, misses: Vec::new(), borrowed: BTreeMap::new() };
        let mut seen = BTreeSet::new();
        for entry in entries {
            match entry {
                Entry::Begin { at_ms, .. } => newest.at_ms = at_ms,
                // A stage that is tried again is looked up again; what counts is why it ran at all.
                Entry::Miss { stage, key, reasons } if seen.insert(stage.clone()) => {
                    newest.misses.push((stage, key, reasons));
                }
                Entry::Hit { origin: Some(origin), .. } => {
                    *newest.borrowed.entry(origin.to_string()).or_default() += 1;
                }
                Entry::Finish { ran, hits, .. } => newest.ended = Some((ran, hits)),
                Entry::Miss { .. }
                | Entry::Hit { .. }
                | Entry::Listed { .. }
                | Entry::Refused { .. }
                | Entry::Start { .. }
                | Entry::End { .. }
                | Entry::Skip { .. }
                | Entry::Service { .. } => {}
            }
        }
        newest
    }

    fn tally(&self) -> Vec<(&'static str, usize)> {
        tally(self.misses.iter().map(|(_, _, reasons)| reasons.as_slice()))
    }

    fn json(&self) -> Value {
        let miss = |(stage, key, reasons): &(String, StageKey, Vec<Why>)| json!({ "stage": stage, "key": key, "reasons": reasons });
        json!({
            "pipeline": self.pipeline, "run": self.run, "at": rfc3339(self.at_ms),
            "ran": self.ended.map(|e| e.0), "hits": self.ended.map(|e| e.1),
            "by_reason": self.tally().into_iter().collect::<BTreeMap<_, _>>(),
            "misses": self.misses.iter().map(miss).collect::<Vec<_>>(),
            "borrowed": self.borrowed,
        })
    }
}
