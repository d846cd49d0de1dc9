//! Nodes to pipelines.

use std::collections::BTreeMap;

use super::approval::{self, Approval};
use super::runtime::{PipelineRuntime, StageRuntime};
use super::stage::{Env, From, Gate, GatedAction, Run, Stage, Work};
use super::tool::{CompileTool, SpineTool, TOOL_NAMES};
use super::{Axis, Pipeline, RecordMode};
use crate::document::{
    Document, DocumentError, DurationMs, Fields, Node, Problem, Problems, RelativePath, Span, Spanned, closest,
    parse_kdl,
};
use crate::project::unknown_top;
use crate::{Name, ReasonCode};

/// How long a stage may run unless it says otherwise.
const DEFAULT_TIMEOUT: DurationMs = DurationMs(3_600_000);

/// Decodes a document of pipelines.
///
/// # Errors
/// [`DocumentError`] with every problem of the document: syntax, fields, and names that do not meet.
pub fn parse_pipelines(document: &Document) -> Result<Vec<Pipeline>, DocumentError> {
    let nodes = parse_kdl(document)?;
    let mut problems = Problems::new(document);
    let mut pipelines: Vec<Pipeline> = Vec::new();
    for node in &nodes {
        if *node.name == "pipeline" {
            pipelines.extend(pipeline(node, &mut problems));
        } else {
            problems.push(unknown_top(&node.name, &["pipeline"]));
        }
    }
    unique(pipelines.iter().map(|p| &p.name), "pipeline", &mut problems);
    if pipelines.is_empty() && problems.is_empty() {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "the document declares no pipeline", Span::default())
                .help("write `pipeline \"name\" { … }`"),
        );
    }
    problems.check(Some(pipelines))
}

fn pipeline(node: &Node, problems: &mut Problems) -> Option<Pipeline> {
    let mut fields = Fields::new(node);
    let name = fields.arg("a name", problems);
    let profile = fields.one("profile", problems);
    let mandate = fields.one("mandate", problems);
    let blueprint = fields.one("blueprint", problems);
    let record = fields.one("record", problems).map_or_else(RecordMode::default, |r| r.value);
    let matrix = fields.child("matrix", problems).map_or_else(Vec::new, |node| matrix(node, problems));
    let env = env(fields.children("env"), problems);
    let stages: Vec<Stage> = fields.children("stage").into_iter().filter_map(|node| stage(node, problems)).collect();
    let gates: Vec<Gate> = fields.children("gate").into_iter().filter_map(|node| gate(node, problems)).collect();
    let approvals: Vec<Approval> =
        fields.children("approval").into_iter().filter_map(|node| Approval::decode(node, problems)).collect();
    let runtime = PipelineRuntime::decode(&mut fields, problems);
    fields.finish(problems);
    unique(stages.iter().map(|s| &s.name), "stage", problems);
    unique(gates.iter().map(|g| &g.name), "gate", problems);
    bind(&stages, &gates, problems);
    super::runtime::bind(&runtime, &stages, &gates, problems);
    approval::bind(&approvals, &stages, problems);
    Some(Pipeline { name: name?, profile, mandate, blueprint, record, matrix, env, stages, gates, approvals, runtime })
}

pub(super) fn unique<'n>(names: impl Iterator<Item = &'n Spanned<Name>>, what: &str, problems: &mut Problems) {
    let mut first: BTreeMap<&str, Span> = BTreeMap::new();
    for name in names {
        if let Some(earlier) = first.insert(name.as_str(), name.span) {
            problems.push(
                Problem::new(ReasonCode::FieldDuplicate, format!("two {what}s are called `{}`", **name), name.span)
                    .label("the second one")
                    .also(earlier, "the first one")
                    .help("give one of them another name"),
            );
        }
    }
}

/// Reports edges and gates that name nothing.
fn bind(stages: &[Stage], gates: &[Gate], problems: &mut Problems) {
    let mut stage_names: Vec<&str> = stages.iter().map(|s| s.name.as_str()).collect();
    let mut gate_names: Vec<&str> = gates.iter().map(|g| g.name.as_str()).collect();
    stage_names.sort_unstable();
    gate_names.sort_unstable();
    let edges = stages.iter().flat_map(|s| s.from.iter().map(|f| &f.stage).chain(&s.after));
    for edge in edges.chain(gates.iter().map(|g| &g.on)) {
        if stage_names.binary_search(&edge.as_str()).is_err() {
            problems.push(missing(ReasonCode::StageUnknown, "stage", edge, &stage_names));
        }
    }
    for stage in stages {
        if let Work::Gated { gate, .. } = &stage.work
            && gate_names.binary_search(&gate.as_str()).is_err()
        {
            problems.push(missing(ReasonCode::GateUnknown, "gate", gate, &gate_names));
        }
    }
}

