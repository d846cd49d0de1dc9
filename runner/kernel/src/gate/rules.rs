//! What refuses: the floor, and where a mandate governs, its policies.

use orgo_spec::ReasonCode;
use orgo_spec::record::{GateFacts, GateRecord};

use super::{FACTS_VERSION, overriding};
use crate::policy::Policies;

/// What rules and policies say: every reason to refuse, sorted (none is a pass), which policies determined it, and which
/// an override lifted.
#[derive(Default)]
pub(super) struct Assessed {
    pub(super) codes: Vec<ReasonCode>,
    pub(super) by: Vec<String>,
    pub(super) lifted: Vec<String>,
}

impl Assessed {
    /// Takes from the record what only absent policies could say.
    pub(super) fn rest_on(&mut self, record: &GateRecord, facts: &GateFacts) {
        let says = |code| record.reason_codes.contains(&code);
        let was_asked = !record.lifted.is_empty() || says(ReasonCode::PolicyRefused) && !says(ReasonCode::PolicyError);
        // What an override is worth is known without them.
        match facts.overriding.as_ref().filter(|_| self.codes.is_empty() && was_asked) {
            Some(over) => self.codes.extend(overriding::objections(facts, over)),
            None if !record.lifted.is_empty() => self.codes.push(ReasonCode::PolicyRefused),
            None => {}
        }
        let of_policies = [ReasonCode::PolicyError, ReasonCode::PolicyRefused];
        self.codes.extend(of_policies.into_iter().filter(|code| says(*code)));
        self.by.clone_from(&record.policies);
        self.lifted.clone_from(&record.lifted);
        sort(&mut self.codes);
    }
}

fn sort(codes: &mut Vec<ReasonCode>) {
    codes.sort_unstable_by_key(|c| c.as_str());
    codes.dedup();
}

/// The floor, and where a mandate governs, its policies.
pub(super) fn assess(facts: &GateFacts, policies: Option<&Policies>) -> Assessed {
    let mut codes = floor(facts);
    let Some(mandate) = facts.mandate else { return Assessed { codes, ..Assessed::default() } };
    let (mut by, mut lifted) = (Vec::new(), Vec::new());
    match policies.filter(|p| p.mandate() == mandate) {
        None => codes.push(ReasonCode::PolicyError),
        // Without a report there is nothing that policies could be asked about; the floor refuses.
        Some(_) if facts.report.is_none() || facts.subject.is_none() => {}
        Some(policies) => {
            let mut answer = policies.ask(facts);
            // What the floor refuses is never lifted, nor what could not be evaluated.
            if let Some(over) = facts.overriding.as_ref().filter(|_| codes.is_empty() && answer.is_forbidden()) {
                let objections = overriding::objections(facts, over);
                codes.extend(objections);
                if codes.is_empty() {
                    let named = &over.signed.document.scope.policies;
                    let again = policies.without(named).ask(facts);
                    lifted = if again.permits() { answer.by } else { Vec::new() };
                    answer = again;
                }
            }
            codes.extend(answer.codes);
            by = answer.by;
        }
    }
    sort(&mut codes);
    Assessed { codes, by, lifted }
}

/// Every reason of the built-in rules to refuse, sorted.
pub(super) fn floor(facts: &GateFacts) -> Vec<ReasonCode> {
    let mut codes = Vec::new();
    if facts.schema_version != FACTS_VERSION {
        codes.push(ReasonCode::SchemaInvalid);
    }
    if facts.mandate.is_some() != facts.accepts.is_some() {
        codes.push(ReasonCode::PolicyError);
    }
    if facts.mandate_required && facts.mandate.is_none() {
        codes.push(ReasonCode::MandateMissing);
    }
    match (&facts.report_digest, &facts.report) {
        (None, None) => codes.push(ReasonCode::ReportMissing),
        (None, Some(_)) => codes.push(ReasonCode::PolicyError),
        (Some(_), None) => codes.push(ReasonCode::ReportUnreadable),
        (Some(_), Some(report)) => {
            if report.status != "passed" || report.errors > 0 {
                codes.push(ReasonCode::ValidationFailed);
            }
            if facts.subject != Some(report.subject) {
                codes.push(ReasonCode::SubjectMismatch);
            }
            if let Some(accepts) = &facts.accepts {
                let validator = &facts.validator;
                let accepted = validator.builtin && accepts.builtin || accepts.validators.contains(&validator.digest);
                if !accepted {
                    codes.push(ReasonCode::ValidatorNotAccepted);
                }
                if !accepts.rulesets.contains(&report.ruleset) {
                    codes.push(ReasonCode::RulesetNotAccepted);
                }
            }
        }
    }
    sort(&mut codes);
    codes
}
