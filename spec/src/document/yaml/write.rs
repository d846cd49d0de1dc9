//! Nodes to YAML text.

use super::nodes::AND;
use super::value::typed;
use crate::document::comment::Comments;
use crate::document::convert::LINES;
use crate::document::tree::{Node, Scalar};

/// Longest line that holds more than one value.
const WIDTH: usize = 110;

/// Writes a document; comments stand in front of what they stood in front of.
pub(in crate::document) fn document(nodes: &[Node], comments: &mut Comments<'_>) -> String {
    let mut writer = Writer { out: String::new(), comments };
    let heads: Vec<String> = nodes.iter().map(name).collect();
    let repeats = nodes.len() > 1 && heads.iter().enumerate().any(|(i, head)| heads[..i].contains(head));
    let lines = !nodes.is_empty() && nodes.iter().all(|node| LINES.contains(&node.name.as_str()));
    if (repeats || lines) && nodes.iter().all(is_flat) {
        // One line each, in their order: decisions, and lists like them.
        for node in nodes {
            writer.comments.before(node.span.offset as usize, 0, &mut writer.out);
            writer.out.push_str(&format!("- {}\n", snippet(node)));
        }
    } else {
        writer.body(nodes, 0);
    }
    writer.comments.before(usize::MAX, 0, &mut writer.out);
    writer.out
}

/// One node on one line, as messages show it.
pub(in crate::document) fn snippet(node: &Node) -> String {
    let taken = if children(node).is_empty() { 0 } else { node.args.len() };
    match children(node).as_slice() {
        [only] if is_dots(only) => format!("{}: …", head(node, taken)),
        _ => format!("{}: {}", head(node, taken), flow_value(node, taken)),
    }
}

/// The values and fields of a node on one line, without the node.
pub(in crate::document) fn fields(node: &Node) -> String {
    let args = node.args.iter().map(|arg| scalar(arg));
    let children = children(node);
    args.chain(children.iter().map(snippet)).collect::<Vec<_>>().join(", ")
}

struct Writer<'w, 'c> {
    out: String,
    comments: &'w mut Comments<'c>,
}

impl Writer<'_, '_> {
    /// The nodes of a mapping, each key on a line of its own.
    fn body(&mut self, nodes: &[Node], indent: usize) {
        let taken: Vec<usize> = nodes.iter().map(|node| in_head(node, nodes)).collect();
        let heads: Vec<String> = nodes.iter().zip(&taken).map(|(node, taken)| head(node, *taken)).collect();
        let mut at = 0;
        while at < nodes.len() {
            if heads[..at].contains(&heads[at]) {
                self.line(indent, &format!("{AND}:"));
                for node in &nodes[at..] {
                    self.comments.before(node.span.offset as usize, indent + 2, &mut self.out);
                    self.item(indent + 2, |writer| writer.body(std::slice::from_ref(node), indent + 4));
                }
                return;
            }
            let group = heads[at..].iter().take_while(|head| **head == heads[at]).count();
            self.comments.before(nodes[at].span.offset as usize, indent, &mut self.out);
            match &nodes[at..at + group] {
                [node] => self.node(node, &heads[at], taken[at], indent),
                several => {
                    self.line(indent, &format!("{}:", heads[at]));
                    for node in several {
                        self.comments.before(node.span.offset as usize, indent + 2, &mut self.out);
                        self.repeated(node, taken[at], indent + 2);
                    }
                }
            }
            at += group;
        }
    }

    fn node(&mut self, node: &Node, head: &str, taken: usize, indent: usize) {
        let children = children(node);
        if !children.is_empty() {
            self.line(indent, &format!("{head}:"));
            self.body(&children, indent + 2);
            return;
        }
        let value = if node.args.len() == taken { String::new() } else { format!(" {}", flow_value(node, taken)) };
        if node.args.len() <= taken + 1 || indent + head.len() + value.len() < WIDTH {
            self.line(indent, &format!("{head}:{value}"));
        } else {
            self.line(indent, &format!("{head}:"));
            node.args[taken..].iter().for_each(|arg| self.line(indent + 2, &format!("- {}", scalar(arg))));
        }
    }

