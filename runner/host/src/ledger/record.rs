//! The kinds of records that a ledger may hold.

use orgo_spec::record::{BuildRecord, Predicate, RecordError, Statement, TrustRecord};
use orgo_spec::{Name, ReasonCode};

use super::layout;

/// A record of any kind, parsed strictly.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A run that ended.
    Build(Box<Statement<BuildRecord>>),
    /// A declaration of trust.
    Trust(Box<Statement<TrustRecord>>),
}

/// Why bytes are not a record of a kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    /// Nobody knows the kind.
    #[error("`{0}` is not a kind of record that this version knows")]
    Unknown(String),
    /// The bytes are not of the kind.
    #[error("it is not a record of its kind: {0}")]
    Record(#[from] RecordError),
}

impl KindError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Unknown(_) => ReasonCode::SchemaInvalid,
            Self::Record(error) => error.code(),
        }
    }
}

impl Record {
    /// Parses the statement of a record of `kind`.
    ///
    /// # Errors
    /// [`KindError`] for an unknown kind and for bytes that are not of it.
    pub fn parse(kind: &str, statement: &[u8]) -> Result<Self, KindError> {
        match kind {
            BuildRecord::KIND => Ok(Self::Build(Box::new(Statement::parse(statement)?))),
            TrustRecord::KIND => Ok(Self::Trust(Box::new(Statement::parse(statement)?))),
            other => Err(KindError::Unknown(other.to_owned())),
        }
    }

    /// Whose record it is.
    #[must_use]
    pub fn tenant(&self) -> &Name {
        match self {
            Self::Build(statement) => statement.predicate.tenant(),
            Self::Trust(statement) => statement.predicate.tenant(),
        }
    }

    /// The path under `latest/` that shows it: builds of a named reference have one.
    pub(crate) fn latest_path(&self) -> Option<String> {
        match self {
            Self::Build(statement) => {
                let facts = &statement.predicate.facts;
                Some(layout::latest_path(&facts.pipeline.name, facts.source.reference.as_deref()?))
            }
            Self::Trust(_) => None,
        }
    }
}
