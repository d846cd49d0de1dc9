//! `orgo check`: every document, every problem at once; and what pipelines expand to.

mod named;

use orgo_kernel::plan::{Action, Resolved};
use orgo_spec::pipeline::Isolation;
use serde_json::{Value, json};

use super::Context;
use super::plan::parameters;
use crate::args::Check;
use crate::failure::{Class, Failure};
use crate::project::{Checked, Repository};

/// Checks the documents and says what they amount to.
pub(super) fn run(context: &Context, args: &Check) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let pipelines = repository.pipelines(&args.told)?;
    named::check(repository.workspace.root(), &pipelines)?;
    for checked in &pipelines {
        obtainable(&checked.plan, &vec![true; checked.plan.stages.len()])?;
    }
    if args.resolved {
        return resolved(context, &pipelines, args.pipeline.as_deref());
    }
    for Checked { plan, .. } in &pipelines {
        let stages = plan.stages.len();
        let gates = plan.gates.len();
        context.output.line(format!("{}: {stages} stages, {gates} gates: sound", plan.name));
    }
    for name in orgo_host::mandate::names(repository.workspace.root())? {
        if let Some(loaded) = orgo_host::mandate::from_folder(repository.workspace.root(), &name)? {
            let (version, policies) = (loaded.bundle.mandate().version, loaded.policies.list().len());
            context.output.line(format!("mandate {name}: version {version}, {policies} policies: sound"));
        }
    }
    if pipelines.is_empty() {
        context.output.line("the project declares no pipeline yet; write one in `pipelines/`");
    } else {
        context.output.note(not_enforced(pipelines.iter().map(|c| &c.plan)));
    }
    if !context.output.json {
        return Ok(());
    }
    let list: Vec<_> = pipelines
        .iter()
        .map(|Checked { pipeline, plan, .. }| {
            json!({
                "name": plan.name,
                "stages": plan.stages.iter().map(|s| &s.name).collect::<Vec<_>>(),
                "gates": plan.gates.iter().map(|g| &g.name).collect::<Vec<_>>(),
                "declared": pipeline,
            })
        })
        .collect();
    context.output.document(&json!({
        "schema": "orgo.check/1",
        "project": repository.project,
        "isolation": "open",
        "pipelines": list,
    }));
    Ok(())
}

/// Shows the expanded form of all pipelines, or of one.
fn resolved(context: &Context, pipelines: &[Checked], name: Option<&str>) -> Result<(), Failure> {
    let chosen: Vec<&Resolved> =
        pipelines.iter().map(|c| &c.plan).filter(|p| name.is_none_or(|n| n == p.name)).collect();
    if let (Some(name), []) = (name, chosen.as_slice()) {
        let names: Vec<_> = pipelines.iter().map(|c| c.plan.name.as_str()).collect();
        let help = format!("the pipelines are {}", names.join(", "));
        return Err(Failure::usage(format!("no pipeline is called `{name}`"), help));
    }
    if context.output.json {
        let list: Vec<_> = chosen.iter().map(|plan| plan_json(plan)).collect();
        context.output.document(&json!({ "schema": "orgo.resolved/1", "pipelines": list }));
        return Ok(());
    }
    for plan in chosen {
        context.output.line(plan.to_kdl().trim_end());
    }
    Ok(())
}

fn plan_json(plan: &Resolved) -> Value {
    let stages: Vec<Value> = plan
        .stages
        .iter()
        .map(|stage| {
            let (run, uses, config) = match &stage.action {
                Action::Run(argv) => (Some(argv), None, None),
                Action::Tool { name, config } => (None, Some(name.as_str()), serde_json::from_slice::<Value>(config).ok()),
                Action::Compile(compiler) => (None, Some(compiler.tool().name()), None),
            };
            let from: Vec<Value> = stage
                .from
                .iter()
                .enumerate()
                .map(|(i, (needed, at))| json!({ "stage": plan.stage(*needed).name, "at": at, "output": stage.artifact(i) }))
                .collect();
            json!({
                "name": stage.name,
                "run": run,
                "uses": uses,
                "config": config,
                "gate": stage.gate.map(|g| &plan.gates[g as usize].name),
                "files": &*stage.files,
                "from": from,
                "out": &*stage.outs,
                "env": stage.env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<std::collections::BTreeMap<_, _>>(),
                "env_pass": stage.env_pass(),
                "secrets": stage.secrets().iter().map(|s| json!({ "name": s.name, "from": s.from.to_string(), "keyed_digest": s.keyed_digest })).collect::<Vec<_>>(),
                "changed": stage.extra.as_ref().map(|e| &e.changed),
                "params": stage.extra.as_ref().map(|e| &e.params),
                "tools": &*stage.tools,
                "timeout_ms": stage.timeout_ms,
                "retries": stage.retries,
                "cpus": stage.cpus,
                "network": stage.network,
                "isolation": stage.isolation,
            })
        })
        .collect();
    json!({
        "name": plan.name,
        "profile": plan.kristal.then_some("kristal"),
        "mandate": plan.mandate,
        "blueprint": plan.blueprint,
        "record": if plan.record_always { "always" } else { "changed" },
        "parameters": parameters(plan),
        "stages": stages,
        "gates": plan.gates.iter().map(|g| json!({ "name": g.name, "on": plan.stage(g.on).name })).collect::<Vec<_>>(),
    })
}

/// Refuses stages that declare more isolation than this version can enforce.
pub(crate) fn obtainable(plan: &Resolved, wanted: &[bool]) -> Result<(), Failure> {
    let above =
        |(stage, wanted): &(&orgo_kernel::plan::ResolvedStage, &bool)| **wanted && stage.isolation > Isolation::Open;
    match plan.stages.iter().zip(wanted).find(above) {
        None => Ok(()),
        Some((stage, _)) => Err(Failure::message(
            Class::Environment,
            Some(orgo_spec::ReasonCode::IsolationUnavailable),
            format!(
                "the stage `{}` declares isolation `{}`, which cannot be enforced here",
                stage.name,
                stage.isolation.as_str()
            ),
            "this version enforces nothing beyond `open`; declare `isolation \"open\"` if that is enough for the stage",
        )),
    }
}

/// What stages declare and nobody enforces, in one sentence.
fn not_enforced<'p>(plans: impl Iterator<Item = &'p Resolved>) -> String {
    let mut text = "stages run at isolation `open`: nothing is kept away from them yet, the network neither".to_owned();
    let wants_memory =
        |s: &orgo_kernel::plan::ResolvedStage| s.runtime.as_ref().is_some_and(|r| r.memory_bytes.is_some());
    if plans.flat_map(|plan| &plan.stages).any(wants_memory) {
        text.push_str("; `memory` decides when a stage starts, and is no limit while it runs");
    }
    text
}
