//! `orgo flaky`: stages that failed and ended well from the same inputs.

use std::collections::BTreeMap;

use clap::Args;
use orgo_host::clock::rfc3339;
use orgo_host::memory::Memory;
use orgo_host::store::{Flaky, Varied};
use orgo_kernel::key::StageKey;
use serde_json::{Value, json};

use super::Context;
use crate::args::Told;
use crate::failure::Failure;
use crate::ledger::sentence;
use crate::output::plain;
use crate::project::Repository;
use crate::report::{flaky_json, flaky_words};

/// `orgo flaky`.
#[derive(Debug, Args)]
#[command(
    after_help = "A stage is flaky if one key, which stands for everything it reads, has both failed and ended well: when it was tried\nagain, in another run, or with `--force`. What it made otherwise from the same inputs is told too.\n\nExamples:\n  orgo flaky\n  orgo flaky test --json"
)]
pub(crate) struct FlakyArgs {
    /// Only this stage
    pub(crate) stage: Option<String>,
}

/// What is known of one stage.
#[derive(Default)]
struct Known {
    keys: Vec<(StageKey, Flaky)>,
    varied: Vec<Varied>,
}

/// Lists them, those that failed most often first.
pub(super) fn run(context: &Context, args: &FlakyArgs) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let store = repository.workspace.open_store()?;
    let mut found: BTreeMap<String, Known> = BTreeMap::new();
    for (stage, key, flaky) in store.ends()?.all() {
        found.entry(stage.to_owned()).or_default().keys.push((key, flaky));
    }
    for (stage, varied) in varied(&repository, &store.varied()?)? {
        found.entry(stage).or_default().varied.extend(varied);
    }
    let is_asked =
        |name: &str| args.stage.as_deref().is_none_or(|stage| name.split_once('/').is_some_and(|(_, s)| s == stage));
    let mut found: Vec<(String, Known)> = found.into_iter().filter(|(name, _)| is_asked(name)).collect();
    let failed = |known: &Known| known.keys.iter().map(|(_, flaky)| flaky.failed).sum::<usize>();
    found.sort_by(|(a, one), (b, other)| failed(other).cmp(&failed(one)).then(a.cmp(b)));
    for (stage, known) in &found {
        context.output.line(plain(stage));
        for (key, flaky) in &known.keys {
            let line = format!("  {} {}; last at {}", key.0.short(), flaky_words(flaky), rfc3339(flaky.last_failed_ms));
            context.output.line(line);
        }
        for varied in &known.varied {
            context.output.line(plain(&format!("  {} {}", varied.key.0.short(), sentence(varied))));
        }
    }
    if found.is_empty() {
        context.output.line("no stage is known to be flaky here");
    }
    let stages: Vec<Value> = found.iter().map(|(stage, known)| known.json(stage)).collect();
    context.output.document(&json!({ "schema": "orgo.flaky/1", "stages": stages }));
    Ok(())
}

impl Known {
    fn json(&self, name: &str) -> Value {
        let (pipeline, stage) = name.split_once('/').unwrap_or(("", name));
        let keys = self.keys.iter().map(|(key, flaky)| {
            let mut told = flaky_json(flaky);
            told["key"] = json!(key);
            told
        });
        json!({ "pipeline": pipeline, "stage": stage, "keys": keys.collect::<Vec<_>>(), "varied": self.varied })
    }
}

/// What keys made otherwise, by the stages that last had them; documents that cannot be read have none.
fn varied(
    repository: &Repository,
    known: &std::collections::HashMap<StageKey, Vec<Varied>>,
) -> Result<Vec<(String, Vec<Varied>)>, Failure> {
    let mut found = Vec::new();
    let pipelines =
        if known.is_empty() { Vec::new() } else { repository.pipelines(&Told::default()).unwrap_or_default() };
    for checked in pipelines {
        let plan = checked.plan;
        let names = plan.stages.iter().map(|s| s.name.as_str());
        let memory = Memory::open(&repository.workspace.state(), &plan.name, names)?;
        for (at, stage) in plan.stages.iter().enumerate() {
            let varied = memory.get(at).and_then(|remembered| known.get(&remembered.keyed.key));
            found.extend(varied.map(|varied| (format!("{}/{}", plan.name, stage.name), varied.clone())));
        }
    }
    Ok(found)
}
