//! `orgo approve`: signs that a stage may run on exactly these inputs, or takes that back; `orgo approvals`: what waits.

mod list;

use clap::Args;
use orgo_host::approvals;
use orgo_host::git::Git;
use orgo_host::key::Role;
use orgo_kernel::approval::{Decided, decide};
use orgo_kernel::plan::{Resolved, ResolvedApproval};
use orgo_spec::ReasonCode;
use orgo_spec::approval::{
    ApprovalAction, ApprovalDocument, ApprovalSource, ApprovalSubject, SCHEMA, SignedApproval, moment_plus,
};
use orgo_spec::document::{DurationMs, FromScalar, Scalar, closest};
use orgo_spec::record::ApprovalDecision;
use orgo_spec::signature::PublicKey;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::Context;
use super::consent::Place;
use crate::args::Told;
use crate::failure::{Class, Failure};
use crate::ledger::Papers;
use crate::output::plain;

pub(super) use list::run as list;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo approve ci deploy --comment \"tested on staging\"\n  orgo approve ci deploy --key approver=agent:SHA256:…\n  orgo approve ci deploy --withdraw\n  orgo approve ci deploy --show > release.json && ssh-keygen -Y sign -n orgo-approval -f ~/.ssh/id_ed25519 release.json"
)]
pub(crate) struct Approve {
    /// The pipeline
    pipeline: String,
    /// The stage
    stage: String,
    /// Take back what this key approved
    #[arg(long)]
    withdraw: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// How long it counts, such as `8h`; as long as the pipeline allows, unless told
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "withdraw")]
    expires: Option<DurationMs>,
    /// Print the document that is to be signed, and sign nothing
    #[arg(long)]
    show: bool,
    #[command(flatten)]
    told: Told,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orgo approvals\n  orgo approvals ci --json")]
pub(crate) struct Approvals {
    /// The pipeline; all of them unless told
    pipeline: Option<String>,
    #[command(flatten)]
    told: Told,
}

pub(super) fn duration(text: &str) -> Result<DurationMs, String> {
    let read = DurationMs::from_scalar(&Scalar::Text(text.to_owned())).filter(|d| d.0 >= 1000);
    read.ok_or_else(|| format!("expected {}", DurationMs::EXPECTED))
}

impl Place<'_> {
    /// How it stands now.
    fn approved(&self, declared: &ResolvedApproval, subject: &ApprovalSubject) -> Result<Standing, Failure> {
        let papers = self.authority.about(subject)?;
        let (facts, unknown) = orgo_host::run::approval_facts(declared, subject, &papers.standing, self.runner()?);
        let may: Vec<PublicKey> = facts.approvers.iter().map(|a| a.key).collect();
        let (decided, _) = decide(&facts, &self.now, "");
        Ok(Standing { decided, may, unknown, papers })
    }
}

/// How a subject stands.
struct Standing {
    decided: Decided,
    /// The keys that may approve it.
    may: Vec<PublicKey>,
    /// What the declaration names and the trust does not list.
    unknown: Vec<String>,
    papers: Papers,
}

impl Standing {
    fn json(&self, subject: &ApprovalSubject) -> Value {
        let entry = &self.decided.entry;
        let votes = self.decided.votes.iter().map(|v| {
            json!({
                "by": v.who, "key": v.key.map(|k| k.ssh_fingerprint()), "expires_at": v.expires_at,
                "counts": v.refused.is_none(), "code": v.refused,
            })
        });
        let refused =
            self.papers.refused.iter().map(|(path, code, why)| json!({ "path": path, "code": code, "why": why }));
        json!({
            "approval": entry.approval, "pipeline": subject.pipeline, "stage": entry.stage, "subject": subject.digest(),
            "key": subject.key, "granted": entry.decision == ApprovalDecision::Granted,
            "need": entry.need, "have": entry.approvers.len(), "may": self.may.len(),
            "approvals": votes.collect::<Vec<_>>(), "refused": refused.collect::<Vec<_>>(), "unknown": self.unknown,
            "folder": approvals::folder(&subject.digest()),
        })
    }
}

