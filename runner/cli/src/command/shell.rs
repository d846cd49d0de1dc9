//! `orgo shell`: the sandbox of a stage, entered by a person.

mod introduce;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use orgo_host::process::{Exit, StartError};
use orgo_host::run::{Foreseen, Planner, SecretValues, Visit};
use orgo_kernel::graph::StageId;
use orgo_kernel::key::StageKey;
use orgo_kernel::plan::{Resolved, ResolvedStage};
use orgo_spec::ReasonCode;

use self::introduce::{introduce, quoted};
use super::Context;
use super::explain::find_stage;
use super::plan::SECRET_KEY;
use crate::args::Told;
use crate::failure::{Class, Failure};
use crate::plans::Plans;
use crate::project::{Repository, own_path};

/// What is added to the number of a signal, as shells do.
const SIGNALLED: i32 = 128;
/// The variable that holds what the stage runs.
const COMMAND: &str = "ORGO_STAGE_COMMAND";

#[derive(Debug, Args)]
#[command(
    after_help = "A stage that failed left its working folder; this enters it, with the same inputs, environment, mounts, level and\nlimits, but without a time limit. If nothing was kept, the sandbox is made anew from the plan. Nothing of what is\ndone in it reaches the cache, `out/` or a record. The exit code is that of the shell, or of the command.\n\nExamples:\n  orgo shell test\n  orgo shell ci test\n  orgo shell test -- ls -l src\n  orgo shell test --new -- sh -c 'cc -v main.c'"
)]
pub(crate) struct Shell {
    /// The pipeline, which may be left out if only one has such a stage, and the stage
    #[arg(value_names = ["PIPELINE", "STAGE"], num_args = 1..=2, required = true)]
    names: Vec<String>,
    /// Make a new sandbox from the plan, even if the stage left one
    #[arg(long)]
    new: bool,
    /// Set the secrets of the stage too (in a new sandbox: none is kept of a stage that has any)
    #[arg(long)]
    secrets: bool,
    /// Start this instead of a shell, with nothing added to the environment
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    told: Told,
}

/// Enters the sandbox; comes back with the exit code of what was started there.
pub(super) fn run(context: &Context, args: &Shell) -> Result<(), Failure> {
    if context.output.json {
        let help = "leave out `--json`: standard output belongs to what is started in the sandbox";
        return Err(Failure::usage("`orgo shell` prints no document of its own", help));
    }
    let (pipeline, stage) = match args.names.as_slice() {
        [pipeline, stage] => (Some(pipeline.as_str()), stage.as_str()),
        [stage, ..] => (None, stage.as_str()),
        [] => (None, ""),
    };
    let repository = Repository::open(&context.global.directory)?;
    runs_something(&repository, pipeline, stage, &args.told)?;
    let (plan, _) = find_stage(&repository, pipeline, stage, &args.told)?;
    let plans = Plans::new(repository.resolve(Some(&plan.name), &args.told)?);
    let store = Arc::new(repository.workspace.open_store()?);
    let mut planner = Planner::open(plans.first(), &repository.workspace, store, own_path()?)?;
    planner.set_secrets(SecretValues::new(context.home()?.path().join(SECRET_KEY)));
    plans.learn(&repository, &args.told, &mut planner);
    let plan = plans.latest();
    let id = plan.find(stage).ok_or_else(|| unknown_item(stage))?;
    let declared = plan.stage(id);
    may_be_entered(plan, declared)?;
    let kept = if args.new { None } else { Visit::kept(&repository.workspace, &plan.name, &declared.name)? };
    let mut visit = match kept {
        Some(visit) => visit,
        None => new_sandbox(&mut planner, plan, id)?,
    };
    let level = visit.scene().isolation.as_str();
    orgo_host::isolation::obtainable(visit.scene().isolation).map_err(|missing| {
        let message = format!("the stage runs at isolation `{level}`, which this machine cannot give: {missing}");
        Failure::message(
            Class::Environment,
            Some(ReasonCode::IsolationUnavailable),
            message,
            "enter it where that is there",
        )
    })?;
    if args.secrets {
        visit.tell_secrets(&planner, id).map_err(|p| Failure::usage(p.message, p.code.remedy()))?;
    }
    let changed = visit.story().is_some() && planner_key(&mut planner, plan, id) != Some(visit.scene().key);
    introduce(context, args, plan, declared, &visit, changed);
    drop(planner);
    let Started { program, argv, more } = what_to_start(args, declared, &visit)?;
    let exit = visit.start(&program, &argv, &more, args.command.is_empty()).map_err(|error| not_started(&error))?;
    drop(visit);
    ended(exit)
}

