//! The two syntaxes of documents, and the one door to both.

use super::problem::{DocumentError, Problem, Problems};
use super::source::Document;
use super::tree::{Node, Span};
use super::{kdl, yaml};
use crate::ReasonCode;

/// Largest accepted document: 16 MiB, about 100,000 stages written out.
const MAX_BYTES: usize = 16 << 20;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// KDL 2.
    Kdl,
    /// The part of YAML 1.2 that `docs/formats/yaml.md` describes.
    Yaml,
}

impl Syntax {
    /// The endings of file names, without their dot, the usual one first.
    pub const ENDINGS: [(&'static str, Self); 3] = [("kdl", Self::Kdl), ("yaml", Self::Yaml), ("yml", Self::Yaml)];

    /// The syntax that a file's name promises; none if it ends otherwise.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        Self::ENDINGS.into_iter().find(|(known, _)| *known == ending).map(|(_, syntax)| syntax)
    }
}

/// Reads a document into nodes: YAML if its name ends in `.yaml` or `.yml`, otherwise KDL 2.
///
/// # Errors
/// [`DocumentError`] with every syntax problem that the parser could tell apart.
pub fn parse(document: &Document) -> Result<Vec<Node>, DocumentError> {
    let mut problems = Problems::new(document);
    if document.text().len() > MAX_BYTES {
        problems.push(
            Problem::new(ReasonCode::InputTooLarge, "the document is larger than 16 MiB", Span::default())
                .help("split it, or let a matrix expand it"),
        );
        return Err(problems.into_error());
    }
    match document.syntax() {
        Syntax::Kdl => kdl::parse(document, problems),
        Syntax::Yaml => yaml::parse(document, problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_says_its_syntax() {
        for (name, syntax) in [
            ("pipelines/ci.kdl", Some(Syntax::Kdl)),
            ("pipelines/ci.yaml", Some(Syntax::Yaml)),
            ("orgo.yml", Some(Syntax::Yaml)),
            ("orgo.toml", None),
            ("yaml", None),
        ] {
            assert_eq!(Syntax::of(name), syntax, "{name}");
        }
    }

    #[test]
    fn a_document_that_is_too_large_is_not_read() {
        for name in ["d.kdl", "d.yaml"] {
            let error = parse(&Document::new(name, " ".repeat(MAX_BYTES + 1))).expect_err("too large");
            assert_eq!(error.code(), ReasonCode::InputTooLarge);
        }
    }
}
