//! `orgo plan`: what a run would do, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use orgo_host::run::{Foreseen, Planner, SecretValues};
use orgo_kernel::graph::StageId;
use orgo_kernel::plan::{Resolved, ResolvedApproval};
use orgo_spec::Name;
use orgo_spec::document::closest;
use orgo_spec::record::Lane;
use serde_json::json;

use super::Context;
use super::cache::others;
use crate::args::Plan;
use crate::failure::{Class, Failure};
use crate::output::plain;
use crate::plans::Plans;
use crate::project::{Repository, own_path};

/// The file of the key of keyed digests of secrets, in the user's folder.
pub(super) const SECRET_KEY: &str = "secret-digests.key";

/// How many bytes of lines are written together.
const TOGETHER: usize = 64 * 1024;

/// Foresees every stage; changes nothing.
pub(super) fn run(context: &Context, args: &Plan) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    if let Some((pipeline, stages)) = unchanged(context, args, &repository)? {
        context.output.line(format!("{pipeline}: 0 to run, {stages} hits, 0 known later"));
        return Ok(());
    }
    let plans = Plans::new(repository.resolve(args.pipeline.as_deref(), &args.told)?);
    let mut wanted = wanted(plans.first(), &args.stages)?;
    let mut conditions = super::conditions::decide(&repository, plans.first(), args.against.base.as_deref())?;
    let store = Arc::new(repository.workspace.open_store()?);
    let mut planner = Planner::open(plans.first(), &repository.workspace, store, own_path()?)?;
    let home = context.home()?;
    planner.set_secrets(SecretValues::new(home.path().join(SECRET_KEY)));
    planner.set_others(others(&args.caches, false, &home, Lane::Local)?);
    tell_faults(context, &mut planner);
    let origins = plans.learn(&repository, &args.told, &mut planner);
    for flags in [&mut wanted, &mut conditions.withheld] {
        flags.extend(origins.iter().map(|origin| flags[origin.index()]).collect::<Vec<_>>());
    }
    let plan = plans.latest();
    let looked_at: Vec<bool> = wanted.iter().zip(&conditions.withheld).map(|(w, left)| *w && !left).collect();
    planner.freeze(&looked_at);
    planner.unchanged(&looked_at)?;
    let (mut rows, mut text) = (Vec::new(), String::new());
    let (mut hits, mut runs, mut open) = (0, 0, 0);
    let mut problem = None;
    for id in plan.graph.topological().expect("`expand` refuses cycles").into_iter().filter(|id| wanted[id.index()]) {
        let name = &plan.stage(id).name;
        let (does, key, because) = if conditions.withheld[id.index()] {
            ("skip", None, vec!["its condition, or that of a stage that it reads from, does not hold".to_owned()])
        } else {
            match planner.foresee(id) {
                Ok(Foreseen::Hit(key)) => {
                    hits += 1;
                    ("hit", Some(key), Vec::new())
                }
                Ok(Foreseen::Runs(key, why)) => {
                    runs += 1;
                    ("run", Some(key), why.iter().map(ToString::to_string).collect())
                }
                Ok(Foreseen::Gated(key)) => {
                    open += 1;
                    let gate = plan.stage(id).gate.map_or("", |g| plan.gates[g as usize].name.as_str());
                    let mut because = vec![format!("the gate `{gate}` decides first")];
                    because.extend(
                        plan.approval(id)
                            .map(|a| format!("then the approval `{}`, which needs {} {}", a.name, a.need, may(a))),
                    );
                    ("gate", Some(key), because)
                }
                Ok(Foreseen::Approval(key)) => {
                    open += 1;
                    let because = plan
                        .approval(id)
                        .map_or(String::new(), |a| format!("the approval `{}` needs {} {}", a.name, a.need, may(a)));
                    ("approval", Some(key), vec![because])
                }
                Ok(Foreseen::Last) => {
                    open += 1;
                    ("last", None, vec!["it runs after all others, if any of them does".to_owned()])
                }
                Ok(Foreseen::Waits(on)) => {
                    open += 1;
                    ("wait", None, vec![format!("it reads what `{}` has yet to produce", plan.stage(on).name)])
                }
                Ok(Foreseen::Unknown(on)) => {
                    open += 1;
                    let list = plan.stage(id).pending().map_or("", |list| list.output.as_str());
                    (
                        "list",
                        None,
                        vec![format!(
                            "unknown until `{}` ends: its items are in `{list}` of that",
                            plan.stage(on).name
                        )],
                    )
                }
                Err(found) => {
                    let text = found.message.clone();
                    problem.get_or_insert((name.clone(), found));
                    ("error", None, vec![text])
                }
            }
        };
        if does != "hit" || context.output.verbose {
            let _ = writeln!(text, "{does:<5} {name:<24} {}", because.join("; ")); // writing to memory does not fail
        }
        if text.len() > TOGETHER {
            context.output.line(text.trim_end());
            text.clear();
        }
        if context.output.json {
            rows.push(json!({ "stage": name, "does": does, "key": key, "because": because }));
        }
    }
    tell_faults(context, &mut planner);
    context.output.line(format!("{text}{}: {runs} to run, {hits} hits, {open} known later", plan.name));
    context.output.document(&json!({
        "schema": "orgo.plan/1", "pipeline": plan.name, "base": conditions.base,
        "parameters": parameters(plan), "stages": rows,
    }));
    match problem {
        None => Ok(()),
        Some(_) if context.output.json => Err(Failure::told(Class::Declared)),
        Some((stage, found)) => Err(Failure::message(
            Class::Declared,
            Some(found.code),
            format!("the stage `{stage}` cannot be planned: {}", found.message),
            found.code.remedy(),
        )),
    }
}

