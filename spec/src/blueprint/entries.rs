//! A blueprint line by line, to show and to compare.

use std::collections::BTreeMap;

use super::Blueprint;
use crate::canonical;

impl Blueprint {
    /// What it says, one entry for each thing: what it is about, and what is said. Two blueprints with the same entries
    /// have the same id.
    ///
    /// # Panics
    /// Never: a blueprint has small numbers.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<String, String> {
        let kristal = &self.pins.kristal;
        let mut entries = BTreeMap::from([
            ("name".to_owned(), self.name.to_string()),
            ("revision".to_owned(), self.revision.to_string()),
            (format!("mandate {}", self.mandate.name), self.mandate.sha256.to_string()),
            ("kristal version".to_owned(), kristal.version.clone()),
            ("kristal schema-set".to_owned(), kristal.schema_set_id.to_string()),
            (
                "kristal canonicalization".to_owned(),
                format!("{} {}", kristal.canonicalization_profile, kristal.canonicalization_version),
            ),
            ("toolchain lock".to_owned(), self.pins.toolchain.to_string()),
        ]);
        if let Some(commit) = &kristal.commit {
            entries.insert("kristal commit".to_owned(), commit.clone());
        }
        for schema in &self.pins.schemas {
            entries.insert(format!("schema {} {}", schema.name, *schema.id), schema.sha256.to_string());
        }
        for (kind, pins) in [("ontology", &self.pins.ontologies), ("policy", &self.pins.policies)] {
            for pin in pins {
                entries.insert(format!("{kind} {} {}", pin.name, pin.path), format!("{} {}", pin.version, *pin.sha256));
            }
        }
        for pin in &self.pins.files {
            entries.insert(format!("pin {} {}", pin.kind, pin.path), pin.sha256.to_string());
        }
        let order: Vec<&str> = self.steps.iter().map(|s| s.step_id.as_str()).collect();
        entries.insert("steps".to_owned(), order.join(", "));
        for step in &self.steps {
            let text = canonical::bytes_of(step).expect("small numbers");
            entries.insert(format!("step {}", step.step_id), String::from_utf8_lossy(&text).into_owned());
        }
        entries
    }
}
