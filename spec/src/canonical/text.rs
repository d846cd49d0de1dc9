//! Texts that look like what they are: records carry no others.

use unicode_normalization::UnicodeNormalization;

/// Whether a text is NFC and free of characters that hide or reorder what a reader sees: controls other
/// than tab and line feed, bidirectional marks, zero-width and invisible characters, tags, separators of
/// lines and paragraphs.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    if text.is_ascii() {
        return !text.chars().any(is_hidden);
    }
    !text.chars().any(is_hidden) && text.nfc().eq(text.chars())
}

/// The text as records may carry it, for foreign words such as messages of programs: NFC, hidden
/// characters as U+FFFD, at most `max_chars` characters (then ending in `…`).
#[must_use]
pub fn plain(text: &str, max_chars: usize) -> String {
    // Replacing first: what NFC composes from visible characters is visible.
    let visible = text.chars().take(max_chars.saturating_mul(4)).map(|c| if is_hidden(c) { '\u{fffd}' } else { c });
    let mut plain: Vec<char> = visible.nfc().take(max_chars.saturating_add(1)).collect();
    if plain.len() > max_chars {
        plain.truncate(max_chars.saturating_sub(1));
        plain.push('…');
    }
    plain.into_iter().nfc().collect()
}

fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{feff}' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' => true,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_hides_or_reorders_is_not_plain() {
        for plain in ["", "a\tb\n", "Ångström", "水銀", "\u{1f9ea}", "naïve"] {
            assert!(is_plain(plain), "{plain:?}");
        }
        for hidden in [
            "\0",
            "\r",
            "\u{7f}",
            "\u{9b}",
            "a\u{300}",
            "\u{212b}",
            "\u{200b}",
            "\u{202e}",
            "\u{2066}",
            "\u{feff}",
            "\u{ad}",
            "\u{2028}",
            "\u{61c}",
            "\u{e0041}",
            "\u{206a}",
            "\u{fff9}",
            "\u{180e}",
        ] {
            assert!(!is_plain(hidden), "{hidden:?}");
        }
    }

    #[test]
    fn foreign_words_become_plain() {
        assert_eq!(plain("e\u{301}\u{202e}!", 10), "é\u{fffd}!");
        assert_eq!(plain("0123456789", 10), "0123456789");
        assert_eq!(plain("0123456789x", 10), "012345678…");
    }

    proptest! {
        #[test]
        fn plain_text_is_plain_and_stays_as_it_is(text in "\\PC{0,40}|(?s:.){0,40}", max in 1usize..60) {
            let plain = plain(&text, max);
            prop_assert!(is_plain(&plain));
            prop_assert!(plain.chars().count() <= max);
            prop_assert_eq!(super::plain(&plain, max), plain);
        }
    }
}
