//! `orgo record diff`: the signed bytes of two records, line by line. Facts come first in them.

use serde_json::json;

use super::super::Context;
use super::super::ledger::Opened;
use super::{signature, text};
use crate::failure::Failure;

/// Unchanged lines shown around a change.
const AROUND: usize = 2;
/// Beyond this many pairs of lines the middle is shown as removed and added in whole.
const MAX_PAIRS: usize = 4_000_000;

/// A line of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'t> {
    Same(&'t str),
    Removed(&'t str),
    Added(&'t str),
}

pub(super) fn run(context: &Context, opened: &Opened, old: &str, new: &str) -> Result<(), Failure> {
    let head = opened.head()?;
    let (old, new) = (opened.ledger.find(old)?, opened.ledger.find(new)?);
    let standing = opened.standing(&head)?;
    context.output.line(standing.line());
    for (mark, record) in [("---", &old), ("+++", &new)] {
        let signed = signature(&head, record)?;
        context.output.line(format!("{mark} record {} {} {}; {signed}", record.number, record.kind, record.id()));
    }
    let (before, after) = (text(&old), text(&new));
    let printed = changed_lines(&before, &after);
    printed.iter().for_each(|line| context.output.line(line));
    if printed.is_empty() {
        context.output.line("the records are the same");
    }
    context.output.document(&json!({
        "schema": "orgo.record-diff/1", "old": old.number, "new": new.number, "lines": printed,
        "development": standing.development, "anchored": standing.anchored,
    }));
    Ok(())
}

/// What differs between two texts, line by line, with the surroundings of changes.
pub(crate) fn changed_lines(old: &str, new: &str) -> Vec<String> {
    unified(&compare(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>()))
}

/// The lines with their marks; of what is unchanged, only the surroundings of changes.
fn unified(lines: &[Line<'_>]) -> Vec<String> {
    let changed: Vec<bool> = lines.iter().map(|l| !matches!(l, Line::Same(_))).collect();
    let near = |i: usize| {
        let (from, to) = (i.saturating_sub(AROUND), (i + AROUND + 1).min(changed.len()));
        changed[from..to].contains(&true)
    };
    let mut out = Vec::new();
    let mut skipped = false;
    for (i, line) in lines.iter().enumerate() {
        if !near(i) {
            skipped = true;
            continue;
        }
        if std::mem::take(&mut skipped) {
            out.push("@@".to_owned());
        }
        out.push(match line {
            Line::Same(text) => format!("  {text}"),
            Line::Removed(text) => format!("- {text}"),
            Line::Added(text) => format!("+ {text}"),
        });
    }
    out
}

/// A longest common subsequence of lines, after the common beginning and end are set aside.
fn compare<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);

    let mut lines: Vec<Line<'t>> = old[..head].iter().map(|l| Line::Same(l)).collect();
    if a.len().saturating_mul(b.len()) > MAX_PAIRS {
        lines.extend(a.iter().map(|l| Line::Removed(l)));
        lines.extend(b.iter().map(|l| Line::Added(l)));
    } else {
        // `length[i][j]`: how long a common subsequence of a[i..] and b[j..] can be.
        let mut length = vec![vec![0u32; b.len() + 1]; a.len() + 1];
        for i in (0..a.len()).rev() {
            for j in (0..b.len()).rev() {
                length[i][j] =
                    if a[i] == b[j] { length[i + 1][j + 1] + 1 } else { length[i + 1][j].max(length[i][j + 1]) };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            if i < a.len() && j < b.len() && a[i] == b[j] {
                lines.push(Line::Same(a[i]));
                (i, j) = (i + 1, j + 1);
            } else if i < a.len() && (j == b.len() || length[i + 1][j] >= length[i][j + 1]) {
                lines.push(Line::Removed(a[i]));
                i += 1;
            } else {
                lines.push(Line::Added(b[j]));
                j += 1;
            }
        }
    }
    lines.extend(old[old.len() - tail..].iter().map(|l| Line::Same(l)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(old: &str, new: &str) -> String {
        let split = |text: &'static str| text.split(' ').filter(|l| !l.is_empty()).collect::<Vec<_>>();
        let (old, new) = (split(old.to_owned().leak()), split(new.to_owned().leak()));
        let lines = compare(&old, &new);
        let kept = |f: fn(&Line<'_>) -> bool| lines.iter().filter(|l| f(l)).count();
        assert_eq!(kept(|l| !matches!(l, Line::Added(_))), old.len(), "nothing of the old is lost");
        assert_eq!(kept(|l| !matches!(l, Line::Removed(_))), new.len(), "nothing of the new is lost");
        unified(&lines).join("|")
    }

    #[test]
    fn a_change_is_shown_with_its_surroundings() {
        assert_eq!(diff("a b c", "a b c"), "");
        assert_eq!(diff("", "a"), "+ a");
        assert_eq!(diff("a", ""), "- a");
        assert_eq!(diff("a b c d e f g h", "a b c d E f g h"), "@@|  c|  d|- e|+ E|  f|  g");
        assert_eq!(diff("a a", "a"), "  a|- a");
        assert_eq!(diff("x a b", "a b y"), "- x|  a|  b|+ y");
    }
}