/// Refuses names of what runs nothing.
fn runs_something(repository: &Repository, pipeline: Option<&str>, name: &str, told: &Told) -> Result<(), Failure> {
    for checked in repository.pipelines(told)? {
        let plan = &checked.plan;
        if pipeline.is_some_and(|wanted| wanted != plan.name) || plan.find(name).is_some() {
            continue;
        }
        if let Some(gate) = plan.gates.iter().find(|gate| gate.name == name) {
            let on = &plan.stage(gate.on).name;
            let message = format!("`{name}` is a gate: it decides about what `{on}` wrote, and runs nothing");
            return Err(Failure::usage(message, format!("look at the report: `orgo shell {} {on}`", plan.name)));
        }
        if plan.services.iter().any(|service| service.name == name) {
            let message = format!("`{name}` is a service: it has no sandbox of a stage");
            return Err(Failure::usage(message, format!("see what it printed: `orgo log {name} --service`")));
        }
    }
    Ok(())
}

fn unknown_item(stage: &str) -> Failure {
    Failure::usage(
        format!("which items `{stage}` stands for is not known yet"),
        "run the stage that writes the list; then name one of its items, such as `test.first`",
    )
}

/// Refuses stages that run only if a gate or people let them: a shell has no pass, and nobody signed for what is done
/// in it.
fn may_be_entered(plan: &Resolved, stage: &ResolvedStage) -> Result<(), Failure> {
    let name = &stage.name;
    if stage.pending().is_some() {
        return Err(unknown_item(name));
    }
    if let Some(gate) = stage.gate.and_then(|gate| plan.gates.get(gate as usize)) {
        let (gate, on) = (&gate.name, &plan.stage(gate.on).name);
        let message =
            format!("the stage `{name}` stands behind the gate `{gate}` and runs only with its pass; a shell has none");
        return Err(Failure::message(
            Class::Refused,
            None,
            message,
            format!("look at what the gate reads: `orgo shell {} {on}`", plan.name),
        ));
    }
    let approval = stage.approval.and_then(|approval| plan.approvals.get(approval as usize));
    approval.map_or(Ok(()), |approval| {
        let message = format!(
            "the stage `{name}` runs only if people approve it (`{}`); nobody approves what is done in a shell",
            approval.name
        );
        Err(Failure::message(Class::Refused, None, message, "look at the stages that it reads from"))
    })
}

/// A new sandbox, made of what the cache has of the stages before it.
fn new_sandbox<'p>(planner: &mut Planner<'p>, plan: &'p Resolved, id: StageId) -> Result<Visit, Failure> {
    let stage = plan.stage(id);
    let cannot = |message: String, help: String| Failure::message(Class::Declared, None, message, help);
    foresee_before(planner, plan, id);
    if let Some((missing, _)) = stage.from.iter().find(|(needed, _)| planner.product(*needed).is_none()) {
        let (name, needed) = (&stage.name, &plan.stage(*missing).name);
        let behind = if plan.stage(*missing).gate.is_some() { ", which a gate decides about in each run" } else { "" };
        return Err(cannot(
            format!("nothing was kept of `{name}`, and it reads what `{needed}` has yet to make{behind}"),
            format!("run what it reads first: `orgo run {} {needed}`", plan.name),
        ));
    }
    let prepared = planner.prepare(id).map_err(|p| {
        Failure::message(
            Class::Declared,
            Some(p.code),
            format!("the stage `{}` cannot be planned: {}", stage.name, p.message),
            p.code.remedy(),
        )
    })?;
    Ok(Visit::new(planner, id, &prepared)?)
}

