//! A run told as JSON.

use std::collections::BTreeMap;

use orgo_host::run::RunOutcome;
use orgo_kernel::plan::Resolved;
use orgo_kernel::scheduler::State;
use serde_json::{Value, json};

use crate::command::plan::parameters;
use crate::ledger::{Recorded, Variance};
use crate::report::{FlakyStage, Times, flaky_json, misses};

/// The result as JSON: `orgo.run/1`.
pub(super) fn summary(
    plan: &Resolved,
    outcome: &RunOutcome,
    recorded: Option<&Recorded>,
    variance: &[Variance],
    flaky: &[FlakyStage],
) -> Value {
    let stages: Vec<Value> = plan
        .stages
        .iter()
        .zip(&outcome.stages)
        .enumerate()
        .map(|(at, (stage, o))| {
            let (state, code) = match o.state {
                State::Done { hit: true } => ("hit", None),
                State::Done { hit: false } => ("ran", None),
                State::Failed(code) => ("failed", Some(code)),
                State::Refused(code) => ("refused", Some(code)),
                State::Unapproved(code) => ("waiting", Some(code)),
                State::Skipped(code) => ("skipped", Some(code)),
                State::Waiting
                | State::Deciding
                | State::Asking
                | State::Looking
                | State::Ready
                | State::Running
                | State::Paused(_) => ("open", None),
            };
            json!({
                "stage": stage.name,
                "state": state,
                "code": code,
                "key": o.keyed.as_ref().map(|k| k.key),
                "why": o.why,
                "attempts": o.attempts.len(),
                "optional": o.optional,
                "duration_ms": o.duration_ms,
                "flaky": flaky.iter().find(|f| f.id.index() == at).map(|f| flaky_json(&f.flaky)),
                "origin": o.origin,
                "confirmed": o.confirmed,
                "varied": variance.iter().find(|v| v.stage == stage.name).map_or(&[][..], |v| &v.varied),
            })
        })
        .collect();
    let times = Times::of(plan, outcome);
    json!({
        "schema": "orgo.run/1",
        "run": outcome.run,
        "pipeline": plan.name,
        "parameters": parameters(plan),
        "succeeded": outcome.succeeded(),
        "waiting": outcome.is_waiting(),
        "code": outcome.terminal_code(),
        "ran": outcome.ran(),
        "hits": outcome.hits(),
        "duration_ms": outcome.ended_ms - outcome.started_ms,
        "misses": misses(outcome).into_iter().collect::<BTreeMap<_, _>>(),
        "saved_ms": times.saved_ms,
        "critical_path": times.critical.1.iter().map(|id| &plan.stage(*id).name).collect::<Vec<_>>(),
        "stages": stages,
        "approvals": outcome.approvals.iter().map(crate::report::approval).collect::<Vec<_>>(),
        "record": recorded.map(|r| json!({
            "number": r.number,
            "id": r.id,
            "branch": r.branch,
            "lane": r.lane,
            "class": r.class,
            "confirmed": r.confirmed,
        })),
    })
}
