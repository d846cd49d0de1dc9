//! What a verified record says of the results of stages.

use std::collections::{HashMap, HashSet};

use orgo_host::run::{Foreign, Objects};
use orgo_spec::Digest;
use orgo_spec::canonical::{self, Profile};
use orgo_spec::record::{Artifact, BuildFacts, StageFacts, StageStatus};
use serde::de::DeserializeOwned;

/// The largest list of stages or outputs that is read, in bytes.
const MAX_LIST: usize = 64 << 20;

/// What a verified record says.
#[derive(Debug)]
pub(super) struct Record {
    id: Digest,
    stages: Vec<StageFacts>,
    /// Where stages stand that ended well and whose results were made there.
    by_key: HashMap<Digest, usize>,
    /// Output trees by stage, as the run claims them.
    claimed: HashMap<String, Digest>,
    /// Trees and files that stages took in, and in which places.
    taken: HashMap<Digest, HashSet<String>>,
}

/// A list in the store that a record names.
fn read<T: DeserializeOwned>(objects: Objects<'_>, digest: Digest) -> Option<Vec<T>> {
    let bytes = objects(digest).filter(|bytes| bytes.len() <= MAX_LIST)?;
    canonical::from_slice(&bytes, Profile::RECORD).ok()
}

impl Record {
    /// Reads the facts of a record that was verified; none if it names lists that cannot be had.
    pub(super) fn read(id: Digest, facts: BuildFacts, objects: Objects<'_>) -> Option<Self> {
        let mut claimed = facts.outputs().map(|o| o.artifacts.clone()).unwrap_or_default();
        // One that has no name of a stage stands for the list of those that are too many.
        if let [list] = claimed.as_slice()
            && list.name.starts_with('(')
        {
            claimed = read(objects, list.digest)?;
        }
        let claimed = claimed.into_iter().map(|a| (a.name, a.digest)).collect();
        let mut stages = facts.stages;
        if !facts.pages.is_empty() {
            stages.clear(); // the pages have all of them
        }
        for page in &facts.pages {
            stages.extend(read::<StageFacts>(objects, page.digest)?);
        }
        let mut taken: HashMap<Digest, HashSet<String>> = HashMap::new();
        let mut by_key = HashMap::new();
        for (at, stage) in stages.iter().enumerate() {
            if let Some(key) = stage.key.filter(|_| stage.status == StageStatus::Pass && stage.origin.is_none()) {
                by_key.insert(key, at);
            }
            for artifact in &stage.artifacts_in {
                taken.entry(artifact.digest).or_default().insert(artifact.name.clone());
            }
        }
        Some(Self { id, stages, by_key, claimed, taken })
    }

    /// The keys of stages that it may confirm.
    pub(super) fn keys(&self) -> impl Iterator<Item = Digest> {
        self.stages.iter().filter_map(|stage| stage.key).filter(|key| self.by_key.contains_key(key))
    }

    /// Its id, if it says that a runner made exactly this, at the same isolation or a stronger one.
    ///
    /// The list of outputs says neither which files are executable nor what is a link. The digest of their tree does; a
    /// record has it where it says what the run claims, and what later stages took in.
    pub(super) fn says(&self, result: &Foreign<'_>, outputs: &[Artifact]) -> Option<Digest> {
        let stage = &self.stages[*self.by_key.get(&result.key.0)?];
        let is_strong = stage.isolation.is_some_and(|level| level >= result.isolation);
        if !is_strong || stage.artifacts_out != outputs {
            return None;
        }
        if self.claimed.get(&stage.stage) == Some(&result.tree) {
            return Some(self.id);
        }
        let places = self.taken.get(&result.tree)?;
        // In another place it can only be this stage's tree, unless another stage has the same list.
        let is_alone = || self.stages.iter().filter(|s| s.artifacts_out == outputs).count() == 1;
        (places.contains(&format!("in/{}", stage.stage)) || is_alone()).then_some(self.id)
    }
}
