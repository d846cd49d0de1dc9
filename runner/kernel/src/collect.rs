//! What may leave the object store, and why: a pure decision over a listing.
//!
//! Roots stay, whatever their age and whatever the limit: unfinished runs, the last run of each pipeline, records within
//! their retention, holds, pins. So does everything younger than the grace, because a run that is about to name it may
//! not have done so yet. Of the rest, results go that are older than the age, then the oldest ones until the store is
//! as small as it may be; an object goes with the last result that names it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use orgo_spec::Digest;
use serde::{Deserialize, Serialize};

use crate::key::StageKey;

/// Why something leaves the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Because {
    /// It is older than the age that is allowed.
    Age,
    /// The store is larger than its limit, and nothing older was left.
    Size,
}

impl Because {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
        }
    }
}

impl std::fmt::Display for Because {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Age => "it was older than the age that is allowed",
            Self::Size => "the store was larger than its limit, and this was the oldest in it",
        })
    }
}

/// An object of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredObject {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
    /// When it was stored, in milliseconds since the epoch.
    pub at_ms: i64,
}

/// A result of the action cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    /// The key.
    pub key: StageKey,
    /// The size of its file.
    pub size_bytes: u64,
    /// When it was stored, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The objects that it names: outputs and log.
    pub names: Vec<Digest>,
}

/// Everything in a store.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Objects.
    pub objects: Vec<StoredObject>,
    /// Results.
    pub results: Vec<StoredResult>,
}

/// What stays in any case.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    /// These objects.
    pub objects: HashSet<Digest>,
    /// These results, and what they name.
    pub results: HashSet<StageKey>,
}

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Now, in milliseconds since the epoch.
    pub now_ms: i64,
    /// What is younger than this stays.
    pub grace_ms: i64,
    /// What is older than this goes; nothing goes by its age if there is no limit.
    pub age_ms: Option<i64>,
    /// The size of all objects and results, in bytes.
    pub size_bytes: Option<u64>,
}

/// What is to be removed, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Removal {
    /// Results.
    pub results: Vec<(StoredResult, Because)>,
    /// Objects.
    pub objects: Vec<(StoredObject, Because)>,
    /// What stays, in bytes.
    pub kept_bytes: u64,
    /// What had to stay, in bytes: roots, and what is younger than the grace.
    pub rooted_bytes: u64,
}

