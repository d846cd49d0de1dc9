//! `orgo mandate test`: the tables beside the policies, case by case.

use orgo_host::mandate::{self, Loaded};
use orgo_kernel::policy::Answer;
use orgo_spec::Name;
use orgo_spec::mandate::{Case, Expected};
use serde_json::{Value, json};

use super::Place;
use crate::failure::{Class, Failure};
use crate::output::plain;

/// What came of one case.
struct Outcome<'c> {
    file: &'c str,
    case: &'c Case,
    answer: Answer,
}

impl Outcome<'_> {
    fn holds(&self) -> bool {
        let Expected { permit, by, code } = &self.case.expected;
        *permit == self.answer.permits()
            && (by.is_empty() || *by == self.answer.by)
            && code.is_none_or(|code| self.answer.codes.contains(&code))
    }
}

fn outcomes(loaded: &Loaded) -> Vec<Outcome<'_>> {
    let cases = loaded.bundle.tables().iter().flat_map(|t| t.cases.iter().map(|c| (t.document.name(), c)));
    cases.map(|(file, case)| Outcome { file, case, answer: loaded.policies.ask(&case.facts) }).collect()
}

/// The policies that no case has seen decide.
fn unseen<'l>(loaded: &'l Loaded, outcomes: &[Outcome<'_>]) -> Vec<&'l str> {
    let ids = loaded.policies.list().iter().map(|p| p.id.as_str());
    ids.filter(|id| !outcomes.iter().any(|o| o.answer.by.iter().any(|by| by == id))).collect()
}

/// Runs the tests of one mandate, or of all.
pub(super) fn run(place: &Place<'_>, name: Option<&Name>) -> Result<(), Failure> {
    let output = place.context.output;
    let names = match name {
        Some(name) => vec![name.clone()],
        None => mandate::names(place.root())?,
    };
    let (mut failed, mut count, mut told) = (0, 0, Vec::new());
    for name in &names {
        let loaded = place.load(name)?;
        let outcomes = outcomes(&loaded);
        let width = outcomes.iter().map(|o| o.case.name.value.chars().count()).max().unwrap_or(0);
        for outcome in &outcomes {
            count += 1;
            let holds = outcome.holds();
            failed += usize::from(!holds);
            let word = if holds { "ok    " } else { "FAILED" };
            output.line(plain(&format!("{word}  {:<width$}  {}", outcome.case.name.value, said(&outcome.answer))));
            if !holds {
                output.line(plain(&format!("        expected {}", wanted(&outcome.case.expected))));
                let document = loaded.bundle.tables().iter().find(|t| t.document.name() == outcome.file);
                if let Some(table) = document {
                    let (line, _) = table.document.position(outcome.case.name.span);
                    output.line(plain(&format!("        {}:{line}", outcome.file)));
                }
            }
            told.push(document(name, outcome));
        }
        for id in unseen(&loaded, &outcomes) {
            output.note(format!("{name}: no case shows the policy `{id}` at work"));
        }
    }
    let mandates = names.len();
    output.line(format!("{count} cases of {mandates} mandates, {failed} failed"));
    output.document(&json!({ "schema": "orgo.mandate-test/1", "cases": told, "failed": failed }));
    if failed > 0 { Err(Failure::told(Class::Refused)) } else { Ok(()) }
}

fn said(answer: &Answer) -> String {
    let codes: Vec<_> = answer.codes.iter().map(|c| c.as_str()).collect();
    let by = if answer.by.is_empty() { String::new() } else { format!(" by {}", answer.by.join(", ")) };
    if answer.permits() { format!("permit{by}") } else { format!("refuse ({}){by}", codes.join(", ")) }
}

fn wanted(expected: &Expected) -> String {
    let code = expected.code.map_or_else(String::new, |code| format!(" ({code})"));
    let by = if expected.by.is_empty() { String::new() } else { format!(" by {}", expected.by.join(", ")) };
    format!("{}{code}{by}", if expected.permit { "permit" } else { "refuse" })
}

fn document(name: &Name, outcome: &Outcome<'_>) -> Value {
    json!({
        "mandate": name,
        "file": outcome.file,
        "case": outcome.case.name.value,
        "holds": outcome.holds(),
        "permits": outcome.answer.permits(),
        "by": outcome.answer.by,
        "codes": outcome.answer.codes,
        "errors": outcome.answer.errors,
    })
}

/// Refuses a mandate whose own tests fail: nobody signs or activates it.
pub(super) fn must_pass(loaded: &Loaded) -> Result<(), Failure> {
    match outcomes(loaded).iter().find(|o| !o.holds()) {
        None => Ok(()),
        Some(outcome) => {
            let case = &outcome.case.name.value;
            let message = format!("the policy test `{}` fails: {}", case.escape_debug(), said(&outcome.answer));
            Err(Failure::message(Class::Refused, None, message, "see all of them: `orgo mandate test`"))
        }
    }
}
