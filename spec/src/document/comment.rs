//! Comments of a document, for writing it again.

use super::tree::Span;

/// A comment, with the place in front of which it is written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comment {
    /// Where it stands.
    pub(super) span: Span,
    /// What it says, without the characters that make it a comment.
    pub(super) words: String,
    /// What begins here or later comes after it: the beginning of its line if something stands in front of it.
    pub(super) anchor: usize,
}

impl Comment {
    pub(super) fn new(span: Span, words: &str, text: &str) -> Self {
        let at = span.offset as usize;
        let line = text[..at].rfind('\n').map_or(0, |i| i + 1);
        let alone = text[line..at].trim().is_empty();
        Self { span, words: words.to_owned(), anchor: if alone { at } else { line } }
    }
}

/// Hands out comments in order, each once.
pub(super) struct Comments<'c> {
    rest: std::slice::Iter<'c, Comment>,
    /// What marks a comment to the end of the line: `//` or `#`.
    mark: &'static str,
}

impl<'c> Comments<'c> {
    pub(super) fn new(comments: &'c [Comment], mark: &'static str) -> Self {
        Self { rest: comments.iter(), mark }
    }

    /// Whether a comment stands in front of `end` and was not handed out.
    pub(super) fn any_before(&self, end: usize) -> bool {
        self.rest.as_slice().first().is_some_and(|comment| (comment.span.offset as usize) < end)
    }

    /// Writes the comments whose place is at most `place`, each on lines of its own.
    pub(super) fn before(&mut self, place: usize, indent: usize, out: &mut String) {
        while let Some(comment) = self.rest.as_slice().first().filter(|comment| comment.anchor <= place) {
            self.rest.next();
            for line in comment.words.lines() {
                out.push_str(&" ".repeat(indent));
                out.push_str(self.mark);
                out.push_str(line.trim_end());
                out.push('\n');
            }
        }
    }
}
