//! Declared to resolved: parameters get their values, matrices and lists are expanded, names are bound, paths, cycles
//! and the profile are checked.
//!
//! A stage expands to *children*: one for every combination of the pipeline's axes, of its own axes, and item of its
//! list. An edge binds a child to those children of the other stage that agree with it on every axis that both have
//! (`fan.rs`).
//!
//! A list that a stage writes is not known before the run. Until it is, the stage that is repeated for it has one child
//! in place of all items ([`crate::plan::PendingList`]); when it is, the pipeline is expanded again with it ([`grow`]).

mod check;
mod fan;
mod given;
mod index;
mod items;
mod parameters;
mod paths;
mod places;
mod runtime;
mod spine;
mod stage;
mod text;

use std::collections::BTreeMap;

use orgo_spec::document::{Document, DocumentError, NotRead, Problem, Problems, RelativePath, Spanned};
use orgo_spec::pipeline::{Approval, Isolation, Pipeline};
use orgo_spec::{Name, ReasonCode};

pub use self::given::{Given, Growth, KnownList};

use self::check::{check_gates, check_labels, check_name};
use self::fan::{Fan, Join};
use self::index::Index;
use self::places::Places;
use self::runtime::Shared;
use self::stage::Compiled;
use crate::graph::{Graph, StageId};
use crate::plan::{PendingList, Resolved, ResolvedApproval, ResolvedGate, ResolvedStage, is_always, is_kristal};

/// What a stage gets that does not say (`docs/decisions/0032-isolation-default-is-confined.md`).
pub const DEFAULT_ISOLATION: Isolation = Isolation::Confined;
/// The isolation of services that do not say which.
const SERVICE_ISOLATION: Isolation = Isolation::Open;
/// The search path that every stage sees unless it sets its own; it is part of the key.
pub const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The most stages that one pipeline may expand to.
const MAX_STAGES: usize = 4_000_000;
/// The most edges that they may have.
const MAX_EDGES: usize = 64_000_000;

/// Expands and binds one pipeline that needs no parameters and no files.
///
/// # Errors
/// As [`expand_with`].
pub fn expand(document: &Document, pipeline: &Pipeline) -> Result<Resolved, DocumentError> {
    let refuse = |path: &RelativePath| {
        Err(NotRead {
            code: ReasonCode::InputMissing,
            message: format!("`{path}` cannot be read here"),
            help: "lists are read in a repository only".to_owned(),
        })
    };
    let parameters = &BTreeMap::new();
    expand_with(pipeline, &Given { parameters, lenient: false, read: &refuse, lists: &[], document })
}

/// Expands and binds one pipeline.
///
/// Linear in the number of expanded stages and edges; reads no file but through `given`.
///
/// # Errors
/// [`DocumentError`] for parameters that do not fit, cycles (every edge with its place), unknown names in texts,
/// lists that cannot be read, outputs that meet inputs, places that two inputs share, and a broken profile.
pub fn expand_with(pipeline: &Pipeline, given: &Given<'_>) -> Result<Resolved, DocumentError> {
    grow(pipeline, given).map(|growth| growth.plan)
}

