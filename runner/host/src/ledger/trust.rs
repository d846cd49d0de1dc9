//! The trust in force: which keys may sign what, as a trust record says.

use std::collections::BTreeSet;

use orgo_spec::record::{Class, Predicate, RecordError, Statement, TrustFacts, TrustKeys, TrustRecord, TrustRun};
use orgo_spec::signature::{EnvelopeError, KeyId, PublicKey, Quorum, QuorumError, Unverified};
use orgo_spec::{Digest, Name, ReasonCode};

use super::Signers;

/// The trust that one trust record declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    number: u64,
    id: Digest,
    tenant: Name,
    version: u32,
    class: Class,
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
}

impl TrustError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Record(error) => error.code(),
            Self::Quorum { .. } => ReasonCode::SigThresholdNotMet,
            Self::Envelope(error) => error.code(),
            Self::Tenant { .. } => ReasonCode::TenantMismatch,
            Self::NotFirst(_) | Self::Version { .. } => ReasonCode::RootNotTrusted,
        }
    }
}

impl Trust {
    /// The kind of trust records.
    pub const KIND: &'static str = TrustRecord::KIND;
    /// How `trust/allowed_signers` begins.
    const LIST_HEAD: &'static str = "# generated from trust record ";

    /// Reads the statement of trust record `number`.
    ///
    /// # Errors
    /// [`TrustError`] for a document that is not one, and for roles that nobody could fill or that share keys.
    pub fn read(number: u64, statement: &[u8]) -> Result<Self, TrustError> {
        let facts = Statement::<TrustRecord>::parse(statement)?.predicate.facts;
        let quorum = |role, threshold: u32, keys: &[PublicKey]| {
            let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
            Quorum::new(threshold, keys.iter().copied()).map_err(|error| TrustError::Quorum { role, error })
        };
        Ok(Self {
            number,
            id: Digest::of(statement),
            tenant: facts.tenant_id,
            version: facts.version,
            class: facts.class,
            root: quorum("root", facts.root_threshold, &facts.keys.root)?,
            runners: quorum("runner", 1, &facts.keys.runner)?,
            git: quorum("git", 1, &facts.keys.git)?.keys().clone(),
        })
    }

    /// The statement of a development trust: one key a duty, made by themselves.
    ///
    /// # Panics
    /// Never: the document has no numbers that JSON cannot hold.
    #[must_use]
    pub fn development(tenant: &Name, signers: &Signers<'_>, created_at: &str) -> Vec<u8> {
        let keys = TrustKeys {
            git: vec![*signers.git.public()],
            root: signers.roots.iter().map(|k| *k.public()).collect(),
            runner: vec![*signers.runner.public()],
        };
        let facts = TrustFacts {
            class: Class::Development,
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

    /// Verifies trust record `number` under the trust in force; the first one judges itself.
    ///
    /// Returns the trust that judged it and the one that it declares.
    ///
    /// # Errors
    /// [`TrustError`] if it is not signed by everyone who must consent.
    pub(crate) fn succeed(
        current: Option<&Self>,
        number: u64,
        record: Unverified<Self>,
    ) -> Result<(Self, Self), TrustError> {
        let mut both = None;
        record.verify_self_signed(|statement| {
            let declared = Self::read(number, statement)?;
            let judge = match current {
                Some(current) => current.clone(),
                None if number == 0 => declared.clone(),
                None => return Err(TrustError::NotFirst(number)),
            };
            if judge.tenant != declared.tenant {
                return Err(TrustError::Tenant { found: declared.tenant, expected: judge.tenant });
            }
            if current.is_some() && declared.version <= judge.version {
                return Err(TrustError::Version { found: declared.version, current: judge.version });
            }
            let quorums = judge.quorums_for(Self::KIND, statement);
            both = Some((judge, declared));
            quorums
        })?;
        Ok(both.expect("set before the quorums were returned"))
    }

    /// The number of the record that declares this trust.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The id of the record that declares this trust.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Whose trust it is.
    #[must_use]
    pub fn tenant(&self) -> &Name {
        &self.tenant
    }

    /// Which version of the trust it is; every change counts it up.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Whether it is a development trust: made by itself, with keys made by themselves.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.class == Class::Development
    }

    /// The keys that sign records; one of them suffices.
    #[must_use]
    pub fn runners(&self) -> &Quorum {
        &self.runners
    }

    /// The keys that sign trust records.
    #[must_use]
    pub fn root(&self) -> &Quorum {
        &self.root
    }

    /// The keys that sign commits.
    #[must_use]
    pub fn git_keys(&self) -> &BTreeSet<PublicKey> {
        &self.git
    }

    /// The role of the key with this id, if the trust lists it.
    #[must_use]
    pub fn role_of(&self, id: &KeyId) -> Option<&'static str> {
        let roles = [("root", self.root.keys()), ("runner", self.runners.keys()), ("git", &self.git)];
        roles.into_iter().find(|(_, keys)| keys.iter().any(|k| k.id() == *id)).map(|(role, _)| role)
    }

    /// The key with this id, if the trust lists it.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<PublicKey> {
        let roles = [self.root.keys(), self.runners.keys(), &self.git];
        roles.into_iter().flatten().find(|k| k.id() == *id).copied()
    }

    /// Who must have signed a record of this kind while this trust is in force.
    ///
    /// Every record needs a runner. A trust record also needs the root of the trust in force and the root that
    /// it declares itself: nobody is replaced without consent, and nobody becomes root without holding the key.
    ///
    /// # Errors
    /// [`TrustError`] if `statement` is to be a trust record and is not one.
    pub(crate) fn quorums_for(&self, kind: &str, statement: &[u8]) -> Result<Vec<Quorum>, TrustError> {
        let mut quorums = vec![self.runners.clone()];
        if kind == Self::KIND {
            quorums.push(self.root.clone());
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
        format!("orgo@{}", self.tenant)
    }

    /// The bytes of `trust/allowed_signers`: what `git verify-commit` and `ssh-keygen -Y verify` read.
    #[must_use]
    pub fn allowed_signers(&self) -> Vec<u8> {
        let mut text = format!("{}{} {}\n", Self::LIST_HEAD, self.number, self.id);
        for key in &self.git {
            text.push_str(&format!("{} namespaces=\"git\" {key}\n", self.principal()));
        }
        text.into_bytes()
    }

    /// Number and id of the trust record that an `allowed_signers` file says it was generated from.
    pub(crate) fn named_in(allowed_signers: &[u8]) -> Option<(u64, Digest)> {
        let text = std::str::from_utf8(allowed_signers).ok()?;
        let (number, id) = text.lines().next()?.strip_prefix(Self::LIST_HEAD)?.split_once(' ')?;
        Some((number.parse().ok()?, id.parse().ok()?))
    }
}
