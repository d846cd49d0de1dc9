//! A run as JUnit XML, which CI services show: one suite, one case for every stage.

use std::fmt::Write;
use std::path::Path;

use orgo_host::clock::rfc3339;
use orgo_host::file::replace;
use orgo_host::run::{RunOutcome, StageOutcome};
use orgo_host::store::Store;
use orgo_kernel::plan::{Resolved, ResolvedStage};
use orgo_kernel::scheduler::State;

use super::human::{how, last_lines};
use crate::failure::Failure;
use crate::output::without_secrets;

/// How many of the last lines of a failed stage's log are kept.
const LINES: usize = 200;

/// Writes the file.
///
/// # Errors
/// [`Failure`] if it cannot be written.
pub(super) fn write(path: &Path, plan: &Resolved, outcome: &RunOutcome, store: &Store) -> Result<(), Failure> {
    let cases: Vec<(&ResolvedStage, &StageOutcome)> = plan
        .stages
        .iter()
        .zip(&outcome.stages)
        .zip(&outcome.wanted)
        .filter_map(|(pair, wanted)| wanted.then_some(pair))
        .collect();
    let count = |accept: fn(&State) -> bool| cases.iter().filter(|(_, o)| accept(&o.state)).count();
    let failed = count(|s| matches!(s, State::Failed(_) | State::Refused(_)));
    let skipped = count(|s| matches!(s, State::Skipped(_) | State::Unapproved(_)));
    let name = attribute(&plan.name);
    let numbers = format!(
        "tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{}\"",
        cases.len(),
        seconds(outcome.ended_ms - outcome.started_ms)
    );
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuites {numbers}>");
    let started = rfc3339(outcome.started_ms);
    let _ = writeln!(text, "  <testsuite name=\"{name}\" timestamp=\"{started}\" {numbers}>");
    for (stage, o) in cases {
        case(&mut text, &plan.name, stage, o, store);
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    Ok(replace(path, without_secrets(&text).as_bytes())?)
}

fn case(text: &mut String, pipeline: &str, stage: &ResolvedStage, o: &StageOutcome, store: &Store) {
    let took: i64 = o.attempts.iter().map(|a| a.ended_ms - a.started_ms).sum();
    let (name, class) = (attribute(&stage.name), attribute(pipeline));
    let _ = write!(text, "    <testcase name=\"{name}\" classname=\"{class}\" time=\"{}\"", seconds(took));
    match o.state {
        State::Failed(code) | State::Refused(code) => {
            let message = o.attempts.last().map_or(String::new(), how);
            let log = o.log.and_then(|log| store.get(log.digest).ok()).unwrap_or_default();
            let _ = writeln!(text, ">\n      <failure type=\"{code}\" message=\"{}\">", attribute(&message));
            text.push_str(&escaped(&last_lines(&log, LINES).join("\n")));
            text.push_str("</failure>\n    </testcase>\n");
        }
        State::Skipped(code) | State::Unapproved(code) => {
            let _ = writeln!(text, ">\n      <skipped message=\"{code}\"/>\n    </testcase>");
        }
        State::Waiting
        | State::Deciding
        | State::Asking
        | State::Looking
        | State::Ready
        | State::Running
        | State::Paused(_)
        | State::Done { .. } => text.push_str("/>\n"),
    }
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn attribute(text: &str) -> String {
    escaped(text).replace('"', "&quot;").replace('\n', "&#10;")
}

/// What XML 1.0 can hold: control characters have no place in it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_printed_can_end_the_document() {
        assert_eq!(escaped("a <b> & \u{1b}[31m]]>"), "a &lt;b&gt; &amp; \u{fffd}[31m]]&gt;");
        assert_eq!(attribute("say \"no\"\n"), "say &quot;no&quot;&#10;");
    }
}
