//! Nodes to pipelines.

mod dynamic;
pub(super) mod environment;
mod parts;

use std::collections::BTreeMap;

use super::approval::{self, Approval};
use super::include;
use super::matrix::Matrix;
use super::param::Param;
use super::runtime::{PipelineRuntime, StageRuntime};
use super::stage::{Gate, GatedAction, Run, Stage, Work};
use super::template::Templates;
use super::tool::{CompileTool, SpineTool, TOOL_NAMES};
use super::{Pipeline, RecordMode};
use crate::document::{
    Document, DocumentError, DurationMs, Fields, Node, NotRead, Problem, Problems, ReadText, Span, Spanned, closest,
};
use crate::project::unknown_top;
use crate::{Name, ReasonCode};

/// How long a stage may run unless it says otherwise.
const DEFAULT_TIMEOUT: DurationMs = DurationMs(3_600_000);

/// Decodes a document of pipelines that includes nothing.
///
/// # Errors
/// [`DocumentError`] with every problem of the document: syntax, fields, and names that do not meet.
pub fn parse_pipelines(document: &Document) -> Result<Vec<Pipeline>, DocumentError> {
    let refuse = |path: &crate::document::RelativePath| {
        Err(NotRead {
            code: ReasonCode::InputMissing,
            message: format!("`{path}` cannot be read here"),
            help: "documents are included in a repository only".to_owned(),
        })
    };
    parse_pipelines_with(document, &refuse).map(|(pipelines, _)| pipelines)
}

/// Decodes a document of pipelines; `read` hands out what it includes. The document that comes back knows the places
/// of what was included: problems that are found later are reported against it.
///
/// # Errors
/// As [`parse_pipelines`].
pub fn parse_pipelines_with(
    document: &Document,
    read: &ReadText<'_>,
) -> Result<(Vec<Pipeline>, Document), DocumentError> {
    let whole = include::read(document, read)?;
    let mut problems = Problems::new(&whole.document);
    whole.problems.into_iter().for_each(|problem| problems.push(problem));
    let own = whole.nodes.iter().filter(|n| *n.name == "template");
    let templates = Templates::collect(whole.included.iter().chain(own), &mut problems);
    let mut pipelines: Vec<Pipeline> = Vec::new();
    let mut is_library = whole.includes;
    for node in &whole.nodes {
        match node.name.as_str() {
            "pipeline" => pipelines.extend(pipeline(node, &templates, &mut problems)),
            "template" => is_library = true,
            _ => problems.push(unknown_top(&node.name, &["pipeline", "template", "include"])),
        }
    }
    check_templates(&templates, &whole.document, &mut problems);
    unique(pipelines.iter().map(|p| &p.name), "pipeline", &mut problems);
    if pipelines.is_empty() && problems.is_empty() && !is_library {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "the document declares no pipeline", Span::default())
                .help("write `pipeline \"name\" { … }`"),
        );
    }
    problems.check(Some((pipelines, whole.document)))
}

/// Holds templates to what a stage may say, used or not. What a stage must say, its template need not.
fn check_templates(templates: &Templates<'_>, document: &Document, problems: &mut Problems) {
    for mut template in templates.all(problems) {
        // What is wrong is said once, as of the stages that use it.
        "stage".clone_into(&mut template.name.value);
        let mut found = Problems::new(document);
        stage(&template, &mut found);
        let missing =
            |problem: &Problem| problem.span() == template.name.span || problem.code() == ReasonCode::GateRequired;
        found.into_list().into_iter().filter(|p| !missing(p)).for_each(|p| problems.push(p));
    }
}

