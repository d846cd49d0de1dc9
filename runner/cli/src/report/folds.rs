//! What jobs of code hosts show: logs of stages folded away, and failures beside the lines that declare them.
//!
//! What a stage prints must not be taken for a command to the code host. GitHub obeys lines that begin with `::`, and
//! `##[…]` anywhere in a line. So what is foreign is shown between two lines that stop commands and go on with them: the word
//! that ends the pause is drawn after all of it was printed, so nothing in it can be that word. GitLab's sections need
//! characters that are escaped in whatever we show.

use std::cell::Cell;

use orgo_host::clock::random_uuid;
use orgo_host::run::{RunOutcome, StageOutcome};
use orgo_kernel::plan::Resolved;
use orgo_kernel::scheduler::State;
use orgo_spec::ReasonCode;
use orgo_spec::record::Decision;

use super::how;
use crate::annotate::{self, Annotation, Level};
use crate::args::LogForm;
use crate::output::{command, plain};
use crate::project::Places;

/// How many remarks GitHub shows of one step, of each level.
const REMARKS: usize = 10;

/// A code host that shows what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Github,
    Gitlab,
}

/// Folds what is printed.
pub(super) struct Folds {
    host: Host,
    places: Places,
    /// How many sections there were: each has a name of its own.
    sections: Cell<u64>,
}

impl Folds {
    /// What a form asks for; `places` says where stages and gates are declared.
    pub(super) fn new(form: LogForm, places: impl FnOnce() -> Places) -> Option<Self> {
        let host = match form {
            LogForm::Text | LogForm::Json => return None,
            LogForm::Github => Host::Github,
            LogForm::Gitlab => Host::Gitlab,
        };
        Some(Self { host, places: places(), sections: Cell::new(0) })
    }

    /// Shows what comes from elsewhere.
    pub(super) fn foreign(&self, show: impl FnOnce()) {
        let word = (self.host == Host::Github).then(random_uuid);
        word.iter().for_each(|word| command(&format!("::stop-commands::{word}")));
        show();
        word.iter().for_each(|word| command(&format!("::{word}::")));
    }

    /// Shows what comes from elsewhere folded, below a title; `times` are its begin and end in milliseconds since the epoch.
    pub(super) fn group(&self, title: &str, times: [i64; 2], show: impl FnOnce()) {
        let [started, ended] = times.map(|ms| ms.div_euclid(1000));
        self.sections.set(self.sections.get() + 1);
        let name = format!("orgo_{}", self.sections.get());
        match self.host {
            Host::Github => command(&format!("::group::{}", annotate::data(&plain(title)))),
            Host::Gitlab => {
                command(&format!("\u{1b}[0Ksection_start:{started}:{name}[collapsed=true]\r\u{1b}[0K{}", plain(title)))
            }
        }
        self.foreign(show);
        match self.host {
            Host::Github => command("::endgroup::"),
            Host::Gitlab => command(&format!("\u{1b}[0Ksection_end:{ended}:{name}\r\u{1b}[0K")),
        }
    }

    /// A line of ours with words from elsewhere in it: none of them is a command.
    pub(super) fn tame(&self, line: &str) -> String {
        match self.host {
            Host::Github => line.split('\n').map(tame).collect::<Vec<_>>().join("\n"),
            Host::Gitlab => line.to_owned(),
        }
    }

    /// Tells the code host what failed, where it is declared.
    pub(super) fn remark(&self, plan: &Resolved, outcome: &RunOutcome) {
        if self.host == Host::Github {
            let remarks: Vec<Annotation> = self.remarks(plan, outcome).take(REMARKS).collect();
            annotate::commands(&remarks).iter().for_each(|line| command(line));
        }
    }

    fn remarks<'r>(&'r self, plan: &'r Resolved, outcome: &'r RunOutcome) -> impl Iterator<Item = Annotation> + 'r {
        plan.stages.iter().zip(&outcome.stages).filter_map(|(stage, o)| {
            let level = if o.optional { Level::Warning } else { Level::Error };
            let (name, pipeline) = (&stage.name, &plan.name);
            match o.state {
                State::Failed(code) => {
                    let log = if o.attempts.is_empty() { "" } else { "; the log of the job shows what it printed" };
                    let message = format!("stage `{name}` of `{pipeline}` failed: {}{log}", why(o, code));
                    Some(Annotation::new(level, code, &message, self.places.of(name)))
                }
                State::Refused(code) => {
                    let refuses = |g: &&orgo_host::run::GateOutcome| {
                        g.record.stage == *name && g.record.decision == Decision::Fail
                    };
                    let gate = outcome.gates.iter().find(refuses)?;
                    let codes: Vec<&str> = gate.record.reason_codes.iter().map(|code| code.as_str()).collect();
                    let gate = &gate.record.gate;
                    let message = format!("gate `{gate}` of `{pipeline}` lets `{name}` not run: {}", codes.join(", "));
                    Some(Annotation::new(level, code, &message, self.places.of(gate)))
                }
                State::Waiting
                | State::Deciding
                | State::Asking
                | State::Looking
                | State::Ready
                | State::Running
                | State::Paused(_)
                | State::Done { .. }
                | State::Unapproved(_)
                | State::Skipped(_) => None,
            }
        })
    }
}

fn why(stage: &StageOutcome, code: ReasonCode) -> String {
    let how = stage.attempts.last().map(how).filter(|how| !how.is_empty());
    how.unwrap_or_else(|| code.meaning().to_owned())
}

/// A line that GitHub takes for no command.
fn tame(line: &str) -> String {
    let line = line.replace("##[", "## [");
    if line.trim_start().starts_with("::") { line.replacen("::", ": :", 1) } else { line }
}

#[cfg(test)]
mod tests {
    use super::tame;

    #[test]
    fn no_line_of_ours_is_a_command() {
        assert_eq!(tame("  ::add-mask::x"), "  : :add-mask::x");
        assert_eq!(tame("FAIL  s ##[error]x"), "FAIL  s ## [error]x");
        assert_eq!(tame("critical  a::b"), "critical  a::b");
    }
}
