//! What stands in a node: values, properties, types.

use super::mistake;
use super::node::{Begun, Blocks};
use super::reader::Reader;
use super::word::Place;
use crate::document::tree::{Scalar, Span, Spanned};

impl Reader<'_> {
    /// Whether neither a value nor a name can begin here.
    #[inline]
    pub(super) fn nothing_follows(&self) -> bool {
        match self.peek() {
            None | Some(b'{' | b'}' | b';' | b'=' | b')') => true,
            Some(b'/') => matches!(self.byte(1), Some(b'/' | b'-')),
            Some(b'\n'..=b'\r' | 0x80..) => self.newline() > 0,
            Some(_) => false,
        }
    }

    /// Reads a value or a property.
    #[inline]
    pub(super) fn entry(&mut self, begun: &mut Begun, out: bool) {
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
            begun.told = true;
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
    pub(super) fn equals(&mut self, begun: &mut Begun) {
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

    /// Moves past a type, `(…)`, which says nothing to us; whether it is one.
    pub(super) fn class(&mut self) -> bool {
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
        match self.closed_by(b')', false) {
            Some(len) => {
                self.at += len + 1;
                let to = self.at;
                self.report(|_| mistake::odd_type(from, to));
            }
            None => self.report(|_| mistake::open_type(from)),
        }
        false
    }

    /// A name of something.
    pub(super) fn name(&mut self, of: &'static str) -> String {
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
}
