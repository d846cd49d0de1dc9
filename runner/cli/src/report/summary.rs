//! What a run came to: the table at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use orgo_host::run::RunOutcome;
use orgo_kernel::graph::StageId;
use orgo_kernel::path::critical_path;
use orgo_kernel::plan::Resolved;
use orgo_kernel::scheduler::State;
use orgo_kernel::why::tally;
use orgo_spec::record::Origin;

use super::FlakyStage;
use super::progress::duration;
use crate::output::plain;

/// How many of the slowest stages are named.
const SLOWEST: usize = 5;
/// How many stages of the critical path are named.
const PATH: usize = 12;
/// Time saved is told from this many milliseconds on.
const WORTH_TELLING: u64 = 100;

/// Where the time of a run went.
pub(crate) struct Times {
    /// What stages that were answered from the cache took when they ran, in milliseconds.
    pub(crate) saved_ms: u64,
    /// What each stage took in this run, the longest first, in milliseconds.
    pub(crate) slowest: Vec<(StageId, u64)>,
    /// The chain that decided how long the run took, and its sum in milliseconds.
    pub(crate) critical: (u64, Vec<StageId>),
}

impl Times {
    /// Looks at what ran; of a run in which nothing did, there is only what it saved.
    pub(crate) fn of(plan: &Resolved, outcome: &RunOutcome) -> Self {
        let took = |id: StageId| {
            let attempts = &outcome.stages[id.index()].attempts;
            attempts.iter().map(|a| u64::try_from(a.ended_ms - a.started_ms).unwrap_or(0)).sum::<u64>()
        };
        let mut slowest: Vec<(StageId, u64)> = plan
            .graph
            .stages()
            .filter(|id| !outcome.stages[id.index()].attempts.is_empty())
            .map(|id| (id, took(id)))
            .collect();
        slowest.sort_by_key(|(id, ms)| (std::cmp::Reverse(*ms), *id));
        let critical = if slowest.is_empty() {
            (0, Vec::new())
        } else {
            critical_path(&plan.graph, &plan.graph.topological().unwrap_or_default(), took)
        };
        Self { saved_ms: outcome.saved_ms(), slowest, critical }
    }
}

/// How many stages the cache did not answer, by the first reason of each.
pub(crate) fn misses(outcome: &RunOutcome) -> Vec<(&'static str, usize)> {
    tally(outcome.stages.iter().map(|stage| stage.why.as_slice()))
}

/// How many results were not made here, by where they came from.
pub(crate) fn elsewhere(outcome: &RunOutcome) -> BTreeMap<&Origin, usize> {
    let mut found = BTreeMap::new();
    for origin in outcome.stages.iter().filter_map(|stage| stage.origin.as_ref()) {
        *found.entry(origin).or_insert(0) += 1;
    }
    found
}

/// The lines of the table; none, if there is nothing to learn from them.
pub(super) fn lines(plan: &Resolved, outcome: &RunOutcome, flaky: &[FlakyStage]) -> Vec<String> {
    let times = Times::of(plan, outcome);
    let said = |ms: u64| duration(Duration::from_millis(ms));
    let name = |id: &StageId| plan.stage(*id).name.as_str();
    let mut lines = Vec::new();
    if times.saved_ms >= WORTH_TELLING {
        lines.push(format!("  saved     {} by {} hits", said(times.saved_ms), outcome.hits()));
    }
    let elsewhere = elsewhere(outcome);
    if !elsewhere.is_empty() {
        let told: Vec<String> = elsewhere.iter().map(|(origin, n)| format!("{n} from {origin}")).collect();
        lines.push(format!("  borrowed  {}", plain(&told.join(", "))));
    }
    let missed = misses(outcome);
    if !missed.is_empty() {
        let told: Vec<String> = missed.iter().map(|(name, n)| format!("{n} {name}")).collect();
        lines.push(format!("  missed    {}", told.join(", ")));
    }
    if times.slowest.len() > 1 {
        let named: Vec<String> =
            times.slowest.iter().take(SLOWEST).map(|(id, ms)| format!("{} {}", name(id), said(*ms))).collect();
        lines.push(format!("  slowest   {}", named.join(", ")));
    }
    let (total, path) = times.critical;
    if path.len() > 1 {
        let mut named: Vec<&str> = path.iter().take(PATH).map(name).collect();
        if path.len() > PATH {
            named.push("…");
        }
        let whole = u64::try_from(outcome.ended_ms - outcome.started_ms).unwrap_or(0);
        lines.push(format!("  critical  {}: {} of {}", named.join(" → "), said(total), said(whole)));
    }
    let known: Vec<&str> = flaky.iter().filter(|s| !s.ran).take(PATH).map(|s| name(&s.id)).collect();
    if !known.is_empty() {
        lines.push(format!("  flaky     {}: known from before, see `orgo flaky`", known.join(", ")));
    }
    let tolerated: Vec<&str> = plan
        .stages
        .iter()
        .zip(&outcome.stages)
        .filter(|(s, o)| s.is_optional() && matches!(o.state, State::Failed(_)))
        .map(|(s, _)| s.name.as_str())
        .collect();
    if !tolerated.is_empty() {
        lines.push(format!("  optional  {} failed, which does not fail the run", tolerated.join(", ")));
    }
    lines
}
