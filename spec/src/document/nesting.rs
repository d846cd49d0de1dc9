//! How deep a text nests, before a parser follows it: the `kdl` crate recurses, also where it recovers from errors.
//!
//! INVARIANT: what is counted is never less than what any reading of the text could nest. Braces in a text between
//! quotes count until they are closed in that text, and behind a quote that is never closed nothing is.

use super::tree::Span;

/// Deepest accepted nesting of braces, of parentheses and of comments.
pub(super) const MAX_DEPTH: usize = 64;
/// So many may be open at a time in some reading of a text that is followed on a large stack.
pub(super) const MAX_OPENERS: usize = 4096;

/// Where a text nests too deep; none if it does not. `Err` if that is behind a quote that is not closed.
pub(super) fn too_deep(text: &str) -> Result<Option<Span>, Span> {
    scan(text, true)
}

/// Whether a text nests too deep to who takes quotes for what they seem to be.
pub(super) fn seems_too_deep(text: &str) -> bool {
    !matches!(scan(text, false), Ok(None))
}

/// `between` says whether what stands between quotes counts.
fn scan(text: &str, between: bool) -> Result<Option<Span>, Span> {
    let bytes = text.as_bytes();
    let starts = |at: usize, what: &[u8]| bytes[at..].starts_with(what);
    let (mut depth, mut round, mut comments, mut at) = (0usize, 0usize, 0usize, 0usize);
    // Where the text between quotes that we are in begins: its place, the depth there, and how it ends.
    let mut quoted: Option<(usize, usize, Vec<u8>)> = None;
    let mut unclosed: Option<usize> = None;
    while at < bytes.len() {
        let mut step = 1;
        let counts = between || quoted.is_none();
        match (&quoted, bytes[at]) {
            (_, b'{') if counts => depth += 1,
            (Some((_, floor, _)), b'}') if unclosed.is_none() && depth > *floor => depth -= 1,
            (None, b'}') if unclosed.is_none() && comments == 0 => depth = depth.saturating_sub(1),
            (None, b'(') if comments == 0 => round += 1,
            (None, b')') if unclosed.is_none() => round = round.saturating_sub(1),
            (_, b'/') if counts && starts(at, b"/*") => {
                comments += 1;
                step = 2;
            }
            (None, b'*') if starts(at, b"*/") && unclosed.is_none() => {
                comments = comments.saturating_sub(1);
                step = 2;
            }
            (Some((_, _, end)), b'\\') if end[end.len() - 1] == b'"' => step = 2,
            (Some((place, _, end)), b'\n') if !end.starts_with(b"\"\"\"") => {
                unclosed = unclosed.or(Some(*place));
                quoted = None;
            }
            (Some((_, _, end)), b'"') if starts(at, end) => {
                step = end.len();
                quoted = None;
            }
            (None, b'/') if starts(at, b"//") && comments == 0 => {
                let line = bytes[at..].iter().position(|b| *b == b'\n').unwrap_or(bytes.len() - at);
                depth += bytes[at..at + line].iter().filter(|b| **b == b'{').count().saturating_sub(16);
                step = line.max(1);
            }
            (None, b'#' | b'"') if comments == 0 => {
                let hashes = bytes[at..].iter().take_while(|b| **b == b'#').count();
                let quotes: &[u8] = if starts(at + hashes, b"\"\"\"") { b"\"\"\"" } else { b"\"" };
                step = hashes.max(1);
                if starts(at + hashes, quotes) {
                    step = hashes + quotes.len();
                    quoted = Some((at, depth, [quotes, &bytes[at..at + hashes]].concat()));
                }
            }
            _ => {}
        }
        if depth.max(round).max(comments) > MAX_DEPTH {
            let open = unclosed.or(quoted.map(|(place, ..)| place));
            return open.map_or(Ok(Some(Span::new(at, 1))), |place| Err(Span::new(place, 1)));
        }
        at += step;
    }
    Ok(None)
}

/// Whether a text of KDL opens so few braces, parentheses and comments, between quotes or not, that it is read whatever
/// they are: no reading of it nests deeper than it opens.
#[must_use]
pub fn opens_little(text: &str) -> bool {
    let bytes = text.as_bytes();
    let comments = bytes.windows(2).filter(|two| two == b"/*").count();
    comments + bytes.iter().filter(|b| matches!(b, b'{' | b'(')).count() <= MAX_OPENERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_where_it_counts() {
        let nested = |n: usize| format!("{}{}", "a {\n".repeat(n), "}\n".repeat(n));
        assert_eq!(too_deep(&nested(MAX_DEPTH)), Ok(None));
        assert!(matches!(too_deep(&nested(MAX_DEPTH + 1)), Ok(Some(_))));
        let stage =
            "stage \"a\" { run \"sh\" \"-c\" \"f() { echo ${x}; }; \\\" }\"; env #\"{\"}\"#; /* { */ }\n// }{\n";
        assert_eq!(too_deep(&stage.repeat(5)), Ok(None));
        assert_eq!(too_deep(&"a \"${b}\" { }\n".repeat(10_000)), Ok(None));
        assert_eq!(too_deep(&"/* */ /* /* */ */ ".repeat(1000)), Ok(None));
    }

    #[test]
    fn nothing_hides_depth() {
        for level in [
            "a \"}\" {\n",
            "a #\"}\"# {\n",
            "a /* } */ {\n",
            "// }\na {\n",
            "\"\n}\n{\n",
            "\"\"\"\n}\n{\n",
            "a \\\"} {\n",
        ] {
            assert!(!matches!(too_deep(&level.repeat(1000)), Ok(None)), "{level}");
        }
    }
}
