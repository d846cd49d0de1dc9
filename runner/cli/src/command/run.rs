//! `orgo run`: runs a pipeline and reports.

mod settled;
mod summary;
mod told;
mod trace;
mod watch;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use orgo_host::clock::{Clock, random_uuid};
use orgo_host::journal::{self, Entry};
use orgo_host::ledger::Spool;
use orgo_host::run::{Approving, Confirm, Notice, Others, RunError, RunOptions, RunOutcome};
use orgo_host::workspace::WorkspaceError;
use orgo_kernel::expand::KnownList;
use orgo_spec::ReasonCode;
use orgo_spec::approval::ApprovalSubject;
use orgo_spec::record::{Class as RecordClass, Lane, Pins};
use serde_json::json;

use self::settled::Confirmed;
pub(super) use self::settled::foreseen;
use self::told::{standing, tell};
use self::watch::{Reads, Round};
use super::Context;
use super::cache::others;
use super::check::{obtainable, vouched};
use super::conditions::{decide, secrets_allowed};
use super::plan::{SECRET_KEY, wanted};
use crate::annotate;
use crate::args::{LaneArg, LogForm, Run};
use crate::base::Base;
use crate::evidence::{Mirrored, all_reached};
use crate::failure::{Class, Failure};
use crate::here::Here;
use crate::ledger::{
    About, Authority, Confirmations, Demand, Desk, Governance, Variance, open_desk, start, submit, variances,
};
use crate::output::command;
use crate::pins;
use crate::plans::Plans;
use crate::project::{Repository, own_path};
use crate::report::{Reporter, flaky_stages};

/// Runs the pipeline, once or until somebody interrupts.
pub(super) fn run(context: &Context, args: &Run) -> Result<(), Failure> {
    if args.trace_inputs {
        return trace::run(context, args);
    }
    let ended = match args.watch {
        Some(how) => watch::run(context, args, how),
        None => once(context, args, None),
    };
    if let (LogForm::Github, Err(failure)) = (args.log, &ended) {
        let prefix = Here::find(context).map_or_else(|_| String::new(), |here| here.prefix);
        let wrong = annotate::commands(&annotate::of_errors(failure.errors(), &prefix));
        wrong.iter().for_each(|line| command(line));
    }
    ended
}

