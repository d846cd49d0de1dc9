//! Registry entries by id and by name: exact, then folded.

use std::collections::{BTreeMap, BTreeSet};

use orgo_spec::artifact::EntityId;
use orgo_spec::artifact::registry::{EntityKind, RegistryEntry};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Name and version of [`fold`].
pub(crate) const FOLD: &str = "orgo-fold-nfkc-case-marks@1";

/// Key space of the plain names of properties and units.
const NAME_KEY: &str = "name";

/// Entries and the names that lead to them.
#[derive(Debug, Default)]
pub(crate) struct Entities {
    by_id: BTreeMap<EntityId, RegistryEntry>,
    by_key: BTreeMap<(String, String), BTreeSet<EntityId>>,
    by_word: BTreeMap<String, BTreeSet<EntityId>>,
    by_label: BTreeMap<String, BTreeSet<EntityId>>,
    by_fold: BTreeMap<String, BTreeSet<EntityId>>,
}

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strength {
    /// Character by character.
    Exact,
    /// After [`fold`].
    Folded,
}

impl Entities {
    /// Adds an entry; `false` if its id was there before.
    pub(crate) fn insert(&mut self, entry: RegistryEntry) -> bool {
        if self.by_id.contains_key(&entry.id) {
            return false;
        }
        for (space, value) in &entry.keys {
            self.by_key.entry((space.clone(), value.clone())).or_default().insert(entry.id.clone());
            self.by_word.entry(value.clone()).or_default().insert(entry.id.clone());
        }
        for name in entry.label.values().chain(&entry.aliases) {
            self.by_label.entry(name.clone()).or_default().insert(entry.id.clone());
            self.by_fold.entry(fold(name)).or_default().insert(entry.id.clone());
        }
        self.by_id.insert(entry.id.clone(), entry);
        true
    }

    /// The entry with an id.
    pub(crate) fn get(&self, id: &EntityId) -> Option<&RegistryEntry> {
        self.by_id.get(id)
    }

    /// All entries by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &RegistryEntry> {
        self.by_id.values()
    }

    /// The entries of `kind` that a name means, by the strongest way that leads anywhere: the id itself;
    /// the key space, if one is named; else plain name, label or alias; else the folded label or alias.
    pub(crate) fn find(&self, name: &str, key: Option<&str>, kind: EntityKind) -> (Strength, Vec<&RegistryEntry>) {
        let of_kind = |ids: Option<&BTreeSet<EntityId>>| -> Vec<&RegistryEntry> {
            ids.into_iter().flatten().filter_map(|id| self.by_id.get(id)).filter(|e| e.kind == kind).collect()
        };
        let in_key = |space: &str| of_kind(self.by_key.get(&(space.to_owned(), name.to_owned())));
        let itself = EntityId::new(name).and_then(|id| self.by_id.get(&id)).filter(|e| e.kind == kind);
        if let Some(entry) = itself {
            return (Strength::Exact, vec![entry]);
        }
        if let Some(space) = key {
            return (Strength::Exact, in_key(space));
        }
        for found in [in_key(NAME_KEY), of_kind(self.by_label.get(name))] {
            if !found.is_empty() {
                return (Strength::Exact, found);
            }
        }
        (Strength::Folded, of_kind(self.by_fold.get(&fold(name))))
    }

    /// The one entry of `kind` that a person's word means exactly: its id, any of its keys, or its label.
    ///
    /// # Errors
    /// How many entries it means, if not one.
    pub(crate) fn by_word(&self, word: &str, kind: EntityKind) -> Result<&RegistryEntry, usize> {
        let of_kind = |ids: Option<&BTreeSet<EntityId>>| -> Vec<&RegistryEntry> {
            ids.into_iter().flatten().filter_map(|id| self.by_id.get(id)).filter(|e| e.kind == kind).collect()
        };
        let itself = EntityId::new(word).and_then(|id| self.by_id.get(&id)).filter(|e| e.kind == kind);
        let found = [itself.into_iter().collect(), of_kind(self.by_word.get(word)), of_kind(self.by_label.get(word))]
            .into_iter()
            .find(|found| !found.is_empty())
            .unwrap_or_default();
        match found.as_slice() {
            [entry] => Ok(entry),
            several => Err(several.len()),
        }
    }
}

/// The declared fold: NFKC, case away, marks away. What it loses is said wherever it decided.
pub(crate) fn fold(text: &str) -> String {
    // To upper and back, character by character, is Unicode's simple way to the fold of ß and final sigma.
    let cased = text.nfkc().flat_map(char::to_uppercase).collect::<String>();
    let cased = cased.chars().flat_map(char::to_lowercase).collect::<String>();
    cased.nfd().filter(|c| !is_combining_mark(*c)).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fold_takes_case_marks_and_compatibility_away() {
        for (a, b) in [("Ångström", "angstrom"), ("STRASSE", "straße"), ("ΣΊΣΥΦΟΣ", "σισυφος"), ("ﬁne", "FINE")]
        {
            assert_eq!(fold(a), fold(b));
        }
        assert_ne!(fold("Hf"), fold("H"));
    }

    #[test]
    fn the_strongest_way_decides_and_ties_stay() {
        let mut entities = Entities::default();
        for line in [
            r#"{"id":"Q4000000001","kind":"item","label":{"en":"Lead"},"keys":{"symbol":"Pb"}}"#,
            r#"{"id":"Q4000000002","kind":"item","label":{"en":"LEAD"}}"#,
            r#"{"id":"Q4000000003","kind":"unit","label":{"en":"Lead"}}"#,
        ] {
            assert!(entities.insert(serde_json::from_str(line).expect("an entry")));
        }
        let found = |name, key| {
            let (strength, entries) = entities.find(name, key, EntityKind::Item);
            (strength, entries.iter().map(|e| e.id.as_str()).collect::<Vec<_>>())
        };
        assert_eq!(found("Lead", None), (Strength::Exact, vec!["Q4000000001"]));
        assert_eq!(found("lead", None), (Strength::Folded, vec!["Q4000000001", "Q4000000002"]));
        assert_eq!(found("Pb", Some("symbol")), (Strength::Exact, vec!["Q4000000001"]));
        assert_eq!(found("Lead", Some("symbol")), (Strength::Exact, vec![]), "a key space has no fallback");
        assert_eq!(entities.by_word("Pb", EntityKind::Item).map(|e| e.id.as_str()), Ok("Q4000000001"));
        assert_eq!(entities.by_word("nobody", EntityKind::Item).map(|e| e.id.as_str()), Err(0));
    }
}
