//! The trust in force: which keys may sign what, as a trust record and the revocations after it say.

mod scope;

use std::collections::BTreeSet;

use orgo_spec::log::NoteKey;
use orgo_spec::record::{
    Class, Predicate, RecordError, RevocationRecord, Revoked, Statement, TrustFacts, TrustKeys, TrustRecord, TrustRun,
    TrustedKey,
};
use orgo_spec::signature::{EnvelopeError, KeyId, PublicKey, Quorum, QuorumError, Unverified};
use orgo_spec::{Digest, Name, ReasonCode};

pub use self::scope::Moment;
use super::Signers;
use crate::key::PrivateKey;

/// The trust in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The record that changed it last: a trust record or a revocation.
    number: u64,
    id: Digest,
    /// Number and id of the trust record that it rests on.
    declared: (u64, Digest),
    /// Every record that ever changed the trust, this one last.
    history: Vec<(u64, Digest)>,
    facts: TrustFacts,
    root: Quorum,
    runners: Quorum,
    git: BTreeSet<PublicKey>,
}

/// Why a trust record declares no usable trust.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TrustError {
    #[error("it is not readable: {0}")]
    Record(#[from] RecordError),
    #[error("its {role} role needs {error}")]
    Quorum { role: &'static str, error: QuorumError },
    #[error("version {found} of the trust does not follow version {current}")]
    Version { found: u32, current: u32 },
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("it is for the tenant `{found}`, the ledger is for `{expected}`")]
    Tenant { found: Name, expected: Name },
    #[error("a ledger begins with a trust record, and this is record {0}")]
    NotFirst(u64),
    #[error("it leaves out a revocation: the key {0} was revoked")]
    Forgets(String),
    #[error("it revokes the key {key} from record {since} on, which is not there yet")]
    Future { key: String, since: u64 },
    #[error("it is about another trust than the one in force")]
    OtherTrust,
    #[error("it leaves the role {0} without a key")]
    Empties(&'static str),
}

impl TrustError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Record(error) => error.code(),
            Self::Quorum { .. } | Self::Empties(_) => ReasonCode::SigThresholdNotMet,
            Self::Envelope(error) => error.code(),
            Self::Tenant { .. } => ReasonCode::TenantMismatch,
            Self::NotFirst(_) | Self::Version { .. } | Self::OtherTrust => ReasonCode::RootNotTrusted,
            Self::Forgets(_) | Self::Future { .. } => ReasonCode::KeyRevoked,
        }
    }
}

impl Trust {
    /// The kind of trust records.
    pub const KIND: &'static str = TrustRecord::KIND;
    /// The kind of revocations.
    pub const REVOCATION: &'static str = RevocationRecord::KIND;

    /// Whether records of this kind change the trust in force.
    #[must_use]
    pub fn is_changed_by(kind: &str) -> bool {
        kind == Self::KIND || kind == Self::REVOCATION
    }

    /// Reads the statement of trust record `number`.
    ///
    /// # Errors
    /// [`TrustError`] for a document that is not one, and for roles that nobody could fill or that share keys.
    pub fn read(number: u64, statement: &[u8]) -> Result<Self, TrustError> {
        let facts = Statement::<TrustRecord>::parse(statement)?.predicate.facts;
        let id = Digest::of(statement);
        Self::of(number, id, (number, id), Vec::new(), facts)
    }

    fn of(
        number: u64,
        id: Digest,
        declared: (u64, Digest),
        mut history: Vec<(u64, Digest)>,
        facts: TrustFacts,
    ) -> Result<Self, TrustError> {
        let quorum = |role, threshold: u32, keys: &[TrustedKey]| {
            let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
            Quorum::new(threshold, keys.iter().map(|k| k.key)).map_err(|error| TrustError::Quorum { role, error })
        };
        history.push((number, id));
        Ok(Self {
            number,
            id,
            declared,
            history,
            root: quorum("root", facts.root_threshold, &facts.keys.root)?,
            runners: quorum("runner", 1, &facts.keys.runner)?,
            git: quorum("git", 1, &facts.keys.git)?.keys().clone(),
            facts,
        })
    }

