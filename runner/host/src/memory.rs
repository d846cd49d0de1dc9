//! What a pipeline's last runs left behind: enough to answer “nothing changed” without a look-up.
//!
//! Two files beside each other, written once at the end of a run: the *state* (read on every run) and
//! the *ingredients* (read only to tell why a stage runs, and appended to). Neither is trusted beyond its purpose: an
//! entry is used only if the fingerprint of everything that enters the key is the same, and a result
//! still has to be found in the store.

mod ingredients;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orgo_kernel::key::{Blob, Keyed, Output};
use orgo_kernel::why::Ingredients;
use orgo_spec::Digest;
use orgo_spec::pipeline::Isolation;
use orgo_spec::record::Origin;
use serde::{Deserialize, Serialize};

use crate::file::{At, PathError, Stamp, read_if_there, replace};

/// The version of the state; others are ignored.
const FORMAT: u32 = 3;

/// A stage as it was after it last ended well.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Remembered {
    /// Digest over everything that enters the key.
    pub fingerprint: Digest,
    /// The key and its parts.
    pub keyed: Keyed,
    /// The outputs.
    pub outputs: Arc<Vec<Output>>,
    /// Digest of the output tree's message.
    pub tree: Blob,
    /// For each output the stamp of its copy below `out/`.
    pub stamps: Vec<Stamp>,
    /// What the stage printed.
    pub log: Option<Blob>,
    /// The isolation that was obtained.
    pub isolation: Isolation,
    /// How long it ran, in milliseconds.
    pub duration_ms: u64,
    /// Where the result came from, if it was not made here.
    pub origin: Option<Origin>,
}

#[derive(Default, Serialize, Deserialize)]
struct State<'s> {
    format: u32,
    #[serde(borrow)]
    stages: Vec<(&'s str, Remembered)>,
}

/// The memory of one pipeline.
pub struct Memory {
    path: PathBuf,
    stages: HashMap<String, Remembered>,
    /// By id, as far as anything is remembered.
    ordered: Vec<Option<Remembered>>,
    ingredients: Option<ingredients::Log>,
    is_of_this_plan: bool,
}

/// Everything that is remembered of one pipeline.
///
/// # Errors
/// [`PathError`] if the file is there and cannot be read.
pub fn of(folder: &Path, pipeline: &str) -> Result<Vec<Remembered>, PathError> {
    let bytes = read_if_there(&folder.join(format!("{pipeline}.state")))?.unwrap_or_default();
    Ok(read(&bytes))
}

fn read(bytes: &[u8]) -> Vec<Remembered> {
    let state: State<'_> = postcard::from_bytes(bytes).unwrap_or_default();
    let stages = if state.format == FORMAT { state.stages } else { Vec::new() };
    stages.into_iter().map(|(_, remembered)| remembered).collect()
}

/// Everything that is remembered of all pipelines: what their last runs stand on.
///
/// # Errors
/// [`PathError`] if the folder or a file cannot be read.
pub fn all(folder: &Path) -> Result<Vec<Remembered>, PathError> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        other => other.at("list", folder)?,
    };
    for entry in entries {
        let path = entry.at("list", folder)?.path();
        if path.extension().is_some_and(|e| e == "state") {
            let bytes = read_if_there(&path)?.unwrap_or_default();
            found.extend(read(&bytes));
        }
    }
    Ok(found)
}

