//! Nodes, blocks, comments, and what stands between them.

use super::{char_at, wrong};
use crate::ReasonCode;
use crate::document::kdl::MAX_DEPTH;
use crate::document::problem::Problem;
use crate::document::tree::{Node, Span};

pub(in crate::document::kdl) fn too_deep(at: usize) -> Problem {
    Problem::new(ReasonCode::InputTooDeep, format!("blocks nest deeper than {MAX_DEPTH}"), Span::new(at, 1))
        .label("one block too many")
        .help("flatten the document, or see whether a `}` is missing further up")
}

pub(in crate::document::kdl) fn open_block(brace: usize) -> Problem {
    wrong("this block is not closed", brace, 1).label("opened here").help("end the block with `}`")
}

/// The block that was most likely left open if one is open at the end: the first that is closed by a `}` further left
/// than the line that it begins on.
pub(in crate::document::kdl) fn misplaced_end(text: &str, open: usize, nodes: &[Node]) -> Option<Problem> {
    let (brace, end) = nodes.iter().find_map(|node| closed_elsewhere(text, node))?;
    Some(
        wrong("this block is not closed", brace, 1)
            .label("opened here")
            .also(Span::new(end, 1), "this `}` ends it, and by its column belongs to another block")
            .also(Span::new(open, 1), "so that this one is open at the end")
            .help("end the block with a `}` of its own"),
    )
}

/// The places of the braces of a block whose end is further left than its beginning.
fn closed_elsewhere(text: &str, node: &Node) -> Option<(usize, usize)> {
    if let Some(found) = node.children.iter().find_map(|child| closed_elsewhere(text, child)) {
        return Some(found);
    }
    node.children.first()?;
    let from = node.span.offset as usize;
    let end = from + node.span.len as usize - 1;
    let left = |at: usize| {
        let line = text[..at].trim_end_matches([' ', '\t']);
        (line.is_empty() || line.ends_with('\n')).then(|| &text[line.len()..at])
    };
    let (begins, ends) = (left(from)?, left(end)?);
    let last = node.args.iter().map(|arg| arg.span).chain(node.props.iter().map(|(_, value)| value.span)).max();
    let head = last.unwrap_or(node.name.span);
    let head = head.offset as usize + head.len as usize;
    let brace = head + text[head..].find('{')?;
    (text[end..].starts_with('}') && begins.len() > ends.len()).then_some((brace, end))
}

pub(in crate::document::kdl) fn stray(at: usize, close: char) -> Problem {
    let open = if close == '}' { '{' } else { '(' };
    wrong(format!("nothing is open here that `{close}` could close"), at, 1).label("no counterpart").help(match close {
        '}' => format!("remove it, or open with `{open}` what it ends"),
        _ => "remove it; text with parentheses stands in quotes".to_owned(),
    })
}

pub(in crate::document::kdl) fn nameless_block(at: usize) -> Problem {
    wrong("a block needs a name in front of it", at, 1)
        .label("whose block is this?")
        .help("write `name {` on one line; a line break or `;` in front of `{` ends the node")
}

pub(in crate::document::kdl) fn second_block(at: usize) -> Problem {
    wrong("a node has one block", at, 1).label("the second one").help("join both blocks, or begin a new node")
}

pub(in crate::document::kdl) fn behind_block(text: &str, at: usize) -> Problem {
    wrong("a node ends behind its block", at, char_at(text, at))
        .label("a line break or `;` is missing in front of this")
        .help("begin the next node on a line of its own; values stand in front of the block")
}

pub(in crate::document::kdl) fn value_behind_block(text: &str, at: usize) -> Problem {
    wrong("values stand in front of blocks", at, char_at(text, at))
        .label("behind a block that `/-` takes out")
        .help("move the value in front of `/-{`")
}

pub(in crate::document::kdl) fn takes_nothing_out(at: usize) -> Problem {
    wrong("`/-` takes out what follows, and nothing does", at, 2)
        .label("takes out nothing")
        .help("remove it, or write it in front of a node, a value, a property or a block")
}

pub(in crate::document::kdl) fn empty_node(at: usize) -> Problem {
    wrong("no node stands in front of this `;`", at, 1).label("ends nothing").help("remove it")
}

pub(in crate::document::kdl) fn backslash(at: usize) -> Problem {
    wrong("`\\` stands only at the end of a line, which goes on in the next one", at, 1)
        .label("something stands behind it")
        .help("remove it, or put text with a backslash in quotes: `#\"a\\b\"#`")
}

pub(in crate::document::kdl) fn open_comment(from: usize) -> Problem {
    wrong("this comment is not closed", from, 2)
        .label("opened here")
        .help("end it with `*/`; comments within it end with one of their own")
}

pub(in crate::document::kdl) fn refused(at: usize, c: char) -> Problem {
    let code = u32::from(c);
    let what = match c {
        '\u{feff}' => "the mark that begins some files",
        '\0'..='\u{7f}' => "a control character",
        _ => "it turns the direction of reading",
    };
    wrong(format!("the character U+{code:04X} may not stand in a document"), at, c.len_utf8())
        .label(what)
        .help(format!("remove it; a text in quotes may say it as `\\u{{{code:x}}}`"))
}
