//! A record in one line: the subject of its commit.

use std::collections::BTreeSet;

use orgo_host::run::{RunOutcome, StageOutcome};
use orgo_kernel::plan::ResolvedStage;
use orgo_kernel::scheduler::State;
use orgo_spec::ReasonCode;
use orgo_spec::record::{BuildFacts, Decision, GateFacts, Status};

use super::About;

/// `elements FAIL validate: 27 FUNCTIONAL_CONFLICT main@abc123`.
pub(super) fn headline(about: &About<'_>, outcome: &RunOutcome, facts: &BuildFacts, gates: &[GateFacts]) -> String {
    let branch = facts.source.reference.as_deref().map_or("detached", |r| r.strip_prefix("refs/heads/").unwrap_or(r));
    let at = format!("{branch}@{}", facts.source.commit.chars().take(7).collect::<String>());
    let word = match facts.status() {
        Status::Succeeded => "PASS",
        Status::Failed => "FAIL",
        Status::Cancelled => "CANCELLED",
        Status::Waiting => "WAITING",
    };
    let refusing = outcome.gates.iter().zip(gates).find(|(g, _)| g.record.decision == Decision::Fail);
    let what = match (facts.status(), refusing) {
        (Status::Succeeded, _) => format!(": {} ran, {} hits", outcome.ran(), outcome.hits()),
        (_, Some((gate, facts))) => {
            format!(" gate {}: {}", gate.record.gate, refusal(&gate.record.reason_codes, facts))
        }
        (_, None) => {
            let waits = facts.status() == Status::Waiting;
            let required = |s: &ResolvedStage, o: &StageOutcome| match o.state {
                State::Unapproved(_) => waits,
                State::Failed(_) => !s.is_optional(),
                State::Waiting
                | State::Deciding
                | State::Asking
                | State::Looking
                | State::Ready
                | State::Running
                | State::Paused(_)
                | State::Done { .. }
                | State::Refused(_)
                | State::Skipped(_) => false,
            };
            let failed = about.plan.stages.iter().zip(&outcome.stages).find(|(s, o)| required(s, o));
            let code = facts.terminal_reason_code().map_or(String::new(), |c| c.to_string());
            failed.map_or(format!(": {code}"), |(stage, _)| format!(" {}: {code}", stage.name))
        }
    };
    let lifted: BTreeSet<&str> = facts.gates.iter().flat_map(|g| &g.lifted).map(String::as_str).collect();
    let lifted = lifted.into_iter().collect::<Vec<_>>().join(",");
    let overridden = if lifted.is_empty() { String::new() } else { format!(" OVERRIDE {lifted}") };
    format!("{} {word}{overridden}{what} {at}", about.plan.name)
}

/// Why a gate refused, in a few words: `27 FUNCTIONAL_CONFLICT` if the report has errors, otherwise the first reason.
fn refusal(codes: &[ReasonCode], facts: &GateFacts) -> String {
    let reason = codes.first().map_or(String::new(), ToString::to_string);
    let Some(report) = facts.report.as_ref().filter(|r| r.errors > 0) else { return reason };
    if codes.first() != Some(&ReasonCode::ValidationFailed) {
        return reason;
    }
    // Counts are of errors and warnings together; a code that is counted more often than there are errors is none.
    let errors = report.counts.iter().filter(|(_, n)| **n <= report.errors);
    match errors.max_by_key(|(_, n)| **n) {
        Some((code, n)) if *n == report.errors => format!("{n} {code}"),
        Some((code, n)) => format!("{} errors, {n} of them {code}", report.errors),
        None => format!("{} errors", report.errors),
    }
}
