//! The plan of a blueprint beside the pipeline that names it.

use std::collections::BTreeSet;

use orgo_spec::ReasonCode;
use orgo_spec::blueprint::{Blueprint, Step};
use orgo_spec::document::{Document, DocumentError, Problem, Problems, closest};

use crate::graph::StageId;
use crate::plan::{Resolved, ResolvedStage};

/// Holds the steps of a blueprint to a pipeline: each is a stage of it, in an order that its edges allow, with the gate
/// that stands in front of it; and no stage is without a step. A step stands for every combination of a matrix.
///
/// # Errors
/// [`DocumentError`] with every problem: `STAGE_UNKNOWN`, `GATE_UNKNOWN`, or `BLUEPRINT_DISAGREES`.
pub fn check(blueprint: &Blueprint, document: &Document, plan: &Resolved) -> Result<(), DocumentError> {
    let mut problems = Problems::new(document);
    let disagrees =
        |message: String, step: &Step| Problem::new(ReasonCode::BlueprintDisagrees, message, step.step_id.span);
    if plan.mandate.as_deref() != Some(blueprint.mandate.name.as_str()) {
        let message = match &plan.mandate {
            Some(name) => format!("the pipeline `{}` is governed by the mandate `{name}`", plan.name),
            None => format!("the pipeline `{}` is governed by no mandate", plan.name),
        };
        let problem = Problem::new(ReasonCode::BlueprintDisagrees, message, blueprint.mandate.span);
        problems.push(problem.help("name the same mandate in both"));
    }
    let step_of = |stage: &ResolvedStage| blueprint.steps.iter().position(|step| stands_for(step, stage));
    let steps: Vec<Option<usize>> = plan.stages.iter().map(step_of).collect();
    let bases: Vec<&str> = plan.stages.iter().map(|s| s.name.as_str()).collect();
    for step in &blueprint.steps {
        let stages: Vec<&ResolvedStage> = plan.stages.iter().filter(|s| stands_for(step, s)).collect();
        let Some(stage) = stages.first() else {
            let message = format!("the pipeline `{}` has no stage `{}`", plan.name, *step.step_id);
            let problem = Problem::new(ReasonCode::StageUnknown, message, step.step_id.span);
            problems.push(match closest(step.step_id.as_str(), bases.iter().copied()) {
                Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
                None => problem.help(format!("its stages are {}", bases.join(", "))),
            });
            continue;
        };
        let gate = stage.gate.map(|g| plan.gates[g as usize].name.as_str());
        for named in &step.policy_gates {
            let all: Vec<&str> = plan.gates.iter().map(|g| g.name.as_str()).collect();
            if !all.iter().any(|gate| is_or_varies(named.as_str(), gate)) {
                let message = format!("the pipeline `{}` has no gate `{}`", plan.name, named.value);
                let problem = Problem::new(ReasonCode::GateUnknown, message, named.span);
                problems.push(match closest(named.as_str(), all.iter().copied()) {
                    Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
                    None => problem.help("remove it, or declare the gate"),
                });
            } else if gate.is_none_or(|gate| !is_or_varies(named.as_str(), gate)) {
                let message = format!("the gate `{}` does not stand in front of `{}`", named.value, *step.step_id);
                let problem = Problem::new(ReasonCode::BlueprintDisagrees, message, named.span);
                problems.push(problem.help("remove it here, or add `gate=` to the stage"));
            }
        }
        if let Some(gate) = gate.filter(|gate| !step.policy_gates.iter().any(|g| is_or_varies(g.as_str(), gate))) {
            let message =
                format!("the gate `{gate}` stands in front of `{}`, and the step does not say so", *step.step_id);
            problems.push(disagrees(message, step).help(format!("add `gate \"{gate}\"`")));
        }
    }
    let mut told = BTreeSet::new();
    for id in plan.graph.stages() {
        let Some(at) = steps[id.index()] else {
            let message =
                format!("the stage `{}` of the pipeline `{}` is no step of the plan", plan.stage(id).name, plan.name);
            let problem = Problem::new(ReasonCode::BlueprintDisagrees, message, blueprint.name.span);
            problems.push(problem.help(format!("add `step \"{}\" owner=\"…\" {{ … }}`", plan.stage(id).name)));
            continue;
        };
        let before = |needed: &StageId| steps[needed.index()].filter(|needed| *needed > at);
        for needed in plan.graph.dependencies(id).iter().filter_map(before) {
            told.insert((at, needed));
        }
    }
    for (at, needed) in told {
        let (step, needed) = (&blueprint.steps[at], &blueprint.steps[needed]);
        let message = format!("`{}` needs `{}`, which comes later in the plan", *step.step_id, *needed.step_id);
        let problem = disagrees(message, step).also(needed.step_id.span, "needed before");
        problems.push(problem.help(format!("move the step `{}` before it", *needed.step_id)));
    }
    problems.check(Some(()))
}

fn stands_for(step: &Step, stage: &ResolvedStage) -> bool {
    is_or_varies(step.step_id.as_str(), &stage.name)
}

/// Whether `name` has that base: what a matrix multiplies has its values behind the name.
fn is_or_varies(base: &str, name: &str) -> bool {
    name.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
