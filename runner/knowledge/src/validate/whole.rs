//! Rules that need the whole set: functional properties over sources, required properties, foreign keys.
//! Claims may outgrow memory, so each rule sorts what it needs through a spill.

mod agreement;

use std::collections::BTreeSet;
use std::io;

use orgo_spec::ReasonCode;
use orgo_spec::artifact::registry::EntityKind;
use orgo_spec::artifact::report::{Details, Location, SourcedValue};
use orgo_spec::artifact::resolved::{ResolvedClaim, ResolvedDocument, ResolvedObject};
use orgo_spec::artifact::{ClaimId, EntityId, Pid, Qid, canonical, read};
use orgo_spec::knowledge::RuleKind;
use serde::{Deserialize, Serialize};

use self::agreement::{Value, functional};
use super::{BoundRules, Findings};
use crate::decide::published;
use crate::entities::Entities;
use crate::error::SpineError;
use crate::folder::Spill;
use crate::sort::Sorter;

/// Separates parts of sort keys; no part contains it, because canonical JSON escapes it.
const SEPARATOR: u8 = 0;

/// Collects what the rules over the whole set need.
pub(super) struct Whole<'a> {
    rules: &'a BoundRules<'a>,
    values: Sorter<'a>,
    presence: Sorter<'a>,
    keys: Sorter<'a>,
}

/// One reference by foreign key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    subject: Option<Qid>,
    surface: String,
    property: Pid,
    claim_id: ClaimId,
    pointer: String,
}

impl<'a> Whole<'a> {
    pub(super) fn new(rules: &'a BoundRules<'a>, spill: &'a dyn Spill) -> Self {
        let sorter = || Sorter::new(spill);
        Self { rules, values: sorter(), presence: sorter(), keys: sorter() }
    }