    /// The trust after the revocation with that number and statement.
    ///
    /// # Errors
    /// [`TrustError`] if it is no revocation of this trust, leaves one out, or leaves a duty without a key.
    pub fn revoke(&self, number: u64, statement: &[u8]) -> Result<Self, TrustError> {
        let facts = Statement::<RevocationRecord>::parse(statement)?.predicate.facts;
        if facts.tenant_id != self.facts.tenant_id {
            return Err(TrustError::Tenant { found: facts.tenant_id, expected: self.facts.tenant_id.clone() });
        }
        if facts.trust != self.declared.1 {
            return Err(TrustError::OtherTrust);
        }
        self.remembers(&facts.revoked)?;
        if let Some(r) = facts.revoked.iter().find(|r| r.since > number) {
            return Err(TrustError::Future { key: r.key.id().short(), since: r.since });
        }
        let mut next = self.facts.clone();
        let gone: BTreeSet<PublicKey> = facts.revoked.iter().map(|r| r.key).collect();
        let keys = &mut next.keys;
        for (role, list) in [
            ("", &mut keys.approver),
            ("git", &mut keys.git),
            ("log", &mut keys.log),
            ("root", &mut keys.root),
            ("runner", &mut keys.runner),
        ] {
            list.retain(|k| !gone.contains(&k.key));
            if list.is_empty() && !role.is_empty() {
                return Err(TrustError::Empties(role));
            }
        }
        // Fewer root keys than the threshold: all that are left must sign.
        next.root_threshold = next.root_threshold.min(u32::try_from(next.keys.root.len()).unwrap_or(u32::MAX));
        next.revoked = facts.revoked;
        Self::of(number, Digest::of(statement), self.declared, self.history.clone(), next)
    }

    /// Whether `revoked` keeps every revocation of this trust, as far back as it reached.
    fn remembers(&self, revoked: &[Revoked]) -> Result<(), TrustError> {
        let kept = |r: &Revoked| revoked.iter().any(|k| k.key == r.key && k.since <= r.since);
        match self.facts.revoked.iter().find(|r| !kept(r)) {
            Some(r) => Err(TrustError::Forgets(r.key.id().short())),
            None => Ok(()),
        }
    }

    /// The statement of a development trust: one key a duty, made by themselves.
    ///
    /// # Panics
    /// Never: the document has no numbers that JSON cannot hold.
    #[must_use]
    pub fn development(tenant: &Name, signers: &Signers<'_>, created_at: &str) -> Vec<u8> {
        let trusted = |key: &PrivateKey| TrustedKey::new(*key.public(), Class::Development);
        let mut root: Vec<_> = signers.roots.iter().map(trusted).collect();
        root.sort_unstable_by_key(|k| k.key);
        let keys = TrustKeys {
            approver: Vec::new(),
            git: vec![trusted(signers.git)],
            log: vec![trusted(signers.log)],
            root,
            runner: vec![trusted(signers.runner)],
        };
        let facts = TrustFacts {
            class: Class::Development,
            revoked: Vec::new(),
            root_threshold: u32::try_from(keys.root.len()).unwrap_or(u32::MAX),
            keys,
            schema_version: TrustRecord::SCHEMA_VERSION.to_owned(),
            tenant_id: tenant.clone(),
            version: 1,
        };
        let run = TrustRun { created_at: created_at.to_owned() };
        let statement = Statement::new(TrustRecord { facts, run });
        statement.to_bytes().expect("small numbers only")
    }

    /// Verifies record `number`, of a kind that changes the trust, under the trust in force; the first judges itself.
    ///
    /// Returns the trust that judged it and the one that follows.
    ///
    /// # Errors
    /// [`TrustError`] if it is not signed by everyone who must consent.
    pub(crate) fn succeed(
        current: Option<&Self>,
        number: u64,
        kind: &str,
        record: Unverified<Self>,
    ) -> Result<(Self, Self), TrustError> {
        let mut both = None;
        record.verify_self_signed(|statement| {
            let (judge, next) = match (current, kind) {
                (Some(current), Self::REVOCATION) => (current.clone(), current.revoke(number, statement)?),
                (Some(current), _) => (current.clone(), current.replace(number, statement)?),
                (None, Self::KIND) if number == 0 => {
                    let first = Self::read(number, statement)?;
                    (first.clone(), first)
                }
                (None, _) => return Err(TrustError::NotFirst(number)),
            };
            let quorums = judge.quorums_for(kind, statement);
            both = Some((judge, next));
            quorums
        })?;
        Ok(both.expect("set before the quorums were returned"))
    }

    /// The trust that the trust record with that number and statement puts in the place of this one.
    ///
    /// # Errors
    /// [`TrustError`] if it does not follow.
    pub fn replace(&self, number: u64, statement: &[u8]) -> Result<Self, TrustError> {
        let mut next = Self::read(number, statement)?;
        next.history.splice(0..0, self.history.iter().copied());
        if next.facts.tenant_id != self.facts.tenant_id {
            return Err(TrustError::Tenant { found: next.facts.tenant_id, expected: self.facts.tenant_id.clone() });
        }
        if next.facts.version <= self.facts.version {
            return Err(TrustError::Version { found: next.facts.version, current: self.facts.version });
        }
        self.remembers(&next.facts.revoked)?;
        Ok(next)
    }

