//! KDL text to tokens, comments and line breaks included. For text that a parser accepted already.

/// A piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    /// Its first byte.
    pub(super) at: usize,
    /// Whether nothing stands between it and the token in front of it.
    pub(super) close: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Newline,
    /// `// …`
    Line,
    /// `/* … */`
    Block,
    /// `/-`
    Out,
    /// `\` in front of the end of a line.
    Continue,
    /// A name, a text, a number or a keyword.
    Word,
    /// `{`
    Open,
    /// `}`
    Close,
    /// `(`
    Less,
    /// `)`
    Greater,
    /// `=`
    Equals,
    /// `;`
    End,
}

/// The tokens of a text; `None` if something is not closed.
pub(super) fn read(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut close = false;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, len) = match c {
            c if is_newline(c) => (Kind::Newline, if rest.starts_with("\r\n") { 2 } else { c.len_utf8() }),
            c if c.is_whitespace() || c == '\u{feff}' => {
                at += c.len_utf8();
                close = false;
                continue;
            }
            '/' if rest.starts_with("//") => (Kind::Line, rest.find(is_newline).unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (Kind::Block, block_comment(rest)?),
            '/' if rest.starts_with("/-") => (Kind::Out, 2),
            '\\' => (Kind::Continue, 1),
            '{' => (Kind::Open, 1),
            '}' => (Kind::Close, 1),
            '(' => (Kind::Less, 1),
            ')' => (Kind::Greater, 1),
            '=' => (Kind::Equals, 1),
            ';' => (Kind::End, 1),
            '"' => (Kind::Word, quoted(rest)?),
            '#' => (Kind::Word, raw(rest)?),
            _ => (Kind::Word, rest.find(ends_name).or(Some(rest.len())).filter(|n| *n > 0)?),
        };
        tokens.push(Token { kind, text: &rest[..len], at, close });
        at += len;
        close = true;
    }
    Some(tokens)
}

fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn ends_name(c: char) -> bool {
    c.is_whitespace() || is_newline(c) || c == '\u{feff}' || "(){}[]/\\\"#;=".contains(c)
}

/// How long a comment is, those within it included.
fn block_comment(rest: &str) -> Option<usize> {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest[at..].chars().next()?.len_utf8();
        }
    }
    None
}

/// How long a text in quotes is.
fn quoted(rest: &str) -> Option<usize> {
    let end = if rest.starts_with("\"\"\"") { "\"\"\"" } else { "\"" };
    let mut at = end.len();
    while at < rest.len() {
        if rest[at..].starts_with('\\') {
            at += 1 + rest[at + 1..].chars().next()?.len_utf8();
        } else if rest[at..].starts_with(end) {
            return Some(at + end.len());
        } else {
            at += rest[at..].chars().next()?.len_utf8();
        }
    }
    None
}

/// How long a raw text or a keyword is.
fn raw(rest: &str) -> Option<usize> {
    let marks = rest.find(|c| c != '#').unwrap_or(rest.len());
    let inner = &rest[marks..];
    if !inner.starts_with('"') {
        return Some(marks + inner.find(ends_name).unwrap_or(inner.len()));
    }
    let quotes = if inner.starts_with("\"\"\"") { "\"\"\"" } else { "\"" };
    let end = format!("{quotes}{}", "#".repeat(marks));
    let from = marks + quotes.len();
    rest[from..].find(&end).map(|at| from + at + end.len())
}
