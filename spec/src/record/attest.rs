//! What records and stock attestations share: in-toto Statements v1 that other programs read and write.
//!
//! Orgo's own records have one spelling and known fields only ([`super::Statement`]). SLSA's bodies are
//! open: a consumer must ignore the fields that it does not know (in-toto attestation, parsing rules). What is
//! held all the same: strict JSON, lower-case digests of algorithms that nobody has broken, and every field
//! that a verifier decides by.

mod resource;

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::statement::{RecordError, STATEMENT_TYPE};
use crate::canonical::{self, JsonError, Profile, Value};
use crate::signature::{EnvelopeError, KeyId, PublicKey, Quorum, Unverified, Verified};
use crate::{Digest, DigestError, Name, ReasonCode};

pub use resource::{Descriptor, DigestSet};

/// Builders or verifiers by id, each with the keys that may sign for it.
///
/// Consumers must accept only pairs that they know: a key that speaks for one id says nothing for another.
pub type Authorities = BTreeMap<String, BTreeSet<PublicKey>>;

/// The id under which a runner appears as builder and as verifier: `https://orgo.dev/runner/v1?key=` and the
/// 64 hexadecimal digits of its key's id.
#[must_use]
pub fn runner_id(key: &KeyId) -> String {
    format!("https://orgo.dev/runner/v1?key={key}")
}

/// The source of a tenant's repository, as attestations name it: `orgo:TENANT/source`.
#[must_use]
pub fn source_uri(tenant: &Name) -> String {
    format!("orgo:{tenant}/source")
}

/// Why an attestation cannot be made, or is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum AttestationError {
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the attestation is not readable: {0}")]
    Json(#[from] JsonError),
    #[error("the digest of `{what}` is refused: {error}")]
    Digest { what: String, error: DigestError },
    #[error("the run did not succeed{}", .reason.map_or(String::new(), |code| format!(" ({code})")))]
    NotPassed { reason: Option<ReasonCode> },
    #[error("the run read a tree with uncommitted changes: no commit is its source")]
    Dirty,
    #[error("{0}: there is no artifact that an attestation could be about")]
    NoSubject(&'static str),
    #[error("no gate before the stage `{0}` passed in this run")]
    NoGate(String),
    #[error("the key {0} did not sign the record")]
    NotSigner(KeyId),
    #[error("the builder `{0}` is not one that is trusted with the key that signed")]
    Builder(String),
    #[error("the verifier `{0}` is not one that is trusted with the key that signed")]
    Verifier(String),
    #[error("the parameters are not those that are expected: {0}")]
    Parameters(String),
    #[error("the attestation is not about {0}")]
    OtherSubject(Digest),
    #[error("the attestation is about the resource `{found}`, not `{expected}`")]
    OtherResource { found: String, expected: String },
    #[error("the verification result is `{0}`, not `PASSED`")]
    NotVerified(String),
    #[error("the level `{0}` was not verified")]
    Level(String),
}

impl AttestationError {
    /// The reason code.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Envelope(error) => error.code(),
            Self::Record(error) => error.code(),
            Self::Json(error) => error.code(),
            Self::Digest { error, .. } => error.code(),
            Self::NotPassed { reason: Some(ReasonCode::ValidationFailed) } | Self::NotVerified(_) => {
                ReasonCode::ValidationFailed
            }
            Self::NotPassed { .. } => ReasonCode::OutputWithoutPass,
            Self::Dirty => ReasonCode::TreeDirty,
            Self::NoSubject(_) => ReasonCode::SchemaInvalid,
            Self::NoGate(_) => ReasonCode::GateUnknown,
            Self::NotSigner(_) => ReasonCode::KeyScopeMismatch,
            Self::Builder(_) => ReasonCode::BuilderNotTrusted,
            Self::Verifier(_) => ReasonCode::VerifierNotAuthorized,
            Self::Parameters(_) => ReasonCode::ParametersUnexpected,
            Self::OtherSubject(_) => ReasonCode::SubjectMismatch,
            Self::OtherResource { .. } => ReasonCode::ResourceUriMismatch,
            Self::Level(_) => ReasonCode::LevelNotVerified,
        }
    }
}

/// The statement around an open predicate. Unknown fields are ignored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Open<P> {
    #[serde(rename = "_type")]
    kind: String,
    pub(super) predicate: P,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    pub(super) subject: Vec<Descriptor>,
}

/// The bytes of an attestation: pretty canonical JSON, as records have it.
///
/// # Errors
/// [`AttestationError`] for whatever [`read`] would refuse of it: nothing is signed that could not be read.
pub(super) fn write<P: Serialize + DeserializeOwned>(
    predicate_type: &'static str,
    predicate: &P,
    subject: &[Descriptor],
) -> Result<Vec<u8>, AttestationError> {
    let kind = STATEMENT_TYPE.to_owned();
    let open = Open { kind, predicate, predicate_type: predicate_type.to_owned(), subject: subject.to_vec() };
    let bytes = canonical::pretty_of(&open)?;
    read::<P>(predicate_type, &bytes)?;
    Ok(bytes)
}

/// Reads an attestation of one type. Every subject has a SHA-256 and only digests that are accepted.
///
/// # Errors
/// [`AttestationError`].
pub(super) fn read<P: DeserializeOwned>(
    predicate_type: &'static str,
    bytes: &[u8],
) -> Result<Open<P>, AttestationError> {
    let value = canonical::parse(bytes, Profile::RECORD)?;
    for (name, expected) in [("_type", STATEMENT_TYPE), ("predicateType", predicate_type)] {
        let found = value.get(name).and_then(Value::as_str).unwrap_or_default();
        if found != expected {
            return Err(RecordError::Type { found: found.to_owned(), expected }.into());
        }
    }
    let open: Open<P> = canonical::from_slice(bytes, Profile::RECORD)?;
    if open.subject.is_empty() {
        return Err(AttestationError::NoSubject("the subject is empty"));
    }
    for subject in &open.subject {
        subject.check(true)?;
        if subject.digest.get_sha256().is_none() {
            let what = subject.name.clone().unwrap_or_default();
            return Err(AttestationError::Digest { what, error: DigestError::Algorithm("no sha256".to_owned()) });
        }
    }
    Ok(open)
}

/// Verifies the envelope: every signature by a key that speaks for somebody in `authorities`.
///
/// # Errors
/// [`EnvelopeError`]; nothing of the payload was read then.
pub(super) fn signed<T>(attestation: Unverified<T>, authorities: &Authorities) -> Result<Verified<T>, EnvelopeError> {
    let quorum = Quorum::new(1, authorities.values().flatten().copied()).ok();
    attestation.verify(quorum.as_slice())
}

/// Whether every key that signed speaks for `id`.
pub(super) fn speaks_for(authorities: &Authorities, id: &str, signers: &BTreeSet<PublicKey>) -> bool {
    authorities.get(id).is_some_and(|keys| signers.is_subset(keys))
}

/// Whether one of the subjects is the artifact with this SHA-256.
pub(super) fn about(subject: &[Descriptor], artifact: &Digest) -> Result<(), AttestationError> {
    let found = subject.iter().any(|s| s.digest.get_sha256() == Some(*artifact));
    if found { Ok(()) } else { Err(AttestationError::OtherSubject(*artifact)) }
}

#[cfg(test)]
mod tests;
