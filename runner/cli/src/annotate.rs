//! Remarks about places in files, in the forms that code hosts show beside the lines of a change.

mod github;
mod gitlab;
mod sarif;

use clap::ValueEnum;
use orgo_spec::ReasonCode;
use orgo_spec::document::DocumentError;
use orgo_spec::review::{Finding, Kind, Place, Review, ReviewProblem, Strength};

pub(crate) use self::github::{commands, data};
use crate::output::{Output, plain, without_secrets};

/// Forms of annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// SARIF 2.1.0, for GitHub's code scanning and other viewers
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
    /// A Code Quality report of GitLab
    Gitlab,
}

/// How much attention a remark needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// It cannot stay.
    Error,
    /// Somebody should look at it.
    Warning,
    /// To be known.
    Note,
}

/// A remark.
#[derive(Debug)]
pub(crate) struct Annotation {
    level: Level,
    /// A stable word for this sort of remark.
    rule: &'static str,
    /// What the rule is about.
    meaning: &'static str,
    message: String,
    place: Place,
}

impl Annotation {
    /// A remark about what a reason code says of a place.
    pub(crate) fn new(level: Level, code: ReasonCode, message: &str, place: Place) -> Self {
        Self { level, rule: code.as_str(), meaning: code.meaning(), message: safe(message), place }
    }

    /// A remark about a problem of a document; `prefix` leads from the repository to the project.
    fn problem(code: ReasonCode, message: &str, help: Option<&str>, place: Place) -> Self {
        let help = help.map_or_else(String::new, |help| format!("; {help}"));
        Self::new(Level::Error, code, &format!("{message}{help}"), place)
    }

    fn finding(finding: &Finding) -> Self {
        let level = match finding.strength {
            Strength::Weaker | Strength::Unclear => Level::Warning,
            Strength::Stronger | Strength::Neutral => Level::Note,
        };
        let about = match (&finding.pipeline, finding.stages.as_slice()) {
            (Some(pipeline), []) => format!("{pipeline}: "),
            (Some(pipeline), [stage]) => format!("{pipeline}/{stage}: "),
            (Some(pipeline), [stage, rest @ ..]) => format!("{pipeline}/{stage} and {} more: ", rest.len()),
            (None, _) => String::new(),
        };
        let values = match (&finding.before, &finding.after) {
            (None, None) => String::new(),
            (Some(before), None) => format!(" (was {before})"),
            (None, Some(after)) => format!(" ({after})"),
            (Some(before), Some(after)) => format!(" (was {before}, is {after})"),
        };
        Self {
            level,
            rule: finding.kind.as_str(),
            meaning: finding.kind.meaning(),
            message: safe(&format!("{}: {about}{}{values}", finding.strength.as_str(), finding.message)),
            // Code hosts show nothing without a place: what is gone is told where the project begins.
            place: finding.place.clone().unwrap_or_else(|| Place { file: "orgo.kdl".to_owned(), line: 1, column: 1 }),
        }
    }
}

/// Text from elsewhere without what steers and without what looks like a secret.
fn safe(text: &str) -> String {
    without_secrets(&plain(text)).into_owned()
}

/// Remarks about a review: its findings, and problems of the head.
pub(crate) fn of_review(review: &Review) -> Vec<Annotation> {
    let problem = |p: &ReviewProblem| Annotation::problem(p.code, &p.message, p.help.as_deref(), p.place.clone());
    review.problems.iter().map(problem).chain(review.findings.iter().map(Annotation::finding)).collect()
}

/// Remarks about wrong documents; `prefix` leads from the repository to the project.
pub(crate) fn of_errors(errors: &[DocumentError], prefix: &str) -> Vec<Annotation> {
    let mut all = Vec::new();
    for error in errors {
        let document = error.document();
        all.extend(error.problems().map(|p| {
            let (line, column) = document.position(p.span());
            let place = Place { file: format!("{prefix}{}", document.name()), line, column };
            Annotation::problem(p.code(), p.message(), p.help_text(), place)
        }));
    }
    all
}

/// Prints remarks on standard output.
pub(crate) fn print(annotations: &[Annotation], form: Form) {
    let json = Output { json: true, quiet: false, verbose: false };
    match form {
        Form::Sarif => json.document(&sarif::log(annotations)),
        Form::Gitlab => json.document(&gitlab::report(annotations)),
        Form::Github => {
            let text = Output { json: false, ..json };
            commands(annotations).iter().for_each(|line| text.line(line));
        }
    }
}

/// Rules that reviews use, whether or not a remark names them.
fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    Kind::ALL.iter().map(|kind| (kind.as_str(), kind.meaning()))
}
