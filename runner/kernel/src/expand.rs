//! Declared to resolved: the matrix is expanded, names are bound, paths and cycles are checked.

mod runtime;
mod substitute;

use orgo_spec::canonical;
use orgo_spec::document::{Document, DocumentError, Problem, Problems, RelativePath, Span, Spanned};
use orgo_spec::pipeline::{GatedAction, Isolation, Pipeline, Run, Stage, Work};
use orgo_spec::{Name, ReasonCode};

use self::runtime::Shared;
use self::substitute::Combination;
use crate::graph::{Graph, StageId};
use crate::plan::{Action, Resolved, ResolvedApproval, ResolvedGate, ResolvedStage, is_always, is_kristal};

/// What a stage gets that does not say. `open` until the next level can be enforced.
pub const DEFAULT_ISOLATION: Isolation = Isolation::Open;
/// The search path that every stage sees unless it sets its own; it is part of the key.
pub const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Where the runner puts what is its own; stages may not declare anything there.
const RESERVED: &str = ".orgo";
/// The most stages that one pipeline may expand to.
const MAX_STAGES: usize = 4_000_000;

/// Expands and binds one pipeline.
///
/// Linear in the number of expanded stages and edges; reads no file.
///
/// # Errors
/// [`DocumentError`] for cycles (every edge with its place), unknown matrix axes, outputs that meet
/// inputs, and places that two inputs share.
pub fn expand(document: &Document, pipeline: &Pipeline) -> Result<Resolved, DocumentError> {
    let mut problems = Problems::new(document);
    let combinations = Combination::all(&pipeline.matrix);
    let declared = pipeline.stages.len();
    if combinations.len().saturating_mul(declared) > MAX_STAGES {
        problems.push(
            Problem::new(
                ReasonCode::InputTooLarge,
                format!("the matrix expands to more than {MAX_STAGES} stages"),
                pipeline.name.span,
            )
            .help("split the pipeline"),
        );
        return Err(problems.into_error());
    }
    let index = Index::new(pipeline);
    let shared = Shared::of(pipeline);
    let gate_count = pipeline.gates.len();
    let mut stages = Vec::with_capacity(combinations.len() * declared);
    let mut gates = Vec::new();
    let mut edges = Vec::new();
    for (c, combination) in combinations.iter().enumerate() {
        let id = |position: usize| StageId(u32::try_from(c * declared + position).expect("bounded by MAX_STAGES"));
        for gate in &pipeline.gates {
            let Some(on) = index.stage(&gate.on) else { continue };
            gates.push(ResolvedGate { name: combination.label(gate.name.as_str()), on: id(on) });
        }
        for (position, stage) in pipeline.stages.iter().enumerate() {
            let mut needs = Vec::new();
            let from = bind_from(stage, &index, id, &mut needs);
            needs.extend(stage.after.iter().filter_map(|name| index.stage(name)).map(id));
            let gate = match &stage.work {
                Work::Gated { gate, .. } => {
                    index.gate(gate).map(|g| u32::try_from(c * gate_count + g).expect("bounded"))
                }
                Work::Run(_) | Work::Tool(_) => None,
            };
            if let Some(gate) = gate {
                needs.push(gates[gate as usize].on);
            }
            edges.extend(needs.into_iter().map(|needed| (needed, id(position))));
            stages.push(resolve(pipeline, stage, gate, from, combination, &shared, &mut problems));
        }
    }
    let graph = Graph::new(stages.len(), edges);
    if let Some(cycle) = graph.cycle() {
        problems.push(cycle_problem(pipeline, &cycle, declared));
    }
    for stage in &pipeline.stages {
        check_paths(stage, &mut problems);
    }
    check_labels(pipeline, &stages, &mut problems);
    problems.check(Some(Resolved {
        name: pipeline.name.to_string(),
        kristal: is_kristal(pipeline.profile.as_ref().map(|p| p.value)),
        mandate: pipeline.mandate.as_ref().map(|m| m.to_string()),
        blueprint: pipeline.blueprint.as_ref().map(|b| b.to_string()),
        record_always: is_always(pipeline.record),
        stages,
        gates,
        approvals: pipeline.approvals.iter().map(approval).collect(),
        graph,
        resources: shared.resources,
        services: shared.services,
    }))
}

