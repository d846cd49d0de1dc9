//! The bar: how much is done, what runs, and how long it may still take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use orgo_kernel::graph::StageId;
use orgo_kernel::plan::Resolved;

use super::estimate::Estimate;
use crate::output::Output;

/// How many running stages are named.
const NAMED: usize = 3;

/// A bar on terminals; nothing elsewhere.
pub(super) struct Progress<'p> {
    plan: &'p Resolved,
    bar: ProgressBar,
    jobs: u32,
    running: BTreeMap<StageId, Instant>,
    /// None, if nothing is shown.
    estimate: Option<Estimate>,
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
        Self { plan, bar, jobs, running: BTreeMap::new(), estimate: None }
    }

    /// Learns how long stages took when they last ran.
    pub(super) fn begin(&mut self, wanted: &[bool], took_ms: &dyn Fn(StageId) -> Option<u64>) {
        if self.bar.is_hidden() {
            return;
        }
        self.estimate = Some(Estimate::new(&self.plan.graph, self.jobs, wanted, took_ms));
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
        if let Some(estimate) = &mut self.estimate {
            estimate.ended(stage);
        }
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
        let running = self.running.iter().map(|(stage, since)| (*stage, since.elapsed()));
        let left = self.estimate.as_ref().map_or(Duration::ZERO, |estimate| estimate.left(running));
        let eta = if left.is_zero() { String::new() } else { format!(", about {} left", duration(left)) };
        self.bar.set_message(format!("{}{eta}", names.join(" ")));
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
