//! The trust record: whose ledger it is, and which keys may sign what.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::Class;
use super::statement::{Predicate, Subject};
use crate::signature::PublicKey;
use crate::{Name, ReasonCode, canonical};

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
        let roles = [
            ("git", &facts.keys.git, 1),
            ("root", &facts.keys.root, facts.root_threshold),
            ("runner", &facts.keys.runner, 1),
        ];
        let mut seen = BTreeSet::new();
        for (role, keys, threshold) in roles {
            if threshold == 0 || keys.len() < threshold as usize {
                let message = format!("the role {role} needs {threshold} of {} keys", keys.len());
                return Err((ReasonCode::SigThresholdNotMet, message));
            }
            if !keys.is_sorted() {
                return Err((ReasonCode::SchemaInvalid, format!("the keys of the role {role} are not sorted")));
            }
            for key in keys {
                if !seen.insert(key) {
                    return Err((ReasonCode::KeyScopeMismatch, format!("the key {} has two duties", key.id().short())));
                }
            }
        }
        Ok(())
    }

    /// The declaration itself, by the digest of its canonical form.
    fn subjects(&self) -> Vec<Subject> {
        let digest = canonical::digest_of(&self.facts).expect("a trust document has no number beyond 2^53");
        vec![Subject::sha256(format!("trust/{}", self.facts.tenant_id), digest)]
    }

    fn tenant(&self) -> &Name {
        &self.facts.tenant_id
    }
}