/// Names to positions, for binary search.
struct Index<'p> {
    stages: Vec<(&'p str, usize)>,
    gates: Vec<(&'p str, usize)>,
}

impl<'p> Index<'p> {
    fn new(pipeline: &'p Pipeline) -> Self {
        fn sorted<'n>(names: impl Iterator<Item = &'n Spanned<Name>>) -> Vec<(&'n str, usize)> {
            let mut list: Vec<_> = names.enumerate().map(|(i, n)| (n.as_str(), i)).collect();
            list.sort_unstable();
            list
        }
        Self {
            stages: sorted(pipeline.stages.iter().map(|s| &s.name)),
            gates: sorted(pipeline.gates.iter().map(|g| &g.name)),
        }
    }

    fn look(list: &[(&str, usize)], name: &Name) -> Option<usize> {
        list.binary_search_by(|(n, _)| (*n).cmp(name.as_str())).ok().map(|i| list[i].1)
    }

    fn stage(&self, name: &Name) -> Option<usize> {
        Self::look(&self.stages, name)
    }

    fn gate(&self, name: &Name) -> Option<usize> {
        Self::look(&self.gates, name)
    }
}

fn mount(from: &orgo_spec::pipeline::From) -> String {
    match &from.at {
        Some(at) => at.as_str().to_owned(),
        None => format!("in/{}", *from.stage),
    }
}

fn bind_from(
    stage: &Stage,
    index: &Index<'_>,
    id: impl Fn(usize) -> StageId,
    needs: &mut Vec<StageId>,
) -> Vec<(StageId, String)> {
    let mut bound = Vec::with_capacity(stage.from.len());
    for from in &stage.from {
        let Some(position) = index.stage(&from.stage) else { continue };
        needs.push(id(position));
        bound.push((id(position), mount(from)));
    }
    bound
}

fn resolve(
    pipeline: &Pipeline,
    stage: &Stage,
    gate: Option<u32>,
    from: Vec<(StageId, String)>,
    combination: &Combination<'_>,
    shared: &Shared<'_>,
    problems: &mut Problems,
) -> ResolvedStage {
    let run = |run: &Run, problems: &mut Problems| {
        Action::Run(run.argv.iter().map(|a| combination.apply(a, problems)).collect())
    };
    let mut outs: Vec<String> =
        stage.outs.iter().map(|out| combination.apply(&out.clone().map(|p| p.as_str().to_owned()), problems)).collect();
    let mut files: Vec<String> = stage.files.iter().map(|f| combination.apply(f, problems)).collect();
    let isolation = stage.isolation.as_ref().map_or(DEFAULT_ISOLATION, |i| i.value);
    let action = match &stage.work {
        Work::Run(r) | Work::Gated { action: GatedAction::Run(r), .. } => run(r, problems),
        Work::Tool(tool) => {
            outs.push(tool.output().to_owned());
            files.extend(tool.files().iter().map(|f| combination.apply(f, problems)));
            Action::Tool { name: tool.name().to_owned(), config: canonical::to_bytes(&tool.config().into()) }
        }
        Work::Gated { action: GatedAction::Compile(tool), .. } => {
            outs.push(tool.output().to_owned());
            Action::Compile((*tool).into())
        }
    };
    outs.sort_unstable();
    let mut env: Vec<(String, String)> = Vec::new();
    if matches!(action, Action::Run(_)) {
        env.push(("PATH".to_owned(), DEFAULT_PATH.to_owned()));
        for variable in pipeline.env.iter().chain(&stage.env) {
            env.retain(|(name, _)| *name != *variable.name);
            env.push((variable.name.value.clone(), combination.apply(&variable.value, problems)));
        }
        env.sort_unstable();
    }
    let mut tools: Vec<String> = stage.tools.iter().map(|t| combination.apply(t, problems)).collect();
    tools.sort_unstable();
    tools.dedup();
    ResolvedStage {
        name: combination.label(stage.name.as_str()),
        action,
        gate,
        approval: stage.approval.as_ref().and_then(|name| {
            let at = pipeline.approvals.iter().position(|a| *a.name == **name)?;
            u32::try_from(at).ok()
        }),
        files,
        from,
        outs,
        env,
        tools,
        timeout_ms: stage.timeout.0,
        retries: stage.retries,
        cpus: stage.cpus,
        isolation,
        network: stage.network,
        runtime: shared.stage(stage),
    }
}

