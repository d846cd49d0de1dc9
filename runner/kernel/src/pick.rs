//! What goes into a cache pack of a bounded size: a pure choice over results.
//!
//! Results are taken in the order of the time that they save for each byte, as long as there is room; one that does not
//! fit is left out, and smaller ones after it may still fit. An object that two results name is counted once. Equal
//! results, in any order, give an equal choice.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use orgo_spec::Digest;

use crate::key::{Blob, StageKey};

/// A result that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The key.
    pub key: StageKey,
    /// How long its stage ran, in milliseconds.
    pub duration_ms: u64,
    /// The size of the result itself, in bytes.
    pub size_bytes: u64,
    /// The objects that it names.
    pub objects: Vec<Blob>,
}

/// What was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picked {
    /// Positions of the chosen results, by their keys.
    pub results: Vec<usize>,
    /// What they name, each once, and how many bytes that is.
    pub objects: BTreeMap<Digest, u64>,
    /// The size of all of it, in bytes.
    pub size_bytes: u64,
    /// How long the stages of the chosen results ran, in milliseconds.
    pub saves_ms: u64,
}

/// Chooses what fits into `limit` bytes.
#[must_use]
pub fn pick(candidates: &[Candidate], limit: u64) -> Picked {
    let whole = |c: &Candidate| {
        let objects: BTreeMap<Digest, u64> = c.objects.iter().map(|b| (b.digest, b.size_bytes)).collect();
        u128::from(c.size_bytes) + objects.values().map(|size| u128::from(*size)).sum::<u128>()
    };
    let mut order: Vec<(usize, u128)> = candidates.iter().map(|c| whole(c).max(1)).enumerate().collect();
    // a / x > b / y, without a division.
    let denser = |(a, x): (usize, u128), (b, y): (usize, u128)| -> Ordering {
        let (one, other) = (&candidates[a], &candidates[b]);
        let saved = |c: &Candidate, size: u128| u128::from(c.duration_ms).saturating_mul(size);
        saved(other, x).cmp(&saved(one, y)).then(x.cmp(&y)).then(one.key.0.cmp(&other.key.0))
    };
    order.sort_by(|a, b| denser(*a, *b));
    let mut picked = Picked::default();
    for (at, _) in order {
        let candidate = &candidates[at];
        let new: BTreeMap<Digest, u64> = candidate
            .objects
            .iter()
            .filter(|b| !picked.objects.contains_key(&b.digest))
            .map(|b| (b.digest, b.size_bytes))
            .collect();
        let more = new.values().fold(candidate.size_bytes, |sum, size| sum.saturating_add(*size));
        let Some(size_bytes) = picked.size_bytes.checked_add(more).filter(|sum| *sum <= limit) else { continue };
        picked.size_bytes = size_bytes;
        picked.saves_ms = picked.saves_ms.saturating_add(candidate.duration_ms);
        picked.objects.extend(new);
        picked.results.push(at);
    }
    picked.results.sort_by_key(|at| candidates[*at].key.0);
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, duration_ms: u64, objects: &[(&str, u64)]) -> Candidate {
        let blob =
            |(name, size_bytes): &(&str, u64)| Blob { digest: Digest::of(name.as_bytes()), size_bytes: *size_bytes };
        let key = StageKey(Digest::of(name.as_bytes()));
        Candidate { key, duration_ms, size_bytes: 10, objects: objects.iter().map(blob).collect() }
    }

    fn names(candidates: &[Candidate], picked: &Picked) -> Vec<u64> {
        let mut durations: Vec<u64> = picked.results.iter().map(|at| candidates[*at].duration_ms).collect();
        durations.sort_unstable();
        durations
    }

    #[test]
    fn most_time_for_a_byte_comes_first_and_smaller_ones_fill_what_is_left() {
        let all = [
            candidate("large and slow", 1000, &[("a", 990)]),
            candidate("small and slow", 900, &[("b", 90)]),
            candidate("small and quick", 1, &[("c", 90)]),
        ];
        assert_eq!(names(&all, &pick(&all, u64::MAX)), [1, 900, 1000]);
        assert_eq!(names(&all, &pick(&all, 1100)), [900, 1000]);
        assert_eq!(names(&all, &pick(&all, 1099)), [1, 900], "what does not fit makes room for others");
        assert_eq!(pick(&all, 5), Picked::default());
    }

    #[test]
    fn what_two_results_name_is_counted_once() {
        let all = [candidate("one", 5, &[("a", 100), ("a", 100)]), candidate("other", 7, &[("a", 100)])];
        let picked = pick(&all, 120);
        assert_eq!((picked.results.len(), picked.size_bytes, picked.saves_ms), (2, 120, 12));
        assert_eq!(picked.objects.len(), 1);
    }

    #[test]
    fn the_choice_is_the_same_in_any_order_and_never_beyond_the_limit() {
        let all: Vec<Candidate> = (0..40u64)
            .map(|i| candidate(&i.to_string(), i * 7 % 13, &[(&format!("o{}", i % 9), i * 31 % 77)]))
            .collect();
        for limit in [0, 1, 60, 300, 700, 100_000] {
            let keys = |order: &[Candidate]| {
                let picked = pick(order, limit);
                assert!(picked.size_bytes <= limit);
                picked.results.iter().map(|at| order[*at].key).collect::<Vec<_>>()
            };
            let mut turned = all.clone();
            turned.reverse();
            turned.rotate_left(11);
            assert_eq!(keys(&all), keys(&turned), "{limit}");
        }
    }
}
