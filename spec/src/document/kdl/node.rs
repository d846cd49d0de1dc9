//! Nodes: a name, its values and properties, its blocks, its end.

use super::mistake;
use super::reader::Reader;
use crate::document::tree::{Node, Span, Spanned};

/// A node whose end is not read yet.
pub(super) struct Begun {
    pub(super) node: Node,
    from: usize,
    /// The end of the last part that belongs to it.
    pub(super) end: usize,
    /// Whether `/-` takes it out.
    out: bool,
    pub(super) blocks: Blocks,
    /// Whether it was told that two of its values are not separated.
    pub(super) told: bool,
}

/// What blocks a node has so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocks {
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