/// As [`expand_with`], and says which stages came with the lists of `given`. With one list more in `given`, the plan is
/// the one without it and more: pure, so that everybody who knows the lists has the same plan.
///
/// # Errors
/// As [`expand_with`].
pub fn grow(pipeline: &Pipeline, given: &Given<'_>) -> Result<Growth, DocumentError> {
    let mut problems = Problems::new(given.document);
    let parameters = parameters::bind(pipeline, given.parameters, given.lenient, &mut problems);
    spine::check(pipeline, &mut problems);
    let (Some(combinations), Some(fans)) =
        (combinations(pipeline, &mut problems), fans(pipeline, given, &parameters, &mut problems))
    else {
        return Err(problems.into_error());
    };
    let places = Places::new(&fans, combinations.len(), given.lists.len());
    if places.total() > MAX_STAGES {
        problems.push(too_many("stages", MAX_STAGES, pipeline));
        return Err(problems.into_error());
    }
    let index = Index::new(pipeline);
    let shared = Shared::of(pipeline);
    let compiled: Vec<Compiled<'_>> = pipeline
        .stages
        .iter()
        .zip(&fans)
        .map(|(stage, fan)| {
            Compiled::new(pipeline, stage, fan, &index, &parameters, &mut problems).run_as(shared.stage(stage))
        })
        .collect();
    check_gates(pipeline, &index, &fans, &mut problems);
    let mut joins: Vec<(Vec<Join<'_>>, Vec<Join<'_>>)> = Vec::with_capacity(compiled.len());
    for (stage, fan) in compiled.iter().zip(&fans) {
        let join = |needed: usize| Join::new(fan, &fans[needed]);
        joins.push((
            stage.froms.iter().map(|from| join(from.stage)).collect(),
            stage.after.iter().map(|(needed, _)| join(*needed)).collect(),
        ));
    }
    let mut stages = Vec::with_capacity(places.total());
    let mut added: Vec<(StageId, ResolvedStage)> = Vec::new();
    let mut gates = Vec::new();
    let mut edges = Vec::new();
    for (c, combination) in combinations.iter().enumerate() {
        let id = |position: usize, child: usize| places.id(c, position, child);
        for gate in &pipeline.gates {
            let Some(on) = index.stage(&gate.on) else { continue };
            let name = fan::label(gate.name.as_str(), combination, &[]);
            check_name("gate", &name, &gate.name, &mut problems);
            gates.push(ResolvedGate { name, on: id(on, 0) });
        }
        for (position, (stage, (from_joins, after_joins))) in compiled.iter().zip(&joins).enumerate() {
            for child in 0..fans[position].len() {
                let this = id(position, child);
                let gate = stage.gate.map(|g| u32::try_from(c * pipeline.gates.len() + g).expect("bounded"));
                let values = fans[position].values(combination, child);
                let mut bound = Vec::with_capacity(stage.froms.len());
                let mut carried = Vec::new();
                for (from, join) in stage.froms.iter().zip(from_joins) {
                    let needed = join.children(child);
                    if needed.is_empty() {
                        problems.push(nobody(&stage.stage.name, &from.declared.stage));
                    }
                    let at = from.at.path(&values, &mut problems);
                    for other in needed {
                        let other = *other as usize;
                        edges.push((id(from.stage, other), this));
                        if let Some(out) = from.out {
                            let values = fans[from.stage].values(combination, other);
                            let path = compiled[from.stage].outs.texts[out].apply(&values);
                            carried.push((u32::try_from(bound.len()).expect("bounded"), path));
                        }
                        bound.push((id(from.stage, other), join.place(&at, &fans[from.stage], other)));
                    }
                }
                for ((needed, name), join) in stage.after.iter().zip(after_joins) {
                    if join.children(child).is_empty() {
                        problems.push(nobody(&stage.stage.name, name));
                    }
                    edges.extend(join.children(child).iter().map(|other| (id(*needed, *other as usize), this)));
                }
                if let Some(list) = &fans[position].list {
                    edges.push((id(list.stage, 0), this));
                }
                edges.extend(gate.and_then(|g| gates.get(g as usize)).map(|g: &ResolvedGate| (g.on, this)));
                let name = fan::label(stage.stage.name.as_str(), combination, &fans[position].labels(child));
                check_name("stage", &name, &stage.stage.name, &mut problems);
                let mut resolved = stage.resolve(name, &values, gate, bound, carried, &mut problems);
                if let Some(list) = fans[position].pending() {
                    let (stage, item) = (id(list.stage, 0), list.item.to_owned());
                    resolved.extra.get_or_insert_default().list =
                        Some(PendingList { item, stage, output: list.output.clone() });
                }
                match this.index() < places.places() {
                    true => stages.push(resolved),
                    false => added.push((this, resolved)),
                }
                if edges.len() > MAX_EDGES {
                    problems.push(too_many("edges", MAX_EDGES, pipeline));
                    return Err(problems.into_error());
                }
            }
        }
    }
    added.sort_unstable_by_key(|(id, _)| *id);
    stages.extend(added.into_iter().map(|(_, stage)| stage));
    let graph = Graph::new(stages.len(), edges);
    if graph.topological().is_none()
        && let Some(cycle) = graph.cycle()
    {
        problems.push(places.cycle_problem(pipeline, &cycle));
    }
    if problems.is_empty() {
        check_labels(pipeline, &places, &stages, &mut problems);
    }
    let plan = Resolved {
        name: pipeline.name.to_string(),
        kristal: is_kristal(pipeline.profile.as_ref().map(|p| p.value)),
        mandate: pipeline.mandate.as_ref().map(|m| m.to_string()),
        blueprint: pipeline.blueprint.as_ref().map(|b| b.to_string()),
        record_always: is_always(pipeline.record),
        parameters,
        stages,
        gates,
        approvals: pipeline.approvals.iter().map(approval).collect(),
        graph,
        resources: shared.resources,
        services: shared.services,
    };
    problems.check(Some(Growth { plan, origins: places.origins() }))
}

fn approval(declared: &Approval) -> ResolvedApproval {
    ResolvedApproval {
        name: declared.name.to_string(),
        need: declared.need.value,
        by: declared.by.iter().map(|name| name.to_string()).collect(),
        expires_s: declared.expires.0 / 1000,
    }
}

/// The combinations of the pipeline's axes; `None` if they are too many.
fn combinations<'p>(pipeline: &'p Pipeline, problems: &mut Problems) -> Option<Vec<Vec<&'p Name>>> {
    if pipeline.matrix.product() > MAX_STAGES {
        problems.push(too_many("stages", MAX_STAGES, pipeline));
        return None;
    }
    Some(pipeline.matrix.combinations())
}

/// What each stage expands to within a combination; `None` if that is too much, or a list cannot be read.
fn fans<'p>(
    pipeline: &'p Pipeline,
    given: &Given<'_>,
    parameters: &[(String, String)],
    problems: &mut Problems,
) -> Option<Vec<Fan<'p>>> {
    let mut fans = Vec::with_capacity(pipeline.stages.len());
    let mut complete = true;
    for stage in &pipeline.stages {
        if stage.matrix.product() > MAX_STAGES {
            problems.push(too_many("stages", MAX_STAGES, pipeline));
            return None;
        }
        let fan = Fan::new(pipeline, stage, given, parameters, problems);
        complete &= !fan.is_unread();
        fans.push(fan);
    }
    // Without its list nobody can say what the texts of a stage mean.
    complete.then_some(fans)
}

fn too_many(what: &str, limit: usize, pipeline: &Pipeline) -> Problem {
    Problem::new(
        ReasonCode::InputTooLarge,
        format!("the pipeline expands to more than {limit} {what}"),
        pipeline.name.span,
    )
    .help("split the pipeline")
}

fn nobody(stage: &Spanned<Name>, needed: &Spanned<Name>) -> Problem {
    Problem::new(
        ReasonCode::DocumentInvalid,
        format!("for some combinations of `{}` there is no `{}` with the same values", **stage, **needed),
        needed.span,
    )
    .also(stage.span, "this stage")
    .help("give both the same values of the axes that they share")
}

#[cfg(test)]
mod tests;