pub(super) fn missing(code: ReasonCode, what: &str, name: &Spanned<Name>, known: &[&str]) -> Problem {
    let problem = Problem::new(code, format!("no {what} is called `{}`", **name), name.span);
    match closest(name.as_str(), known.iter().copied()) {
        Some(near) => {
            problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`, or declare `{}`", **name))
        }
        None => problem
            .label(format!("this {what} is not declared"))
            .help(format!("declare `{what} \"{}\"`, or remove this", **name)),
    }
}

fn matrix(node: &Node, problems: &mut Problems) -> Vec<Axis> {
    let mut axes = Vec::new();
    for child in &node.children {
        let mut fields = Fields::new(child);
        let values: Vec<Spanned<Name>> = fields.args("a value of the axis", problems);
        fields.finish(problems);
        if values.is_empty() {
            problems.push(
                Problem::new(
                    ReasonCode::DocumentInvalid,
                    format!("the axis `{}` has no values", *child.name),
                    child.span,
                )
                .help("write them behind its name"),
            );
        }
        unique(values.iter(), "value", problems);
        axes.push(Axis { name: child.name.clone(), values });
    }
    axes
}

pub(super) fn env(nodes: Vec<&Node>, problems: &mut Problems) -> Vec<Env> {
    let mut variables: Vec<Env> = Vec::new();
    for node in nodes {
        let mut fields = Fields::new(node);
        let name = fields.arg::<String>("the name of a variable", problems);
        let value = fields.arg::<String>("a value", problems);
        fields.finish(problems);
        let (Some(name), Some(value)) = (name, value) else { continue };
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            problems.push(Problem::new(
                ReasonCode::DocumentInvalid,
                "not a name of an environment variable",
                name.span,
            ));
        } else if let Some(earlier) = variables.iter().find(|v| *v.name == *name) {
            problems.push(
                Problem::new(ReasonCode::FieldDuplicate, format!("`{}` is set twice", *name), name.span)
                    .label("set again here")
                    .also(earlier.name.span, "first set here")
                    .help("keep one of the two"),
            );
        } else {
            variables.push(Env { name, value });
        }
    }
    variables
}

fn gate(node: &Node, problems: &mut Problems) -> Option<Gate> {
    let mut fields = Fields::new(node);
    let name = fields.arg("a name", problems);
    let on = fields.required("on", problems);
    fields.finish(problems);
    Some(Gate { name: name?, on: on? })
}

fn stage(node: &Node, problems: &mut Problems) -> Option<Stage> {
    let mut fields = Fields::new(node);
    let name = fields.arg("a name", problems);
    let gate = fields.one::<Name>("gate", problems);
    let approval = fields.one::<Name>("approval", problems);
    let work = work(node, &mut fields, gate, problems);
    let files = fields.list("files", problems);
    let from = fields.children("from").into_iter().flat_map(|node| from(node, problems)).collect();
    let after = fields.list("after", problems);
    let outs = fields.list::<RelativePath>("out", problems);
    let env = env(fields.children("env"), problems);
    let tools = fields.list("tool", problems);
    let timeout = fields.one("timeout", problems).unwrap_or(Spanned::new(DEFAULT_TIMEOUT, node.name.span));
    let retries = fields.one::<u32>("retries", problems);
    let cpus = fields.one::<u32>("cpus", problems);
    let memory = fields.one("memory", problems);
    let network = fields.one("network", problems).map(|n| n.value).unwrap_or_default();
    let isolation = fields.one("isolation", problems);
    let runtime = StageRuntime::decode(&mut fields, problems);
    fields.finish(problems);
    if let (Some(short), Some(retry)) = (&retries, node.children.iter().find(|c| *c.name == "retry")) {
        problems.push(
            Problem::new(ReasonCode::FieldDuplicate, "retries are said in one way", short.span)
                .also(retry.name.span, "and here")
                .help("keep `retry`, with `times`"),
        );
    }
    if let Some(retries) = retries.as_ref().filter(|r| r.value > 10) {
        problems.push(Problem::new(ReasonCode::DocumentInvalid, "a stage is retried at most 10 times", retries.span));
    }
    let work = work?;
    if matches!(work, Work::Tool(_) | Work::Gated { action: GatedAction::Compile(_), .. }) {
        for out in &outs {
            problems.push(
                Problem::new(ReasonCode::FieldUnknown, "a built-in tool declares its outputs itself", out.span)
                    .help("remove `out`"),
            );
        }
    }
    overlapping(&outs, problems);
    Some(Stage {
        name: name?,
        work,
        approval,
        files,
        from,
        after,
        outs,
        env,
        tools,
        timeout,
        retries: retries.map_or(runtime.retry.as_ref().map_or(0, |r| r.times), |r| r.value),
        cpus: cpus.map_or(1, |c| c.value.max(1)),
        memory: memory.map(|m| m.value),
        network,
        isolation,
        runtime,
    })
}

