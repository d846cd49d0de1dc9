//! JSON lines on standard error, with the fields of koa-contract section 4.4.

use orgo_host::clock::Clock;
use orgo_host::run::{Attempt, Notice, RunOutcome, ServiceNews};
use orgo_kernel::plan::Resolved;
use orgo_spec::record::{ApprovalDecision, Decision};
use serde_json::{Map, Value, json};

use super::FlakyStage;

/// Reports to programs.
pub(super) struct Structured<'p> {
    pub(super) plan: &'p Resolved,
    run: String,
    tenant: String,
    clock: Clock,
}

impl<'p> Structured<'p> {
    pub(super) fn new(plan: &'p Resolved, run: &str, tenant: &str, clock: Clock) -> Self {
        Self { plan, run: run.to_owned(), tenant: tenant.to_owned(), clock }
    }

    fn write(&self, level: &str, event: &str, stage: Option<&str>, more: Value) {
        let mut line = Map::new();
        line.insert("ts".into(), self.clock.now().into());
        line.insert("level".into(), level.into());
        line.insert("service".into(), "orgo".into());
        line.insert("event".into(), event.into());
        line.insert("build_id".into(), self.run.as_str().into());
        line.insert("tenant_id".into(), self.tenant.as_str().into());
        line.insert("stage".into(), stage.map_or(Value::Null, Value::from));
        if let Value::Object(more) = more {
            line.extend(more);
        }
        crate::output::log(&Value::Object(line));
    }

    pub(super) fn notice(&self, notice: &Notice<'_>) {
        let name = |id: &orgo_kernel::graph::StageId| Some(self.plan.stage(*id).name.as_str());
        match notice {
            Notice::Hit(id) => self.write("INFO", "STAGE_END", name(id), json!({ "outcome": "hit" })),
            Notice::Miss(id, why) => self.write("DEBUG", "STAGE_MISS", name(id), json!({ "why": why })),
            Notice::Started(id, attempt) => self.write("INFO", "STAGE_START", name(id), json!({ "attempt": attempt })),
            Notice::Ended(id, attempt, end) => self.ended(name(id), *attempt, end),
            Notice::Gate(gate) => {
                let (level, outcome) =
                    if gate.record.decision == Decision::Pass { ("INFO", "PASS") } else { ("ERROR", "FAIL") };
                let more = json!({ "gate": gate.record.gate, "outcome": outcome, "reason_codes": gate.record.reason_codes, "lifted": gate.record.lifted, "override": gate.record.override_ref });
                self.write(level, "GATE_DECIDED", Some(&gate.record.stage), more);
            }
            Notice::Approval(outcome) => {
                let granted = outcome.entry.decision == ApprovalDecision::Granted;
                let level = if granted { "INFO" } else { "WARN" };
                self.write(level, "APPROVAL_DECIDED", Some(&outcome.entry.stage), super::approval(outcome));
            }
            Notice::Unplanned(id, message) => {
                self.write("ERROR", "STAGE_END", name(id), json!({ "outcome": "failed", "error_message": message }))
            }
            Notice::Listed(stage, items) => {
                self.write("INFO", "STAGE_LISTED", Some(stage), json!({ "items": items }));
            }
            Notice::Cache { name, fault, given_up } => {
                let more = json!({ "cache": name, "error_message": fault, "given_up": given_up });
                self.write("WARN", "CACHE_FAULTY", None, more);
            }
            Notice::Begin(_) | Notice::Printed(..) | Notice::Grown => {}
            Notice::Paused(id, ms) => self.write("INFO", "STAGE_PAUSED", name(id), json!({ "pause_ms": ms })),
            Notice::Service(service, news) => {
                let (level, state, message) = service_news(*news);
                let more = json!({ "service_name": service, "state": state, "error_message": message });
                self.write(level, "SERVICE", None, more);
            }
            Notice::Skipped(id) => self.write("WARN", "STAGE_END", name(id), json!({ "outcome": "skipped" })),
        }
    }

    fn ended(&self, stage: Option<&str>, attempt: u32, end: &Attempt) {
        let level = if end.code.is_some() { "ERROR" } else { "INFO" };
        let more = json!({
            "attempt": attempt,
            "duration_ms": end.ended_ms - end.started_ms,
            "outcome": if end.code.is_some() { "failed" } else { "ran" },
            "error_code": end.code,
            "error_message": end.message,
        });
        self.write(level, "STAGE_END", stage, more);
    }

    pub(super) fn finish(&self, outcome: &RunOutcome, flaky: &[FlakyStage]) {
        for stage in flaky {
            let mut more = super::flaky_json(&stage.flaky);
            more["ran"] = stage.ran.into();
            self.write("WARN", "STAGE_FLAKY", Some(&self.plan.stage(stage.id).name), more);
        }
        let (level, word) = match (outcome.succeeded(), outcome.is_waiting()) {
            (true, _) => ("INFO", "PASSED"),
            (false, true) => ("WARN", "WAITING"),
            (false, false) => ("ERROR", "FAILED"),
        };
        let more = json!({
            "duration_ms": outcome.ended_ms - outcome.started_ms,
            "outcome": word,
            "error_code": outcome.terminal_code(),
        });
        self.write(level, "RUN_END", None, more);
    }
}

/// The level, the word and the message for what there is to tell about a service.
pub(super) fn service_news(news: ServiceNews<'_>) -> (&'static str, &'static str, Option<&str>) {
    match news {
        ServiceNews::Started => ("INFO", "started", None),
        ServiceNews::Ready => ("INFO", "ready", None),
        ServiceNews::Ended => ("INFO", "ended", None),
        ServiceNews::Gone(message) => ("ERROR", "gone", Some(message)),
    }
}
