//! Policy tests: tables of facts, and what is expected of the policies about them. `tests/*.kdl`.

use std::collections::BTreeMap;

use crate::document::{Document, DocumentError, Fields, FromScalar, Node, Problem, Problems, Scalar, Spanned, parse};
use crate::project::unknown_top;
use crate::record::{GateFacts, Lane, Produces, ReportFacts, RequestFacts, ValidatorFacts};
use crate::{Digest, Name, ReasonCode};

/// One file of cases.
#[derive(Debug, Clone)]
pub struct Table {
    /// The file, for messages.
    pub document: Document,
    /// The cases, in order.
    pub cases: Vec<Case>,
}

/// Facts, and what the policies must say about them.
#[derive(Debug, Clone)]
pub struct Case {
    /// What the case shows.
    pub name: Spanned<String>,
    /// What the gate would see.
    pub facts: GateFacts,
    /// What the policies must say.
    pub expected: Expected,
}

/// What the policies must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Whether they permit it.
    pub permit: bool,
    /// The policies that must have decided, sorted; none listed means any.
    pub by: Vec<String>,
    /// The code of the refusal; none means any.
    pub code: Option<ReasonCode>,
}

/// `permit` or `refuse`.
struct Answer(bool);

impl FromScalar for Answer {
    const EXPECTED: &'static str = "`permit` or `refuse`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        match String::from_scalar(scalar)?.as_str() {
            "permit" => Some(Self(true)),
            "refuse" => Some(Self(false)),
            _ => None,
        }
    }
}

impl FromScalar for Lane {
    const EXPECTED: &'static str = "`local`, `request` or `protected`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        match String::from_scalar(scalar)?.as_str() {
            "local" => Some(Self::Local),
            "request" => Some(Self::Request),
            "protected" => Some(Self::Protected),
            _ => None,
        }
    }
}

impl FromScalar for Produces {
    const EXPECTED: &'static str = "`exchange`, `pack` or `program`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        match String::from_scalar(scalar)?.as_str() {
            "exchange" => Some(Self::Exchange),
            "pack" => Some(Self::Pack),
            "program" => Some(Self::Program),
            _ => None,
        }
    }
}

impl Table {
    /// Decodes a file of cases.
    ///
    /// # Errors
    /// [`DocumentError`] with every problem.
    pub fn parse(document: &Document) -> Result<Self, DocumentError> {
        let nodes = parse(document)?;
        let mut problems = Problems::new(document);
        let mut cases: Vec<Case> = Vec::new();
        for node in &nodes {
            if *node.name != "case" {
                problems.push(unknown_top(&node.name, &["case"]));
                continue;
            }
            let Some(case) = case(node, &mut problems) else { continue };
            if let Some(first) = cases.iter().find(|c| c.name.value == case.name.value) {
                let message = format!("two cases are called `{}`", case.name.value.escape_debug());
                let problem = Problem::new(ReasonCode::FieldDuplicate, message, case.name.span);
                problems.push(problem.also(first.name.span, "the first one"));
            }
            cases.push(case);
        }
        problems.check(Some(Self { document: document.clone(), cases }))
    }
}

fn case(node: &Node, problems: &mut Problems) -> Option<Case> {
    let mut fields = Fields::new(node);
    let name = fields.arg::<String>("what the case shows", problems);
    let text =
        |name: Option<Spanned<Name>>, unless: &str| name.map_or_else(|| unless.to_owned(), |n| n.value.to_string());
    let pipeline = text(fields.one("pipeline", problems), "pipeline");
    let gate = text(fields.one("gate", problems), "accept");
    let stage = text(fields.one("stage", problems), "canon");
    let lane = fields.one("lane", problems).map_or(Lane::Protected, |l| l.value);
    let produces = fields.one("produces", problems).map_or(Produces::Exchange, |p| p.value);
    let subject = fields.one("subject", problems).map_or(Digest::EMPTY, |d| d.value);
    let report = fields.child("report", problems).and_then(|node| report(node, subject, problems));
    let validator = fields
        .child("validator", problems)
        .map_or(ValidatorFacts { builtin: true, digest: Digest::EMPTY }, |node| validator(node, problems));
    let expected = fields.child("expect", problems).and_then(|node| expected(node, problems));
    fields.finish(problems);
    for (what, there) in [("report", report.is_some()), ("expect", expected.is_some())] {
        if !there && !node.children.iter().any(|c| *c.name == what) {
            let message = format!("the case needs `{what}`");
            let problem = Problem::new(ReasonCode::DocumentInvalid, message, node.name.span);
            problems.push(problem.help("write `report status=\"passed\" errors=0` and `expect \"permit\"`"));
        }
    }
    let facts = GateFacts {
        accepts: None,
        gate,
        mandate: None,
        mandate_required: true,
        overriding: None,
        report: Some(report?),
        report_digest: Some(Digest::EMPTY),
        request: Some(RequestFacts { lane, pipeline, produces }),
        schema_version: "1.0.0".to_owned(),
        stage,
        subject: Some(subject),
        validator,
    };
    Some(Case { name: name?, facts, expected: expected? })
}

fn report(node: &Node, subject: Digest, problems: &mut Problems) -> Option<ReportFacts> {
    let mut fields = Fields::new(node);
    let status = fields.required::<String>("status", problems);
    let errors = fields.required::<u32>("errors", problems);
    let ruleset = fields.one("ruleset", problems).map_or(Digest::EMPTY, |d| d.value);
    let decisions = fields.one("decisions", problems).map_or(Digest::EMPTY, |d| d.value);
    let mut counts = BTreeMap::new();
    for child in fields.children("count") {
        let mut fields = Fields::new(child);
        let code = fields.arg::<String>("a code", problems);
        let number = fields.arg::<u32>("how many", problems);
        fields.finish(problems);
        if let (Some(code), Some(number)) = (code, number) {
            counts.insert(code.value, u64::from(number.value));
        }
    }
    fields.finish(problems);
    let errors = u64::from(errors?.value);
    Some(ReportFacts { counts, decisions, errors, ruleset, status: status?.value, subject })
}

fn validator(node: &Node, problems: &mut Problems) -> ValidatorFacts {
    let mut fields = Fields::new(node);
    let builtin = fields.one::<bool>("builtin", problems).is_none_or(|b| b.value);
    let digest = fields.one("digest", problems).map_or(Digest::EMPTY, |d| d.value);
    fields.finish(problems);
    ValidatorFacts { builtin, digest }
}

fn expected(node: &Node, problems: &mut Problems) -> Option<Expected> {
    let mut fields = Fields::new(node);
    let answer = fields.arg::<Answer>("`permit` or `refuse`", problems);
    let mut by: Vec<String> = fields.list::<Name>("by", problems).into_iter().map(|n| n.value.to_string()).collect();
    by.sort_unstable();
    let written = fields.one::<String>("code", problems);
    fields.finish(problems);
    let mut code = None;
    if let Some(written) = written {
        match written.parse() {
            Ok(known) => code = Some(known),
            Err(error) => problems.push(Problem::new(ReasonCode::DocumentInvalid, error, written.span)),
        }
    }
    Some(Expected { permit: answer?.value.0, by, code })
}