/// Decides.
#[must_use]
pub fn collect(listing: &Listing, roots: &Roots, limits: Limits) -> Removal {
    let age = |at_ms: i64| limits.now_ms.saturating_sub(at_ms);
    let young = |at_ms: i64| age(at_ms) < limits.grace_ms;
    let old = |at_ms: i64| limits.age_ms.is_some_and(|limit| age(at_ms) >= limit);

    // What roots name stays with them.
    let mut rooted: HashSet<Digest> = roots.objects.clone();
    let mut uses: HashMap<Digest, u32> = HashMap::new();
    let mut candidates: BTreeSet<(i64, usize, bool)> = BTreeSet::new(); // by time; the flag tells results from objects
    let mut removal = Removal::default();
    let mut results_gone: BTreeMap<usize, Because> = BTreeMap::new();
    let mut objects_gone: BTreeMap<usize, Because> = BTreeMap::new();
    let mut total: u64 = 0;
    for (at, result) in listing.results.iter().enumerate() {
        total += result.size_bytes;
        if roots.results.contains(&result.key) || young(result.at_ms) {
            rooted.extend(result.names.iter().copied());
            removal.rooted_bytes += result.size_bytes;
        } else if old(result.at_ms) {
            results_gone.insert(at, Because::Age);
            total -= result.size_bytes;
        } else {
            candidates.insert((result.at_ms, at, true));
            result.names.iter().for_each(|name| *uses.entry(*name).or_default() += 1);
        }
    }
    let mut index: HashMap<Digest, usize> = HashMap::with_capacity(listing.objects.len());
    for (at, object) in listing.objects.iter().enumerate() {
        index.insert(object.digest, at);
        total += object.size_bytes;
        if rooted.contains(&object.digest) || young(object.at_ms) {
            removal.rooted_bytes += object.size_bytes;
        } else if !uses.contains_key(&object.digest) {
            if old(object.at_ms) {
                objects_gone.insert(at, Because::Age);
                total -= object.size_bytes;
            } else {
                candidates.insert((object.at_ms, at, false));
            }
        }
    }
    let limit = limits.size_bytes.unwrap_or(u64::MAX);
    let stays = |object: &StoredObject| rooted.contains(&object.digest) || young(object.at_ms);
    for (_, at, is_result) in candidates {
        if total <= limit {
            break;
        }
        if !is_result {
            objects_gone.insert(at, Because::Size);
            total -= listing.objects[at].size_bytes;
            continue;
        }
        let result = &listing.results[at];
        results_gone.insert(at, Because::Size);
        total -= result.size_bytes;
        for name in &result.names {
            let Some(count) = uses.get_mut(name) else { continue };
            *count -= 1;
            if *count == 0
                && let Some(at) = index.get(name)
                && !stays(&listing.objects[*at])
                && !objects_gone.contains_key(at)
            {
                objects_gone.insert(*at, Because::Size);
                total -= listing.objects[*at].size_bytes;
            }
        }
    }
    removal.results = results_gone.into_iter().map(|(at, why)| (listing.results[at].clone(), why)).collect();
    removal.objects = objects_gone.into_iter().map(|(at, why)| (listing.objects[at], why)).collect();
    removal.results.sort_by_key(|(r, _)| (r.at_ms, r.key.0));
    removal.objects.sort_by_key(|(o, _)| (o.at_ms, o.digest));
    removal.kept_bytes = total;
    removal
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn object(name: &str, day: i64) -> StoredObject {
        StoredObject { digest: digest(name), size_bytes: 100, at_ms: day * DAY }
    }

    fn result(name: &str, day: i64, names: &[&str]) -> StoredResult {
        let names = names.iter().map(|n| digest(n)).collect();
        StoredResult { key: StageKey(digest(name)), size_bytes: 10, at_ms: day * DAY, names }
    }

    fn limits(age: Option<i64>, size_bytes: Option<u64>) -> Limits {
        Limits { now_ms: 100 * DAY, grace_ms: DAY, age_ms: age.map(|d| d * DAY), size_bytes }
    }

    fn gone(removal: &Removal) -> (Vec<StageKey>, Vec<Digest>) {
        (removal.results.iter().map(|r| r.0.key).collect(), removal.objects.iter().map(|o| o.0.digest).collect())
    }

    fn listing() -> Listing {
        Listing {
            objects: vec![
                object("a", 10),
                object("b", 50),
                object("both", 10),
                object("stray", 20),
                object("new", 100),
            ],
            results: vec![result("A", 10, &["a", "both"]), result("B", 50, &["b", "both"])],
        }
    }

    #[test]
    fn without_limits_nothing_goes() {
        let removal = collect(&listing(), &Roots::default(), limits(None, None));
        assert_eq!(gone(&removal), (vec![], vec![]));
        assert_eq!(removal.kept_bytes, 520);
    }

    #[test]
    fn an_old_result_goes_with_what_only_it_names() {
        let removal = collect(&listing(), &Roots::default(), limits(Some(60), None));
        assert_eq!(gone(&removal), (vec![StageKey(digest("A"))], vec![digest("a"), digest("stray")]));
        assert!(removal.objects.iter().all(|(_, why)| *why == Because::Age));
    }

    #[test]
    fn the_oldest_go_until_the_size_is_met_and_no_further() {
        let removal = collect(&listing(), &Roots::default(), limits(None, Some(410)));
        assert_eq!(gone(&removal), (vec![StageKey(digest("A"))], vec![digest("a")]));
        assert_eq!(removal.kept_bytes, 410);
        let removal = collect(&listing(), &Roots::default(), limits(None, Some(0)));
        assert_eq!(removal.kept_bytes, 100, "what is young stays");
        assert_eq!(removal.rooted_bytes, 100);
    }

    #[test]
    fn roots_stay_with_all_they_name_whatever_the_limits() {
        let mut roots = Roots::default();
        roots.results.insert(StageKey(digest("A")));
        roots.objects.insert(digest("stray"));
        let removal = collect(&listing(), &roots, limits(Some(1), Some(0)));
        assert_eq!(gone(&removal), (vec![StageKey(digest("B"))], vec![digest("b")]));
    }

    #[test]
    fn no_result_that_stays_names_an_object_that_goes() {
        // Every combination of three results over four objects, under falling limits.
        for pattern in 0..4096u32 {
            let names = ["p", "q", "r", "s"];
            let pick = |shift: u32| -> Vec<&str> {
                names.iter().enumerate().filter(|(i, _)| pattern >> shift >> i & 1 == 1).map(|(_, n)| *n).collect()
            };
            let listing = Listing {
                objects: names.iter().map(|n| object(n, 30)).collect(),
                results: (0..3).map(|i| result(names[i], 10 + i as i64, &pick(4 * i as u32))).collect(),
            };
            for size in [0, 115, 240, 400] {
                let removal = collect(&listing, &Roots::default(), limits(None, Some(size)));
                let (results, objects) = gone(&removal);
                for stays in listing.results.iter().filter(|r| !results.contains(&r.key)) {
                    assert!(stays.names.iter().all(|n| !objects.contains(n)), "{pattern} {size}");
                }
            }
        }
    }
}
