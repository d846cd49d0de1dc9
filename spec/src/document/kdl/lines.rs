//! Texts of several lines: `"""`, lines, `"""` on a line of its own. The blanks in front of the last quotes are taken
//! from the beginning of each line.

use super::mistake;
use super::reader::Reader;
use crate::document::tree::Span;

/// Where the last line of a text is.
struct Last {
    /// Its beginning.
    line: usize,
    /// The blanks in front of its quotes.
    blanks: usize,
    /// Its quotes.
    quotes: usize,
}

impl Reader<'_> {
    /// A text of several lines, behind its first quotes. `from` is the place of what it begins with; with `hashes` it is
    /// raw. None if it is not closed as it must be, which was told.
    pub(super) fn lines(&mut self, from: usize, hashes: usize) -> Option<String> {
        let opening = Span::new(from, self.at - from);
        if self.newline() == 0 {
            self.begins_below(opening, hashes)?;
        }
        self.at += self.newline();
        let body = self.at;
        let last = self.last_line(opening, hashes)?;
        let text = self.text;
        let prefix = &text[last.line..last.line + last.blanks];
        let end = last.quotes + 3 + hashes;
        let closing = Span::new(last.quotes, 3 + hashes);
        self.at = body;
        let mut out = String::with_capacity(last.line - body);
        let mut told = false;
        while self.at < last.line {
            let line = self.at;
            let blanks = self.leading_blanks();
            if self.newline() == 0 {
                self.at = line;
                if text[line..].starts_with(prefix) {
                    self.at += prefix.len();
                } else if !std::mem::replace(&mut told, true) {
                    self.report(|_| mistake::not_indented(line, blanks, prefix, closing));
                }
                self.line_into(&mut out, hashes > 0);
            }
            out.push('\n');
            self.at += self.newline();
        }
        out.pop();
        self.at = end;
        Some(out)
    }

    /// One line, from behind what was taken from its beginning up to its end.
    fn line_into(&mut self, out: &mut String, raw: bool) {
        while self.newline() == 0 {
            if !raw && self.peek() == Some(b'\\') {
                self.escape(out);
                continue;
            }
            let at = self.at;
            if !self.pass_char() {
                return;
            }
            out.push_str(&self.text[at..self.at]);
        }
    }

    /// Moves past blanks; how many bytes they are.
    fn leading_blanks(&mut self) -> usize {
        let from = self.at;
        while self.blank() > 0 {
            self.at += self.blank();
        }
        self.at - from
    }

    /// Finds the last line.
    fn last_line(&mut self, opening: Span, hashes: usize) -> Option<Last> {
        let raw = hashes > 0;
        loop {
            let line = self.at;
            let blanks = self.leading_blanks();
            // Blanks and line breaks behind a backslash are nothing.
            while !raw && self.peek() == Some(b'\\') {
                self.at += 1;
                if !self.blanks_and_newlines() {
                    self.at -= 1;
                    break;
                }
            }
            if self.closes("\"\"\"", hashes) {
                return Some(Last { line, blanks, quotes: self.at });
            }
            while self.newline() == 0 {
                match self.char() {
                    None => {
                        self.lost = true;
                        self.report(|_| mistake::open_lines(opening, hashes));
                        return None;
                    }
                    Some('\\') if !raw => {
                        self.at += 1;
                        if !self.blanks_and_newlines() {
                            self.at += self.char().map_or(0, char::len_utf8);
                        }
                    }
                    Some('"') if self.closes("\"\"\"", hashes) => {
                        let at = self.at;
                        self.report(|_| mistake::closing_alone(Span::new(at, 3 + hashes)));
                        self.at += 3 + hashes;
                        return None;
                    }
                    Some(c) => self.at += c.len_utf8(),
                }
            }
            self.at += self.newline();
        }
    }

    /// Tells that the first line is to be below; goes on at its end if nothing else is wrong with it.
    fn begins_below(&mut self, opening: Span, hashes: usize) -> Option<()> {
        let blanks = self.leading_blanks();
        if blanks > 0 && self.newline() > 0 {
            self.report(|_| mistake::blanks_behind_opening(opening, blanks));
            return Some(());
        }
        self.report(|_| mistake::begins_below(opening));
        while self.newline() == 0 && !self.closes("\"\"\"", hashes) {
            match self.char() {
                Some(c) => self.at += c.len_utf8(),
                None => break,
            }
        }
        if self.closes("\"\"\"", hashes) {
            self.at += 3 + hashes;
        } else {
            self.lost = true;
        }
        None
    }
}
