//! What must hold between the parts of a build record.

use std::collections::BTreeSet;

use super::{BuildFacts, BuildRecord, Lane, Status};
use crate::canonical::{CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION};
use crate::record::approval::{ApprovalDecision, ApprovalEntry};
use crate::record::gate::{Decision, GateRecord};
use crate::record::stage::{StageCounts, StageFacts, StageStatus};
use crate::{Digest, ReasonCode};

/// Refuses facts that contradict each other, with the code and what is wrong.
pub(super) fn check(facts: &BuildFacts) -> Result<(), (ReasonCode, String)> {
    let refused = |code, message: &str| Err((code, message.to_owned()));
    if facts.schema_version != BuildRecord::SCHEMA_VERSION {
        return refused(ReasonCode::SchemaInvalid, "the build record has another version");
    }
    if (facts.canonicalization_profile.as_str(), facts.canonicalization_version.as_str())
        != (CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION)
    {
        return refused(ReasonCode::SchemaInvalid, "the build record names another canonical form");
    }
    if facts.lane == Lane::Protected && facts.source.dirty {
        return refused(ReasonCode::TreeDirty, "a protected run was made from a tree with uncommitted changes");
    }
    if facts.pages.is_empty() && facts.stage_counts != StageCounts::of(&facts.stages) {
        return refused(ReasonCode::SchemaInvalid, "the stages that are listed are not those that are counted");
    }
    if facts.pins.is_some_and(|p| !p.is_sound()) {
        return refused(ReasonCode::SchemaInvalid, "a run is locked by a lock, and by nothing else");
    }
    if facts.stages.iter().any(|s| s.origin.is_some() && s.status != StageStatus::Pass) {
        return refused(ReasonCode::SchemaInvalid, "a stage that did not end well has no result from elsewhere");
    }
    let succeeded = facts.status == Status::Succeeded;
    if facts.outputs.is_some() != succeeded {
        let code = if succeeded { ReasonCode::SchemaInvalid } else { ReasonCode::OutputWithoutPass };
        return refused(code, "outputs belong to runs that succeeded, and to all of these");
    }
    if succeeded == facts.terminal_reason_code.is_some() {
        return refused(ReasonCode::SchemaInvalid, "a run that did not succeed has a reason, and only such a run");
    }
    let refusing = |g: &GateRecord| g.decision == Decision::Fail;
    if succeeded && (facts.validation_status == Some(Decision::Fail) || facts.gates.iter().any(refusing)) {
        return refused(ReasonCode::OutputWithoutPass, "outputs are claimed although a gate refused");
    }
    let failed =
        facts.stage_counts.failed > 0 || facts.stages.iter().any(|s| s.status == StageStatus::Fail && !s.optional);
    if succeeded && failed {
        return refused(ReasonCode::OutputWithoutPass, "outputs are claimed although a stage failed");
    }
    for gate in facts.gates.iter().filter(|g| refusing(g)) {
        let behind = facts.stages.iter().find(|s| s.stage == gate.stage);
        if behind.is_some_and(|s| s.status == StageStatus::Pass || !s.artifacts_out.is_empty()) {
            return refused(ReasonCode::OutputWithoutPass, "a stage behind a refusing gate has outputs");
        }
    }
    if facts.gates.iter().any(|g| refusing(g) == g.reason_codes.is_empty()) {
        return refused(ReasonCode::SchemaInvalid, "a refusal has reasons, and only a refusal");
    }
    overrides(facts)?;
    approvals(facts, failed)
}

/// What was overridden is said of the run as a whole, and only protected runs rest on overrides.
fn overrides(facts: &BuildFacts) -> Result<(), (ReasonCode, String)> {
    let refused = |why: &str| Err((ReasonCode::SchemaInvalid, why.to_owned()));
    let used: BTreeSet<Digest> = facts.gates.iter().filter_map(|g| g.override_ref).collect();
    if !used.iter().eq(&facts.overrides) {
        return refused("the overrides of the run are not those of its gates, sorted");
    }
    if !used.is_empty() && facts.lane != Lane::Protected {
        return refused("only a protected run rests on an override");
    }
    for gate in &facts.gates {
        let passed = gate.decision == Decision::Pass;
        if gate.lifted.is_empty() == gate.override_ref.is_some() || !gate.lifted.is_empty() && !passed {
            return refused("an override lifts policies of a gate that passed, and nothing else does");
        }
    }
    Ok(())
}

/// What must hold between approvals and the rest; `failed` says whether a stage failed.
fn approvals(facts: &BuildFacts, failed: bool) -> Result<(), (ReasonCode, String)> {
    let refused = |code, message: &str| Err((code, message.to_owned()));
    let waiting = |e: &ApprovalEntry| e.decision == ApprovalDecision::Waiting;
    let any_waits = facts.approvals.iter().any(waiting);
    if facts.approvals.iter().any(|e| waiting(e) == e.reason_codes.is_empty()) {
        return refused(ReasonCode::SchemaInvalid, "what waits for approvals has reasons, and only that");
    }
    if facts.status == Status::Succeeded && (any_waits || facts.stage_counts.waiting > 0) {
        return refused(ReasonCode::OutputWithoutPass, "outputs are claimed although a stage waits for approvals");
    }
    if facts.status == Status::Waiting && (!any_waits || failed) {
        return refused(ReasonCode::SchemaInvalid, "a run waits if a stage waits for approvals and none failed");
    }
    for entry in &facts.approvals {
        let behind = facts.stages.iter().find(|s| s.stage == entry.stage);
        let has_results = |s: &StageFacts| s.status == StageStatus::Pass || !s.artifacts_out.is_empty();
        if waiting(entry) && behind.is_some_and(has_results) {
            return refused(ReasonCode::OutputWithoutPass, "a stage that waits for approvals has outputs");
        }
        if !waiting(entry) && behind.is_some_and(|s| s.status == StageStatus::Wait) {
            return refused(ReasonCode::SchemaInvalid, "a stage that was approved waits for approvals");
        }
    }
    Ok(())
}
