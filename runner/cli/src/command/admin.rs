//! `orgo admin`: changes that an operator makes, on record with before, after and reason; and holds.

use clap::{Args, Subcommand};
use orgo_host::clock::{Clock, rfc3339};
use orgo_host::key::{PrivateKey, Role};
use orgo_host::ledger::{Append, Entry, Head, Signers};
use orgo_spec::record::{Actor, AdminAction, AdminFacts, AdminRecord, AdminRun, Statement};
use orgo_spec::{Digest, Name};
use serde_json::json;

use super::ledger::Opened;
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
    opened.ledger.git().bring_missing();
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
    let word = match action {
        AdminAction::Change => "changes",
        AdminAction::Hold => "holds",
        AdminAction::Release => "releases",
    };
    let change = Change { action, object: object.clone(), before, after, reason };
    let (number, id) = Pen::take(context)?.write(&opened, &head, change, &format!("{word} {object}"))?;
    context.output.line(format!("record {number} {id} on {}: {word} {object}", opened.branch));
    context.output.document(&json!({ "schema": "orgo.admin/1", "number": number, "id": id }));
    Ok(())
}

/// An administrative change, as it is put on record.
pub(super) struct Change<'c> {
    pub(super) action: AdminAction,
    pub(super) object: Name,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) reason: &'c str,
}

/// The keys that put administrative changes on record.
pub(super) struct Pen {
    runner: PrivateKey,
    git: PrivateKey,
    log: PrivateKey,
}

impl Pen {
    /// Takes the user's keys.
    ///
    /// # Errors
    /// [`Failure`] if one of them cannot be used.
    pub(super) fn take(context: &Context) -> Result<Self, Failure> {
        let home = context.home()?;
        Ok(Self { runner: home.key(Role::Runner)?, git: home.key(Role::Git)?, log: home.key(Role::Log)? })
    }

    /// Puts a change on record; `says` is what the subject of the commit says of it. Returns number and id.
    ///
    /// # Errors
    /// [`Failure`] if the change is not possible, or is refused.
    pub(super) fn write(
        &self,
        opened: &Opened,
        head: &Head,
        change: Change<'_>,
        says: &str,
    ) -> Result<(u64, Digest), Failure> {
        let now_ms = Clock::system().now_ms();
        let Change { action, object, before, after, reason } = change;
        let tenant_id = head.trust.tenant().clone();
        let record = AdminRecord {
            facts: AdminFacts {
                action,
                after,
                before,
                object,
                reason: reason.to_owned(),
                schema_version: AdminRecord::SCHEMA_VERSION.to_owned(),
                tenant_id,
            },
            run: AdminRun {
                actor: Actor { id: self.runner.public().id().to_string(), kind: "person".to_owned() },
                created_at: rfc3339(now_ms),
            },
        };
        let statement = Statement::new(record).to_bytes().map_err(|e| {
            let message = format!("the change is not possible: {e}");
            Failure::message(Class::Declared, Some(e.code()), message, e.code().remedy())
        })?;
        let append = Append {
            entries: vec![Entry::new::<AdminRecord>(statement, Vec::new())],
            subject: format!("{} {says}: {reason}", head.trust.tenant()),
            trailers: Vec::new(),
            seconds: now_ms / 1000,
        };
        let signers = Signers { runner: &self.runner, git: &self.git, log: &self.log, roots: &[] };
        Ok(opened.ledger.append(&append, &signers)?.records[0])
    }
}
