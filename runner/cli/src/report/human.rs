//! Lines for people, and a bar on terminals.

mod logs;

use std::borrow::Cow;
use std::time::Duration;

use orgo_host::process::Exit;
use orgo_host::run::{ApprovalOutcome, Attempt, Notice, RunOutcome, ServiceNews};
use orgo_host::store::Store;
use orgo_kernel::graph::StageId;
use orgo_kernel::plan::Resolved;
use orgo_kernel::scheduler::State;
use orgo_spec::record::{ApprovalDecision, Decision};

use super::FlakyStage;
use super::folds::Folds;
use super::progress::{Progress, duration};
use crate::output::{DIM, GREEN, Output, RED, RESET, YELLOW, plain};

/// How many of the last lines of a failed stage's log are shown.
const LINES: usize = 30;

/// Reports to people on standard error; the summary is the result and goes to standard output.
pub(super) struct Human<'p> {
    output: Output,
    plan: &'p Resolved,
    wanted: &'p [bool],
    store: &'p Store,
    /// Whether lines were shown while they were printed.
    stream: bool,
    progress: Progress<'p>,
    why: Vec<Option<String>>,
    /// Where a code host shows what is said.
    folds: Option<Folds>,
}

impl<'p> Human<'p> {
    pub(super) fn new(
        output: Output,
        plan: &'p Resolved,
        wanted: &'p [bool],
        store: &'p Store,
        stream: bool,
        jobs: u32,
        folds: Option<Folds>,
    ) -> Self {
        let total = wanted.iter().filter(|w| **w).count();
        let progress = Progress::new(output, plan, total, jobs);
        Self { output, plan, wanted, store, stream, progress, why: vec![None; plan.stages.len()], folds }
    }

    /// Goes on with a plan that has more stages.
    pub(super) fn grow(&mut self, plan: &'p Resolved) {
        self.plan = plan;
        self.why.resize(plan.stages.len(), None);
        self.progress.grow(plan);
    }

    fn say(&self, line: &str) {
        if !self.output.quiet {
            self.insist(line);
        }
    }

    /// Says what matters even to those who want to hear little.
    fn insist(&self, line: &str) {
        let line = self.folds.as_ref().map_or(Cow::Borrowed(line), |folds| Cow::Owned(folds.tame(line)));
        self.progress.aside(|| self.output.warn(line));
    }

    pub(super) fn notice(&mut self, notice: &Notice<'_>) {
        match notice {
            Notice::Begin(took_ms) => self.progress.begin(self.wanted, took_ms),
            Notice::Hit(id) => {
                self.progress.ended(*id);
                if self.output.verbose {
                    self.say(&format!("{DIM}hit   {}{RESET}", self.plan.stage(*id).name));
                }
            }
            Notice::Miss(id, why) => {
                let text: Vec<String> = why.iter().map(ToString::to_string).collect();
                self.why[id.index()] = Some(text.join("; "));
            }
            Notice::Started(id, _) => self.progress.started(*id),
            Notice::Ended(id, attempt, end) => self.ended(*id, *attempt, end),
            Notice::Paused(id, ms) => {
                let name = &self.plan.stage(*id).name;
                self.say(&format!("{YELLOW}wait{RESET}  {name:<24} next attempt in {}", said(*ms)));
            }
            Notice::Printed(id, text) => {
                let name = &self.plan.stage(*id).name;
                if !self.output.quiet {
                    self.foreign(|| text.lines().for_each(|line| self.print(name, line)));
                }
            }
            Notice::Service(name, news) => match news {
                ServiceNews::Started => self.say(&format!("{DIM}start service {name}{RESET}")),
                ServiceNews::Ready => self.say(&format!("{DIM}ready service {name}{RESET}")),
                ServiceNews::Ended => self.say(&format!("{DIM}ended service {name}{RESET}")),
                ServiceNews::Gone(why) => self.insist(&format!("{RED}FAIL{RESET}  service {name}: {}", plain(why))),
            },
            Notice::Gate(gate) => {
                let codes: Vec<_> = gate.record.reason_codes.iter().map(|c| c.as_str()).collect();
                let (name, stage) = (&gate.record.gate, &gate.record.stage);
                if let Some(id) = gate.record.override_ref {
                    let lifted = plain(&gate.record.lifted.join(", "));
                    let text = format!("gate {name} before {stage}: {lifted} lifted by the override {}", id.short());
                    self.insist(&format!("{YELLOW}PASS{RESET}  {text}"));
                } else if gate.record.decision == Decision::Pass {
                    self.say(&format!("{GREEN}PASS{RESET}  gate {name} before {stage}"));
                } else {
                    self.insist(&format!("{RED}FAIL{RESET}  gate {name} before {stage}: {}", codes.join(", ")));
                    if gate.liftable {
                        let pipeline = &self.plan.name;
                        self.insist(&format!(
                            "      people may lift it: orgo override new {pipeline} {name} --reason …"
                        ));
                    }
                }
            }
            Notice::Approval(outcome) => self.approval(outcome),
            Notice::Unplanned(id, message) => {
                self.progress.ended(*id);
                self.insist(&format!("{RED}FAIL{RESET}  {:<24} {}", self.plan.stage(*id).name, plain(message)));
            }
            Notice::Listed(stage, items) => self.say(&format!("{DIM}list  {stage:<24} {items} items{RESET}")),
            Notice::Cache { name, fault, given_up } => {
                let rest = if *given_up { "; it is not asked again in this run" } else { "" };
                self.insist(&format!("{YELLOW}cache{RESET} {}: {}{rest}", plain(name), plain(fault)));
            }
            Notice::Grown => {}
            Notice::Skipped(id) => {
                if self.output.verbose || self.plan.stages.len() < 40 {
                    self.say(&format!("{YELLOW}skip{RESET}  {}", self.plan.stage(*id).name));
                }
            }
        }
    }

