//! Ids that follow from content (koa-contract 3.2–3.5).
//!
//! One rule for all: take away what must not count, write RFC 8785 bytes, hash. Every function here
//! names what it takes away.

use crate::Digest;
use crate::canonical::{Object, Value, to_bytes};

/// The projection behind [`runtime_pack_id`].
pub const PACK_ID_PROFILE: &str = "koa.v4:runtime-pack-id-core@1";
/// The projection behind [`stable_content_id`].
pub const STABLE_CONTENT_PROFILE: &str = "koa.v1:stable-content@1";

/// What [`stable_content_id`] leaves out beside the id itself and seals: who ran it when.
pub const KRISTAL_VOLATILE: &[&[&str]] = &[
    &["extraction", "run_id"],
    &["extraction", "created_at"],
    &["resolution", "run_id"],
    &["resolution", "created_at"],
    &["input", "claim_ir_ref", "run_id"],
    &["report_id"],
    &["created_at"],
    &["build_id"],
    &["render_metadata", "build_id"],
    &["render_metadata", "created"],
];

const PACK_VOLATILE: &[&[&str]] = &[
    &["runtime_pack_id"],
    &["created_at"],
    &["build", "build_id"],
    &["compiler", "build_platform"],
    &["exchange_ref", "exchange_manifest_hash"],
    &["integrity", "pack_sha256"],
    &["integrity", "manifest_sha256"],
];

/// `document` without `paths` and without members called `signatures` or `attestations` at any depth.
#[must_use]
pub fn hash_target(document: &Value, paths: &[&[&str]]) -> Value {
    let mut target = without_seals(document);
    for path in paths {
        remove(&mut target, path);
    }
    target
}

/// `kristal_id` of an Exchange payload: everything but `kristal_id`, `content_hash` and seals.
#[must_use]
pub fn kristal_id(payload: &Value) -> Digest {
    Digest::of(&to_bytes(&hash_target(payload, &[&["kristal_id"], &["content_hash"]])))
}

/// `runtime_pack_id` of a pack manifest under [`PACK_ID_PROFILE`].
#[must_use]
pub fn runtime_pack_id(manifest: &Value) -> Digest {
    let mut target = hash_target(manifest, PACK_VOLATILE);
    let bare =
        target.get("integrity").and_then(Value::as_object).is_some_and(|o| o.iter().all(|(n, _)| n == "hash_alg"));
    if bare {
        remove(&mut target, &["integrity"]);
    }
    Digest::of(&to_bytes(&target))
}

/// The content id of an intermediate artifact under [`STABLE_CONTENT_PROFILE`]; `own_id` is the member
/// that holds the id.
#[must_use]
pub fn stable_content_id(document: &Value, own_id: &str) -> Digest {
    let mut target = hash_target(document, KRISTAL_VOLATILE);
    remove(&mut target, &[own_id]);
    Digest::of(&to_bytes(&target))
}

fn without_seals(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(without_seals).collect()),
        Value::Object(object) => Value::Object(
            object
                .iter()
                .filter(|(name, _)| !matches!(*name, "signatures" | "attestations"))
                .map(|(name, value)| (name, without_seals(value)))
                .collect::<Object>(),
        ),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => value.clone(),
    }
}

fn remove(value: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = value;
    for name in parents {
        let child = at.as_object_mut().and_then(|o| o.iter_mut().find(|(n, _)| n == name));
        let Some((_, child)) = child else { return };
        at = child;
    }
    if let Some(object) = at.as_object_mut() {
        object.remove(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Profile, parse};

    fn vectors() -> Value {
        let text = include_bytes!("../../vectors/derived-v4/derived-vectors.json");
        parse(text, Profile::DATA).expect("the vectors are JSON")
    }

    fn text<'v>(value: &'v Value, path: &[&str]) -> &'v str {
        value.at(path).and_then(Value::as_str).expect("the vectors have this member")
    }

    #[test]
    fn exchange_id_ignores_seals_and_notices_tampering() {
        let vectors = vectors();
        for (case, intact) in [("unsigned", true), ("signed", true), ("tampered", false)] {
            let payload = vectors.at(&["exchange", case]).expect("the case is there");
            assert_eq!(kristal_id(payload).to_string() == text(payload, &["kristal_id"]), intact, "{case}");
        }
    }

    #[test]
    fn pack_id_ignores_what_may_vary_and_notices_tampering() {
        let vectors = vectors();
        for (case, same) in
            [("base", true), ("volatile_variant_same_id", true), ("tampered_inventory_different_id", false)]
        {
            let manifest = vectors.at(&["runtime_pack", case]).expect("the case is there");
            assert_eq!(runtime_pack_id(manifest).hex() == text(manifest, &["runtime_pack_id"]), same, "{case}");
        }
        let target = hash_target(vectors.at(&["runtime_pack", "base"]).expect("the case is there"), PACK_VOLATILE);
        assert_eq!(
            String::from_utf8_lossy(&to_bytes(&target)),
            text(&vectors, &["runtime_pack", "expected_canonical"])
        );
    }

    #[test]
    fn stable_content_leaves_out_runs_and_moments_only() {
        let document = |run: &str, claim: &str| {
            let json = format!(
                r#"{{"batch_id":"x","created_at":"{run}","resolution":{{"run_id":"{run}","resolver":"r"}},"claim":"{claim}"}}"#
            );
            stable_content_id(&parse(json.as_bytes(), Profile::DATA).expect("JSON"), "batch_id")
        };
        assert_eq!(document("1", "a"), document("2", "a"));
        assert_ne!(document("1", "a"), document("1", "b"));
    }
}
