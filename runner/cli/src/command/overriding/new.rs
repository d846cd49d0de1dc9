//! A new override: for what the newest record says that a gate refused.

use clap::Args;
use orgo_host::clock::random_uuid;
use orgo_host::overrides;
use orgo_kernel::gate::override_terms;
use orgo_spec::approval::moment_plus;
use orgo_spec::document::DurationMs;
use orgo_spec::mandate::Mandate;
use orgo_spec::overriding::{OverrideDocument, OverrideScope, SCHEMA};
use orgo_spec::record::{GateFacts, GateRecord};
use orgo_spec::{Name, ReasonCode};
use serde_json::json;

use super::duration;
use crate::command::consent::Place;
use crate::failure::{Class, Failure};
use crate::output::plain;

#[derive(Debug, Args)]
pub(super) struct New {
    /// The pipeline
    pipeline: String,
    /// The gate that refused
    gate: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How long it counts, such as `4h`; as long as the mandate allows, unless told
    #[arg(long, value_name = "TIME", value_parser = duration)]
    expires: Option<DurationMs>,
}

/// Runs `orgo override new`.
pub(super) fn run(place: &Place<'_>, args: &New) -> Result<(), Failure> {
    let (gate, facts) = refused_gate(place, args)?;
    let name = |text: &str| Name::new(text).map_err(|e| Failure::usage(e.to_string(), Name::RULE));
    let mandates = place.mandates()?;
    let mandate = facts.mandate.and_then(|id| mandates.iter().find(|m| m.id() == id));
    let (Some(mandate), Some(subject)) = (mandate, facts.subject) else {
        let message = "the mandate that refused is not the one here".to_owned();
        let help = "run the pipeline again, so that the newest record is about what is here";
        return Err(Failure::message(Class::Refused, Some(ReasonCode::OverrideNotAllowed), message, help));
    };
    let scope = OverrideScope {
        gate: name(&gate.gate)?,
        mandate: mandate.id(),
        pipeline: name(&args.pipeline)?,
        policies: gate.policies.iter().map(|p| name(p)).collect::<Result<_, _>>()?,
        subject,
        tenant_id: place.tenant().clone(),
    };
    let Some((need, longest_s)) = override_terms(&scope, &mandate.overrides) else {
        return Err(not_allowed(&scope, mandate));
    };
    let lasts_s = args.expires.map_or(longest_s, |e| e.0 / 1000);
    if lasts_s > longest_s {
        let message = format!("an override of these policies lasts {longest_s} s at most");
        return Err(Failure::usage(message, "leave out `--expires`, or say less"));
    }
    let document = OverrideDocument {
        expires_at: moment_plus(&place.now, lasts_s).unwrap_or_default(),
        nonce: random_uuid().replace('-', ""),
        reason: args.reason.clone(),
        requested_at: place.now.clone(),
        schema: SCHEMA.to_owned(),
        scope,
    };
    // What could not be read back is not written.
    if let Err((code, why)) = OverrideDocument::parse(&document.to_bytes()) {
        return Err(Failure::message(Class::Declared, Some(code), why, code.remedy()));
    }
    let path = overrides::write(place.repository.workspace.root(), &document)?;
    let output = place.context.output;
    let policies = document.scope.policies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let id = document.id();
    output.line(format!("{path}: lifts {policies} once, until {}", document.expires_at));
    output.note(format!("have {need} approvers sign it: orgo override sign {}", &id.hex()[..12]));
    output.document(&json!({
        "schema": "orgo.override-new/1", "id": id, "path": path, "need": need, "document": document,
    }));
    Ok(())
}

/// What the newest record of the pipeline says of the gate, and what the gate saw.
fn refused_gate(place: &Place<'_>, args: &New) -> Result<(GateRecord, GateFacts), Failure> {
    let pipeline = Name::new(&args.pipeline).map_err(|e| Failure::usage(e.to_string(), Name::RULE))?;
    let gates = place.authority.newest_gates(&pipeline, place.tenant())?;
    let found =
        gates.into_iter().find(|(g, _)| g.gate == args.gate && g.reason_codes.contains(&ReasonCode::PolicyRefused));
    let Some((gate, facts)) = found else {
        let message = format!(
            "the newest record of `{}` does not say that policies refused at the gate `{}`",
            plain(&args.pipeline),
            plain(&args.gate)
        );
        let help = "run the pipeline in the protected lane first; an override is about what a gate refused";
        return Err(Failure::usage(message, help));
    };
    let floor = gate.reason_codes.iter().find(|c| !lets_override(**c));
    if let Some(code) = floor {
        let message = format!("the gate `{}` refused for {code}, too, which nobody may lift", gate.gate);
        return Err(Failure::message(Class::Refused, Some(*code), message, code.remedy()));
    }
    Ok((gate, facts))
}

/// Whether a reason is that of a policy, or of an override that did not count.
fn lets_override(code: ReasonCode) -> bool {
    use ReasonCode as C;
    matches!(
        code,
        C::PolicyRefused
            | C::OverrideSpent
            | C::OverrideStale
            | C::OverrideNotAllowed
            | C::ApprovalInsufficient
            | C::ApprovalByRunner
            | C::ApprovalRepeated
            | C::KeyUnknown
            | C::KeyExpired
            | C::KeyScopeMismatch
    )
}

fn not_allowed(scope: &OverrideScope, mandate: &Mandate) -> Failure {
    let code = ReasonCode::OverrideNotAllowed;
    let may = |policy: &Name| mandate.overrides.iter().any(|o| o.policy == *policy);
    let fixed = scope.policies.iter().find(|p| !may(p));
    let message = match fixed {
        Some(policy) => format!("the mandate `{}` does not let anybody lift the policy `{policy}`", *mandate.name),
        None => "no policy forbids it; what nobody permits cannot be lifted".to_owned(),
    };
    Failure::message(Class::Refused, Some(code), message, code.remedy())
}
