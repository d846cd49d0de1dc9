//! `orgo check --resolved`: what pipelines expand to.

use std::collections::BTreeMap;

use orgo_kernel::plan::{Action, Resolved, ResolvedStage};
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
                "approval": stage.approval.map(|a| &plan.approvals[a as usize].name),
                "step": stage.extra.as_ref().and_then(|e| e.step),
                "for_each": stage.pending().map(|l| json!({ "item": l.item, "stage": plan.stage(l.stage).name, "output": l.output })),
                "files": &*stage.files,
                "from": from,
                "out": &*stage.outs,
                "env": stage.env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<BTreeMap<_, _>>(),
                "env_pass": stage.env_pass(),
                "secrets": stage.secrets().iter().map(|s| json!({ "name": s.name, "from": s.from.to_string(), "keyed_digest": s.keyed_digest })).collect::<Vec<_>>(),
                "changed": stage.extra.as_ref().map(|e| &e.changed),
                "params": stage.extra.as_ref().map(|e| &e.params),
                "tools": &*stage.tools,
                "timeout_ms": stage.timeout_ms,
                "retries": stage.retries,
                "retry": stage.runtime.as_ref().and_then(|r| r.retry.as_ref()),
                "pools": claims(plan, stage, false),
                "mutexes": claims(plan, stage, true).into_keys().collect::<Vec<_>>(),
                "memory_bytes": stage.runtime.as_ref().and_then(|r| r.memory_bytes),
                "optional": stage.is_optional(),
                "finally": stage.is_finally(),
                "needs": stage.services().iter().map(|s| &plan.services[*s as usize].name).collect::<Vec<_>>(),
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
        "approvals": plan.approvals,
        "pools": plan.resources.iter().filter(|r| !r.is_mutex).map(|r| (&r.name, r.capacity)).collect::<BTreeMap<_, _>>(),
        "services": plan.services,
        "stages": stages,
        "gates": plan.gates.iter().map(|g| json!({ "name": g.name, "on": plan.stage(g.on).name })).collect::<Vec<_>>(),
    })
}

/// What a stage takes while it runs: mutexes, or of which pools how much.
fn claims<'p>(plan: &'p Resolved, stage: &ResolvedStage, mutexes: bool) -> BTreeMap<&'p str, u64> {
    let claims = stage.runtime.iter().flat_map(|r| &r.claims);
    let named = claims.map(|(at, amount)| (&plan.resources[*at as usize], *amount));
    named.filter(|(r, _)| r.is_mutex == mutexes).map(|(r, amount)| (r.name.as_str(), amount)).collect()
}
