//! A repository, and what the oracle knows of its store, its memory and its results.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use orgo_spec::Digest;

use super::model::{Declared, Tree};
use crate::random::Random;
use crate::support::Repo;

/// What a run was asked for.
#[derive(Debug, Default)]
pub struct Asked {
    /// Ids of the stages that were named; all if empty.
    pub targets: Vec<usize>,
    pub force: bool,
}

/// What a run has to do, by name of stage.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expected {
    pub started: BTreeSet<String>,
    /// `hit`, `ran`, `failed` or `skipped`.
    pub states: BTreeMap<String, &'static str>,
    /// The keys of stages that are looked up, in words.
    pub keys: BTreeMap<String, String>,
}

/// Results as `out/` shows them.
struct Shown {
    tree: Tree,
    /// Whether nobody touched them since.
    intact: bool,
}

pub struct World {
    pub repo: Repo,
    pub random: Random,
    pub declared: Declared,
    /// Other branches, if the repository has commits.
    pub branches: BTreeMap<String, Declared>,
    pub branch: String,
    /// Earlier contents of source files.
    pub history: BTreeMap<String, Vec<String>>,
    /// Ids and names are never used twice.
    pub counter: usize,
    /// Of each stage that ended well last time: key and result.
    memory: BTreeMap<String, (String, Tree)>,
    shown: BTreeMap<String, Shown>,
    /// Contents in the store, as far as stages made them.
    objects: BTreeSet<String>,
    /// Results by key.
    actions: BTreeSet<String>,
    /// Keys as orgo spells them.
    digests: BTreeMap<String, String>,
    /// What was done, for people.
    pub told: Vec<String>,
}

