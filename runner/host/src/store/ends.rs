//! How stages ended under keys of which one failed: a stage that does both from the same inputs is flaky, whatever the
//! cache answers from then on.
//!
//! ```text
//! <store>/ends.jsonl     one line for each end under a key that has failed
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;

use orgo_kernel::key::StageKey;
use orgo_spec::ReasonCode;
use serde::{Deserialize, Serialize};

use super::Store;
use crate::file::{At, PathError, read_if_there, rewrite_atomic};

/// The file's name.
const FILE: &str = "ends.jsonl";
/// As many ends are kept of one key.
const MOST: usize = 16;
/// From this size on, in bytes, the oldest are dropped.
const FULL: usize = 1 << 20;
/// As many lines are left then: of keys that are flaky, and of keys that have only failed.
const LEFT: [usize; 2] = [2048, 1024];

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The key.
    pub key: StageKey,
    /// When it ended, milliseconds since the epoch.
    pub at_ms: i64,
    /// The pipeline and the stage, with a `/` between them, as they were called then.
    pub stage: String,
    /// The reason code of a bad end.
    pub code: Option<ReasonCode>,
    /// Whether the cache had a result for the key already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub had_result: bool,
}

/// A key under which a stage ended well and badly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaky {
    /// How often it failed, as far as that is kept.
    pub failed: usize,
    /// How often it ended well, as far as that is kept: results that the cache gave do not count.
    pub ended_well: usize,
    /// Every code with which it failed, sorted.
    pub codes: BTreeSet<ReasonCode>,
    /// When it last failed, milliseconds since the epoch.
    pub last_failed_ms: i64,
}

/// What is kept of how stages ended.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    keys: BTreeMap<StageKey, Vec<End>>,
}

impl Ends {
    fn read(bytes: &[u8]) -> Self {
        let mut keys: BTreeMap<StageKey, Vec<End>> = BTreeMap::new();
        for end in bytes.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice::<End>(line).ok()) {
            keys.entry(end.key).or_default().push(end);
        }
        Self { keys }
    }

    /// Whether no end is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What makes a key flaky; `None` if nothing does.
    #[must_use]
    pub fn flaky(&self, key: StageKey) -> Option<Flaky> {
        self.keys.get(&key).and_then(|ends| flaky(ends))
    }

    /// Every flaky key, with the name of the stage that last ended under it.
    pub fn all(&self) -> impl Iterator<Item = (&str, StageKey, Flaky)> {
        self.keys.iter().filter_map(|(key, ends)| Some((ends.last()?.stage.as_str(), *key, flaky(ends)?)))
    }

    /// Whether this end says something new: it is a failure, or there was one.
    fn wants(&self, end: &End) -> bool {
        let known = self.keys.get(&end.key).map_or(0, Vec::len);
        known < MOST && (end.code.is_some() || known > 0)
    }

    /// The lines that are kept when there are too many.
    fn newest(&self) -> Vec<&End> {
        let (flaky, failed): (Vec<_>, Vec<_>) = self.keys.values().partition(|ends| flaky(ends).is_some());
        let mut kept = Vec::new();
        for (of, most) in [flaky, failed].into_iter().zip(LEFT) {
            let mut of: Vec<&Vec<End>> = of;
            of.sort_by_key(|ends| std::cmp::Reverse(ends.last().map(|end| end.at_ms)));
            let whole = of.into_iter().flatten().take(most);
            kept.extend(whole);
        }
        kept.sort_by_key(|end| (end.at_ms, end.key));
        kept
    }
}

fn flaky(ends: &[End]) -> Option<Flaky> {
    let bad: Vec<&End> = ends.iter().filter(|end| end.code.is_some()).collect();
    let before = usize::from(bad.first().is_some_and(|first| first.had_result));
    let ended_well = ends.len() - bad.len() + before;
    let last_failed_ms = bad.iter().map(|end| end.at_ms).max().filter(|_| ended_well > 0)?;
    Some(Flaky {
        failed: bad.len(),
        ended_well,
        codes: bad.iter().filter_map(|end| end.code).collect(),
        last_failed_ms,
    })
}

