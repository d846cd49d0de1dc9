//! Approvals on record: what a run decided about them, on which facts, and each document that it saw.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::Actor;
use super::gate::Engine;
use super::statement::{Predicate, Subject};
use super::trust::TrustedKey;
use crate::approval::{ApprovalSubject, SignedApproval};
use crate::signature::PublicKey;
use crate::{Digest, Name, ReasonCode};

/// What was decided about a stage that needs approvals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ApprovalDecision {
    /// Enough people approve it.
    Granted,
    /// Not yet.
    Waiting,
}

/// Everything but the time that the decision rests on: evidence, as canonical JSON of at most 64 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalFacts {
    /// The keys that may approve, sorted, as the trust in force lists them.
    pub approvers: Vec<TrustedKey>,
    /// What people signed, the newest document of each key.
    pub documents: Vec<SignedApproval>,
    /// The longest time that an approval may last, in seconds.
    pub expires_s: u64,
    /// How many people must approve.
    pub need: u32,
    /// The key that signs the record of the run: it approves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<PublicKey>,
    /// Version of this document.
    pub schema_version: String,
    /// What is approved.
    pub subject: ApprovalSubject,
}

impl ApprovalFacts {
    /// The version of the document that this program writes.
    pub const SCHEMA_VERSION: &str = "1.0.0";
}

/// A decision in a build record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalEntry {
    /// The approval's name.
    pub approval: String,
    /// The keys whose approval counts, sorted.
    pub approvers: Vec<PublicKey>,
    /// The decision.
    pub decision: ApprovalDecision,
    /// Who decided.
    pub engine: Engine,
    /// Digest of the facts.
    pub evidence_refs: Vec<Digest>,
    /// How many people must approve.
    pub need: u32,
    /// Why not, sorted.
    pub reason_codes: Vec<ReasonCode>,
    /// The stage.
    pub stage: String,
}

/// A document that somebody signed, on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRecord {
    /// What was signed, and by whom.
    pub facts: ApprovalRecordFacts,
    /// Who put it on record, and when.
    pub run: ApprovalRun,
}

/// What was signed, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRecordFacts {
    /// The document and its signature.
    pub approval: SignedApproval,
    /// The key that signed it.
    pub approver: PublicKey,
    /// Version of this document.
    pub schema_version: String,
    /// Whose record it is.
    pub tenant_id: Name,
}

/// Who put an approval on record, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRun {
    /// Who.
    pub actor: Actor,
    /// RFC 3339, UTC.
    pub created_at: String,
}

impl ApprovalRecord {
    /// The version of the document that this program writes.
    pub const SCHEMA_VERSION: &str = "1.0.0";
}

impl Predicate for ApprovalRecord {
    const TYPE: &'static str = "https://orgo.dev/attestation/approval/v1";
    const KIND: &'static str = "approval";

    fn check(&self) -> Result<(), (ReasonCode, String)> {
        let facts = &self.facts;
        if facts.schema_version != Self::SCHEMA_VERSION {
            return Err((ReasonCode::SchemaInvalid, format!("the record has version {}", facts.schema_version)));
        }
        if facts.approval.document.subject.tenant_id != facts.tenant_id {
            return Err((ReasonCode::TenantMismatch, "the approval is of another tenant than the record".to_owned()));
        }
        if facts.approval.signer()? != facts.approver {
            return Err((ReasonCode::SigInvalid, "the approval was signed by another key than is named".to_owned()));
        }
        Ok(())
    }

    /// What is approved, by its digest.
    fn subjects(&self) -> Vec<Subject> {
        let subject = &self.facts.approval.document.subject;
        vec![Subject::sha256(format!("approval/{}/{}", subject.pipeline, subject.stage), subject.digest())]
    }

    fn tenant(&self) -> &Name {
        &self.facts.tenant_id
    }
}
