//! `orgo explain`: why a stage ran, or why it did not.

use std::collections::BTreeMap;

use orgo_host::clock::rfc3339;
use orgo_host::journal::{self, Entry};
use orgo_host::memory::Memory;
use orgo_kernel::graph::StageId;
use orgo_kernel::plan::Resolved;
use orgo_spec::ReasonCode;
use orgo_spec::document::closest;
use serde_json::json;

use super::Context;
use crate::args::{Explain, Told};
use crate::failure::Failure;
use crate::ledger::sentence;
use crate::output::plain;
use crate::project::{Checked, Repository};
use crate::report::{flaky_json, flaky_words};

/// Tells what a run did with a stage, from the run's journal.
pub(super) fn run(context: &Context, args: &Explain) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let (plan, id) = find_stage(&repository, args.pipeline.as_deref(), &args.stage, &args.told)?;
    let runs = repository.workspace.runs();
    let run = match &args.run {
        Some(run) => run.clone(),
        None => journal::latest(&runs, &plan.name)?.ok_or_else(|| {
            Failure::usage(
                format!("the pipeline `{}` has not run here yet", plan.name),
                "see what a run would do: `orgo plan`",
            )
        })?,
    };
    let entries = journal::read(&runs, &run)?.ok_or_else(|| {
        Failure::usage(format!("no journal of a run `{run}` is kept here"), "the ids are the folders of `.orgo/runs`")
    })?;
    let mut lines = Vec::new();
    let mut told = Vec::new();
    let (mut key, mut started, mut listed) = (None, false, false);
    for entry in &entries {
        match entry {
            Entry::Miss { stage, key: k, reasons } if *stage == args.stage => {
                key = Some(*k);
                lines.extend(reasons.iter().map(|why| format!("  because {why}")));
                told.extend(reasons.iter().map(|why| json!(why)));
            }
            Entry::Hit { stage, key: k, origin, confirmed } if *stage == args.stage => {
                key = Some(*k);
                lines.push(match origin {
                    None => "  the cache had a result for this key".to_owned(),
                    Some(origin) => plain(&format!("  a result for this key came from {origin}")),
                });
                lines.extend(confirmed.map(|record| format!("  it is confirmed by the record {record}")));
            }
            Entry::Listed { stage, items, list } if *stage == args.stage => {
                lines.push(format!("  it was repeated for the {items} items of a list ({})", list.short()));
                listed = true;
            }
            Entry::Refused { stage, gate, key: k, codes } if *stage == args.stage => {
                key = *k;
                let codes: Vec<_> = codes.iter().map(|c| c.as_str()).collect();
                lines.push(format!("  the gate `{gate}` let nothing past it: {}", codes.join(", ")));
            }
            Entry::Start { stage, attempt, .. } if *stage == args.stage => {
                started = true;
                lines.push(format!("  attempt {attempt} started"));
            }
            Entry::End { stage, attempt, code, exit_code, message, .. } if *stage == args.stage => {
                let how = match (code, exit_code) {
                    (None, _) => "ended well".to_owned(),
                    (Some(code), Some(exit)) => format!("ended with {code} (exit code {exit})"),
                    (Some(code), None) => format!("ended with {code}"),
                };
                let message = message.as_ref().map_or(String::new(), |m| format!(": {m}"));
                lines.push(if *attempt == 0 {
                    format!("  it could not be planned{message}")
                } else {
                    format!("  attempt {attempt} {how}{message}")
                });
            }
            Entry::Skip { stage, code } if *stage == args.stage => {
                lines.extend(skipped(&plan, id, *code, &entries));
            }
            Entry::Begin { .. }
            | Entry::Skip { .. }
            | Entry::Service { .. }
            | Entry::Miss { .. }
            | Entry::Hit { .. }
            | Entry::Listed { .. }
            | Entry::Refused { .. }
            | Entry::Start { .. }
            | Entry::End { .. }
            | Entry::Finish { .. } => {}
        }
    }
    let nothing = lines.is_empty();
    let resolved = plan.stage(id);
    for name in resolved.env_pass() {
        let value = resolved.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        lines.push(match value.map(str::to_owned).or_else(|| std::env::var(name).ok()) {
            Some(value) => format!("  it is passed `{name}`, now `{}`", plain(&value)),
            None => format!("  it is passed `{name}`, which is not set now"),
        });
    }
    lines.extend(resolved.secrets().iter().map(|s| {
        let keyed = if s.keyed_digest { ", and a keyed digest of it is in the key" } else { "" };
        format!("  it sees the secret `{}` from `{}`{keyed}", plain(&s.name), plain(&s.from.to_string()))
    }));
    for condition in resolved.extra.iter().flat_map(|e| &e.params).filter(|c| !c.holds) {
        lines.push(format!("  it is left out unless `{}` is `{}`", condition.name, plain(&condition.is)));
    }
    for patterns in resolved.extra.iter().flat_map(|e| &e.changed) {
        lines.push(format!("  with `--base` it is left out unless {} differs", plain(&patterns.join(", "))));
    }
    if nothing {
        lines.push(match entries.iter().any(|e| matches!(e, Entry::Finish { .. })) {
            true => "  nothing about it had changed".to_owned(),
            false => "  the run ended before it came to this stage".to_owned(),
        });
    }
    let store = repository.workspace.open_store()?;
    let cached = key.map_or(Ok(None), |key| store.result(key))?.is_some();
    let names = plan.stages.iter().map(|s| s.name.as_str());
    let memory = Memory::open(&repository.workspace.state(), &plan.name, names)?;
    let last = key.or_else(|| memory.get(id.index()).map(|remembered| remembered.keyed.key));
    let varied = last.and_then(|key| store.varied().map(|mut all| all.remove(&key)).transpose()).transpose()?;
    let varied = varied.unwrap_or_default();
    lines.extend(varied.iter().map(|v| plain(&format!("  OUTPUT_NONDETERMINISTIC: {}", sentence(v)))));
    let flaky = last.map_or(Ok(None), |key| store.ends().map(|ends| ends.flaky(key)))?;
    lines
        .extend(flaky.iter().map(|f| format!("  flaky: it {}; last at {}", flaky_words(f), rfc3339(f.last_failed_ms))));
    context.output.line(format!(
        "{} in run {run}: {}",
        args.stage,
        match (started, listed) {
            (true, _) => "ran",
            (false, true) => "became several stages",
            (false, false) => "did not run",
        }
    ));
    for line in &lines {
        context.output.line(line);
    }
    if let Some(key) = key {
        context.output.line(format!("  key {key}"));
        context
            .output
            .line(format!("  the action cache has {} for this key", if cached { "a result" } else { "no result" }));
    }
    context.output.document(&json!({
        "schema": "orgo.explain/1", "run": run, "pipeline": plan.name, "stage": args.stage,
        "key": key, "cached": cached, "started": started, "reasons": told, "varied": varied,
        "flaky": flaky.as_ref().map(flaky_json),
        "text": lines.iter().map(|l| l.trim()).collect::<Vec<_>>(),
    }));
    Ok(())
}