impl Store {
    /// Keeps how an attempt ended, if its key has failed, now or before; adds it to `ends` too.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be written.
    pub fn set_end(&self, ends: &mut Ends, end: End) -> Result<(), PathError> {
        if !ends.wants(&end) {
            return Ok(());
        }
        let path = self.root.path().join(FILE);
        let line = serde_json::to_string(&end).expect("a plain structure");
        ends.keys.entry(end.key).or_default().push(end);
        // One write of whole lines: another process may add one at the same time, or may have been killed in one.
        let mut file = OpenOptions::new().create(true).append(true).open(&path).at("open", &path)?;
        file.write_all(format!("\n{line}\n").as_bytes()).at("write", &path)
    }

    /// What is kept of how stages ended. What cannot be read counts as absent; of too much, the oldest is dropped.
    ///
    /// # Errors
    /// [`PathError`] if the file is there and cannot be read.
    pub fn ends(&self) -> Result<Ends, PathError> {
        let path = self.root.path().join(FILE);
        let bytes = read_if_there(&path)?.unwrap_or_default();
        let ends = Ends::read(&bytes);
        if bytes.len() > FULL {
            let lines =
                ends.newest().into_iter().map(|end| serde_json::to_string(end).expect("a plain structure") + "\n");
            rewrite_atomic(&path, lines.collect::<String>().as_bytes())?;
        }
        Ok(ends)
    }
}

#[cfg(test)]
mod tests {
    use orgo_spec::Digest;

    use super::*;

    fn end(key: &str, at_ms: i64, code: Option<ReasonCode>) -> End {
        let key = StageKey(Digest::of(key.as_bytes()));
        End { key, at_ms, stage: "p/s".to_owned(), code, had_result: false }
    }

    const BAD: Option<ReasonCode> = Some(ReasonCode::StageFailed);

    #[test]
    fn a_key_is_flaky_when_it_failed_and_ended_well_in_either_order() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let mut ends = Ends::default();
        let mut see = |end: End| store.set_end(&mut ends, end).expect("written");
        see(end("good", 1, None));
        see(end("bad", 2, BAD));
        see(end("bad then good", 3, BAD));
        see(end("bad then good", 4, None));
        see(End { had_result: true, ..end("good then bad", 5, BAD) });
        let ends = store.ends().expect("readable");
        let flaky = |key: &str| ends.flaky(end(key, 0, None).key).map(|f| (f.failed, f.ended_well, f.last_failed_ms));
        assert_eq!([flaky("good"), flaky("bad")], [None, None]);
        assert_eq!([flaky("bad then good"), flaky("good then bad")], [Some((1, 1, 3)), Some((1, 1, 5))]);
        assert_eq!(ends.all().count(), 2);
        let path = folder.path().join(FILE);
        let torn = std::fs::read_to_string(&path).expect("readable") + "{\"key\":\"torn";
        std::fs::write(&path, torn).expect("writable");
        store.set_end(&mut Ends::default(), end("other", 6, BAD)).expect("written");
        assert_eq!(store.ends().expect("readable").keys.len(), 4, "a torn line costs no other");
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_flaky_is_dropped_last() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let mut ends = Ends::default();
        for at in 0..40 {
            store.set_end(&mut ends, end("one", at, BAD)).expect("written");
        }
        assert_eq!(ends.keys.values().map(Vec::len).collect::<Vec<_>>(), [MOST]);
        let mut text = String::new();
        for at in 0..10_000 {
            for code in [BAD, None].into_iter().take(1 + usize::from(at == 0)) {
                text += &(serde_json::to_string(&end(&at.to_string(), at, code)).expect("plain") + "\n");
            }
        }
        assert!(text.len() > FULL);
        std::fs::write(folder.path().join(FILE), text).expect("writable");
        store.ends().expect("readable");
        let ends = store.ends().expect("readable");
        assert!(ends.flaky(end("0", 0, None).key).is_some(), "the oldest of all, and flaky");
        assert_eq!(ends.keys.len(), 1 + LEFT[1]);
        assert!(ends.keys.contains_key(&end("9999", 0, None).key) && !ends.keys.contains_key(&end("1", 0, None).key));
    }
}
