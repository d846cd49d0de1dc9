//! The trust record: whose ledger it is, and which keys may sign what, from when to when.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::Class;
use super::revocation::{Revoked, check_revoked};
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
    /// Every key that was ever revoked, sorted; later declarations keep all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<Revoked>,
    /// How many root keys must sign a change of trust.
    pub root_threshold: u32,
    /// Version of this document.
    pub schema_version: String,
    /// Whose trust it is.
    pub tenant_id: Name,
    /// Counts up with every change of trust.
    pub version: u32,
}

/// Keys by duty, each list sorted by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustKeys {
    /// Approve: manual gates, mandates, releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approver: Vec<TrustedKey>,
    /// Sign commits of the ledger.
    pub git: Vec<TrustedKey>,
    /// Sign checkpoints of the log.
    pub log: Vec<TrustedKey>,
    /// Sign changes of trust.
    pub root: Vec<TrustedKey>,
    /// Sign records.
    pub runner: Vec<TrustedKey>,
}

/// A key and the scope in which it is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// Development keys made themselves; production trust lists none.
    pub class: Class,
    /// Environments of runs whose records it may sign; none listed means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<Name>,
    /// The key.
    pub key: PublicKey,
    /// Kinds of records that it may sign; none listed means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Name>,
    /// Whose key it is. Keys of one name are one person's: who approves with two of them counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The last moment in which it may sign: RFC 3339, UTC, whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    /// The first moment in which it may sign: RFC 3339, UTC, whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
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

impl TrustedKey {
    /// A key without limits.
    #[must_use]
    pub fn new(key: PublicKey, class: Class) -> Self {
        Self { class, environments: Vec::new(), key, kinds: Vec::new(), name: None, not_after: None, not_before: None }
    }

    /// Whether it may sign records of this kind.
    #[must_use]
    pub fn covers(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|k| k.as_str() == kind)
    }

    /// Whether it may sign records of runs for this environment.
    #[must_use]
    pub fn serves(&self, environment: &str) -> bool {
        self.environments.is_empty() || self.environments.iter().any(|e| e.as_str() == environment)
    }

    /// Whether `moment` (RFC 3339, UTC, whole seconds) lies in its window; both ends belong to it.
    #[must_use]
    pub fn is_valid_at(&self, moment: &str) -> bool {
        // Texts of this one form sort as the moments do.
        self.not_before.as_deref().is_none_or(|from| from <= moment)
            && self.not_after.as_deref().is_none_or(|to| moment <= to)
    }

    fn check(&self) -> Result<(), (ReasonCode, String)> {
        let wrong = |what: &str| {
            Err((ReasonCode::SchemaInvalid, format!("{what} of the key {} is not usable", self.key.id().short())))
        };
        for (what, moment) in [("not_after", &self.not_after), ("not_before", &self.not_before)] {
            if moment.as_deref().is_some_and(|m| !is_moment(m)) {
                return wrong(what);
            }
        }
        if let (Some(from), Some(to)) = (&self.not_before, &self.not_after)
            && from > to
        {
            return wrong("the window");
        }
        for (what, list) in [("the list of kinds", &self.kinds), ("the list of environments", &self.environments)] {
            if !list.is_sorted_by(|a, b| a < b) {
                return wrong(what);
            }
        }
        Ok(())
    }
}

/// Whether a text has the form `2026-01-31T23:59:59Z`.
pub(crate) fn is_moment(text: &str) -> bool {
    let form = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = |(b, f): (u8, &u8)| if *f == b'd' { b.is_ascii_digit() } else { b == *f };
    let number = |at: std::ops::Range<usize>| text[at].parse::<u32>().unwrap_or(u32::MAX);
    text.len() == form.len()
        && text.bytes().zip(form).all(fits)
        && (1..=12).contains(&number(5..7))
        && (1..=31).contains(&number(8..10))
        && number(11..13) < 24
        && number(14..16) < 60
        && number(17..19) < 60
}

impl TrustKeys {
    /// Every duty with its keys.
    #[must_use]
    pub fn roles(&self) -> [(&'static str, &[TrustedKey]); 5] {
        [
            ("approver", &self.approver),
            ("git", &self.git),
            ("log", &self.log),
            ("root", &self.root),
            ("runner", &self.runner),
        ]
    }
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
        check_revoked(&facts.revoked)?;
        let mut seen = BTreeSet::new();
        for (role, keys) in facts.keys.roles() {
            let threshold = match role {
                "approver" => 0,
                "root" => facts.root_threshold.max(1),
                _ => 1,
            };
            if keys.len() < threshold as usize || facts.root_threshold == 0 {
                let message = format!("the role {role} needs {threshold} of {} keys", keys.len());
                return Err((ReasonCode::SigThresholdNotMet, message));
            }
            if !keys.is_sorted_by(|a, b| a.key <= b.key) {
                return Err((ReasonCode::SchemaInvalid, format!("the keys of the role {role} are not sorted")));
            }
            for trusted in keys {
                let key = &trusted.key;
                trusted.check()?;
                if !seen.insert(key) {
                    return Err((ReasonCode::KeyScopeMismatch, format!("the key {} has two duties", key.id().short())));
                }
                if facts.class == Class::Production && trusted.class == Class::Development {
                    let message = format!("production trust lists the development key {}", key.id().short());
                    return Err((ReasonCode::KeyScopeMismatch, message));
                }
                if facts.revoked.iter().any(|r| r.key == *key) {
                    let message = format!("the key {} is listed and revoked", key.id().short());
                    return Err((ReasonCode::KeyRevoked, message));
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
