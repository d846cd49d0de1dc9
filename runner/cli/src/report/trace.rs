//! A run as a trace for the viewers of browsers (`chrome://tracing`, Perfetto): the Trace Event Format, JSON.

use std::path::Path;

use orgo_host::file::replace;
use orgo_host::run::RunOutcome;
use orgo_kernel::plan::Resolved;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::without_secrets;

/// Writes one complete event for every attempt, in as few rows as did not overlap.
///
/// # Errors
/// [`Failure`] if the file cannot be written.
pub(super) fn write(path: &Path, plan: &Resolved, outcome: &RunOutcome) -> Result<(), Failure> {
    let mut attempts: Vec<(i64, i64, Value)> = Vec::new();
    for (stage, o) in plan.stages.iter().zip(&outcome.stages) {
        for (number, a) in (1..).zip(&o.attempts) {
            let number: u32 = number;
            let why: Vec<String> = o.why.iter().map(ToString::to_string).collect();
            let args = json!({ "attempt": number, "code": a.code, "key": o.keyed.as_ref().map(|k| k.key), "why": why });
            let ms = |at: i64| (at - outcome.started_ms) * 1000;
            let event = json!({
                "name": stage.name, "cat": "stage", "ph": "X", "pid": 1,
                "ts": ms(a.started_ms), "dur": (a.ended_ms - a.started_ms) * 1000, "args": args,
            });
            attempts.push((a.started_ms, a.ended_ms, event));
        }
    }
    attempts.sort_by_key(|(started, ended, _)| (*started, *ended));
    let mut rows: Vec<i64> = Vec::new();
    let mut events = vec![json!({ "name": "process_name", "ph": "M", "pid": 1, "args": { "name": plan.name } })];
    for (started, ended, mut event) in attempts {
        let row = rows.iter().position(|end| *end <= started).unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(ended);
        }
        rows[row] = ended;
        event["tid"] = (row + 1).into();
        events.push(event);
    }
    let document = json!({ "displayTimeUnit": "ms", "traceEvents": events });
    Ok(replace(path, without_secrets(&document.to_string()).as_bytes())?)
}