impl World {
    pub fn new(repo: Repo, random: Random) -> Self {
        Self {
            repo,
            random,
            declared: Declared::default(),
            branches: BTreeMap::new(),
            branch: "main".to_owned(),
            history: BTreeMap::new(),
            counter: 0,
            memory: BTreeMap::new(),
            shown: BTreeMap::new(),
            objects: BTreeSet::new(),
            actions: BTreeSet::new(),
            digests: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    /// What a run has to do, computed from nothing but what is declared and what can still be had.
    pub fn expect(&mut self, asked: &Asked) -> Expected {
        let declared = self.declared.clone();
        let mut expected = Expected::default();
        let mut wanted: BTreeSet<usize> = asked.targets.iter().copied().collect();
        for stage in declared.stages.iter().rev() {
            if asked.targets.is_empty() || wanted.contains(&stage.id) {
                wanted.insert(stage.id);
                wanted.extend(stage.from.iter().map(|(id, _)| *id));
            }
        }
        let mut made: BTreeMap<usize, Tree> = BTreeMap::new();
        for stage in declared.stages.iter().filter(|s| wanted.contains(&s.id)) {
            let name = stage.name.clone();
            if stage.from.iter().any(|(id, _)| !made.contains_key(id)) {
                self.shown.remove(&name);
                expected.states.insert(name, "skipped");
                continue;
            }
            let key = declared.key(stage, &made);
            expected.keys.insert(name.clone(), key.clone());
            let tree = declared.makes(stage, &made);
            let remembered = self.memory.get(&name);
            let known = remembered.is_some_and(|(k, _)| *k == key) || self.actions.contains(&key);
            let forced = asked.force && (asked.targets.is_empty() || asked.targets.contains(&stage.id));
            if let Some(tree) = tree.as_ref().filter(|_| known && !forced) {
                // What `out/` shows is as good as the objects, as long as it is what was shown.
                let is_shown = self.shown.get(&name).is_some_and(|s| s.intact && s.tree == *tree);
                let remembered = remembered.is_some_and(|(_, t)| t == tree);
                if is_shown && remembered || tree.values().all(|content| self.objects.contains(content)) {
                    self.show(&name, key, tree);
                    expected.states.insert(name, "hit");
                    made.insert(stage.id, tree.clone());
                    continue;
                }
            }
            expected.started.insert(name.clone());
            for (id, _) in &stage.from {
                self.objects.extend(made[id].values().cloned());
            }
            match tree {
                None => {
                    self.memory.remove(&name);
                    self.shown.remove(&name);
                    expected.states.insert(name, "failed");
                }
                Some(tree) => {
                    self.objects.extend(tree.values().cloned());
                    self.actions.insert(key.clone());
                    self.show(&name, key, &tree);
                    expected.states.insert(name, "ran");
                    made.insert(stage.id, tree);
                }
            }
        }
        let still: BTreeSet<&String> = declared.stages.iter().map(|s| &s.name).collect();
        self.memory.retain(|name, _| still.contains(name));
        self.shown.retain(|name, _| still.contains(name));
        expected
    }

    fn show(&mut self, name: &str, key: String, tree: &Tree) {
        self.memory.insert(name.to_owned(), (key, tree.clone()));
        self.shown.insert(name.to_owned(), Shown { tree: tree.clone(), intact: true });
    }

    /// Whether `out/` shows exactly what it should; what somebody touched and no run looked at since is left out.
    pub fn check_results(&self) -> Result<(), String> {
        let out = self.repo.root().join("out/p");
        let mut there: BTreeSet<String> = BTreeSet::new();
        for entry in fs::read_dir(&out).into_iter().flatten() {
            there.insert(entry.map_err(|e| e.to_string())?.file_name().to_string_lossy().into_owned());
        }
        for (name, shown) in self.shown.iter().filter(|(_, shown)| shown.intact) {
            let mut found = Tree::new();
            read(&out.join(name), "", &mut found);
            if found != shown.tree {
                return Err(format!("out/p/{name} shows {found:?} instead of {:?}", shown.tree));
            }
        }
        match there.iter().find(|name| !self.shown.contains_key(*name)) {
            None => Ok(()),
            Some(name) => Err(format!("out/p/{name} is shown, and nothing stands behind it")),
        }
    }

    /// Whether keys as orgo spells them are the same exactly where ours are.
    pub fn check_keys(&mut self, expected: &Expected, spelled: &BTreeMap<String, String>) -> Result<(), String> {
        for (name, digest) in spelled {
            let Some(key) = expected.keys.get(name) else { continue };
            let known = self.digests.entry(key.clone()).or_insert_with(|| digest.clone());
            if known != digest {
                return Err(format!("{name} has the key {digest} for what had the key {known}"));
            }
        }
        let distinct: BTreeSet<&String> = self.digests.values().collect();
        if distinct.len() == self.digests.len() {
            Ok(())
        } else {
            Err("two different keys are spelled alike".to_owned())
        }
    }

    fn object(&self, content: &str) -> PathBuf {
        let hex = Digest::of(content.as_bytes()).hex();
        self.repo.root().join(".orgo/store/sha256").join(&hex[..2]).join(&hex[2..])
    }

    /// Deletes or damages an object that a stage made.
    pub fn lose_object(&mut self, damage: bool) {
        let all: Vec<String> = self.objects.iter().cloned().collect();
        let Some(content) = self.random.pick(&all).cloned() else { return };
        let path = self.object(&content);
        fs::remove_file(&path).expect("the object is there");
        if damage {
            fs::write(&path, "?".repeat(content.len())).expect("writable");
        }
        self.told.push(format!("{} the object {content:?}", if damage { "damage" } else { "delete" }));
        self.objects.remove(&content);
    }

    /// Deletes a result from the cache, or cuts it off.
    pub fn lose_action(&mut self, cut: bool) {
        let all: Vec<(String, String)> = self
            .actions
            .iter()
            .filter_map(|key| self.digests.get(key).map(|digest| (key.clone(), digest.clone())))
            .collect();
        let Some((key, digest)) = self.random.pick(&all).cloned() else { return };
        let hex = digest.trim_start_matches("sha256:");
        let path = self.repo.root().join(".orgo/store/actions").join(&hex[..2]).join(&hex[2..]);
        let bytes = fs::read(&path).expect("the result is there");
        match cut {
            true => fs::write(&path, &bytes[..bytes.len() / 2]).expect("writable"),
            false => fs::remove_file(&path).expect("removable"),
        }
        self.told.push(format!("{} the result {digest}", if cut { "cut off" } else { "delete" }));
        self.actions.remove(&key);
    }

    /// Deletes a file of the memory.
    pub fn lose_memory(&mut self) {
        let files = ["p.state", "p.ingredients", "p.plan", "p.settled", "files"];
        let name = *self.random.pick(&files).expect("there are some");
        let _ = fs::remove_file(self.repo.root().join(".orgo/state").join(name));
        if name == "p.state" {
            self.memory.clear();
        }
        self.told.push(format!("delete the memory `{name}`"));
    }

    /// The results that `out/` shows.
    pub fn shown(&self) -> Vec<(String, Tree)> {
        self.shown.iter().filter(|(_, s)| s.intact).map(|(name, s)| (name.clone(), s.tree.clone())).collect()
    }

    /// Takes note that somebody touched what `out/` shows of a stage, or of all.
    pub fn touched(&mut self, name: Option<&str>) {
        self.shown.iter_mut().filter(|(n, _)| name.is_none_or(|name| name == *n)).for_each(|(_, s)| s.intact = false);
    }
}

/// Reads a folder.
fn read(folder: &Path, prefix: &str, found: &mut Tree) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read(&entry.path(), &format!("{path}/"), found);
        } else {
            found.insert(path, fs::read_to_string(entry.path()).unwrap_or_default());
        }
    }
}
