//! Whether what stages say about how they are run holds together.

use std::collections::{BTreeMap, BTreeSet};

use super::super::decode::{missing, unique};
use super::super::stage::{Gate, Stage, Work};
use super::{PipelineRuntime, Pool};
use crate::document::{Problem, Problems, Span, Spanned};
use crate::{Name, ReasonCode};

/// Reports pools and services that are not declared, and stages that cannot be what they say.
pub(in crate::pipeline) fn bind(runtime: &PipelineRuntime, stages: &[Stage], gates: &[Gate], problems: &mut Problems) {
    unique(runtime.pools.iter().map(|p| &p.name), "pool", problems);
    unique(runtime.services.iter().map(|s| &s.name), "service", problems);
    let pools: BTreeMap<&str, &Pool> = runtime.pools.iter().map(|p| (p.name.as_str(), p)).collect();
    let services: BTreeSet<&str> = runtime.services.iter().map(|s| s.name.as_str()).collect();
    let service_names: Vec<&str> = services.iter().copied().collect();
    for stage in stages {
        take(stage, &pools, problems);
        for service in stage.runtime.needs.iter().filter(|n| !services.contains(n.as_str())) {
            problems.push(missing(ReasonCode::ServiceUnknown, "service", service, &service_names));
        }
        if let (Some(service), Work::Tool(_)) = (stage.runtime.needs.first(), &stage.work) {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "a built-in tool needs no service", service.span)
                    .help("remove `needs`"),
            );
        }
        unique(stage.runtime.needs.iter(), "needed service", problems);
        unique(stage.runtime.mutexes.iter(), "mutex", problems);
    }
    last(stages, gates, problems);
    optional(stages, gates, problems);
}

fn take(stage: &Stage, pools: &BTreeMap<&str, &Pool>, problems: &mut Problems) {
    let names: Vec<&str> = pools.keys().copied().collect();
    unique(stage.runtime.pools.iter().map(|p| &p.pool), "used pool", problems);
    for wanted in &stage.runtime.pools {
        let Some(pool) = pools.get(wanted.pool.as_str()) else {
            problems.push(missing(ReasonCode::PoolUnknown, "pool", &wanted.pool, &names));
            continue;
        };
        if *wanted.weight > *pool.capacity {
            problems.push(
                Problem::new(
                    ReasonCode::PoolExceeded,
                    format!("`{}` takes {} of a pool of {}", *stage.name, *wanted.weight, *pool.capacity),
                    wanted.weight.span,
                )
                .label("it could never start")
                .also(pool.capacity.span, "the pool has this much")
                .help("lower the weight, or raise the capacity"),
            );
        }
    }
}

/// What comes last may depend on nothing but what comes last, and nothing else may depend on it.
fn last(stages: &[Stage], gates: &[Gate], problems: &mut Problems) {
    let finals: BTreeMap<&str, Span> = stages
        .iter()
        .filter_map(|s| Some((s.name.as_str(), s.runtime.finally.as_ref().filter(|f| f.value)?.span)))
        .collect();
    if finals.is_empty() {
        return;
    }
    for stage in stages {
        let is_last = stage.runtime.is_finally();
        for edge in stage.needed() {
            if let (false, Some(span)) = (is_last, finals.get(edge.as_str())) {
                problems.push(
                    Problem::new(
                        ReasonCode::DocumentInvalid,
                        format!("`{}` ends after everything else", **edge),
                        edge.span,
                    )
                    .label("so nothing else can wait for it")
                    .also(*span, "declared here")
                    .help("make this stage a `finally` stage too, or remove the edge"),
                );
            } else if is_last && !finals.contains_key(edge.as_str()) {
                problems.push(
                    Problem::new(
                        ReasonCode::DocumentInvalid,
                        format!("`{}` may not have run when a `finally` stage does", **edge),
                        edge.span,
                    )
                    .help("a `finally` stage runs after all others, and reads how they ended in `.orgo/results.json`; remove the edge"),
                );
            }
        }
        if let (true, Work::Gated { gate, .. }) = (is_last, &stage.work) {
            problems.push(no_gate("finally", gate));
        }
    }
    for gate in gates {
        if let Some(span) = finals.get(gate.on.as_str()) {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "no gate can wait for a `finally` stage", gate.on.span)
                    .also(*span, "declared here")
                    .help("let the gate stand on another stage"),
            );
        }
    }
}

/// What stands behind a gate may not depend on something that is allowed to fail: the run would end well without it.
fn optional(stages: &[Stage], gates: &[Gate], problems: &mut Problems) {
    if !stages.iter().any(|s| s.runtime.is_optional()) {
        return;
    }
    let at: BTreeMap<&str, usize> = stages.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
    let on: BTreeMap<&str, &Spanned<Name>> = gates.iter().map(|g| (g.name.as_str(), &g.on)).collect();
    let mut seen = vec![false; stages.len()];
    let mut queue: Vec<(usize, &Spanned<Name>)> = Vec::new();
    for stage in stages {
        if let Work::Gated { gate, .. } = &stage.work {
            if stage.runtime.is_optional() {
                problems.push(no_gate("optional", gate));
            }
            queue.extend(at.get(stage.name.as_str()).map(|i| (*i, gate)));
        }
    }
    while let Some((i, gate)) = queue.pop() {
        if std::mem::replace(&mut seen[i], true) {
            continue;
        }
        let stage = &stages[i];
        let report = if let Work::Gated { gate, .. } = &stage.work { on.get(gate.as_str()).copied() } else { None };
        for needed in stage.needed().chain(report) {
            let Some(next) = at.get(needed.as_str()) else { continue };
            if let Some(span) = stages[*next].runtime.optional.as_ref().filter(|o| o.value) {
                problems.push(
                    Problem::new(
                        ReasonCode::DocumentInvalid,
                        format!("what stands behind the gate `{}` may not depend on an optional stage", **gate),
                        needed.span,
                    )
                    .also(span.span, "it may fail, and the run would end well without what the gate is for")
                    .help("remove `optional`, or the edge"),
                );
            }
            queue.push((*next, gate));
        }
    }
}

fn no_gate(what: &str, gate: &Spanned<Name>) -> Problem {
    Problem::new(ReasonCode::DocumentInvalid, format!("a stage behind a gate cannot be `{what}`"), gate.span)
        .help("remove one of the two")
}
