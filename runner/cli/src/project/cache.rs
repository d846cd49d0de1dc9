//! Plans that were resolved before.

use std::collections::BTreeMap;
use std::path::PathBuf;

use orgo_host::file::{read_if_there, replace};
use orgo_kernel::plan::Resolved;
use orgo_spec::{Digest, Hasher};

use super::Repository;
use crate::failure::Failure;

/// Resolved plans by the digest of everything declared, and by the program that resolved them.
pub(super) struct PlanCache {
    folder: PathBuf,
    key: Digest,
}

/// A plan as it is kept: with the digest of what it was made from, and what was read on the way.
type Kept = (Digest, Vec<(String, Digest)>, Resolved);

/// A plan that was kept, and what was read on the way to it.
pub(super) type Found = (Resolved, Vec<(String, Digest)>);

impl PlanCache {
    pub(super) fn open(repository: &Repository, parameters: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut hasher = Hasher::new();
        hasher.update(repository.plan_key()?.as_bytes());
        hasher.update(format!("{parameters:?}").as_bytes());
        Ok(Self { folder: repository.workspace.state(), key: hasher.finish() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.plan"))
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<Found>, Failure> {
        if orgo_spec::Name::new(name).is_err() {
            return Ok(None);
        }
        let bytes = read_if_there(&self.path(name))?;
        let kept: Option<Kept> = bytes.and_then(|b| postcard::from_bytes(&b).ok());
        Ok(kept.filter(|(key, ..)| *key == self.key).map(|(_, reads, plan)| (plan, reads)))
    }

    pub(super) fn set(&self, plan: &Resolved, reads: &[(String, Digest)]) -> Result<(), Failure> {
        let bytes = postcard::to_stdvec(&(self.key, reads, plan)).expect("a plain structure serializes");
        Ok(replace(&self.path(&plan.name), &bytes)?)
    }
}
