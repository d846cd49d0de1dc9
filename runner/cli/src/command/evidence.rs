//! `orgo evidence`: what records name, mirrored in declared stores, fetched back, and let go when its time is over.

mod show;
mod transfer;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use orgo_host::evidence::{Register, Scope, new_identity};
use orgo_host::store::Store;
use serde_json::json;

use super::ledger::Opened;
use super::{Context, ledger};
use crate::evidence::is_local;
use crate::failure::Failure;
use crate::project::Repository;

#[derive(Debug, Args)]
#[command(
    after_help = "Stores are declared in `orgo.kdl`: evidence \"main\" { directory \"../evidence\" }\n\nExamples:\n  orgo evidence push\n  orgo evidence push mirror --record latest\n  orgo evidence status\n  orgo evidence fetch --record 12 --identity ~/.config/orgo/evidence.age\n  orgo evidence prune --dry-run\n  orgo evidence identity evidence.age"
)]
pub(crate) struct Evidence {
    #[command(subcommand)]
    command: EvidenceCommand,
    /// The branch of the ledger
    #[arg(long, value_name = "NAME", global = true)]
    branch: Option<String>,
}

#[derive(Debug, Subcommand)]
enum EvidenceCommand {
    /// Mirror what records name in the declared stores
    Push {
        /// Only these stores
        stores: Vec<String>,
        /// Only what these records name: `latest`, a number, or the beginning of an id
        #[arg(long = "record", value_name = "RECORD")]
        records: Vec<String>,
    },
    /// Bring what records name, and is not here, from the declared stores into the object store
    Fetch {
        /// Only these stores
        stores: Vec<String>,
        /// Only what these records name
        #[arg(long = "record", value_name = "RECORD")]
        records: Vec<String>,
        /// A file of mode 0600 with an age identity that opens what is sealed; may be given more than once
        #[arg(long = "identity", value_name = "FILE")]
        identities: Vec<PathBuf>,
    },
    /// List what records name, and where it is
    List {
        /// Only what these records name
        #[arg(long = "record", value_name = "RECORD")]
        records: Vec<String>,
    },
    /// Count what each declared store has of what it should have
    Status,
    /// Remove from the declared stores what its retention let go; never what a hold keeps
    Prune {
        /// Only these stores
        stores: Vec<String>,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
        /// Use this time instead of the clock (accepted with development keys only)
        #[arg(long, value_name = "TIME", hide = true)]
        clock: Option<String>,
    },
    /// Make an age identity in a new file of mode 0600, and print its recipient
    Identity {
        /// The file
        file: PathBuf,
    },
}

/// Runs `orgo evidence`.
pub(super) fn run(context: &Context, args: &Evidence) -> Result<(), Failure> {
    if let EvidenceCommand::Identity { file } = &args.command {
        let recipient = new_identity(file)?;
        context.output.line(&recipient);
        context.output.document(&json!({ "schema": "orgo.identity/1", "file": file, "recipient": recipient }));
        return Ok(());
    }
    let repository = Repository::open(&context.global.directory)?;
    if let EvidenceCommand::Prune { stores, dry_run, clock } = &args.command {
        declared(&repository, stores)?;
        return transfer::prune(context, &repository, stores, *dry_run, clock.as_deref());
    }
    let opened = ledger::open(context, Some(repository.workspace.root()), args.branch.as_deref())?;
    let store = repository.workspace.open_store()?;
    let asked = Asked { repository: &repository, opened: &opened, store: &store };
    match &args.command {
        EvidenceCommand::Push { stores, records } => {
            declared(&repository, stores)?;
            transfer::push(context, &asked, &asked.register(records)?, stores)
        }
        EvidenceCommand::Fetch { stores, records, identities } => {
            declared(&repository, stores)?;
            transfer::fetch(context, &asked, records, stores, identities)
        }
        EvidenceCommand::List { records } => show::list(context, &asked, &asked.register(records)?),
        EvidenceCommand::Status => show::status(context, &asked, &asked.register(&[])?),
        EvidenceCommand::Prune { .. } | EvidenceCommand::Identity { .. } => Ok(()), // dealt with above
    }
}

/// What a command works on.
struct Asked<'a> {
    repository: &'a Repository,
    opened: &'a Opened,
    store: &'a Store,
}

impl Asked<'_> {
    /// What the records that are named (all, if none is) name.
    fn register(&self, records: &[String]) -> Result<Register, Failure> {
        let ledger = &self.opened.ledger;
        let numbers: Vec<u64> = records.iter().map(|r| ledger.find(r).map(|r| r.number)).collect::<Result<_, _>>()?;
        let scope = if records.is_empty() { Scope::All } else { Scope::Records(&numbers) };
        let evidence = &self.repository.project.evidence;
        let mut register = Register::default();
        register.add(ledger, is_local(&self.opened.branch), evidence, self.store, scope)?;
        Ok(register)
    }
}

/// Refuses names of stores that nobody declared, and a project that declares none.
fn declared(repository: &Repository, stores: &[String]) -> Result<(), Failure> {
    let known: Vec<&str> = repository.project.evidence.stores.iter().map(|s| s.name.as_str()).collect();
    if known.is_empty() {
        return Err(Failure::usage(
            "the project declares no evidence store",
            "add one to `orgo.kdl`: evidence \"main\" { directory \"../evidence\" }",
        ));
    }
    match stores.iter().find(|s| !known.contains(&s.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(Failure::usage(
            format!("no evidence store is called `{unknown}`"),
            format!("the stores are {}", known.join(", ")),
        )),
    }
}