/// What the stage does; exactly one of `run` and `uses` says it.
fn work(node: &Node, fields: &mut Fields<'_>, gate: Option<Spanned<Name>>, problems: &mut Problems) -> Option<Work> {
    let run = fields.list::<String>("run", problems);
    let uses = fields.one::<String>("uses", problems);
    match (uses, run.is_empty()) {
        (Some(uses), true) => {
            if let Some(tool) = CompileTool::named(&uses) {
                let Some(gate) = gate else {
                    problems.push(
                        Problem::new(ReasonCode::GateRequired, format!("`{}` needs a gate", *uses), uses.span)
                            .label("nothing stands in front of this")
                            .help("add `gate=\"…\"` with the gate that must pass first; there is no way to compile without one"),
                    );
                    return None;
                };
                return Some(Work::Gated { gate, action: GatedAction::Compile(tool) });
            }
            if let Some(gate) = gate {
                problems.push(
                    Problem::new(
                        ReasonCode::FieldUnknown,
                        format!("`{}` cannot stand behind a gate", *uses),
                        gate.span,
                    )
                    .help("gates stand in front of compile stages and of `run` stages"),
                );
            }
            if !TOOL_NAMES.contains(&uses.as_str()) {
                let problem = Problem::new(
                    ReasonCode::DocumentInvalid,
                    format!("no built-in tool is called `{}`", *uses),
                    uses.span,
                );
                problems.push(match closest(&uses, TOOL_NAMES) {
                    Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
                    None => problem.help(format!("the tools are {}", TOOL_NAMES.join(", "))),
                });
                return None;
            }
            SpineTool::decode(&uses, fields, problems).map(Work::Tool)
        }
        (None, false) => {
            let run = Run { argv: run };
            Some(match gate {
                Some(gate) => Work::Gated { gate, action: GatedAction::Run(run) },
                None => Work::Run(run),
            })
        }
        (Some(uses), false) => {
            problems.push(
                Problem::new(ReasonCode::FieldDuplicate, "a stage either runs a program or uses a tool", uses.span)
                    .also(run[0].span, "a program is run here")
                    .help("remove one of the two"),
            );
            None
        }
        (None, true) => {
            if !fields.has("run") {
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, "the stage does nothing", node.name.span)
                        .label("neither `run` nor `uses`")
                        .help("add `run \"program\" \"argument\"`, or `uses=\"…\"`"),
                );
            }
            None
        }
    }
}

fn from(node: &Node, problems: &mut Problems) -> Vec<From> {
    let mut fields = Fields::new(node);
    let at: Option<Spanned<RelativePath>> = fields.one("at", problems);
    let stages: Vec<Spanned<Name>> = fields.args("`from`", problems);
    fields.finish(problems);
    if stages.is_empty() && node.args.is_empty() {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "`from` names no stage", node.span)
                .help("write `from \"stage\"`"),
        );
    }
    if let (Some(at), true) = (&at, stages.len() > 1) {
        problems.push(
            Problem::new(ReasonCode::OutputConflict, "several stages cannot appear at one place", at.span)
                .help("write one `from` for each"),
        );
    }
    stages.into_iter().map(|stage| From { stage, at: at.clone() }).collect()
}

fn overlapping(outs: &[Spanned<RelativePath>], problems: &mut Problems) {
    let mut sorted: Vec<_> = outs.iter().collect();
    sorted.sort();
    for pair in sorted.windows(2) {
        if pair[0].contains(&pair[1].value) {
            problems.push(
                Problem::new(ReasonCode::OutputConflict, format!("`{}` is declared twice", *pair[1]), pair[1].span)
                    .also(pair[0].span, "it lies in this output")
                    .help("declare the outer one only"),
            );
        }
    }
}
