//! `orgo.lock`: what floats, resolved to digests (design 3). The grammar is in `docs/formats/lock.md`.
//!
//! A [`Subject`] is what a pipeline names: a program on a search path, a source and its version, the contract. Its
//! [`Parts`] are what it was resolved to: for a program the file itself and every file that it loads. Pins move, and
//! are merged, a whole subject at a time: half of one machine's program and half of another's is nobody's program.

mod compare;
mod merge;
mod parse;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

pub use compare::{Drift, Moved};
pub use merge::{Merged, merge};

use crate::Digest;
use crate::document::Span;

/// Where the lock lies in a repository.
pub const LOCK_FILE: &str = "orgo.lock";
/// The first line.
const HEADER: &str = "orgo-lock 1";

/// What a pipeline names and the lock resolves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Subject {
    /// A contract that artifacts follow.
    Contract {
        /// Its name: `kristal`.
        name: String,
    },
    /// The program that runs the built-in tools.
    Orgo,
    /// An external input that does not pin itself with `sha256=`.
    Source {
        /// What the source is called.
        name: String,
        /// The version that it is said to be.
        version: String,
        /// Where it lies in the repository.
        file: String,
    },
    /// A host program.
    Tool {
        /// `x86_64-linux`: architecture and system.
        platform: String,
        /// The search path on which it was found.
        search: String,
        /// The name it is started by.
        name: String,
    },
}

/// What one part of a subject was resolved to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// The file on the host, or the version; empty for a source, whose file is in its name.
    pub at: String,
    /// Digest of the content; only the version of `orgo` has none.
    pub digest: Option<Digest>,
}

/// What a subject was resolved to: by the name that a file is asked for, the subject itself under the empty name.
pub type Parts = BTreeMap<String, Pin>;

/// The lock.
#[derive(Debug, Clone, Default)]
pub struct Lock {
    subjects: BTreeMap<Subject, Parts>,
    /// Where each line stands, in a lock that was read.
    spans: BTreeMap<(Subject, String), Span>,
}

/// Two locks are the same if they pin the same.
impl PartialEq for Lock {
    fn eq(&self, other: &Self) -> bool {
        self.subjects == other.subjects
    }
}

impl Subject {
    /// The name that `orgo lock --refresh` takes.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Orgo => "orgo",
            Self::Contract { name } | Self::Source { name, .. } | Self::Tool { name, .. } => name,
        }
    }

    /// What it is, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Contract { name } => format!("the contract `{name}`"),
            Self::Orgo => "`orgo`".to_owned(),
            Self::Source { name, version, .. } => format!("the source `{name}` {version}"),
            Self::Tool { name, .. } => format!("the program `{name}`"),
        }
    }

    /// The line of one part, without its line feed.
    fn line(&self, part: &str, pin: &Pin) -> String {
        let mut line = String::new();
        let mut fields: Vec<&str> = match self {
            Self::Contract { name } => vec!["contract", name, &pin.at],
            Self::Orgo => vec!["orgo", &pin.at],
            Self::Source { name, version, file } => vec!["source", name, version, file],
            Self::Tool { platform, search, name } => vec!["tool", platform, search, name, part, &pin.at],
        };
        let digest = pin.digest.map(|d| d.to_string());
        fields.extend(digest.as_deref());
        for (i, field) in fields.into_iter().enumerate() {
            if i > 0 {
                line.push(' ');
            }
            encode(field, &mut line);
        }
        line
    }
}

impl Lock {
    /// Whether nothing is pinned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Every subject and what it is pinned to.
    pub fn iter(&self) -> impl Iterator<Item = (&Subject, &Parts)> {
        self.subjects.iter()
    }

    /// What a subject is pinned to.
    #[must_use]
    pub fn get(&self, subject: &Subject) -> Option<&Parts> {
        self.subjects.get(subject)
    }

    /// Pins a subject; what it was pinned to before is gone.
    pub fn set(&mut self, subject: Subject, parts: Parts) {
        self.subjects.insert(subject, parts);
    }

    /// Pins a subject of one part.
    pub fn set_one(&mut self, subject: Subject, at: impl Into<String>, digest: Option<Digest>) {
        self.set(subject, Parts::from([(String::new(), Pin { at: at.into(), digest })]));
    }

    /// Forgets a subject.
    pub fn remove(&mut self, subject: &Subject) {
        self.subjects.remove(subject);
    }

    /// Where a part is pinned in the text that the lock was read from: its own line, or else the first of its subject,
    /// or else the first of all.
    #[must_use]
    pub fn span(&self, subject: &Subject, part: &str) -> Span {
        let own = self.spans.get(&(subject.clone(), part.to_owned()));
        let first = || self.spans.iter().find(|((s, _), _)| s == subject).map(|(_, span)| span);
        own.or_else(first).copied().unwrap_or(Span::new(0, HEADER.len()))
    }

    /// The file: the header, then every line, sorted by its bytes. The only spelling.
    #[must_use]
    pub fn print(&self) -> String {
        let mut lines: Vec<String> =
            self.subjects.iter().flat_map(|(subject, parts)| lines(subject, Some(parts))).collect();
        lines.sort_unstable();
        let mut text = format!("{HEADER}\n");
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

/// The lines of a subject, sorted; none for a subject that is not pinned.
fn lines(subject: &Subject, parts: Option<&Parts>) -> Vec<String> {
    let parts = parts.into_iter().flatten();
    let mut lines: Vec<String> = parts.map(|(part, pin)| subject.line(part, pin)).collect();
    lines.sort_unstable();
    lines
}

/// Writes a field: printable ASCII but `%` as it is, every other byte as `%` and two upper-case hexadecimal digits; a
/// field without content is `-`, and one that is `-` is `%2D`.
fn encode(field: &str, to: &mut String) {
    match field {
        "" => to.push('-'),
        "-" => to.push_str("%2D"),
        _ => {
            for byte in field.bytes() {
                match byte {
                    b'!'..=b'~' if byte != b'%' => to.push(char::from(byte)),
                    _ => write!(to, "%{byte:02X}").expect("writing to memory does not fail"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
