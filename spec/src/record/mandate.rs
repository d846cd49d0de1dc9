//! The mandate record: from here on this mandate is the active one, and these approvers said so.
//!
//! An approval is an SSH signature (namespace `orgo-mandate`) over the manifest of the mandate, whose digest is
//! the mandate's id. The manifest and the policies that it names lie beside the record as evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::Actor;
use super::statement::{Predicate, Subject};
use crate::signature::{Namespace, PublicKey, SshSignature};
use crate::{Digest, Name, ReasonCode};

/// The activation of a mandate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MandateRecord {
    /// What becomes active.
    pub facts: MandateFacts,
    /// Who put it on record, and when.
    pub run: MandateRun,
}

/// What becomes active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MandateFacts {
    /// Who approved it, sorted by key.
    pub approvals: Vec<Approval>,
    /// How many approvals the mandate asks for; the one before may ask for more.
    pub approvals_required: u32,
    /// The mandate: the digest of its manifest.
    pub mandate_id: Digest,
    /// What it is called.
    pub name: Name,
    /// Version of this document.
    pub schema_version: String,
    /// The record of the mandate that was active until now; absent for the first of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Digest>,
    /// Whose mandate it is.
    pub tenant_id: Name,
    /// Its version: higher than that of the one before.
    pub version: u32,
}

/// That somebody signed something: a mandate, or an override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The approver's key.
    pub key: PublicKey,
    /// The armored SSH signature: over the manifest of a mandate, or over the document of an override.
    pub signature: String,
}

impl Approval {
    /// Reads an armored signature.
    ///
    /// # Errors
    /// The reason code and what is wrong, for a text that is none of the namespace.
    pub fn parse(namespace: Namespace, armored: &str) -> Result<Self, (ReasonCode, String)> {
        let signature = SshSignature::parse(armored, namespace).map_err(|e| (e.code(), e.to_string()))?;
        Ok(Self { key: *signature.key(), signature: armored.to_owned() })
    }

    /// Whether the key signed these bytes in the namespace.
    #[must_use]
    pub fn covers(&self, namespace: Namespace, bytes: &[u8]) -> bool {
        SshSignature::parse(&self.signature, namespace).is_ok_and(|s| *s.key() == self.key && s.verifies(bytes))
    }
}

/// Who put a mandate on record, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MandateRun {
    /// Who.
    pub actor: Actor,
    /// RFC 3339, UTC.
    pub created_at: String,
}

impl MandateRecord {
    /// The version of the document that this program writes.
    pub const SCHEMA_VERSION: &str = "1.0.0";
}

impl Predicate for MandateRecord {
    const TYPE: &'static str = "https://orgo.dev/attestation/mandate/v1";
    const KIND: &'static str = "mandate";

    fn check(&self) -> Result<(), (ReasonCode, String)> {
        let facts = &self.facts;
        let wrong = |why: String| Err((ReasonCode::SchemaInvalid, why));
        if facts.schema_version != Self::SCHEMA_VERSION {
            return wrong(format!("the record has version {}", facts.schema_version));
        }
        if facts.version == 0 || facts.approvals_required == 0 {
            return wrong("versions and approvals count from 1".to_owned());
        }
        if !facts.approvals.windows(2).all(|pair| pair[0].key < pair[1].key) {
            return wrong("the approvals are not sorted, or one key approves twice".to_owned());
        }
        for approval in &facts.approvals {
            let read = Approval::parse(Namespace::Mandate, &approval.signature)?;
            if read.key != approval.key {
                return wrong(format!("the approval of {} is signed by another key", approval.key.id().short()));
            }
        }
        let (have, need) = (facts.approvals.len(), facts.approvals_required as usize);
        if have < need {
            return Err((ReasonCode::ApprovalInsufficient, format!("{have} of {need} approvals are there")));
        }
        Ok(())
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject::sha256(format!("mandate/{}", self.facts.name), self.facts.mandate_id)]
    }

    fn tenant(&self) -> &Name {
        &self.facts.tenant_id
    }
}
