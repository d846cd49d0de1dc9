//! Where something is written.

use orgo_spec::document::{Document, Node, Scalar, Span, parse};
use orgo_spec::review::Place;

/// The places of one document.
pub(super) struct Places<'d> {
    document: &'d Document,
    nodes: Vec<Node>,
}

impl<'d> Places<'d> {
    /// A document that cannot be read has its first line as its only place.
    pub(super) fn new(document: &'d Document) -> Self {
        Self { document, nodes: parse(document).unwrap_or_default() }
    }

    /// A place by its bytes.
    pub(super) fn at(&self, span: Span) -> Place {
        let (line, column) = self.document.position(span);
        Place { file: self.document.name().to_owned(), line, column }
    }

    /// The place of the deepest node that is there, of a chain of nodes by name and what they are called; `field` is a
    /// child or a property of the last one. The first line, if not even the first node is there.
    pub(super) fn find(&self, chain: &[(&str, &str)], field: Option<&str>) -> Place {
        let mut nodes = &self.nodes;
        let mut last: Option<&Node> = None;
        for (name, argument) in chain {
            let Some(node) = nodes.iter().find(|n| *n.name == **name && is_called(n, argument)) else {
                return self.at(last.map_or(Span::default(), |n| n.name.span));
            };
            nodes = &node.children;
            last = Some(node);
        }
        let Some(node) = last else { return self.at(Span::default()) };
        let child = field.and_then(|field| node.children.iter().find(|n| *n.name == field).map(|n| n.name.span));
        let property = field.and_then(|field| node.props.iter().find(|(n, _)| **n == field).map(|(n, _)| n.span));
        self.at(child.or(property).unwrap_or(node.name.span))
    }
}

/// Whether a node is called so: by its first argument, or by a property if it has no argument. Nothing calls it any.
fn is_called(node: &Node, name: &str) -> bool {
    let is = |value: &Scalar| matches!(value, Scalar::Text(text) if text == name);
    match node.args.first() {
        _ if name.is_empty() => true,
        Some(first) => is(&first.value),
        None => node.props.iter().any(|(_, value)| is(&value.value)),
    }
}
