//! `orgo admin`: changes that an operator makes, on record with before, after and reason; and holds.

use clap::{Args, Subcommand};
use orgo_host::clock::{Clock, rfc3339};
use orgo_host::key::Role;
use orgo_host::ledger::{Append, Entry, Signers};
use orgo_spec::Name;
use orgo_spec::record::{Actor, AdminAction, AdminFacts, AdminRecord, AdminRun, Statement};
use serde_json::json;

use super::{Context, ledger};
use crate::failure::{Class, Failure};
use crate::output::plain;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo admin hold records --reason \"incident 12: evidence is being preserved\"\n  orgo admin release records --reason \"incident 12 is closed\"\n  orgo admin change retention --before 90d --after 365d --reason \"audit plan 2027\"\n  orgo admin list"
)]
pub(crate) struct Admin {
    #[command(subcommand)]
    command: AdminCommand,
    /// The branch of the ledger
    #[arg(long, value_name = "NAME", global = true)]
    branch: Option<String>,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Hold something back: of `records`, `rotation` and `publishing` nothing is signed until it is released; of
    /// `evidence` (of one record: `evidence.` and its id) nothing is deleted
    Hold {
        /// What to hold
        object: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Release a hold
    Release {
        /// What is held
        object: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Put a change of a setting on record
    Change {
        /// What is changed
        object: String,
        /// What held until now
        #[arg(long)]
        before: Option<String>,
        /// What holds from now on
        #[arg(long)]
        after: Option<String>,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// List the holds in force
    List,
}

/// Runs `orgo admin`.
pub(super) fn run(context: &Context, args: &Admin) -> Result<(), Failure> {
    let opened = ledger::open(context, None, args.branch.as_deref())?;
    let head = opened.head()?;
    let held = || Some("held".to_owned());
    let (action, object, before, after, reason) = match &args.command {
        AdminCommand::Hold { object, reason } => (AdminAction::Hold, object, None, held(), reason),
        AdminCommand::Release { object, reason } => (AdminAction::Release, object, held(), None, reason),
        AdminCommand::Change { object, before, after, reason } => {
            (AdminAction::Change, object, before.clone(), after.clone(), reason)
        }
        AdminCommand::List => {
            let holds = opened.ledger.holds(&head)?;
            if holds.is_empty() {
                context.output.line("nothing is held");
            }
            for hold in &holds {
                let (facts, run) = (&hold.predicate.facts, &hold.predicate.run);
                let by: String = run.actor.id.chars().take(12).collect();
                let line = format!("{}  held since {} by {by}: {}", facts.object, run.created_at, facts.reason);
                context.output.line(plain(&line));
            }
            let told: Vec<_> = holds.iter().map(|h| json!(h.predicate)).collect();
            context.output.document(&json!({ "schema": "orgo.holds/1", "holds": told }));
            return Ok(());
        }
    };
    let object = Name::new(object).map_err(|e| Failure::usage(e.to_string(), Name::RULE))?;
    let home = context.home()?;
    let (runner, git, log) = (home.key(Role::Runner)?, home.key(Role::Git)?, home.key(Role::Log)?);
    let now_ms = Clock::system().now_ms();
    let record = AdminRecord {
        facts: AdminFacts {
            action,
            after,
            before,
            object: object.clone(),
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
        Failure::message(Class::Declared, Some(e.code()), format!("the change is not possible: {e}"), e.code().remedy())
    })?;
    let word = match action {
        AdminAction::Change => "changes",
        AdminAction::Hold => "holds",
        AdminAction::Release => "releases",
    };
    let append = Append {
        entries: vec![Entry::new::<AdminRecord>(statement, Vec::new())],
        subject: format!("{} {word} {object}: {reason}", head.trust.tenant()),
        trailers: Vec::new(),
        seconds: now_ms / 1000,
    };
    let signers = Signers { runner: &runner, git: &git, log: &log, roots: &[] };
    let appended = opened.ledger.append(&append, &signers)?;
    let (number, id) = appended.records[0];
    context.output.line(format!("record {number} {id} on {}: {word} {object}", opened.branch));
    context.output.document(&json!({ "schema": "orgo.admin/1", "number": number, "id": id }));
    Ok(())
}
