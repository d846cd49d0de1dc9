//! `orgo ledger`: old records are sealed, so that clones stay small.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use orgo_spec::record::AdminAction;
use serde_json::json;

use super::admin::{Change, Pen};
use super::{Context, ledger};
use crate::failure::Failure;
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
    // The keys first: an archive that nobody can put on record is of no use.
    let pen = Pen::take(context)?;
    let archive = opened.ledger.archive(&head, *until, to)?;
    let (first, last) = (archive.epoch.first, archive.epoch.end - 1);
    let change = Change {
        action: AdminAction::Change,
        object: archive.epoch.object(),
        before: None,
        after: Some(archive.epoch.to_string()),
        reason,
    };
    let (number, id) = pen.write(&opened, &head, change, &format!("seals records {first}-{last}"))?;
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
