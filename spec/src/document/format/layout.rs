//! Tokens to nodes with their comments and line breaks.

use super::token::{self, Kind, Token};

/// What stands on lines of its own.
#[derive(Debug)]
pub(super) struct Item<'t> {
    /// Whether a blank line stands in front of it.
    pub(super) blank: bool,
    pub(super) what: What<'t>,
}

#[derive(Debug)]
pub(super) enum What<'t> {
    Comment(&'t str),
    Node(Node<'t>),
}

#[derive(Debug)]
pub(super) struct Node<'t> {
    /// Whether `/-` takes it out.
    pub(super) out: bool,
    pub(super) parts: Vec<Part<'t>>,
    /// The comment behind it, on its last line.
    pub(super) trailing: Option<&'t str>,
}

/// A part of a node; `out` says whether `/-` takes it out.
#[derive(Debug)]
pub(super) enum Part<'t> {
    /// A name, a value or a property: the texts of its types, of its key and of its value.
    Entry {
        out: bool,
        class: &'t str,
        key: Option<&'t str>,
        value_class: &'t str,
        value: &'t str,
    },
    Comment(&'t str),
    /// The line goes on in the next one.
    Continue(Option<&'t str>),
    Block {
        out: bool,
        block: Block<'t>,
    },
}

#[derive(Debug)]
pub(super) struct Block<'t> {
    pub(super) items: Vec<Item<'t>>,
    /// The comment behind the opening brace.
    pub(super) opening: Option<&'t str>,
    /// Whether it was written on one line.
    pub(super) inline: bool,
}

/// Reads a document that a parser accepted; `None` for what this does not know to keep.
pub(super) fn read(text: &str) -> Option<Vec<Item<'_>>> {
    let mut reader = Reader { text, tokens: token::read(text)?, at: 0 };
    let items = reader.items()?;
    (reader.at == reader.tokens.len()).then_some(items)
}

struct Reader<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    fn next_if(&mut self, kind: Kind) -> Option<Token<'t>> {
        let token = self.peek().filter(|token| token.kind == kind)?;
        self.at += 1;
        Some(token)
    }

    /// Nodes and comments up to a closing brace, which is not taken, or up to the end.
    fn items(&mut self) -> Option<Vec<Item<'t>>> {
        let mut items: Vec<Item<'t>> = Vec::new();
        let mut breaks = 2;
        while let Some(token) = self.peek() {
            let blank = breaks > 1;
            match token.kind {
                Kind::Newline => {
                    breaks += 1;
                    self.at += 1;
                    continue;
                }
                Kind::End => self.at += 1,
                Kind::Close => break,
                Kind::Line | Kind::Block => {
                    self.at += 1;
                    match items.last_mut().map(|item| &mut item.what) {
                        Some(What::Node(node))
                            if breaks == 0 && node.trailing.is_none() && token.kind == Kind::Line =>
                        {
                            node.trailing = Some(token.text);
                        }
                        _ => items.push(Item { blank, what: What::Comment(token.text) }),
                    }
                }
                Kind::Out => {
                    self.at += 1;
                    while self.next_if(Kind::Newline).is_some() {}
                    let node = self.node(true)?;
                    items.push(Item { blank, what: What::Node(node) });
                }
                Kind::Word | Kind::Less => {
                    let node = self.node(false)?;
                    items.push(Item { blank, what: What::Node(node) });
                }
                Kind::Continue => {
                    // A line that only goes on in the next one.
                    self.at += 1;
                    self.next_if(Kind::Newline)?;
                    continue;
                }
                Kind::Open | Kind::Greater | Kind::Equals => return None,
            }
            breaks = 0;
        }
        Some(items)
    }

    fn node(&mut self, out: bool) -> Option<Node<'t>> {
        let mut node = Node { out, parts: vec![self.entry(false)?], trailing: None };
        let mut out = false;
        while let Some(token) = self.peek() {
            match token.kind {
                Kind::Newline | Kind::End | Kind::Close if !out => break,
                Kind::Newline => self.at += 1,
                Kind::End | Kind::Close | Kind::Greater | Kind::Equals => return None,
                Kind::Line if out => return None,
                Kind::Line => {
                    self.at += 1;
                    node.trailing = Some(token.text);
                    break;
                }
                Kind::Block if out => return None,
                Kind::Block => {
                    self.at += 1;
                    node.parts.push(Part::Comment(token.text));
                }
                Kind::Out if out => return None,
                Kind::Out => {
                    self.at += 1;
                    out = true;
                }
                Kind::Continue => {
                    self.at += 1;
                    let comment = self.next_if(Kind::Line).map(|token| token.text);
                    if self.next_if(Kind::Newline).is_none() && self.peek().is_some() {
                        return None;
                    }
                    if out {
                        return None;
                    }
                    node.parts.push(Part::Continue(comment));
                }
                Kind::Open => {
                    node.parts.push(Part::Block { out, block: self.block()? });
                    out = false;
                }
                Kind::Word | Kind::Less => {
                    let entry = self.entry(out)?;
                    node.parts.push(entry);
                    out = false;
                }
            }
        }
        (!out).then_some(node)
    }

    fn block(&mut self) -> Option<Block<'t>> {
        let open = self.next_if(Kind::Open)?;
        let opening = self.next_if(Kind::Line).map(|token| token.text);
        let items = self.items()?;
        let close = self.next_if(Kind::Close)?;
        let inline = !self.text[open.at..close.at].contains(['\n', '\r']);
        Some(Block { items, opening, inline })
    }

    /// A type annotation with its parentheses, or nothing.
    fn class(&mut self) -> Option<&'t str> {
        let Some(from) = self.next_if(Kind::Less) else { return Some("") };
        self.next_if(Kind::Word)?;
        let to = self.next_if(Kind::Greater)?;
        Some(&self.text[from.at..to.at + 1])
    }

    fn entry(&mut self, out: bool) -> Option<Part<'t>> {
        let class = self.class()?;
        let first = self.next_if(Kind::Word)?;
        if self.next_if(Kind::Equals).is_none() {
            return Some(Part::Entry { out, class, key: None, value_class: "", value: first.text });
        }
        let value_class = self.class()?;
        let value = self.next_if(Kind::Word)?;
        Some(Part::Entry { out, class, key: Some(first.text), value_class, value: value.text })
    }
}
