//! Nodes with their comments to text.

use super::layout::{Block, Item, Node, Part, What};

/// Longest line that a block may stand on.
const WIDTH: usize = 120;

/// Writes a document.
pub(super) fn document(items: &[Item<'_>]) -> String {
    let mut out = String::new();
    write_items(items, 0, &mut out);
    out
}

fn write_items(items: &[Item<'_>], indent: usize, out: &mut String) {
    for (i, item) in items.iter().enumerate() {
        if item.blank && i > 0 {
            out.push('\n');
        }
        out.push_str(&" ".repeat(indent));
        match &item.what {
            What::Comment(text) => out.push_str(&comment(text)),
            What::Node(node) => write_node(node, indent, out),
        }
        out.push('\n');
    }
}

/// A comment without blanks at the ends of its lines.
fn comment(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn write_node(node: &Node<'_>, indent: usize, out: &mut String) {
    let from = out.rfind('\n').map_or(0, |at| at + 1);
    if node.out {
        out.push_str("/-");
    }
    let mut fresh = true;
    for (i, part) in in_order(&node.parts).into_iter().enumerate() {
        if !fresh {
            out.push(' ');
        }
        fresh = false;
        match part {
            Part::Entry { .. } => out.push_str(&entry(part, i == 0)),
            Part::Comment(text) => out.push_str(text),
            Part::Continue(note) => {
                out.push('\\');
                if let Some(note) = note {
                    out.push(' ');
                    out.push_str(note.trim_end());
                }
                out.push('\n');
                out.push_str(&" ".repeat(indent + 4));
                fresh = true;
            }
            Part::Block { out: taken_out, block } => {
                out.push_str(if *taken_out { "/-" } else { "" });
                let trailing = node.trailing.map_or(0, |_| 4);
                let used = out[from..].chars().count() + trailing;
                match inline(block).filter(|text| used + text.chars().count() <= WIDTH) {
                    Some(text) => out.push_str(&text),
                    None => {
                        out.push('{');
                        if let Some(opening) = block.opening {
                            out.push(' ');
                            out.push_str(opening.trim_end());
                        }
                        out.push('\n');
                        write_items(&block.items, indent + 4, out);
                        out.push_str(&" ".repeat(indent));
                        out.push('}');
                    }
                }
            }
        }
    }
    if let Some(trailing) = node.trailing {
        out.push(' ');
        out.push_str(trailing.trim_end());
    }
}

/// Values, then properties, then blocks; as written if a comment or a line break stands between them.
fn in_order<'p, 't>(parts: &'p [Part<'t>]) -> Vec<&'p Part<'t>> {
    let mut parts: Vec<_> = parts.iter().collect();
    let rank = |part: &Part<'_>| match part {
        Part::Entry { key: None, .. } => 0,
        Part::Entry { key: Some(_), .. } => 1,
        Part::Block { .. } => 2,
        Part::Comment(_) | Part::Continue(_) => 3,
    };
    let taken_out = |part: &&Part<'_>| matches!(part, Part::Entry { out: true, .. } | Part::Block { out: true, .. });
    if !parts.iter().any(|part| rank(part) == 3 || taken_out(part)) {
        parts.sort_by_key(|part| rank(part));
    }
    parts
}

/// A block on one line; `None` if it was not on one, or cannot be.
fn inline(block: &Block<'_>) -> Option<String> {
    if block.items.is_empty() && block.opening.is_none() {
        return Some("{}".to_owned());
    }
    if !block.inline || block.opening.is_some() {
        return None;
    }
    let mut nodes = Vec::new();
    for item in &block.items {
        let What::Node(node) = &item.what else { return None };
        if node.trailing.is_some() {
            return None;
        }
        let mut text = String::new();
        write_node(node, 0, &mut text);
        nodes.push(Some(text).filter(|text| !text.contains('\n'))?);
    }
    Some(format!("{{ {} }}", nodes.join("; ")))
}

fn entry(part: &Part<'_>, is_name: bool) -> String {
    let Part::Entry { out, class, key, value_class, value } = part else { return String::new() };
    let out = if *out { "/-" } else { "" };
    match key {
        Some(key) => format!("{out}{class}{}={value_class}{}", name(key), text(value)),
        None if is_name => format!("{out}{class}{}", name(value)),
        None => format!("{out}{class}{}", text(value)),
    }
}

/// A name, without quotes if it needs none.
fn name(written: &str) -> String {
    let inside = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.filter(|inside| is_plain_name(inside)).unwrap_or(written).to_owned()
}

/// A value: texts in quotes, everything else as it is written.
fn text(written: &str) -> String {
    let raw = written.trim_matches('#');
    let inside = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if let Some(inside) = inside.filter(|_| written.starts_with('#')) {
        let simple = !inside.contains(['"', '\\']) && !inside.chars().any(char::is_control);
        return if simple { format!("\"{inside}\"") } else { written.to_owned() };
    }
    let unsigned = written.strip_prefix(['-', '+']).unwrap_or(written);
    let bare = !written.starts_with(['"', '#']) && !unsigned.starts_with(|c: char| c.is_ascii_digit());
    if bare { format!("\"{written}\"") } else { written.to_owned() }
}

/// Whether a name needs no quotes.
pub(in crate::document) fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !matches!(name, "true" | "false" | "null" | "inf" | "nan")
}
