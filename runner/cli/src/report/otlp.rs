//! A run as a trace of OpenTelemetry: one line of OTLP in JSON, as a collector's `otlp_json_file` receiver reads it.
//!
//! Names follow the semantic conventions for CI/CD: the run is a span of the kind *server*, each stage that ran one below
//! it, with links to the stages that it waited for, and attempts below a stage that had several. What the cache answered and
//! what gates decided are spans of no length. All ids follow from the run's.

mod moments;

use std::collections::BTreeSet;
use std::path::Path;

use orgo_host::file::replace;
use orgo_host::run::{Attempt, RunOutcome, StageOutcome};
use orgo_kernel::graph::StageId;
use orgo_kernel::plan::Resolved;
use orgo_kernel::scheduler::State;
use orgo_spec::{Digest, ReasonCode};
use serde_json::{Value, json};

use super::moments::moments;
use super::{FlakyStage, Times};
use crate::failure::Failure;
use crate::output::without_secrets;

/// The version of the semantic conventions that names follow.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const ERROR: u8 = 2;
/// Flags of a span whose parent is known to be in another process.
const REMOTE: u32 = 0x300;

/// What a service that started the run says of itself: W3C trace context, `TRACEPARENT`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parent {
    trace: String,
    span: String,
    flags: u8,
}

impl Parent {
    /// Reads `00-<trace>-<span>-<flags>`; what is not well-formed is no parent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let is_id = |text: &str, length| is_hex(text, length) && text.bytes().any(|b| b != b'0');
        let known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        let flags = u8::from_str_radix(flags, 16).ok().filter(|_| is_hex(flags, 2))?;
        (known && is_id(trace, 32) && is_id(span, 16)).then(|| Self { trace: trace.into(), span: span.into(), flags })
    }
}

/// Writes the file.
///
/// # Errors
/// [`Failure`] if it cannot be written.
pub(super) fn write(
    path: &Path,
    plan: &Resolved,
    outcome: &RunOutcome,
    flaky: &[FlakyStage],
    parent: Option<&Parent>,
) -> Result<(), Failure> {
    let document = document(plan, outcome, flaky, parent).to_string() + "\n";
    Ok(replace(path, without_secrets(&document).as_bytes())?)
}

fn document(plan: &Resolved, outcome: &RunOutcome, flaky: &[FlakyStage], parent: Option<&Parent>) -> Value {
    let times = Times::of(plan, outcome);
    let spans = Spans {
        plan,
        outcome,
        trace: parent.map_or_else(|| outcome.run.replace('-', ""), |parent| parent.trace.clone()),
        critical: times.critical.1.iter().copied().collect(),
        flaky: flaky.iter().map(|stage| stage.id).collect(),
        moments: moments(plan, outcome),
    };
    let mut all = vec![spans.root(parent, &times)];
    for id in plan.graph.stages() {
        spans.stage(id, &mut all);
        all.extend(spans.hit(id));
    }
    all.extend(outcome.gates.iter().map(|gate| spans.gate(gate)));
    let resource = [
        attribute("service.name", "orgo"),
        attribute("service.version", env!("CARGO_PKG_VERSION")),
        attribute("cicd.pipeline.name", plan.name.as_str()),
        attribute("cicd.pipeline.run.id", outcome.run.as_str()),
    ];
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "schemaUrl": SCHEMA_URL,
        "scopeSpans": [{ "scope": { "name": "orgo", "version": env!("CARGO_PKG_VERSION") }, "spans": all }],
    }] })
}

struct Spans<'o> {
    plan: &'o Resolved,
    outcome: &'o RunOutcome,
    trace: String,
    critical: BTreeSet<StageId>,
    flaky: BTreeSet<StageId>,
    /// When what every stage waits for was over.
    moments: Vec<i64>,
}