/// Why a stage was skipped: what failed before it, or that the run stopped.
fn skipped(plan: &Resolved, id: StageId, code: ReasonCode, entries: &[Entry]) -> Vec<String> {
    let mut failed: BTreeMap<&str, String> = BTreeMap::new();
    for entry in entries {
        match entry {
            Entry::End { stage, code: Some(code), .. } => drop(failed.insert(stage, code.to_string())),
            Entry::End { stage, code: None, .. } => drop(failed.remove(stage.as_str())),
            Entry::Refused { stage, gate, .. } => drop(failed.insert(stage, format!("refused by the gate `{gate}`"))),
            Entry::Begin { .. }
            | Entry::Miss { .. }
            | Entry::Hit { .. }
            | Entry::Listed { .. }
            | Entry::Start { .. }
            | Entry::Skip { .. }
            | Entry::Service { .. }
            | Entry::Finish { .. } => {}
        }
    }
    let mut seen = vec![false; plan.stages.len()];
    let mut queue = vec![id];
    let mut lines = Vec::new();
    while let Some(next) = queue.pop() {
        for needed in plan.graph.dependencies(next) {
            if !std::mem::replace(&mut seen[needed.index()], true) {
                queue.push(*needed);
                let name = plan.stage(*needed).name.as_str();
                lines.extend(
                    failed.get(name).map(|why| format!("  skipped: it needs `{name}`, which ended with {why}")),
                );
            }
        }
    }
    if lines.is_empty() {
        lines.push(if code == ReasonCode::ServiceFailed {
            "  it was not started: a service that it needs did not become ready, or ended by itself".to_owned()
        } else if code == ReasonCode::RunCancelled {
            "  skipped: the run was cancelled".to_owned()
        } else {
            "  skipped: the run stopped because another stage failed (`--keep-going` goes on)".to_owned()
        });
    }
    lines
}

/// The stage called so; of an item whose list is not known before a run, the stage that stands for all of them.
fn find(plan: &Resolved, name: &str) -> Option<StageId> {
    let of_item = |id: &StageId| {
        let declared = plan.stage(*id).pending().map(|_| plan.stage(*id).name.as_str());
        declared.and_then(|declared| name.strip_prefix(declared)).is_some_and(|rest| rest.starts_with('.'))
    };
    plan.find(name).or_else(|| plan.graph.stages().find(of_item))
}

/// The pipeline that has the stage, and the stage.
pub(super) fn find_stage(
    repository: &Repository,
    pipeline: Option<&str>,
    stage: &str,
    told: &Told,
) -> Result<(Resolved, StageId), Failure> {
    if pipeline.is_some() {
        let plan = repository.resolve(pipeline, told)?;
        if let Some(id) = find(&plan, stage) {
            return Ok((plan, id));
        }
        super::plan::wanted(&plan, &[stage.to_owned()])?;
    }
    let mut found: Vec<(Resolved, StageId)> = Vec::new();
    let (mut all, mut names) = (Vec::new(), Vec::new());
    for Checked { plan, .. } in repository.pipelines(told)? {
        names.extend(plan.stages.iter().map(|s| s.name.clone()));
        all.push(plan.name.clone());
        if let Some(id) = find(&plan, stage) {
            found.push((plan, id));
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let help = match closest(stage, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the pipelines are {}", all.join(", ")),
            };
            Err(Failure::usage(format!("no pipeline has a stage called `{stage}`"), help))
        }
        _ => {
            let names: Vec<_> = found.iter().map(|(p, _)| p.name.as_str()).collect();
            Err(Failure::usage(
                format!("several pipelines have a stage called `{stage}`"),
                format!("add `--pipeline` with one of {}", names.join(", ")),
            ))
        }
    }
}