/// The pipeline and how many stages it has, where all are known to be as the last run left them, and nothing but their
/// number is told.
fn unchanged<'a>(
    context: &Context,
    args: &'a Plan,
    repository: &Repository,
) -> Result<Option<(&'a str, usize)>, Failure> {
    let all = args.stages.is_empty()
        && args.told.parameters.is_empty()
        && args.against.base.is_none()
        && args.caches.is_empty()
        && !context.output.json
        && !context.output.verbose;
    let Some(pipeline) = args.pipeline.as_deref().filter(|name| all && Name::new(name).is_ok()) else {
        return Ok(None);
    };
    Ok(super::run::foreseen(repository, pipeline)?.map(|stages| (pipeline, stages)))
}

/// Warns of what is wrong with shared cache directories.
fn tell_faults(context: &Context, planner: &mut Planner<'_>) {
    for fault in planner.faults() {
        context.output.warn(plain(&format!("cache {}: {}", fault.name, fault.fault)));
    }
}

/// The parameters of a plan, by name.
pub(super) fn parameters(plan: &Resolved) -> BTreeMap<&str, &str> {
    plan.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Who may give an approval, in words.
pub(super) fn may(approval: &ResolvedApproval) -> String {
    if approval.by.is_empty() { "of all approvers".to_owned() } else { format!("of {}", approval.by.join(", ")) }
}

/// Marks the named stages and all that they need; every stage, if none is named.
pub(super) fn wanted(plan: &Resolved, names: &[String]) -> Result<Vec<bool>, Failure> {
    if names.is_empty() {
        return Ok(vec![true; plan.stages.len()]);
    }
    let mut wanted = vec![false; plan.stages.len()];
    let mut queue: Vec<StageId> = Vec::new();
    for name in names {
        queue.push(plan.find(name).ok_or_else(|| {
            let all = || plan.stages.iter().map(|s| s.name.as_str());
            let help = match closest(name, all()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the stages are {}", all().take(20).collect::<Vec<_>>().join(", ")),
            };
            Failure::usage(format!("the pipeline `{}` has no stage called `{name}`", plan.name), help)
        })?);
    }
    while let Some(id) = queue.pop() {
        if !std::mem::replace(&mut wanted[id.index()], true) {
            queue.extend(plan.graph.dependencies(id));
        }
    }
    Ok(wanted)
}
