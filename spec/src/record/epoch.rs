//! A sealed epoch: a range of records that a commit took out of the ledger's tree, and where they are.
//!
//! It is said by an administrative change: the object is `epochs.<end>`, `after` is the text of the epoch. Format:
//! `docs/formats/ledger.md`, "Sealed epochs".

use std::fmt;

use super::admin::{AdminAction, AdminFacts};
use crate::{Digest, Name};

/// What the object of a sealing begins with.
const OBJECT: &str = "epochs.";
/// Epochs begin and end where a folder of records does.
const FOLDER: u64 = 256;

/// A sealed epoch. Its text: `<first> <end> <commit> <archive>`, each behind one space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Its first record: the end of the epoch before, or 0.
    pub first: u64,
    /// The first record after it.
    pub end: u64,
    /// The commit whose tree has its records: the parent of the one that seals it. 40 hexadecimal digits.
    pub commit: String,
    /// The digest of its archive, a git bundle that leads to `commit`.
    pub archive: Digest,
}

impl Epoch {
    /// The epoch that an administrative change seals; none if it changes something else.
    ///
    /// # Errors
    /// What is wrong with one that claims to seal an epoch.
    pub fn of(facts: &AdminFacts) -> Option<Result<Self, &'static str>> {
        let object = facts.object.as_str();
        object.starts_with(OBJECT).then(|| match (facts.action, &facts.before, &facts.after) {
            (AdminAction::Change, None, Some(text)) => {
                let epoch = Self::parse(text).ok_or("the text of an epoch is `<first> <end> <commit> <archive>`")?;
                if object == epoch.object().as_str() { Ok(epoch) } else { Err("it has another end than its name says") }
            }
            (AdminAction::Change | AdminAction::Hold | AdminAction::Release, _, _) => {
                Err("an epoch is sealed once, by a change from nothing")
            }
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut next = || words.next();
        let epoch = Self {
            first: next()?.parse().ok()?,
            end: next()?.parse().ok()?,
            commit: next()?.to_owned(),
            archive: next()?.parse().ok()?,
        };
        let hex = epoch.commit.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let whole = epoch.first < epoch.end && epoch.first.is_multiple_of(FOLDER) && epoch.end.is_multiple_of(FOLDER);
        (hex && epoch.commit.len() == 40 && whole && epoch.to_string() == text).then_some(epoch)
    }

    /// The object of the change that seals it.
    ///
    /// # Panics
    /// Never: it is a name.
    #[must_use]
    pub fn object(&self) -> Name {
        Name::new(&format!("{OBJECT}{}", self.end)).expect("letters, a dot and digits")
    }

    /// Whether it has record `number`.
    #[must_use]
    pub fn covers(&self, number: u64) -> bool {
        (self.first..self.end).contains(&number)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.first, self.end, self.commit, self.archive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_one_text() {
        let epoch = Epoch { first: 256, end: 1024, commit: "a".repeat(40), archive: Digest::EMPTY };
        let good = epoch.to_string();
        assert_eq!(Epoch::parse(&good), Some(epoch));
        for bad in [
            good.replace("256", "0256"),
            good.replace("256", "257"),
            good.replace("1024", "256"),
            good.replace("aaa", "AAA"),
            good.replace("sha256:", ""),
            format!("{good} "),
            format!(" {good}"),
            format!("{good} x"),
        ] {
            assert_eq!(Epoch::parse(&bad), None, "{bad}");
        }
    }
}