fn approval(declared: &orgo_spec::pipeline::Approval) -> ResolvedApproval {
    ResolvedApproval {
        name: declared.name.to_string(),
        need: declared.need.value,
        by: declared.by.iter().map(|name| name.to_string()).collect(),
        expires_s: declared.expires.0 / 1000,
    }
}

/// Reports places in the working folder that two things claim.
fn check_paths(stage: &Stage, problems: &mut Problems) {
    let mut inputs: Vec<(RelativePath, Span)> = Vec::new();
    let place = |text: &str, span| RelativePath::new(text).map(|path| (path, span));
    inputs.extend(place(RESERVED, stage.name.span));
    for from in &stage.from {
        let Some((at, span)) = place(&mount(from), from.at.as_ref().map_or(from.stage.span, |at| at.span)) else {
            continue;
        };
        if let Some((_, earlier)) = inputs.iter().find(|(other, _)| other.contains(&at) || at.contains(other)) {
            problems.push(
                Problem::new(
                    ReasonCode::OutputConflict,
                    format!("two inputs of `{}` appear at `{at}`", *stage.name),
                    span,
                )
                .also(*earlier, "the other one")
                .help("give one of them another place with `at=\"…\"`"),
            );
        }
        inputs.push((at, span));
    }
    let literal = |pattern: &&Spanned<String>| !pattern.contains(['*', '?', '[', '{', '$']);
    inputs.extend(stage.files.iter().filter(literal).filter_map(|f| place(f, f.span)));
    for out in &stage.outs {
        if let Some((input, span)) = inputs.iter().find(|(input, _)| input.contains(&out.value) || out.contains(input))
        {
            let problem = Problem::new(
                ReasonCode::OutputConflict,
                format!("the output `{}` meets the input `{input}`", **out),
                out.span,
            )
            .help("write outputs to a place of their own");
            problems.push(if input.as_str() == RESERVED { problem } else { problem.also(*span, "the input") });
        }
    }
}

/// Reports stages that the matrix gives one name: they would share their results.
fn check_labels(pipeline: &Pipeline, stages: &[ResolvedStage], problems: &mut Problems) {
    let mut labels: Vec<(&str, usize)> = stages.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
    labels.sort_unstable();
    for pair in labels.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let stage = |i: usize| &pipeline.stages[i % pipeline.stages.len()].name;
        problems.push(
            Problem::new(
                ReasonCode::FieldDuplicate,
                format!("the matrix makes two stages called `{}`", pair[0].0),
                stage(pair[1].1).span,
            )
            .also(stage(pair[0].1).span, "the other one")
            .help("rename one of the stages, or a value of the matrix"),
        );
    }
}

fn cycle_problem(pipeline: &Pipeline, cycle: &[StageId], declared: usize) -> Problem {
    let stage = |id: StageId| &pipeline.stages[id.index() % declared];
    let names: Vec<String> = cycle.iter().chain(cycle.first()).map(|s| format!("`{}`", *stage(*s).name)).collect();
    let mut places: Vec<(Span, String)> = Vec::new();
    for (i, needing) in cycle.iter().enumerate() {
        let needed = stage(cycle[(i + cycle.len() - 1) % cycle.len()]);
        let needing = stage(*needing);
        let edges = needing.from.iter().map(|f| &f.stage).chain(&needing.after);
        let gate = match &needing.work {
            Work::Gated { gate, .. } => {
                pipeline.gates.iter().find(|g| *g.name == **gate && *g.on == *needed.name).map(|_| gate.span)
            }
            Work::Run(_) | Work::Tool(_) => None,
        };
        let span = edges.filter(|e| ***e == *needed.name).map(|e| e.span).next().or(gate).unwrap_or(needing.name.span);
        places.push((span, format!("`{}` needs `{}`", *needing.name, *needed.name)));
    }
    let (first, label) = places.remove(0);
    let mut problem = Problem::new(
        ReasonCode::CycleInGraph,
        format!("stages need each other in a circle: {}", names.join(" → ")),
        first,
    )
    .label(label)
    .help("remove one of these edges");
    for (span, label) in places {
        problem = problem.also(span, label);
    }
    problem
}