    fn approval(&self, outcome: &ApprovalOutcome) {
        let entry = &outcome.entry;
        let who: Vec<&str> = outcome.votes.iter().filter(|v| v.refused.is_none()).map(|v| v.who.as_str()).collect();
        let who = if who.is_empty() { String::new() } else { format!(" ({})", who.join(", ")) };
        let (name, stage) = (&entry.approval, &entry.stage);
        let count = format!("{} of {} approve{who}", entry.approvers.len(), entry.need);
        if entry.decision == ApprovalDecision::Granted {
            return self.say(&format!("{GREEN}PASS{RESET}  approval {name} before {stage}: {}", plain(&count)));
        }
        self.insist(&format!("{YELLOW}WAIT{RESET}  approval {name} before {stage}: {}", plain(&count)));
        for vote in &outcome.votes {
            if let Some(code) = vote.refused {
                self.insist(&format!("      {} does not count: {code}", plain(&vote.who)));
            }
        }
        for unknown in &outcome.unknown {
            self.insist(&format!("      {}", plain(unknown)));
        }
        self.insist(&format!("      approve it: orgo approve {} {stage}", self.plan.name));
    }

    fn ended(&mut self, id: StageId, attempt: u32, end: &Attempt) {
        let stage = self.plan.stage(id);
        let name = &stage.name;
        let ms = end.ended_ms - end.started_ms;
        let Some(code) = end.code else {
            self.progress.ended(id);
            let why = self.why[id.index()].take().unwrap_or_default();
            let folded = !self.output.quiet && self.fold(&format!("ran   {name}  {ms} ms  {why}"), end, 0);
            if folded {
                return;
            }
            self.say(&format!("{GREEN}ran{RESET}   {name:<24} {ms:>6} ms  {DIM}{}{RESET}", plain(&why)));
            if self.output.verbose && !self.stream {
                self.show_log(end.log, usize::MAX);
            }
            return;
        };
        let again = stage.again_after_ms(attempt, code, end.exit.and_then(Exit::exit_code)).is_some();
        let tail = match (again, stage.is_optional()) {
            (true, _) => format!(" (attempt {attempt} of {})", stage.retries + 1),
            (false, true) => " (optional)".to_owned(),
            (false, false) => String::new(),
        };
        if again {
            self.progress.paused(id);
        } else {
            self.progress.ended(id);
        }
        // The last lines of it are seen without unfolding.
        let folded = !(again && self.output.quiet)
            && self.fold(&format!("what {name} printed"), end, if again { 0 } else { LINES });
        let line = format!("{RED}FAIL{RESET}  {name:<24} {ms:>6} ms  {code}: {}{tail}", how(end));
        if again {
            self.say(&line)
        } else {
            self.insist(&line)
        }
        if !self.stream && !again {
            self.show_log(end.log, if self.output.verbose && !folded { usize::MAX } else { LINES });
        }
    }

