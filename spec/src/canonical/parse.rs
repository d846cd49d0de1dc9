//! The strict JSON reader (supply-chain 2.4): what parsers read differently is refused.

use serde::de::DeserializeOwned;

use super::error::{JsonError, JsonErrorKind};
use super::text::is_plain;
use super::value::{Object, Value};

/// Which texts are accepted. Every profile refuses a byte order mark, invalid UTF-8, duplicate keys,
/// lone surrogates, numbers that are not finite, integers beyond ±(2^53−1) and trailing bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Largest accepted text, in bytes.
    pub max_bytes: usize,
    /// Deepest accepted nesting of arrays and objects.
    pub max_depth: usize,
    /// Whether numbers with a fraction or an exponent are accepted.
    pub floats: bool,
    /// Whether strings must be NFC and free of control, bidi and zero-width characters.
    pub plain_text: bool,
}

impl Profile {
    /// Records, envelopes and everything else that we sign: at most 1 MiB, depth 32, integers only.
    pub const RECORD: Self = Self { max_bytes: 1 << 20, max_depth: 32, floats: false, plain_text: true };
    /// Documents of ours that carry foreign text (labels, quotes): integers only.
    pub const DOCUMENT: Self = Self { max_bytes: 1 << 30, max_depth: 64, floats: false, plain_text: false };
    /// Upstream data: any I-JSON number.
    pub const DATA: Self = Self { max_bytes: 1 << 30, max_depth: 128, floats: true, plain_text: false };
}

/// Reads a typed document: strict profile first, then the shape (unknown fields are the type's rule).
///
/// # Errors
/// [`JsonError`] for either.
pub fn from_slice<T: DeserializeOwned>(text: &[u8], profile: Profile) -> Result<T, JsonError> {
    parse(text, profile)?;
    typed(text)
}

/// Reads text that [`parse`] accepted into a type.
///
/// # Errors
/// [`JsonError`] if the type does not fit it.
pub(crate) fn typed<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    serde_json::from_slice(text).map_err(|e| {
        let line_start =
            text.split(|b| *b == b'\n').take(e.line().saturating_sub(1)).map(|l| l.len() + 1).sum::<usize>();
        JsonError::new(JsonErrorKind::Unsupported(e.to_string()), line_start + e.column().saturating_sub(1))
    })
}

/// Reads one JSON value that fills the whole text.
///
/// # Errors
/// [`JsonError`] with the offset of the first refused byte.
pub fn parse(text: &[u8], profile: Profile) -> Result<Value, JsonError> {
    if text.len() > profile.max_bytes {
        return Err(JsonError::new(JsonErrorKind::TooLarge(profile.max_bytes), profile.max_bytes));
    }
    let text = std::str::from_utf8(text).map_err(|e| JsonError::new(JsonErrorKind::Utf8, e.valid_up_to()))?;
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, depth: 0, profile };
    parser.skip_space();
    let value = parser.value()?;
    parser.skip_space();
    if parser.at < parser.bytes.len() {
        return Err(parser.expected("the end of the text"));
    }
    Ok(value)
}

struct Parser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    depth: usize,
    profile: Profile,
}

impl Parser<'_> {
    fn fail(&self, kind: JsonErrorKind) -> JsonError {
        JsonError::new(kind, self.at)
    }

    fn expected(&self, what: &'static str) -> JsonError {
        self.fail(JsonErrorKind::Expected(what))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Value, JsonError> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.expected("a value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, JsonError>) -> Result<Value, JsonError> {
        self.depth += 1;
        if self.depth > self.profile.max_depth {
            return Err(self.fail(JsonErrorKind::TooDeep(self.profile.max_depth)));
        }
        self.at += 1; // the bracket
        self.skip_space();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, JsonError> {
        let mut object = Object::new();
        let mut names: Vec<(String, usize)> = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(object));
        }
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key"));
            }
            let name = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.expected("`:`"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value()?;
            names.push((name.clone(), start));
            object.push_unique(name, value);
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                }
                Some(b'}') => {
                    self.at += 1;
                    names.sort_unstable();
                    if let Some(pair) = names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                        return Err(JsonError::new(JsonErrorKind::DuplicateKey(pair[1].0.clone()), pair[1].1));
                    }
                    return Ok(Value::Object(object));
                }
                _ => return Err(self.expected("`,` or `}`")),
            }
        }
    }

    fn array(&mut self) -> Result<Value, JsonError> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                }
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                _ => return Err(self.expected("`,` or `]`")),
            }
        }
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value, JsonError> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.expected("a value"))
        }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.expected("a digit")),
        }
        let mut integral = true;
        if self.peek() == Some(b'.') {
            integral = false;
            self.at += 1;
            self.one_digit_or_more()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integral = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.one_digit_or_more()?;
        }
        let text = &self.text[start..self.at];
        let refused = || JsonError::new(JsonErrorKind::Number(text.chars().take(40).collect()), start);
        if integral {
            if text == "-0" && !self.profile.floats {
                return Err(refused());
            }
            return text.parse().ok().and_then(Value::integer).ok_or_else(refused);
        }
        if !self.profile.floats {
            return Err(refused());
        }
        text.parse().ok().and_then(Value::float).ok_or_else(refused)
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn one_digit_or_more(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.expected("a digit"));
        }
        self.digits();
        Ok(())
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let open = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let from = self.at;
            while self.peek().is_some_and(|b| b != b'"' && b != b'\\' && b >= 0x20) {
                self.at += 1;
            }
            text.push_str(&self.text[from..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    break;
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err(self.expected("an escaped control character")),
                None => return Err(self.expected("the end of the string")),
            }
        }
        if self.profile.plain_text && !is_plain(&text) {
            return Err(JsonError::new(JsonErrorKind::Text(text.escape_debug().take(60).collect()), open));
        }
        Ok(text)
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.expected("an escape")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !self.text[self.at..].starts_with("\\u") {
                    return Err(self.fail(JsonErrorKind::Surrogate));
                }
                self.at += 2;
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.fail(JsonErrorKind::Surrogate));
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(|| self.fail(JsonErrorKind::Surrogate))
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self
            .bytes
            .get(self.at..self.at + 4)
            .filter(|d| d.iter().all(u8::is_ascii_hexdigit))
            .ok_or_else(|| self.expected("four hexadecimal digits"))?;
        let text = std::str::from_utf8(digits).expect("hexadecimal digits are ASCII");
        let code = u32::from_str_radix(text, 16).expect("four hexadecimal digits fit u32");
        self.at += 4;
        Ok(code)
    }
}
