//! Values that are not in quotes: bare words, numbers and keywords.

use super::chars::{self, Kind, kind};
use super::reader::Reader;
use super::{mistake, number};
use crate::document::tree::Scalar;

/// What a word is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Name,
    Value,
}

/// Words that may only stand with a `#` in front of them, or in quotes.
const KEYWORDS: [&str; 6] = ["true", "false", "null", "inf", "-inf", "nan"];

impl<'t> Reader<'t> {
    /// A value without its type; none if there is no such value, which was told. Takes at least one character.
    #[inline]
    pub(super) fn scalar(&mut self, place: Place) -> Option<Scalar> {
        match self.peek() {
            Some(b'"') => self.quoted().map(Scalar::Text),
            Some(b'#') => self.marked(),
            Some(b'[' | b']') => self.bracket(),
            _ => self.word(place),
        }
    }

    /// A bare word or a number.
    fn word(&mut self, place: Place) -> Option<Scalar> {
        let from = self.at;
        if !self.take_word() {
            return self.odd_word(from);
        }
        let word = &self.text[from..self.at];
        let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word).as_bytes();
        match unsigned.first() {
            Some(b'0'..=b'9') => match number::read(word) {
                Ok(number) => Some(number),
                Err(fault) => {
                    self.report(|_| mistake::bad_number(word, from, fault));
                    None
                }
            },
            Some(b'.') if unsigned.get(1).is_some_and(u8::is_ascii_digit) => {
                self.report(|_| mistake::bad_number(word, from, number::Fault::NoDigitBeforePoint));
                None
            }
            Some(b't' | b'f' | b'n' | b'i') if KEYWORDS.contains(&word) => {
                let named = place == Place::Name || self.peek() == Some(b'=');
                self.report(|_| match named {
                    true => mistake::keyword_as_name(word, from),
                    false => mistake::bare_keyword(word, from),
                });
                None
            }
            _ => Some(Scalar::Text(word.to_owned())),
        }
    }

    /// Moves past the characters of a bare word; whether it ends where a word may end, and has any.
    fn take_word(&mut self) -> bool {
        let from = self.at;
        loop {
            self.skip(chars::WORD);
            match self.peek() {
                Some(0..0x20 | 0x7f..) => match self.char().map(kind) {
                    Some(Kind::Blank | Kind::Newline) | None => break,
                    Some(Kind::Refused | Kind::Other) => self.pass_char(),
                },
                Some(_) | None => break,
            };
        }
        self.at > from
            && match self.peek() {
                Some(b'/') => matches!(self.byte(1), Some(b'/' | b'*')),
                Some(b'\\') => matches!(self.byte(1), None | Some(b'\t'..=b'\r' | b' ' | b'/' | 0x80..)),
                // What is not separated is told where it begins.
                Some(b'#') => matches!(self.byte(1), Some(b'#' | b'"')),
                Some(b'[' | b']' | b'(') => false,
                Some(_) | None => true,
            }
    }

    /// Tells of a word with a character that words do not have; takes all of it.
    fn odd_word(&mut self, from: usize) -> Option<Scalar> {
        let odd = self.at;
        let mut round = false;
        while let Some(c) = self.char() {
            match c {
                '"' | ';' | '{' | '}' | '=' if self.at > odd => break,
                ')' if !round && self.at > odd => break,
                c if matches!(kind(c), Kind::Blank | Kind::Newline) => break,
                _ => round |= c == '(',
            }
            self.pass_char();
        }
        let to = self.at;
        self.report(|text| mistake::odd_word(&text[from..to], from, odd - from));
        None
    }

    /// Tells of a bracket; takes what it embraces, if that is on its line.
    fn bracket(&mut self) -> Option<Scalar> {
        let from = self.at;
        self.at += 1;
        if let Some(len) = self.closed_by(b']', true) {
            self.at += len + 1;
        }
        let to = self.at;
        self.report(|_| mistake::bracket(from, to));
        None
    }

    /// What begins with `#`: a keyword or a raw text.
    fn marked(&mut self) -> Option<Scalar> {
        let from = self.at;
        while self.peek() == Some(b'#') {
            self.at += 1;
        }
        if self.peek() == Some(b'"') {
            return self.raw(from, self.at - from).map(Scalar::Text);
        }
        self.take_word();
        let found = match &self.text[from..self.at] {
            "#true" => Some(Scalar::Bool(true)),
            "#false" => Some(Scalar::Bool(false)),
            "#null" => Some(Scalar::Null),
            number @ ("#inf" | "#-inf" | "#nan") => Some(Scalar::Number(number.to_owned())),
            _ => None,
        };
        if found.is_none() {
            let to = self.at;
            // Who writes `# words` means a comment.
            let comment = to == from + 1 && (self.blank() > 0 || self.newline() > 0);
            if comment {
                self.skip_line();
            }
            self.report(|text| match comment {
                true => mistake::hash_comment(from),
                false => mistake::bad_keyword(&text[from..to], from),
            });
        }
        found
    }
}
