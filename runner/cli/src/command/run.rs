//! `orgo run`: runs a pipeline and reports.

use orgo_host::clock::{Clock, random_uuid};
use orgo_host::run::{GatePolicy, Notice, RunOptions, RunOutcome};
use orgo_kernel::plan::Resolved;
use orgo_kernel::scheduler::State;
use serde_json::{Value, json};

use super::Context;
use super::check::obtainable;
use super::plan::wanted;
use crate::args::Run;
use crate::failure::{Class, Failure};
use crate::project::{Repository, own_path};
use crate::report::Reporter;

/// Runs the pipeline.
pub(super) fn run(context: &Context, args: &Run) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let plan = repository.resolve(args.pipeline.as_deref())?;
    let wanted = wanted(&plan, &args.stages)?;
    obtainable(&plan, &wanted)?;
    let clock = match &args.clock {
        None => Clock::system(),
        Some(start) => Clock::injected(start).map_err(|e| Failure::usage(e, "write it in UTC"))?,
    };
    let force: Vec<bool> =
        plan.stages.iter().map(|s| args.force && (args.stages.is_empty() || args.stages.contains(&s.name))).collect();
    let options = RunOptions {
        run: random_uuid(),
        jobs: args.jobs.unwrap_or_else(processors),
        keep_going: args.keep_going,
        force: &force,
        wanted: &wanted,
        binary: own_path()?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        gates: GatePolicy::default(),
        clock: clock.clone(),
    };
    let mut reporter = Reporter::new(context.output, &plan, &wanted, args, &repository.project, &options.run, clock)?;
    let outcome = orgo_host::run::run(&plan, &repository.workspace, &options, &mut |notice: Notice<'_>| {
        reporter.notice(&notice);
    })?;
    reporter.finish(&outcome)?;
    context.output.document(&summary(&plan, &outcome));
    end(&outcome)
}

fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
}

fn end(outcome: &RunOutcome) -> Result<(), Failure> {
    if outcome.cancelled {
        return Err(Failure::told(Class::Cancelled));
    }
    match outcome.terminal_code() {
        None => Ok(()),
        Some(_) => Err(Failure::told(Class::Refused)),
    }
}

/// The result as JSON: `orgo.run/1`.
fn summary(plan: &Resolved, outcome: &RunOutcome) -> Value {
    let stages: Vec<Value> = plan
        .stages
        .iter()
        .zip(&outcome.stages)
        .map(|(stage, o)| {
            let (state, code) = match o.state {
                State::Done { hit: true } => ("hit", None),
                State::Done { hit: false } => ("ran", None),
                State::Failed(code) => ("failed", Some(code)),
                State::Refused(code) => ("refused", Some(code)),
                State::Skipped(code) => ("skipped", Some(code)),
                State::Waiting | State::Deciding | State::Looking | State::Ready | State::Running => ("open", None),
            };
            json!({
                "stage": stage.name,
                "state": state,
                "code": code,
                "key": o.keyed.as_ref().map(|k| k.key),
                "why": o.why,
                "attempts": o.attempts.len(),
            })
        })
        .collect();
    json!({
        "schema": "orgo.run/1",
        "run": outcome.run,
        "pipeline": plan.name,
        "succeeded": outcome.succeeded(),
        "code": outcome.terminal_code(),
        "ran": outcome.ran(),
        "hits": outcome.hits(),
        "duration_ms": outcome.ended_ms - outcome.started_ms,
        "stages": stages,
    })
}
