//! One record, judged after its signature: shape, tenant, evidence, gates, and no outputs after a refusal.

use std::rc::Rc;

use orgo_kernel::gate;
use orgo_kernel::policy::{self, Policies};
use orgo_spec::canonical::{self, Profile};
use orgo_spec::mandate::Terms;
use orgo_spec::record::{
    BuildRecord, Class, Decision, Epoch, GateFacts, GateRecord, MandateRecord, Statement, Unenforced,
};
use orgo_spec::signature::PublicKey;
use orgo_spec::{Digest, ReasonCode};

use super::report::{Counts, Finding, Severity};
use crate::ledger::record::Mark;
use crate::ledger::{LedgerError, Moment, Record, Trust, TrustError, approval, mandate};
use crate::mandate::{Recorded, from_evidence};

/// Finds a piece of evidence that hashes to its name; none if it is not there.
pub(crate) type Evidence<'e> = dyn Fn(&Digest) -> Result<Option<Vec<u8>>, LedgerError> + 'e;

/// What came of judging one record.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) findings: Vec<Finding>,
    pub(crate) counts: Counts,
    /// The path under `latest/` that must show this record.
    pub(crate) latest: Option<String>,
    /// What it does to the files that show the present state, and the id of the start that it is about.
    pub(crate) marks: Vec<(Mark, Option<Digest>)>,
    /// The epoch that it seals.
    pub(crate) epoch: Option<Epoch>,
    /// The environment that the run was for.
    pub(crate) environment: Option<String>,
    /// Who approved what it is about.
    pub(crate) approvers: Vec<PublicKey>,
    /// The tree of a clean source, and the lock that the run says lies in it.
    pub(crate) locked: Option<(String, Digest)>,
    /// Whether it could be parsed.
    pub(crate) readable: bool,
}

/// Judges the statement of record `number`, whose signature was verified.
///
/// # Errors
/// What `evidence` reports for faults of the environment.
pub(crate) fn judge(
    kind: &str,
    number: u64,
    statement: &[u8],
    trust: &Trust,
    at: Moment<'_>,
    evidence: &Evidence<'_>,
) -> Result<Judged, LedgerError> {
    let mut judged = Judged::default();
    let record = match Record::parse(kind, statement) {
        Ok(record) => record,
        Err(error) => {
            judged.invalid(error.code(), error.to_string());
            return Ok(judged);
        }
    };
    if record.tenant() != trust.tenant() {
        let message =
            format!("the record is of the tenant `{}`, the ledger is of `{}`", record.tenant(), trust.tenant());
        judged.invalid(ReasonCode::TenantMismatch, message);
    }
    judged.readable = true;
    judged.latest = record.latest_path();
    judged.environment = record.environment().map(str::to_owned);
    judged.epoch = record.epoch();
    judged.marks = record.marks().into_iter().map(|mark| (mark, record.start())).collect();
    if let Err(why) = trust.vouches_for(&record) {
        judged.unenforced(&why);
    }
    match record {
        Record::Build(build) => judged.build(&build, trust, evidence)?,
        // The first trust record judges itself.
        Record::Trust(_) if number == trust.number() => {}
        Record::Trust(_) => judged.follows(trust.replace(number, statement)),
        Record::Revocation(_) => judged.follows(trust.revoke(number, statement)),
        Record::Started(started) => judged.class(trust, started.predicate.facts.class),
        Record::Mandate(activated) => judged.mandate(&activated, trust, at, evidence)?,
        Record::Approval(signed) => {
            let facts = &signed.predicate.facts;
            if let Err((code, message)) = approval::may_approve(trust, &facts.approver, "approval", at) {
                judged.invalid(code, message);
            }
            judged.approvers.push(facts.approver);
        }
        Record::Override(used) => judged.override_record(&used.predicate, trust, at),
        Record::Abandoned(_) | Record::Admin(_) => {}
    }
    Ok(judged)
}

/// The mandate of a run, as far as the evidence goes.
#[derive(Default)]
struct Governed {
    terms: Option<Terms>,
    policies: Option<Rc<Policies>>,
    /// Why it is not usable.
    why: Option<String>,
}

