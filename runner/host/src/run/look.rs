//! Asking the cache about one stage, and why it has no answer.

use orgo_kernel::gate::Admission;
use orgo_kernel::graph::StageId;
use orgo_kernel::key::{StageKey, Tree};
use orgo_kernel::why::{Evicted, Ingredients, Why};

use crate::file::PathError;
use crate::memory::Remembered;
use crate::sandbox::{restore, stamps};
use crate::store::ObjectError;

use super::planner::Planner;
use super::prepare::Prepared;
use super::problem::Problem;

/// What the cache says.
#[derive(Debug)]
pub enum Lookup {
    /// There is a usable result, and `out/` shows it.
    Hit {
        /// The result.
        remembered: Box<Remembered>,
        /// Whether the key is another than in the run before.
        new_key: bool,
    },
    /// There is none.
    Miss {
        /// What the stage needs to run.
        prepared: Box<Prepared>,
        /// Why there is none.
        why: Vec<Why>,
    },
}

impl Planner<'_> {
    /// Prepares a stage and asks the cache; a usable result is shown below `out/`.
    ///
    /// Gated stages are looked up only with the admission that their gate's pass gave.
    ///
    /// # Errors
    /// [`Problem`] if an input or a program is missing or unusable.
    ///
    /// # Panics
    /// If a gated stage comes without its admission: that is a bug, never a state of the world.
    pub fn look(&mut self, id: StageId, admission: Option<&Admission>, force: Option<Why>) -> Result<Lookup, Problem> {
        let stage = self.plan.stage(id);
        assert_eq!(stage.gate.is_some(), admission.is_some(), "an admission belongs to each gated stage");
        if let Some(remembered) = self.unchanged_at(id).filter(|_| force.is_none()) {
            let remembered = remembered.clone();
            return Ok(self.hit(id, remembered, false));
        }
        self.changes(id);
        let parts = self.parts(id)?;
        let known = self.memory.get(id.index()).filter(|r| r.fingerprint == parts.fingerprint).cloned();
        let new_key = known.is_none();
        let (found, prepared) = match known {
            Some(remembered) => (Some(remembered), Err(parts)),
            None => {
                let prepared = self.complete(id, parts)?;
                (self.cached(&prepared)?, Ok(prepared))
            }
        };
        let mut lost = Vec::new();
        if let Some(why) = force {
            lost.push(why);
        } else if let Some(remembered) = found {
            if remembered.isolation < stage.isolation {
                lost.push(Why::IsolationTooWeak { obtained: remembered.isolation, demanded: stage.isolation });
            } else {
                match self.usable(id, remembered)? {
                    Ok(remembered) => return Ok(self.hit(id, remembered, new_key)),
                    Err(why) => lost.push(why),
                }
            }
        }
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(parts) => self.complete(id, parts)?,
        };
        if lost.is_empty() {
            lost.extend(self.collected(id, prepared.keyed.key)?);
        }
        let why = self.why(id, &prepared, lost)?;
        self.memory.forget(id.index());
        self.dirty = true;
        Ok(Lookup::Miss { prepared: Box::new(prepared), why })
    }

    fn hit(&mut self, id: StageId, remembered: Remembered, new_key: bool) -> Lookup {
        self.products[id.index()] = Some(self.product_of(id, &remembered));
        Lookup::Hit { remembered: Box::new(remembered), new_key }
    }

    pub(super) fn cached(&self, prepared: &Prepared) -> Result<Option<Remembered>, Problem> {
        let Some(cached) = self.store.result(prepared.keyed.key)? else { return Ok(None) };
        let Ok(tree) = Tree::of_outputs(&cached.outputs) else { return Ok(None) };
        Ok(Some(Remembered {
            fingerprint: prepared.fingerprint,
            keyed: prepared.keyed.clone(),
            tree: tree.blob(),
            outputs: cached.outputs,
            stamps: Vec::new(),
            log: cached.log,
            isolation: cached.isolation,
            duration_ms: cached.duration_ms,
        }))
    }

    /// Whether a result can be used: `out/` shows it, or it is restored from objects that are read and hashed.
    ///
    /// What `out/` shows is as good as the object, so its object is not asked for before something needs it.
    fn usable(&mut self, id: StageId, mut remembered: Remembered) -> Result<Result<Remembered, Why>, Problem> {
        let stage = self.plan.stage(id);
        let out = self.workspace.out(&self.plan.name, &stage.name);
        let shown = stamps(&remembered.outputs, &out)?;
        if shown.as_ref() == Some(&remembered.stamps) {
            return Ok(Ok(remembered));
        }
        // Another key may have made the same, and `out/` may still show it.
        let alike = self.memory.get(id.index()).filter(|last| last.outputs == remembered.outputs);
        if alike.is_some_and(|last| shown.as_ref() == Some(&last.stamps)) {
            remembered.stamps = shown.unwrap_or_default();
            self.memory.set(id.index(), remembered.clone());
            self.dirty = true;
            return Ok(Ok(remembered));
        }
        match restore(&remembered.outputs, &out, &self.store) {
            Ok(()) => {}
            Err(ObjectError::Missing(_) | ObjectError::Corrupt(_)) => {
                let evicted = self.evicted(remembered.keyed.key)?;
                return Ok(Err(Why::OutputLost { path: stage.outs.join(", "), evicted }));
            }
            Err(ObjectError::Path(e)) => return Err(e.into()),
        }
        remembered.stamps = stamps(&remembered.outputs, &out)?.unwrap_or_default();
        self.memory.set(id.index(), remembered.clone());
        self.dirty = true;
        Ok(Ok(remembered))
    }

    /// Whether the result under a key was collected as garbage, and why. Asked only after a miss.
    fn evicted(&mut self, key: StageKey) -> Result<Option<Evicted>, PathError> {
        if self.evicted.is_none() {
            self.evicted = Some(self.store.evicted()?);
        }
        Ok(self.evicted.as_ref().and_then(|e| e.get(&key).copied()))
    }

    /// That a result which would have answered was collected.
    pub(super) fn collected(&mut self, id: StageId, key: StageKey) -> Result<Option<Why>, PathError> {
        let path = self.plan.stage(id).outs.join(", ");
        Ok(self.evicted(key)?.map(|evicted| Why::OutputLost { path, evicted: Some(evicted) }))
    }

    fn why(&mut self, id: StageId, prepared: &Prepared, mut why: Vec<Why>) -> Result<Vec<Why>, Problem> {
        let name = &self.plan.stages[id.index()].name;
        let now = Ingredients { keyed: prepared.keyed.clone(), inputs: self.inputs(id, &prepared.contents.files) };
        let succeeded = self.memory.get(id.index()).is_some();
        match self.memory.ingredients(name)? {
            None if why.is_empty() => why.push(Why::NeverRun),
            None => {}
            Some(before) => {
                why.extend(Why::between(&before, &now));
                if why.is_empty() {
                    why.push(if succeeded { Why::ResultLost } else { Why::FailedBefore });
                }
            }
        }
        self.memory.set_ingredients(name, now)?;
        Ok(why)
    }
}
