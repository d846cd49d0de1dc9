//! Nodes to retries, pools and what else tells how stages are run.

use super::{PipelineRuntime, Pool, PoolUse, Retry, Service, StageRuntime};
use crate::ReasonCode;
use crate::document::{DurationMs, Fields, Node, Problem, Problems, Spanned};

/// How often a stage is tried again at most.
pub(in crate::pipeline) const MAX_RETRIES: u32 = 10;
/// What each further pause is multiplied with, unless told.
const DEFAULT_FACTOR: u32 = 2;
/// The longest pause, unless told.
const DEFAULT_MAX: DurationMs = DurationMs(3_600_000);

impl PipelineRuntime {
    /// Takes the fields of a `pipeline` that say what its stages share.
    pub(in crate::pipeline) fn decode(fields: &mut Fields<'_>, problems: &mut Problems) -> Self {
        let pools = fields.children("pool").into_iter().filter_map(|node| pool(node, problems)).collect();
        let services: Vec<Service> =
            fields.children("service").into_iter().filter_map(|node| Service::decode(node, problems)).collect();
        Self { pools, services }
    }
}

impl StageRuntime {
    /// Takes the fields of a `stage` that say how it is run.
    pub(in crate::pipeline) fn decode(fields: &mut Fields<'_>, problems: &mut Problems) -> Self {
        let retry = fields.child("retry", problems).and_then(|node| retry(node, problems));
        let pools = fields.children("pool").into_iter().filter_map(|node| pool_use(node, problems)).collect();
        let mutexes = fields.list("mutex", problems);
        let optional = fields.one("optional", problems);
        let finally = fields.one("finally", problems);
        let needs = fields.list("needs", problems);
        Self { retry, pools, mutexes, optional, finally, needs }
    }
}

/// Reports a number that is out of its range.
pub(in crate::pipeline) fn between(value: &Spanned<u32>, what: &str, least: u32, most: u32, problems: &mut Problems) {
    if !(least..=most).contains(&value.value) {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, format!("{what} is {} here", value.value), value.span)
                .label(format!("expected a number from {least} to {most}")),
        );
    }
}

fn retry(node: &Node, problems: &mut Problems) -> Option<Retry> {
    let mut fields = Fields::new(node);
    let times = fields.required::<u32>("times", problems);
    let on_exit = fields.list::<u32>("on-exit", problems);
    let on_timeout = fields.one::<bool>("on-timeout", problems);
    let backoff = fields.one("backoff", problems);
    let factor = fields.one::<u32>("factor", problems);
    let max = fields.one("max", problems);
    fields.finish(problems);
    if let Some(times) = &times {
        between(times, "`times`", 1, MAX_RETRIES, problems);
    }
    if let Some(factor) = &factor {
        between(factor, "`factor`", 1, 100, problems);
    }
    on_exit.iter().for_each(|code| between(code, "an exit code", 1, 255, problems));
    if backoff.is_none()
        && let Some(span) = factor.as_ref().map(|f| f.span).or(max.as_ref().map(|m: &Spanned<DurationMs>| m.span))
    {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "there is no pause that this could change", span)
                .help("add `backoff \"1s\"`, the pause before the second attempt"),
        );
    }
    let mut codes: Vec<u32> = on_exit.into_iter().map(|c| c.value).collect();
    codes.sort_unstable();
    codes.dedup();
    Some(Retry {
        times: times?.value,
        on_timeout: on_timeout.map_or(codes.is_empty(), |o| o.value),
        on_exit: codes,
        backoff: backoff.map(|b| b.value),
        factor: factor.map_or(DEFAULT_FACTOR, |f| f.value),
        max: max.map_or(DEFAULT_MAX, |m| m.value),
    })
}

fn pool(node: &Node, problems: &mut Problems) -> Option<Pool> {
    let mut fields = Fields::new(node);
    let name = fields.arg("a name", problems);
    let capacity = fields.required::<u32>("capacity", problems);
    fields.finish(problems);
    if let Some(capacity) = &capacity {
        between(capacity, "`capacity`", 1, 1_000_000, problems);
    }
    Some(Pool { name: name?, capacity: capacity? })
}

fn pool_use(node: &Node, problems: &mut Problems) -> Option<PoolUse> {
    let mut fields = Fields::new(node);
    let pool = fields.arg("the name of a pool", problems);
    let weight = fields.one::<u32>("weight", problems);
    fields.finish(problems);
    if let Some(weight) = &weight {
        between(weight, "`weight`", 1, 1_000_000, problems);
    }
    let weight = weight.unwrap_or(Spanned::new(1, node.name.span));
    Some(PoolUse { pool: pool?, weight })
}
