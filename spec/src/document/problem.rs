//! What is wrong with a document, with its place, its code and a way out.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use super::source::Document;
use super::syntax::Syntax;
use super::tree::Span;
use super::wording;
use crate::ReasonCode;

/// One problem, still without its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: ReasonCode,
    message: String,
    span: Span,
    label: String,
    help: Option<String>,
    others: Vec<(Span, String)>,
}

impl Problem {
    /// A problem at a place. Messages are lower-case fragments without a full stop.
    pub fn new(code: ReasonCode, message: impl Into<String>, span: Span) -> Self {
        Self { code, message: message.into(), span, label: "here".to_owned(), help: None, others: Vec::new() }
    }

    /// What stands under the marked place; `here` unless told.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// How to fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Another place that belongs to the problem.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.others.push((span, label.into()));
        self
    }

    /// The same, with what it proposes to write in YAML.
    fn in_yaml(mut self) -> Self {
        self.label = wording::in_yaml(&self.label);
        self.help = self.help.map(|help| wording::in_yaml(&help));
        self
    }

    /// The reason code.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        self.code
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The place.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// The way out: the problem's own, or that of its code; none where all a code could say is that something is wrong.
    #[must_use]
    pub fn help_text(&self) -> Option<&str> {
        let general = (self.code != ReasonCode::DocumentInvalid).then(|| self.code.remedy());
        self.help.as_deref().or(general)
    }
}

/// Collects the problems of one document.
#[derive(Debug, Clone)]
pub struct Problems {
    document: Document,
    list: Vec<Problem>,
}

impl Problems {
    /// No problem yet.
    #[must_use]
    pub fn new(document: &Document) -> Self {
        Self { document: document.clone(), list: Vec::new() }
    }

    /// How the document is written.
    pub(super) fn syntax(&self) -> Syntax {
        self.document.syntax()
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The problems themselves, without their document.
    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.list
    }

    /// The value if there was no problem, otherwise all problems.
    ///
    /// # Errors
    /// [`DocumentError`] if any problem was added.
    pub fn check<T>(self, value: Option<T>) -> Result<T, DocumentError> {
        match value {
            Some(value) if self.list.is_empty() => Ok(value),
            _ => Err(self.into_error()),
        }
    }

    /// All problems as one error, in the order of their places.
    #[must_use]
    pub fn into_error(mut self) -> DocumentError {
        self.list.sort_by_key(|p| p.span);
        // A parser that recovers may stumble twice over one stone, and what stands in a template is decoded once for
        // each use of it.
        self.list.dedup();
        if self.document.syntax() == Syntax::Yaml {
            self.list = self.list.into_iter().map(Problem::in_yaml).collect();
        }
        let problems = self.list.into_iter().map(|problem| Located::new(&self.document, problem)).collect();
        DocumentError { document: self.document, problems }
    }
}

/// Everything that is wrong with one document.
#[derive(Debug, Clone)]
pub struct DocumentError {
    document: Document,
    problems: Vec<Located>,
}

#[derive(Debug, Clone)]
struct Located {
    /// The document that the problem's places lie in.
    document: Document,
    problem: Problem,
}

impl Located {
    /// Places in other documents than that of the problem become words: an excerpt shows one document.
    fn new(whole: &Document, mut problem: Problem) -> Self {
        let (part, document, span) = whole.locate(problem.span);
        let document = document.clone();
        problem.span = span;
        for (span, label) in std::mem::take(&mut problem.others) {
            let (other, file, span) = whole.locate(span);
            if other == part {
                problem.others.push((span, label));
            } else {
                let (line, column) = file.position(span);
                let elsewhere = format!("{label}: {}:{line}:{column}", file.name());
                problem.help = Some(problem.help.map_or(elsewhere.clone(), |help| format!("{help}; {elsewhere}")));
            }
        }
        Self { document, problem }
    }
}

impl DocumentError {
    /// The document.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The problems, in the order of their places.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().map(|located| &located.problem)
    }

    /// The problems, each with the document that its places lie in: the one that was read, or one that it includes.
    pub fn located(&self) -> impl Iterator<Item = (&Document, &Problem, &dyn Diagnostic)> {
        self.problems.iter().map(|located| (&located.document, &located.problem, located as &dyn Diagnostic))
    }

    /// Each problem as a diagnostic of its own, with the document's text.
    pub fn diagnostics(&self) -> impl Iterator<Item = &dyn Diagnostic> {
        self.problems.iter().map(|located| located as &dyn Diagnostic)
    }

    /// The code of the first problem.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        self.problems.first().map_or(ReasonCode::DocumentInvalid, |l| l.problem.code)
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.document.name();
        match self.problems.len() {
            1 => write!(f, "{name} has a problem"),
            n => write!(f, "{name} has {n} problems"),
        }
    }
}

impl std::error::Error for DocumentError {}

impl Diagnostic for DocumentError {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.diagnostics()))
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Located {}

impl Diagnostic for Located {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help_text().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.document.source_code())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let first = LabeledSpan::new_primary_with_span(Some(self.problem.label.clone()), self.problem.span);
        let others = self.problem.others.iter().map(|(s, l)| LabeledSpan::new_with_span(Some(l.clone()), *s));
        Some(Box::new(std::iter::once(first).chain(others)))
    }
}
