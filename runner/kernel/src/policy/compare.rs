//! What changes between two versions of a mandate, and whether it demands more or less afterwards.

use std::collections::BTreeMap;

use orgo_spec::canonical::{self, Profile, Value};
pub use orgo_spec::review::Strength;

use super::Policy;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What changed: the path of a setting, or `policy <id>`.
    pub what: String,
    /// What it was; none if it was not there.
    pub before: Option<String>,
    /// What it is; none if it is gone.
    pub after: Option<String>,
    /// Which way it goes.
    pub strength: Strength,
}

/// Compares two mandates: manifest and policies of each. Bytes that are no manifest count as an empty one.
#[must_use]
pub fn compare(before: (&[u8], &[Policy]), after: (&[u8], &[Policy])) -> Vec<Change> {
    let (old, new) = (settings(before.0), settings(after.0));
    let mut changes = Vec::new();
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let (before, after) = (old.get(key), new.get(key));
        if before != after {
            let strength = setting(key, before.map(String::as_str), after.map(String::as_str));
            changes.push(Change { what: key.clone(), before: before.cloned(), after: after.cloned(), strength });
        }
    }
    let find = |list: &[Policy], id: &str| list.iter().find(|p| p.id == id).cloned();
    let mut ids: Vec<&str> = before.1.iter().chain(after.1).map(|p| p.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let (old, new) = (find(before.1, id), find(after.1, id));
        let strength = match (&old, &new) {
            (Some(old), Some(new)) if old.text == new.text => continue,
            (Some(old), Some(new)) if old.forbids && !new.forbids => Strength::Weaker,
            (Some(old), Some(new)) if !old.forbids && new.forbids => Strength::Stronger,
            (Some(old), None) => {
                if old.forbids {
                    Strength::Weaker
                } else {
                    Strength::Stronger
                }
            }
            (None, Some(new)) => {
                if new.forbids {
                    Strength::Stronger
                } else {
                    Strength::Weaker
                }
            }
            (Some(_), Some(_)) | (None, None) => Strength::Unclear,
        };
        let text = |p: Option<Policy>| p.map(|p| p.text);
        changes.push(Change { what: format!("policy {id}"), before: text(old), after: text(new), strength });
    }
    changes
}

/// Every setting as path and text; members of lists are settings of their own, so that order does not matter.
fn settings(manifest: &[u8]) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    if let Ok(value) = canonical::parse(manifest, Profile::DOCUMENT) {
        walk("", &value, &mut out);
    }
    // Policies are compared by what they say; the version goes up every time.
    out.retain(|key, _| !key.starts_with("policies") && key != "version" && key != "schema_version");
    out
}

fn walk(path: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(members) = value.as_object() {
        members.iter().for_each(|(name, value)| walk(&below(name), value, out));
    } else if let Some(list) = value.as_array() {
        for member in list {
            let text = plain(member);
            out.insert(format!("{path} {text}"), text);
        }
    } else {
        out.insert(path.to_owned(), plain(value));
    }
}

fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => String::from_utf8_lossy(&canonical::to_bytes(value)).into_owned(),
    }
}

/// Which way a setting goes. What is listed is accepted, so a longer list is weaker; limits go the other way.
fn setting(key: &str, before: Option<&str>, after: Option<&str>) -> Strength {
    let path = key.split(' ').next().unwrap_or(key);
    let ordered = |weakest_first: &[&str], unless: &str| {
        let rank = |text: Option<&str>| weakest_first.iter().position(|w| *w == text.unwrap_or(unless));
        stronger_if_more(rank(before), rank(after))
    };
    let number = |unless: u64| {
        let read = |text: Option<&str>| text.map_or(Some(unless), |t| t.parse::<u64>().ok());
        stronger_if_more(read(before), read(after))
    };
    match path {
        "mission" | "objectives" | "constraints" | "success_criteria" | "name" => Strength::Neutral,
        "validation.rulesets" | "validation.validators" | "distribution.channels" | "execution.tools" | "overrides" => {
            if after.is_some() {
                Strength::Weaker
            } else {
                Strength::Stronger
            }
        }
        "execution.deny" => {
            if after.is_some() {
                Strength::Stronger
            } else {
                Strength::Weaker
            }
        }
        "isolation_minimum" => ordered(&["open", "confined", "hermetic"], "open"),
        "record" => ordered(&["changed", "always"], "changed"),
        "distribution.downgrade" => ordered(&["authorized", "refused"], "refused"),
        "execution.network" => ordered(&["host", "none"], "none"),
        "trust.approvals" | "distribution.signers" => number(1),
        "rendering.trace_coverage" => number(100),
        "execution.attempts" | "execution.duration_ms" | "trust.revocation_age_ms" => reversed(number(u64::MAX)),
        _ => Strength::Unclear,
    }
}

fn stronger_if_more<T: Ord>(before: Option<T>, after: Option<T>) -> Strength {
    match (before, after) {
        (Some(before), Some(after)) if after > before => Strength::Stronger,
        (Some(before), Some(after)) if after < before => Strength::Weaker,
        (Some(_), Some(_)) => Strength::Neutral,
        (None, _) | (_, None) => Strength::Unclear,
    }
}

fn reversed(strength: Strength) -> Strength {
    match strength {
        Strength::Weaker => Strength::Stronger,
        Strength::Stronger => Strength::Weaker,
        Strength::Unclear | Strength::Neutral => strength,
    }
}