    pub(super) fn add(&mut self, line: u64, document: &ResolvedDocument) -> io::Result<()> {
        let subject = document.subject.id();
        if let Some(subject) = subject {
            if self.rules.of_kind("required").next().is_some() {
                self.presence.push(subject.as_str().as_bytes(), b"")?;
            }
            if self.rules.of_kind("foreign-key").next().is_some() {
                self.keys.push(subject.as_str().as_bytes(), b"")?;
            }
        }
        for (i, claim) in document.claims.iter().enumerate() {
            let Some(property) = claim.predicate.id() else { continue };
            let pointer = format!("/{line}/claims/{i}/object");
            for rule in self.rules.about(property) {
                match (&rule.kind, subject) {
                    (RuleKind::Functional { .. }, Some(subject)) => self.value(subject, property, claim, &pointer)?,
                    (RuleKind::Required, Some(subject)) => {
                        self.presence.push(subject.as_str().as_bytes(), property.as_str().as_bytes())?;
                    }
                    (RuleKind::ForeignKey, _) => self.key(subject, property, claim, &pointer)?,
                    (RuleKind::Functional { .. } | RuleKind::Required, None)
                    | (RuleKind::Datatype { .. } | RuleKind::Range { .. }, _) => {}
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, subject: &Qid, property: &Pid, claim: &ResolvedClaim, pointer: &str) -> io::Result<()> {
        let mut key = [subject.as_str().as_bytes(), property.as_str().as_bytes()].join(&SEPARATOR);
        for qualifier in &claim.qualifiers {
            key.push(SEPARATOR);
            key.extend(qualifier.predicate.pid.as_ref().map_or("", Pid::as_str).bytes());
            key.push(SEPARATOR);
            key.extend(shape(&qualifier.object).bytes());
        }
        let (source, quote) = published(claim).unwrap_or_default();
        let amount = match &claim.object {
            ResolvedObject::Quantity(quantity) => Some(quantity.amount.clone()),
            ResolvedObject::Item(_)
            | ResolvedObject::String(_)
            | ResolvedObject::Time(_)
            | ResolvedObject::MonolingualText(_)
            | ResolvedObject::Url(_) => None,
        };
        let value = Value {
            shape: if amount.is_some() { unit(&claim.object) } else { shape(&claim.object) },
            amount,
            rank: claim.rank,
            source: source.to_owned(),
            quote: quote.to_owned(),
            claim_id: claim.claim_id.clone(),
            pointer: pointer.to_owned(),
        };
        self.values.push(&key, &canonical(&value))
    }

    fn key(&mut self, subject: Option<&Qid>, property: &Pid, claim: &ResolvedClaim, pointer: &str) -> io::Result<()> {
        let ResolvedObject::Item(item) = &claim.object else { return Ok(()) };
        let Some(target) = item.id() else { return Ok(()) };
        let reference = Reference {
            subject: subject.cloned(),
            surface: item.surface.clone(),
            property: property.clone(),
            claim_id: claim.claim_id.clone(),
            pointer: pointer.to_owned(),
        };
        self.keys.push(target.as_str().as_bytes(), &canonical(&reference))
    }

    /// Adds what the whole set says to the findings.
    pub(super) fn finish(self, entities: &Entities, findings: &mut Findings) -> Result<(), SpineError> {
        let Self { rules, values, presence, keys } = self;
        values.groups(|key, group| functional(rules, entities, key, &group, findings))?;
        let required: Vec<_> = rules.of_kind("required").collect();
        presence.groups(|subject, present| {
            let present: BTreeSet<_> = present.into_iter().collect();
            for (_, rule) in required.iter().filter(|(p, _)| !present.contains(p.as_str().as_bytes())) {
                let subject = Qid::new(&String::from_utf8_lossy(subject));
                let name = label(entities, subject.as_ref());
                let message = format!("{name} has no {}", rule.property);
                let location = Location { entity_id: subject, ..Location::default() };
                let details =
                    Details { subject: Some(name), property: Some(rule.property.to_string()), ..Details::default() };
                findings.error(
                    ReasonCode::RequiredMissing,
                    message,
                    location,
                    Some(rules.reference(rule)),
                    Some(details),
                );
            }
            Ok::<_, SpineError>(())
        })?;
        keys.groups(|_, group| {
            // The mark of a subject is empty and sorts first.
            if group.first().is_some_and(Vec::is_empty) {
                return Ok(());
            }
            for reference in group {
                let reference: Reference = read("a sorted reference", &reference)?;
                let rule = rules.about(&reference.property).iter().find(|r| matches!(r.kind, RuleKind::ForeignKey));
                let message = format!("`{}` is not a subject of the data", reference.surface.escape_debug());
                let location = Location {
                    json_pointer: Some(reference.pointer),
                    entity_id: reference.subject,
                    claim_id: Some(reference.claim_id),
                };
                findings.error(
                    ReasonCode::ForeignKeyMissing,
                    message,
                    location,
                    rule.map(|r| rules.reference(r)),
                    None,
                );
            }
            Ok::<_, SpineError>(())
        })
    }
}

/// The unit of a quantity, as far as it decides comparability.
fn unit(object: &ResolvedObject) -> String {
    let ResolvedObject::Quantity(quantity) = object else { return String::new() };
    match quantity.unit.as_ref() {
        None => "quantity".to_owned(),
        Some(unit) => format!("quantity {}", unit.qid.as_ref().map_or(unit.surface.as_str(), Qid::as_str)),
    }
}

/// What of a value decides equality: its kind and content, ids instead of names.
fn shape(object: &ResolvedObject) -> String {
    match object {
        ResolvedObject::Item(item) => format!("item {}", item.qid.as_ref().map_or(item.surface.as_str(), Qid::as_str)),
        ResolvedObject::Quantity(quantity) => format!("{} {}", unit(object), quantity.amount),
        ResolvedObject::String(_)
        | ResolvedObject::Time(_)
        | ResolvedObject::MonolingualText(_)
        | ResolvedObject::Url(_) => String::from_utf8_lossy(&canonical(object)).into_owned(),
    }
}

fn label(entities: &Entities, subject: Option<&Qid>) -> String {
    let Some(subject) = subject else { return "an unknown subject".to_owned() };
    let entry = entities.get(&EntityId::from(subject.clone())).filter(|e| e.kind == EntityKind::Item);
    entry.map_or_else(|| subject.to_string(), |e| e.name().to_owned())
}

/// Who says the value of one claim.
pub(super) fn details_of(claim: &ResolvedClaim) -> Details {
    let values = published(claim)
        .map(|(source, value)| SourcedValue {
            source: source.to_owned(),
            value: value.to_owned(),
            claim_id: claim.claim_id.clone(),
        })
        .into_iter()
        .collect();
    Details { values, ..Details::default() }
}
