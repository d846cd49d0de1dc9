//! What a character is to KDL 2.

/// What a character is where no quotes and no comments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It separates values.
    Blank,
    /// It ends a line.
    Newline,
    /// It may stand nowhere in a document: it controls, or turns the direction of reading.
    Refused,
    /// All others.
    Other,
}

/// What a character is.
pub(super) fn kind(c: char) -> Kind {
    match c {
        '\t' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            Kind::Blank
        }
        '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Kind::Newline,
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' => Kind::Refused,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => Kind::Refused,
        _ => Kind::Other,
    }
}

/// A byte of ASCII that may stand in a bare word.
pub(super) const WORD: u8 = 1;
/// A byte of ASCII that stands for itself between quotes.
pub(super) const TEXT: u8 = 2;
/// A byte of ASCII that stands in a comment and does not end its line.
pub(super) const COMMENT: u8 = 4;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0x20u8;
    classes[b'\t' as usize] = TEXT | COMMENT;
    while byte < 0x7f {
        let mut class = COMMENT;
        if !matches!(byte, b'"' | b'\\') {
            class |= TEXT;
        }
        if !matches!(byte, b' ' | b'\\' | b'/' | b'(' | b')' | b'{' | b'}' | b'[' | b']' | b';' | b'"' | b'#' | b'=') {
            class |= WORD;
        }
        classes[byte as usize] = class;
        byte += 1;
    }
    classes
}

/// Whether a byte is of a class; no byte beyond ASCII is.
#[inline]
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}
