//! What a store holds: how much, how old, and from where.

use std::collections::BTreeMap;

use orgo_spec::record::Origin;
use serde::Serialize;

use crate::file::PathError;
use crate::store::Store;

/// The bounds of the ages that are told apart, in days; the last class has none.
const DAYS: [u32; 3] = [1, 7, 30];

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Census {
    /// Objects.
    pub objects: u64,
    /// Their size, in bytes.
    pub object_bytes: u64,
    /// Results of stages.
    pub results: u64,
    /// Their size, in bytes.
    pub result_bytes: u64,
    /// Of these, results that cannot be read: half of one, or another version's.
    pub unreadable: u64,
    /// How long the stages of all results ran, in milliseconds.
    pub duration_ms: u64,
    /// Results that were collected and are remembered, by why.
    pub tombstones: BTreeMap<String, u64>,
    /// Objects by age, the newest first.
    pub ages: Vec<Age>,
    /// Results that were not made here, by where they came from.
    pub foreign: Vec<(Origin, u64)>,
}

/// Objects of one age.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Age {
    /// Younger than so many days; older than all other classes, if there is no bound.
    pub below_days: Option<u32>,
    /// How many objects.
    pub objects: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

/// Counts what is in a store.
///
/// # Errors
/// [`PathError`] if it cannot be listed.
pub fn census(store: &Store, now_ms: i64) -> Result<Census, PathError> {
    let bounds = DAYS.into_iter().map(Some).chain([None]);
    let ages = bounds.map(|below_days| Age { below_days, ..Age::default() }).collect();
    let mut census = Census { ages, ..Census::default() };
    for object in store.list_objects()? {
        census.objects += 1;
        census.object_bytes += object.size_bytes;
        let days = now_ms.saturating_sub(object.at_ms) / 86_400_000;
        let class = census.ages.iter_mut().find(|a| a.below_days.is_none_or(|bound| days < i64::from(bound)));
        let class = class.expect("the last class has no bound");
        class.objects += 1;
        class.bytes += object.size_bytes;
    }
    let mut foreign: BTreeMap<Origin, u64> = BTreeMap::new();
    for (size_bytes, cached) in store.list_results()? {
        census.results += 1;
        census.result_bytes += size_bytes;
        census.unreadable += u64::from(cached.is_none());
        let Some(cached) = cached else { continue };
        census.duration_ms = census.duration_ms.saturating_add(cached.duration_ms);
        if let Some(origin) = cached.origin {
            *foreign.entry(origin).or_default() += 1;
        }
    }
    census.foreign = foreign.into_iter().collect();
    for because in store.evicted_because()? {
        *census.tombstones.entry(because.word().to_owned()).or_default() += 1;
    }
    Ok(census)
}
