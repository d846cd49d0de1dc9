//! What is said of JSON that is refused, read or written.

use std::fmt;

use crate::ReasonCode;

/// A refusal, with the byte offset in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct JsonError {
    kind: JsonErrorKind,
    offset: usize,
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum JsonErrorKind {
    #[error("the text is larger than {0} bytes")]
    TooLarge(usize),
    #[error("arrays and objects nest deeper than {0}")]
    TooDeep(usize),
    #[error("the key `{0}` stands twice in one object")]
    DuplicateKey(String),
    #[error("the number `{0}` is refused")]
    Number(String),
    #[error("the text has a character that records must not carry (not NFC, control, bidi or zero-width): `{0}`")]
    Text(String),
    #[error("not valid UTF-8")]
    Utf8,
    #[error("a lone surrogate")]
    Surrogate,
    #[error("expected {0}")]
    Expected(&'static str),
    #[error("{0}")]
    Unsupported(String),
}

impl JsonError {
    pub(super) fn new(kind: JsonErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// What was refused.
    #[must_use]
    pub fn kind(&self) -> &JsonErrorKind {
        &self.kind
    }

    /// Where, as a byte offset in the text.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self.kind {
            JsonErrorKind::TooLarge(_) => ReasonCode::InputTooLarge,
            JsonErrorKind::TooDeep(_) => ReasonCode::InputTooDeep,
            JsonErrorKind::DuplicateKey(_) => ReasonCode::JsonDuplicateKey,
            JsonErrorKind::Number(_) => ReasonCode::JsonNumberRefused,
            JsonErrorKind::Text(_) => ReasonCode::NameNotCanonical,
            JsonErrorKind::Utf8
            | JsonErrorKind::Surrogate
            | JsonErrorKind::Expected(_)
            | JsonErrorKind::Unsupported(_) => ReasonCode::SchemaInvalid,
        }
    }
}

impl serde::ser::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(JsonErrorKind::Unsupported(message.to_string()), 0)
    }
}
