//! Spans of no length: what the cache answered, and what gates decided.

use orgo_host::run::GateOutcome;
use orgo_kernel::graph::StageId;
use orgo_kernel::scheduler::State;
use orgo_spec::record::Decision;
use serde_json::Value;

use super::{INTERNAL, Spans, attribute, failed, flag, list, number, result};

impl Spans<'_> {
    /// Whether the cache answered for a stage.
    pub(super) fn is_hit(&self, id: StageId) -> bool {
        self.outcome.stages.get(id.index()).is_some_and(|stage| matches!(stage.state, State::Done { hit: true }))
    }

    /// The span of a stage that the cache answered for; it may have run before that in this run, and has a span then.
    pub(super) fn hit(&self, id: StageId) -> Option<Value> {
        let stage = self.outcome.stages.get(id.index()).filter(|_| self.is_hit(id) && self.ran(id).is_none())?;
        let name = self.plan.stage(id).name.as_str();
        let origin = stage.origin.as_ref().map_or_else(|| "local".to_owned(), ToString::to_string);
        let mut attributes = vec![
            attribute("cicd.pipeline.task.name", name),
            attribute("cicd.pipeline.task.run.id", &format!("{}/{name}", self.outcome.run)),
            attribute("cicd.pipeline.task.run.result", result(None)),
            flag("orgo.hit", true),
            attribute("orgo.origin", &origin),
            number("orgo.saved_ms", stage.duration_ms),
            flag("orgo.optional", stage.optional),
        ];
        attributes.extend(stage.keyed.as_ref().map(|keyed| attribute("orgo.key", &keyed.key.to_string())));
        let at = self.moment(id);
        let mut span = self.span(name, name, [at, at], INTERNAL, attributes);
        span["parentSpanId"] = self.id("").into();
        span["links"] = self.links(id).into();
        Some(span)
    }

    /// The span of what a gate decided about the stage behind it.
    pub(super) fn gate(&self, gate: &GateOutcome) -> Value {
        let record = &gate.record;
        let codes = record.reason_codes.iter().map(|code| code.as_str());
        let behind = self.plan.find(&record.stage);
        let state = behind.and_then(|id| self.outcome.stages.get(id.index())).map(|stage| stage.state);
        let refusing = match state {
            Some(State::Refused(code)) => Some(code),
            Some(_) | None => record.reason_codes.first().copied(),
        };
        let refusing = refusing.filter(|_| record.decision == Decision::Fail);
        let mut attributes = vec![
            attribute("orgo.gate.name", &record.gate),
            attribute("orgo.gate.stage", &record.stage),
            attribute("orgo.gate.decision", if record.decision == Decision::Pass { "PASS" } else { "FAIL" }),
            list("orgo.gate.reason_codes", codes),
            list("orgo.gate.lifted", record.lifted.iter().map(String::as_str)),
        ];
        attributes.extend(record.override_ref.map(|id| attribute("orgo.gate.override", &id.to_string())));
        attributes.extend(refusing.map(|code| attribute("error.type", code.as_str())));
        let at = behind.map_or(self.outcome.ended_ms, |id| self.moment(id));
        // No stage is called so: names have no blanks.
        let of = format!("gate {}/{}", record.gate, record.stage);
        let mut span = self.span(&of, &format!("gate {}", record.gate), [at, at], INTERNAL, attributes);
        span["parentSpanId"] = self.id("").into();
        failed(span, refusing)
    }
}
