//! The one way to lay out KDL: same nodes, same comments, other blanks.
//!
//! Four spaces, a node a line, at most one blank line, none at the edges of a block; names without quotes where they
//! need none, values always with them; values before properties. A block that is written on one line stays on one
//! while it fits. What comes out is read again: another tree or other comments are a mistake of this program, and
//! nothing is handed out.

mod layout;
mod print;
mod token;

use super::comment::Comment;
use super::problem::{DocumentError, Problem, Problems};
use super::source::Document;
use super::syntax::parse;
use super::tree::{Node, Span};
use crate::ReasonCode;
use token::{Kind, Token};

pub(super) use print::is_plain_name;

/// Lays out a KDL document.
///
/// # Errors
/// [`DocumentError`] with every syntax problem, or if the result would say something else.
pub fn format_kdl(document: &Document) -> Result<String, DocumentError> {
    let before = parse(document)?;
    let text = layout::read(document.text()).map(|items| print::document(&items));
    let text = match text {
        Some(text) => {
            let after = parse(&Document::new(document.name(), text.as_str()));
            let same = after.is_ok_and(|after| values(&after) == values(&before));
            Some(text).filter(|text| same && said(text) == said(document.text()))
        }
        None => None,
    };
    text.ok_or_else(|| {
        let mut problems = Problems::new(document);
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "this document cannot be laid out safely", Span::default())
                .help("it is left as it is; look for comments in unusual places, such as within a property"),
        );
        problems.into_error()
    })
}

/// Nodes without places, properties kept apart from children.
fn values(nodes: &[Node]) -> Vec<Node> {
    let nowhere = |node: &Node| {
        let mut node = node.clone();
        strip(&mut node);
        node
    };
    nodes.iter().map(nowhere).collect()
}

fn strip(node: &mut Node) {
    node.span = Span::default();
    node.name.span = Span::default();
    node.args.iter_mut().for_each(|arg| arg.span = Span::default());
    for (name, value) in &mut node.props {
        (name.span, value.span) = (Span::default(), Span::default());
    }
    node.children.iter_mut().for_each(strip);
}

/// The comments of a text, and how many parts are taken out.
fn said(text: &str) -> (Vec<String>, usize) {
    let (comments, out) = comments(text);
    let words = |c: &Comment| c.words.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    (comments.iter().map(words).collect(), out.len())
}

/// The comments of a KDL text, in order, and the places of what `/-` takes out.
pub(super) fn comments(text: &str) -> (Vec<Comment>, Vec<Span>) {
    let tokens = token::read(text).unwrap_or_default();
    let comment = |token: &Token<'_>| {
        let words = match token.kind {
            Kind::Line => token.text.trim_start_matches('/'),
            Kind::Block => token.text.trim_start_matches("/*").trim_end_matches("*/").trim_end(),
            Kind::Newline | Kind::Out | Kind::Continue | Kind::Word | Kind::Open | Kind::Close => return None,
            Kind::Less | Kind::Greater | Kind::Equals | Kind::End => return None,
        };
        Some(Comment::new(Span::new(token.at, token.text.len()), words, text))
    };
    let out = tokens.iter().filter(|t| t.kind == Kind::Out).map(|t| Span::new(t.at, t.text.len())).collect();
    (tokens.iter().filter_map(comment).collect(), out)
}

#[cfg(test)]
mod tests;
