//! Commands: each reads its arguments, calls the rooms below, and prints.

mod check;
mod explain;
mod init;
pub(crate) mod key;
mod ledger;
mod log;
mod plan;
pub(crate) mod record;
mod run;
pub(crate) mod verify;

use clap::CommandFactory;
use orgo_host::key::UserDir;
use orgo_spec::ReasonCode;

use crate::args::{Args, Command, Global};
use crate::failure::{Class, Failure};
use crate::output::Output;

/// What every command is given.
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) output: Output,
}

impl Context {
    /// Where keys and pins are kept.
    ///
    /// # Errors
    /// [`Failure`] if the system does not know the user and `--home` was not given.
    pub(crate) fn home(&self) -> Result<UserDir, Failure> {
        match &self.global.home {
            Some(path) => Ok(UserDir::at(path)),
            None => Ok(UserDir::of_user()?),
        }
    }
}

/// Runs the command that was asked for; without one, says what to do next.
///
/// # Errors
/// [`Failure`] with its exit code.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let output = Output { json: args.global.json, quiet: args.global.quiet, verbose: args.global.verbose };
    let context = Context { global: args.global, output };
    match args.command {
        None => next(&context),
        Some(Command::Init(args)) => init::run(&context, &args),
        Some(Command::Check(_)) => check::run(&context),
        Some(Command::Plan(args)) => plan::run(&context, &args),
        Some(Command::Run(args)) => run::run(&context, &args),
        Some(Command::Explain(args)) => explain::run(&context, &args),
        Some(Command::Log(args)) => log::run(&context, &args),
        Some(Command::Record(args)) => record::run(&context, &args),
        Some(Command::Verify(args)) => verify::run(&context, &args),
        Some(Command::Key(args)) => key::run(&context, &args),
        Some(Command::Stage(args)) => stage(&args.tool),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Args::command(), "orgo", &mut std::io::stdout());
            Ok(())
        }
    }
}

/// Runs a built-in tool in the current folder, as a stage does.
fn stage(tool: &str) -> Result<(), Failure> {
    crate::stage::run(tool, std::path::Path::new(".")).map_err(|error| match error.document {
        Some(document) => Failure::documents(vec![*document]),
        None => {
            let altered = [ReasonCode::FileHashMismatch, ReasonCode::SnapshotHashMismatch, ReasonCode::SubjectMismatch];
            let class = if altered.contains(&error.code) {
                Class::Integrity
            } else if error.code == ReasonCode::StageFailed {
                Class::Environment
            } else {
                Class::Refused
            };
            Failure::message(class, Some(error.code), error.message, error.code.remedy())
        }
    })
}

/// `orgo` alone: what to do next, here.
fn next(context: &Context) -> Result<(), Failure> {
    let lines: &[&str] = match crate::project::find_root(&context.global.directory) {
        Ok(_) => &[
            "In this repository you can",
            "  orgo check             see whether its documents are sound",
            "  orgo plan              see what a run would do, and why",
            "  orgo run               run it",
            "  orgo explain STAGE     learn why a stage ran",
            "`orgo --help` lists everything.",
        ],
        Err(_) => &[
            "There is no `orgo.kdl` here or above. You can",
            "  orgo init              make this folder a project",
            "`orgo --help` lists everything.",
        ],
    };
    for line in lines {
        context.output.line(line);
    }
    Ok(())
}
