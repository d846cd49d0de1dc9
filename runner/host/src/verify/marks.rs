//! The files that show the present state, `open/`, `holds/`, `mandates/` and `overrides/`: each change of them follows from a record.

use std::collections::BTreeMap;

use orgo_spec::{Digest, ReasonCode};

use super::judgement::Judgement;
use super::report::Finding;
use crate::git::ObjectId;
use crate::ledger::record::{Mark, is_used_by};
use crate::ledger::{LedgerError, MAX_RECORD_BYTES};

/// A record's number, what it does, the start that it is about, and its blob.
pub(super) type Marked = (u64, (Mark, Option<Digest>), Option<ObjectId>);

impl Judgement<'_> {
    /// Verifies that the files changed as the records say, and in no other way.
    ///
    /// Unless all records could be judged, a change that no record explains is left to the findings about those.
    pub(super) fn marks(&mut self, marked: &[Marked], complete: bool) -> Result<(), LedgerError> {
        let mut expected: BTreeMap<String, Option<ObjectId>> = BTreeMap::new();
        for (number, (mark, start), blob) in marked {
            let path = mark.path();
            let next = match mark {
                Mark::Set(_) | Mark::Follow(..) | Mark::Use(..) => *blob,
                Mark::Clear(_) | Mark::ClearIfThere(_) => None,
            };
            let before = match expected.get(path) {
                Some(id) => *id,
                None => self.shown_before(path)?,
            };
            if let Mark::Follow(_, succession) = mark {
                let shown = match before {
                    Some(id) => self.blob(id, MAX_RECORD_BYTES, path)?,
                    None => None,
                };
                if let Err((code, message)) = succession.follows(shown.as_deref()) {
                    self.push(Finding::invalid(code, message).at_record(*number).at_path(path));
                }
            }
            let wrong = match (mark, before) {
                (Mark::Set(_), Some(_)) if path.starts_with("overrides/") => {
                    let message = "the override was used before";
                    self.push(Finding::invalid(ReasonCode::OverrideSpent, message).at_record(*number).at_path(path));
                    None
                }
                (Mark::Set(_), Some(_)) => Some("it sets what is set already"),
                (Mark::Use(_, build_id), shown) => {
                    let bytes = shown.map(|id| self.blob(id, MAX_RECORD_BYTES, path)).transpose()?.flatten();
                    let is_own = bytes.is_some_and(|bytes| is_used_by(&bytes, build_id));
                    (!is_own).then_some("it rests on an override that the run did not put on record, or that was used")
                }
                (Mark::Clear(_), None) => Some("it clears what is not there"),
                (Mark::ClearIfThere(_), None) => continue,
                (Mark::Set(_), None) | (Mark::Follow(..), _) => None,
                (Mark::Clear(_) | Mark::ClearIfThere(_), Some(shown)) => match start {
                    Some(start) if self.digest(shown, path)? != Some(*start) => {
                        Some("the start that it names is not the one that is open")
                    }
                    _ => None,
                },
            };
            if let Some(wrong) = wrong {
                self.push(Finding::invalid(ReasonCode::RecordAltered, wrong).at_record(*number).at_path(path));
            }
            expected.insert(path.to_owned(), next);
        }
        let found = self.step.marks.clone();
        for (path, next) in &expected {
            // What is set and cleared within one commit is no change.
            let change = match next {
                None if self.shown_before(path)?.is_none() => None,
                next => Some(*next),
            };
            if found.get(path).copied() != change {
                let message = "the file does not show what the records say";
                self.push(Finding::invalid(ReasonCode::RecordAltered, message).at_path(path.as_str()));
            }
        }
        for path in found.keys().filter(|path| complete && !expected.contains_key(*path)) {
            let message = "no record of the commit explains the change of this file";
            self.push(Finding::invalid(ReasonCode::RecordAltered, message).at_path(path.as_str()));
        }
        Ok(())
    }

    fn shown_before(&self, path: &str) -> Result<Option<ObjectId>, LedgerError> {
        match self.step.link.before {
            Some(tree) => Ok(self.git.entry(tree, path)?.map(|entry| entry.id)),
            None => Ok(None),
        }
    }

    fn digest(&mut self, id: ObjectId, path: &str) -> Result<Option<Digest>, LedgerError> {
        Ok(self.blob(id, MAX_RECORD_BYTES, path)?.map(|bytes| Digest::of(&bytes)))
    }
}
