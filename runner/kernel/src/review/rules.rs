//! Rule sets: which rules are gone, which let more pass.

use std::collections::BTreeMap;

use orgo_spec::Decimal;
use orgo_spec::knowledge::{Rule, RuleKind, Rules};
use orgo_spec::review::{Kind, Strength};

use super::places::Places;
use super::{Found, pairs};
use crate::declared::{Declared, Read};

/// Tells every rule that differs.
pub(super) fn rules(base: &Declared, head: &Declared, found: &mut Found) {
    for (path, old, new) in pairs(&base.rules, &head.rules) {
        match (old, new) {
            (Some(old), Some(new)) => set(path, old, new, found),
            (None, Some(new)) => {
                let message = format!("the rule set `{path}` is new, with {} rules", new.value.rules.len());
                found.push(Strength::Neutral, Kind::Rules, message).place =
                    Some(Places::new(&new.document).at(orgo_spec::document::Span::default()));
            }
            (Some(_), None) if !head.is_broken(path) => {
                found.push(Strength::Unclear, Kind::Rules, format!("no stage reads the rule set `{path}` any more"));
            }
            (Some(_) | None, None) => {}
        }
    }
}

fn set(path: &str, old: &Read<Rules>, new: &Read<Rules>, found: &mut Found) {
    let places = Places::new(&new.document);
    let block = [("rules", new.value.name.as_str())];
    let (before, after) = (by_id(&old.value), by_id(&new.value));
    for (id, was, is) in pairs(&before, &after) {
        let (strength, what) = match (was, is) {
            (None, Some(_)) => (Strength::Stronger, "is added"),
            (Some(_), None) => (Strength::Weaker, "is removed"),
            (Some(was), Some(is)) if was.kind != is.kind => (strength(&was.kind, &is.kind), "changes"),
            (Some(_), Some(_)) | (None, None) => continue,
        };
        let finding = found.push(strength, Kind::Rules, format!("`{path}`: the rule `{id}` {what}"));
        (finding.before, finding.after) = (was.map(|r| text(&r.kind)), is.map(|r| text(&r.kind)));
        let (word, property) = id.split_once('/').unwrap_or((id, ""));
        finding.place = Some(places.find(&[block[0], (word, property)], None));
    }
    if old.value.version != new.value.version {
        let finding = found.push(Strength::Neutral, Kind::Rules, format!("`{path}` has another version"));
        (finding.before, finding.after) = (Some(old.value.version.clone()), Some(new.value.version.clone()));
        finding.place = Some(places.find(&block, Some("version")));
    }
}

/// Rules by what they are about; a set has one about each thing.
fn by_id(rules: &Rules) -> BTreeMap<String, &Rule> {
    rules.rules.iter().map(|r| (r.id(), r)).collect()
}

/// Which way a rule goes: a wider range and a greater tolerance let more pass.
fn strength(was: &RuleKind, is: &RuleKind) -> Strength {
    match (was, is) {
        (RuleKind::Range { min: min1, max: max1 }, RuleKind::Range { min: min2, max: max2 }) => {
            let wider = |was: &Option<Decimal>, is: &Option<Decimal>, beyond: fn(&Decimal, &Decimal) -> bool| {
                was.as_ref().is_some_and(|was| is.as_ref().is_none_or(|is| beyond(is, was)))
            };
            let wider = wider(min1, min2, |is, was| is < was) || wider(max1, max2, |is, was| is > was);
            if wider { Strength::Weaker } else { Strength::Stronger }
        }
        (RuleKind::Functional { tolerance: was }, RuleKind::Functional { tolerance: is }) => {
            if is > was {
                Strength::Weaker
            } else {
                Strength::Stronger
            }
        }
        (
            RuleKind::Required
            | RuleKind::Datatype { .. }
            | RuleKind::Range { .. }
            | RuleKind::Functional { .. }
            | RuleKind::ForeignKey,
            _,
        ) => Strength::Unclear,
    }
}

fn text(kind: &RuleKind) -> String {
    match kind {
        RuleKind::Required | RuleKind::ForeignKey => kind.as_str().to_owned(),
        RuleKind::Datatype { is, unit } => {
            unit.as_ref().map_or_else(|| is.as_str().to_owned(), |unit| format!("{} in {unit}", is.as_str()))
        }
        RuleKind::Range { min, max } => {
            let end = |bound: &Option<Decimal>| bound.as_ref().map_or_else(|| "…".to_owned(), ToString::to_string);
            format!("from {} to {}", end(min), end(max))
        }
        RuleKind::Functional { tolerance } => format!("tolerance {tolerance}"),
    }
}
