//! What keys may sign: kinds, environments, moments, the class of the trust, and what it asks of a run.

use orgo_spec::ReasonCode;
use orgo_spec::record::Unenforced;
use orgo_spec::signature::PublicKey;

use super::super::Record;
use super::Trust;
use crate::key::{KeyClass, PrivateKey};

/// Where and when something is signed: what the scopes of keys are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment<'m> {
    /// RFC 3339, UTC, whole seconds: the time of the commit.
    pub time: &'m str,
}

impl Trust {
    /// Whether `key` is a root of this trust that `next`, which follows, has revoked.
    ///
    /// Its signature on that one change counts: with a threshold of all roots there would be no change without it.
    #[must_use]
    pub(crate) fn retires(&self, key: &PublicKey, next: &Self) -> bool {
        self.root.keys().contains(key) && next.has_revoked(&key.id())
    }

    /// Why a key that the trust lists may not sign this after all: its kind, or the moment.
    ///
    /// # Errors
    /// The reason code and what is wrong.
    pub fn may_sign(&self, key: &PublicKey, kind: Option<&str>, at: Moment<'_>) -> Result<(), (ReasonCode, String)> {
        let short = || key.id().short();
        let Some((_, trusted)) = self.lists(key) else {
            return Err((ReasonCode::KeyUnknown, format!("the trust in force does not list the key {}", short())));
        };
        if let Some(kind) = kind.filter(|kind| !trusted.covers(kind)) {
            return Err((ReasonCode::KeyScopeMismatch, format!("the key {} may not sign a `{kind}`", short())));
        }
        if !trusted.is_valid_at(at.time) {
            return Err((ReasonCode::KeyExpired, format!("the key {} is not trusted at {}", short(), at.time)));
        }
        Ok(())
    }

    /// Why a key that the trust lists may not sign records of runs for this environment; none names no run.
    ///
    /// # Errors
    /// `KEY_SCOPE_MISMATCH`, and what is wrong.
    pub fn may_serve(&self, key: &PublicKey, environment: Option<&str>) -> Result<(), (ReasonCode, String)> {
        let listed = self.lists(key).map(|(_, trusted)| trusted);
        match environment.filter(|environment| listed.is_some_and(|trusted| !trusted.serves(environment))) {
            None => Ok(()),
            Some(environment) => {
                let message = format!("the key {} may not sign for the environment `{environment}`", key.id().short());
                Err((ReasonCode::KeyScopeMismatch, message))
            }
        }
    }

    /// Why no key that this trust lists vouches for what a record says: production trust, which lists no development key,
    /// does not for results from whose making nothing was kept away (design 5). Asked before a record is signed, and when
    /// it is verified.
    ///
    /// # Errors
    /// [`Unenforced`], of the record of a run under production trust.
    pub fn vouches_for(&self, record: &Record) -> Result<(), Unenforced> {
        match record {
            Record::Build(build) if !self.is_development() => build.predicate.facts.enforced(),
            Record::Build(_)
            | Record::Started(_)
            | Record::Abandoned(_)
            | Record::Trust(_)
            | Record::Revocation(_)
            | Record::Admin(_)
            | Record::Mandate(_)
            | Record::Approval(_)
            | Record::Override(_) => Ok(()),
        }
    }

    /// Whether this key may sign now, before it signs: what [`Trust::may_sign`] says, and that production trust is
    /// not served by keys that made themselves.
    ///
    /// # Errors
    /// The reason code and what is wrong.
    pub fn admits(&self, key: &PrivateKey, kind: Option<&str>, at: Moment<'_>) -> Result<(), (ReasonCode, String)> {
        if !self.is_development() && key.class() == KeyClass::Development {
            let message =
                format!("the key {} is a development key, the trust is for production", key.public().id().short());
            return Err((ReasonCode::KeyScopeMismatch, message));
        }
        if self.has_revoked(&key.public().id()) {
            return Err((ReasonCode::KeyRevoked, format!("the key {} is revoked", key.public().id().short())));
        }
        self.may_sign(key.public(), kind, at)
    }
}
