//! Blueprints: everything that a pipeline uses, pinned by digest. `blueprints/<name>.kdl`.
//!
//! Fields follow koa-contract 2.3, the view of pins; nothing in a blueprint floats.

use schemars::JsonSchema;
use serde::Serialize;

use crate::document::{Document, DocumentError, Fields, Node, Problem, Problems, RelativePath, Span, Spanned, parse};
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
        let nodes = parse(document)?;
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
    if let Some(version) = kristal.as_ref().filter(|v| !is_version(v)) {
        let message = format!("`{version}` is no version of the contract");
        problems.push(Problem::new(ReasonCode::BlueprintUnpinned, message, version.span).help("write `kristal=\"4\"`"));
    }
    let mut pins: Vec<Pin> = Vec::new();
    for child in fields.children("pin") {
        let mut fields = Fields::new(child);
        let kind = fields.arg("a kind such as `rules`", problems);
        let path = fields.required("path", problems);
        let sha256 = fields.required("sha256", problems);
        fields.finish(problems);
        if let (Some(kind), Some(path), Some(sha256)) = (kind, path, sha256) {
            let pin = Pin { kind, path, sha256 };
            if let Some(first) = pins.iter().find(|p| *p.path == *pin.path) {
                let problem =
                    Problem::new(ReasonCode::FieldDuplicate, format!("`{}` is pinned twice", pin.path), pin.path.span);
                problems.push(problem.also(first.path.span, "first pinned here").help("keep one of the two"));
            }
            pins.push(pin);
        }
    }
    fields.finish(problems);
    Some(Blueprint { schema_version: "1.0.0", name: name?, revision: revision?.value, kristal: kristal?.value, pins })
}

/// Whether a text is a version: numbers and dots. Words such as `latest` float.
fn is_version(text: &str) -> bool {
    text.len() <= 40 && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(digit: char) -> Digest {
        Digest::from_hex(&digit.to_string().repeat(64)).expect("64 digits")
    }

    fn document(kristal: &str, pins: &[(&str, char)]) -> Document {
        let pins: String =
            pins.iter().map(|(path, d)| format!("pin \"rules\" path=\"{path}\" sha256=\"{}\"\n", digest(*d))).collect();
        Document::new("blueprints/b.kdl", format!("blueprint \"b\" revision=1 kristal=\"{kristal}\" {{\n{pins}}}\n"))
    }

    fn codes<T>(result: Result<T, DocumentError>) -> Vec<ReasonCode> {
        result.map_or_else(|e| e.problems().map(Problem::code).collect(), |_| vec![])
    }

    #[test]
    fn pins_hold_or_are_named_with_what_is_there() {
        let document = document("4", &[("a", 'a'), ("b", 'b'), ("c", 'c')]);
        let blueprint = Blueprint::parse(&document).expect("well formed");
        let as_pinned = |path: &str| path.chars().next().map(digest);
        assert!(blueprint.check(&document, as_pinned).is_ok());
        let changed = |path: &str| match path {
            "a" => Some(digest('f')),
            "b" => None,
            _ => Some(digest('c')),
        };
        let error = blueprint.check(&document, changed).expect_err("two pins do not hold");
        let problems: Vec<_> = error.problems().collect();
        assert!(problems.iter().all(|p| p.code() == ReasonCode::BlueprintUnpinned));
        assert_eq!(
            problems.iter().map(|p| p.message()).collect::<Vec<_>>(),
            ["`a` is not what is pinned", "`b` is pinned and does not exist"]
        );
        assert!(problems[0].help_text().is_some_and(|h| h.contains(&digest('f').to_string())));
        assert_eq!(document.position(problems[1].span()).0, 3, "the place of the pin");
    }

    #[test]
    fn nothing_in_a_blueprint_floats() {
        for floating in ["latest", "main", "4.x", "", "4."] {
            assert_eq!(
                codes(Blueprint::parse(&document(floating, &[]))),
                [ReasonCode::BlueprintUnpinned],
                "{floating}"
            );
        }
        assert_eq!(codes(Blueprint::parse(&document("4.0", &[]))), []);
        let unpinned = Document::new("b", "blueprint \"b\" revision=1 kristal=\"4\" { pin \"map\" path=\"m\"; }");
        assert_eq!(codes(Blueprint::parse(&unpinned)), [ReasonCode::DocumentInvalid]);
        assert_eq!(codes(Blueprint::parse(&document("4", &[("a", 'a'), ("a", 'b')]))), [ReasonCode::FieldDuplicate]);
        assert_eq!(codes(Blueprint::parse(&document("4", &[("../a", 'a')]))), [ReasonCode::DocumentInvalid]);
    }

    #[test]
    fn the_same_pins_are_the_same_blueprint() {
        let id = |pins: &[(&str, char)]| Blueprint::parse(&document("4", pins)).expect("well formed").id();
        assert_eq!(id(&[("a", 'a')]), id(&[("a", 'a')]));
        assert_ne!(id(&[("a", 'a')]), id(&[("a", 'b')]));
        assert_ne!(id(&[("a", 'a')]), id(&[("b", 'a')]));
    }
}
