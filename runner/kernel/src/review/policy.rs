//! What governs: the project and mandates.

use std::collections::{BTreeMap, BTreeSet};

use orgo_spec::document::{Document, Spanned};
use orgo_spec::mandate::{Mandate, Validator};
use orgo_spec::pipeline::RecordMode;
use orgo_spec::review::{Finding, Kind, Place, Strength};

use super::places::Places;
use super::{Found, pairs};
use crate::declared::{Declared, PROJECT, Read};

/// The strength of something that was there and is not, or the other way round.
fn demanded(before: bool, after: bool) -> Strength {
    match (before, after) {
        (true, false) => Strength::Weaker,
        (false, true) => Strength::Stronger,
        (true, true) | (false, false) => Strength::Unclear,
    }
}

/// Where a value is written.
pub(super) fn place<T>(document: &Document, value: &Spanned<T>) -> Place {
    Places::new(document).at(value.span)
}

/// The project document: whose records these are, where they go, which branches may have protected runs.
pub(super) fn project(base: &Declared, head: &Declared, found: &mut Found) {
    if head.is_broken(PROJECT) {
        return;
    }
    let (Some(old), Some(new)) = (&base.project, &head.project) else {
        if base.project.is_some() != head.project.is_some() && !base.is_broken(PROJECT) {
            let what = if head.project.is_some() { "is new" } else { "is removed" };
            found.push(Strength::Unclear, Kind::Project, format!("`{PROJECT}` {what}"));
        }
        return;
    };
    let places = Places::new(&new.document);
    let name = new.value.name.as_str();
    let mut say = |strength, field: &str, message: String, before: String, after: String| {
        if before != after {
            let finding = found.push(strength, Kind::Project, message);
            finding.field = Some(field.to_owned());
            (finding.before, finding.after) = (Some(before), Some(after));
            finding.place = Some(places.find(&[("project", name)], Some(field)));
        }
    };
    let (old, new) = (&old.value, &new.value);
    say(Strength::Neutral, "name", "the project has another name".into(), old.name.to_string(), name.to_owned());
    let message = "records are those of another tenant".into();
    say(Strength::Unclear, "tenant", message, old.tenant.to_string(), new.tenant.to_string());
    let message = "records go to another ledger".into();
    say(Strength::Unclear, "ledger", message, old.ledger.clone(), new.ledger.clone());
    let more = new.protected.iter().any(|b| !old.protected.contains(b));
    let strength = if more { Strength::Weaker } else { Strength::Stronger };
    let message = if more { "more branches may have protected runs" } else { "fewer branches may have protected runs" };
    say(strength, "protected", message.into(), old.protected.join(" "), new.protected.join(" "));
    let strength = if new.shared { Strength::Weaker } else { Strength::Stronger };
    let message = "whether the repository may have ledgers of several tenants changes".into();
    say(strength, "shared", message, old.shared.to_string(), new.shared.to_string());
    let store = |p: &orgo_spec::project::Project| p.store.as_ref().map_or_else(String::new, |s| s.as_str().to_owned());
    say(Strength::Neutral, "store", "the object store lies elsewhere".into(), store(old), store(new));
}

/// Mandates: what gates accept, and what stages must keep to.
pub(super) fn mandates(base: &Declared, head: &Declared, found: &mut Found) {
    for (name, old, new) in pairs(&base.mandates, &head.mandates) {
        match (old, new) {
            (Some(old), Some(new)) => mandate(name, old, new, found),
            (None, Some(new)) => {
                let message = format!("the mandate `{name}` is new");
                found.push(Strength::Neutral, Kind::Mandate, message).place =
                    Some(place(&new.document, &new.value.name));
            }
            (Some(old), None) if !head.is_broken(old.document.name()) => {
                found.push(Strength::Weaker, Kind::Mandate, format!("the mandate `{name}` is removed"));
            }
            (Some(_) | None, None) => {}
        }
    }
}

