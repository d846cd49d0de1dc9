//! Why a stage of the spine refuses.

use std::fmt;
use std::io;

use orgo_spec::ReasonCode;
use orgo_spec::artifact::ArtifactError;
use orgo_spec::artifact::pack::PackError;
use orgo_spec::document::DocumentError;

/// Most refusals of one kind that a message shows; their number is always exact.
const MAX_SHOWN: usize = 20;

/// Why a stage of the spine stops without output.
#[derive(Debug, thiserror::Error)]
pub enum SpineError {
    /// Reading or writing failed; may be tried again.
    #[error("reading or writing failed: {0}")]
    Io(#[from] io::Error),
    /// An artifact is not what it says it is.
    #[error("{0}")]
    Artifact(#[from] ArtifactError),
    /// A pack is not what its manifest says.
    #[error("{0}")]
    Pack(#[from] PackError),
    /// A map, rules or decisions cannot be decoded.
    #[error("{}", document(.0))]
    Document(Box<DocumentError>),
    /// Something in the data or the configuration is refused.
    #[error("{0}")]
    Refused(Refusal),
}

/// One or more refusals with one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    code: ReasonCode,
    shown: Vec<String>,
    total: u64,
}

impl SpineError {
    /// A refusal for one reason.
    pub fn refused(code: ReasonCode, message: impl Into<String>) -> Self {
        Self::Refused(Refusal { code, shown: vec![message.into()], total: 1 })
    }

    /// The reason code.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Io(_) => ReasonCode::StageFailed,
            Self::Artifact(error) => error.code(),
            Self::Pack(error) => error.code(),
            Self::Document(error) => error.code(),
            Self::Refused(refusal) => refusal.code,
        }
    }
}

impl From<DocumentError> for SpineError {
    fn from(error: DocumentError) -> Self {
        Self::Document(Box::new(error))
    }
}

/// All problems of a document, one a line with its place.
fn document(error: &DocumentError) -> String {
    let mut text = error.to_string();
    for problem in error.problems() {
        let (line, column) = error.document().position(problem.span());
        text.push_str(&format!("\n  {}:{line}:{column}: {}", error.document().name(), problem.message()));
        if let Some(help) = problem.help_text() {
            text.push_str(&format!(" ({help})"));
        }
    }
    text
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.shown.as_slice() {
            return f.write_str(only);
        }
        write!(f, "{} problems", self.total)?;
        for line in &self.shown {
            write!(f, "\n  {line}")?;
        }
        let more = self.total - self.shown.len() as u64;
        if more > 0 { write!(f, "\n  and {more} more") } else { Ok(()) }
    }
}

/// Collects refusals so that people see them together; the first one's code stands for all.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Option<Refusal>);

impl Refusals {
    pub(crate) fn push(&mut self, code: ReasonCode, message: impl Into<String>) {
        let refusal = self.0.get_or_insert_with(|| Refusal { code, shown: Vec::new(), total: 0 });
        refusal.total += 1;
        if refusal.shown.len() < MAX_SHOWN {
            refusal.shown.push(message.into());
        }
    }

    /// # Errors
    /// [`SpineError::Refused`] if anything was refused.
    pub(crate) fn check(self) -> Result<(), SpineError> {
        self.0.map_or(Ok(()), |refusal| Err(SpineError::Refused(refusal)))
    }
}
