//! What waits for approvals, who approved, and when that expires.

use orgo_spec::record::ApprovalDecision;
use serde_json::json;

use super::Approvals;
use crate::command::Context;
use crate::command::consent::Place;
use crate::failure::Failure;
use crate::output::plain;

/// Runs `orgo approvals`.
pub(in crate::command) fn run(context: &Context, args: &Approvals) -> Result<(), Failure> {
    let place = Place::open(context)?;
    let plans = match &args.pipeline {
        Some(name) => vec![place.repository.resolve(Some(name), &args.told)?],
        None => place.repository.pipelines(&args.told)?.into_iter().map(|checked| checked.plan).collect(),
    };
    let output = context.output;
    let mut told = Vec::new();
    for plan in plans.iter().filter(|p| !p.approvals.is_empty()) {
        for subject in place.authority.waiting(plan, place.tenant())? {
            let Some(declared) = plan.find(&subject.stage).and_then(|id| plan.approval(id)) else { continue };
            let standing = place.approved(declared, &subject)?;
            let entry = &standing.decided.entry;
            let word = if entry.decision == ApprovalDecision::Granted { "granted" } else { "waits" };
            let (have, need) = (entry.approvers.len(), entry.need);
            output.line(plain(&format!(
                "{} {}: {word}, {have} of {need} approve (`{}`, {} may)",
                plan.name,
                subject.stage,
                declared.name,
                standing.may.len()
            )));
            for vote in &standing.decided.votes {
                let until = vote.expires_at.as_deref().unwrap_or("-");
                let counts = vote.refused.map_or("counts".to_owned(), |code| format!("does not count: {code}"));
                output.line(plain(&format!("  {:<16} until {until}  {counts}", vote.who)));
            }
            for (path, code, why) in &standing.papers.refused {
                output.line(plain(&format!("  {path}  does not count: {code}: {why}")));
            }
            for unknown in &standing.unknown {
                output.line(plain(&format!("  {unknown}")));
            }
            if word == "waits" {
                output.line(plain(&format!("  approve it: orgo approve {} {}", plan.name, subject.stage)));
            }
            told.push(standing.json(&subject));
        }
    }
    if told.is_empty() {
        output.line("nothing waits for approvals");
    }
    output.document(&json!({ "schema": "orgo.approvals/1", "waiting": told }));
    Ok(())
}
