//! Three locks into one, for git: what one side changed is taken, what both changed otherwise stays a conflict.

use std::collections::BTreeSet;

use super::{HEADER, Lock, Subject, lines};

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The file; with markers where sides disagree, and then no lock until somebody chose.
    pub text: String,
    /// What the sides disagree about.
    pub conflicts: Vec<Subject>,
}

/// Merges two locks that grew from `base`, a whole subject at a time. Where both sides changed one, and not alike, the
/// lines of both stand between markers: nothing is chosen.
#[must_use]
pub fn merge(base: &Lock, ours: &Lock, theirs: &Lock) -> Merged {
    let all = [base, ours, theirs].into_iter().flat_map(|l| l.subjects.keys());
    let all: BTreeSet<&Subject> = all.collect();
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut conflicts = Vec::new();
    for subject in all {
        let (before, a, b) = (base.get(subject), ours.get(subject), theirs.get(subject));
        let taken = if a == b || b == before {
            a
        } else if a == before {
            b
        } else {
            let (a, b) = (lines(subject, a), lines(subject, b));
            let first = a.iter().chain(&b).min().cloned().unwrap_or_default();
            blocks.push((first, marked(&a, &b)));
            conflicts.push(subject.clone());
            continue;
        };
        blocks.extend(lines(subject, taken).into_iter().map(|line| (line.clone(), format!("{line}\n"))));
    }
    blocks.sort_unstable();
    let mut text = format!("{HEADER}\n");
    blocks.iter().for_each(|(_, block)| text.push_str(block));
    Merged { text, conflicts }
}

fn marked(ours: &[String], theirs: &[String]) -> String {
    let mut text = "<<<<<<< ours\n".to_owned();
    ours.iter().for_each(|line| text.extend([line, "\n"]));
    text.push_str("=======\n");
    theirs.iter().for_each(|line| text.extend([line, "\n"]));
    text.push_str(">>>>>>> theirs\n");
    text
}
