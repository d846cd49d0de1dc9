//! `orgo record submit`: what waits goes to the ledger at a remote, in one commit, by compare-and-swap.

use std::path::PathBuf;

use clap::Args;
use orgo_host::clock::Clock;
use orgo_host::git::Git;
use orgo_host::key::{KeyError, Role};
use orgo_host::ledger::{Ledger, Signers, Spool};
use orgo_host::verify::Pins;
use orgo_spec::project::DEFAULT_LEDGER;
use serde_json::json;

use super::super::Context;
use crate::failure::Failure;
use crate::project::Repository;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo run --spool .orgo/spool && orgo record submit --spool .orgo/spool\n  orgo record submit --remote origin\n\nThe push is never forced. If another writer was faster, it begins again on top of what he wrote.\nWhatever happens, a record leaves the spool only after the remote has it."
)]
pub(super) struct Submit {
    /// The folder with the records that wait
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,
    /// The remote that has the ledger: a name from git's configuration, or an address
    #[arg(long, value_name = "REMOTE", default_value = "origin")]
    remote: String,
    /// The root of trust that the remote's ledger must have; the one that is pinned unless told
    #[arg(long, value_name = "sha256:…")]
    root: Option<orgo_spec::Digest>,
}

/// Submits what waits.
pub(super) fn run(context: &Context, args: &Submit, branch: Option<&str>) -> Result<(), Failure> {
    let start = &context.global.directory;
    let declared = Repository::open(start).ok().map(|r| r.project.ledger);
    let branch = branch.or(declared.as_deref()).unwrap_or(DEFAULT_LEDGER).trim_start_matches("refs/heads/");
    let git = Git::discover(start)?;
    let ledger = Ledger::open(git.path(), &format!("refs/heads/{branch}"))?;
    let remote = ledger.git().remote(&args.remote).map_err(orgo_host::ledger::LedgerError::from)?;
    let waiting = match &args.spool {
        Some(folder) => Spool::open(folder)?.waiting()?,
        None => Vec::new(),
    };
    let home = context.home()?;
    let key = |role| home.key(role);
    let (git_key, log) = (key(Role::Git)?, key(Role::Log)?);
    // Every record that waits is signed: the runner's key need not be here. What has its place signs nothing.
    let runner = match key(Role::Runner) {
        Err(KeyError::Missing { .. }) => git_key.clone(),
        other => other?,
    };
    let mut pins = Pins::load(&home)?;
    let pin = pins.get(ledger.git(), branch)?.cloned();
    let root = args.root.or(pin.as_ref().map(|p| p.root));
    let signers = Signers { runner: &runner, git: &git_key, log: &log, roots: &[] };
    let submitted = ledger.submit(&remote, &waiting, &signers, root, Clock::system().now_ms() / 1000)?;
    if let (Some(pin), Some(replaced)) = (&pin, submitted.replaced)
        && pin.seen.as_deref() == Some(replaced.to_string().as_str())
    {
        // The commit that was seen was this clone's own; its records stand elsewhere now.
        pins.set(ledger.git(), branch, pin.root, None)?;
    }
    for record in &waiting {
        std::fs::remove_file(&record.path).map_err(|e| {
            Failure::usage(
                format!("`{}` is in the ledger and cannot be removed: {e}", record.path.display()),
                "remove it by hand; submitting it again does no harm",
            )
        })?;
    }
    for (number, id) in &submitted.records {
        context.output.line(format!("record {number} {id} on {branch} at {}", args.remote));
    }
    if submitted.known > 0 {
        context.output.line(format!("{} records were there already", submitted.known));
    }
    if submitted.records.is_empty() && submitted.known == 0 {
        let word = if submitted.moved { "moved to what it has there" } else { "is as it is there" };
        context.output.line(format!("nothing waits; {branch} {word}"));
    }
    let records: Vec<_> = submitted.records.iter().map(|(number, id)| json!({ "number": number, "id": id })).collect();
    context.output.document(&json!({
        "schema": "orgo.submit/1", "branch": branch, "remote": args.remote, "records": records,
        "known": submitted.known,
    }));
    Ok(())
}
