//! What production trust asks of a plan: that something is kept away from whatever makes a result, since at `open` nothing
//! is, and such a result is signed only by a development key (`docs/decisions/0036-what-production-trust-signs.md`).

use orgo_spec::ReasonCode;
use orgo_spec::document::{Document, DocumentError, Problem, Problems, Span};
use orgo_spec::pipeline::{Isolation, Pipeline, Stage};

use crate::graph::StageId;
use crate::plan::{Resolved, ResolvedService};

/// A stage whose result is made at `open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtOpen<'p> {
    /// The stage.
    pub stage: StageId,
    /// The service beside it that runs at `open`, if the stage itself does not.
    pub service: Option<&'p ResolvedService>,
}

/// The stages whose results are made at `open`, or beside a service that runs at it.
pub fn at_open(plan: &Resolved) -> impl Iterator<Item = AtOpen<'_>> {
    plan.graph.stages().filter_map(|id| {
        let stage = plan.stage(id);
        let services = || stage.services().iter().map(|at| &plan.services[*at as usize]);
        match stage.isolation {
            Isolation::Open => Some(AtOpen { stage: id, service: None }),
            Isolation::Confined | Isolation::Hermetic => {
                let service = services().find(|s| s.isolation == Isolation::Open)?;
                Some(AtOpen { stage: id, service: Some(service) })
            }
        }
    })
}

/// Holds the `part` of a plan that a run is about to production trust; `pipeline` is what it was declared as, in `document`.
///
/// # Errors
/// [`DocumentError`] with `ISOLATION_TOO_WEAK` where the isolation of each stage or service is declared that would make it
/// impossible to sign the record.
pub fn check(
    pipeline: &Pipeline,
    document: &Document,
    plan: &Resolved,
    part: impl Fn(StageId) -> bool,
) -> Result<(), DocumentError> {
    let mut problems = Problems::new(document);
    for found in at_open(plan).filter(|found| part(found.stage)) {
        let name = &plan.stage(found.stage).name;
        let declared = declared(pipeline, name);
        let problem = |message: String, span: Span| Problem::new(ReasonCode::IsolationTooWeak, message, span);
        problems.push(match found.service {
            None => {
                let span = declared.and_then(|s| s.isolation.as_ref()).map_or(pipeline.name.span, |i| i.span);
                let name = declared.map_or(name.as_str(), |s| s.name.as_str());
                let message = format!("the stage `{name}` runs at isolation `open`; {REFUSED}");
                problem(message, span).label("nothing is kept away from it").help(format!(
                    "leave it out, so that the stage is `confined`, and declare what it reads; {OTHERWISE}"
                ))
            }
            Some(service) => {
                let of_service = pipeline.runtime.services.iter().find(|s| s.name.as_str() == service.name);
                let written = |s: &orgo_spec::pipeline::Service| s.isolation.as_ref().map_or(s.name.span, |i| i.span);
                let span = of_service.map_or(pipeline.name.span, written);
                let message = format!("the service `{}` runs at isolation `open`; {REFUSED}", service.name);
                let needs = declared.and_then(|s| s.runtime.needs.iter().find(|n| n.as_str() == service.name));
                let problem = problem(message, span).label("nothing is kept away from it");
                let problem =
                    problem.help(format!("declare `isolation \"confined\"` or `\"hermetic\"` in it; {OTHERWISE}"));
                match needs {
                    Some(needs) => problem.also(needs.span, "needed here"),
                    None => problem,
                }
            }
        });
    }
    problems.check(Some(()))
}

const REFUSED: &str =
    "what is made there is signed only by a development key, and the trust in force is for production";
const OTHERWISE: &str = "or run it under a development trust: `--lane local`";

/// What a stage of the plan was declared as; that of a matrix has the values behind its name.
fn declared<'p>(pipeline: &'p Pipeline, name: &str) -> Option<&'p Stage> {
    let fits = |stage: &&Stage| {
        name.strip_prefix(stage.name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    pipeline.stages.iter().filter(fits).max_by_key(|stage| stage.name.as_str().len())
}

#[cfg(test)]
mod tests {
    use orgo_spec::pipeline::parse_pipelines;

    use super::*;
    use crate::expand::expand;

    /// Messages with the text that they point at.
    fn found(text: &str, part: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let document = Document::new("p.kdl", text);
        let pipeline = parse_pipelines(&document).expect("decodes").remove(0);
        let plan = expand(&document, &pipeline).expect("expands");
        let Err(error) = check(&pipeline, &document, &plan, |id| part(&plan.stage(id).name)) else { return Vec::new() };
        let problem = |p: &Problem| {
            assert_eq!(p.code(), ReasonCode::IsolationTooWeak);
            let (from, len) = (p.span().offset as usize, p.span().len as usize);
            (p.message().split(';').next().expect("a part").to_owned(), text[from..from + len].to_owned())
        };
        error.problems().map(problem).collect()
    }

    #[test]
    fn what_says_nothing_or_more_than_open_is_signed() {
        let text = r#"pipeline "p" { stage "a" { run "x" }; stage "b" { run "x"; isolation "hermetic" }
            service "s" { run "y"; isolation "confined" }; stage "c" { run "x"; needs "s"; network "host" } }"#;
        assert_eq!(found(text, |_| true), []);
    }

    #[test]
    fn each_declaration_of_open_is_told_once_and_only_for_stages_of_the_run() {
        let text = r#"pipeline "p" { matrix { v "1" "2" }; stage "a.b" { run "x"; isolation "open" }; stage "a" { run "x" } }"#;
        let told = || ("the stage `a.b` runs at isolation `open`".to_owned(), "\"open\"".to_owned());
        assert_eq!(found(text, |_| true), [told()]);
        assert_eq!(found(text, |name| name == "a.b.2"), [told()]);
        assert_eq!(found(text, |name| name.starts_with("a.1")), []);
    }

    #[test]
    fn a_service_at_open_is_told_where_a_stage_of_the_run_needs_it() {
        let text = r#"pipeline "p" { service "db" { run "y" }; stage "a" { run "x"; needs "db"; network "host" }; stage "b" { run "x" } }"#;
        let told = ("the service `db` runs at isolation `open`".to_owned(), "\"db\"".to_owned());
        assert_eq!(found(text, |_| true), [told]);
        assert_eq!(found(text, |name| name == "b"), []);
        assert_eq!(found(&text.replace("run \"y\"", "run \"y\"; isolation \"open\""), |_| true)[0].1, "\"open\"");
    }
}
