//! What the keys of a pipeline's stages were made of: a file that grows by what changed.
//!
//! An entry is the length of its body (four bytes, little endian), the first eight bytes of the body's SHA-256, and the
//! body: the stage's name and its ingredients, as postcard writes them. The newest entry of a name counts. When half of
//! the file is outdated, it is written anew. An end that was cut off is not read; an entry that does not have its
//! digest says nothing. All that is lost then is why a stage ran.

use std::collections::{BTreeMap, HashMap};
use std::fs::OpenOptions;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use orgo_kernel::why::Ingredients;
use orgo_spec::Digest;

use crate::file::{At, PathError, read_if_there, replace};

/// The first bytes of the file; a file with others is an empty one.
const MAGIC: &[u8] = b"orgo ingredients 3\n";
/// Length and digest before a body.
const HEAD: usize = 4 + 8;
/// Fewer outdated entries than this are left where they are.
const FEW: usize = 64;

/// The file, as far as it was read, and what was added since.
pub(super) struct Log {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where the newest entry of each name has its body.
    newest: HashMap<String, Range<usize>>,
    entries: usize,
    /// Whether the file can be appended to: it is there, and its end was not cut off.
    is_whole: bool,
    added: BTreeMap<String, Ingredients>,
}

impl Log {
    /// Reads the file.
    ///
    /// # Errors
    /// [`PathError`] if it is there and cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self, PathError> {
        let bytes = read_if_there(path)?.unwrap_or_default();
        let mut log = Self {
            path: path.to_owned(),
            bytes,
            newest: HashMap::new(),
            entries: 0,
            is_whole: false,
            added: BTreeMap::new(),
        };
        if log.bytes.starts_with(MAGIC) {
            log.index();
        }
        Ok(log)
    }

    fn index(&mut self) {
        let mut at = MAGIC.len();
        while let Some(head) = self.bytes.get(at..at + HEAD) {
            let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let body = at + HEAD..at + HEAD + len;
            let Some(Ok((name, _))) = self.bytes.get(body.clone()).map(postcard::take_from_bytes::<&str>) else {
                return;
            };
            match self.newest.get_mut(name) {
                Some(newest) => *newest = body.clone(),
                None => drop(self.newest.insert(name.to_owned(), body.clone())),
            }
            self.entries += 1;
            at = body.end;
        }
        self.is_whole = at == self.bytes.len();
    }

    /// What the key of the stage called `name` was last made of.
    pub(super) fn get(&self, name: &str) -> Option<Ingredients> {
        if let Some(added) = self.added.get(name) {
            return Some(added.clone());
        }
        let body = &self.bytes[self.newest.get(name)?.clone()];
        let digest = &self.bytes[self.newest.get(name)?.start - 8..][..8];
        if Digest::of(body).as_bytes()[..8] != *digest {
            return None;
        }
        postcard::from_bytes::<(&str, Ingredients)>(body).ok().map(|(_, ingredients)| ingredients)
    }

    /// Keeps what the key of a stage is made of now.
    pub(super) fn set(&mut self, name: &str, ingredients: Ingredients) {
        self.added.insert(name.to_owned(), ingredients);
    }

    /// Writes what was added.
    ///
    /// # Errors
    /// [`PathError`] if the file cannot be written.
    pub(super) fn save(&self) -> Result<(), PathError> {
        if self.added.is_empty() {
            return Ok(());
        }
        let new: Vec<u8> = self.added.iter().flat_map(|(name, ingredients)| entry(name, ingredients)).collect();
        let live = self.newest.len() + self.added.keys().filter(|n| !self.newest.contains_key(*n)).count();
        if self.is_whole && self.entries + self.added.len() <= 2 * live + FEW {
            let mut file = OpenOptions::new().append(true).open(&self.path).at("open", &self.path)?;
            return file.write_all(&new).at("write", &self.path);
        }
        let mut kept: Vec<&Range<usize>> =
            self.newest.iter().filter(|(name, _)| !self.added.contains_key(*name)).map(|(_, body)| body).collect();
        kept.sort_unstable_by_key(|body| body.start);
        let mut all = MAGIC.to_vec();
        all.extend(kept.into_iter().flat_map(|body| &self.bytes[body.start - HEAD..body.end]));
        all.extend(new);
        replace(&self.path, &all)
    }
}

fn entry(name: &str, ingredients: &Ingredients) -> Vec<u8> {
    let body = postcard::to_stdvec(&(name, ingredients)).expect("a plain structure serializes");
    let len = u32::try_from(body.len()).expect("a stage has less than 4 GiB of names");
    [&len.to_le_bytes()[..], &Digest::of(&body).as_bytes()[..8], &body].concat()
}

#[cfg(test)]
mod tests {
    use orgo_kernel::key::{Blob, Keyed, StageKey};

    use super::*;

    fn made_of(n: u8) -> Ingredients {
        let digest = Digest::of(&[n]);
        let blob = Blob { digest, size_bytes: 1 };
        let keyed = Keyed { key: StageKey(digest), command: blob, input_root: blob, timeout_ms: 1, tools: digest };
        Ingredients { keyed, inputs: vec![(format!("in/{n}"), digest)] }
    }

    fn saved(path: &Path, entries: &[(&str, u8)]) -> Log {
        for (name, n) in entries {
            let mut log = Log::open(path).expect("readable");
            log.set(name, made_of(*n));
            log.save().expect("writable");
        }
        Log::open(path).expect("readable")
    }

    #[test]
    fn the_newest_entry_counts_and_the_file_stays_small() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.ingredients");
        let mut all = vec![("a", 1), ("b", 2)];
        all.extend((0..200).map(|n| ("b", n)));
        let log = saved(&path, &all);
        assert_eq!(log.get("a"), Some(made_of(1)));
        assert_eq!(log.get("b"), Some(made_of(199)));
        assert_eq!(log.get("c"), None);
        assert!(log.entries <= 4 + FEW, "{} entries", log.entries);
    }

    #[test]
    fn an_end_that_was_cut_off_costs_its_entry_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.ingredients");
        saved(&path, &[("a", 1), ("b", 2)]);
        let whole = std::fs::read(&path).expect("readable");
        for cut in MAGIC.len()..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("writable");
            let log = saved(&path, &[("c", 3)]);
            assert_eq!(log.get("c"), Some(made_of(3)), "cut at {cut}");
            assert_eq!(log.get("b"), None, "cut at {cut}");
            let has_first = cut >= MAGIC.len() + entry("a", &made_of(1)).len();
            assert_eq!(log.get("a"), has_first.then(|| made_of(1)), "cut at {cut}");
        }
    }

    #[test]
    fn a_harmed_entry_says_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.ingredients");
        saved(&path, &[("a", 1), ("b", 2)]);
        let whole = std::fs::read(&path).expect("readable");
        for at in 0..whole.len() {
            let mut harmed = whole.clone();
            harmed[at] ^= 0x10;
            std::fs::write(&path, &harmed).expect("writable");
            let log = Log::open(&path).expect("readable");
            for (name, n) in [("a", 1), ("b", 2)] {
                assert!(log.get(name).is_none_or(|found| found == made_of(n)), "byte {at}");
            }
        }
    }
}