/// Finds what the cache has of all that a stage reads.
fn foresee_before<'p>(planner: &mut Planner<'p>, plan: &'p Resolved, id: StageId) {
    let mut needed = vec![false; plan.stages.len()];
    let mut queue: Vec<StageId> = plan.graph.dependencies(id).to_vec();
    while let Some(id) = queue.pop() {
        if !std::mem::replace(&mut needed[id.index()], true) {
            queue.extend(plan.graph.dependencies(id));
        }
    }
    for before in plan.graph.topological().unwrap_or_default().into_iter().filter(|id| needed[id.index()]) {
        let _: Result<Foreseen, _> = planner.foresee(before); // what cannot be planned has nothing to read
    }
}

/// The key that a stage has now, if all that it reads is there.
fn planner_key<'p>(planner: &mut Planner<'p>, plan: &'p Resolved, id: StageId) -> Option<StageKey> {
    foresee_before(planner, plan, id);
    let known = plan.stage(id).from.iter().all(|(needed, _)| planner.product(*needed).is_some());
    if known { planner.prepare(id).ok().map(|prepared| prepared.keyed.key) } else { None }
}

/// What is started.
struct Started {
    program: PathBuf,
    argv: Vec<String>,
    /// What is added to the environment.
    more: Vec<(String, String)>,
}

/// What is asked for: a command, or a shell.
fn what_to_start(args: &Shell, stage: &ResolvedStage, visit: &Visit) -> Result<Started, Failure> {
    let level = visit.scene().isolation.as_str();
    if let Some(name) = args.command.first() {
        let program = visit.program(name).ok_or_else(|| {
            let message = format!("`{name}` is no program that the stage finds and may start at `{level}`");
            Failure::usage(
                message,
                "name one that is on its `PATH`, or a file with `./`; a program elsewhere is declared with `tool`",
            )
        })?;
        return Ok(Started { program, argv: args.command.clone(), more: Vec::new() });
    }
    let liked = std::env::var("SHELL").ok();
    let shell = visit.shell(liked.as_deref()).ok_or_else(|| {
        let message =
            format!("there is no shell that the stage may start at `{level}`: neither `$SHELL` nor `bash` nor `sh`");
        Failure::message(
            Class::Environment,
            None,
            message,
            "declare one with `tool`, or start another program: `orgo shell STAGE -- COMMAND`",
        )
    })?;
    let called = shell.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    // Files of the user's that it would read first are out of reach.
    let bare: &[&str] = match called.as_str() {
        "bash" => &["--noprofile", "--norc"],
        "zsh" => &["-f"],
        "fish" => &["--no-config"],
        _ => &[],
    };
    let argv = std::iter::once(called.as_str()).chain(bare.iter().copied()).map(str::to_owned).collect();
    let shown: String = stage.name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let mut more = vec![
        (COMMAND.to_owned(), quoted(&visit.scene().argv)),
        ("PS1".to_owned(), format!("orgo:{shown} ({level}) $ ")),
    ];
    more.extend(std::env::var("TERM").ok().map(|terminal| ("TERM".to_owned(), terminal)));
    more.retain(|(name, _)| !visit.scene().env.iter().any(|(known, _)| known == name));
    Ok(Started { program: shell, argv, more })
}

fn not_started(error: &StartError) -> Failure {
    Failure::message(Class::Environment, Some(error.code()), error.to_string(), "nothing was started")
}

/// Hands on how it ended.
fn ended(exit: Exit) -> Result<(), Failure> {
    let code = match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => SIGNALLED + signal,
        Exit::Timeout | Exit::Cancelled => return Err(Failure::told(Class::Cancelled)),
    };
    if code == 0 { Ok(()) } else { Err(Failure::told(Class::Theirs(u8::try_from(code).unwrap_or(u8::MAX)))) }
}
