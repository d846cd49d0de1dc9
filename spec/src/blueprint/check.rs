//! Every pin beside what it pins.

use super::Blueprint;
use crate::canonical::{CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION};
use crate::document::{Document, DocumentError, Problem, Problems, Span, Spanned};
use crate::lock::LOCK_FILE;
use crate::{Digest, ReasonCode, schema};

/// A pin that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// What is pinned.
    pub what: String,
    /// The digest in the blueprint.
    pub pinned: Digest,
    /// What is there; nothing if it is gone.
    pub found: Option<Digest>,
    /// The place of the digest.
    pub span: Span,
}

impl Blueprint {
    /// Every pin that does not hold: the mandate by its id, files by `digest`, which returns nothing for a file that is
    /// not there; schemas and contract beside those of this program.
    pub fn loose(&self, mandate: Option<Digest>, mut digest: impl FnMut(&str) -> Option<Digest>) -> Vec<Loose> {
        let mut loose = Vec::new();
        let mut hold = |what: &str, pinned: Digest, found: Option<Digest>, span: Span| {
            if found != Some(pinned) {
                loose.push(Loose { what: what.to_owned(), pinned, found, span });
            }
        };
        hold(&format!("mandates/{}", self.mandate.name), self.mandate.id, mandate, self.mandate.span);
        let mut file = |path: &str, pinned: &Spanned<Digest>| hold(path, pinned.value, digest(path), pinned.span);
        file(LOCK_FILE, &self.pins.toolchain);
        for pin in self.pins.ontologies.iter().chain(&self.pins.policies) {
            file(pin.path.as_str(), &pin.sha256);
        }
        for pin in &self.pins.files {
            file(pin.path.as_str(), &pin.sha256);
        }
        let schemas = schema::artifact_schemas();
        for pin in &self.pins.schemas {
            let found = schemas.iter().find(|(id, _)| *id == *pin.id).map(|(_, digest)| *digest);
            hold(&pin.id, pin.sha256.value, found, pin.sha256.span);
        }
        let kristal = &self.pins.kristal;
        hold("the set of schemas", kristal.schema_set_id, Some(schema::schema_set_id()), kristal.span);
        loose
    }

    /// Compares every pin with what is there, as [`Blueprint::loose`] does, and the canonical form with that of this
    /// program.
    ///
    /// # Errors
    /// [`DocumentError`] with `BLUEPRINT_UNPINNED` for each pin that does not hold.
    pub fn check(
        &self,
        document: &Document,
        mandate: Option<Digest>,
        digest: impl FnMut(&str) -> Option<Digest>,
    ) -> Result<(), DocumentError> {
        let mut problems = Problems::new(document);
        for Loose { what, found, span, .. } in self.loose(mandate, digest) {
            let message = match found {
                Some(_) => format!("`{what}` is not what is pinned"),
                None => format!("`{what}` is pinned and does not exist"),
            };
            let problem = Problem::new(ReasonCode::BlueprintUnpinned, message, span);
            problems.push(match found {
                Some(found) => problem
                    .label("this digest")
                    .help(format!("restore it, or pin what it is now, {found}: `orgo blueprint pin {}`", self.name)),
                None => problem.help("restore it, or remove the pin"),
            });
        }
        let kristal = &self.pins.kristal;
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
