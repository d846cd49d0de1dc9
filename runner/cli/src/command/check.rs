//! `orgo check`: every document, every problem at once; and what pipelines expand to.

mod levels;
mod named;
mod resolved;
mod vouched;

use serde_json::json;

use super::Context;
use crate::annotate;
use crate::args::Check;
use crate::failure::Failure;
use crate::here::Here;
use crate::project::{Checked, Repository};

use vouched::{Vouching, at_open_of};

pub(crate) use levels::obtainable;
pub(crate) use vouched::vouched;

/// Checks the documents and says what they amount to.
pub(super) fn run(context: &Context, args: &Check) -> Result<(), Failure> {
    let checked = documents(context, args);
    if let Some(form) = args.format {
        // Outside of git the project is all there is.
        let prefix = Here::find(context).map_or_else(|_| String::new(), |here| here.prefix);
        let errors = checked.as_ref().err().map(Failure::errors).unwrap_or_default();
        annotate::print(&annotate::of_errors(errors, &prefix), form);
    }
    checked
}

/// Checks the documents; quietly, if standard output is for annotations.
fn documents(context: &Context, args: &Check) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let pipelines = repository.pipelines(&args.told)?;
    named::check(repository.workspace.root(), &pipelines)?;
    for checked in &pipelines {
        obtainable(&checked.plan, &vec![true; checked.plan.stages.len()])?;
    }
    if args.resolved {
        return resolved::show(context, &pipelines, args.pipeline.as_deref());
    }
    let say = |line: String| if args.format.is_some() { context.output.note(line) } else { context.output.line(line) };
    for Checked { plan, .. } in &pipelines {
        let stages = plan.stages.len();
        let gates = plan.gates.len();
        let approvals = match plan.approvals.len() {
            0 => String::new(),
            n => format!(", {n} approvals"),
        };
        say(format!("{}: {stages} stages, {gates} gates{approvals}: sound", plan.name));
        for approval in &plan.approvals {
            let (name, need) = (&approval.name, approval.need);
            say(format!("  approval {name}: {need} {}", super::plan::may(approval)));
        }
    }
    for name in orgo_host::mandate::names(repository.workspace.root())? {
        if let Some(loaded) = orgo_host::mandate::from_folder(repository.workspace.root(), &name)? {
            let (version, policies) = (loaded.bundle.mandate().version, loaded.policies.list().len());
            say(format!("mandate {name}: version {version}, {policies} policies: sound"));
        }
    }
    if pipelines.is_empty() {
        say("the project declares no pipeline yet; write one in `pipelines/`".to_owned());
    } else {
        context.output.note(levels::enforced(pipelines.iter().map(|c| &c.plan)));
    }
    let vouching = Vouching::find(&repository);
    vouching.warn(&pipelines, context.output);
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
                "approvals": plan.approvals,
                "at_open": at_open_of(plan),
                "declared": pipeline,
            })
        })
        .collect();
    context.output.document(&json!({
        "schema": "orgo.check/1",
        "project": repository.project,
        "isolation": levels::given(),
        "trust": vouching.trust(),
        "pipelines": list,
    }));
    Ok(())
}
