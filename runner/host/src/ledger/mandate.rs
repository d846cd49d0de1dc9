//! Mandates in a ledger: which are active, and which may follow which.

use orgo_spec::record::{MandateFacts, MandateRecord, Statement};
use orgo_spec::signature::{Namespace, PublicKey};
use orgo_spec::{Digest, Name, ReasonCode};

use super::approval::may_approve;
use super::{Head, Ledger, LedgerError, MAX_RECORD_BYTES, Moment, Trust, bounded, layout};
use crate::mandate::{Recorded, from_evidence};

/// An active mandate: its record, and the id of that.
#[derive(Debug, Clone, PartialEq)]
pub struct Active {
    /// The record's id.
    pub record: Digest,
    /// What it says.
    pub facts: MandateFacts,
}

impl Ledger {
    /// The active mandate of that name. Nothing is verified.
    ///
    /// # Errors
    /// [`LedgerError`] if its record is damaged.
    pub fn mandate(&self, head: &Head, name: &Name) -> Result<Option<Active>, LedgerError> {
        let path = layout::mandate_path(name);
        let Some(entry) = self.git.entry(head.tree, &path)? else { return Ok(None) };
        let bytes = bounded(&self.git, entry.id, MAX_RECORD_BYTES, &path)?;
        read(&bytes).map(Some).map_err(|why| LedgerError::Damaged { path, why })
    }
}

fn read(statement: &[u8]) -> Result<Active, String> {
    let parsed = Statement::<MandateRecord>::parse(statement).map_err(|e| e.to_string())?;
    Ok(Active { record: Digest::of(statement), facts: parsed.predicate.facts })
}

/// What a mandate says about the one that it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Succession {
    supersedes: Option<Digest>,
    version: u32,
    approvals: usize,
}

impl Succession {
    pub(super) fn of(facts: &MandateFacts) -> Self {
        Self { supersedes: facts.supersedes, version: facts.version, approvals: facts.approvals.len() }
    }

    /// Whether it may follow the mandate whose record is `before`: named, older, and not asking for more approvals.
    ///
    /// # Errors
    /// The reason code and what is wrong.
    pub(crate) fn follows(&self, before: Option<&[u8]>) -> Result<(), (ReasonCode, String)> {
        let before = match before.map(read).transpose() {
            Ok(before) => before,
            Err(why) => return Err((ReasonCode::RecordAltered, format!("the active mandate is not readable: {why}"))),
        };
        if self.supersedes != before.as_ref().map(|b| b.record) {
            let message = "the mandate does not name the one that is active".to_owned();
            return Err((ReasonCode::MandateRollback, message));
        }
        let Some(before) = before else { return Ok(()) };
        if self.version <= before.facts.version {
            let message = format!("version {} does not follow version {}", self.version, before.facts.version);
            return Err((ReasonCode::MandateRollback, message));
        }
        let need = before.facts.approvals_required as usize;
        if self.approvals < need {
            let message = format!("{} approvers signed; the mandate before it asks for {need}", self.approvals);
            return Err((ReasonCode::ApprovalInsufficient, message));
        }
        Ok(())
    }
}

/// What came of judging a mandate record.
#[derive(Default)]
pub(crate) struct JudgedMandate {
    /// What is wrong.
    pub(crate) invalid: Vec<(ReasonCode, String)>,
    /// What is not at hand.
    pub(crate) missing: Vec<(&'static str, Digest)>,
    /// Who approved.
    pub(crate) approvers: Vec<PublicKey>,
}

/// Judges what the record's own type cannot: the manifest says what the record says, its policies are valid, and
/// enough approvers of the trust signed it.
pub(crate) fn judge<E>(
    facts: &MandateFacts,
    trust: &Trust,
    at: Moment<'_>,
    evidence: &(impl Fn(&Digest) -> Result<Option<Vec<u8>>, E> + ?Sized),
) -> Result<JudgedMandate, E> {
    let mut judged = JudgedMandate::default();
    for approval in &facts.approvals {
        judged.invalid.extend(may_approve(trust, &approval.key, "mandate", at).err());
        judged.approvers.push(approval.key);
    }
    let Some(manifest) = evidence(&facts.mandate_id)? else {
        judged.missing.push(("the mandate", facts.mandate_id));
        return Ok(judged);
    };
    for approval in facts.approvals.iter().filter(|a| !a.covers(Namespace::Mandate, &manifest)) {
        let message = format!("the approval of {} is about something else", approval.key.id().short());
        judged.invalid.push((ReasonCode::SigInvalid, message));
    }
    match from_evidence(facts.mandate_id, evidence)? {
        Recorded::Absent(what, digest) => judged.missing.push((what, digest)),
        Recorded::Unreadable(why) => {
            judged.invalid.push((ReasonCode::MandateInvalid, format!("the mandate is not usable: {why}")));
        }
        Recorded::There(terms, policies) => {
            let said = (&terms.name, &terms.tenant_id, terms.version, terms.trust.approvals);
            if said != (&facts.name, &facts.tenant_id, facts.version, facts.approvals_required) {
                let message = "the record says something else than the mandate does".to_owned();
                judged.invalid.push((ReasonCode::MandateInvalid, message));
            }
            if policies.list().is_empty() {
                let message = "the mandate has no policy: it would permit nothing".to_owned();
                judged.invalid.push((ReasonCode::MandateInvalid, message));
            }
        }
    }
    Ok(judged)
}
