//! Overrides on record: what a gate decided one on, and each that was used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::Actor;
use super::statement::{Predicate, Subject};
use super::trust::TrustedKey;
use crate::mandate::Overridable;
use crate::overriding::SignedOverride;
use crate::signature::PublicKey;
use crate::{Name, ReasonCode};

/// What a gate decides an override on, besides what it decides on anyway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideFacts {
    /// What the mandate lets be lifted.
    pub allowed: Vec<Overridable>,
    /// The keys that may sign, sorted, as the trust in force lists them.
    pub approvers: Vec<TrustedKey>,
    /// When it was decided: RFC 3339, UTC, whole seconds.
    pub at: String,
    /// The override.
    #[serde(rename = "override")]
    pub signed: SignedOverride,
    /// The key that signs the record of the run: it signs no override.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<PublicKey>,
    /// Whether the ledger shows that it was used before.
    pub spent: bool,
    /// Whose run it is.
    pub tenant_id: Name,
}

/// An override that a run used: from here on it is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideRecord {
    /// What was signed, and by whom.
    pub facts: OverrideRecordFacts,
    /// Which run used it, and when.
    pub run: OverrideRun,
}

/// What was signed, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideRecordFacts {
    /// Version of this document.
    pub schema_version: String,
    /// The document and its signatures.
    #[serde(rename = "override")]
    pub signed: SignedOverride,
    /// Whose record it is.
    pub tenant_id: Name,
}

/// Which run used an override, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideRun {
    /// Who.
    pub actor: Actor,
    /// The run.
    pub build_id: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}

impl OverrideRecord {
    /// The version of the document that this program writes.
    pub const SCHEMA_VERSION: &str = "1.0.0";
}

impl Predicate for OverrideRecord {
    const TYPE: &'static str = "https://orgo.dev/attestation/override/v1";
    const KIND: &'static str = "override";

    fn check(&self) -> Result<(), (ReasonCode, String)> {
        let facts = &self.facts;
        if facts.schema_version != Self::SCHEMA_VERSION {
            return Err((ReasonCode::SchemaInvalid, format!("the record has version {}", facts.schema_version)));
        }
        if facts.signed.document.scope.tenant_id != facts.tenant_id {
            return Err((ReasonCode::TenantMismatch, "the override is of another tenant than the record".to_owned()));
        }
        facts.signed.verify()
    }

    /// The override, by the digest of what was signed.
    fn subjects(&self) -> Vec<Subject> {
        let document = &self.facts.signed.document;
        let name = format!("override/{}/{}", document.scope.pipeline, document.scope.gate);
        vec![Subject::sha256(name, document.id())]
    }

    fn tenant(&self) -> &Name {
        &self.facts.tenant_id
    }
}
