//! Lines for people, and a bar on terminals.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use orgo_host::process::Exit;
use orgo_host::run::{Attempt, Notice, RunOutcome};
use orgo_kernel::plan::Resolved;
use orgo_kernel::scheduler::State;
use orgo_spec::record::Decision;

use crate::output::{DIM, GREEN, Output, RED, RESET, YELLOW, plain};

/// Reports to people on standard error; the summary is the result and goes to standard output.
pub(super) struct Human<'p> {
    output: Output,
    plan: &'p Resolved,
    bar: ProgressBar,
    why: Vec<Option<String>>,
}

impl<'p> Human<'p> {
    pub(super) fn new(output: Output, plan: &'p Resolved, total: usize) -> Self {
        let target = if output.quiet || output.json {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(8)
        };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        let style =
            ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        Self { output, plan, bar, why: vec![None; plan.stages.len()] }
    }

    fn say(&self, line: &str) {
        if !self.output.quiet {
            self.bar.suspend(|| self.output.note(line));
        }
    }

    pub(super) fn notice(&mut self, notice: &Notice<'_>) {
        match notice {
            Notice::Hit(id) => {
                self.bar.inc(1);
                if self.output.verbose {
                    self.say(&format!("{DIM}hit   {}{RESET}", self.plan.stage(*id).name));
                }
            }
            Notice::Miss(id, why) => {
                let text: Vec<String> = why.iter().map(ToString::to_string).collect();
                self.why[id.index()] = Some(text.join("; "));
            }
            Notice::Started(id, _) => self.bar.set_message(self.plan.stage(*id).name.clone()),
            Notice::Ended(id, attempt, end) => {
                let stage = self.plan.stage(*id);
                let ms = end.ended_ms - end.started_ms;
                match end.code {
                    None => {
                        self.bar.inc(1);
                        let why = self.why[id.index()].take().unwrap_or_default();
                        self.say(&format!(
                            "{GREEN}ran{RESET}   {:<24} {ms:>6} ms  {DIM}{}{RESET}",
                            stage.name,
                            plain(&why)
                        ));
                    }
                    Some(code) => {
                        let again = *attempt <= stage.retries;
                        let tail = if again {
                            format!(" (attempt {attempt} of {})", stage.retries + 1)
                        } else {
                            String::new()
                        };
                        self.say(&format!(
                            "{RED}FAIL{RESET}  {:<24} {ms:>6} ms  {code}: {}{tail}",
                            stage.name,
                            how(end)
                        ));
                    }
                }
            }
            Notice::Gate(gate) => {
                let codes: Vec<_> = gate.record.reason_codes.iter().map(|c| c.as_str()).collect();
                if gate.record.decision == Decision::Pass {
                    self.say(&format!("{GREEN}PASS{RESET}  gate {} before {}", gate.record.gate, gate.record.stage));
                } else {
                    self.say(&format!(
                        "{RED}FAIL{RESET}  gate {} before {}: {}",
                        gate.record.gate,
                        gate.record.stage,
                        codes.join(", ")
                    ));
                }
            }
            Notice::Unplanned(id, message) => {
                self.say(&format!("{RED}FAIL{RESET}  {:<24} {}", self.plan.stage(*id).name, plain(message)));
            }
            Notice::Skipped(id) => {
                if self.output.verbose || self.plan.stages.len() < 40 {
                    self.say(&format!("{YELLOW}skip{RESET}  {}", self.plan.stage(*id).name));
                }
            }
        }
    }

    pub(super) fn finish(&mut self, outcome: &RunOutcome) {
        self.bar.finish_and_clear();
        let bad = |s: &&State| matches!(s, State::Failed(_) | State::Refused(_));
        let skipped = outcome.stages.iter().filter(|s| matches!(s.state, State::Skipped(_))).count();
        let failed = outcome.stages.iter().map(|s| &s.state).filter(bad).count();
        let word = match (outcome.cancelled, outcome.succeeded()) {
            (true, _) => format!("{YELLOW}CANCELLED{RESET}"),
            (_, true) => format!("{GREEN}PASSED{RESET}"),
            (_, false) => format!("{RED}FAILED{RESET}"),
        };
        let counts = [outcome.ran(), outcome.hits(), failed, skipped];
        self.output.line(summary(&word, &self.plan.name, counts, outcome.ended_ms - outcome.started_ms));
        for path in &outcome.changed_sources {
            self.output.note(format!("{YELLOW}INPUT_CHANGED{RESET} `{}` changed while the run was under way; the run used it as it was before", plain(path)));
        }
        if failed > 0 && !self.output.quiet {
            for (stage, _) in
                self.plan.stages.iter().zip(&outcome.stages).filter(|(_, o)| matches!(o.state, State::Failed(_)))
            {
                self.output.note(format!("see what it printed: orgo log {} --pipeline {}", stage.name, self.plan.name));
            }
        }
    }
}

/// The last line of a run: how many stages ran, were hits, failed and were skipped, in how many milliseconds.
fn summary(word: &str, pipeline: &str, [ran, hits, failed, skipped]: [usize; 4], ms: i64) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!("{word} {pipeline}: {ran} ran, {hits} hits, {failed} failed, {skipped} skipped in {seconds}.{ms:03} s")
}

/// The last line of a run in which every stage was a hit.
pub(crate) fn unchanged(pipeline: &str, stages: usize, ms: i64) -> String {
    summary(&format!("{GREEN}PASSED{RESET}"), pipeline, [0, stages, 0, 0], ms)
}

fn how(end: &Attempt) -> String {
    let message = end.message.as_deref().map(plain);
    match (end.exit, message) {
        (_, Some(message)) => message,
        (Some(Exit::Code(code)), None) => format!("exit code {code}"),
        (Some(Exit::Signal(signal)), None) => format!("ended by signal {signal}"),
        (Some(Exit::Timeout), None) => "ran longer than its timeout".to_owned(),
        (Some(Exit::Cancelled), None) => "cancelled".to_owned(),
        (None, None) => String::new(),
    }
}