impl Spans<'_> {
    /// The id of a span: half a digest of what it is of.
    fn id(&self, of: &str) -> String {
        Digest::of(format!("{}/{of}", self.outcome.run).as_bytes()).hex()[..16].to_owned()
    }

    fn ran(&self, id: StageId) -> Option<(&Attempt, &Attempt, &StageOutcome)> {
        let stage = self.outcome.stages.get(id.index())?;
        Some((stage.attempts.first()?, stage.attempts.last()?, stage))
    }

    fn moment(&self, id: StageId) -> i64 {
        self.moments.get(id.index()).copied().unwrap_or(self.outcome.started_ms)
    }

    /// Links to the stages that one waited for, if they have spans.
    fn links(&self, id: StageId) -> Vec<Value> {
        let has_span = |id: &&StageId| self.ran(**id).is_some() || self.is_hit(**id);
        let link = |needed: &StageId| {
            let of = self.plan.stage(*needed).name.as_str();
            json!({ "traceId": self.trace, "spanId": self.id(of), "attributes": [attribute("orgo.link", "waited for")] })
        };
        self.plan.graph.dependencies(id).iter().filter(has_span).map(link).collect()
    }

    fn span(&self, of: &str, name: &str, [started_ms, ended_ms]: [i64; 2], kind: u8, attributes: Vec<Value>) -> Value {
        json!({
            "traceId": self.trace, "spanId": self.id(of), "name": name, "kind": kind,
            "startTimeUnixNano": nanos(started_ms), "endTimeUnixNano": nanos(ended_ms.max(started_ms)),
            "attributes": attributes,
        })
    }

    fn root(&self, parent: Option<&Parent>, times: &Times) -> Value {
        let outcome = self.outcome;
        let code = outcome.terminal_code();
        let critical: Vec<&str> = times.critical.1.iter().map(|id| self.plan.stage(*id).name.as_str()).collect();
        let mut attributes = vec![
            attribute("cicd.pipeline.action.name", "RUN"),
            attribute("cicd.pipeline.result", if outcome.is_waiting() { "waiting" } else { result(code) }),
            number("orgo.stages.ran", outcome.ran() as u64),
            number("orgo.stages.hit", outcome.hits() as u64),
            number("orgo.saved_ms", times.saved_ms),
            list("orgo.critical_path", critical.into_iter()),
        ];
        let code = code.filter(|_| !outcome.is_waiting());
        attributes.extend(code.map(|code| attribute("error.type", code.as_str())));
        let name = format!("RUN {}", self.plan.name);
        let mut span = self.span("", &name, [outcome.started_ms, outcome.ended_ms], SERVER, attributes);
        if let Some(parent) = parent {
            span["parentSpanId"] = parent.span.as_str().into();
            span["flags"] = (REMOTE | u32::from(parent.flags)).into();
        }
        failed(span, code)
    }

    fn stage(&self, id: StageId, all: &mut Vec<Value>) {
        let Some((first, last, stage)) = self.ran(id) else { return };
        let name = self.plan.stage(id).name.as_str();
        let code = last.code;
        let why: Vec<String> = stage.why.iter().map(ToString::to_string).collect();
        let mut attributes = vec![
            attribute("cicd.pipeline.task.name", name),
            attribute("cicd.pipeline.task.run.id", &format!("{}/{name}", self.outcome.run)),
            attribute("cicd.pipeline.task.run.result", result(code)),
            flag("orgo.hit", false),
            number("orgo.attempts", stage.attempts.len() as u64),
            list("orgo.why", why.iter().map(String::as_str)),
            flag("orgo.on_critical_path", self.critical.contains(&id)),
            flag("orgo.flaky", self.flaky.contains(&id)),
            flag("orgo.optional", stage.optional),
        ];
        attributes.extend(stage.keyed.as_ref().map(|keyed| attribute("orgo.key", &keyed.key.to_string())));
        attributes.extend(code.map(|code| attribute("error.type", code.as_str())));
        let mut span = self.span(name, name, [first.started_ms, last.ended_ms], INTERNAL, attributes);
        span["parentSpanId"] = self.id("").into();
        span["links"] = self.links(id).into();
        // What was given up before it was tried again is told by its attempt.
        let ended_badly = code.filter(|_| !matches!(stage.state, State::Done { .. }));
        all.push(failed(span, ended_badly));
        if stage.attempts.len() > 1 {
            all.extend((1u64..).zip(&stage.attempts).map(|(number, attempt)| self.attempt(name, number, attempt)));
        }
    }

    fn attempt(&self, stage: &str, count: u64, attempt: &Attempt) -> Value {
        let mut attributes = vec![number("orgo.attempt", count)];
        attributes.extend(attempt.code.map(|code| attribute("error.type", code.as_str())));
        let times = [attempt.started_ms, attempt.ended_ms];
        let mut span = self.span(&format!("{stage}/{count}"), "attempt", times, INTERNAL, attributes);
        span["parentSpanId"] = self.id(stage).into();
        failed(span, attempt.code)
    }
}

/// A result as the conventions spell it.
fn result(code: Option<ReasonCode>) -> &'static str {
    match code {
        None => "success",
        Some(ReasonCode::RunCancelled) => "cancellation",
        Some(ReasonCode::StageTimeout) => "timeout",
        Some(
            ReasonCode::NoSpace
            | ReasonCode::ReadOnly
            | ReasonCode::InternalError
            | ReasonCode::IsolationUnavailable
            | ReasonCode::TraceUnavailable,
        ) => "error",
        Some(_) => "failure",
    }
}

fn failed(mut span: Value, code: Option<ReasonCode>) -> Value {
    if let Some(code) = code {
        span["status"] = json!({ "code": ERROR, "message": code.as_str() });
    }
    span
}

/// Whole numbers of 64 bits are texts in OTLP's JSON.
fn nanos(ms: i64) -> String {
    (i128::from(ms) * 1_000_000).to_string()
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn flag(key: &str, value: bool) -> Value {
    json!({ "key": key, "value": { "boolValue": value } })
}

fn list<'v>(key: &str, values: impl Iterator<Item = &'v str>) -> Value {
    let values: Vec<Value> = values.map(|value| json!({ "stringValue": value })).collect();
    json!({ "key": key, "value": { "arrayValue": { "values": values } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_parent_is_one() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = Parent::parse(good).expect("a parent");
        assert_eq!((parent.trace.len(), parent.span.as_str(), parent.flags), (32, "00f067aa0ba902b7", 1));
        assert_eq!(
            Parent::parse(&good.replacen("00", "01", 1).replace("-01", "-01-more")),
            Some(parent),
            "a later version"
        );
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Parent::parse(bad), None, "{bad}");
        }
    }
}
