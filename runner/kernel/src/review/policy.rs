//! What governs: the project and mandates.

use std::cmp::Ordering;

use orgo_spec::canonical;
use orgo_spec::document::{Document, RelativePath, Spanned};
use orgo_spec::evidence::Evidence;
use orgo_spec::project::Project;
use orgo_spec::review::{Kind, Place, Strength};

use super::places::Places;
use super::{Found, pairs};
use crate::declared::{Declared, DeclaredMandate};
use crate::policy::{Change, compare};

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
    if head.has_broken_project() {
        return;
    }
    let (Some(old), Some(new)) = (&base.project, &head.project) else {
        if base.project.is_some() != head.project.is_some() && !base.has_broken_project() {
            let what = if head.project.is_some() { "is new" } else { "is removed" };
            found.push(Strength::Unclear, Kind::Project, format!("the project's document {what}"));
        }
        return;
    };
    let places = Places::new(&new.document);
    let called = new.value.name.as_str();
    let mut say = |strength, field: &str, message: &str, before: String, after: String| {
        if before != after {
            let finding = found.push(strength, Kind::Project, message);
            finding.field = Some(field.to_owned());
            (finding.before, finding.after) = (Some(before), Some(after));
            finding.place = Some(places.find(&[("project", called)], Some(field)));
        }
    };
    let was = &old.value;
    // Taken apart whole, so that a field which is added is not forgotten here.
    let Project { name, tenant, ledger, protected, shared, store, mandate_required, evidence } = &new.value;
    say(Strength::Neutral, "name", "the project has another name", was.name.to_string(), name.to_string());
    let message = "records are those of another tenant";
    say(Strength::Unclear, "tenant", message, was.tenant.to_string(), tenant.to_string());
    say(Strength::Unclear, "ledger", "records go to another ledger", was.ledger.clone(), ledger.clone());
    let more = protected.iter().any(|b| !was.protected.contains(b));
    let strength = if more { Strength::Weaker } else { Strength::Stronger };
    let message = if more { "more branches may have protected runs" } else { "fewer branches may have protected runs" };
    say(strength, "protected", message, was.protected.join(" "), protected.join(" "));
    let message = "whether the repository may have ledgers of several tenants changes";
    say(demanded(!was.shared, !shared), "shared", message, was.shared.to_string(), shared.to_string());
    let message = "whether runs need an active mandate changes";
    let strength = demanded(was.mandate_required, *mandate_required);
    say(strength, "mandate-required", message, was.mandate_required.to_string(), mandate_required.to_string());
    let path = |store: &Option<RelativePath>| store.as_ref().map_or_else(String::new, |s| s.as_str().to_owned());
    say(Strength::Neutral, "store", "the object store lies elsewhere", path(&was.store), path(store));
    let text = |evidence: &Evidence| {
        canonical::bytes_of(evidence).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    };
    let message = "where evidence goes and how long it is kept changes";
    say(Strength::Unclear, "evidence", message, text(&was.evidence), text(evidence));
}

/// Mandates: what gates accept, and what stages must keep to.
pub(super) fn mandates(base: &Declared, head: &Declared, found: &mut Found) {
    for (name, old, new) in pairs(&base.mandates, &head.mandates) {
        match (old, new) {
            (Some(old), Some(new)) => mandate(name, old, new, found),
            (None, Some(new)) => {
                let message = format!("the mandate `{name}` is new");
                let place = place(&new.document, &new.bundle.mandate().name);
                found.push(Strength::Neutral, Kind::Mandate, message).place = Some(place);
            }
            // Of a mandate that cannot be read it is not known what it says.
            (Some(_), None) if head.errors.iter().any(|e| is_below(e.document().name(), name)) => {}
            (Some(_), None) => {
                found.push(Strength::Weaker, Kind::Mandate, format!("the mandate `{name}` is removed"));
            }
            (None, None) => {}
        }
    }
}

fn is_below(path: &str, mandate: &str) -> bool {
    path.strip_prefix("mandates/").and_then(|p| p.strip_prefix(mandate)).is_some_and(|p| p.starts_with('/'))
}

fn mandate(name: &str, old: &DeclaredMandate, new: &DeclaredMandate, found: &mut Found) {
    let places = Places::new(&new.document);
    let (was, is) = (old.bundle.mandate(), new.bundle.mandate());
    let manifests = (old.bundle.manifest(), new.bundle.manifest());
    let changes = compare((&manifests.0, old.policies.list()), (&manifests.1, new.policies.list()));
    let changed = !changes.is_empty() || old.bundle.id() != new.bundle.id();
    for change in changes {
        let finding = found.push(change.strength, Kind::Mandate, format!("mandate `{name}`: {}", words(&change)));
        finding.place = Some(match change.what.strip_prefix("policy ") {
            Some(id) => policy_place(name, new, id).unwrap_or_else(|| places.find(&[("mandate", name)], None)),
            None => {
                let setting = change.what.split([' ', '.']).next().unwrap_or_default().replace('_', "-");
                finding.field = Some(setting.clone());
                places.find(&[("mandate", name)], Some(&setting))
            }
        });
        (finding.before, finding.after) = (change.before, change.after);
    }
    let (strength, message) = match is.version.cmp(&was.version) {
        Ordering::Less => (Strength::Weaker, "the version goes back: an older mandate never replaces a newer one"),
        Ordering::Greater => (Strength::Neutral, "it has another version"),
        Ordering::Equal if changed => (Strength::Unclear, "it changes and its version does not"),
        Ordering::Equal => return,
    };
    let finding = found.push(strength, Kind::Mandate, format!("mandate `{name}`: {message}"));
    finding.field = Some("version".to_owned());
    (finding.before, finding.after) = (Some(was.version.to_string()), Some(is.version.to_string()));
    finding.place = Some(places.find(&[("mandate", name)], Some("version")));
}

/// A change of a mandate in words.
fn words(change: &Change) -> String {
    let more = change.after.is_some();
    let what = change.what.split(' ').next().unwrap_or_default();
    let text = match what {
        "policy" => {
            let what = match (&change.before, &change.after) {
                (None, _) => "is added",
                (_, None) => "is removed",
                (Some(_), Some(_)) => "changes",
            };
            return format!("the {} {what}", change.what.replacen("policy ", "policy `", 1) + "`");
        }
        "record" => "when a run adds a record",
        "isolation_minimum" => "at which isolation stages must run at least",
        "validation.rulesets" if more => "gates accept one more rule set",
        "validation.rulesets" => "gates do not accept a rule set any more",
        "validation.validators" if more => "gates accept one more validator",
        "validation.validators" => "gates do not accept a validator any more",
        "overrides" if more => "people may lift a policy",
        "overrides" => "people may not lift a policy any more, or not like this",
        other => return format!("`{other}` changes"),
    };
    text.to_owned()
}

/// Where a policy is written.
fn policy_place(name: &str, mandate: &DeclaredMandate, id: &str) -> Option<Place> {
    let policy = mandate.policies.list().iter().find(|p| p.id == id)?;
    let file = |d: &&Document| d.name().rsplit('/').next() == policy.file.rsplit('/').next();
    let document = mandate.bundle.policies().iter().find(file)?;
    let before = document.text().find(policy.text.trim()).map_or(0, |at| document.text()[..at].matches('\n').count());
    let file = policy.file.rsplit('/').next().unwrap_or_default();
    Some(Place { file: format!("mandates/{name}/{file}"), line: before + 1, column: 1 })
}
