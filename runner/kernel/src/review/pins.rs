//! What is pinned and decided: blueprints, stewards' decisions, the lock file, and files that are known by digest only.

use std::collections::BTreeMap;

use orgo_spec::blueprint::Blueprint;
use orgo_spec::document::Document;
use orgo_spec::knowledge::Decision;
use orgo_spec::review::{Kind, Place, Strength};

use super::policy::place;
use super::{Found, pairs};
use crate::declared::{Declared, LOCK, Read};

/// Blueprints: what is pinned.
pub(super) fn blueprints(base: &Declared, head: &Declared, found: &mut Found) {
    for (name, old, new) in pairs(&base.blueprints, &head.blueprints) {
        let Some(new) = new else {
            if old.is_some_and(|old| !head.is_broken(old.document.name())) {
                found.push(Strength::Weaker, Kind::Pin, format!("the blueprint `{name}` is removed"));
            }
            continue;
        };
        let (before, after) = (old.map(|old| old.value.entries()).unwrap_or_default(), new.value.entries());
        if old.is_none() {
            let pins = after.keys().filter(|what| Blueprint::is_pin(what)).count();
            let message = format!("the blueprint `{name}` is new, with {pins} pins");
            found.push(Strength::Neutral, Kind::Pin, message).place = Some(place(&new.document, &new.value.name));
            continue;
        }
        for (entry, was, is) in pairs(&before, &after) {
            if was.map(|w| &w.value) == is.map(|i| &i.value) {
                continue;
            }
            let is_contract = entry.starts_with("kristal ");
            let (strength, what) = match (was, is) {
                (Some(_), Some(_)) if is_contract => (Strength::Unclear, "changes"),
                _ if !Blueprint::is_pin(entry) => (Strength::Neutral, "changes"),
                (None, _) => (Strength::Stronger, "is pinned now"),
                (_, None) => (Strength::Weaker, "is not pinned any more"),
                (Some(_), Some(_)) => (Strength::Neutral, "is pinned in another version"),
            };
            let finding = found.push(strength, Kind::Pin, format!("blueprint `{name}`: `{entry}` {what}"));
            (finding.before, finding.after) = (was.map(|w| w.value.clone()), is.map(|i| i.value.clone()));
            finding.place = Some(is.map_or_else(|| place(&new.document, &new.value.name), |i| place(&new.document, i)));
        }
    }
}

/// Stewards' decisions, one finding each.
pub(super) fn decisions(base: &Declared, head: &Declared, found: &mut Found) {
    type Lines = Vec<Decision>;
    for (path, old, new) in pairs(&base.decisions, &head.decisions) {
        if new.is_none() && head.is_broken(path) {
            continue;
        }
        let lines = |read: Option<&Read<Lines>>| -> BTreeMap<String, usize> {
            let list = read.map(|r| r.value.as_slice()).unwrap_or_default();
            list.iter().map(|d| (d.text.clone(), line_of(read, &d.text))).collect()
        };
        let (before, after) = (lines(old), lines(new));
        for (text, was, is) in pairs(&before, &after) {
            let what = match (was, is) {
                (None, Some(_)) => "a steward's decision is added",
                (Some(_), None) => "a steward's decision is withdrawn",
                (Some(_), Some(_)) | (None, None) => continue,
            };
            let finding = found.push(Strength::Neutral, Kind::Decision, what);
            (finding.before, finding.after) = (was.map(|_| text.clone()), is.map(|_| text.clone()));
            finding.place = new.map(|_| Place { file: path.clone(), line: is.copied().unwrap_or(1), column: 1 });
        }
    }
}

fn line_of(read: Option<&Read<Vec<Decision>>>, text: &str) -> usize {
    read.and_then(|r| r.document.text().lines().position(|line| line == text)).map_or(1, |at| at + 1)
}

/// The lock file, line by line: it has one sorted line for each entry.
pub(super) fn lock(base: &Declared, head: &Declared, found: &mut Found) {
    let lines = |lock: &Option<Document>| -> BTreeMap<String, usize> {
        let text = lock.as_ref().map(Document::text).unwrap_or_default();
        let entries = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with("//"));
        entries.map(|(line, number)| (line.to_owned(), number)).collect()
    };
    let (before, after) = (lines(&base.lock), lines(&head.lock));
    if base.lock.is_some() && head.lock.is_none() {
        found.push(Strength::Weaker, Kind::Lock, "the lock file is removed: nothing floating is pinned any more");
        return;
    }
    for (line, was, is) in pairs(&before, &after) {
        let (strength, what) = match (was, is) {
            (None, Some(_)) => (Strength::Neutral, "an entry of the lock file is added"),
            (Some(_), None) => (Strength::Neutral, "an entry of the lock file is removed"),
            (Some(_), Some(_)) | (None, None) => continue,
        };
        let finding = found.push(strength, Kind::Lock, what);
        (finding.before, finding.after) = (was.map(|_| line.clone()), is.map(|_| line.clone()));
        finding.place = Some(Place { file: LOCK.to_owned(), line: is.copied().unwrap_or(1), column: 1 });
    }
}

/// Files beside mandates and below `trust/`, by digest: what they do cannot be told.
pub(super) fn others(base: &Declared, head: &Declared, found: &mut Found) {
    for (path, old, new) in pairs(&base.others, &head.others).into_iter().filter(|(_, old, new)| old != new) {
        let what = match (old, new) {
            (None, _) => "is added",
            (_, None) => "is removed",
            (Some(_), Some(_)) => "changes",
        };
        let kind = if path.starts_with("trust/") { Kind::Trust } else { Kind::Mandate };
        let finding = found.push(Strength::Unclear, kind, format!("`{path}` {what}"));
        (finding.before, finding.after) = (old.map(ToString::to_string), new.map(ToString::to_string));
        finding.place = new.map(|_| Place { file: path.clone(), line: 1, column: 1 });
    }
}