fn mandate(name: &str, old: &Read<Mandate>, new: &Read<Mandate>, found: &mut Found) {
    let places = Places::new(&new.document);
    let count = found.0.len();
    let written = new.value.name.as_str();
    let at = |chain: &[(&str, &str)], field: Option<&str>| {
        let chain: Vec<(&str, &str)> = std::iter::once(("mandate", written)).chain(chain.iter().copied()).collect();
        Some(places.find(&chain, field))
    };
    let (was, is) = (&old.value, &new.value);
    let mut say = |strength, field: &str, message: String, before: Option<String>, after: Option<String>| {
        if before != after {
            let finding = found.push(strength, Kind::Mandate, format!("mandate `{name}`: {message}"));
            finding.field = Some(field.to_owned());
            (finding.before, finding.after) = (before, after);
            finding.place = at(&[], Some(field));
        }
    };
    let level = |m: &Mandate| Some(m.isolation_minimum.as_str().to_owned());
    let (strength, message) = if is.isolation_minimum < was.isolation_minimum {
        (Strength::Weaker, "stages may run at less isolation")
    } else {
        (Strength::Stronger, "stages must run at more isolation")
    };
    say(strength, "isolation-minimum", message.into(), level(was), level(is));
    let record = |m: &Mandate| Some(if m.record == RecordMode::Always { "always" } else { "changed" }.to_owned());
    let always = |m: &Mandate| m.record == RecordMode::Always;
    say(demanded(always(was), always(is)), "record", "when a run adds a record".into(), record(was), record(is));
    let tenant = |m: &Mandate| Some(m.tenant_id.to_string());
    say(Strength::Unclear, "tenant", "it is that of another tenant".into(), tenant(was), tenant(is));
    let mission = |m: &Mandate| Some(m.mission.clone());
    say(Strength::Neutral, "mission", "the mission".into(), mission(was), mission(is));
    for (field, before, after) in [
        ("objective", &was.objectives, &is.objectives),
        ("constraint", &was.constraints, &is.constraints),
        ("success", &was.success_criteria, &is.success_criteria),
    ] {
        let lost = before.iter().any(|text| !after.contains(text));
        let strength = if lost && field == "constraint" { Strength::Unclear } else { Strength::Neutral };
        say(strength, field, format!("`{field}` changes"), Some(before.join("; ")), Some(after.join("; ")));
    }
    accepted(&accepts(was), &accepts(is), |strength, (word, called), message, before, after| {
        let finding = found.push(strength, Kind::Mandate, format!("mandate `{name}`: {message}"));
        finding.field = Some(word.to_owned());
        (finding.before, finding.after) = (before, after);
        finding.place = at(&[("validation", ""), (word, called)], None);
    });
    let message = "the version goes back: an older mandate never replaces a newer one".to_owned();
    let version = |m: &Mandate| Some(m.version.to_string());
    let changed = found.0.len() > count;
    let mut say = |strength, message: String| {
        let finding: &mut Finding = found.push(strength, Kind::Mandate, format!("mandate `{name}`: {message}"));
        finding.field = Some("version".to_owned());
        (finding.before, finding.after) = (version(was), version(is));
        finding.place = at(&[], Some("version"));
    };
    if is.version < was.version {
        say(Strength::Weaker, message);
    } else if is.version > was.version {
        say(Strength::Neutral, "it has another version".into());
    } else if changed {
        say(Strength::Unclear, "it changes and its version does not".into());
    }
}

/// What gates accept: rule sets by path, validators by name, each with its digest.
fn accepts(mandate: &Mandate) -> BTreeMap<(&'static str, String), BTreeSet<String>> {
    let mut all: BTreeMap<(&'static str, String), BTreeSet<String>> = BTreeMap::new();
    for rules in &mandate.validation.rulesets {
        all.entry(("ruleset", rules.path.clone())).or_default().insert(rules.sha256.to_string());
    }
    for validator in &mandate.validation.validators {
        let (name, digest) = match validator {
            Validator::Builtin => ("builtin".to_owned(), "the program that decides".to_owned()),
            Validator::Tool { name, sha256 } => (name.clone(), sha256.to_string()),
        };
        all.entry(("validator", name)).or_default().insert(digest);
    }
    all
}

type Accepted = BTreeMap<(&'static str, String), BTreeSet<String>>;

fn accepted(
    before: &Accepted,
    after: &Accepted,
    mut say: impl FnMut(Strength, (&str, &str), String, Option<String>, Option<String>),
) {
    let text = |digests: &BTreeSet<String>| digests.iter().cloned().collect::<Vec<_>>().join(" ");
    for ((word, name), was, is) in pairs(before, after) {
        let node = (*word, name.as_str());
        let what =
            if *word == "ruleset" { format!("the rule set `{name}`") } else { format!("the validator `{name}`") };
        match (was, is) {
            (None, Some(is)) => say(Strength::Weaker, node, format!("gates accept {what} too"), None, Some(text(is))),
            (Some(was), None) => {
                say(Strength::Stronger, node, format!("gates do not accept {what} any more"), Some(text(was)), None);
            }
            (Some(was), Some(is)) if is.is_superset(was) && is != was => {
                say(
                    Strength::Weaker,
                    node,
                    format!("gates accept {what} in more versions"),
                    Some(text(was)),
                    Some(text(is)),
                );
            }
            (Some(was), Some(is)) if was.is_superset(is) && is != was => {
                let message = format!("gates accept {what} in fewer versions");
                say(Strength::Stronger, node, message, Some(text(was)), Some(text(is)));
            }
            (Some(was), Some(is)) if was != is => {
                let message = format!("gates accept {what} in another version");
                say(Strength::Unclear, node, message, Some(text(was)), Some(text(is)));
            }
            (Some(_) | None, Some(_) | None) => {}
        }
    }
}
