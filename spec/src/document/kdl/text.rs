//! Texts in quotes on one line, raw ones, and escapes.

use super::chars::{self, Kind, kind};
use super::mistake;
use super::reader::Reader;

impl Reader<'_> {
    /// A text in quotes, at its first quote; none if it is not closed, which was told.
    pub(super) fn quoted(&mut self) -> Option<String> {
        let from = self.at;
        if self.byte(1) == Some(b'"') && self.byte(2) == Some(b'"') {
            self.at += 3;
            return self.lines(from, 0);
        }
        self.at += 1;
        self.skip(chars::TEXT);
        let start = &self.text[from + 1..self.at];
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Some(start.to_owned());
        }
        let mut out = start.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Some(out);
                }
                Some(b'\\') => self.escape(&mut out),
                Some(_) if self.newline() == 0 => {
                    let from = self.at;
                    self.pass_char();
                    self.skip(chars::TEXT);
                    out.push_str(&self.text[from..self.at]);
                }
                Some(_) | None => {
                    self.unclosed(from, 1);
                    return None;
                }
            }
        }
    }

    /// A raw text, at its first quote; `from` is the place of the first of its `hashes`.
    pub(super) fn raw(&mut self, from: usize, hashes: usize) -> Option<String> {
        if self.starts_with("\"\"\"") {
            self.at += 3;
            return self.lines(from, hashes);
        }
        self.at += 1;
        let start = self.at;
        while !self.closes("\"", hashes) {
            if self.newline() > 0 || !self.pass_char() {
                self.unclosed(from, hashes + 1);
                return None;
            }
        }
        let text = self.text[start..self.at].to_owned();
        self.at += 1 + hashes;
        Some(text)
    }

    /// Whether a text ends here, with its quotes and so many `#`.
    pub(super) fn closes(&self, quotes: &str, hashes: usize) -> bool {
        let marks = self.at + quotes.len();
        self.starts_with(quotes)
            && self.bytes.get(marks..marks + hashes).is_some_and(|marks| marks.iter().all(|byte| *byte == b'#'))
    }

    /// Tells of a text that its line does not close.
    fn unclosed(&mut self, from: usize, marks: usize) {
        // An odd quote also separates wrongly what stands in front of it.
        let same_line = |at: usize| self.text.get(at..from).is_some_and(|between| !between.contains(['\n', '\r']));
        if let Some(last) = self.unseparated.take()
            && last + 1 == self.problems.len()
            && same_line(self.problems[last].span().offset as usize)
        {
            self.problems.pop();
        }
        self.lost = true;
        let to = self.at;
        self.report(|text| mistake::open_text(&text[from..to], from, marks));
    }

    /// Reads an escape, at its backslash.
    pub(super) fn escape(&mut self, out: &mut String) {
        let from = self.at;
        self.at += 1;
        if self.blanks_and_newlines() {
            return;
        }
        let Some(c) = self.char() else { return };
        out.push(match c {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            's' => ' ',
            'b' => '\u{8}',
            'f' => '\u{c}',
            '"' | '\\' => c,
            'u' => return self.code_point(from, out),
            _ => {
                self.at += if kind(c) == Kind::Other { c.len_utf8() } else { 0 };
                return self.report(|_| mistake::bad_escape(from, c));
            }
        });
        self.at += 1;
    }

    /// Reads `u{…}` behind a backslash.
    fn code_point(&mut self, from: usize, out: &mut String) {
        self.at += 1;
        let braced = self.peek() == Some(b'{');
        self.at += usize::from(braced);
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
            self.at += 1;
        }
        let digits = &self.text[start..self.at];
        let closed = braced && self.peek() == Some(b'}');
        self.at += usize::from(closed);
        let to = self.at;
        let value = (closed && digits.len() <= 6).then(|| u32::from_str_radix(digits, 16).ok()).flatten();
        match value.map(char::from_u32) {
            Some(Some(c)) => out.push(c),
            Some(None) => self.report(|text| mistake::no_character(&text[from..to], from)),
            None => self.report(|_| mistake::bad_code_point(from, to)),
        }
    }
}