impl Memory {
    /// Reads the memory for stages called `names`, in the order of their ids.
    ///
    /// # Errors
    /// [`PathError`] if a file is there and cannot be opened.
    pub fn open<'n>(
        folder: &Path,
        pipeline: &str,
        names: impl ExactSizeIterator<Item = &'n str>,
    ) -> Result<Self, PathError> {
        let path = folder.join(format!("{pipeline}.state"));
        let bytes = read_if_there(&path)?.unwrap_or_default();
        let state: State<'_> = postcard::from_bytes(&bytes).unwrap_or_default();
        let stages = if state.format == FORMAT { state.stages } else { Vec::new() };
        let names: Vec<&str> = names.collect();
        if names.len() == stages.len() && names.iter().zip(&stages).all(|(name, (known, _))| name == known) {
            let ordered = stages.into_iter().map(|(_, remembered)| Some(remembered)).collect();
            let (stages, ingredients) = (HashMap::new(), None);
            return Ok(Self { path, stages, ordered, ingredients, is_of_this_plan: true });
        }
        if stages.is_empty() {
            let (stages, ordered, ingredients) = (HashMap::new(), Vec::new(), None);
            return Ok(Self { path, stages, ordered, ingredients, is_of_this_plan: false });
        }
        let mut index: HashMap<&str, usize> = stages.iter().enumerate().map(|(i, (name, _))| (*name, i)).collect();
        let mut taken: Vec<Option<Remembered>> = Vec::with_capacity(stages.len());
        let mut known: Vec<&str> = Vec::with_capacity(stages.len());
        for (name, remembered) in stages {
            known.push(name);
            taken.push(Some(remembered));
        }
        let ordered = names.iter().map(|name| index.remove(name).and_then(|at| taken[at].take())).collect();
        let rest = known.iter().zip(taken).filter_map(|(name, r)| r.map(|r| ((*name).to_owned(), r))).collect();
        Ok(Self { path, stages: rest, ordered, ingredients: None, is_of_this_plan: false })
    }

    /// Whether the last run left exactly the stages of this plan.
    #[must_use]
    pub fn is_of_this_plan(&self) -> bool {
        self.is_of_this_plan
    }

    /// The stage with that id is called `name` from now on; what is remembered under that name is its own.
    pub fn adopt(&mut self, id: usize, name: &str) {
        let known = self.stages.remove(name);
        match known {
            Some(known) => self.set(id, known),
            None => self.forget(id),
        }
    }

    /// Forgets stages that are not in the plan, if `gone` says so of their names; says whether there were any.
    pub fn forget_others(&mut self, gone: impl Fn(&str) -> bool) -> bool {
        let before = self.stages.len();
        self.stages.retain(|name, _| !gone(name));
        self.stages.len() != before
    }

    /// What is remembered of the stage with that id.
    #[must_use]
    pub fn get(&self, id: usize) -> Option<&Remembered> {
        self.ordered.get(id)?.as_ref()
    }

    /// Hands out what is remembered of a stage and forgets it.
    pub fn take(&mut self, id: usize) -> Option<Remembered> {
        self.ordered.get_mut(id)?.take()
    }

    /// Remembers a stage.
    pub fn set(&mut self, id: usize, remembered: Remembered) {
        if self.ordered.len() <= id {
            self.ordered.resize_with(id + 1, || None);
        }
        self.ordered[id] = Some(remembered);
    }

    /// Forgets a stage.
    pub fn forget(&mut self, id: usize) {
        self.take(id);
    }

    fn all_ingredients(&mut self) -> Result<&mut ingredients::Log, PathError> {
        if self.ingredients.is_none() {
            self.ingredients = Some(ingredients::Log::open(&self.path.with_extension("ingredients"))?);
        }
        Ok(self.ingredients.as_mut().expect("just filled"))
    }

    /// What the key of the stage called `name` was made of when it was last computed.
    ///
    /// # Errors
    /// [`PathError`] if the file is there and cannot be opened.
    pub fn ingredients(&mut self, name: &str) -> Result<Option<Ingredients>, PathError> {
        Ok(self.all_ingredients()?.get(name))
    }

    /// Keeps what the key of a stage is made of now.
    ///
    /// # Errors
    /// [`PathError`] if the file is there and cannot be opened.
    pub fn set_ingredients(&mut self, name: &str, ingredients: Ingredients) -> Result<(), PathError> {
        self.all_ingredients()?.set(name, ingredients);
        Ok(())
    }

    /// Writes both files. `names` are those given to [`Memory::open`] and [`Memory::adopt`].
    ///
    /// # Errors
    /// [`PathError`] if a file cannot be written.
    pub fn save<'n>(self, names: impl Iterator<Item = &'n str>) -> Result<(), PathError> {
        if let Some(ingredients) = &self.ingredients {
            ingredients.save()?;
        }
        let mut stages: Vec<(&str, &Remembered)> =
            names.zip(&self.ordered).filter_map(|(n, r)| Some((n, r.as_ref()?))).collect();
        let mut rest: Vec<(&str, &Remembered)> = self.stages.iter().map(|(name, r)| (name.as_str(), r)).collect();
        rest.sort_unstable_by_key(|(name, _)| *name);
        stages.append(&mut rest);
        let bytes = postcard::to_stdvec(&(FORMAT, stages)).expect("a plain structure serializes");
        replace(&self.path, &bytes)
    }
}