fn pipeline(node: &Node, templates: &Templates<'_>, problems: &mut Problems) -> Option<Pipeline> {
    let mut fields = Fields::new(node);
    let name = fields.arg("a name", problems);
    let profile = fields.one("profile", problems);
    let mandate = fields.one("mandate", problems);
    let blueprint = fields.one("blueprint", problems);
    let record = fields.one("record", problems).map_or_else(RecordMode::default, |r| r.value);
    let params: Vec<Param> = fields.children("param").into_iter().filter_map(|n| Param::decode(n, problems)).collect();
    let matrix = fields.child("matrix", problems).map_or_else(Matrix::default, |n| Matrix::decode(n, problems));
    let env = environment::env(fields.children("env"), problems);
    let stages: Vec<Stage> = fields
        .children("stage")
        .into_iter()
        .filter_map(|node| match templates.apply(node, problems) {
            Some(merged) => stage(&merged, problems),
            None => stage(node, problems),
        })
        .collect();
    let gates: Vec<Gate> = fields.children("gate").into_iter().filter_map(|node| gate(node, problems)).collect();
    let approvals: Vec<Approval> =
        fields.children("approval").into_iter().filter_map(|node| Approval::decode(node, problems)).collect();
    let runtime = PipelineRuntime::decode(&mut fields, problems);
    fields.finish(problems);
    unique(stages.iter().map(|s| &s.name), "stage", problems);
    unique(gates.iter().map(|g| &g.name), "gate", problems);
    unique(params.iter().map(|p| &p.name), "parameter", problems);
    bind(&stages, &gates, problems);
    dynamic::bind(&matrix, &stages, problems);
    super::runtime::bind(&runtime, &stages, &gates, problems);
    approval::bind(&approvals, &stages, problems);
    parts::one_namespace(&params, &matrix, &stages, problems);
    Some(Pipeline {
        name: name?,
        profile,
        mandate,
        blueprint,
        record,
        params,
        matrix,
        env,
        stages,
        gates,
        approvals,
        runtime,
    })
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
    let lists = || stages.iter().filter_map(Stage::listed_by);
    let edges = stages.iter().flat_map(|s| s.from.iter().map(|f| &f.stage).chain(&s.after)).chain(lists().map(|l| l.0));
    for edge in edges.chain(gates.iter().map(|g| &g.on)) {
        if stage_names.binary_search(&edge.as_str()).is_err() {
            problems.push(missing(ReasonCode::StageUnknown, "stage", edge, &stage_names));
        }
    }
    let read = stages.iter().flat_map(|s| &s.from).filter_map(|from| Some((&from.stage, from.artifact.as_ref()?)));
    for (needed, artifact) in read.chain(lists()) {
        let Some(stage) = stages.iter().find(|s| *s.name == **needed) else { continue };
        let known = || stage.artifacts.iter().map(|a| a.name.as_str());
        if !known().any(|name| name == artifact.as_str()) {
            let message = format!("`{}` has no output called `{}`", **needed, **artifact);
            let problem =
                Problem::new(ReasonCode::StageUnknown, message, artifact.span).also(stage.name.span, "this stage");
            problems.push(match closest(artifact.as_str(), known()) {
                Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
                None => problem.help(format!("name an output there: `out \"…\" as=\"{}\"`", **artifact)),
            });
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
    let from = fields.children("from").into_iter().flat_map(|node| parts::from(node, problems)).collect();
    let after = fields.list("after", problems);
    let (outs, artifacts) = parts::outs(fields.children("out"), problems);
    let matrix = fields.child("matrix", problems).map_or_else(Matrix::default, |n| Matrix::decode(n, problems));
    let for_each = fields.child("for-each", problems).and_then(|node| parts::for_each(node, problems));
    let when = fields.children("when").into_iter().filter_map(|node| parts::when(node, problems)).collect();
    let env = environment::env(fields.children("env"), problems);
    let env_pass = environment::env_pass(fields.list("env-pass", problems), &env, problems);
    let secrets = environment::secrets(fields.children("secret"), &env, &env_pass, problems);
    let tools = fields.list("tool", problems);
    let timeout = fields.one("timeout", problems).unwrap_or(Spanned::new(DEFAULT_TIMEOUT, node.name.span));
    let retries = fields.one::<u32>("retries", problems);
    let cpus = fields.one::<u32>("cpus", problems);
    let memory = fields.one("memory", problems);
    let network = fields.one("network", problems).map(|n| n.value).unwrap_or_default();
    let isolation = fields.one("isolation", problems);
    let runtime = StageRuntime::decode(&mut fields, problems);
    let step = fields.one("step", problems);
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
    environment::only_programs(&work, &env_pass, &secrets, problems);
    parts::overlapping(&outs, problems);
    Some(Stage {
        name: name?,
        work,
        approval,
        matrix,
        for_each,
        when,
        files,
        from,
        after,
        outs,
        artifacts,
        env,
        env_pass,
        secrets,
        tools,
        timeout,
        retries: retries.map_or(runtime.retry.as_ref().map_or(0, |r| r.times), |r| r.value),
        cpus: cpus.map_or(1, |c| c.value.max(1)),
        memory: memory.map(|m| m.value),
        network,
        isolation,
        runtime,
        step,
    })
}

/// What the stage does; exactly one of `run` and `uses` says it.
fn work(node: &Node, fields: &mut Fields<'_>, gate: Option<Spanned<Name>>, problems: &mut Problems) -> Option<Work> {
    let run = parts::run(fields, problems);
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
