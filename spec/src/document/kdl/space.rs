//! What separates: blanks, line breaks, comments, and lines that go on in the next one.

use super::chars::{self, Kind, kind};
use super::mistake;
use super::reader::Reader;

impl Reader<'_> {
    /// The length of the line break here, none if here is none. `\r\n` is one.
    pub(super) fn newline(&self) -> usize {
        match self.peek() {
            Some(b'\n' | 0xb | 0xc) => 1,
            Some(b'\r') => 1 + usize::from(self.byte(1) == Some(b'\n')),
            Some(0xc2) => 2 * usize::from(self.byte(1) == Some(0x85)),
            Some(0xe2) => 3 * usize::from(self.byte(1) == Some(0x80) && matches!(self.byte(2), Some(0xa8 | 0xa9))),
            _ => 0,
        }
    }

    /// The length of the blank here, none if here is none.
    pub(super) fn blank(&self) -> usize {
        match self.peek() {
            Some(b' ' | b'\t') => 1,
            Some(byte) if byte >= 0x80 => self.char().filter(|c| kind(*c) == Kind::Blank).map_or(0, char::len_utf8),
            _ => 0,
        }
    }

    /// Moves past blanks and line breaks; whether there were any.
    pub(super) fn blanks_and_newlines(&mut self) -> bool {
        let from = self.at;
        loop {
            match self.blank() + self.newline() {
                0 => return self.at > from,
                len => self.at += len,
            }
        }
    }

    /// Moves past what may stand between two values: blanks, `/* … */`, and ends of lines behind `\`.
    #[inline]
    pub(super) fn node_space(&mut self) {
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t')) {
                self.at += 1;
            }
            if !matches!(self.peek(), Some(b'/' | b'\\' | 0x80..)) || !self.rare_space() {
                return;
            }
        }
    }

    /// Moves past one piece of space that is seldom; whether there was one.
    fn rare_space(&mut self) -> bool {
        match self.peek() {
            Some(b'/') if self.byte(1) == Some(b'*') => self.block_comment(),
            Some(b'/') => return false,
            Some(b'\\') => self.continued(),
            _ => match self.blank() {
                0 => return false,
                len => self.at += len,
            },
        }
        true
    }

    /// Moves past what may stand between two nodes: all that separates, and `// …`.
    pub(super) fn line_space(&mut self) {
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\n')) {
                self.at += 1;
            }
            if !matches!(self.peek(), Some(b'/' | b'\\' | b'\r' | 0xb | 0xc | 0x80..)) {
                return;
            }
            match self.newline() {
                0 if self.starts_with("//") => self.line_comment(),
                0 if self.rare_space() => {}
                0 => return,
                len => self.at += len,
            }
        }
    }

    /// Moves past a `\` and the end of its line.
    fn continued(&mut self) {
        let from = self.at;
        self.at += 1;
        loop {
            match self.blank() {
                0 if self.starts_with("/*") => self.block_comment(),
                0 => break,
                len => self.at += len,
            }
        }
        if self.starts_with("//") {
            self.line_comment();
        }
        match self.newline() {
            0 if self.at == self.bytes.len() => {}
            0 => self.report(|_| mistake::backslash(from)),
            len => self.at += len,
        }
    }

    /// Moves past `// …`, up to the end of its line.
    pub(super) fn line_comment(&mut self) {
        loop {
            self.skip(chars::COMMENT);
            if self.newline() > 0 || !self.pass_char() {
                return;
            }
        }
    }

    /// Moves past `/* … */` and the comments in it.
    fn block_comment(&mut self) {
        let from = self.at;
        let mut depth = 0usize;
        loop {
            match (self.peek(), self.byte(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                (Some(byte), _) if chars::is(byte, chars::COMMENT) => self.at += 1,
                (Some(_), _) => {
                    self.pass_char();
                }
                (None, _) => {
                    self.lost = true;
                    return self.report(|_| mistake::open_comment(from));
                }
            }
        }
    }
}
