//! The revocation: keys whose signatures do not count any more, by position in the log.
//!
//! What decides is where a record stands, never the time that it claims (supply-chain T-36, T-37): from the
//! revocation on a revoked key signs nothing; `since` can reach back to the first record that somebody else
//! may have signed with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::statement::{Predicate, Subject};
use super::trust::TrustRun;
use crate::signature::PublicKey;
use crate::{Digest, Name, ReasonCode};

/// A revocation of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevocationRecord {
    /// What is revoked.
    pub facts: RevocationFacts,
    /// When.
    pub run: TrustRun,
}

/// What a revocation says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevocationFacts {
    /// Every key that is revoked from here on, earlier revocations included, sorted.
    pub revoked: Vec<Revoked>,
    /// Version of this document.
    pub schema_version: String,
    /// Whose trust it is about.
    pub tenant_id: Name,
    /// The id of the trust record in force.
    pub trust: Digest,
}

/// A key whose signatures do not count from some record on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// The key.
    pub key: PublicKey,
    /// Why.
    pub reason: RevocationReason,
    /// The number of the first record that its signature does not vouch for.
    pub since: u64,
}

/// Why a key is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RevocationReason {
    /// Somebody else has it, or may have it.
    Compromised,
    /// It is lost; nobody has it.
    Lost,
    /// It has done its duty.
    Retired,
}

impl RevocationRecord {
    /// The version of the document that this program writes.
    pub const SCHEMA_VERSION: &str = "1.0.0";
}

/// What holds for every list of revoked keys.
pub(super) fn check_revoked(revoked: &[Revoked]) -> Result<(), (ReasonCode, String)> {
    if revoked.windows(2).any(|pair| pair[0].key >= pair[1].key) {
        return Err((ReasonCode::SchemaInvalid, "the revoked keys are not sorted, each once".to_owned()));
    }
    Ok(())
}

impl Predicate for RevocationRecord {
    const TYPE: &'static str = "https://orgo.dev/attestation/revocation/v1";
    const KIND: &'static str = "revocation";

    fn check(&self) -> Result<(), (ReasonCode, String)> {
        if self.facts.schema_version != Self::SCHEMA_VERSION {
            let message = format!("the revocation has version {}", self.facts.schema_version);
            return Err((ReasonCode::SchemaInvalid, message));
        }
        if self.facts.revoked.is_empty() {
            return Err((ReasonCode::SchemaInvalid, "the revocation revokes nothing".to_owned()));
        }
        check_revoked(&self.facts.revoked)
    }

    /// The trust that it changes.
    fn subjects(&self) -> Vec<Subject> {
        vec![Subject::sha256(format!("trust/{}", self.facts.tenant_id), self.facts.trust)]
    }

    fn tenant(&self) -> &Name {
        &self.facts.tenant_id
    }
}
