//! A blueprint line by line, to show and to compare.

use std::collections::BTreeMap;

use super::Blueprint;
use crate::canonical;
use crate::document::Spanned;

impl Blueprint {
    /// What it says, one entry for each thing: what it is about, and what is said. Two blueprints with the same entries
    /// have the same id.
    ///
    /// # Panics
    /// Never: a blueprint has small numbers.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<String, Spanned<String>> {
        let mut entries = BTreeMap::new();
        let mut say = |what: String, says: String, span| entries.insert(what, Spanned::new(says, span));
        say("name".to_owned(), self.name.to_string(), self.name.span);
        say("revision".to_owned(), self.revision.to_string(), self.name.span);
        say(format!("mandate {}", self.mandate.name), self.mandate.id.to_string(), self.mandate.span);
        let kristal = &self.pins.kristal;
        say("kristal version".to_owned(), kristal.version.clone(), kristal.span);
        say("kristal schema-set".to_owned(), kristal.schema_set_id.to_string(), kristal.span);
        let form = format!("{} {}", kristal.canonicalization_profile, kristal.canonicalization_version);
        say("kristal canonicalization".to_owned(), form, kristal.span);
        if let Some(commit) = &kristal.commit {
            say("kristal commit".to_owned(), commit.clone(), kristal.span);
        }
        say("toolchain lock".to_owned(), self.pins.toolchain.to_string(), self.pins.toolchain.span);
        for schema in &self.pins.schemas {
            let what = format!("schema {} {}", schema.name, *schema.id);
            say(what, schema.sha256.to_string(), schema.name.span);
        }
        for (kind, pins) in [("ontology", &self.pins.ontologies), ("policy", &self.pins.policies)] {
            for pin in pins {
                let says = format!("{} {}", pin.version, *pin.sha256);
                say(format!("{kind} {} {}", pin.name, pin.path), says, pin.name.span);
            }
        }
        for pin in &self.pins.files {
            say(format!("pin {} {}", pin.kind, pin.path), pin.sha256.to_string(), pin.path.span);
        }
        let order: Vec<&str> = self.steps.iter().map(|s| s.step_id.as_str()).collect();
        say("steps".to_owned(), order.join(", "), self.name.span);
        for step in &self.steps {
            let text = canonical::bytes_of(step).expect("small numbers");
            let says = String::from_utf8_lossy(&text).into_owned();
            say(format!("step {}", step.step_id), says, step.step_id.span);
        }
        entries
    }

    /// Whether an entry pins something; the others say what it is called and planned.
    #[must_use]
    pub fn is_pin(what: &str) -> bool {
        !matches!(what.split(' ').next(), Some("name" | "revision" | "steps" | "step"))
    }
}
