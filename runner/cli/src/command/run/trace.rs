//! `orgo run --trace-inputs`: what stages touch, and what they should declare.
//!
//! The run has a store, a memory, working folders and results of its own, which go with it: nothing of it answers a later run,
//! is shown in `out/` or put on record. Stages that people must approve wait; gates decide as always.

use std::sync::Arc;

use orgo_host::clock::{Clock, random_uuid};
use orgo_host::isolation::Watch;
use orgo_host::run::{Notice, Others, RunOptions, RunOutcome};
use orgo_host::sources::Matcher;
use orgo_host::store::Store;
use orgo_host::trace::Traces;
use orgo_kernel::expand::KnownList;
use orgo_kernel::plan::{Resolved, ResolvedStage};
use orgo_kernel::scheduler::State;
use orgo_kernel::trace::{Findings, findings};
use orgo_spec::ReasonCode;
use orgo_spec::pipeline::Isolation;
use orgo_spec::record::Lane;
use serde_json::{Value, json};

use super::{end, processors};
use crate::args::Run;
use crate::command::Context;
use crate::command::conditions::{decide, secrets_allowed};
use crate::command::plan::{SECRET_KEY, wanted};
use crate::failure::{Class, Failure};
use crate::ledger::Governance;
use crate::output::{DIM, GREEN, RED, RESET, YELLOW, plain};
use crate::plans::Plans;
use crate::project::{Repository, own_path};
use crate::report::{how, last_lines};

/// How many of the last lines of a failed stage's log are shown.
const LINES: usize = 30;
/// How many names are told in text.
const NAMES: usize = 8;

/// Runs the stages and says what they should declare.
pub(super) fn run(context: &Context, args: &Run) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let plans = Plans::new(repository.resolve(args.pipeline.as_deref(), &args.told)?);
    let plan = plans.first();
    let wanted = wanted(plan, &args.stages)?;
    secrets_allowed(plan, &wanted, Lane::Local)?;
    obtainable()?;
    let conditions = decide(&repository, plan, args.against.base.as_deref())?;
    let governance = Governance::read(repository.workspace.root(), &repository.project, plan, None)?;
    let aside = repository.workspace.aside()?;
    let workspace = repository.workspace.within(aside.path());
    let traces = Arc::new(Traces::default());
    let force = vec![true; plan.stages.len()];
    let options = RunOptions {
        run: random_uuid(),
        jobs: args.jobs.unwrap_or_else(processors),
        memory_bytes: args.memory.map(|m| m.0).or_else(orgo_host::machine::memory_bytes),
        stream: false,
        keep_going: true,
        force: &force,
        repeat: 1,
        wanted: &wanted,
        withheld: &conditions.withheld,
        secret_key: context.home()?.path().join(SECRET_KEY),
        binary: own_path()?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        gates: governance.policy_in(Lane::Local, None),
        approvals: None,
        traces: Some(Arc::clone(&traces)),
        looked: None,
        clock: Clock::system(),
        before_work: &|| true,
        settle: None,
        stop: None,
        others: Others::default(),
    };
    context.output.note(format!(
        "{YELLOW}traced run{RESET}: stages get what they ask for and do not declare; nothing is cached, shown in `out/` or put on record"
    ));
    let store = workspace.open_store()?;
    let grow = |lists: &[KnownList]| plans.grow(&repository, &args.told, lists);
    let outcome = orgo_host::run::run(plan, &grow, &workspace, &options, &mut |notice: Notice<'_>| {
        tell(context, plans.latest(), &store, &notice);
    })?;
    let plan = plans.latest();
    let found = all_findings(plan, &outcome, &traces);
    for (stage, findings) in &found {
        show(context, stage, findings);
    }
    for (stage, state) in plan.stages.iter().zip(&outcome.stages).filter(|(_, o)| o.attempts.is_empty()) {
        if let State::Skipped(code) | State::Unapproved(code) | State::Refused(code) = state.state {
            context.output.line(format!("{}: not traced ({code})", stage.name));
        }
    }
    context.output.document(&document(plan, &outcome, &found));
    end(&outcome)
}

/// Refuses where reads cannot be watched with everything else kept away.
fn obtainable() -> Result<(), Failure> {
    orgo_host::isolation::obtainable(Isolation::Confined).map_err(|missing| {
        let message = format!("stages cannot be watched on this machine: {missing}");
        Failure::message(
            Class::Environment,
            Some(ReasonCode::IsolationUnavailable),
            message,
            "trace them where that is there",
        )
    })
}

