//! `orgo record log` and `orgo record blame-gate`: what became of a pipeline, run by run.

use orgo_host::ledger::{Record, StoredRecord};
use orgo_spec::record::{BuildFacts, BuildRecord, Decision, GateRecord, Statement, Status};
use serde_json::{Value, json};

use super::super::Context;
use super::super::ledger::Opened;
use crate::failure::Failure;
use crate::output::plain;

/// A build, as it stands on record.
struct Build {
    stored: StoredRecord,
    record: Box<Statement<BuildRecord>>,
}

impl Build {
    fn facts(&self) -> &BuildFacts {
        &self.record.predicate.facts
    }
}

/// The builds of a pipeline (of all, if none is named), newest first. Nothing is verified.
fn builds<'o>(
    opened: &'o Opened,
    pipeline: Option<&'o str>,
) -> Result<impl Iterator<Item = Result<Build, Failure>> + use<'o>, Failure> {
    let listed = opened.ledger.list_here()?;
    let builds = listed.into_iter().rev().filter(|(_, kind)| kind.as_str() == "build");
    Ok(builds.filter_map(move |(number, _)| {
        let read = || -> Result<Option<Build>, Failure> {
            let stored = opened.ledger.record(number)?;
            let Ok(Record::Build(record)) = Record::parse("build", &stored.statement) else { return Ok(None) };
            let wanted = pipeline.is_none_or(|p| p == record.predicate.facts.pipeline.name.as_str());
            Ok(wanted.then_some(Build { stored, record }))
        };
        read().transpose()
    }))
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Succeeded => "PASS",
        Status::Failed => "FAIL",
        Status::Cancelled => "CANCELLED",
        Status::Waiting => "WAITING",
    }
}

/// Prints the newest builds of a pipeline.
pub(super) fn log(context: &Context, opened: &Opened, pipeline: Option<&str>, limit: usize) -> Result<(), Failure> {
    let head = opened.head()?;
    context.output.line(opened.standing(&head)?.line());
    let mut told = Vec::new();
    for build in builds(opened, pipeline)?.take(limit) {
        let build = build?;
        let facts = build.facts();
        let gates: Vec<String> = facts.gates.iter().map(gate_line).collect();
        let code = facts.terminal_reason_code().map_or(String::new(), |code| format!(" {code}"));
        let commit: String = facts.source.commit.chars().take(7).collect();
        let dirty = if facts.source.dirty { "+" } else { "" };
        context.output.line(plain(&format!(
            "{:>6}  {:<9} {} @{commit}{dirty} {}{code}  {}",
            build.stored.number,
            word(facts.status()),
            facts.pipeline.name,
            build.record.predicate.run.created_at,
            gates.join(", ")
        )));
        told.push(json!({
            "number": build.stored.number, "id": build.stored.id(), "pipeline": facts.pipeline.name,
            "status": facts.status(), "code": facts.terminal_reason_code(), "commit": facts.source.commit,
            "gates": facts.gates,
        }));
    }
    if told.is_empty() {
        context.output.line("no build of it is on record");
    }
    context.output.document(&json!({ "schema": "orgo.record-log/1", "builds": told }));
    Ok(())
}

fn gate_line(gate: &GateRecord) -> String {
    let codes: Vec<&str> = gate.reason_codes.iter().map(|c| c.as_str()).collect();
    match gate.decision {
        Decision::Pass => format!("{} passed", gate.gate),
        Decision::Fail => format!("{} refused ({})", gate.gate, codes.join(", ")),
    }
}

/// Finds the build since which a gate decides as it does now, and what had changed in it.
pub(super) fn blame_gate(
    context: &Context,
    opened: &Opened,
    gate: &str,
    pipeline: Option<&str>,
) -> Result<(), Failure> {
    let decision = |build: &Build| build.facts().gates.iter().find(|g| g.gate == gate).map(|g| g.decision);
    let mut since: Option<Build> = None;
    let mut before: Option<Build> = None;
    for build in builds(opened, pipeline)? {
        let build = build?;
        let Some(decided) = decision(&build) else { continue };
        match &since {
            Some(newer) if decision(newer) != Some(decided) => {
                before = Some(build);
                break;
            }
            _ => since = Some(build),
        }
    }
    let Some(since) = since else {
        let help = "`orgo record log` shows which gates decided";
        return Err(Failure::usage(format!("no build on record has a gate `{}`", plain(gate)), help));
    };
    let head = opened.head()?;
    context.output.line(opened.standing(&head)?.line());
    let now = since.facts().gates.iter().find(|g| g.gate == gate);
    context.output.line(plain(&format!(
        "{} since record {} @{} {}",
        now.map(gate_line).unwrap_or_default(),
        since.stored.number,
        since.facts().source.commit.chars().take(7).collect::<String>(),
        since.record.predicate.run.created_at
    )));
    let mut changes: Vec<Value> = Vec::new();
    match &before {
        None => context.output.line("it never decided otherwise"),
        Some(before) => {
            let was = before.facts().gates.iter().find(|g| g.gate == gate);
            context.output.line(plain(&format!(
                "before: {} in record {}",
                was.map(gate_line).unwrap_or_default(),
                before.stored.number
            )));
            changes = changed(before.facts(), since.facts());
            for change in &changes {
                let text = |name: &str| change[name].as_str().unwrap_or("(none)").to_owned();
                context.output.line(plain(&format!("  {}  {} → {}", text("what"), text("from"), text("to"))));
            }
            context
                .output
                .line(format!("see all of it: orgo record diff {} {}", before.stored.number, since.stored.number));
        }
    }
    context.output.document(&json!({
        "schema": "orgo.blame-gate/1", "gate": gate, "since": since.stored.number,
        "decision": now.map(|g| g.decision), "before": before.map(|b| b.stored.number), "changes": changes,
    }));
    Ok(())
}

/// What is not the same in two builds, of what a gate could look at.
fn changed(before: &BuildFacts, after: &BuildFacts) -> Vec<Value> {
    let mut changes = Vec::new();
    let mut note = |what: String, from: Option<String>, to: Option<String>| {
        if from != to {
            changes.push(json!({ "what": what, "from": from, "to": to }));
        }
    };
    let text = |digest: Option<orgo_spec::Digest>| digest.map(|d| d.to_string());
    note("commit".into(), Some(before.source.commit.clone()), Some(after.source.commit.clone()));
    note("mandate".into(), text(before.mandate_ref), text(after.mandate_ref));
    note("blueprint".into(), text(before.blueprint_ref), text(after.blueprint_ref));
    let lock = |facts: &BuildFacts| text(facts.pins.and_then(|p| p.lock()));
    note("lock".into(), lock(before), lock(after));
    note("program".into(), text(Some(before.compiler.digest)), text(Some(after.compiler.digest)));
    note("definition".into(), text(Some(before.pipeline.definition)), text(Some(after.pipeline.definition)));
    let inputs = |facts: &BuildFacts| -> std::collections::BTreeMap<String, String> {
        facts.input_snapshots.iter().map(|s| (s.path.clone(), s.digest.to_string())).collect()
    };
    let (old, new) = (inputs(before), inputs(after));
    let paths: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for path in paths {
        note(path.clone(), old.get(path).cloned(), new.get(path).cloned());
    }
    changes
}
