//! Values to nodes: a key is a node's head, its value is the rest of the node.

use std::collections::BTreeMap;

use super::key::words;
use super::value::{Shape, Value, typed};
use crate::ReasonCode;
use crate::document::problem::{Problem, Problems};
use crate::document::tree::{Node, Scalar, Span, Spanned};

/// The key under which a list of mappings continues the one that it stands in.
pub(super) const AND: &str = "+";

/// The nodes of a document.
pub(super) fn top(value: &Value, problems: &mut Problems) -> Vec<Node> {
    match &value.shape {
        Shape::Text { .. } if value.is_empty() => Vec::new(),
        Shape::Text { .. } => {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "a document is a mapping, and this is a value", value.span)
                    .help("write `name: value`; a colon is followed by a blank"),
            );
            Vec::new()
        }
        Shape::List(_) => several(value, problems),
        Shape::Map(entries) => body(entries, problems),
    }
}

/// The nodes of a list of mappings.
fn several(value: &Value, problems: &mut Problems) -> Vec<Node> {
    let Shape::List(items) = &value.shape else {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "`+` takes a list of mappings", value.span)
                .help("write `- name: value` on each line"),
        );
        return Vec::new();
    };
    let mut nodes = Vec::new();
    for item in items {
        match &item.shape {
            Shape::Map(entries) => nodes.extend(body(entries, problems)),
            Shape::Text { .. } | Shape::List(_) => problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "this list holds mappings only", item.span)
                    .help("write `- name: value`"),
            ),
        }
    }
    nodes
}

/// The nodes of a mapping.
fn body(entries: &[(Value, Value)], problems: &mut Problems) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut heads: BTreeMap<String, Span> = BTreeMap::new();
    for (key, value) in entries {
        let Some(head) = head(key, problems) else { continue };
        let (head, said) = match head {
            Head::And => (None, AND.to_owned()),
            Head::Node(node, said) => (Some(node), said),
        };
        // `a 1` and `a "1"` are two things.
        let identity = format!("{:?}", head.as_ref().map(Node::meaning));
        if let Some(first) = heads.insert(identity, key.span) {
            problems.push(
                Problem::new(ReasonCode::FieldDuplicate, format!("`{said}` is said twice"), key.span)
                    .label("said again here")
                    .also(first, "first said here")
                    .help("keep one of the two"),
            );
        }
        match head {
            None => nodes.extend(several(value, problems)),
            Some(head) => entry(head, value, problems, &mut nodes),
        }
    }
    nodes
}

enum Head {
    And,
    /// A node with its name and first values, and how its head reads.
    Node(Node, String),
}

fn head(key: &Value, problems: &mut Problems) -> Option<Head> {
    let invalid = |message: &str, span: Span| Problem::new(ReasonCode::DocumentInvalid, message.to_owned(), span);
    let Shape::Text { text, plain, exact } = &key.shape else {
        problems.push(invalid("a key is one text", key.span).help("write `name: value`"));
        return None;
    };
    if text == AND {
        return Some(Head::And);
    }
    if text == "<<" {
        problems.push(invalid("merge keys are not read", key.span).help("write out what it would bring"));
        return None;
    }
    // A part of the key has a place of its own if the key stands in the file as it reads.
    let start = key.span.offset as usize + usize::from(!plain);
    let place = |from: usize, len: usize| if *exact { Span::new(start + from, len) } else { key.span };
    let mut words = match words(text) {
        Ok(words) => words.into_iter(),
        Err(at) => {
            problems.push(
                invalid("the quotes in this key cannot be read", place(at, text.len() - at))
                    .help("a word in quotes stands between blanks; `\\\"` is a quote within it"),
            );
            return None;
        }
    };
    let Some(first) = words.next() else {
        problems.push(invalid("a key has a name", key.span).help("write `name: value`"));
        return None;
    };
    let name = Spanned::new(first.text.clone(), place(first.from, first.len));
    let args: Vec<_> = words.map(|word| word.scalar(place(word.from, word.len))).collect();
    let said = args.iter().fold(name.value.clone(), |said, arg| match &arg.value {
        Scalar::Text(text) => format!("{said} {text}"),
        Scalar::Integer(i) => format!("{said} {i}"),
        Scalar::Number(n) => format!("{said} {n}"),
        Scalar::Bool(b) => format!("{said} {b}"),
        Scalar::Null => format!("{said} null"),
    });
    let node = Node { name, args, props: Vec::new(), children: Vec::new(), span: key.span };
    Some(Head::Node(node, said))
}

/// The nodes of one entry: one, unless the value is a list of mappings or of lists.
fn entry(mut head: Node, value: &Value, problems: &mut Problems, nodes: &mut Vec<Node>) {
    let reach = |node: &mut Node, end: usize| {
        let from = node.span.offset as usize;
        node.span = Span::new(from, end.max(from + node.span.len as usize) - from);
    };
    match &value.shape {
        Shape::List(items) if items.iter().any(|item| !matches!(item.shape, Shape::Text { .. })) => {
            for item in items {
                let mut node = head.clone();
                node.span = item.span;
                match &item.shape {
                    Shape::Map(entries) => node.children = body(entries, problems),
                    Shape::List(items) => values(items, &mut node, problems),
                    Shape::Text { .. } => {
                        problems.push(
                            Problem::new(
                                ReasonCode::DocumentInvalid,
                                "a list holds values, or mappings and lists, not both",
                                item.span,
                            )
                            .help("write the value as a list of its own, in brackets"),
                        );
                        continue;
                    }
                }
                nodes.push(node);
            }
            return;
        }
        Shape::List(items) => values(items, &mut head, problems),
        Shape::Map(entries) => head.children = body(entries, problems),
        Shape::Text { .. } if value.is_empty() => {
            nodes.push(head);
            return;
        }
        Shape::Text { .. } => head.args.extend(scalar(value)),
    }
    reach(&mut head, value.end());
    nodes.push(head);
}

fn values(items: &[Value], node: &mut Node, problems: &mut Problems) {
    for item in items {
        match scalar(item) {
            Some(value) => node.args.push(value),
            None => problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "a list within a list of lists holds values only", item.span)
                    .help("write it as a mapping, with a name in front"),
            ),
        }
    }
}

fn scalar(value: &Value) -> Option<Spanned<Scalar>> {
    let Shape::Text { text, plain, .. } = &value.shape else { return None };
    let scalar = if *plain { typed(text) } else { Scalar::Text(text.clone()) };
    Some(Spanned::new(scalar, value.span))
}
