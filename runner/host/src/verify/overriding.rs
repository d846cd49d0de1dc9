//! Overrides on record: that they were signed by those whom the trust lists, and that a gate saw what was there.

use orgo_kernel::gate::count_signers;
use orgo_spec::ReasonCode;
use orgo_spec::mandate::Terms;
use orgo_spec::record::{BuildRecord, Lane, OverrideFacts, OverrideRecord, Predicate};

use super::record::Judged;
use crate::ledger::{Moment, Trust, approval};

/// Nobody lifts a policy alone, whatever a mandate says.
const LEAST_SIGNERS: usize = 2;

impl Judged {
    /// The record of an override: two people at least signed it, whom the trust lists.
    pub(super) fn override_record(&mut self, record: &OverrideRecord, trust: &Trust, at: Moment<'_>) {
        let signed = &record.facts.signed;
        let may = |key| approval::may_approve(trust, key, OverrideRecord::KIND, at).is_ok();
        let approvers = trust.facts().keys.approver.iter().filter(|a| may(&a.key)).cloned().collect::<Vec<_>>();
        let counted = count_signers(signed, &approvers, None, at.time).into_iter().filter(|s| s.refused.is_none());
        let keys: Vec<_> = counted.map(|s| s.key).collect();
        if keys.len() < LEAST_SIGNERS {
            let message = format!("{} of the signers of the override are approvers; it takes two", keys.len());
            self.invalid(ReasonCode::ApprovalInsufficient, message);
        }
        self.approvers.extend(keys);
    }

    /// What a gate says about an override must be what mandate, trust and run say.
    pub(super) fn override_facts(
        &mut self,
        gate: &str,
        over: &OverrideFacts,
        record: &BuildRecord,
        terms: Option<&Terms>,
        trust: &Trust,
    ) {
        let mut wrong = |code, why: &str| self.invalid(code, format!("the override at the gate `{gate}` {why}"));
        if terms.is_some_and(|terms| terms.overrides != over.allowed) {
            wrong(ReasonCode::GateNotReproduced, "rests on what the mandate does not let anybody lift");
        }
        if over.tenant_id != record.facts.tenant_id {
            wrong(ReasonCode::TenantMismatch, "is of another tenant than the run");
        }
        if over.runner.is_none_or(|runner| runner.id().to_string() != record.run.actor.id) {
            wrong(ReasonCode::GateNotReproduced, "names another runner than the record");
        }
        // Whole seconds: a decision within the second in which the run began is not before it.
        let seconds = |time: &str| time.get(..19).map(str::to_owned);
        let at = seconds(&over.at);
        if at < seconds(&record.run.started_at) || at > seconds(&record.run.ended_at) {
            wrong(ReasonCode::GateNotReproduced, "was decided outside the run");
        }
        if record.facts.lane == Lane::Protected
            && over.approvers.iter().any(|key| trust.lists(&key.key) != Some(("approver", key)))
        {
            wrong(ReasonCode::KeyUnknown, "rests on a key that the trust in force does not list like this");
        }
    }
}