    /// One of several nodes under one key.
    fn repeated(&mut self, node: &Node, taken: usize, indent: usize) {
        let flow = flow_value(node, taken);
        let end = node.span.offset as usize + node.span.len as usize;
        let short = is_flat(node) && indent + flow.len() < WIDTH && !self.comments.any_before(end);
        let children = children(node);
        if short || children.is_empty() {
            let value = if node.args.len() == taken + 1 { format!("[{flow}]") } else { flow };
            self.line(indent, &format!("- {value}"));
        } else {
            self.item(indent, |writer| writer.body(&children, indent + 2));
        }
    }

    /// Writes a mapping as an item of a list: its first line begins with `- `.
    fn item(&mut self, indent: usize, write: impl FnOnce(&mut Self)) {
        let before = std::mem::take(&mut self.out);
        write(self);
        let inner = std::mem::replace(&mut self.out, before);
        let mut begun = false;
        for line in inner.split_inclusive('\n') {
            if begun || line.trim_start().starts_with('#') {
                self.out.push_str(line);
            } else {
                begun = true;
                self.out.push_str(&" ".repeat(indent));
                self.out.push_str("- ");
                self.out.push_str(line.get(indent + 2..).unwrap_or(line));
            }
        }
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.out.push_str(&" ".repeat(indent));
        self.out.push_str(text);
        self.out.push('\n');
    }
}

/// Properties and children: YAML has no difference between the two.
fn children(node: &Node) -> Vec<Node> {
    node.props_as_children().chain(node.children.iter().cloned()).collect()
}

/// Whether a node may stand on one line: nothing inside has something inside, and no key would be there twice.
fn is_flat(node: &Node) -> bool {
    let inside = children(node);
    let mut heads: Vec<String> = inside.iter().map(|child| head(child, in_head(child, &inside))).collect();
    heads.dedup();
    let once = heads.iter().enumerate().all(|(i, head)| !heads[..i].contains(head));
    once && node.children.iter().all(|child| child.props.is_empty() && child.children.is_empty())
}

/// What stands for "and so on" in messages.
fn is_dots(node: &Node) -> bool {
    node.name.value == "…" && node.args.is_empty() && node.props.is_empty() && node.children.is_empty()
}

/// How many values of a node stand in its key: all, if it has something inside; the first, if it tells nodes of one
/// name apart (`env PATH: /usr/bin`).
fn in_head(node: &Node, siblings: &[Node]) -> usize {
    if !node.props.is_empty() || !node.children.is_empty() {
        return node.args.len();
    }
    let alike = || siblings.iter().filter(|other| *other.name == *node.name);
    let first = |node: &Node| node.args.first().map(|arg| arg.value.clone());
    let leaf = |other: &Node| other.props.is_empty() && other.children.is_empty() && other.args.len() == 2;
    let same = alike().filter(|other| first(other) == first(node)).count();
    usize::from(alike().count() > 1 && alike().all(leaf) && same == 1)
}

fn name(node: &Node) -> String {
    head(node, 0)
}

/// A key: the name and the first `taken` values.
fn head(node: &Node, taken: usize) -> String {
    let mut words = vec![word(&Scalar::Text(node.name.value.clone()), true)];
    words.extend(node.args[..taken].iter().map(|arg| word(arg, false)));
    let key = words.join(" ");
    if is_plain(&key) || is_old_truth(&key) || key == "…" { key } else { quoted_key(&key) }
}

