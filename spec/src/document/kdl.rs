//! KDL 2 to trees. The only place that knows the `kdl` crate.

use kdl::{KdlDocument, KdlEntry, KdlError, KdlNode, KdlValue};
use miette::SourceSpan;

use super::format;
use super::nesting::{MAX_DEPTH, MAX_OPENERS, opens_little, seems_too_deep, too_deep};
use super::problem::{Document, DocumentError, Problem, Problems};
use super::tree::{Node, Scalar, Span, Spanned};
use crate::ReasonCode;

/// Reads KDL 2 text into nodes.
///
/// # Errors
/// [`DocumentError`] with every syntax problem that the parser could tell apart.
pub(super) fn parse(document: &Document, mut problems: Problems) -> Result<Vec<Node>, DocumentError> {
    if let Some(nodes) = super::plain::parse(document.text()) {
        return Ok(nodes);
    }
    let read = match nests_too_deep(document.text()) {
        None => parse_with_crate(document.text()),
        Some(problem) if seems_too_deep(document.text()) || !opens_little(document.text()) => {
            problems.push(problem);
            return Err(problems.into_error());
        }
        // It may be that only another reading nests so deep, such as one in which a pattern begins a comment.
        Some(problem) => match parse_on_a_large_stack(document.text()) {
            Some(read) => read,
            None => {
                problems.push(problem);
                return Err(problems.into_error());
            }
        },
    };
    match read {
        Ok(nodes) => Ok(nodes),
        Err(error) => {
            // The parser recovers from these late, and says much that is not the point.
            for at in format::spaced_equals(document.text()) {
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, "no blank stands beside `=`", at)
                        .help("write `name=value`, or `name value` on a line of its own"),
                );
            }
            if !problems.is_empty() {
                return Err(problems.into_error());
            }
            for d in &error.diagnostics {
                let message = d.message.as_deref().or(d.label.as_deref()).unwrap_or("not valid KDL");
                let mut problem = Problem::new(ReasonCode::DocumentInvalid, lower_first(message), span(d.span));
                problem = problem.label(d.label.as_deref().map_or_else(|| "here".to_owned(), lower_first));
                problem = problem.help(match &d.help {
                    Some(help) => lower_first(help),
                    None => way_out(message).to_owned(),
                });
                problems.push(problem);
            }
            Err(problems.into_error())
        }
    }
}

/// What helps against a mistake about which the crate says no more than that it is one.
fn way_out(message: &str) -> &'static str {
    let message = message.to_ascii_lowercase();
    if message.contains("closing '}'") {
        "end the block with `}`"
    } else if message.contains("end of document") {
        "remove what stands here, or open with `{` what it belongs to"
    } else if message.contains("identifier string") {
        "put it in quotes; truth values are `#true` and `#false`, nothing is `#null`"
    } else {
        "see whether quotes and braces are closed, and nothing but a name stands in front of `=`"
    }
}

/// Why the text must not be followed to its depth; none if it may.
fn nests_too_deep(text: &str) -> Option<Problem> {
    match too_deep(text) {
        Ok(None) => None,
        Ok(Some(at)) => Some(
            Problem::new(
                ReasonCode::InputTooDeep,
                format!("braces, parentheses or comments nest deeper than {MAX_DEPTH}"),
                at,
            )
            .help("close what was opened before; within texts, too, open and close as many braces"),
        ),
        Err(at) => Some(
            Problem::new(ReasonCode::DocumentInvalid, "the text that begins here is not closed", at)
                .help("end it with the same quotes, on the same line unless it begins with `\"\"\"`"),
        ),
    }
}

/// Reads KDL 2 that some reading nests deep, at most [`MAX_OPENERS`]; none if there is no such stack. The parser takes some
/// 6 KiB a level.
fn parse_on_a_large_stack(text: &str) -> Option<Result<Vec<Node>, KdlError>> {
    const STACK_BYTES: usize = MAX_OPENERS * (32 << 10);
    std::thread::scope(|scope| {
        let stack = std::thread::Builder::new().stack_size(STACK_BYTES);
        stack.spawn_scoped(scope, || parse_with_crate(text)).ok()?.join().ok()
    })
}

/// Reads any KDL 2.
pub(super) fn parse_with_crate(text: &str) -> Result<Vec<Node>, KdlError> {
    Ok(KdlDocument::parse_v2(text)?.nodes().iter().map(|n| node(n, text)).collect())
}

fn lower_first(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn span(span: SourceSpan) -> Span {
    Span::new(span.offset(), span.len())
}

fn node(node: &KdlNode, text: &str) -> Node {
    let mut args = Vec::new();
    let mut props = Vec::new();
    for entry in node.entries() {
        match entry.name() {
            Some(name) => {
                let name_span = span(name.span());
                let value_at = span(entry.span());
                props.push((Spanned::new(name.value().to_owned(), name_span), Spanned::new(scalar(entry), value_at)));
            }
            None => args.push(Spanned::new(scalar(entry), span(entry.span()))),
        }
    }
    let written = node.span().offset()..node.span().offset() + node.span().len();
    Node {
        name: Spanned::new(node.name().value().to_owned(), span(node.name().span())),
        args,
        props,
        children: node.children().map_or_else(Vec::new, |c| c.nodes().iter().map(|n| self::node(n, text)).collect()),
        // The crate counts blanks before a closing brace to the node.
        span: Span::new(node.span().offset(), text[written].trim_end().len()),
    }
}

fn scalar(entry: &KdlEntry) -> Scalar {
    match entry.value() {
        KdlValue::String(text) => Scalar::Text(text.clone()),
        KdlValue::Integer(i) => i64::try_from(*i).map_or_else(|_| Scalar::Number(i.to_string()), Scalar::Integer),
        KdlValue::Float(f) => {
            let written = entry.format().map(|f| f.value_repr.clone()).filter(|r| !r.is_empty());
            Scalar::Number(written.unwrap_or_else(|| f.to_string()))
        }
        KdlValue::Bool(b) => Scalar::Bool(*b),
        KdlValue::Null => Scalar::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Node>, ReasonCode> {
        let document = Document::new("a.kdl", text);
        parse(&document, Problems::new(&document)).map_err(|e| e.problems().next().expect("a problem").code())
    }

    #[test]
    fn patterns_and_braces_in_texts_do_not_nest() {
        // The letter and the escape keep the fast reader away.
        let block = "stage \"é\" { files \"src/**\" \"{a,b}/*\" \"\\u{7b}\"; run \"x\" \"{\"; }\n";
        assert_eq!(read(&block.repeat(200)).map(|nodes| nodes.len()), Ok(200));
    }

    #[test]
    fn what_really_nests_deep_is_refused_and_so_is_too_much_that_might() {
        let nested = |n: usize| format!("a \"\\u{{e9}}/**\" {{ {}{} }}", "b {\n".repeat(n), "}\n".repeat(n));
        assert_eq!(read(&nested(MAX_DEPTH - 1)).map(|nodes| nodes.len()), Ok(1));
        assert_eq!(read(&nested(MAX_DEPTH + 1)).map(drop), Err(ReasonCode::InputTooDeep));
        assert_eq!(read(&nested(1000)).map(drop), Err(ReasonCode::InputTooDeep));
        assert_eq!(read(&nested(100_000)).map(drop), Err(ReasonCode::InputTooDeep));
        for hidden in ["a \"\\q/**\"\n", "\" \"/*\" ", "/* ", "a {\n", "( "] {
            assert!(read(&hidden.repeat(4000)).is_err() && read(&hidden.repeat(100_000)).is_err(), "{hidden}");
        }
    }
}
