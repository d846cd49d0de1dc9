//! `orgo evidence push`, `fetch` and `prune`.

use std::path::PathBuf;

use orgo_host::clock::Clock;
use orgo_host::evidence::{self, Register};
use orgo_spec::ReasonCode;
use serde_json::json;

use super::super::Context;
use super::Asked;
use crate::evidence::{Stores, all_reached, document, identities, now_ms, register_of_all, sentence};
use crate::failure::{Class, Failure};
use crate::project::Repository;

/// Mirrors what the register names in the chosen stores (all, if none is named).
pub(super) fn push(context: &Context, asked: &Asked<'_>, register: &Register, only: &[String]) -> Result<(), Failure> {
    let _shared = asked.store.share()?;
    let chosen = |name: &str| only.is_empty() || only.iter().any(|o| o == name);
    let mut stores = Stores::open(asked.repository, true, |s| chosen(s.name.as_str()))?;
    let now_ms = Clock::system().now_ms();
    let scratch = asked.repository.workspace.passage();
    let mut told = Vec::new();
    let (mut altered, mut missing) = (Vec::new(), 0);
    for mirror in &mut stores.mirrors {
        let pushed = match evidence::push(mirror, register, &asked.opened.ledger, asked.store, &scratch, now_ms) {
            Ok(pushed) => pushed,
            Err(evidence::EvidenceError::Unusable { store, why }) => {
                stores.unusable.push(evidence::Unusable { store, why });
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        context.output.line(sentence(mirror.name(), &pushed));
        missing += pushed.missing.len();
        altered.extend(pushed.altered.iter().copied());
        told.push(document(mirror.name(), &pushed));
    }
    context.output.document(&json!({
        "schema": "orgo.evidence-push/1", "records": register.records, "stores": told, "unusable": stores.unusable,
    }));
    if let Some(first) = altered.first() {
        let code = ReasonCode::StoreCorrupt;
        let message = format!("{} objects here are not what records name, such as {first}", altered.len());
        let failure = Failure::message(Class::Integrity, Some(code), message, "run `orgo verify --store`");
        return Err(failure.after_document(context.output));
    }
    if missing > 0 {
        context.output.note(format!("{missing} objects are not here; another machine may have them"));
    }
    all_reached(&stores.unusable, context.output)
}

/// Brings what is not here. Pages of stages come first: they name more.
pub(super) fn fetch(
    context: &Context,
    asked: &Asked<'_>,
    records: &[String],
    only: &[String],
    files: &[PathBuf],
) -> Result<(), Failure> {
    let _shared = asked.store.share()?;
    let identities = identities(files)?;
    let chosen = |name: &str| only.is_empty() || only.iter().any(|o| o == name);
    let stores = Stores::open(asked.repository, false, |s| chosen(s.name.as_str()))?;
    let scratch = asked.repository.workspace.passage();
    let now_ms = Clock::system().now_ms();
    let get =
        |register: &Register| evidence::fetch(&stores.mirrors, register, asked.store, &identities, &scratch, now_ms);
    let register = asked.register(records)?;
    let mut fetched = get(&register)?;
    if !register.unknown.is_empty() {
        let first = fetched.fetched;
        fetched = get(&asked.register(records)?)?;
        fetched.fetched += first;
    }
    context.output.line(format!(
        "{} objects fetched, {} were here, {} are sealed, {} are in no store",
        fetched.fetched,
        fetched.here,
        fetched.sealed.len(),
        fetched.missing.len()
    ));
    context.output.document(&json!({
        "schema": "orgo.evidence-fetch/1", "fetched": fetched.fetched, "here": fetched.here, "sealed": fetched.sealed,
        "missing": fetched.missing, "unusable": stores.unusable,
        "altered": fetched.altered.iter().map(|(d, s)| json!({ "digest": d, "store": s })).collect::<Vec<_>>(),
    }));
    let refused = |class, code: ReasonCode, message| {
        Err(Failure::message(class, Some(code), message, code.remedy()).after_document(context.output))
    };
    if let Some((digest, store)) = fetched.altered.first() {
        let message = format!("what `{store}` has as {digest} is something else; it was not taken");
        return refused(Class::Integrity, ReasonCode::EvidenceAltered, message);
    }
    all_reached(&stores.unusable, context.output)?;
    if let Some(digest) = fetched.sealed.first() {
        let message = format!("{} objects are sealed, such as {digest}", fetched.sealed.len());
        return refused(Class::Refused, ReasonCode::EvidenceSealed, message);
    }
    if let Some(digest) = fetched.missing.first() {
        let message = format!("{} objects are in no store, such as {digest}", fetched.missing.len());
        return refused(Class::Refused, ReasonCode::EvidenceMissing, message);
    }
    Ok(())
}

/// Removes from stores what its time is over for.
pub(super) fn prune(
    context: &Context,
    repository: &Repository,
    only: &[String],
    dry_run: bool,
    clock: Option<&str>,
) -> Result<(), Failure> {
    let store = repository.workspace.open_store()?;
    let (register, development) = register_of_all(repository, &store)?;
    let now_ms = now_ms(clock, development)?;
    if let Some((page, _)) = register.unknown.first() {
        let message = format!("the page {page} is not here, so what it names is not known; nothing was removed");
        let help = "bring it back (`orgo evidence fetch`), then prune";
        return Err(Failure::message(Class::Refused, Some(ReasonCode::EvidenceMissing), message, help));
    }
    let chosen = |name: &str| only.is_empty() || only.iter().any(|o| o == name);
    let mut stores = Stores::open(repository, false, |s| chosen(s.name.as_str()))?;
    let mut told = Vec::new();
    for mirror in &mut stores.mirrors {
        let expired = mirror.expired(&register, now_ms)?;
        if !dry_run {
            mirror.remove(&expired)?;
            mirror.commit(&format!("evidence: {} objects let go", expired.len()), now_ms)?;
        }
        let word = if dry_run { "would be removed" } else { "removed" };
        let bytes: u64 = expired.iter().map(|e| e.size_bytes).sum();
        context.output.line(format!("{}: {} objects {word} ({bytes} bytes)", mirror.name(), expired.len()));
        if context.output.verbose {
            for e in &expired {
                context.output.line(format!("  {} {}", e.digest, e.because));
            }
        }
        told.push(json!({ "store": mirror.name(), "removed": expired, "bytes": bytes }));
    }
    let held = register.objects().filter(|o| o.held).count();
    if held > 0 {
        context.output.line(format!("{held} objects are kept by a hold, whatever their age"));
    }
    context.output.document(&json!({
        "schema": "orgo.evidence-prune/1", "dry_run": dry_run, "stores": told, "held": held,
        "unusable": stores.unusable,
    }));
    all_reached(&stores.unusable, context.output)
}
