//! The plain part of KDL 2, read in one pass: what nearly every pipeline is written in.
//!
//! Names, quoted strings without escapes, decimal integers, `#true`, `#false`, `#null`, properties, children,
//! `;` and `//` comments, in ASCII. At anything else, wrong or only rarer, [`parse`] gives up without a word and
//! the `kdl` crate reads the document from its beginning: it is the authority, and all messages are its own.
//! What is read here is exactly what it would read, spans included (`tests` hold the two to each other);
//! it costs about a twentieth, which is most of what a first plan of a large pipeline costs.

use super::tree::{Node, Scalar, Span, Spanned};

/// Nodes deeper than this are left to the other parser.
const MAX_DEPTH: usize = 32;

/// Reads a document; `None` if it is not plain.
pub(super) fn parse(text: &str) -> Option<Vec<Node>> {
    let mut reader = Reader { bytes: text.as_bytes(), text, at: 0 };
    let nodes = reader.nodes(0)?;
    (reader.at == text.len()).then_some(nodes)
}

struct Reader<'t> {
    bytes: &'t [u8],
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Moves past what `wanted` accepts; whether there was any.
    fn skip(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let from = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        self.at > from
    }

    fn blanks(&mut self) -> bool {
        self.skip(|b| matches!(b, b' ' | b'\t'))
    }

    /// Nodes up to the end of the text, or up to a closing brace, which is not taken.
    fn nodes(&mut self, depth: usize) -> Option<Vec<Node>> {
        let mut nodes = Vec::new();
        loop {
            self.skip(|b| matches!(b, b' ' | b'\t' | b'\n'));
            match self.peek() {
                None if depth == 0 => return Some(nodes),
                Some(b'}') if depth > 0 => return Some(nodes),
                Some(b'/') => self.comment()?,
                _ if depth < MAX_DEPTH => nodes.push(self.node(depth)?),
                _ => return None,
            }
        }
    }

    /// A comment, up to the end of its line.
    fn comment(&mut self) -> Option<()> {
        self.text[self.at..].starts_with("//").then_some(())?;
        // Control and invisible characters are for the other parser to refuse.
        self.skip(|b| b == b'\t' || (b' '..0x7f).contains(&b));
        matches!(self.peek(), None | Some(b'\n')).then_some(())
    }

    fn node(&mut self, depth: usize) -> Option<Node> {
        let from = self.at;
        let name = self.text_token()?;
        let mut node = Node { name, args: Vec::new(), props: Vec::new(), children: Vec::new(), span: Span::default() };
        let mut to = self.at;
        loop {
            let blank = self.blanks();
            match self.peek() {
                None | Some(b'}') => break,
                Some(b'\n' | b';') => {
                    self.at += 1;
                    break;
                }
                Some(b'/') if blank => {
                    self.comment()?;
                    self.skip(|b| b == b'\n').then_some(()).or((self.at == self.bytes.len()).then_some(()))?;
                    break;
                }
                Some(b'{') if blank => {
                    self.at += 1;
                    node.children = self.nodes(depth + 1)?;
                    (self.peek() == Some(b'}') && !node.children.is_empty()).then_some(())?;
                    self.at += 1;
                    to = self.at;
                    self.blanks();
                    match self.peek() {
                        None | Some(b'}') => {}
                        Some(b'\n' | b';') => self.at += 1,
                        Some(_) => return None,
                    }
                    break;
                }
                Some(_) if blank => {
                    self.entry(&mut node)?;
                    to = self.at;
                }
                Some(_) => return None,
            }
        }
        node.span = Span::new(from, to - from);
        Some(node)
    }

    /// An argument or a property.
    fn entry(&mut self, node: &mut Node) -> Option<()> {
        let from = self.at;
        let first = self.scalar()?;
        if self.peek() != Some(b'=') {
            node.args.push(Spanned::new(first, Span::new(from, self.at - from)));
            return Some(());
        }
        let Scalar::Text(name) = first else { return None };
        let name = Spanned::new(name, Span::new(from, self.at - from));
        self.at += 1;
        let value = self.scalar()?;
        node.props.push((name, Spanned::new(value, Span::new(from, self.at - from))));
        Some(())
    }

    fn scalar(&mut self) -> Option<Scalar> {
        let from = self.at;
        match self.peek()? {
            b'0'..=b'9' | b'-' => {
                self.at += 1;
                self.skip(|b| b.is_ascii_digit());
                let ends = !self.peek().is_some_and(|b| is_name(b) || b == b'+');
                let written = &self.text[from..self.at];
                (ends && written.len() <= 18).then(|| written.parse().ok().map(Scalar::Integer))?
            }
            b'#' => {
                self.at += 1;
                self.skip(is_name);
                match &self.text[from..self.at] {
                    "#true" => Some(Scalar::Bool(true)),
                    "#false" => Some(Scalar::Bool(false)),
                    "#null" => Some(Scalar::Null),
                    _ => None,
                }
            }
            _ => Some(Scalar::Text(self.text_token()?.value)),
        }
    }

    /// A name or a quoted string.
    fn text_token(&mut self) -> Option<Spanned<String>> {
        let from = self.at;
        let value = if self.peek() == Some(b'"') {
            self.at += 1;
            self.skip(|b| (b' '..0x7f).contains(&b) && b != b'"' && b != b'\\');
            (self.peek() == Some(b'"')).then_some(())?;
            self.at += 1;
            // `"""` begins a text of many lines.
            (self.peek() != Some(b'"')).then_some(())?;
            &self.text[from + 1..self.at - 1]
        } else {
            self.peek().filter(|b| b.is_ascii_alphabetic() || *b == b'_')?;
            self.skip(is_name);
            let name = &self.text[from..self.at];
            (!matches!(name, "true" | "false" | "null" | "inf" | "nan")).then_some(name)?
        };
        Some(Spanned::new(value.to_owned(), Span::new(from, self.at - from)))
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::kdl::parse_with_crate;

    fn same(text: &str) {
        if let Some(nodes) = parse(text) {
            let other = parse_with_crate(text).unwrap_or_else(|_| panic!("only one reads it: {text:?}"));
            assert_eq!(nodes, other, "{text:?}");
        }
    }

    #[test]
    fn the_usual_document_is_plain() {
        let text = r#"
// A pipeline.
pipeline "layered" profile="kristal" {   // with children
    stage "s0" gate="a" { files "in/0.txt" "x"; run "/bin/mk" "-o" out; timeout "5m"; retries 2 }

    stage a-b.c keep=#true limit=-3 none=#null
    stage "last" { out "o" }
}
end; more 1
last"#;
        assert_eq!(parse(text).expect("plain").len(), 4);
        same(text);
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_crate() {
        for text in [
            "a \"\\n\"",
            "a \"\"\"\n\"\"\"",
            "/- a",
            "a /* */ b",
            "a \\\n b",
            "(t)a",
            "a 1.5",
            "a 1_0",
            "a 0x1",
            "a #inf",
            "a true",
            "true",
            "a{b}",
            "a {b} c",
            "a { }",
            "é",
            "a \"é\"",
            "a\u{2028}b",
            "a =1",
            "a b= 1",
            "\u{feff}a",
            "a \"x\"y",
            "a 1x",
            "a b\"c\"",
            "a {",
            "a }",
            "a\r\nb",
            "a // x\u{202e}",
            "1",
            "a 1=2",
            "a \"b",
            "a #true1",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn our_own_documents_read_the_same() {
        for path in ["../orgo.kdl", "../pipelines/ci.kdl", "../pipelines/knowledge.kdl", "../blueprints/elements.kdl"] {
            let text = std::fs::read_to_string(path).expect("there");
            same(&text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn both_parsers_read_the_same_tree(text in "([ab.1-9\"#=;{}/\\\\ \n-]|stage |run |\"x y\" |k=\"v\" |n=-1 |\\{ |\\} |; |\n|// c\n){0,24}") {
            same(&text);
        }

        #[test]
        fn structured_documents_are_plain_and_read_the_same(
            stages in proptest::collection::vec(("[a-z][a-z0-9.-]{0,6}", "[ -!#-\\[\\]-~]{0,8}", any::<i32>(), 0..4u8), 0..8)
        ) {
            let mut text = String::new();
            for (name, value, number, shape) in stages {
                prop_assume!(!["true", "false", "null", "inf", "nan"].contains(&name.as_str()));
                text += &match shape {
                    0 => format!("{name} \"{value}\" {number}\n"),
                    1 => format!("{name} k=\"{value}\" j={number} {{ a \"{value}\"; b {number} }}\n"),
                    2 => format!("  \"{value}\" {name} ; \t {name} {{\n  c\n}}\n"),
                    _ => format!("{name} // {value}\n\n"),
                };
            }
            prop_assert!(parse(&text).is_some(), "{text:?}");
            same(&text);
        }
    }
}
