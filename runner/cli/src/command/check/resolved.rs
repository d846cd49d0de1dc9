//! `orgo check --resolved`: what pipelines expand to.

use orgo_kernel::plan::{Action, Resolved};
use serde_json::{Value, json};

use super::super::Context;
use super::super::plan::parameters;
use crate::failure::Failure;
use crate::project::Checked;

/// Shows the expanded form of all pipelines, or of one.
pub(super) fn show(context: &Context, pipelines: &[Checked], name: Option<&str>) -> Result<(), Failure> {
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
