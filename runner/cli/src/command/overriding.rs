//! `orgo override`: lifting a policy once, where the mandate lets people do that. Who signs what, and what became of it.

mod list;
mod new;

use clap::{Args, Subcommand};
use orgo_host::key::Role;
use orgo_host::overrides::{self, Found};
use orgo_host::run::Overriding;
use orgo_kernel::gate::{Signer, count_signers, override_terms};
use orgo_spec::ReasonCode;
use orgo_spec::mandate::Mandate;
use orgo_spec::overriding::SignedOverride;
use orgo_spec::record::{OverrideRecord, Predicate};
use serde_json::{Value, json};

use super::Context;
use super::approve::duration;
use super::consent::Place;
use crate::failure::{Class, Failure};
use crate::output::plain;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo override new elements accept --reason \"the fix cannot wait\" --expires 4h\n  orgo override sign 3f9a\n  orgo override list\n\nStock tools sign as well:\n  ssh-keygen -Y sign -n orgo-override -f ~/.ssh/id_ed25519 < overrides/ID/override.json > overrides/ID/alice.sig"
)]
pub(crate) struct OverrideArgs {
    #[command(subcommand)]
    command: OverrideCommand,
}

#[derive(Debug, Subcommand)]
enum OverrideCommand {
    /// Write down which policies are to be lifted, for what, why and until when
    New(new::New),
    /// Sign an override with the approver key
    Sign {
        /// Its id, or the first digits of it
        id: String,
    },
    /// Show every override: who signed it, and whether it counts
    List,
}

/// Runs `orgo override`.
pub(super) fn run(context: &Context, args: &OverrideArgs) -> Result<(), Failure> {
    let place = Place::open(context)?;
    match &args.command {
        OverrideCommand::New(args) => new::run(&place, args),
        OverrideCommand::Sign { id } => sign(&place, id),
        OverrideCommand::List => list::run(&place),
    }
}

impl Place<'_> {
    /// The mandates of the working folder.
    fn mandates(&self) -> Result<Vec<Mandate>, Failure> {
        let root = self.repository.workspace.root();
        let mut mandates = Vec::new();
        for name in orgo_host::mandate::names(root)? {
            mandates.extend(orgo_host::mandate::from_folder(root, &name)?.map(|m| m.bundle.mandate().clone()));
        }
        Ok(mandates)
    }

    /// Everything that lies here, and what there is to judge it by.
    fn everything(&self) -> Result<(Found, Overriding), Failure> {
        self.authority.overrides(self.tenant(), self.runner()?)
    }

    /// How an override stands now.
    fn overridden(&self, signed: &SignedOverride, known: &Overriding, mandates: &[Mandate]) -> Standing {
        let document = &signed.document;
        let mandate = mandates.iter().find(|m| m.id() == document.scope.mandate);
        let terms = mandate.and_then(|m| override_terms(&document.scope, &m.overrides));
        let signers = count_signers(signed, &known.approvers, known.runner, &self.now);
        let have = signers.iter().filter(|s| s.refused.is_none()).count();
        let in_force = document.requested_at <= self.now && self.now <= document.expires_at;
        let refused = if known.spent.contains(&document.id()) {
            Some(ReasonCode::OverrideSpent)
        } else if let Some((need, longest_s)) = terms {
            if !in_force || document.lasts_s().is_none_or(|s| s > longest_s) {
                Some(ReasonCode::OverrideStale)
            } else {
                (have < need as usize).then_some(ReasonCode::ApprovalInsufficient)
            }
        } else {
            Some(ReasonCode::OverrideNotAllowed)
        };
        Standing { need: terms.map(|(need, _)| need), have, signers, refused }
    }
}

/// How an override stands.
struct Standing {
    /// How many must sign; none if the mandate does not let anybody lift what it lifts.
    need: Option<u32>,
    have: usize,
    signers: Vec<Signer>,
    refused: Option<ReasonCode>,
}

impl Standing {
    fn json(&self, signed: &SignedOverride) -> Value {
        let signers = self.signers.iter();
        let signers = signers.map(|s| json!({ "by": s.who, "key": s.key.ssh_fingerprint(), "code": s.refused }));
        json!({
            "id": signed.document.id(), "document": signed.document, "path": overrides::path(&signed.document),
            "need": self.need, "have": self.have, "counts": self.refused.is_none(), "code": self.refused,
            "signers": signers.collect::<Vec<_>>(),
        })
    }
}

/// Signs an override with the approver key.
fn sign(place: &Place<'_>, id: &str) -> Result<(), Failure> {
    let (found, known) = place.everything()?;
    let matching: Vec<&SignedOverride> =
        found.overrides.iter().filter(|o| !id.is_empty() && o.document.id().hex().starts_with(id)).collect();
    let [signed] = matching.as_slice() else {
        let message = match matching.len() {
            0 => format!("there is no override whose id begins with `{}`", plain(id)),
            n => format!("the ids of {n} overrides begin with `{}`", plain(id)),
        };
        return Err(Failure::usage(message, "`orgo override list` shows all of them"));
    };
    let (document, key) = (&signed.document, place.context.home()?.key(Role::Approver)?);
    let public = key.public();
    let refused =
        |code: ReasonCode, message: String| Err(Failure::message(Class::Refused, Some(code), message, code.remedy()));
    let short = public.id().short();
    let listed = known.approvers.iter().find(|a| a.key == *public);
    match listed {
        _ if known.runner == Some(*public) => {
            return refused(ReasonCode::ApprovalByRunner, format!("the key {short} signs for runs here"));
        }
        None => {
            let message = format!("the trust in force does not list the key {short} as approver");
            return refused(ReasonCode::KeyUnknown, message);
        }
        Some(listed) if !listed.covers(OverrideRecord::KIND) => {
            return refused(ReasonCode::KeyScopeMismatch, format!("the key {short} may not sign overrides"));
        }
        Some(_) => {}
    }
    let mandates = place.mandates()?;
    match place.overridden(signed, &known, &mandates).refused {
        None | Some(ReasonCode::ApprovalInsufficient) => {}
        Some(code) => return refused(code, format!("the override {} counts for nothing", document.id().short())),
    }
    let root = place.repository.workspace.root();
    let path = overrides::add(root, document, &short, &key.sign_override(&document.to_bytes())?.armor())?;
    let (found, known) = place.everything()?;
    let now = found.overrides.iter().find(|o| o.document == *document);
    let standing = now.map(|signed| (signed, place.overridden(signed, &known, &mandates)));
    let output = place.context.output;
    if let Some((signed, standing)) = standing {
        let need = standing.need.map_or_else(String::new, |need| format!(" of {need}"));
        output.line(format!("{path}: signed; {}{need} sign", standing.have));
        output.note("commit it, so that the run sees it");
        output.document(&json!({ "schema": "orgo.override-sign/1", "path": path, "override": standing.json(signed) }));
    }
    Ok(())
}
