//! What must never be signed or kept: texts of the shape of a credential (supply-chain T-49).
//!
//! * [`scan`] finds private keys, tokens, passwords in addresses and headers, and assignments to names such as
//!   `DB_PASSWORD`. The rules are listed in `docs/formats/secrets.md`.
//! * [`Redactor`] replaces what [`scan`] finds, and every occurrence of values that are known, by [`MASK`].
//! * [`names_a_secret`] tells which variables hold values that nobody should see.
//!
//! INVARIANT: whether something is found at a place depends on at most [`LOOKBEHIND`] bytes before it and
//! [`LOOKAHEAD`] bytes after it, so a text that comes in pieces is judged as if it came whole; every rule looks
//! at its place a bounded number of times, so the time is linear in the text.

mod assignment;
mod redact;
mod rules;

pub use assignment::names_a_secret;
pub use redact::{MASK, Redaction, Redactor};

/// How far a rule looks back, in bytes: the longest name of a variable and what may stand around it.
pub const LOOKBEHIND: usize = 96;
/// How far a rule looks ahead, in bytes: more than a private key of 16,384 bits in its armor.
pub const LOOKAHEAD: usize = 32 << 10;

/// A place that looks like a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The rule that found it, such as `private-key`.
    pub rule: &'static str,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// How long it is, in bytes; at most [`LOOKAHEAD`].
    pub len: usize,
}

impl Finding {
    /// The first byte behind it.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.offset + self.len
    }
}

/// Finds what looks like a secret, in order, without overlaps.
///
/// Works on bytes of any kind in one pass; allocates nothing.
pub fn scan(bytes: &[u8]) -> impl Iterator<Item = Finding> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let finding = next(bytes, at, bytes.len())?;
        at = finding.end();
        Some(finding)
    })
}

/// The first finding whose rule is triggered in `from..to`.
fn next(bytes: &[u8], from: usize, to: usize) -> Option<Finding> {
    (from..to).find_map(|at| {
        let rule = rules::TRIGGERS[usize::from(bytes[at])]?;
        let before = &bytes[at.saturating_sub(LOOKBEHIND)..at];
        let rest = &bytes[at..bytes.len().min(at + LOOKAHEAD)];
        let (rule, range) = rule(before, rest)?;
        Some(Finding { rule, offset: at + range.start, len: range.len() })
    })
}

#[cfg(test)]
mod tests;
