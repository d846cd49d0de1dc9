//! What is said about mistakes of syntax: what is wrong, where exactly, and the way out.

mod block;
mod text;
mod word;

pub(super) use block::*;
pub(super) use text::*;
pub(super) use word::*;

use crate::ReasonCode;
use crate::document::problem::Problem;
use crate::document::tree::Span;

fn wrong(message: impl Into<String>, from: usize, len: usize) -> Problem {
    Problem::new(ReasonCode::DocumentInvalid, message, Span::new(from, len))
}

/// The length of the character there.
fn char_at(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(0, char::len_utf8)
}

/// A written word in a message: not too long of it, and nothing that does not show.
fn shown(word: &str) -> String {
    let mut shown: String = word.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if shown.len() < word.len() {
        shown.push('…');
    }
    shown
}