/// A word of a key. A name is a text whatever it looks like.
fn word(scalar: &Scalar, is_name: bool) -> String {
    let Scalar::Text(text) = scalar else { return self::scalar(scalar) };
    let bare = !text.is_empty()
        && !text.contains(|c: char| c == '"' || c == '\\' || c.is_whitespace() || c.is_control())
        && (is_name || matches!(typed(text), Scalar::Text(_)))
        && text != AND
        && text != "<<";
    if bare {
        return text.clone();
    }
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c != ' ' && (c.is_control() || c.is_whitespace()) => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A key in quotes: single ones, unless it holds what they cannot.
fn quoted_key(key: &str) -> String {
    if key.chars().all(is_readable) { format!("'{}'", key.replace('\'', "''")) } else { double_quoted(key) }
}

/// What stands behind a key, on its line.
fn flow_value(node: &Node, taken: usize) -> String {
    let children = children(node);
    if children.is_empty() {
        let args: Vec<_> = node.args[taken..].iter().map(|arg| scalar(arg)).collect();
        return match args.as_slice() {
            [] => "{}".to_owned(),
            [only] => only.clone(),
            several => format!("[{}]", several.join(", ")),
        };
    }
    let mut inside: Vec<String> = Vec::new();
    let mut at = 0;
    while at < children.len() {
        let taken = in_head(&children[at], &children);
        let key = head(&children[at], taken);
        let group = children[at..].iter().take_while(|c| head(c, in_head(c, &children)) == key).count();
        inside.push(match &children[at..at + group] {
            [only] if is_dots(only) => "…".to_owned(),
            [only] => format!("{key}: {}", flow_value(only, taken)),
            several => {
                let items = several.iter().map(|c| match c.args.len() == taken + 1 && c.children.is_empty() {
                    true => format!("[{}]", flow_value(c, taken)),
                    false => flow_value(c, taken),
                });
                format!("{key}: [{}]", items.collect::<Vec<_>>().join(", "))
            }
        });
        at += group;
    }
    format!("{{{}}}", inside.join(", "))
}

/// A value, in quotes where it would be read as something else.
fn scalar(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Text(text) if text == "…" => text.clone(),
        Scalar::Text(text) if is_plain(text) && matches!(typed(text), Scalar::Text(_)) => text.clone(),
        Scalar::Text(text) => double_quoted(text),
        Scalar::Integer(i) => i.to_string(),
        Scalar::Number(n) => match n.as_str() {
            "#inf" => ".inf".to_owned(),
            "#-inf" => "-.inf".to_owned(),
            "#nan" => ".nan".to_owned(),
            n => n.to_owned(),
        },
        Scalar::Bool(b) => b.to_string(),
        Scalar::Null => "null".to_owned(),
    }
}

/// Whether a text may stand without quotes everywhere, also for readers of YAML 1.1.
fn is_plain(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "_./*@+=-~$%^()<>;!?\"' ".contains(c);
    let mut chars = text.chars();
    let word = text.trim_start_matches('-');
    let flag = text.len() - word.len() <= 2 && word.starts_with(|c: char| c.is_ascii_alphabetic());
    let first = flag || chars.next().is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/'));
    let last = text.chars().next_back().is_some_and(|c| c != ' ');
    let colon = |(at, c): (usize, char)| {
        c != ':' || text[at + 1..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
    };
    // Digits with colons were numbers to base 60, and dates were dates.
    let number = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains([':', '-']);
    first
        && last
        && !text.starts_with("...") // at the beginning of a line, this ends a document
        && !is_old_truth(text)
        && !number
        && chars.all(|c| inside(c) || c == ':')
        && text.char_indices().all(colon)
}

/// Whether a text was a truth value in YAML 1.1. As a key it is written plainly (`on: report`): nobody reads it so.
fn is_old_truth(text: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str())
}

fn is_readable(c: char) -> bool {
    c == ' ' || c == '…' || c.is_alphanumeric() || c.is_ascii_punctuation()
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_readable(c) => out.push(c),
            c => match u32::from(c) {
                code @ 0..=0xff => out.push_str(&format!("\\x{code:02x}")),
                code @ 0x100..=0xffff => out.push_str(&format!("\\u{code:04x}")),
                code => out.push_str(&format!("\\U{code:08x}")),
            },
        }
    }
    out.push('"');
    out
}
