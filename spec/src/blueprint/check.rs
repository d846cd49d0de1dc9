//! Every pin beside what it pins.

use super::Blueprint;
use crate::canonical::{CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION};
use crate::document::{Document, DocumentError, Problem, Problems, Span};
use crate::lock::LOCK_FILE;
use crate::{Digest, ReasonCode, schema};

impl Blueprint {
    /// Compares every pin with what is there: files by `digest`, which returns nothing for a file that is not there;
    /// schemas and contract with those of this program.
    ///
    /// # Errors
    /// [`DocumentError`] with `BLUEPRINT_UNPINNED` for each pin that does not hold.
    pub fn check(
        &self,
        document: &Document,
        mut digest: impl FnMut(&str) -> Option<Digest>,
    ) -> Result<(), DocumentError> {
        let mut problems = Problems::new(document);
        let mandate = format!("mandates/{}/mandate.kdl", self.mandate.name);
        let mut files = vec![
            (mandate.as_str(), self.mandate.sha256, self.mandate.span),
            (LOCK_FILE, self.pins.toolchain.value, self.pins.toolchain.span),
        ];
        for pin in self.pins.ontologies.iter().chain(&self.pins.policies) {
            files.push((pin.path.as_str(), pin.sha256.value, pin.sha256.span));
        }
        files.extend(self.pins.files.iter().map(|p| (p.path.as_str(), p.sha256.value, p.sha256.span)));
        for (path, pinned, span) in files {
            hold(path, pinned, digest(path), span, &mut problems);
        }
        let schemas = schema::artifact_schemas();
        for pin in &self.pins.schemas {
            let found = schemas.iter().find(|(id, _)| *id == *pin.id).map(|(_, digest)| *digest);
            hold(&pin.id, pin.sha256.value, found, pin.sha256.span, &mut problems);
        }
        let kristal = &self.pins.kristal;
        hold("the set of schemas", kristal.schema_set_id, Some(schema::schema_set_id()), kristal.span, &mut problems);
        let form = (kristal.canonicalization_profile.as_str(), kristal.canonicalization_version.as_str());
        if form != (CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION) {
            let message = format!("the canonical form `{}` version `{}` is not that of this program", form.0, form.1);
            let problem = Problem::new(ReasonCode::BlueprintUnpinned, message, kristal.span);
            problems.push(
                problem.help(format!("it is `{CANONICALIZATION_PROFILE}`, version `{CANONICALIZATION_VERSION}`")),
            );
        }
        problems.check(Some(()))
    }
}

fn hold(what: &str, pinned: Digest, found: Option<Digest>, span: Span, problems: &mut Problems) {
    if found == Some(pinned) {
        return;
    }
    let message = match found {
        Some(_) => format!("`{what}` is not what is pinned"),
        None => format!("`{what}` is pinned and does not exist"),
    };
    let problem = Problem::new(ReasonCode::BlueprintUnpinned, message, span);
    problems.push(match found {
        Some(found) => problem.label("this digest").help(format!("restore it, or pin what it is now: {found}")),
        None => problem.help("restore it, or remove the pin"),
    });
}