    /// The number of the record that changed the trust last.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The id of the record that changed the trust last.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Number and id of the trust record that it rests on.
    #[must_use]
    pub fn declared(&self) -> (u64, Digest) {
        self.declared
    }

    /// Number and id of every record that ever changed the trust, oldest first.
    #[must_use]
    pub fn history(&self) -> &[(u64, Digest)] {
        &self.history
    }

    /// The same trust with the history that a ledger says it has.
    pub(crate) fn with_history(self, history: Vec<(u64, Digest)>) -> Self {
        Self { history, ..self }
    }

    /// What it says.
    #[must_use]
    pub fn facts(&self) -> &TrustFacts {
        &self.facts
    }

    /// Whose trust it is.
    #[must_use]
    pub fn tenant(&self) -> &Name {
        &self.facts.tenant_id
    }

    /// Which version of the trust it is; every declaration counts it up.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.facts.version
    }

    /// Whether it is a development trust: made by itself, with keys made by themselves.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.facts.class == Class::Development
    }

    /// The keys that sign records; one of them suffices.
    #[must_use]
    pub fn runners(&self) -> &Quorum {
        &self.runners
    }

    /// The keys that sign changes of trust.
    #[must_use]
    pub fn root(&self) -> &Quorum {
        &self.root
    }

    /// The keys that sign commits.
    #[must_use]
    pub fn git_keys(&self) -> &BTreeSet<PublicKey> {
        &self.git
    }

    /// The keys that sign checkpoints of the log with that origin.
    #[must_use]
    pub fn log_keys(&self, origin: &str) -> Vec<NoteKey> {
        self.facts.keys.log.iter().filter_map(|k| NoteKey::new(origin, k.key).ok()).collect()
    }

    /// The duty of the key with this id, and the scope in which it is trusted, if the trust lists it.
    #[must_use]
    pub fn trusted(&self, id: &KeyId) -> Option<(&'static str, &TrustedKey)> {
        let roles = self.facts.keys.roles();
        roles.into_iter().find_map(|(role, keys)| Some((role, keys.iter().find(|k| k.key.id() == *id)?)))
    }

    /// The duty of a key, and the scope in which it is trusted, if the trust lists it.
    #[must_use]
    pub fn lists(&self, key: &PublicKey) -> Option<(&'static str, &TrustedKey)> {
        let roles = self.facts.keys.roles();
        roles.into_iter().find_map(|(role, keys)| Some((role, keys.iter().find(|k| k.key == *key)?)))
    }

    /// The duty of the key with this id, if the trust lists it.
    #[must_use]
    pub fn role_of(&self, id: &KeyId) -> Option<&'static str> {
        self.trusted(id).map(|(role, _)| role)
    }

    /// The key with this id, if the trust lists it or has revoked it.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<PublicKey> {
        let revoked = || self.facts.revoked.iter().map(|r| r.key).find(|k| k.id() == *id);
        self.trusted(id).map(|(_, trusted)| trusted.key).or_else(revoked)
    }

    /// Whether the key with this id was revoked.
    #[must_use]
    pub fn has_revoked(&self, id: &KeyId) -> bool {
        self.facts.revoked.iter().any(|r| r.key.id() == *id)
    }

    /// Who must have signed a record of this kind while this trust is in force.
    ///
    /// Every record needs a runner. A change of trust also needs the root of the trust in force, and a new trust the
    /// root that it declares itself: nobody is replaced without consent, nobody becomes root without the key.
    ///
    /// # Errors
    /// [`TrustError`] if `statement` is to be a trust record and is not one.
    pub(crate) fn quorums_for(&self, kind: &str, statement: &[u8]) -> Result<Vec<Quorum>, TrustError> {
        let mut quorums = vec![self.runners.clone()];
        if Self::is_changed_by(kind) {
            quorums.push(self.root.clone());
        }
        if kind == Self::KIND {
            quorums.push(Self::read(0, statement)?.root);
        }
        Ok(quorums)
    }

    /// Verifies a record of `kind` under this trust; returns who signed: role and key.
    ///
    /// # Errors
    /// The reason code of the refusal.
    pub fn verify<T>(&self, kind: &str, record: Unverified<T>) -> Result<Vec<String>, ReasonCode> {
        let verified =
            record.verify_self_signed(|statement| self.quorums_for(kind, statement)).map_err(|e| e.code())?;
        let who = |key: &PublicKey| {
            let id = key.id();
            format!("{} {}", self.role_of(&id).unwrap_or("root"), id.short())
        };
        Ok(verified.signers().iter().map(who).collect())
    }

    /// The address that commits carry and that stock git reports as signer.
    #[must_use]
    pub fn principal(&self) -> String {
        format!("orgo@{}", self.facts.tenant_id)
    }
}
