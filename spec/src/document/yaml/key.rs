//! Keys: the head of a node, its name and the first of its values, as in `stage test`.

use super::value::typed;
use crate::document::tree::{Scalar, Span, Spanned};

/// One word of a key.
pub(super) struct Word {
    pub(super) text: String,
    quoted: bool,
    /// Where it stands in the key.
    pub(super) from: usize,
    pub(super) len: usize,
}

impl Word {
    /// The value that the word stands for: without quotes it is typed like any other.
    pub(super) fn scalar(&self, span: Span) -> Spanned<Scalar> {
        let value = if self.quoted { Scalar::Text(self.text.clone()) } else { typed(&self.text) };
        Spanned::new(value, span)
    }
}

/// The words of a key; `Err` with the place within the key that cannot be read.
pub(super) fn words(key: &str) -> Result<Vec<Word>, usize> {
    let mut words = Vec::new();
    let mut at = 0;
    while at < key.len() {
        let rest = &key[at..];
        if let Some(blank) = rest.find(|c| c != ' ').filter(|n| *n > 0) {
            at += blank;
            continue;
        }
        if rest.trim_start_matches(' ').is_empty() {
            break;
        }
        let (text, quoted, len) = if rest.starts_with('"') {
            let (text, len) = quoted(rest).ok_or(at)?;
            (text, true, len)
        } else {
            let len = rest.find(' ').unwrap_or(rest.len());
            (rest[..len].to_owned(), false, len)
        };
        let ends = key[at + len..].chars().next().is_none_or(|c| c == ' ');
        if !ends || (!quoted && text.contains('"')) {
            return Err(at);
        }
        words.push(Word { text, quoted, from: at, len });
        at += len;
    }
    Ok(words)
}

/// A text in quotes at the beginning of `rest`, and how long it is written.
fn quoted(rest: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'u' => {
                    (chars.next()?.1 == '{').then_some(())?;
                    let digits: String = chars.by_ref().map(|(_, c)| c).take_while(|c| *c != '}').take(7).collect();
                    text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                c @ ('"' | '\\') => text.push(c),
                _ => return None,
            },
            c => text.push(c),
        }
    }
    None
}
