//! The in-toto Statement v1 around every record.
//!
//! What a statement is about follows from what it says ([`Predicate::subjects`]), so that the two cannot
//! differ. INVARIANT: [`Statement::to_bytes`] returns only bytes that [`Statement::parse`] accepts, and
//! `parse` accepts only bytes that `to_bytes` returns: one record has one spelling.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::canonical::{self, JsonError, Profile, Value};
use crate::{Digest, Name, ReasonCode};

/// The statement's own type.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// What a record is about: bytes, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Algorithm to lower-case hexadecimal digits: `sha256` for artifacts, `gitCommit` and `gitTree` for source.
    pub digest: BTreeMap<String, String>,
    /// What it is called.
    pub name: String,
}

impl Subject {
    /// A subject by SHA-256.
    #[must_use]
    pub fn sha256(name: impl Into<String>, digest: Digest) -> Self {
        Self { digest: BTreeMap::from([("sha256".to_owned(), digest.hex())]), name: name.into() }
    }

    /// A commit of the source repository.
    #[must_use]
    pub fn commit(commit: &str) -> Self {
        Self { digest: BTreeMap::from([("gitCommit".to_owned(), commit.to_owned())]), name: "source".to_owned() }
    }

    /// A tree of the source repository.
    #[must_use]
    pub fn tree(tree: &str) -> Self {
        Self { digest: BTreeMap::from([("gitTree".to_owned(), tree.to_owned())]), name: "tree".to_owned() }
    }
}

/// The body of a kind of record.
pub trait Predicate: Serialize + DeserializeOwned {
    /// The type URI.
    const TYPE: &'static str;
    /// The word in file names.
    const KIND: &'static str;

    /// What holds between fields and cannot be said by types.
    ///
    /// # Errors
    /// The reason code and the contradiction.
    fn check(&self) -> Result<(), (ReasonCode, String)>;

    /// What the record is about, at least one entry. Clients match records to artifacts by these digests.
    fn subjects(&self) -> Vec<Subject>;

    /// Whose record it is.
    fn tenant(&self) -> &Name;
}

/// The id of a record: the digest of its statement's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordId(pub Digest);

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A statement; what it is about follows from what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<P> {
    /// What it says.
    pub predicate: P,
}

/// An in-toto Statement v1 as Orgo writes it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wire<P> {
    #[serde(rename = "_type")]
    kind: String,
    predicate: P,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: Vec<Subject>,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not strict JSON of the right shape.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// A statement of another type.
    #[error("the statement is of type `{found}`, not `{expected}`")]
    Type {
        /// What it says.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Not the one spelling of what it says.
    #[error("the bytes are not the canonical pretty form of what they say")]
    Spelling,
    /// It has no subject, or one whose digests cannot be used.
    #[error("the subject `{0}` has no usable digest")]
    Subject(String),
    /// Its subjects are not those that follow from what it says.
    #[error("the statement is about something else than its predicate")]
    OtherSubject,
    /// It contradicts itself.
    #[error("{message}")]
    Contradiction {
        /// The reason code.
        code: ReasonCode,
        /// The contradiction.
        message: String,
    },
}

impl RecordError {
    /// The reason code.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Json(error) => error.code(),
            Self::Type { .. } | Self::Spelling => ReasonCode::SchemaInvalid,
            Self::Subject(_) => ReasonCode::DigestAlgorithmRefused,
            Self::OtherSubject => ReasonCode::SubjectMismatch,
            Self::Contradiction { code, .. } => *code,
        }
    }
}

impl<P: Predicate> Statement<P> {
    /// Makes a statement of what is to be said.
    pub fn new(predicate: P) -> Self {
        Self { predicate }
    }

    /// The bytes that are signed: pretty canonical JSON. They were read back once: nothing is signed that
    /// could not be read.
    ///
    /// # Errors
    /// [`RecordError`] for whatever [`Statement::parse`] would refuse.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let bytes = spell(&self.predicate, self.predicate.subjects())?;
        Self::parse(&bytes)?;
        Ok(bytes)
    }

    /// The JSON Schema of the whole statement; the type URIs are plain texts in it.
    #[must_use]
    pub fn schema() -> schemars::Schema
    where
        P: JsonSchema,
    {
        schemars::schema_for!(Wire<P>)
    }

    /// Reads the bytes of a record: strict JSON, known fields only, the one spelling, and consistent.
    ///
    /// # Errors
    /// [`RecordError`] for anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        if let Some(predicate) = Self::parse_spelled(bytes) {
            return Ok(Self { predicate });
        }
        let value = canonical::parse(bytes, Profile::RECORD)?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        for (name, expected) in [("_type", STATEMENT_TYPE), ("predicateType", P::TYPE)] {
            if text(name) != expected {
                return Err(RecordError::Type { found: text(name), expected });
            }
        }
        let wire: Wire<P> = canonical::typed(bytes)?;
        if wire.subject.is_empty() {
            return Err(RecordError::Subject("(none)".to_owned()));
        }
        wire.subject.iter().try_for_each(check_digests)?;
        wire.predicate.check().map_err(|(code, message)| RecordError::Contradiction { code, message })?;
        if wire.subject != wire.predicate.subjects() {
            return Err(RecordError::OtherSubject);
        }
        if spell(&wire.predicate, wire.subject)? != bytes {
            return Err(RecordError::Spelling);
        }
        Ok(Self { predicate: wire.predicate })
    }

    /// The short way of [`Statement::parse`]: the same conditions for bytes that are spelled as they should be, in two
    /// passes. None for all others; the long way knows why.
    fn parse_spelled(bytes: &[u8]) -> Option<P> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= Profile::RECORD.max_bytes)?;
        let wire: Wire<P> = serde_json::from_str(text).ok()?;
        let sound = wire.kind == STATEMENT_TYPE
            && wire.predicate_type == P::TYPE
            && !wire.subject.is_empty()
            && wire.subject.iter().all(|subject| check_digests(subject).is_ok())
            && wire.predicate.check().is_ok()
            && wire.subject == wire.predicate.subjects()
            && canonical::is_spelled(text, &wire, Profile::RECORD);
        sound.then_some(wire.predicate)
    }
}

fn spell<P: Predicate>(predicate: &P, subject: Vec<Subject>) -> Result<Vec<u8>, JsonError> {
    let (kind, predicate_type) = (STATEMENT_TYPE.to_owned(), P::TYPE.to_owned());
    canonical::pretty_of(&Wire { kind, predicate, predicate_type, subject })
}

fn check_digests(subject: &Subject) -> Result<(), RecordError> {
    let refused = || RecordError::Subject(subject.name.clone());
    let hex = |text: &str, len: &[usize]| {
        len.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    for (algorithm, digest) in &subject.digest {
        let ok = match algorithm.as_str() {
            "sha256" => hex(digest, &[64]),
            "gitCommit" | "gitTree" => hex(digest, &[40, 64]),
            _ => false,
        };
        if !ok {
            return Err(refused());
        }
    }
    if subject.digest.is_empty() { Err(refused()) } else { Ok(()) }
}
