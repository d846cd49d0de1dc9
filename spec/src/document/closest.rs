//! Which name was meant, where one was almost right.

use std::cmp::Reverse;

/// The candidate that `text` was most likely meant to be, if one is near enough.
pub fn closest<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let limit = match text.chars().count() {
        0..=4 => 1,
        n => n / 3 + 1,
    };
    candidates
        .into_iter()
        .map(|c| (distance(text, c), c))
        .filter(|(d, c)| *d <= limit && *d < c.chars().count())
        .min_by_key(|(d, c)| (*d, Reverse(common(text, c)), *c))
        .map(|(_, c)| c)
}

/// How many first characters two texts share: of two equally near names, people meant the one that begins alike.
fn common(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// Edit distance with transpositions (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let names = ["timeout", "retries", "memory", "isolation"];
        assert_eq!(closest("timeuot", names), Some("timeout"));
        assert_eq!(closest("retires", names), Some("retries"));
        assert_eq!(closest("isolatoin", names), Some("isolation"));
        assert_eq!(closest("colour", names), None);
        assert_eq!(closest("x", names), None);
    }
}
