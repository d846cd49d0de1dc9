//! CloudEvents 1.0 in JSON, one event a line, each written when it happens: what was told is not lost by a kill.

use std::fs::{File, OpenOptions};
use std::io::{LineWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use orgo_host::clock::Clock;
use orgo_host::file::At;
use orgo_host::run::{Notice, RunOutcome};
use orgo_kernel::plan::Resolved;
use orgo_spec::record::{ApprovalDecision, Decision};
use serde_json::{Value, json};

use super::FlakyStage;
use crate::failure::Failure;
use crate::output::without_secrets;

/// Writes events to a file.
pub(super) struct Events<'p> {
    pub(super) plan: &'p Resolved,
    run: String,
    tenant: String,
    clock: Clock,
    path: PathBuf,
    file: LineWriter<File>,
    count: u64,
    broken: Option<std::io::Error>,
}

impl<'p> Events<'p> {
    pub(super) fn open(
        path: &Path,
        plan: &'p Resolved,
        run: &str,
        tenant: &str,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path).at("open", path)?;
        if is_torn(&mut file) {
            file.write_all(b"\n").at("write", path)?;
        }
        Ok(Self {
            plan,
            run: run.to_owned(),
            tenant: tenant.to_owned(),
            clock,
            path: path.to_owned(),
            file: LineWriter::new(file),
            count: 0,
            broken: None,
        })
    }

    fn write(&mut self, kind: &str, subject: &str, data: Value) {
        self.count += 1;
        let event = json!({
            "specversion": "1.0",
            "id": format!("{}/{}", self.run, self.count),
            "source": format!("orgo:{}/{}", self.tenant, self.plan.name),
            "type": format!("dev.orgo.{kind}.v1"),
            "subject": subject,
            "time": self.clock.now(),
            "datacontenttype": "application/json",
            "data": data,
        });
        if let Err(e) = writeln!(self.file, "{}", without_secrets(&event.to_string())) {
            self.broken.get_or_insert(e);
        }
    }

    pub(super) fn notice(&mut self, notice: &Notice<'_>) {
        let plan = self.plan;
        match notice {
            Notice::Hit(id) => self.write("stage.hit", &plan.stage(*id).name, json!({})),
            Notice::Miss(id, why) => self.write("stage.miss", &plan.stage(*id).name, json!({ "why": why })),
            Notice::Started(id, attempt) => {
                self.write("stage.started", &plan.stage(*id).name, json!({ "attempt": attempt }))
            }
            Notice::Ended(id, attempt, end) => {
                let data =
                    json!({ "attempt": attempt, "duration_ms": end.ended_ms - end.started_ms, "code": end.code });
                self.write(
                    if end.code.is_some() { "stage.failed" } else { "stage.finished" },
                    &plan.stage(*id).name,
                    data,
                );
            }
            Notice::Gate(gate) => {
                let data = json!({ "gate": gate.record.gate, "decision": if gate.record.decision == Decision::Pass { "PASS" } else { "FAIL" }, "reason_codes": gate.record.reason_codes, "lifted": gate.record.lifted, "override": gate.record.override_ref });
                self.write(
                    if gate.record.decision == Decision::Pass { "gate.passed" } else { "gate.failed" },
                    &gate.record.stage,
                    data,
                );
            }
            Notice::Approval(outcome) => {
                let granted = outcome.entry.decision == ApprovalDecision::Granted;
                let kind = if granted { "approval.granted" } else { "approval.waiting" };
                self.write(kind, &outcome.entry.stage, super::approval(outcome));
            }
            Notice::Unplanned(id, message) => {
                self.write("stage.failed", &plan.stage(*id).name, json!({ "attempt": 0, "message": message }))
            }
            Notice::Listed(stage, items) => self.write("stage.listed", stage, json!({ "items": items })),
            Notice::Cache { name, fault, given_up } => {
                self.write("cache.faulty", name, json!({ "message": fault, "given_up": given_up }));
            }
            Notice::Begin(_) | Notice::Printed(..) | Notice::Grown => {}
            Notice::Paused(id, ms) => self.write("stage.paused", &plan.stage(*id).name, json!({ "pause_ms": ms })),
            Notice::Service(service, news) => {
                let (_, state, message) = super::structured::service_news(*news);
                self.write(&format!("service.{state}"), service, json!({ "message": message }));
            }
            Notice::Skipped(id) => self.write("stage.skipped", &plan.stage(*id).name, json!({})),
        }
    }

    pub(super) fn finish(&mut self, outcome: &RunOutcome, flaky: &[FlakyStage]) -> Result<(), Failure> {
        for stage in flaky {
            let mut data = super::flaky_json(&stage.flaky);
            data["ran"] = stage.ran.into();
            self.write("stage.flaky", &self.plan.stage(stage.id).name, data);
        }
        let data = json!({ "succeeded": outcome.succeeded(), "waiting": outcome.is_waiting(), "code": outcome.terminal_code() });
        let run = self.run.clone();
        self.write("run.finished", &run, data);
        let flushed = self.file.flush();
        match self.broken.take() {
            Some(e) => Err(e),
            None => flushed,
        }
        .at("write", &self.path)
        .map_err(Failure::from)
    }
}

/// Whether an earlier run was killed in the middle of a line.
fn is_torn(file: &mut File) -> bool {
    let mut last = [0];
    file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).is_ok_and(|()| last != *b"\n")
}