fn tell(context: &Context, plan: &Resolved, store: &Store, notice: &Notice<'_>) {
    match notice {
        Notice::Ended(id, _, attempt) => {
            let (name, ms) = (&plan.stage(*id).name, attempt.ended_ms - attempt.started_ms);
            let Some(code) = attempt.code else {
                return context.output.note(format!("{GREEN}traced{RESET}  {name:<24} {ms:>6} ms"));
            };
            context.output.warn(format!("{RED}FAIL{RESET}    {name:<24} {ms:>6} ms  {code}: {}", how(attempt)));
            let log = attempt.log.and_then(|log| store.get(log.digest).ok()).unwrap_or_default();
            for line in last_lines(&log, LINES) {
                context.output.warn(format!("{DIM}      |{RESET} {}", plain(&line)));
            }
        }
        Notice::Unplanned(id, message) => {
            context.output.warn(format!("{RED}FAIL{RESET}    {:<24} {}", plan.stage(*id).name, plain(message)));
        }
        Notice::Begin(_)
        | Notice::Cache { .. }
        | Notice::Hit(_)
        | Notice::Miss(..)
        | Notice::Started(..)
        | Notice::Gate(_)
        | Notice::Approval(_)
        | Notice::Paused(..)
        | Notice::Printed(..)
        | Notice::Service(..)
        | Notice::Skipped(_)
        | Notice::Grown
        | Notice::Listed(..) => {}
    }
}

/// What follows for every stage that ran, in the order of the plan.
fn all_findings<'p>(plan: &'p Resolved, outcome: &RunOutcome, traces: &Traces) -> Vec<(&'p ResolvedStage, Findings)> {
    let (touched, mut matcher) = (traces.touched(), Matcher::default());
    let mut found = Vec::new();
    for (stage, outcome) in plan.stages.iter().zip(&outcome.stages) {
        let Some(touched) = touched.get(&stage.name) else { continue };
        let mut findings = findings(plan, stage, touched, |pattern, path| matcher.matches(pattern, path));
        if !matches!(outcome.state, State::Done { .. }) {
            findings.unneeded.clear(); // it did not come so far
        }
        found.push((stage, findings));
    }
    found
}

/// What is kept away from a stage while it is watched.
fn watch(stage: &ResolvedStage) -> Watch {
    if stage.isolation == Isolation::Open { Watch::Everything } else { Watch::Reads }
}

fn show(context: &Context, stage: &ResolvedStage, findings: &Findings) {
    let line = |text: String| context.output.line(plain(&text));
    let name = &findings.stage;
    if findings.add.is_empty() {
        line(format!("{name}: declares what it reads and starts"));
    } else {
        line(format!("{name}: add to the stage"));
        findings.add.iter().for_each(|add| line(format!("    {add}")));
    }
    if !findings.astray.is_empty() {
        line(format!("  read outside of its working folder, where it stays out of reach: {}", some(&findings.astray)));
    }
    if !findings.elsewhere.is_empty() && watch(stage) == Watch::Reads {
        let level = stage.isolation.as_str();
        line(format!("  out of reach at `{level}`, and no input can be declared there: {}", some(&findings.elsewhere)));
    }
    if !findings.unneeded.is_empty() {
        line(format!("  declared and not touched in this run: {}", findings.unneeded.join("; ")));
    }
    if context.output.verbose || !findings.add.is_empty() {
        let helpers = if findings.helpers.is_empty() {
            String::new()
        } else {
            format!("; programs that others start from their own folders: {}", some(&findings.helpers))
        };
        line(format!("  every stage may read {} files of the system that it read{helpers}", findings.system_files));
    }
}

fn some(names: &[String]) -> String {
    let shown = names.iter().take(NAMES).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `orgo.trace-inputs/1`.
fn document(plan: &Resolved, outcome: &RunOutcome, found: &[(&ResolvedStage, Findings)]) -> Value {
    let state = |stage: &str| {
        let at = plan.stages.iter().position(|s| s.name == stage);
        at.and_then(|at| outcome.stages[at].attempts.last()).and_then(|attempt| attempt.code)
    };
    let stages: Vec<Value> = found
        .iter()
        .map(|(stage, findings)| {
            let mut value = json!(findings);
            value["isolation"] = json!(stage.isolation);
            value["code"] = json!(state(&stage.name));
            value
        })
        .collect();
    json!({ "schema": "orgo.trace-inputs/1", "pipeline": plan.name, "stages": stages })
}