    pub(super) fn finish(&mut self, outcome: &RunOutcome, flaky: &[FlakyStage]) {
        self.progress.finish();
        for stage in flaky.iter().filter(|stage| stage.ran) {
            let name = &self.plan.stage(stage.id).name;
            self.insist(&format!("{YELLOW}FLAKY{RESET} {name:<24} {}", super::flaky_words(&stage.flaky)));
        }
        self.folds.iter().for_each(|folds| folds.remark(self.plan, outcome));
        let bad = |s: &&State| matches!(s, State::Failed(_) | State::Refused(_));
        let skipped = outcome.stages.iter().filter(|s| matches!(s.state, State::Skipped(_))).count();
        let failed = outcome.stages.iter().map(|s| &s.state).filter(bad).count();
        let word = match (outcome.cancelled, outcome.succeeded()) {
            (true, _) => format!("{YELLOW}CANCELLED{RESET}"),
            (_, true) => format!("{GREEN}PASSED{RESET}"),
            (_, false) if outcome.is_waiting() => format!("{YELLOW}WAITING{RESET}"),
            (_, false) => format!("{RED}FAILED{RESET}"),
        };
        let counts = [outcome.ran(), outcome.hits(), failed, skipped];
        let waiting = outcome.stages.iter().filter(|s| matches!(s.state, State::Unapproved(_))).count();
        self.output.line(summary(&word, &self.plan.name, counts, waiting, outcome.ended_ms - outcome.started_ms));
        if !self.output.quiet {
            for line in super::summary::lines(self.plan, outcome, flaky) {
                self.say(&line);
            }
        }
        for path in &outcome.changed_sources {
            self.say(&format!("{YELLOW}INPUT_CHANGED{RESET} `{}` changed while the run was under way; the run used it as it was before", plain(path)));
        }
        if failed > 0 && !self.output.quiet {
            for (stage, outcome) in self
                .plan
                .stages
                .iter()
                .zip(&outcome.stages)
                .filter(|(_, o)| matches!(o.state, State::Failed(_)) && !o.attempts.is_empty())
            {
                let (name, pipeline) = (&stage.name, &self.plan.name);
                self.say(&format!("see what it printed: orgo log {name} --pipeline {pipeline}"));
                if outcome.attempts.last().is_some_and(|attempt| attempt.kept) {
                    self.say(&format!("look around where it failed: orgo shell {pipeline} {name}"));
                }
            }
        }
    }
}

/// The last line of a run: how many stages ran, were hits, failed and were skipped, in how many milliseconds.
fn summary(word: &str, pipeline: &str, [ran, hits, failed, skipped]: [usize; 4], waiting: usize, ms: i64) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let waits = if waiting > 0 { format!(", {waiting} waiting") } else { String::new() };
    format!(
        "{word} {pipeline}: {ran} ran, {hits} hits, {failed} failed, {skipped} skipped{waits} in {seconds}.{ms:03} s"
    )
}

/// The last line of a run in which every stage was a hit.
pub(crate) fn unchanged(pipeline: &str, stages: usize, ms: i64) -> String {
    summary(&format!("{GREEN}PASSED{RESET}"), pipeline, [0, stages, 0, 0], 0, ms)
}

fn said(ms: u64) -> String {
    duration(Duration::from_millis(ms))
}

/// The last lines of a log, as text.
pub(crate) fn last_lines(log: &[u8], most: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(most)..].iter().map(|l| (*l).to_owned()).collect()
}

/// How an attempt ended badly, in a few words.
pub(crate) fn how(end: &Attempt) -> String {
    let message = end.message.as_deref().map(plain);
    let hint = end.hint.as_deref().map_or_else(String::new, |hint| format!("; {}", plain(hint)));
    let how = match (end.exit, message) {
        (_, Some(message)) => message,
        (Some(Exit::Code(code)), None) => format!("exit code {code}"),
        (Some(Exit::Signal(signal)), None) => format!("ended by signal {signal}"),
        (Some(Exit::Timeout), None) => "ran longer than its timeout".to_owned(),
        (Some(Exit::Cancelled), None) => "cancelled".to_owned(),
        (None, None) => String::new(),
    };
    how + &hint
}