/// Runs the pipeline once.
fn once(context: &Context, args: &Run, mut round: Option<&mut Round<'_>>) -> Result<(), Failure> {
    let mut repository = Repository::open(&context.global.directory)?;
    let mut opened = None;
    if let Some(round) = &round {
        round.turn(&repository)?;
    } else {
        match settled::confirm(context, args, &repository)? {
            Confirmed::Yes => return Ok(()),
            Confirmed::No(desk) => opened = desk,
        }
    }
    let resolved = repository.resolve(args.pipeline.as_deref(), &args.told);
    if let Some(round) = &mut round {
        round.tried(&repository);
    }
    let plans = Plans::new(resolved?);
    let plan = plans.first();
    let wanted = wanted(plan, &args.stages)?;
    let conditions = decide(&repository, plan, args.against.base.as_deref())?;
    let reads = Reads { wanted: &wanted, withheld: &conditions.withheld, by_base: conditions.base.is_some() };
    if let Some(round) = &mut round {
        round.plan(&repository, plan, reads);
    }
    obtainable(plan, &wanted)?;
    let clock = match &args.clock {
        None => Clock::system(),
        Some(start) => Clock::injected(start).map_err(|e| Failure::usage(e, "write it in UTC"))?,
    };
    let base = args.against.base.as_deref().map(|name| Base::read(context, name)).transpose()?;
    if let Some(project) = base.as_ref().and_then(Base::project) {
        repository.project = project.clone();
    }
    let repository = repository;
    let mut demand = demand(args);
    if round.is_some() {
        demand.lane = Some(Lane::Local);
    }
    if demand.lane == Some(Lane::Request) && base.is_none() {
        return Err(Failure::usage("a request is judged by its base", "name it, such as `--base origin/main`"));
    }
    // Only records of protected runs are ever submitted.
    demand.lane = match (&args.spool, demand.lane) {
        (Some(_), Some(Lane::Local | Lane::Request)) => {
            return Err(Failure::usage(
                "only protected runs leave something to submit",
                "leave out `--spool`, or `--lane`; a record of this run is handed out by `orgo record export`",
            ));
        }
        (Some(_), _) => Some(Lane::Protected),
        (None, demanded) => demanded,
    };
    let spool = args.spool.as_deref().map(Spool::open).transpose()?;
    let home = context.home()?;
    let open = || open_desk(&repository.project, repository.workspace.root(), &home, &clock, demand, spool);
    let desk = opened.map_or_else(open, |desk| Ok(Some(*desk)))?;
    let lane = desk.as_ref().map_or(Lane::Local, |desk| desk.lane);
    let base = base.filter(|_| lane != Lane::Protected);
    if let Some(base) = &base {
        base.hold(plan, &wanted, &conditions.withheld)?;
    }
    secrets_allowed(plan, &wanted, lane)?;
    vouched(&repository, plan, |id| wanted[id.index()] && !conditions.withheld[id.index()], desk.as_ref())?;
    let governance = Governance::read(repository.workspace.root(), &repository.project, plan, base.as_ref())?;
    if let Some(differs) = &governance.differs {
        context.output.note(differs);
    }
    injected_clock_needs_development(&clock, desk.as_ref())?;
    if let Some(differs) = governance.check_active(&repository.project, desk.as_ref())? {
        context.output.note(differs);
    }
    let lock = pins::of_run(&repository, args.unlocked, lane == Lane::Protected)?;
    let pins = lock.as_ref().map_or(Ok(Pins::UNPINNED), |lock| lock.hold(&repository, plan, &wanted))?;
    let named = |name: &String| args.stages.is_empty() || args.stages.contains(name);
    let force: Vec<bool> =
        plan.stages.iter().map(|s| (args.force || args.repeat.is_some()) && named(&s.name)).collect();
    let run = random_uuid();
    let state = repository.workspace.state();
    let about = desk.as_ref().map(|desk| About {
        project: &repository.project,
        declared: repository.definition(),
        files: repository.files(),
        base: conditions.base.clone(),
        plan,
        wanted: &wanted,
        targets: &args.stages,
        governance: &governance,
        pins,
        desk,
        variance: Vec::new(),
        clock: &clock,
        state: &state,
        run: &run,
        started: Cell::new(None),
    });
    let refused: RefCell<Option<Failure>> = RefCell::new(None);
    let before_work = || match about.as_ref().map_or(Ok(()), start) {
        Ok(()) => true,
        Err(failure) => {
            refused.replace(Some(failure));
            false
        }
    };
    let authority = (!plan.approvals.is_empty()).then(|| Authority::open(&repository)).transpose()?;
    let told: RefCell<BTreeSet<String>> = RefCell::default();
    let standing = |subject: &ApprovalSubject| standing(context, authority.as_ref(), subject, &told);
    let protected = desk.as_ref().filter(|_| lane == Lane::Protected);
    let confirmations = protected.map(|desk| Rc::new(Confirmations::of(desk, &home, &state)));
    let others = others(&args.caches.folders, args.caches.unpacked, &home, lane)?;
    let options = RunOptions {
        run: run.clone(),
        jobs: args.jobs.unwrap_or_else(processors),
        memory_bytes: args.memory.map(|m| m.0).or_else(orgo_host::machine::memory_bytes),
        stream: args.stream,
        keep_going: args.keep_going,
        force: &force,
        repeat: args.repeat.unwrap_or(1),
        wanted: &wanted,
        withheld: &conditions.withheld,
        secret_key: home.path().join(SECRET_KEY),
        binary: own_path()?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        gates: governance.policy(&repository, desk.as_ref())?,
        approvals: Some(Approving {
            tenant: repository.project.tenant.clone(),
            runner: desk.as_ref().map(|d| *d.runner.public()),
            standing: &standing,
            wait_ms: args.wait.map_or(0, |w| w.0),
        }),
        traces: None,
        others: Others { confirm: confirmations.clone().map(|c| c as Rc<dyn Confirm>), ..others },
        looked: desk.as_ref().and_then(|desk| desk.source.looked.clone()),
        clock: clock.clone(),
        stop: round.as_ref().map(|round| round.stop()),
        before_work: &before_work,
        settle: settled::may_settle(&repository, plan, &governance, args)
            .then(|| pins::settle_key(&repository, pins))
            .transpose()?,
    };
    let store = repository.workspace.open_store()?;
    let mut reporter = Reporter::new(context.output, &plans, &wanted, &store, args, &repository, &options)?;
    let grow = |lists: &[KnownList]| plans.grow(&repository, &args.told, lists);
    let mut go = || {
        orgo_host::run::run(plan, &grow, &repository.workspace, &options, &mut |notice: Notice<'_>| {
            reporter.notice(&notice);
        })
    };
    let ended = match &mut round {
        Some(round) => round.guard(go),
        None => go(),
    };
    if let Some(failure) = refused.take() {
        return Err(failure);
    }
    if let (Some(round), Err(RunError::Workspace(WorkspaceError::Busy))) = (&mut round, &ended) {
        return Err(round.later());
    }
    let outcome = ended?;
    if let Some(confirmations) = &confirmations {
        confirmations.save()?;
        confirmations.note().iter().for_each(|note| context.output.note(note));
    }
    let plan = plans.latest();
    if let Some(round) = &mut round {
        round.ran(repository.workspace.root(), plan, &outcome, reads);
    }
    let cut = round.as_ref().is_some_and(|round| round.is_cut(&outcome));
    let variance = variances(plan, &outcome, &store)?;
    let mut facts: Vec<String> = variance.iter().flat_map(Variance::facts).collect();
    facts.sort_unstable();
    let about = about.map(|about| About { plan, wanted: &outcome.wanted, variance: facts, ..about });
    if authority.is_some() {
        orgo_host::approvals::remember(&state, &plan.name, outcome.waiting_for())?;
    }
    let recorded = match &about {
        _ if cut => None,
        None => {
            context.output.note("no record: the repository has no commit yet");
            None
        }
        Some(about) => {
            if about.desk.lane == Lane::Protected && !outcome.changed_sources.is_empty() {
                return Err(Failure::message(
                    Class::Refused,
                    Some(ReasonCode::InputChanged),
                    format!("`{}` changed while the protected run was reading the tree", outcome.changed_sources[0]),
                    ReasonCode::InputChanged.remedy(),
                ));
            }
            Some(submit(about, &outcome, &store)?)
        }
    };
    let finish = Entry::Finish {
        at_ms: outcome.ended_ms,
        ran: outcome.ran() as u64,
        hits: outcome.hits() as u64,
        record: recorded.as_ref().map(|r| r.id.to_string()),
    };
    journal::finish(&repository.workspace.runs(), &outcome.run, &finish)?;
    let flaky = flaky_stages(plan, &outcome, &store)?;
    reporter.finish(&outcome, &flaky)?;
    for known in &variance {
        context.output.warn(crate::output::plain(&known.line()));
    }
    if let Some(recorded) = &recorded {
        tell(context, recorded);
    }
    let mirrored = match (&desk, recorded.as_ref().and_then(|r| r.number)) {
        (Some(desk), Some(number)) if desk.lane == Lane::Protected => Mirrored::of(&repository, &desk.ledger, number)?,
        (Some(_) | None, _) => Mirrored::default(),
    };
    for line in &mirrored.lines {
        context.output.note(line);
    }
    if context.output.json {
        let mut document = summary::summary(plan, &outcome, recorded.as_ref(), &variance, &flaky);
        document["evidence"] = json!({ "stores": mirrored.stores, "unusable": mirrored.unusable });
        match &round {
            Some(round) => {
                document["watch"] = round.json();
                context.output.row(&document);
            }
            None => context.output.document(&document),
        }
    }
    if let Some(round) = round {
        if cut {
            context.output.note(round.cut_by());
        }
        return end(&outcome);
    }
    // The record stands: a store that was not reached is told, and `orgo evidence push` (or the next run) tries again.
    let ended = end(&outcome).and_then(|()| all_reached(&mirrored.unusable, context.output));
    drop(reporter);
    std::mem::forget((plans, outcome)); // the process ends here: there is nobody to give the memory back to
    ended
}

