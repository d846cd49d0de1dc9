//! The registry: the local, injective mapping from names to `Q` and `P` numbers.
//!
//! Wikidata's numbers are never reused: a number below [`FIRST_LOCAL_Q`] or [`FIRST_LOCAL_P`] is accepted
//! only where the entry says that it *is* that thing (`keys.wikidata` equal to the id).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EntityId;

/// Items and units of our own begin here; Wikidata counts upwards and is far below.
pub const FIRST_LOCAL_Q: u64 = 4_000_000_000;
/// Properties of our own begin here.
pub const FIRST_LOCAL_P: u64 = 9_000_000;

/// One line of `registry.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryEntry {
    /// The number.
    pub id: EntityId,
    /// What it names.
    pub kind: EntityKind,
    /// Labels by language.
    pub label: BTreeMap<String, String>,
    /// Other names, in no particular language.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Exact identifiers by key space: `{"symbol":"H","number":"1"}`.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
    /// What values of a property look like, for people; rules decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datatype: Option<String>,
    /// The usual unit of a property, for people; maps decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<EntityId>,
}

/// What an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntityKind {
    /// A thing.
    Item,
    /// A property.
    Property,
    /// A unit of measurement.
    Unit,
}

impl RegistryEntry {
    /// What is wrong with the entry's number, if anything.
    #[must_use]
    pub fn id_problem(&self) -> Option<String> {
        let id = self.id.as_str();
        let is_property = id.starts_with('P');
        if is_property != (self.kind == EntityKind::Property) {
            return Some(format!("`{id}` has the wrong letter for its kind"));
        }
        let number: u64 = id[1..].parse().ok()?;
        let first = if is_property { FIRST_LOCAL_P } else { FIRST_LOCAL_Q };
        let is_wikidata = self.keys.get("wikidata").is_some_and(|w| w == id);
        (number < first && !is_wikidata).then(|| {
            format!("`{id}` is a number of Wikidata; local numbers begin at {first}, or say `\"wikidata\":\"{id}\"`")
        })
    }

    /// The best label: English, else the first language in order, else the id.
    #[must_use]
    pub fn name(&self) -> &str {
        self.label.get("en").or_else(|| self.label.values().next()).map_or(self.id.as_str(), String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wikidata_numbers_are_not_reused() {
        let entry = |line: &str| serde_json::from_str::<RegistryEntry>(line).expect("an entry");
        let local = entry(r#"{"id":"Q4000000001","kind":"item","label":{"en":"Hydrogen"}}"#);
        assert_eq!(local.id_problem(), None);
        let taken = entry(r#"{"id":"Q556","kind":"item","label":{"en":"Hydrogen"}}"#);
        assert!(taken.id_problem().is_some());
        let same = entry(r#"{"id":"Q556","kind":"item","label":{"en":"hydrogen"},"keys":{"wikidata":"Q556"}}"#);
        assert_eq!(same.id_problem(), None);
        let letter = entry(r#"{"id":"Q4000000001","kind":"property","label":{"en":"mass"}}"#);
        assert!(letter.id_problem().is_some());
    }
}
