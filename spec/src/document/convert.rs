//! From one syntax to the other, and proof that both say the same.

use super::comment::Comments;
use super::problem::{DocumentError, Problem, Problems};
use super::source::Document;
use super::syntax::{Syntax, parse};
use super::tree::{Node, Span};
use super::{format, yaml};
use crate::ReasonCode;

mod kdl;

pub use kdl::quoted as kdl_text;

/// Nodes whose line is their evidence: they stay on one, however long.
pub(super) const LINES: [&str; 2] = ["prefer", "qualify"];

/// A document in another syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The text.
    pub text: String,
    /// What stands in the other document and not in this one: parts that `/-` takes out.
    pub lost: Vec<Span>,
}

/// Writes a document in a syntax. Comments stay, in front of what they stood in front of.
///
/// # Errors
/// [`DocumentError`] with every syntax problem, or if the other syntax cannot say the same: the text is read again
/// and compared.
pub fn convert(document: &Document, to: Syntax) -> Result<Converted, DocumentError> {
    let nodes = parse(document)?;
    let (comments, lost) = match document.syntax() {
        Syntax::Kdl => format::comments(document.text()),
        Syntax::Yaml => (yaml::comments(document.text()), Vec::new()),
    };
    let (text, name) = match to {
        Syntax::Kdl => (kdl::document(&nodes, &mut Comments::new(&comments, "//")), "converted.kdl"),
        Syntax::Yaml => (yaml::write::document(&nodes, &mut Comments::new(&comments, "#")), "converted.yaml"),
    };
    let again = parse(&Document::new(name, text.as_str())).unwrap_or_default();
    let differs = nodes.iter().enumerate().find(|(i, node)| again.get(*i).map(Node::meaning) != Some(node.meaning()));
    let span = match differs {
        Some((_, node)) => node.span,
        None if again.len() == nodes.len() => return Ok(Converted { text, lost }),
        None => Span::default(),
    };
    let mut problems = Problems::new(document);
    problems.push(
        Problem::new(ReasonCode::DocumentInvalid, "this cannot be said in the other syntax", span)
            .help("look for numbers with `_` or without digits in front of the point, and write them out"),
    );
    Err(problems.into_error())
}

#[cfg(test)]
mod tests;
