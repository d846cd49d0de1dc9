//! What comes from elsewhere is shown, not obeyed: characters that steer a terminal or hide text are escaped
//! (supply-chain T-71).

use std::borrow::Cow;

use orgo_spec::canonical::is_plain;

pub(crate) const DIM: &str = "\u{1b}[2m";
pub(crate) const RED: &str = "\u{1b}[31;1m";
pub(crate) const GREEN: &str = "\u{1b}[32;1m";
pub(crate) const YELLOW: &str = "\u{1b}[33;1m";
pub(crate) const RESET: &str = "\u{1b}[0m";
/// What we paint with; no other sequence reaches a terminal from a line of ours.
const PAINT: [&str; 5] = [DIM, RED, GREEN, YELLOW, RESET];

/// Whether a character steers a terminal, hides, or reorders what stands around it. Line feeds and tabs do not.
fn is_steering(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => false,
        c if c.is_control() => true,
        // Alone a character is plain unless it is hidden or has another spelling, which is harmless here.
        c => !is_plain(c.encode_utf8(&mut [0; 4])) && !c.is_alphanumeric(),
    }
}

/// Text from elsewhere, made safe for terminals: what steers is shown escaped (`\u{1b}`).
pub(crate) fn plain(text: &str) -> String {
    escaped(text, &[])
}

/// A line of ours with text from elsewhere in it: our own colours stay.
pub(super) fn painted(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_steering) { Cow::Owned(escaped(text, &PAINT)) } else { Cow::Borrowed(text) }
}

fn escaped(text: &str, keep: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(kept) = keep.iter().find(|k| rest.starts_with(**k)) {
            out.push_str(kept);
            rest = &rest[kept.len()..];
            continue;
        }
        if is_steering(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// JSON text whose strings hold what steers as `\uXXXX`: the same value, safe to look at.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_steering) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_steering(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A text of the same length in bytes without what steers, for excerpts whose places are counted in bytes.
pub(crate) fn masked(text: &str) -> String {
    let mask = |c: char| match (is_steering(c) || c == '\r', c.len_utf8()) {
        (false, _) => c,
        (true, 1) => '?',
        (true, 2) => '¿',
        (true, 3) => '\u{fffd}',
        (true, _) => '\u{1f6ab}',
    };
    text.chars().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown() {
        for (text, shown) in [
            ("naïve 水銀\tÅ\n", "naïve 水銀\tÅ\n"),
            ("\u{1b}[31;1mx", "\\u{1b}[31;1mx"),
            ("a\u{9b}2Jb\r\u{7}", "a\\u{9b}2Jb\\r\\u{7}"),
            ("\u{202e}gnp.exe\u{200b}", "\\u{202e}gnp.exe\\u{200b}"),
        ] {
            assert_eq!(plain(text), shown);
        }
    }

    #[test]
    fn our_own_colours_stay_and_no_others() {
        assert_eq!(
            painted("\u{1b}[31;1mFAIL\u{1b}[0m \u{1b}[8mx\u{1b}]0;t\u{7}"),
            "\u{1b}[31;1mFAIL\u{1b}[0m \\u{1b}[8mx\\u{1b}]0;t\\u{7}"
        );
    }

    #[test]
    fn json_says_the_same_and_excerpts_keep_their_length() {
        let text = "\u{9b}\u{202e}\u{e0041}x";
        let value = serde_json::Value::from(text);
        let shown = value.to_string();
        let safe = json(&shown);
        assert!(safe.is_ascii(), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).ok(), Some(value));
        for text in [text, "\u{1b}[0m", "水\r\n"] {
            let masked = masked(text);
            assert_eq!(masked.len(), text.len());
            assert!(!masked.chars().any(is_steering));
        }
    }
}
