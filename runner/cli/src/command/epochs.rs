//! `orgo ledger`: old records are sealed, so that clones stay small.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use orgo_host::clock::{Clock, rfc3339};
use orgo_host::key::Role;
use orgo_host::ledger::{Append, Entry, Signers};
use orgo_spec::record::{Actor, AdminAction, AdminFacts, AdminRecord, AdminRun, Statement};
use serde_json::json;

use super::{Context, ledger};
use crate::failure::{Class, Failure};
use crate::output::plain;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo ledger seal --to /backup/epochs --reason \"the year 2026\"\n  orgo ledger epochs"
)]
pub(crate) struct LedgerArgs {
    #[command(subcommand)]
    command: LedgerCommand,
    /// The branch of the ledger
    #[arg(long, value_name = "NAME", global = true)]
    branch: Option<String>,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Seal old records: write and verify an archive of them, then take them out of the newest tree. History keeps them
    Seal {
        /// The folder that archives are written to; keep it where backups are
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Seal records before this one only; all but the newest 256 unless told
        #[arg(long, value_name = "NUMBER")]
        until: Option<u64>,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// List the sealed epochs
    Epochs,
}

/// Runs `orgo ledger`.
pub(super) fn run(context: &Context, args: &LedgerArgs) -> Result<(), Failure> {
    let opened = ledger::open(context, None, args.branch.as_deref())?;
    let head = opened.head()?;
    let LedgerCommand::Seal { to, until, reason } = &args.command else {
        let epochs = opened.ledger.epochs(&head)?;
        if epochs.is_empty() {
            context.output.line("nothing is sealed");
        }
        for epoch in &epochs {
            context.output.line(format!("records {}-{}  {}", epoch.first, epoch.end - 1, epoch.archive));
        }
        let told: Vec<_> = epochs.iter().map(document).collect();
        context.output.document(&json!({ "schema": "orgo.epochs/1", "epochs": told }));
        return Ok(());
    };
    let home = context.home()?;
    let (runner, git, log) = (home.key(Role::Runner)?, home.key(Role::Git)?, home.key(Role::Log)?);
    let archive = opened.ledger.archive(&head, *until, to)?;
    let now_ms = Clock::system().now_ms();
    let record = AdminRecord {
        facts: AdminFacts {
            action: AdminAction::Change,
            after: Some(archive.epoch.to_string()),
            before: None,
            object: archive.epoch.object(),
            reason: reason.clone(),
            schema_version: AdminRecord::SCHEMA_VERSION.to_owned(),
            tenant_id: head.trust.tenant().clone(),
        },
        run: AdminRun {
            actor: Actor { id: runner.public().id().to_string(), kind: "person".to_owned() },
            created_at: rfc3339(now_ms),
        },
    };
    let statement = Statement::new(record).to_bytes().map_err(|e| {
        Failure::message(Class::Declared, Some(e.code()), format!("the epoch cannot be sealed: {e}"), e.code().remedy())
    })?;
    let (first, last) = (archive.epoch.first, archive.epoch.end - 1);
    let append = Append {
        entries: vec![Entry::new::<AdminRecord>(statement, Vec::new())],
        subject: format!("{} seals records {first}-{last}: {reason}", head.trust.tenant()),
        trailers: Vec::new(),
        seconds: now_ms / 1000,
    };
    let signers = Signers { runner: &runner, git: &git, log: &log, roots: &[] };
    let appended = opened.ledger.append(&append, &signers)?;
    let (number, id) = appended.records[0];
    let out = context.output;
    out.line(format!("record {number} {id} on {}: records {first}-{last} are sealed", opened.branch));
    out.line(plain(&format!(
        "  archive  {} ({} bytes, {})",
        archive.file.display(),
        archive.bytes,
        archive.epoch.archive
    )));
    out.line(format!("  push     orgo record submit; git push origin {}", archive.reference));
    out.document(&json!({
        "schema": "orgo.ledger-seal/1",
        "archive": { "bytes": archive.bytes, "file": archive.file },
        "epoch": document(&archive.epoch),
        "id": id,
        "number": number,
        "reference": archive.reference,
    }));
    Ok(())
}

fn document(epoch: &orgo_spec::record::Epoch) -> serde_json::Value {
    json!({ "archive": epoch.archive, "commit": epoch.commit, "end": epoch.end, "first": epoch.first })
}
