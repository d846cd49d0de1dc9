//! A large document that has an escape or a letter beyond ASCII is refused if it opens too much, and what its texts open
//! counts (`orgo_spec::document`): behind `"src/**"` all would be a comment to who missed the quotes, and nothing closed.
//! In such documents these texts are written another way.

use std::borrow::Cow;
use std::fmt::Write as _;

use orgo_spec::document::opens_little;

/// The document, in which no text opens anything; `text` has texts in plain quotes only.
pub(super) fn bounded(text: String) -> String {
    if text.is_ascii() && !text.contains('\\') || opens_little(&text) {
        return text;
    }
    let written = |(quoted, part)| if quoted && opens(part) > 0 { closed(part) } else { Cow::Borrowed(part) };
    parts(&text).map(written).collect()
}

/// The document in parts, each with whether it stands between quotes.
fn parts(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let (mut rest, mut quoted) = (text, false);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut skip = false;
        let end = rest.bytes().position(|b| {
            let ends = b == b'"' && !skip;
            skip = quoted && b == b'\\' && !skip;
            ends
        });
        // The quote belongs to what it ends.
        let (part, behind) = rest.split_at(end.map_or(rest.len(), |at| at + 1));
        rest = behind;
        quoted = !quoted;
        Some((!quoted, part))
    })
}

/// How much a text opens and does not close.
fn opens(text: &str) -> usize {
    let mut depth = 0usize;
    for byte in text.bytes() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth + text.matches("/*").count()
}

/// A text that means the same and opens nothing.
fn closed(text: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match (c, next) {
            // An escape stays as it is; one of a number has its own braces.
            ('\\', Some('u')) => {
                out.push(c);
                for c in chars.by_ref() {
                    out.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
            ('\\', _) => {
                out.push(c);
                out.extend(chars.next());
            }
            ('{' | '}', _) | ('/', Some('*')) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c)); // writing to memory does not fail
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_patterns_open_nothing() {
        let plain = "a \"src/**\" \"{\"\n".to_owned();
        assert_eq!(bounded(plain.clone()), plain, "a document that is read anyway stays as it is");
        let line = "a \"src/**\" \"q\\\"{\\u{7f}\" \"{}\" { b; }\n";
        assert_eq!(bounded(line.to_owned()), line, "a small one is read, too");
        let written = "a \"src\\u{2f}**\" \"q\\\"\\u{7b}\\u{7f}\" \"{}\" { b; }\n";
        assert_eq!(bounded(line.repeat(2000)), written.repeat(2000));
    }
}