impl Judged {
    pub(super) fn invalid(&mut self, code: ReasonCode, message: impl Into<String>) {
        self.findings.push(Finding::invalid(code, message));
    }

    pub(super) fn missing(&mut self, digest: &Digest, what: &str) {
        let message = format!("{what} {digest} is not in this clone");
        self.findings.push(Finding::new(ReasonCode::EvidenceMissing, Severity::Missing, message));
    }

    /// What no key of a production trust vouches for. That pages are elsewhere, and nothing is said of them here, is no
    /// contradiction.
    fn unenforced(&mut self, why: &Unenforced) {
        let severity = match why {
            Unenforced::Stage(_) | Unenforced::Service { .. } | Unenforced::Page | Unenforced::Unsaid(_) => {
                Severity::Invalid
            }
            Unenforced::UnsaidPages => Severity::Missing,
        };
        let message = format!("{why}, and the record is signed under production trust");
        self.findings.push(Finding::new(why.code(), severity, message));
    }

    /// Whether a change of trust follows from the trust in force.
    fn follows(&mut self, next: Result<Trust, TrustError>) {
        if let Err(error) = next {
            self.invalid(error.code(), error.to_string());
        }
    }

    fn class(&mut self, trust: &Trust, class: Class) {
        if trust.is_development() && class != Class::Development {
            self.invalid(ReasonCode::KeyScopeMismatch, "the record claims production under a development trust");
        }
    }

    /// What the record's own type cannot check: what it says about others.
    fn build(
        &mut self,
        statement: &Statement<BuildRecord>,
        trust: &Trust,
        evidence: &Evidence<'_>,
    ) -> Result<(), LedgerError> {
        let facts = &statement.predicate.facts;
        self.class(trust, facts.class);
        let lock = facts.pins.and_then(|p| p.lock()).filter(|_| !facts.source.dirty);
        self.locked = lock.map(|lock| (facts.source.tree.clone(), lock));
        let compiled = facts.outputs().is_some_and(|o| o.kristal.is_some());
        if compiled && !facts.gates.iter().any(|g| g.decision == Decision::Pass) {
            self.invalid(ReasonCode::OutputWithoutPass, "the run compiled without a gate that passed");
        }
        for (digest, what) in [(facts.mandate_ref, "the mandate"), (facts.validation_report_ref, "the report")] {
            if let Some(digest) = digest
                && evidence(&digest)?.is_none()
            {
                self.missing(&digest, what);
            }
        }
        let governed = match facts.mandate_ref {
            Some(mandate) if !facts.gates.is_empty() => self.governed(mandate, evidence)?,
            _ => Governed::default(),
        };
        for gate in &facts.gates {
            self.gate(gate, &statement.predicate, &governed, trust, evidence)?;
        }
        self.approvals(&statement.predicate, trust, evidence)
    }

    /// A mandate that became active.
    fn mandate(
        &mut self,
        statement: &Statement<MandateRecord>,
        trust: &Trust,
        at: Moment<'_>,
        evidence: &Evidence<'_>,
    ) -> Result<(), LedgerError> {
        let judged = mandate::judge(&statement.predicate.facts, trust, at, evidence)?;
        judged.invalid.into_iter().for_each(|(code, message)| self.invalid(code, message));
        judged.missing.iter().for_each(|(what, digest)| self.missing(digest, what));
        self.approvers = judged.approvers;
        Ok(())
    }

    /// The mandate that governed a run, from the evidence; that it is missing is told about the record.
    fn governed(&mut self, mandate: Digest, evidence: &Evidence<'_>) -> Result<Governed, LedgerError> {
        Ok(match from_evidence(mandate, evidence)? {
            Recorded::There(terms, policies) => Governed { terms: Some(terms), policies: Some(policies), why: None },
            Recorded::Absent(what, digest) => {
                if digest != mandate {
                    self.missing(&digest, what);
                }
                Governed::default()
            }
            Recorded::Unreadable(why) => Governed { why: Some(why), ..Governed::default() },
        })
    }

