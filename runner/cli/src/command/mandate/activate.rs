//! `orgo mandate activate`: an approved mandate becomes the active one, as a record.

use orgo_host::clock::{Clock, rfc3339};
use orgo_host::key::Role;
use orgo_host::ledger::{Append, Entry, Signers};
use orgo_host::mandate;
use orgo_spec::record::{Actor, MandateFacts, MandateRecord, MandateRun, Statement};
use orgo_spec::{Name, ReasonCode};
use serde_json::json;

use super::{Place, test};
use crate::failure::{Class, Failure};

/// Appends the record, unless the mandate is active already.
pub(super) fn run(place: &Place<'_>, name: &Name) -> Result<(), Failure> {
    let output = place.context.output;
    let loaded = place.load(name)?;
    let (id, settings, manifest) = (loaded.bundle.id(), loaded.bundle.mandate(), loaded.bundle.manifest());
    test::must_pass(&loaded)?;
    let opened = place.ledger()?.ok_or_else(|| {
        let message = format!("the ledger `{}` has not begun", place.repository.project.ledger);
        Failure::usage(message, "a first protected `orgo run` begins it")
    })?;
    opened.ledger.git().bring_missing();
    let head = opened.head()?;
    let active = opened.ledger.mandate(&head, name)?;
    if let Some(active) = active.as_ref().filter(|a| a.facts.mandate_id == id) {
        output.line(format!("version {} {id} is active already, by record {}", settings.version, active.record));
        output.document(
            &json!({ "schema": "orgo.mandate-activate/1", "mandate": id, "record": active.record, "new": false }),
        );
        return Ok(());
    }
    if let Some(active) = &active
        && settings.version <= active.facts.version
    {
        let code = ReasonCode::MandateRollback;
        let message =
            format!("version {} of `{name}` is active; this one is version {}", active.facts.version, settings.version);
        return Err(Failure::message(Class::Refused, Some(code), message, code.remedy()));
    }
    let (mut approvals, others) = mandate::approvals(place.root(), name, &manifest)?;
    let known = approvals.len();
    approvals.retain(|a| head.trust.lists(&a.key).is_some_and(|(role, _)| role == "approver"));
    let need = settings.trust.approvals.max(active.as_ref().map_or(1, |a| a.facts.approvals_required));
    if approvals.len() < need as usize {
        let code = ReasonCode::ApprovalInsufficient;
        let mut message = format!("{} of {need} approvals are there", approvals.len());
        if known > approvals.len() {
            message.push_str(&format!("; {} by keys that are no approvers of the trust", known - approvals.len()));
        }
        if others > 0 {
            message.push_str(&format!("; {others} about something else"));
        }
        let help = format!("an approver signs with `orgo mandate sign {name}`; `orgo trust show` lists the approvers");
        return Err(Failure::message(Class::Waiting, Some(code), message, help));
    }
    let home = place.context.home()?;
    let (runner, git, log) = (home.key(Role::Runner)?, home.key(Role::Git)?, home.key(Role::Log)?);
    let now_ms = Clock::system().now_ms();
    let record = MandateRecord {
        facts: MandateFacts {
            approvals,
            approvals_required: settings.trust.approvals,
            mandate_id: id,
            name: name.clone(),
            schema_version: MandateRecord::SCHEMA_VERSION.to_owned(),
            supersedes: active.map(|a| a.record),
            tenant_id: settings.tenant_id.clone(),
            version: settings.version,
        },
        run: MandateRun {
            actor: Actor { id: runner.public().id().to_string(), kind: "person".to_owned() },
            created_at: rfc3339(now_ms),
        },
    };
    let statement = Statement::new(record).to_bytes().map_err(|e| {
        let message = format!("the mandate cannot be activated: {e}");
        Failure::message(Class::Declared, Some(e.code()), message, e.code().remedy())
    })?;
    let append = Append {
        entries: vec![Entry::new::<MandateRecord>(statement, loaded.bundle.evidence())],
        subject: format!("{} mandate {name} version {} is active", settings.tenant_id, settings.version),
        trailers: Vec::new(),
        seconds: now_ms / 1000,
    };
    let signers = Signers { runner: &runner, git: &git, log: &log, roots: &[] };
    let appended = opened.ledger.append(&append, &signers)?;
    let (number, record) = appended.records[0];
    output.line(format!("record {number} {record} on {}: version {} is active", opened.branch, settings.version));
    output.document(&json!({
        "schema": "orgo.mandate-activate/1", "mandate": id, "number": number, "record": record, "new": true,
    }));
    Ok(())
}
