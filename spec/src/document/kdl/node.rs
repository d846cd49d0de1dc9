//! Nodes: a name, its values and properties, its blocks, its end.

use super::mistake;
use super::reader::Reader;
use super::word::Place;
use crate::document::tree::{Node, Scalar, Span, Spanned};

/// A node whose end is not read yet.
pub(super) struct Begun {
    node: Node,
    from: usize,
    /// The end of the last part that belongs to it.
    end: usize,
    /// Whether `/-` takes it out.
    out: bool,
    blocks: Blocks,
    /// Whether it was told that two of its values are not separated.
    told: bool,
}

/// What blocks a node has so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocks {
    None,
    /// Only such that `/-` takes out.
    Out,
    /// Its own.
    Own,
}

impl Reader<'_> {
    /// Reads what stands where a node begins.
    pub(super) fn node(&mut self) {
        let at = self.at;
        let mut out = false;
        if self.starts_with("/-") {
            out = true;
            self.at += 2;
            self.line_space();
            if matches!(self.peek(), None | Some(b'}' | b';')) || self.starts_with("/-") {
                return self.report(|_| mistake::takes_nothing_out(at));
            }
        }
        let from = self.at;
        let mut typed = true;
        match self.peek() {
            Some(b';') => {
                self.at += 1;
                return self.report(|_| mistake::empty_node(from));
            }
            Some(b')') => {
                self.at += 1;
                return self.report(|_| mistake::stray(from, ')'));
            }
            Some(b'(') => {
                typed = self.class();
                self.node_space();
            }
            _ => {}
        }
        let start = self.at;
        let told = self.nothing_follows();
        let name = if told { self.nameless(from, typed) } else { self.name("a node") };
        let name = Spanned::new(name, Span::new(start, self.at - start));
        let node = Node { name, args: Vec::new(), props: Vec::new(), children: Vec::new(), span: Span::default() };
        self.rest(Begun { node, from, end: self.at, out, blocks: Blocks::None, told });
    }

    /// Tells that a node has no name, unless it was told that its type is none.
    fn nameless(&mut self, from: usize, typed: bool) -> String {
        let at = self.at;
        match self.peek() {
            Some(b'{') => self.report(|_| mistake::nameless_block(at)),
            Some(b'=') => {
                self.at += 1;
                self.report(|_| mistake::nameless_value(at));
            }
            _ if typed => self.report(|_| mistake::type_without(from, at)),
            _ => {}
        }
        String::new()
    }

    /// A name of something.
    fn name(&mut self, of: &'static str) -> String {
        let from = self.at;
        match self.scalar(Place::Name) {
            Some(Scalar::Text(text)) => text,
            Some(Scalar::Integer(_) | Scalar::Number(_) | Scalar::Bool(_) | Scalar::Null) => {
                let to = self.at;
                self.report(|text| mistake::not_a_name(of, &text[from..to], from));
                String::new()
            }
            None => String::new(),
        }
    }

    /// Moves past a type, `(…)`, which says nothing to us; whether it is one.
    fn class(&mut self) -> bool {
        let from = self.at;
        self.at += 1;
        self.node_space();
        if self.peek() == Some(b')') {
            self.at += 1;
            let to = self.at;
            self.report(|_| mistake::empty_type(from, to));
            return false;
        }
        if !self.nothing_follows() {
            self.name("a type");
            self.node_space();
        }
        if self.peek() == Some(b')') {
            self.at += 1;
            return true;
        }
        // Something else stands in the parentheses, or they are not closed on this line.
        let at = self.at;
        match self.text[at..].find([')', '\n', '{', '}', ';']).filter(|len| self.bytes[at + len] == b')') {
            Some(len) => {
                self.at += len + 1;
                let to = self.at;
                self.report(|_| mistake::odd_type(from, to));
            }
            None => self.report(|_| mistake::open_type(from)),
        }
        false
    }

    /// Whether neither a value nor a name can begin here.
    #[inline]
    fn nothing_follows(&self) -> bool {
        match self.peek() {
            None | Some(b'{' | b'}' | b';' | b'=' | b')') => true,
            Some(b'/') => matches!(self.byte(1), Some(b'/' | b'-')),
            Some(b'\n'..=b'\r' | 0x80..) => self.newline() > 0,
            Some(_) => false,
        }
    }

    /// Reads a node on, up to its end or up to the beginning of a block.
    fn rest(&mut self, mut begun: Begun) {
        while !self.full() {
            self.node_space();
            match self.peek() {
                None | Some(b'}' | b'\n' | b'\r' | 0xb | 0xc) => break,
                Some(b';') => {
                    self.finish(begun);
                    self.at += 1;
                    return;
                }
                Some(b'{') => {
                    if begun.blocks == Blocks::Own {
                        let at = self.at;
                        self.report(|_| mistake::second_block(at));
                    }
                    return self.begin(begun, false);
                }
                Some(b'/') if self.byte(1) == Some(b'/') => break,
                Some(0x80..) if self.newline() > 0 => break,
                Some(b'/') if self.byte(1) == Some(b'-') => match self.taken_out(begun) {
                    Some(same) => begun = same,
                    None => return,
                },
                Some(b'=') => self.equals(&mut begun),
                Some(b')') => {
                    let at = self.at;
                    self.report(|_| mistake::stray(at, ')'));
                    self.at += 1;
                    begun.end = self.at;
                }
                Some(_) => {
                    let at = self.at;
                    if begun.blocks == Blocks::Own {
                        self.report(|text| mistake::behind_block(text, at));
                        break;
                    }
                    if (at == begun.end || begun.blocks == Blocks::Out) && !self.separate(&mut begun) {
                        continue;
                    }
                    self.entry(&mut begun, false);
                }
            }
        }
        self.finish(begun);
    }

    /// Tells of a value that nothing separates from what stands in front of it, or that stands behind a block; whether
    /// there is one behind the comma that it may be.
    fn separate(&mut self, begun: &mut Begun) -> bool {
        let at = self.at;
        if begun.blocks == Blocks::Out {
            self.report(|text| mistake::value_behind_block(text, at));
        } else {
            if !std::mem::replace(&mut begun.told, true) {
                self.unseparated = Some(self.problems.len());
                self.report(|text| mistake::unseparated(text, at));
            }
            let comma = matches!(self.peek(), Some(b',' | b':'));
            self.at += usize::from(comma);
            begun.end = self.at;
            self.node_space();
        }
        !self.nothing_follows()
    }

    /// Reads what `/-` takes out of a node; none if that is a block, which is read first.
    fn taken_out(&mut self, mut begun: Begun) -> Option<Begun> {
        let from = self.at;
        if begun.blocks == Blocks::None && from == begun.end && !begun.told {
            self.report(|text| mistake::unseparated(text, from));
        }
        self.at += 2;
        self.line_space();
        if self.peek() == Some(b'{') {
            self.begin(begun, true);
            return None;
        }
        if matches!(self.peek(), None | Some(b'}' | b';' | b'=' | b')')) || self.starts_with("/-") {
            self.report(|_| mistake::takes_nothing_out(from));
            begun.end = self.at;
            begun.told = true;
            return Some(begun);
        }
        match begun.blocks {
            Blocks::None => {}
            Blocks::Out => self.report(|text| mistake::value_behind_block(text, from)),
            Blocks::Own => self.report(|text| mistake::behind_block(text, from)),
        }
        self.entry(&mut begun, true);
        Some(begun)
    }

    /// Reads a value or a property.
    #[inline]
    fn entry(&mut self, begun: &mut Begun, out: bool) {
        let from = self.at;
        let typed = self.peek() == Some(b'(');
        let value = self.value();
        begun.end = self.at;
        let span = Span::new(from, self.at - from);
        let value = match value {
            Some(Scalar::Text(name)) if !typed => {
                if self.peek() != Some(b'=') {
                    self.node_space();
                }
                if self.peek() == Some(b'=') {
                    return self.property(begun, Spanned::new(name, span), out);
                }
                Scalar::Text(name)
            }
            Some(value) => value,
            None => {
                begun.told = true;
                return self.pass_value(begun);
            }
        };
        if !out {
            begun.node.args.push(Spanned::new(value, span));
        }
    }

    /// Reads a property on, at its `=`.
    fn property(&mut self, begun: &mut Begun, name: Spanned<String>, out: bool) {
        let equals = self.at;
        self.at += 1;
        begun.end = self.at;
        self.node_space();
        if self.nothing_follows() {
            return self.report(|_| mistake::valueless(equals));
        }
        let from = name.span.offset as usize;
        let value = self.value();
        begun.end = self.at;
        if let Some(value) = value.filter(|_| !out) {
            begun.node.props.push((name, Spanned::new(value, Span::new(from, self.at - from))));
        }
    }

    /// Moves past the value of a property whose name is none, which was told.
    fn pass_value(&mut self, begun: &mut Begun) {
        self.node_space();
        if self.peek() == Some(b'=') {
            self.at += 1;
            self.node_space();
            if !self.nothing_follows() {
                self.value();
            }
            begun.end = self.at;
        }
    }

    /// A value with its type; none if there is no such value, which was told.
    fn value(&mut self) -> Option<Scalar> {
        if self.peek() == Some(b'(') {
            let from = self.at;
            let typed = self.class();
            let to = self.at;
            self.node_space();
            if self.nothing_follows() {
                if typed {
                    self.report(|_| mistake::type_without(from, to));
                }
                return None;
            }
        }
        self.scalar(Place::Value)
    }

    /// Tells of a `=` that no name of a property stands in front of.
    fn equals(&mut self, begun: &mut Begun) {
        let (at, end) = (self.at, begun.end);
        self.at += 1;
        let alone = begun.node.args.is_empty() && begun.node.props.is_empty() && begun.blocks == Blocks::None;
        let spaced = at > end || self.blank() > 0;
        let name = begun.node.name.span;
        self.report(|text| match alone {
            true if spaced => mistake::spaced_equals(at),
            true => mistake::property_as_node(text, name, at),
            false => mistake::misplaced_equals(at),
        });
        // What follows is a value of the node.
        begun.end = at;
    }

    /// Goes on behind a block.
    pub(super) fn behind_block(&mut self, mut begun: Begun, children: Vec<Node>, out: bool) {
        if !out {
            begun.node.children = children;
            begun.blocks = Blocks::Own;
        } else if begun.blocks == Blocks::None {
            begun.blocks = Blocks::Out;
        }
        begun.end = self.at;
        self.rest(begun);
    }

    /// Ends a node. What stands in front of its end, up to blanks, belongs to it.
    fn finish(&mut self, begun: Begun) {
        let Begun { mut node, from, end, out, .. } = begun;
        // Often nothing is there to be trimmed.
        let end = if end == self.at { end } else { end + self.text[end..self.at].trim_end().len() };
        node.span = Span::new(from, end - from);
        if !out {
            self.nodes.push(node);
        }
    }
}
