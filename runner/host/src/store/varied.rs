//! Keys under which different results were seen (supply-chain T-52): a fact that stays, whatever the cache answers.
//!
//! ```text
//! <store>/varied.jsonl     one line for each two results of one key that differ; only added to
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::OpenOptions;
use std::io::Write;

use orgo_kernel::key::{Output, OutputKind, StageKey};
use orgo_spec::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use super::Store;
use crate::file::{At, PathError, read_if_there};

/// The file's name.
pub(crate) const FILE: &str = "varied.jsonl";

/// As many differences are kept of one key: a stage that reads a clock differs every time.
const MOST: usize = 4;
/// As many paths are named.
const PATHS: usize = 16;

/// How two results of one key met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// `orgo run --repeat` ran the stage more than once.
    Repeat,
    /// The cache had another result when a run made this one.
    Run,
    /// `orgo replay` made something else than the record says.
    Replay,
    /// What came from elsewhere is another result than the one that was made here. Whoever filled that place may have
    /// lied, so it says nothing about the stage, and stands in no record.
    Foreign,
}

/// Two different results of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Varied {
    /// The key.
    pub key: StageKey,
    /// When that was seen, milliseconds since the epoch.
    pub at_ms: i64,
    /// How.
    pub seen: Seen,
    /// For each of the two, a digest over the paths and contents of its outputs; the smaller one first.
    pub outputs: [Digest; 2],
    /// Outputs that are not the same, at most 16.
    pub paths: Vec<String>,
}

/// The content of each output, by path.
pub type Contents = BTreeMap<String, Digest>;

/// The contents of outputs.
#[must_use]
pub fn contents(outputs: &[Output]) -> Contents {
    let content = |output: &Output| match &output.kind {
        OutputKind::File { blob, executable: false } => (output.path.clone(), blob.digest),
        OutputKind::File { blob, executable: true } => (format!("{} (executable)", output.path), blob.digest),
        OutputKind::Link(target) => (output.path.clone(), Digest::of(target.as_bytes())),
        OutputKind::EmptyFolder => (output.path.clone(), Digest::EMPTY),
    };
    outputs.iter().map(content).collect()
}

fn digest(contents: &Contents) -> Digest {
    let mut hasher = Hasher::new();
    for (path, digest) in contents {
        hasher.update(format!("{digest} {path}\n").as_bytes());
    }
    hasher.finish()
}

impl Store {
    /// Keeps that a key made two different results; what is known already is not kept again.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be read or written.
    pub fn set_varied(
        &self,
        key: StageKey,
        seen: Seen,
        one: &Contents,
        other: &Contents,
        at_ms: i64,
    ) -> Result<(), PathError> {
        let mut outputs = [digest(one), digest(other)];
        outputs.sort_unstable();
        let known = self.varied()?.remove(&key).unwrap_or_default();
        // What others claim never takes the place of what was seen here.
        let is_claim = seen == Seen::Foreign;
        let of_its_kind = known.iter().filter(|v| (v.seen == Seen::Foreign) == is_claim).count();
        let is_known = known.iter().any(|v| v.outputs == outputs && (is_claim || v.seen != Seen::Foreign));
        if outputs[0] == outputs[1] || of_its_kind >= MOST || is_known {
            return Ok(());
        }
        let paths: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
        let paths = paths.into_iter().filter(|path| one.get(*path) != other.get(*path)).take(PATHS).cloned().collect();
        let line = serde_json::to_string(&Varied { key, at_ms, seen, outputs, paths }).expect("a plain structure");
        let path = self.root.path().join(FILE);
        // One write of whole lines: another process may add one at the same time, or may have been killed in one.
        let mut file = OpenOptions::new().create(true).append(true).open(&path).at("open", &path)?;
        file.write_all(format!("\n{line}\n").as_bytes()).at("write", &path)
    }

    /// What is known of keys that made different results. What cannot be read counts as absent.
    ///
    /// # Errors
    /// [`PathError`] if the file is there and cannot be read.
    pub fn varied(&self) -> Result<HashMap<StageKey, Vec<Varied>>, PathError> {
        let bytes = read_if_there(&self.root.path().join(FILE))?.unwrap_or_default();
        let mut found: HashMap<StageKey, Vec<Varied>> = HashMap::new();
        for varied in bytes.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice::<Varied>(line).ok()) {
            found.entry(varied.key).or_default().push(varied);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_kept_once_and_few_times() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let key = StageKey(Digest::of(b"key"));
        let made = |text: &str| Contents::from([("o".to_owned(), Digest::of(text.as_bytes()))]);
        let see = |one: &str, other: &str| {
            store.set_varied(key, Seen::Run, &made(one), &made(other), 1).expect("written");
            store.varied().expect("readable").get(&key).map_or(0, Vec::len)
        };
        assert_eq!([see("a", "a"), see("a", "b"), see("b", "a"), see("a", "c")], [0, 1, 1, 2]);
        std::fs::write(folder.path().join(FILE), b"{\"key\":\"torn").expect("writable");
        assert_eq!(see("a", "b"), 1, "a torn line costs no other");
        for i in 0..9 {
            see("a", &i.to_string());
        }
        assert_eq!(see("a", "z"), MOST);
        // What others claim is kept beside it, and takes no place from it.
        store.set_varied(key, Seen::Foreign, &made("a"), &made("zz"), 1).expect("written");
        store.set_varied(key, Seen::Foreign, &made("a"), &made("b"), 1).expect("written");
        assert_eq!(store.varied().expect("readable")[&key].len(), MOST + 1);
    }
}
