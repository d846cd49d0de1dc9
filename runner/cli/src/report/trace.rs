//! A run as a trace for the viewers of browsers (`chrome://tracing`, Perfetto): the Trace Event Format, JSON.

use std::path::Path;

use orgo_host::file::replace;
use orgo_host::run::RunOutcome;
use orgo_kernel::plan::Resolved;
use orgo_kernel::scheduler::State;
use serde_json::{Value, json};

use super::moments::moments;
use crate::failure::Failure;
use crate::output::without_secrets;

/// The row of what takes no time.
const MOMENTS: u32 = 0;

/// Writes one complete event for every attempt, in as few rows as did not overlap, and in a row of their own instant events
/// for what the cache answered and what gates decided.
///
/// # Errors
/// [`Failure`] if the file cannot be written.
pub(super) fn write(path: &Path, plan: &Resolved, outcome: &RunOutcome) -> Result<(), Failure> {
    let ms = |at: i64| (at - outcome.started_ms) * 1000;
    let mut attempts: Vec<(i64, i64, Value)> = Vec::new();
    for (stage, o) in plan.stages.iter().zip(&outcome.stages) {
        for (number, a) in (1..).zip(&o.attempts) {
            let number: u32 = number;
            let why: Vec<String> = o.why.iter().map(ToString::to_string).collect();
            let args = json!({ "attempt": number, "code": a.code, "key": o.keyed.as_ref().map(|k| k.key), "why": why });
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
    let instants = instants(plan, outcome, ms);
    if !instants.is_empty() {
        events.push(json!({
            "name": "thread_name", "ph": "M", "pid": 1, "tid": MOMENTS, "args": { "name": "cache and gates" },
        }));
        events.extend(instants);
    }
    let document = json!({ "displayTimeUnit": "ms", "traceEvents": events });
    Ok(replace(path, without_secrets(&document.to_string()).as_bytes())?)
}

/// What the cache answered, and what gates decided.
fn instants(plan: &Resolved, outcome: &RunOutcome, ms: impl Fn(i64) -> i64) -> Vec<Value> {
    let moments = moments(plan, outcome);
    let event = |name: &str, category: &str, at: i64, args: Value| {
        json!({
            "name": name, "cat": category, "ph": "i", "s": "t", "pid": 1, "tid": MOMENTS, "ts": ms(at), "args": args,
        })
    };
    let mut events = Vec::new();
    for ((stage, o), at) in plan.stages.iter().zip(&outcome.stages).zip(&moments) {
        if matches!(o.state, State::Done { hit: true }) && o.attempts.is_empty() {
            let args = json!({ "key": o.keyed.as_ref().map(|k| k.key), "origin": o.origin, "saved_ms": o.duration_ms });
            events.push(event(&stage.name, "hit", *at, args));
        }
    }
    for gate in &outcome.gates {
        let record = &gate.record;
        let behind = plan.find(&record.stage).and_then(|id| moments.get(id.index()));
        let args = json!({ "stage": record.stage, "decision": record.decision, "reason_codes": record.reason_codes });
        let name = format!("gate {}", record.gate);
        events.push(event(&name, "gate", behind.copied().unwrap_or(outcome.ended_ms), args));
    }
    events
}
