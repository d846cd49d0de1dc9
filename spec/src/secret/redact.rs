//! Redaction: what is found or known is replaced by a text that says nothing about it.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};

use super::{LOOKAHEAD, LOOKBEHIND, next};

/// What stands where a secret stood: the same text for every secret.
pub const MASK: &[u8] = b"[redacted]";
/// The shortest value that is replaced, in bytes. A shorter one occurs by chance.
const MIN_VALUE: usize = 6;
/// The shortest line of a value of several lines that is replaced by itself, in bytes.
const MIN_LINE: usize = 16;
/// A text is taken in pieces of this many bytes.
const PIECE: usize = 64 << 10;

/// Replaces secrets by [`MASK`]. Cheap to share, made once for many texts.
#[derive(Clone)]
pub struct Redactor {
    /// Every spelling of every known value; none if nothing is known.
    known: Option<AhoCorasick>,
    /// Whether a place is judged depends on at most this many bytes after it.
    lookahead: usize,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Redactor {
    /// A redactor that knows these values besides what [`super::scan`] finds by itself.
    ///
    /// Values of fewer than 6 bytes are left out: they occur by chance. A value is found as it is, line by line if it
    /// has several (lines of 16 bytes and more), in base64 and base64url at any alignment within a larger text, and
    /// percent-encoded.
    #[must_use]
    pub fn new(values: &[&[u8]]) -> Self {
        let mut spellings = BTreeSet::new();
        for value in values {
            let whole = value.trim_ascii();
            let lines = whole.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| line.len() >= MIN_LINE);
            for value in std::iter::once(whole).chain(lines).filter(|v| v.len() >= MIN_VALUE) {
                spell(value, &mut spellings);
            }
        }
        let longest = spellings.iter().map(Vec::len).max().unwrap_or(0);
        let known = if spellings.is_empty() { None } else { AhoCorasick::new(&spellings).ok() };
        Self { known, lookahead: LOOKAHEAD.max(longest) }
    }

    /// A text without its secrets.
    #[must_use]
    pub fn redact(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut redaction = self.stream();
        redaction.push(text, &mut out);
        redaction.finish(&mut out);
        out
    }

    /// Begins a text that comes in pieces.
    #[must_use]
    pub fn stream(&self) -> Redaction<'_> {
        Redaction { redactor: self, held: Vec::new(), judged: 0, scanned: 0, hidden: 0, pending: Vec::new() }
    }
}

impl std::fmt::Debug for Redactor {
    /// Says nothing about the values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

/// A text that is being redacted. What was pushed and cannot be judged yet is held back: at most about 160 KiB,
/// more only for known values that are longer than 32 KiB.
pub struct Redaction<'r> {
    redactor: &'r Redactor,
    /// What is not written yet, and up to [`LOOKBEHIND`] bytes that are.
    held: Vec<u8>,
    /// Up to here (in `held`) the text is written or hidden.
    judged: usize,
    /// From here on (in `held`) the rules have to be asked.
    scanned: usize,
    /// Up to here (in `held`) the text is hidden.
    hidden: usize,
    /// Secrets that begin behind `judged`, found from what stands before them.
    pending: Vec<(usize, usize)>,
}

impl Redaction<'_> {
    /// Takes the next piece and appends to `out` what can be judged. However a text is cut into pieces, what comes
    /// out is the same.
    pub fn push(&mut self, mut text: &[u8], out: &mut Vec<u8>) {
        while !text.is_empty() {
            let (piece, rest) = text.split_at(text.len().min(PIECE));
            self.held.extend_from_slice(piece);
            text = rest;
            let enough = self.judged + self.redactor.lookahead + PIECE.max(self.redactor.lookahead);
            if self.held.len() >= enough {
                self.judge(self.held.len() - self.redactor.lookahead, out);
            }
        }
    }

    /// Appends the rest. Without it, the last bytes (32 KiB, or more for longer known values) are lost: that is how
    /// a text is cut off without showing the first half of a secret.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.judge(self.held.len(), out);
    }

    /// Writes the text up to `to`, which has all that follows it in `held`.
    fn judge(&mut self, to: usize, out: &mut Vec<u8>) {
        let from = self.judged;
        let mut places = std::mem::take(&mut self.pending);
        if let Some(known) = &self.redactor.known {
            let matches = known.find_overlapping_iter(&self.held[from..]);
            places.extend(matches.map(|m| (from + m.start(), from + m.end())).filter(|(start, _)| *start < to));
        }
        while let Some(finding) = next(&self.held, self.scanned, to) {
            places.push((finding.offset, finding.end()));
            self.scanned = finding.end();
        }
        self.scanned = self.scanned.max(to);
        places.sort_unstable();
        for (start, end) in places {
            if start >= to {
                self.pending.push((start, end));
                continue;
            }
            if start >= self.hidden {
                out.extend_from_slice(&self.held[self.hidden.max(from)..start]);
                out.extend_from_slice(MASK);
            }
            self.hidden = self.hidden.max(end);
        }
        out.extend_from_slice(self.held.get(self.hidden.max(from)..to).unwrap_or_default());

        let gone = to.saturating_sub(LOOKBEHIND);
        self.held.drain(..gone);
        self.judged = to - gone;
        self.scanned -= gone;
        self.hidden = self.hidden.saturating_sub(gone);
        for (start, end) in &mut self.pending {
            (*start, *end) = (*start - gone, *end - gone);
        }
    }
}

/// Every spelling in which a value may appear.
fn spell(value: &[u8], spellings: &mut BTreeSet<Vec<u8>>) {
    spellings.insert(value.to_vec());
    for encoding in [BASE64, BASE64URL] {
        spellings.insert(encoding.encode(value).into_bytes());
    }
    for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
        // Within a longer text the value begins at any of three places of a group; the letters that it shares with
        // its neighbours are left out.
        for shift in 0..3 {
            let mut shifted = vec![0; shift];
            shifted.extend_from_slice(value);
            let text = encoding.encode(&shifted);
            let first = [0, 2, 3][shift];
            let last = text.len() - usize::from(shifted.len() % 3 != 0);
            spellings.insert(text.as_bytes()[first..last].to_vec());
        }
    }
    for (capitals, plus) in [(true, false), (false, false), (true, true)] {
        spellings.insert(percent(value, capitals, plus));
    }
}

/// Percent-encoding: all but letters, digits and `-._~`.
fn percent(value: &[u8], capitals: bool, plus: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    for b in value {
        match *b {
            b' ' if plus => text.push(b'+'),
            b if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') => text.push(b),
            b if capitals => text.extend_from_slice(format!("%{b:02X}").as_bytes()),
            b => text.extend_from_slice(format!("%{b:02x}").as_bytes()),
        }
    }
    text
}
