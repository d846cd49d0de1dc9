//! A run as JUnit XML, which CI services show: one suite, one case for every stage.

use std::fmt::Write;
use std::path::Path;

use orgo_host::clock::rfc3339;
use orgo_host::file::replace;
use orgo_host::run::{Attempt, RunOutcome, StageOutcome};
use orgo_host::store::{Flaky, Store};
use orgo_kernel::plan::{Resolved, ResolvedStage};
use orgo_kernel::scheduler::State;

use super::FlakyStage;
use super::human::{how, last_lines};
use crate::failure::Failure;
use crate::output::without_secrets;

/// How many of the last lines of a failed stage's log are kept.
const LINES: usize = 200;

/// Writes the file.
///
/// # Errors
/// [`Failure`] if it cannot be written.
pub(super) fn write(
    path: &Path,
    plan: &Resolved,
    outcome: &RunOutcome,
    flaky: &[FlakyStage],
    store: &Store,
) -> Result<(), Failure> {
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
        let flaky = flaky.iter().find(|f| plan.stage(f.id).name == stage.name).map(|f| &f.flaky);
        case(&mut text, &plan.name, stage, o, flaky, store);
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    Ok(replace(path, without_secrets(&text).as_bytes())?)
}

/// One stage. Its attempts are told as Maven's Surefire tells reruns: of a stage that failed, the first as `failure` and
/// each further one as `rerunFailure`; of one that ended well, each that had not as `flakyFailure`. What is known of
/// other runs stands in `system-out`.
fn case(
    text: &mut String,
    pipeline: &str,
    stage: &ResolvedStage,
    o: &StageOutcome,
    flaky: Option<&Flaky>,
    store: &Store,
) {
    let took: i64 = o.attempts.iter().map(|a| a.ended_ms - a.started_ms).sum();
    let (name, class) = (attribute(&stage.name), attribute(pipeline));
    let _ = write!(text, "    <testcase name=\"{name}\" classname=\"{class}\" time=\"{}\"", seconds(took));
    text.push_str(">\n");
    let bad: Vec<&Attempt> = o.attempts.iter().filter(|a| a.code.is_some()).collect();
    match o.state {
        State::Failed(code) | State::Refused(code) if bad.is_empty() => {
            let _ = writeln!(text, "      <failure type=\"{code}\" message=\"\"></failure>");
        }
        State::Failed(_) | State::Refused(_) => {
            for (number, attempt) in bad.into_iter().enumerate() {
                if number == 0 {
                    failure(text, "failure", attempt, |text, log| text.push_str(&log), store);
                } else {
                    failure(text, "rerunFailure", attempt, stack_trace, store);
                }
            }
        }
        State::Skipped(code) | State::Unapproved(code) => {
            let _ = writeln!(text, "      <skipped message=\"{code}\"/>");
        }
        State::Done { .. } => bad.into_iter().for_each(|a| failure(text, "flakyFailure", a, stack_trace, store)),
        State::Waiting
        | State::Deciding
        | State::Asking
        | State::Looking
        | State::Ready
        | State::Running
        | State::Paused(_) => {}
    }
    if let Some(flaky) = flaky {
        let _ = writeln!(text, "      <system-out>flaky: {}</system-out>", escaped(&super::flaky_words(flaky)));
    }
    text.push_str("    </testcase>\n");
}

/// An attempt that ended badly, with the end of its log.
fn failure(text: &mut String, element: &str, attempt: &Attempt, body: impl Fn(&mut String, String), store: &Store) {
    let code = attempt.code.map_or("", |code| code.as_str());
    let log = attempt.log.and_then(|log| store.get(log.digest).ok()).unwrap_or_default();
    let _ = write!(text, "      <{element} type=\"{code}\" message=\"{}\">", attribute(&how(attempt)));
    body(text, escaped(&last_lines(&log, LINES).join("\n")));
    let _ = writeln!(text, "</{element}>");
}

fn stack_trace(text: &mut String, log: String) {
    let _ = write!(text, "<stackTrace>{log}</stackTrace>");
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
