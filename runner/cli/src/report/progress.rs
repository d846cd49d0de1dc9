//! The bar: how much is done, what runs, and how long it may still take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use orgo_kernel::graph::StageId;
use orgo_kernel::plan::Resolved;

use crate::output::Output;

/// How many running stages are named.
const NAMED: usize = 3;

/// A bar on terminals; nothing elsewhere.
pub(super) struct Progress<'p> {
    plan: &'p Resolved,
    bar: ProgressBar,
    jobs: u64,
    running: BTreeMap<StageId, Instant>,
    /// How long stages took when they last ran, in milliseconds; empty if nothing is shown.
    history: Vec<u64>,
    /// The sum over all stages that have not ended.
    left_ms: u64,
}

impl<'p> Progress<'p> {
    pub(super) fn new(output: Output, plan: &'p Resolved, total: usize, jobs: u32) -> Self {
        let target = if output.quiet || output.json {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(8)
        };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        let style =
            ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        Self { plan, bar, jobs: u64::from(jobs.max(1)), running: BTreeMap::new(), history: Vec::new(), left_ms: 0 }
    }

    /// Learns how long stages took when they last ran; a stage that never did is taken to be like the others.
    pub(super) fn begin(&mut self, wanted: &[bool], took_ms: &dyn Fn(StageId) -> Option<u64>) {
        if self.bar.is_hidden() {
            return;
        }
        let known: Vec<Option<u64>> =
            self.plan.graph.stages().map(|s| if wanted[s.index()] { took_ms(s) } else { Some(0) }).collect();
        let all: Vec<u64> = known.iter().flatten().copied().filter(|ms| *ms > 0).collect();
        let usual = all.iter().sum::<u64>() / (all.len() as u64).max(1);
        self.history = known.into_iter().map(|ms| ms.unwrap_or(usual)).collect();
        self.left_ms = self.history.iter().sum();
        self.bar.enable_steady_tick(Duration::from_millis(500));
    }

    /// Goes on with a plan that has more stages; nothing is known of how long they take.
    pub(super) fn grow(&mut self, plan: &'p Resolved) {
        self.bar.inc_length((plan.stages.len() - self.plan.stages.len()) as u64);
        self.plan = plan;
    }

    /// A stage runs.
    pub(super) fn started(&mut self, stage: StageId) {
        self.running.insert(stage, Instant::now());
        self.show();
    }

    /// An attempt ended; the stage may run again.
    pub(super) fn paused(&mut self, stage: StageId) {
        self.running.remove(&stage);
        self.show();
    }

    /// A stage ended for good.
    pub(super) fn ended(&mut self, stage: StageId) {
        self.running.remove(&stage);
        self.left_ms = self.left_ms.saturating_sub(self.history.get(stage.index()).copied().unwrap_or(0));
        self.bar.inc(1);
        self.show();
    }

    /// Runs `print` while the bar is out of the way.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self) {
        if self.bar.is_hidden() {
            return;
        }
        let mut names: Vec<&str> = self.running.keys().take(NAMED).map(|s| self.plan.stage(*s).name.as_str()).collect();
        let more = format!("+{}", self.running.len().saturating_sub(NAMED));
        if self.running.len() > NAMED {
            names.push(&more);
        }
        let left = self.left();
        let eta = if left.is_zero() { String::new() } else { format!(", about {} left", duration(left)) };
        self.bar.set_message(format!("{}{eta}", names.join(" ")));
    }

    /// How long it may still take: all the work that is left, shared by the workers, and no less than what
    /// any running stage still needs.
    fn left(&self) -> Duration {
        let took = |s: &StageId| Duration::from_millis(self.history.get(s.index()).copied().unwrap_or(0));
        let longest = self.running.iter().map(|(s, since)| took(s).saturating_sub(since.elapsed())).max();
        Duration::from_millis(self.left_ms / self.jobs).max(longest.unwrap_or_default())
    }
}

/// A duration as people say it: `340 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(time: Duration) -> String {
    let ms = time.as_millis();
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}
