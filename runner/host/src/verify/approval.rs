//! Approvals of a build record, decided again from the ledger alone.

use orgo_kernel::approval;
use orgo_spec::ReasonCode;
use orgo_spec::record::{ApprovalEntry, ApprovalFacts, BuildRecord, Lane};

use super::record::{Evidence, Judged};
use super::report::{Finding, Severity};
use crate::ledger::{LedgerError, Trust};

impl Judged {
    /// What was decided about the stages of a run that need approvals.
    pub(super) fn approvals(
        &mut self,
        record: &BuildRecord,
        trust: &Trust,
        evidence: &Evidence<'_>,
    ) -> Result<(), LedgerError> {
        for entry in &record.facts.approvals {
            self.approval(entry, record, trust, evidence)?;
        }
        Ok(())
    }

    fn approval(
        &mut self,
        entry: &ApprovalEntry,
        record: &BuildRecord,
        trust: &Trust,
        evidence: &Evidence<'_>,
    ) -> Result<(), LedgerError> {
        let stage = &entry.stage;
        let Some(first) = entry.evidence_refs.first() else {
            self.invalid(ReasonCode::GateNotReproduced, format!("the approval of `{stage}` names no evidence"));
            return Ok(());
        };
        let Some(decided_at) = record.run.approvals_decided_at.get(stage) else {
            let message = format!("the record does not say when the approval of `{stage}` was decided");
            self.invalid(ReasonCode::GateNotReproduced, message);
            return Ok(());
        };
        // Whole seconds: a decision within the second in which the run began is not before it.
        let seconds = |time: &str| time.get(..19).map(str::to_owned);
        let at = seconds(decided_at);
        if at < seconds(&record.run.started_at) || at > seconds(&record.run.ended_at) {
            let message = format!("the approval of `{stage}` was decided outside the run");
            self.invalid(ReasonCode::GateNotReproduced, message);
        }
        let Some(facts) = evidence(first)? else {
            self.missing(first, &format!("the facts of the approval of `{stage}`"));
            return Ok(());
        };
        match approval::replay(entry, &facts, decided_at) {
            Err(why) => self.invalid(ReasonCode::GateNotReproduced, why),
            Ok(again) => {
                self.approval_facts(&again.facts, record, trust);
                if again.confirmed {
                    self.counts.approvals += 1;
                    self.approvers.extend(entry.approvers.iter().copied());
                } else {
                    let message = format!(
                        "the approval of `{stage}` was recorded as {:?}; decided again it is {:?}",
                        entry.decision, again.decision
                    );
                    // Other rules may decide otherwise in good faith; these rules may not.
                    let severity = if again.same_engine { Severity::Invalid } else { Severity::Missing };
                    self.findings.push(Finding::new(ReasonCode::GateNotReproduced, severity, message));
                }
            }
        }
        Ok(())
    }

    /// Whether the facts are about this run, and the approvers those of the trust in force.
    fn approval_facts(&mut self, facts: &ApprovalFacts, record: &BuildRecord, trust: &Trust) {
        let (subject, build) = (&facts.subject, &record.facts);
        let stage = build.stages.iter().find(|s| s.stage == subject.stage);
        let key_differs = stage.is_some_and(|s| s.key != Some(subject.key));
        if subject.tenant_id != build.tenant_id || subject.pipeline != build.pipeline.name || key_differs {
            let message = format!("the approval of `{}` is about something else than the run", subject.stage);
            self.invalid(ReasonCode::SubjectMismatch, message);
        }
        if facts.runner.is_none_or(|runner| runner.id().to_string() != record.run.actor.id) {
            let message = format!("the approval of `{}` names another runner than the record", subject.stage);
            self.invalid(ReasonCode::GateNotReproduced, message);
        }
        if build.lane != Lane::Protected {
            return; // a local run rests on the trust of another branch; it is never releasable
        }
        for key in &facts.approvers {
            if trust.lists(&key.key) != Some(("approver", key)) {
                let message = format!(
                    "the approval of `{}` rests on the key {}, which the trust in force does not list like this",
                    subject.stage,
                    key.key.id().short()
                );
                self.invalid(ReasonCode::KeyUnknown, message);
            }
        }
    }
}
