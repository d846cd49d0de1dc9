//! Blueprints: everything that a pipeline uses, pinned by digest. `blueprints/<name>.kdl`.
//!
//! Fields follow koa-contract 2.3, the view of pins; nothing in a blueprint floats.

use schemars::JsonSchema;
use serde::Serialize;

use crate::document::{
    Document, DocumentError, Fields, Node, Problem, Problems, RelativePath, Span, Spanned, parse_kdl,
};
use crate::project::unknown_top;
use crate::{Digest, Name, ReasonCode, canonical};

/// A decoded blueprint.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Blueprint {
    /// Version of this document.
    pub schema_version: &'static str,
    /// What it is called.
    pub name: Spanned<Name>,
    /// Counts up with every change.
    pub revision: u32,
    /// The contract that artifacts follow.
    pub kristal: String,
    /// What is pinned.
    pub pins: Vec<Pin>,
}

/// One pinned file.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Pin {
    /// What it is to the pipeline: `schema`, `map`, `rules`, `registry`, `source`, `policy` …
    pub kind: Spanned<Name>,
    /// Where it lies in the repository.
    pub path: Spanned<RelativePath>,
    /// Digest of the file.
    pub sha256: Spanned<Digest>,
}

impl Blueprint {
    /// Decodes a blueprint.
    ///
    /// # Errors
    /// [`DocumentError`] with every problem.
    pub fn parse(document: &Document) -> Result<Self, DocumentError> {
        let nodes = parse_kdl(document)?;
        let mut problems = Problems::new(document);
        let mut blueprint = None;
        for node in &nodes {
            if *node.name == "blueprint" && blueprint.is_none() {
                blueprint = decode(node, &mut problems);
            } else {
                problems.push(unknown_top(&node.name, &["blueprint"]));
            }
        }
        if blueprint.is_none() && problems.is_empty() {
            let problem =
                Problem::new(ReasonCode::DocumentInvalid, "the document declares no blueprint", Span::default());
            problems.push(problem.help("write `blueprint \"name\" revision=1 kristal=\"4\" { … }`"));
        }
        problems.check(blueprint)
    }

    /// The blueprint's id: the digest of its canonical form.
    #[must_use]
    pub fn id(&self) -> Digest {
        canonical::digest_of(self).expect("a blueprint has no numbers beyond 2^53")
    }

    /// Compares every pin with the file as it is; `digest` returns nothing for a file that is not there.
    ///
    /// # Errors
    /// [`DocumentError`] with `BLUEPRINT_UNPINNED` for each pin that does not hold.
    pub fn check(
        &self,
        document: &Document,
        mut digest: impl FnMut(&str) -> Option<Digest>,
    ) -> Result<(), DocumentError> {
        let mut problems = Problems::new(document);
        for pin in &self.pins {
            let found = digest(pin.path.as_str());
            if found == Some(pin.sha256.value) {
                continue;
            }
            let message = match found {
                Some(_) => format!("`{}` is not what is pinned", pin.path),
                None => format!("`{}` is pinned and does not exist", pin.path),
            };
            let problem = Problem::new(ReasonCode::BlueprintUnpinned, message, pin.sha256.span);
            problems.push(match found {
                Some(found) => {
                    problem.label("this digest").help(format!("restore the file, or pin what it is now: {found}"))
                }
                None => problem.help("restore the file, or remove the pin"),
            });
        }
        problems.check(Some(()))
    }
}

fn decode(node: &Node, problems: &mut Problems) -> Option<Blueprint> {
    let mut fields = Fields::new(node);
    let name = fields.arg("a name", problems);
    let revision = fields.required::<u32>("revision", problems);
    let kristal = fields.required::<String>("kristal", problems);
    let mut pins = Vec::new();
    for child in fields.children("pin") {
        let mut fields = Fields::new(child);
        let kind = fields.arg("a kind such as `rules`", problems);
        let path = fields.required("path", problems);
        let sha256 = fields.required("sha256", problems);
        fields.finish(problems);
        if let (Some(kind), Some(path), Some(sha256)) = (kind, path, sha256) {
            pins.push(Pin { kind, path, sha256 });
        }
    }
    fields.finish(problems);
    Some(Blueprint { schema_version: "1.0.0", name: name?, revision: revision?.value, kristal: kristal?.value, pins })
}
