//! The administrative change: what an operator changed, from what to what, and why.
//!
//! A hold is one of them: while it is in force the signer signs nothing that it covers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::Actor;
use super::epoch::Epoch;
use super::statement::{Predicate, Subject};
use crate::{Digest, Name, ReasonCode, canonical};

/// An administrative change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminRecord {
    /// What changed.
    pub facts: AdminFacts,
    /// Who changed it, and when.
    pub run: AdminRun,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminFacts {
    /// What was done.
    pub action: AdminAction,
    /// What holds from now on; absent if nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What held until now; absent if nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it was done to; for holds, what they cover.
    pub object: Name,
    /// Why.
    pub reason: String,
    /// Version of this document.
    pub schema_version: String,
    /// Whose record it is.
    pub tenant_id: Name,
}

/// What an administrator can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AdminAction {
    /// Change a setting; `before` and `after` say from what to what.
    Change,
    /// Hold back what the object names: nothing of it is signed until it is released.
    Hold,
    /// Release a hold.
    Release,
}

/// Who changed something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminRun {
    /// Who.
    pub actor: Actor,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// Whose evidence a hold keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceHeld {
    /// That of every record.
    All,
    /// That of the record with this id.
    Record(Digest),
}

impl AdminRecord {
    /// The version of the document that this program writes.
    pub const SCHEMA_VERSION: &str = "1.0.0";
    /// A hold on this keeps every record back but administrative changes and revocations.
    pub const HOLD_RECORDS: &str = "records";
    /// A hold on this keeps changes of trust back; revocations stay possible.
    pub const HOLD_ROTATION: &str = "rotation";
    /// A hold on this keeps publishing back.
    pub const HOLD_PUBLISHING: &str = "publishing";
    /// A hold on this keeps everything that any record of the ledger names: nothing of it is deleted anywhere. With
    /// `.` and the 64 digits of a record's id it keeps what that record names.
    pub const HOLD_EVIDENCE: &str = "evidence";

    /// Whose evidence a hold on `object` keeps; none if it keeps none. A hold on records keeps all of it: it is
    /// what is held when something is being looked into.
    #[must_use]
    pub fn evidence_held(object: &Name) -> Option<EvidenceHeld> {
        match object.as_str() {
            Self::HOLD_RECORDS | Self::HOLD_EVIDENCE => Some(EvidenceHeld::All),
            other => {
                let hex = other.strip_prefix(Self::HOLD_EVIDENCE)?.strip_prefix('.')?;
                Digest::from_hex(hex).ok().map(EvidenceHeld::Record)
            }
        }
    }
}

impl Predicate for AdminRecord {
    const TYPE: &'static str = "https://orgo.dev/attestation/admin-change/v1";
    const KIND: &'static str = "admin";

    fn check(&self) -> Result<(), (ReasonCode, String)> {
        let facts = &self.facts;
        let wrong = |why: &str| Err((ReasonCode::SchemaInvalid, why.to_owned()));
        if facts.schema_version != Self::SCHEMA_VERSION {
            return Err((ReasonCode::SchemaInvalid, format!("the record has version {}", facts.schema_version)));
        }
        if facts.reason.trim().is_empty() {
            return wrong("an administrative change needs a reason");
        }
        if facts.before == facts.after {
            return wrong("the change changes nothing");
        }
        if let Some(Err(why)) = Epoch::of(facts) {
            return wrong(why);
        }
        let held = [Self::HOLD_RECORDS, Self::HOLD_ROTATION, Self::HOLD_PUBLISHING];
        match facts.action {
            AdminAction::Change => Ok(()),
            AdminAction::Hold | AdminAction::Release
                if !held.contains(&facts.object.as_str()) && Self::evidence_held(&facts.object).is_none() =>
            {
                Err((ReasonCode::SchemaInvalid, format!("`{}` is nothing that can be held", facts.object)))
            }
            AdminAction::Hold if facts.before.is_some() || facts.after.as_deref() != Some("held") => {
                wrong("a hold goes from nothing to `held`")
            }
            AdminAction::Release if facts.before.as_deref() != Some("held") || facts.after.is_some() => {
                wrong("a release goes from `held` to nothing")
            }
            AdminAction::Hold | AdminAction::Release => Ok(()),
        }
    }

    /// The change itself, by the digest of its canonical form.
    fn subjects(&self) -> Vec<Subject> {
        let digest = canonical::digest_of(&self.facts).expect("it has no numbers");
        vec![Subject::sha256(format!("admin/{}", self.facts.object), digest)]
    }

    fn tenant(&self) -> &Name {
        &self.facts.tenant_id
    }
}