#[cfg(test)]
mod tests {
    use orgo_spec::pipeline::parse_pipelines;

    use super::*;

    fn expand_text(text: &str) -> Result<Resolved, DocumentError> {
        let document = Document::new("pipelines/p.kdl", text);
        let pipelines = parse_pipelines(&document).expect("the document decodes");
        expand(&document, &pipelines[0])
    }

    fn codes(error: &DocumentError) -> Vec<ReasonCode> {
        error.problems().map(Problem::code).collect()
    }

    #[test]
    fn every_edge_of_a_cycle_is_shown() {
        let error = expand_text(
            r#"pipeline "p" { stage "a" { from "c"; run "x" }
               stage "b" { after "a"; run "x" }
               stage "c" { from "b"; run "x" } }"#,
        )
        .expect_err("a cycle");
        assert_eq!(codes(&error), [ReasonCode::CycleInGraph]);
        let report = format!("{:?}", error.problems().next());
        for edge in ["`a` needs `c`", "`b` needs `a`", "`c` needs `b`"] {
            assert!(report.contains(edge), "{report}");
        }
    }

    #[test]
    fn a_matrix_repeats_stages_and_binds_inside_each_combination() {
        let plan = expand_text(
            r#"pipeline "p" { matrix { os "linux"; cc "gcc" "clang" }
               stage "build" { run "${cc}" "-DOS=${os}"; out "bin/${cc}" }
               stage "test" { from "build"; run "sh" } }"#,
        )
        .expect("a plan");
        let names: Vec<_> = plan.stages.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["build.linux.gcc", "test.linux.gcc", "build.linux.clang", "test.linux.clang"]);
        assert_eq!(plan.stages[2].action, Action::Run(vec!["clang".into(), "-DOS=linux".into()]));
        assert_eq!(plan.stages[2].outs, ["bin/clang"]);
        assert_eq!(plan.graph.dependencies(StageId(3)), [StageId(2)]);
    }

    #[test]
    fn names_that_the_matrix_makes_equal_are_refused() {
        let error = expand_text(
            r#"pipeline "p" { matrix { v "x" "x.x" }
               stage "a" { run "y" }
               stage "a.x" { run "y" } }"#,
        )
        .expect_err("two stages called a.x.x");
        assert_eq!(codes(&error), [ReasonCode::FieldDuplicate]);
    }

    #[test]
    fn an_unknown_axis_is_an_error() {
        let error = expand_text(r#"pipeline "p" { stage "a" { run "${cc}" } }"#).expect_err("no axis");
        assert_eq!(codes(&error), [ReasonCode::DocumentInvalid]);
    }

    #[test]
    fn outputs_keep_away_from_inputs() {
        for text in [
            r#"pipeline "p" { stage "a" { run "x"; files "src/a.c"; out "src" } }"#,
            r#"pipeline "p" { stage "a" { run "x"; out ".orgo/x" } }"#,
            r#"pipeline "p" { stage "a" { run "x"; out "o" }; stage "b" { from "a"; run "x"; out "in/a/y" } }"#,
            r#"pipeline "p" { stage "a" { run "x"; out "o" }; stage "b" { run "x"; out "o" }
               stage "c" { from "a" at="d"; from "b" at="d"; run "x" } }"#,
        ] {
            assert_eq!(codes(&expand_text(text).expect_err(text)), [ReasonCode::OutputConflict], "{text}");
        }
    }

    #[test]
    fn a_gated_stage_waits_for_the_report_of_its_gate() {
        let plan = expand_text(
            r#"pipeline "p" { stage "r" { run "x"; out "report" }
               gate "g" on="r"
               stage "c" uses="compile-exchange" gate="g" }"#,
        )
        .expect("a plan");
        assert_eq!(plan.graph.dependencies(StageId(1)), [StageId(0)]);
        assert_eq!(plan.stages[1].gate, Some(0));
    }
}
