//! Commands: each reads its arguments, calls the rooms below, and prints.

pub(crate) mod admin;
pub(crate) mod approve;
pub(crate) mod blueprint;
pub(crate) mod cache;
pub(crate) mod cases;
mod check;
mod conditions;
mod consent;
pub(crate) mod convert;
mod demo;
mod diff;
pub(crate) mod epochs;
pub(crate) mod evidence;
mod explain;
pub(crate) mod flaky;
pub(crate) mod fmt;
pub(crate) mod gc;
mod generate;
mod init;
pub(crate) mod key;
mod ledger;
pub(crate) mod lock;
mod log;
pub(crate) mod mandate;
pub(crate) mod overriding;
mod plan;
pub(crate) mod proof;
mod query;
pub(crate) mod record;
pub(crate) mod replay;
mod run;
pub(crate) mod shell;
pub(crate) mod trust;
pub(crate) mod verify;

use std::collections::BTreeMap;

use clap::CommandFactory;
use orgo_host::key::{Passphrases, Sources, UserDir};
use orgo_spec::ReasonCode;

use crate::args::{Args, Command, Dev, Global};
use crate::failure::{Class, Failure};
use crate::output::Output;

/// What every command is given.
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) output: Output,
    /// Kept for the whole command, so that each is asked for once.
    pub(crate) passphrases: Passphrases,
}

impl Context {
    /// Where keys and pins are kept, and what the command line says about keys.
    ///
    /// # Errors
    /// [`Failure`] if the system does not know the user and `--home` was not given, or if a duty is given two keys.
    pub(crate) fn home(&self) -> Result<UserDir, Failure> {
        let folder = match &self.global.home {
            Some(path) => UserDir::at(path),
            None => UserDir::of_user()?,
        };
        let mut references = BTreeMap::new();
        for (role, reference) in &self.global.keys {
            if references.insert(*role, reference.clone()).is_some() {
                return Err(Failure::usage(format!("`--key` names two {role} keys"), "keep one of the two"));
            }
        }
        let agent_socket = self.global.agent_socket.clone();
        Ok(folder.with_sources(Sources { references, agent_socket, passphrases: self.passphrases.clone() }))
    }
}

/// Runs the command that was asked for; without one, says what to do next.
///
/// # Errors
/// [`Failure`] with its exit code.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let output = Output { json: args.global.json, quiet: args.global.quiet, verbose: args.global.verbose };
    let passphrases = args.global.passphrase_file.as_ref().map_or_else(Passphrases::terminal, Passphrases::file);
    let context = Context { global: args.global, output, passphrases };
    match args.command {
        None => next(&context),
        Some(Command::Init(args)) => init::run(&context, &args),
        Some(Command::Check(args)) => check::run(&context, &args),
        Some(Command::Fmt(args)) => fmt::run(&context, &args),
        Some(Command::Convert(args)) => convert::run(&context, &args),
        Some(Command::Diff(args)) => diff::run(&context, &args),
        Some(Command::Affected(args)) => diff::affected(&context, &args),
        Some(Command::Plan(args)) => plan::run(&context, &args),
        Some(Command::Run(args)) => run::run(&context, &args),
        Some(Command::Lock(args)) => lock::run(&context, &args),
        Some(Command::Blueprint(args)) => blueprint::run(&context, &args),
        Some(Command::Replay(args)) => replay::run(&context, &args),
        Some(Command::Explain(args)) => explain::run(&context, &args),
        Some(Command::Log(args)) => log::run(&context, &args),
        Some(Command::Shell(args)) => shell::run(&context, &args),
        Some(Command::Flaky(args)) => flaky::run(&context, &args),
        Some(Command::Record(args)) => record::run(&context, &args),
        Some(Command::Prove(args)) => proof::run(&context, &args),
        Some(Command::Verify(args)) => verify::run(&context, &args),
        Some(Command::Mandate(args)) => mandate::run(&context, &args),
        Some(Command::Trust(args)) => trust::run(&context, &args),
        Some(Command::Evidence(args)) => evidence::run(&context, &args),
        Some(Command::Gc(args)) => gc::run(&context, &args),
        Some(Command::Cache(args)) => cache::run(&context, &args),
        Some(Command::Approve(args)) => approve::run(&context, &args),
        Some(Command::Override(args)) => overriding::run(&context, &args),
        Some(Command::Approvals(args)) => approve::list(&context, &args),
        Some(Command::Admin(args)) => admin::run(&context, &args),
        Some(Command::Ledger(args)) => epochs::run(&context, &args),
        Some(Command::Key(args)) => key::run(&context, &args),
        Some(Command::Query(args)) => query::run(&context, &args),
        Some(Command::Demo(args)) => demo::run(&context, &args),
        Some(Command::Stage(args)) => stage(&args.tool),
        Some(Command::Dev(Dev::Generate { check })) => generate::run(context.output, &context.global.directory, check),
        Some(Command::Dev(Dev::PolicyCases(args))) => cases::run(&context, &args),
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
            "  orgo shell STAGE       look around in its sandbox, as it failed",
            "  orgo record list       see what is on record; `orgo verify` checks all of it",
            "`orgo --help` lists everything.",
        ],
        Err(_) => &[
            "There is no `orgo.kdl` here or above. You can",
            "  orgo demo              see the whole story on real data, in a new folder",
            "  orgo init              make this folder a project",
            "`orgo --help` lists everything.",
        ],
    };
    for line in lines {
        context.output.line(line);
    }
    Ok(())
}
