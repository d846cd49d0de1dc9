//! `orgo run` where nothing changed and the newest record says all there is to say: told without the plan.

use orgo_host::clock::{Clock, random_uuid};
use orgo_host::journal::{Entry, Journal};
use orgo_host::run::Settlement;
use orgo_kernel::plan::Resolved;
use orgo_spec::Name;
use orgo_spec::evidence::Push;
use orgo_spec::record::Pins;

use super::demand;
use super::told::tell;
use crate::args::{LogForm, Run};
use crate::command::Context;
use crate::failure::Failure;
use crate::ledger::{Desk, Governance, Recorded, Repetition, config_hash, open_desk};
use crate::pins;
use crate::project::{Repository, own_path};
use crate::report::unchanged;

/// Whether a later run of this plan may be answered without it: nothing but its documents, files and programs decides
/// what it does (no parameter, variable, secret, condition, list or include), and a repeated run needs no record of its
/// own.
pub(super) fn may_settle(repository: &Repository, plan: &Resolved, governance: &Governance, args: &Run) -> bool {
    let decided = !plan.gates.is_empty() || !plan.approvals.is_empty();
    let governed = decided || plan.mandate.is_some() || plan.blueprint.is_some();
    let told = !plan.parameters.is_empty() || plan.stages.iter().any(|s| s.extra.is_some());
    !args.unlocked && !governed && !told && repository.reads().is_empty() && !governance.always_records(plan)
}

/// What the last run of a pipeline left, with the pins that it held to.
fn left(repository: &Repository, pipeline: &str) -> Result<Option<(Settlement, Pins)>, Failure> {
    // A list is left only by a run that held to the lock, under a key that the lock is part of.
    let pins = pins::of_run(repository, false, false)?.map_or(Pins::UNPINNED, |lock| Pins::locked(lock.digest));
    let left = Settlement::read(&repository.workspace, pipeline, pins::settle_key(repository, pins)?)?;
    Ok(left.map(|left| (left, pins)))
}

/// How many stages a pipeline has, if a run would find all of them as the last one left them.
///
/// # Errors
/// [`Failure`] if the lock file or the workspace cannot be read.
pub(in crate::command) fn foreseen(repository: &Repository, pipeline: &str) -> Result<Option<usize>, Failure> {
    let Some((left, _)) = left(repository, pipeline)? else { return Ok(None) };
    Ok(left.holds(&repository.workspace, pipeline, None)?)
}

/// Whether a run is over before it began.
pub(super) enum Confirmed {
    /// Everything is as it was, and a record was confirmed.
    Yes,
    /// Nothing was done, and the run takes its ordinary way; with the desk, if it was opened.
    No(Option<Box<Desk>>),
}

/// Looks whether everything is as the last run left it.
///
/// # Errors
/// [`Failure`] if another run is under way, or a ledger or key cannot be used.
pub(super) fn confirm(context: &Context, args: &Run, repository: &Repository) -> Result<Confirmed, Failure> {
    let Some(pipeline) = args.pipeline.as_deref().filter(|name| Name::new(name).is_ok()) else {
        return Ok(Confirmed::No(None));
    };
    let all = args.stages.is_empty()
        && !args.force
        && args.repeat.is_none()
        && !args.unlocked
        && args.spool.is_none()
        && args.clock.is_none()
        && args.told.parameters.is_empty()
        && args.against.base.is_none();
    let files = args.events.is_none() && args.trace.is_none() && args.trace_otlp.is_none() && args.junit.is_none();
    let plain = files && args.log == LogForm::Text && !context.output.json && !context.output.verbose;
    // What a store did not get when the record was made is pushed by the run that confirms it.
    let mirrors = repository.project.evidence.stores.iter().any(|s| s.push == Push::Auto);
    if !all || !plain || mirrors || repository.workspace.has_varied()? {
        return Ok(Confirmed::No(None));
    }
    let clock = Clock::system();
    let started_ms = clock.now_ms();
    let workspace = &repository.workspace;
    let Some((settlement, pins)) = left(repository, pipeline)? else { return Ok(Confirmed::No(None)) };
    let home = context.home()?;
    let Some(desk) = open_desk(&repository.project, workspace.root(), &home, &clock, demand(args), None)? else {
        return Ok(Confirmed::No(None));
    };
    let Some(settled) = settlement.take(workspace, pipeline, &own_path()?, desk.source.looked.as_deref())? else {
        return Ok(Confirmed::No(Some(Box::new(desk))));
    };
    let state = workspace.state();
    let repetition = Repetition {
        desk: &desk,
        state: &state,
        pipeline,
        declared: repository.definition(),
        targets: &[],
        parameters: &[],
        base: None,
        config: config_hash(pipeline, repository.definition(), &[], &[], None, None, pins),
        executor: settled.executor,
        keys: settled.keys,
        gates: Vec::new(),
        approvals: Vec::new(),
        variance: &[],
        elsewhere: Vec::new(), // no list is left of a run that used such results
    };
    let Some((number, id)) = repetition.confirmed()? else { return Ok(Confirmed::No(None)) };
    let ended_ms = clock.now_ms();
    let run = random_uuid();
    let mut journal = Journal::create(&workspace.runs(), pipeline, &run)?;
    journal.add(&Entry::Begin { pipeline: pipeline.to_owned(), at_ms: started_ms });
    journal.add(&Entry::Finish { at_ms: ended_ms, ran: 0, hits: settled.stages as u64, record: Some(id.to_string()) });
    journal.flush()?;
    context.output.line(unchanged(pipeline, settled.stages, ended_ms - started_ms));
    tell(context, &Recorded::new(&desk, Some(number), id, true));
    Ok(Confirmed::Yes)
}
