//! Why a command ended badly, and with which exit code.
//!
//! | code | class       | meaning                                                    |
//! |------|-------------|------------------------------------------------------------|
//! | 0    | –           | done                                                       |
//! | 1    | refused     | a gate, a policy or a failed stage said no                 |
//! | 2    | declared    | a document or the command line is wrong                    |
//! | 3    | integrity   | a digest, signature or key does not hold                   |
//! | 4    | environment | the machine refused; trying again may help                 |
//! | 5    | waiting     | an approval is missing                                     |
//! | 70   | bug         | a state that must not exist                                |
//! | 130  | cancelled   | somebody interrupted                                       |
//!
//! `orgo shell` hands on the code of what was started in it.

mod ledger;
mod shown;

use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use orgo_host::workspace::WorkspaceError;
use orgo_spec::ReasonCode;
use orgo_spec::document::DocumentError;
use serde_json::{Value, json};
use shown::Shown;

/// The class of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A gate, a policy or a failed stage said no.
    Refused,
    /// A document or the command line is wrong.
    Declared,
    /// A digest, signature or key does not hold.
    Integrity,
    /// The machine refused.
    Environment,
    /// An approval is missing.
    Waiting,
    /// Somebody interrupted.
    Cancelled,
    /// A program that was started for somebody ended with this code.
    Theirs(u8),
}

impl Class {
    /// The exit code.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Declared => 2,
            Self::Integrity => 3,
            Self::Environment => 4,
            Self::Waiting => 5,
            Self::Cancelled => 130,
            Self::Theirs(code) => code,
        }
    }
}

/// Why a command ended badly.
#[derive(Debug)]
pub(crate) struct Failure {
    class: Class,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Everything was said already.
    Told,
    /// Documents with problems.
    Documents(Vec<DocumentError>),
    /// Anything else.
    Report(Box<dyn Diagnostic + Send + Sync>),
}

/// A failure of the command line itself.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Message {
    message: String,
    code: Option<ReasonCode>,
    help: Option<String>,
}

impl Diagnostic for Message {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.map(|c| Box::new(c) as Box<dyn fmt::Display>)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }
}

impl Failure {
    /// A failure that was shown already.
    pub(crate) fn told(class: Class) -> Self {
        Self { class, what: What::Told }
    }

    /// Any diagnostic.
    pub(crate) fn report(class: Class, report: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { class, what: What::Report(Box::new(report)) }
    }

    /// Documents with problems.
    pub(crate) fn documents(errors: Vec<DocumentError>) -> Self {
        Self { class: Class::Declared, what: What::Documents(errors) }
    }

    /// The documents with problems, if that is why.
    pub(crate) fn errors(&self) -> &[DocumentError] {
        match &self.what {
            What::Documents(errors) => errors,
            What::Told | What::Report(_) => &[],
        }
    }

    /// What a document says was refused, at these places.
    pub(crate) fn refused_at(error: DocumentError) -> Self {
        Self { class: Class::Refused, what: What::Documents(vec![error]) }
    }

    /// A message with a way out.
    pub(crate) fn message(
        class: Class,
        code: Option<ReasonCode>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self::report(class, Message { message: message.into(), code, help: Some(help.into()) })
    }

    /// A wrong command line.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::message(Class::Declared, None, message, help)
    }

    /// The same, after the result's own document was printed: there is one document, and it says what is wrong.
    pub(crate) fn after_document(self, output: crate::output::Output) -> Self {
        if output.json { Self::told(self.class) } else { self }
    }

    /// Whether everything was said already.
    pub(crate) const fn was_told(&self) -> bool {
        matches!(self.what, What::Told)
    }

    /// The exit code.
    pub(crate) const fn exit_code(&self) -> u8 {
        self.class.exit_code()
    }

    /// For people.
    pub(crate) fn render(&self, color: bool) -> String {
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false);
        let mut text = String::new();
        let mut show = |d: Shown<'_>| {
            let _ = handler.render_report(&mut text, &d); // writing to memory does not fail
            text.push('\n');
        };
        match &self.what {
            What::Told => {}
            What::Documents(errors) => {
                for error in errors {
                    let mut last: Option<(&str, _)> = None;
                    for (document, _, diagnostic) in error.located() {
                        let source = match last.take() {
                            Some((name, source)) if name == document.name() => source,
                            _ => Shown::source(document),
                        };
                        show(Shown::new(diagnostic, Some(&source)));
                        last = Some((document.name(), source));
                    }
                }
            }
            What::Report(report) => show(Shown::new(report.as_ref(), None)),
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// For programs: `orgo.error/1`.
    pub(crate) fn json(&self) -> Value {
        let problems: Vec<Value> = match &self.what {
            What::Told => Vec::new(),
            What::Documents(errors) => errors.iter().flat_map(document_problems).collect(),
            What::Report(report) => {
                let mut message = report.to_string();
                let mut source = std::error::Error::source(report.as_ref());
                while let Some(cause) = source {
                    message.push_str(&format!(": {cause}"));
                    source = cause.source();
                }
                vec![json!({
                    "code": report.code().map(|c| c.to_string()),
                    "message": message,
                    "help": report.help().map(|h| h.to_string()),
                })]
            }
        };
        json!({ "schema": "orgo.error/1", "exit_code": self.exit_code(), "problems": problems })
    }
}

fn document_problems(error: &DocumentError) -> Vec<Value> {
    let problem = |document: &orgo_spec::document::Document, p: &orgo_spec::document::Problem| {
        let (line, column) = document.position(p.span());
        json!({
            "code": p.code(),
            "message": p.message(),
            "help": p.help_text(),
            "file": document.name(),
            "line": line,
            "column": column,
            "length": p.span().len,
        })
    };
    error.located().map(|(document, p, _)| problem(document, p)).collect()
}

macro_rules! environment {
    ($($type:ty),+) => { $(impl From<$type> for Failure {
        fn from(error: $type) -> Self { Self::report(Class::Environment, error) }
    })+ };
}

impl From<WorkspaceError> for Failure {
    fn from(error: WorkspaceError) -> Self {
        let class = if matches!(error, WorkspaceError::Tenant { .. }) { Class::Integrity } else { Class::Environment };
        Self::report(class, error)
    }
}

environment!(orgo_host::file::PathError, orgo_host::run::RunError, orgo_host::store::ObjectError);
