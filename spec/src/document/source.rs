//! The texts that documents are read from.

use std::sync::Arc;

use miette::{NamedSource, SourceCode};

use super::scalar::RelativePath;
use super::syntax::Syntax;
use super::tree::Span;
use crate::ReasonCode;

/// A text and the name that messages show for it (a path relative to the repository), with the documents that it
/// includes: their places are counted behind its own, so that a [`Span`] alone tells in which of them it lies.
#[derive(Debug, Clone)]
pub struct Document {
    source: Arc<NamedSource<String>>,
    /// Where places of included documents begin, ascending.
    included: Arc<[(u32, Self)]>,
}

/// Why a file that a document names cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRead {
    /// The reason.
    pub code: ReasonCode,
    /// What is wrong, as a fragment.
    pub message: String,
    /// The way out.
    pub help: String,
}

/// Reads a text file of the repository for a decoder, which opens nothing itself.
pub type ReadText<'r> = dyn Fn(&RelativePath) -> Result<String, NotRead> + 'r;

impl Document {
    /// Pairs a text with its name.
    pub fn new(name: impl AsRef<str>, text: impl Into<String>) -> Self {
        Self { source: Arc::new(NamedSource::new(name, text.into())), included: Arc::new([]) }
    }

    /// The same document with those that it includes; each with the offset at which its places begin, ascending.
    #[must_use]
    pub(crate) fn including(self, included: Vec<(u32, Self)>) -> Self {
        Self { included: included.into(), ..self }
    }

    /// The document that a place lies in, and the place in that document.
    pub(super) fn locate(&self, span: Span) -> (usize, &Self, Span) {
        let at = self.included.partition_point(|(base, _)| *base <= span.offset);
        match at.checked_sub(1).map(|i| &self.included[i]) {
            None => (0, self, span),
            Some((base, document)) => (at, document, Span { offset: span.offset - base, len: span.len }),
        }
    }

    /// The text as reports show it.
    pub(super) fn source_code(&self) -> &dyn SourceCode {
        &*self.source
    }

    /// The name that messages show.
    #[must_use]
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.inner()
    }

    /// How it is written, as its name says; KDL if the name says nothing.
    #[must_use]
    pub fn syntax(&self) -> Syntax {
        Syntax::of(self.name()).unwrap_or(Syntax::Kdl)
    }

    /// Line and column of a place, both from 1; the column counts characters.
    #[must_use]
    pub fn position(&self, span: Span) -> (usize, usize) {
        let before = self.text().get(..span.offset as usize).unwrap_or_else(|| self.text());
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}
