//! The cursor, and blocks within blocks. Nothing here calls itself: what is open lies on a stack of our own.

use super::chars::{self, Kind, kind};
use super::node::Begun;
use super::{MAX_DEPTH, mistake};
use crate::document::problem::Problem;
use crate::document::tree::Node;

/// So many problems are told; what comes behind the last of them is not read.
const MAX_PROBLEMS: usize = 64;

/// Reads one document.
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) bytes: &'t [u8],
    /// The next byte.
    pub(super) at: usize,
    pub(super) problems: Vec<Problem>,
    /// The nodes of the innermost open block that are complete.
    pub(super) nodes: Vec<Node>,
    open: Vec<Open>,
    /// Whether something was not closed, so that braces behind it mean nothing.
    pub(super) lost: bool,
    /// The last problem that told of two values which nothing separates.
    pub(super) unseparated: Option<usize>,
}

/// A block that is not closed yet.
struct Open {
    /// The place of its `{`.
    brace: usize,
    owner: Begun,
    /// Whether `/-` takes the block out.
    out: bool,
    /// The nodes in front of the owner.
    siblings: Vec<Node>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let (problems, nodes, open) = (Vec::new(), Vec::new(), Vec::new());
        Self { text, bytes: text.as_bytes(), at, problems, nodes, open, lost: false, unseparated: None }
    }

    /// Reads the whole document.
    pub(super) fn document(mut self) -> (Vec<Node>, Vec<Problem>) {
        while !self.full() {
            self.line_space();
            match self.peek() {
                None => {
                    self.end();
                    break;
                }
                Some(b'}') => self.close(),
                Some(_) => self.node(),
            }
        }
        (self.nodes, self.problems)
    }

    /// Begins a block at its `{`; the owner goes on behind its end.
    pub(super) fn begin(&mut self, owner: Begun, out: bool) {
        if self.open.len() == MAX_DEPTH {
            let at = self.at;
            self.report(|_| mistake::too_deep(at));
            return self.stop();
        }
        let siblings = std::mem::take(&mut self.nodes);
        self.open.push(Open { brace: self.at, owner, out, siblings });
        self.at += 1;
    }

    /// Ends a block at its `}`.
    fn close(&mut self) {
        let at = self.at;
        self.at += 1;
        match self.open.pop() {
            Some(Open { owner, out, siblings, .. }) => {
                let children = std::mem::replace(&mut self.nodes, siblings);
                self.behind_block(owner, children, out);
            }
            None if self.lost => {}
            None => self.report(|_| mistake::stray(at, '}')),
        }
    }

    /// What is open at the end of the text is told, unless a mistake in front of it says why.
    fn end(&mut self) {
        if self.lost || self.open.is_empty() {
            return;
        }
        let braces: Vec<_> = self.open.iter().map(|open| open.brace).collect();
        if let [brace] = braces.as_slice()
            && let Some(problem) = mistake::misplaced_end(self.text, *brace, &self.nodes)
        {
            return self.report(|_| problem);
        }
        for brace in braces {
            self.report(|_| mistake::open_block(brace));
        }
    }

    /// Reads nothing more.
    pub(super) fn stop(&mut self) {
        self.at = self.bytes.len();
        self.lost = true;
    }

    /// Whether so much is wrong that nothing more is read.
    pub(super) fn full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    /// Tells a problem, unless there are too many of them.
    pub(super) fn report(&mut self, problem: impl FnOnce(&'t str) -> Problem) {
        if !self.full() {
            self.problems.push(problem(self.text));
        }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The byte so many behind the next one.
    pub(super) fn byte(&self, behind: usize) -> Option<u8> {
        self.bytes.get(self.at + behind).copied()
    }

    pub(super) fn char(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    pub(super) fn starts_with(&self, what: &str) -> bool {
        self.bytes[self.at..].starts_with(what.as_bytes())
    }

    /// Moves past bytes of a class.
    #[inline]
    pub(super) fn skip(&mut self, class: u8) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| !chars::is(*byte, class)).unwrap_or(rest.len());
    }

    /// Moves past one character, and tells if it may stand nowhere; whether there was one.
    pub(super) fn pass_char(&mut self) -> bool {
        let Some(c) = self.char() else { return false };
        let at = self.at;
        if kind(c) == Kind::Refused {
            self.report(|_| mistake::refused(at, c));
        }
        self.at += c.len_utf8();
        true
    }

    /// How far a closing mark is, the last of them or the first, if it stands on this line and near.
    pub(super) fn closed_by(&self, mark: u8, last: bool) -> Option<usize> {
        const NEAR: usize = 200;
        let near = &self.bytes[self.at..self.bytes.len().min(self.at + NEAR)];
        let ends = |byte: &u8| matches!(byte, b'\n' | b'\r' | b'{' | b'}' | b';');
        let line = &near[..near.iter().position(ends).unwrap_or(near.len())];
        let mut places = line.iter().enumerate().filter(|(_, byte)| **byte == mark).map(|(at, _)| at);
        if last { places.next_back() } else { places.next() }
    }

    /// Moves to the end of the line.
    pub(super) fn skip_line(&mut self) {
        while self.newline() == 0 {
            match self.char() {
                Some(c) => self.at += c.len_utf8(),
                None => return,
            }
        }
    }
}
