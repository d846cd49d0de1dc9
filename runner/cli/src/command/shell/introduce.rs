//! What is said to somebody who enters a sandbox.

use std::fmt::Write as _;
use std::time::Duration;

use orgo_host::clock::Clock;
use orgo_host::kept::{Story, sees_secrets};
use orgo_host::run::Visit;
use orgo_kernel::plan::{Resolved, ResolvedStage};

use super::{COMMAND, Shell};
use crate::command::Context;
use crate::output::plain;
use crate::report::duration;

/// Says where one is.
pub(super) fn introduce(
    context: &Context,
    args: &Shell,
    plan: &Resolved,
    stage: &ResolvedStage,
    visit: &Visit,
    changed: bool,
) {
    let note = |line: String| context.output.note(plain(&line));
    let (name, level) = (&stage.name, visit.scene().isolation.as_str());
    note(match visit.story() {
        Some(story) => format!("stage `{name}` of `{}` at `{level}`, as it failed {}", plan.name, failed(story)),
        None => format!("stage `{name}` of `{}` at `{level}`, in a new sandbox: {}", plan.name, why_new(args, stage)),
    });
    let again = if args.command.is_empty() { format!("   (again: eval \"${COMMAND}\")") } else { String::new() };
    note(format!("  it runs   {}{again}", quoted(&visit.scene().argv)));
    if changed {
        note(
            "  changed   the stage or its inputs are others by now; `--new` makes a sandbox of what they are"
                .to_owned(),
        );
    }
    if visit.was_moved() {
        note("  folder    was moved here: absolute paths that the stage wrote down lead to where it was".to_owned());
    }
    for secret in stage.secrets().iter().filter(|_| !args.secrets) {
        note(format!("  secret    `{}` is not set; `--secrets` sets it", secret.name));
    }
    if !stage.services().is_empty() {
        note("  services  are not started here".to_owned());
    }
    if stage.is_finally() && visit.story().is_none() {
        note("  results   `.orgo/results.json` is not there: it tells of a run".to_owned());
    }
    note(match visit.story() {
        Some(_) => {
            "  changes   stay here until the stage has a result, or `orgo gc`; nothing of them is cached or recorded"
                .to_owned()
        }
        None => "  changes   go with the shell; nothing of them is cached or recorded".to_owned(),
    });
}

fn why_new(args: &Shell, stage: &ResolvedStage) -> &'static str {
    if args.new {
        "asked for with `--new`"
    } else if sees_secrets(stage) {
        "a stage that sees secrets leaves none"
    } else {
        "it left none"
    }
}

/// When and how, in words.
fn failed(story: &Story) -> String {
    let ago = Clock::system().now_ms().saturating_sub(story.ended_ms);
    let ago = duration(Duration::from_millis(u64::try_from(ago).unwrap_or(0)));
    let mut text = format!("{ago} ago: {}", story.code);
    if let Some(code) = story.exit_code {
        let _ = write!(text, ", exit code {code}"); // writing to memory does not fail
    }
    if let Some(message) = &story.message {
        let _ = write!(text, ", {message}");
    }
    text
}

/// Words as a shell wants them.
pub(super) fn quoted(argv: &[String]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let word = |word: &String| {
        let bare = !word.is_empty() && word.chars().all(is_plain);
        if bare { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_command_can_be_pasted() {
        let argv = ["sh", "-c", "echo 'a b' $X", ""].map(str::to_owned);
        assert_eq!(quoted(&argv), r"sh -c 'echo '\''a b'\'' $X' ''");
    }
}
