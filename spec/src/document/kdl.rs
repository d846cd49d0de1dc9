//! KDL 2 to trees: our own reader of the whole language.
//!
//! It reads in one pass, in time that is linear in the text, and calls itself nowhere: blocks that are open lie on a stack
//! of our own, comments within comments are counted. Where it finds a mistake it tells it and goes on behind it, so that
//! several mistakes are told at once. What it reads is held to the `kdl` crate by `spec/tests/kdl_oracle.rs`; types,
//! `(…)`, are read and say nothing to us.

mod chars;
mod entry;
mod lines;
mod mistake;
mod node;
mod number;
mod reader;
mod space;
mod text;
mod word;

use super::problem::{DocumentError, Problems};
use super::source::Document;
use super::tree::Node;

/// So many blocks may be open at a time.
const MAX_DEPTH: usize = 64;

/// Reads KDL 2 text into nodes.
///
/// # Errors
/// [`DocumentError`] with every mistake of syntax, at most 64.
pub(super) fn parse(document: &Document, mut problems: Problems) -> Result<Vec<Node>, DocumentError> {
    let (nodes, found) = reader::Reader::new(document.text()).document();
    found.into_iter().for_each(|problem| problems.push(problem));
    problems.check(Some(nodes))
}

/// Reads a piece of KDL 2; none if it has a mistake.
pub(super) fn snippet(text: &str) -> Option<Vec<Node>> {
    let (nodes, found) = reader::Reader::new(text).document();
    found.is_empty().then_some(nodes)
}

#[cfg(test)]
mod tests;
