//! `orgo evidence list` and `status`: where things are. Nothing is hashed; `orgo verify --store` does that.

use orgo_host::clock::{Clock, rfc3339};
use orgo_host::evidence::{NamedObject, Register};
use orgo_spec::evidence::Kind;
use serde_json::{Value, json};

use super::super::Context;
use super::Asked;
use crate::evidence::{Stores, all_reached};
use crate::failure::Failure;
use crate::output::plain;

/// Until when something is kept, in words.
fn until(object: &NamedObject) -> String {
    if object.held {
        "held".to_owned()
    } else if object.until_ms == i64::MAX {
        "forever".to_owned()
    } else {
        rfc3339(object.until_ms).get(..10).unwrap_or_default().to_owned()
    }
}

pub(super) fn list(context: &Context, asked: &Asked<'_>, register: &Register) -> Result<(), Failure> {
    let stores = Stores::open(asked.repository, false, |_| true)?;
    let mut told: Vec<Value> = Vec::new();
    for object in register.objects() {
        let mut places = Vec::new();
        if object.in_ledger {
            places.push("ledger".to_owned());
        }
        if asked.store.stamp(object.digest)?.is_some() {
            places.push("here".to_owned());
        }
        for mirror in &stores.mirrors {
            if mirror.size(object)?.is_some() {
                let sealed = if mirror.place(object).sealed { " (sealed)" } else { "" };
                places.push(format!("{}{sealed}", mirror.name()));
            }
        }
        let kinds: Vec<&str> = object.kinds.iter().map(|k| k.as_str()).collect();
        let shown = if places.is_empty() { "nowhere".to_owned() } else { places.join(", ") };
        context.output.line(plain(&format!(
            "{}  {:<16}  {:>6}  {:<10}  {}: {shown}",
            object.digest.short(),
            kinds.join(","),
            object.record,
            until(object),
            object.what
        )));
        told.push(json!({
            "digest": object.digest, "kinds": kinds, "record": object.record, "what": object.what,
            "until": until(object), "held": object.held, "places": places,
        }));
    }
    context.output.document(&json!({ "schema": "orgo.evidence-list/1", "objects": told, "unusable": stores.unusable }));
    all_reached(&stores.unusable, context.output)
}

pub(super) fn status(context: &Context, asked: &Asked<'_>, register: &Register) -> Result<(), Failure> {
    let stores = Stores::open(asked.repository, false, |_| true)?;
    let now_ms = Clock::system().now_ms();
    let kept: Vec<&NamedObject> = register.objects().filter(|o| o.kept(now_ms)).collect();
    let of_kind = |kind: Kind| kept.iter().filter(|o| o.kinds.contains(&kind)).count();
    let counts: Vec<String> = Kind::ALL.iter().map(|k| format!("{} {}", of_kind(*k), k.as_str())).collect();
    let out = context.output;
    out.line(format!("{} records name {} objects that are kept: {}", register.records, kept.len(), counts.join(", ")));
    let mut told = Vec::new();
    for mirror in &stores.mirrors {
        let (mut present, mut bytes, mut absent) = (0u64, 0u64, 0u64);
        for object in kept.iter().filter(|o| mirror.wants(o)) {
            match mirror.size(object)? {
                Some(size) => (present, bytes) = (present + 1, bytes + size),
                None => absent += 1,
            }
        }
        out.line(format!("{}: {present} there ({bytes} bytes), {absent} not yet", mirror.name()));
        told.push(json!({ "store": mirror.name(), "present": present, "bytes": bytes, "absent": absent }));
    }
    let held = kept.iter().filter(|o| o.held).count();
    if held > 0 {
        out.line(format!("{held} objects are kept by a hold"));
    }
    let by_kind: serde_json::Map<String, Value> =
        Kind::ALL.iter().map(|k| (k.as_str().to_owned(), json!(of_kind(*k)))).collect();
    out.document(&json!({
        "schema": "orgo.evidence-status/1", "records": register.records, "objects": kept.len(), "kinds": by_kind,
        "held": held, "stores": told, "unusable": stores.unusable, "unknown_pages": register.unknown.len(),
    }));
    all_reached(&stores.unusable, context.output)
}
