//! A diagnostic whose words come from elsewhere, as people may see it.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use orgo_spec::document::Document;

use crate::output::{masked, plain};

/// A diagnostic with every word escaped (supply-chain T-71).
#[derive(Debug)]
pub(super) struct Shown<'d> {
    inner: &'d dyn Diagnostic,
    /// The excerpt's text, in which places are the same as in the document.
    source: Option<&'d NamedSource<String>>,
}

impl<'d> Shown<'d> {
    pub(super) fn new(inner: &'d dyn Diagnostic, source: Option<&'d NamedSource<String>>) -> Self {
        Self { inner, source }
    }

    /// What excerpts of a document show.
    pub(super) fn source(document: &Document) -> NamedSource<String> {
        NamedSource::new(plain(document.name()), masked(document.text()))
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&self.inner.to_string()))
    }
}

impl std::error::Error for Shown<'_> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source()
    }
}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.inner.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.inner.help().map(|h| Box::new(plain(&h.to_string())) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.map(|s| s as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self.inner.labels()?;
        Some(Box::new(labels.map(|label| {
            let text = label.label().map(plain);
            if label.primary() {
                LabeledSpan::new_primary_with_span(text, *label.inner())
            } else {
                LabeledSpan::new_with_span(text, *label.inner())
            }
        })))
    }
}
