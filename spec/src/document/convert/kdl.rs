//! Nodes to KDL text.

use super::LINES;
use crate::document::comment::Comments;
use crate::document::format;
use crate::document::tree::{Node, Scalar};

/// Longest line that holds a node and what is inside it.
const WIDTH: usize = 110;

/// Writes a document; comments stand in front of what they stood in front of.
pub(super) fn document(nodes: &[Node], comments: &mut Comments<'_>) -> String {
    let mut out = String::new();
    for node in nodes {
        write(node, 0, comments, &mut out);
    }
    comments.before(usize::MAX, 0, &mut out);
    out
}

fn write(node: &Node, indent: usize, comments: &mut Comments<'_>, out: &mut String) {
    comments.before(node.span.offset as usize, indent, out);
    let end = node.span.offset as usize + node.span.len as usize;
    let blanks = " ".repeat(indent);
    let flat = node.children.iter().all(|child| child.children.is_empty());
    let line = one_line(node);
    let must = indent == 0 && LINES.contains(&node.name.as_str());
    if node.children.is_empty()
        || (flat && (must || (indent > 0 && blanks.len() + line.len() <= WIDTH && !comments.any_before(end))))
    {
        out.push_str(&format!("{blanks}{line}\n"));
        return;
    }
    out.push_str(&format!("{blanks}{} {{\n", head(node)));
    for child in &node.children {
        write(child, indent + 4, comments, out);
    }
    out.push_str(&format!("{blanks}}}\n"));
}

fn one_line(node: &Node) -> String {
    if node.children.is_empty() {
        return head(node);
    }
    let children: Vec<_> = node.children.iter().map(one_line).collect();
    format!("{} {{ {} }}", head(node), children.join("; "))
}

/// The name, the values and the properties of a node.
fn head(node: &Node) -> String {
    let mut head = name(&node.name);
    for arg in &node.args {
        head.push(' ');
        head.push_str(&scalar(arg));
    }
    for (key, value) in &node.props {
        head.push_str(&format!(" {}={}", name(key), scalar(value)));
    }
    head
}

fn name(text: &str) -> String {
    if format::is_plain_name(text) { text.to_owned() } else { quoted(text) }
}

fn scalar(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Text(text) => quoted(text),
        Scalar::Integer(i) => i.to_string(),
        Scalar::Number(n) => n.clone(),
        Scalar::Bool(true) => "#true".to_owned(),
        Scalar::Bool(false) => "#false".to_owned(),
        Scalar::Null => "#null".to_owned(),
    }
}

/// A text as a KDL string; what does not show, or turns the direction of reading, is escaped.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation() => out.push(c),
            c => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    out.push('"');
    out
}
