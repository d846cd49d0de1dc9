//! `orgo lock --check`: every pin beside what is there; changes nothing.

use orgo_spec::ReasonCode;
use orgo_spec::lock::{Drift, Lock};
use serde_json::{Value, json};

use super::Used;
use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::pins;

/// Tells every difference, and refuses if there is one.
pub(super) fn run(context: &Context, lock: Option<&Lock>, used: &Used) -> Result<(), Failure> {
    let Some(lock) = lock else {
        let code = ReasonCode::LockMissing;
        return Err(Failure::message(Class::Refused, Some(code), "the repository has no `orgo.lock`", code.remedy()));
    };
    let mut rows: Vec<Value> = Vec::new();
    for (subject, (code, message)) in &used.found.absent {
        context.output.line(format!("{code} {}: {message}", subject.describe()));
        context.output.line(format!("    {}", code.remedy()));
        let stage = used.stages.get(subject);
        rows.push(json!({ "code": code, "subject": subject, "stage": stage, "message": message, "help": code.remedy(), "parts": [] }));
    }
    // What is used and not to be had was told.
    let drifts = lock.drift(&used.found.lock, &used.platform);
    for drift in drifts.iter().filter(|d| !used.found.absent.contains_key(&d.subject)) {
        let help = pins::help(drift);
        let message = told(drift);
        context.output.line(format!("{} {message}", drift.code));
        if drift.code == ReasonCode::LockDrifted {
            for part in &drift.parts {
                context.output.line(format!("    {}", part.describe()));
            }
        }
        context.output.line(format!("    {help}"));
        let stage = used.stages.get(&drift.subject);
        rows.push(json!({ "code": drift.code, "subject": drift.subject, "stage": stage, "message": message, "help": help, "parts": drift.parts }));
    }
    let holds = rows.is_empty();
    if holds {
        let pins: usize = lock.iter().map(|(_, parts)| parts.len()).sum();
        context.output.line(format!("orgo.lock holds: {pins} pins"));
    }
    context.output.document(&json!({
        "schema": "orgo.lock-check/1",
        "platform": used.platform,
        "holds": holds,
        "drift": rows,
    }));
    if holds { Ok(()) } else { Err(Failure::told(Class::Refused)) }
}

fn told(drift: &Drift) -> String {
    let what = drift.subject.describe();
    if drift.code == ReasonCode::LockMissing {
        format!("{what} is used and not pinned")
    } else if drift.code == ReasonCode::LockExtra {
        format!("{what} is pinned and not used")
    } else {
        format!("{what} is not what is pinned")
    }
}