    /// What a gate says its mandate accepts must be what the mandate says.
    fn accepts(&mut self, record: &GateRecord, facts: &GateFacts, governed: &Governed) {
        let Some(terms) = &governed.terms else { return };
        if facts.accepts.as_ref() != Some(&terms.accepts()) {
            let message =
                format!("the gate `{}` says that its mandate accepts something else than it does", record.gate);
            self.invalid(ReasonCode::GateNotReproduced, message);
        }
        if record.engine.name == gate::ENGINE && !terms.policies.is_empty() {
            let message = format!("the gate `{}` was decided without the policies of its mandate", record.gate);
            self.invalid(ReasonCode::GateNotReproduced, message);
        }
    }

    /// Decides a gate again from its evidence.
    fn gate(
        &mut self,
        record: &GateRecord,
        build: &BuildRecord,
        governed: &Governed,
        trust: &Trust,
        evidence: &Evidence<'_>,
    ) -> Result<(), LedgerError> {
        let mandate = build.facts.mandate_ref;
        let Some(first) = record.evidence_refs.first() else {
            self.invalid(ReasonCode::GateNotReproduced, format!("the gate `{}` names no evidence", record.gate));
            return Ok(());
        };
        let Some(facts) = evidence(first)? else {
            self.missing(first, &format!("the facts of the gate `{}`", record.gate));
            return Ok(());
        };
        let facts = &facts;
        // Without the report, the facts can still contradict the verdict; they cannot confirm it.
        let report = match record.evidence_refs.get(1) {
            None => None,
            Some(digest) => {
                let report = evidence(digest)?;
                if report.is_none() {
                    self.missing(digest, &format!("the report of the gate `{}`", record.gate));
                }
                report
            }
        };
        let excerpt = match record.evidence_refs.get(2) {
            None => None,
            Some(digest) => {
                let excerpt = evidence(digest)?;
                if excerpt.is_none() {
                    self.missing(digest, &format!("the excerpt of the report of the gate `{}`", record.gate));
                }
                excerpt
            }
        };
        let read: Result<GateFacts, _> = canonical::from_slice(facts, Profile::RECORD);
        if let (Ok(read), Some(_)) = (&read, mandate) {
            self.accepts(record, read, governed);
        }
        if let Some(why) = &governed.why {
            // Another version may read what this one cannot; the same version may not.
            let ours = record.engine.name != policy::ENGINE || record.engine.version == policy::engine_version();
            let severity = if ours { Severity::Invalid } else { Severity::Missing };
            let message = format!("the mandate of the gate `{}` is not usable: {why}", record.gate);
            self.findings.push(Finding::new(ReasonCode::GateNotReproduced, severity, message));
        }
        if read.is_ok_and(|f| f.mandate != mandate) {
            let message = format!("the gate `{}` decided under another mandate than the record names", record.gate);
            self.invalid(ReasonCode::GateNotReproduced, message);
        }
        let again = gate::replay(record, facts, report.as_deref(), excerpt.as_deref(), governed.policies.as_deref());
        if let Some(over) = again.as_ref().ok().and_then(|again| again.overriding.as_ref()) {
            self.override_facts(&record.gate, over, build, governed.terms.as_ref(), trust);
        }
        match again {
            Err(error) => self.invalid(ReasonCode::GateNotReproduced, error.to_string()),
            Ok(again) if again.confirmed => {
                self.counts.gates += 1;
                self.counts.gates_under_another_version += u64::from(!again.same_engine);
            }
            Ok(again)
                if (again.report_absent || again.policies_absent)
                    && again.decision == record.decision
                    && again.reason_codes == record.reason_codes
                    && again.policies == record.policies
                    && again.same_override => {}
            Ok(again) => {
                let codes =
                    again.reason_codes.iter().map(|c| c.as_str()).chain(again.policies.iter().map(String::as_str));
                let codes: Vec<_> = codes.collect();
                let message = format!(
                    "the gate `{}` was recorded as {:?}; decided again it is {:?} ({})",
                    record.gate,
                    record.decision,
                    again.decision,
                    codes.join(", ")
                );
                // Other rules may decide otherwise in good faith; these rules may not.
                let severity = if again.same_engine { Severity::Invalid } else { Severity::Missing };
                self.findings.push(Finding::new(ReasonCode::GateNotReproduced, severity, message));
            }
        }
        Ok(())
    }
}
