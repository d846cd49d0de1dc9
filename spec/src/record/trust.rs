//! The trust record: whose ledger it is, and which keys may sign what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::Class;
use super::statement::Predicate;
use crate::signature::PublicKey;
use crate::{Name, ReasonCode};

/// A declaration of trust.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustRecord {
    /// What is declared.
    pub facts: TrustFacts,
    /// When.
    pub run: TrustRun,
}

/// What a trust record declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustFacts {
    /// Development trust is made by itself, with keys made by themselves.
    pub class: Class,
    /// Keys by duty; no key has two.
    pub keys: TrustKeys,
    /// How many root keys must sign a change of trust.
    pub root_threshold: u32,
    /// Version of this document.
    pub schema_version: String,
    /// Whose trust it is.
    pub tenant_id: Name,
    /// Counts up with every change of trust.
    pub version: u32,
}

/// Keys by duty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustKeys {
    /// Sign commits of the ledger.
    pub git: Vec<PublicKey>,
    /// Sign changes of trust.
    pub root: Vec<PublicKey>,
    /// Sign records.
    pub runner: Vec<PublicKey>,
}

/// When a trust record was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustRun {
    /// RFC 3339, UTC.
    pub created_at: String,
}

impl TrustRecord {
    /// The version of the document that this program writes.
    pub const SCHEMA_VERSION: &str = "1.0.0";
}

impl Predicate for TrustRecord {
    const TYPE: &'static str = "https://orgo.dev/attestation/trust/v1";
    const KIND: &'static str = "trust";

    fn check(&self) -> Result<(), (ReasonCode, String)> {
        let facts = &self.facts;
        if facts.schema_version != Self::SCHEMA_VERSION {
            return Err((
                ReasonCode::SchemaInvalid,
                format!("the trust document has version {}", facts.schema_version),
            ));
        }
        let mut seen = std::collections::BTreeSet::new();
        for key in facts.keys.git.iter().chain(&facts.keys.root).chain(&facts.keys.runner) {
            if !seen.insert(key) {
                return Err((ReasonCode::KeyScopeMismatch, format!("the key {} has two duties", key.id().short())));
            }
        }
        Ok(())
    }

    fn tenant(&self) -> &Name {
        &self.facts.tenant_id
    }
}