/// What is to be approved in a stage.
fn subject_of(place: &Place<'_>, plan: &Resolved, stage: &str) -> Result<ApprovalSubject, Failure> {
    let Some(id) = plan.find(stage) else {
        let names = || plan.stages.iter().filter(|s| s.approval.is_some()).map(|s| s.name.as_str());
        let help = match closest(stage, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("stages that need an approval: {}", names().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("the pipeline `{}` has no stage called `{}`", plan.name, plain(stage));
        return Err(Failure::usage(message, help));
    };
    if plan.approval(id).is_none() {
        let message = format!("the stage `{stage}` needs nobody's approval");
        return Err(Failure::usage(message, "declare it: `approval=\"…\"` on the stage"));
    }
    let waiting = place.authority.waiting(plan, place.tenant())?;
    waiting.into_iter().find(|s| s.stage == stage).ok_or_else(|| {
        Failure::usage(
            format!("nothing is known of the stage `{stage}` that could be approved"),
            format!("`orgo run {}` finds out on which inputs it would run, and waits; what another machine found out comes with its ledger", plan.name),
        )
    })
}

/// Runs `orgo approve`.
pub(super) fn run(context: &Context, args: &Approve) -> Result<(), Failure> {
    let place = Place::open(context)?;
    let plan = place.repository.resolve(Some(&args.pipeline), &args.told)?;
    let subject = subject_of(&place, &plan, &args.stage)?;
    let declared = plan.find(&args.stage).and_then(|id| plan.approval(id)).expect("asked for above");
    let document = document(&place, args, declared, subject.clone())?;
    if args.show {
        let text = String::from_utf8(document.to_bytes()).expect("JSON is text");
        context.output.line(text.trim_end());
        let folder = approvals::folder(&subject.digest());
        context.output.note(format!("# keep it as `{folder}/NAME.json`, sign it in the namespace `orgo-approval`,"));
        context
            .output
            .note(format!("# and commit both: ssh-keygen -Y sign -n orgo-approval -f KEY {folder}/NAME.json"));
        context.output.document(&serde_json::to_value(&document).expect("a plain structure"));
        return Ok(());
    }
    let key = context.home()?.key(Role::Approver)?;
    let before = place.approved(declared, &subject)?;
    may_approve(&place, &before, key.public(), declared)?;
    let signature = key.sign_approval(&document.to_bytes())?.armor();
    let signed = SignedApproval { document, signature };
    let word = if args.withdraw { ".withdrawn" } else { "" };
    let name = format!("{}{word}", key.public().id().short());
    let path = approvals::write(place.repository.workspace.root(), &name, &signed)?;
    let now = place.approved(declared, &subject)?;
    let entry = &now.decided.entry;
    let said = if args.withdraw { "withdrawn" } else { "approved" };
    context.output.line(format!("{path}: {said}; {} of {} approve", entry.approvers.len(), entry.need));
    context.output.note("commit the document and its signature, so that runs elsewhere see them");
    let told = json!({ "schema": "orgo.approve/1", "path": path, "action": said, "standing": now.json(&subject) });
    context.output.document(&told);
    Ok(())
}

/// Refuses to sign what would count for nothing.
fn may_approve(
    place: &Place<'_>,
    standing: &Standing,
    key: &PublicKey,
    declared: &ResolvedApproval,
) -> Result<(), Failure> {
    let refused =
        |code: ReasonCode, message: String| Err(Failure::message(Class::Refused, Some(code), message, code.remedy()));
    let short = key.id().short();
    if place.runner()? == Some(*key) {
        return refused(ReasonCode::ApprovalByRunner, format!("the key {short} signs for runs here"));
    }
    let approvers: BTreeMap<_, _> = standing.papers.standing.approvers.iter().map(|a| (a.key, a)).collect();
    match approvers.get(key) {
        None => {
            refused(ReasonCode::KeyUnknown, format!("the trust in force does not list the key {short} as approver"))
        }
        Some(_) if !standing.may.contains(key) => refused(
            ReasonCode::KeyScopeMismatch,
            format!("the approval `{}` does not name the key {short}", declared.name),
        ),
        Some(trusted) if !trusted.covers("approval") => {
            refused(ReasonCode::KeyScopeMismatch, format!("the key {short} may not sign approvals"))
        }
        Some(trusted) if !trusted.is_valid_at(&place.now) => {
            refused(ReasonCode::KeyExpired, format!("the key {short} is not trusted at {}", place.now))
        }
        Some(_) => Ok(()),
    }
}

fn document(
    place: &Place<'_>,
    args: &Approve,
    declared: &ResolvedApproval,
    subject: ApprovalSubject,
) -> Result<ApprovalDocument, Failure> {
    let lasts = args.expires.map_or(declared.expires_s, |e| e.0 / 1000);
    if lasts > declared.expires_s {
        let message = format!("an approval of `{}` lasts {} s at most", declared.name, declared.expires_s);
        return Err(Failure::usage(message, "leave out `--expires`, or say less"));
    }
    let source = Git::open(place.repository.workspace.root()).and_then(|git| git.source()).ok();
    let document = ApprovalDocument {
        action: if args.withdraw { ApprovalAction::Withdraw } else { ApprovalAction::Approve },
        comment: args.comment.clone(),
        expires_at: if args.withdraw { None } else { moment_plus(&place.now, lasts) },
        requested_at: place.now.clone(),
        schema: SCHEMA.to_owned(),
        source: source.map(|s| ApprovalSource {
            commit: s.commit.to_string(),
            dirty: s.is_dirty(),
            tree: s.tree.to_string(),
        }),
        subject,
    };
    // What could not be read back is not signed.
    match ApprovalDocument::parse(&document.to_bytes()) {
        Ok(read) => Ok(read),
        Err((code, why)) => Err(Failure::message(Class::Declared, Some(code), why, code.remedy())),
    }
}