/// What the command line asks for.
fn demand(args: &Run) -> Demand {
    let lane = args.lane.map(|lane| match lane {
        LaneArg::Local => Lane::Local,
        LaneArg::Request => Lane::Request,
        LaneArg::Protected => Lane::Protected,
    });
    Demand { lane, environment: args.environment.clone() }
}

/// A test's clock is accepted only where nothing can be released (design 13).
fn injected_clock_needs_development(clock: &Clock, desk: Option<&Desk>) -> Result<(), Failure> {
    match desk {
        Some(desk) if clock.is_injected() && desk.class != RecordClass::Development => {
            Err(Failure::usage("`--clock` is accepted with development keys only", "leave it out"))
        }
        _ => Ok(()),
    }
}

/// How many stages run at a time, unless told.
pub(super) fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
}

fn end(outcome: &RunOutcome) -> Result<(), Failure> {
    if outcome.cancelled {
        return Err(Failure::told(Class::Cancelled));
    }
    if outcome.is_waiting() {
        return Err(Failure::told(Class::Waiting));
    }
    match outcome.terminal_code() {
        None => Ok(()),
        Some(ReasonCode::NoSpace | ReasonCode::ReadOnly) => Err(Failure::told(Class::Environment)),
        Some(_) => Err(Failure::told(Class::Refused)),
    }
}
