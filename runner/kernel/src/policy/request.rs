//! From facts to a request: the only place where a context is made.

use cedar_policy::{Context, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression as Expression};
use orgo_spec::record::{GateFacts, Lane, Produces};

use super::schema::schema;

/// The request to compile what a gate saw; checked against the schema.
///
/// # Errors
/// Why there is none, as a sentence: something that the schema demands is not there.
pub(super) fn compile(facts: &GateFacts) -> Result<Request, String> {
    let asked = facts.request.as_ref().ok_or("the facts do not say what is asked")?;
    let report = facts.report.as_ref().ok_or("there is no report to ask about")?;
    let subject = facts.subject.ok_or("nobody knows what it is about")?;
    let long =
        |what: &str, n: u64| i64::try_from(n).map(Expression::new_long).map_err(|_| format!("{what} is too large"));
    let text = |text: &str| Expression::new_string(text.to_owned());
    let issues =
        report.counts.values().try_fold(0u64, |sum, n| sum.checked_add(*n)).ok_or("the counts are too large")?;
    let report = vec![
        ("codes", Expression::new_set(report.counts.keys().map(|code| text(code)))),
        ("decisions", text(&report.decisions.to_string())),
        ("errors", long("the count of errors", report.errors)?),
        ("issues", long("the count of issues", issues)?),
        ("ruleset", text(&report.ruleset.to_string())),
        ("status", text(&report.status)),
    ];
    let validator = vec![
        ("builtin", Expression::new_bool(facts.validator.builtin)),
        ("digest", text(&facts.validator.digest.to_string())),
    ];
    let lane = match asked.lane {
        Lane::Local => "local",
        Lane::Request => "request",
        Lane::Protected => "protected",
    };
    let produces = match asked.produces {
        Produces::Exchange => "exchange",
        Produces::Pack => "pack",
        Produces::Program => "program",
    };
    let context = [
        ("gate", text(&facts.gate)),
        ("lane", text(lane)),
        ("produces", text(produces)),
        ("report", record(report)?),
        ("stage", text(&facts.stage)),
        ("validator", record(validator)?),
    ];
    let context =
        Context::from_pairs(context.map(|(name, value)| (name.to_owned(), value))).map_err(|e| e.to_string())?;
    let (pipeline, subject) = (entity("Pipeline", &asked.pipeline)?, entity("Artifact", &subject.to_string())?);
    Request::new(pipeline, entity("Action", "compile")?, subject, context, Some(schema())).map_err(|e| e.to_string())
}

fn record(fields: Vec<(&str, Expression)>) -> Result<Expression, String> {
    Expression::new_record(fields.into_iter().map(|(name, value)| (name.to_owned(), value))).map_err(|e| e.to_string())
}

fn entity(kind: &str, id: &str) -> Result<EntityUid, String> {
    let kind: EntityTypeName = kind.parse().map_err(|e: cedar_policy::ParseErrors| e.to_string())?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}
