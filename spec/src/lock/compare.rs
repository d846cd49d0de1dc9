//! What is pinned beside what is there.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Lock, Pin, Subject};
use crate::ReasonCode;

/// How one part differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The name that the file is asked for; empty for the subject itself.
    pub part: String,
    /// What is pinned; nothing if it is new.
    pub from: Option<Pin>,
    /// What is there; nothing if it is gone.
    pub to: Option<Pin>,
}

/// How one subject differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// `LOCK_DRIFTED`, `LOCK_MISSING` (it is used and not pinned) or `LOCK_EXTRA` (it is pinned and not used).
    pub code: ReasonCode,
    /// Which.
    pub subject: Subject,
    /// Each part that differs, by name.
    pub parts: Vec<Moved>,
}

impl Lock {
    /// Every difference from what is there on a machine of `platform`. Programs of other platforms cannot be
    /// looked at: of those only such are named as too much that nothing uses on any platform.
    #[must_use]
    pub fn drift(&self, now: &Self, platform: &str) -> Vec<Drift> {
        let mut found = Vec::new();
        for (subject, parts) in &now.subjects {
            let pinned = self.subjects.get(subject);
            let names: BTreeSet<&String> = parts.keys().chain(pinned.into_iter().flatten().map(|(n, _)| n)).collect();
            let moved: Vec<Moved> = names
                .into_iter()
                .map(|part| Moved {
                    part: part.clone(),
                    from: pinned.and_then(|p| p.get(part)).cloned(),
                    to: parts.get(part).cloned(),
                })
                .filter(|m| m.from != m.to)
                .collect();
            if !moved.is_empty() {
                let code = if pinned.is_some() { ReasonCode::LockDrifted } else { ReasonCode::LockMissing };
                found.push(Drift { code, subject: subject.clone(), parts: moved });
            }
        }
        for (subject, parts) in self.subjects.iter().filter(|(s, _)| !now.uses(s, platform)) {
            let parts = parts.iter().map(|(n, pin)| Moved { part: n.clone(), from: Some(pin.clone()), to: None });
            found.push(Drift { code: ReasonCode::LockExtra, subject: subject.clone(), parts: parts.collect() });
        }
        found.sort_by(|a, b| a.subject.cmp(&b.subject));
        found
    }

    /// Whether this, what is there on `platform`, uses a subject; of another platform if the same name is used here.
    #[must_use]
    pub fn uses(&self, subject: &Subject, platform: &str) -> bool {
        match subject {
            Subject::Tool { platform: other, search, name } if other != platform => {
                let (search, name) = (search.clone(), name.clone());
                self.subjects.contains_key(&Subject::Tool { platform: platform.to_owned(), search, name })
            }
            Subject::Tool { .. } | Subject::Contract { .. } | Subject::Orgo | Subject::Source { .. } => {
                self.subjects.contains_key(subject)
            }
        }
    }
}

impl Moved {
    /// What happened, in one line: `loads `libc.so.6` from /lib/libc.so.6: sha256:a… → sha256:b…`.
    #[must_use]
    pub fn describe(&self) -> String {
        let what = if self.part.is_empty() { String::new() } else { format!("`{}`, which it loads: ", self.part) };
        let pin = |p: &Pin| match (p.at.as_str(), p.digest) {
            ("", Some(digest)) => digest.to_string(),
            (at, Some(digest)) => format!("{at} {digest}"),
            (at, None) => at.to_owned(),
        };
        match (&self.from, &self.to) {
            (Some(from), Some(to)) if from.at == to.at => {
                let digest = |p: &Pin| p.digest.map_or_else(String::new, |d| d.to_string());
                let at = if from.at.is_empty() { String::new() } else { format!("{} ", from.at) };
                format!("{what}{at}from {} to {}", digest(from), digest(to))
            }
            (Some(from), Some(to)) => format!("{what}from {} to {}", pin(from), pin(to)),
            (Some(from), None) => format!("{what}{} is gone", pin(from)),
            (None, Some(to)) => format!("{what}{} is new", pin(to)),
            (None, None) => format!("{what}nothing"),
        }
    }
}
