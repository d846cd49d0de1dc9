//! Asking the cache about one stage, and why it has no answer.

use orgo_kernel::gate::Admission;
use orgo_kernel::graph::StageId;
use orgo_kernel::key::{StageKey, Tree};
use orgo_kernel::why::{Evicted, Ingredients, Why};

use orgo_spec::record::{Bringer, Origin};

use crate::cache::{Offer, Shared, are_declared};
use crate::file::PathError;
use crate::memory::Remembered;
use crate::sandbox::{restore, stamps};
use crate::store::{Cached, ObjectError, Seen, contents};

use super::options::Foreign;
use super::planner::{Fault, Planner};
use super::prepare::Prepared;
use super::problem::Problem;

/// The largest object that is read to find out what a record says, in bytes.
const MAX_PAGE: u64 = 64 << 20;

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
        let parts = self.parts(id)?;
        let known = self.memory.get(id.index()).filter(|r| r.fingerprint == parts.fingerprint).cloned();
        let new_key = known.is_none();
        let (found, prepared) = match known {
            Some(remembered) => (Some(remembered), Err(parts)),
            None => {
                let prepared = self.complete(id, parts)?;
                (self.cached(id, &prepared)?, Ok(prepared))
            }
        };
        let mut lost = Vec::new();
        let forced = force.is_some();
        if let Some(why) = force {
            lost.push(why);
        } else if let Some(remembered) = found {
            match self.use_own(id, remembered)? {
                Ok(remembered) => return Ok(self.hit(id, remembered, new_key)),
                Err(why) => lost.push(why),
            }
        }
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(parts) => self.complete(id, parts)?,
        };
        let mut aside = Vec::new();
        if !forced && let Some(remembered) = self.ask_others(id, &prepared, &mut aside)? {
            match self.usable(id, remembered)? {
                Ok(remembered) => return Ok(self.hit(id, remembered, true)),
                Err(why) => aside.push(why),
            }
        }
        if lost.is_empty() {
            lost.extend(self.collected(id, prepared.keyed.key)?);
        }
        let mut why = self.why(id, &prepared, lost)?;
        why.extend(aside);
        self.memory.forget(id.index());
        self.dirty = true;
        Ok(Lookup::Miss { prepared: Box::new(prepared), why })
    }

    /// Uses a result that the memory or the own store has, if it counts.
    fn use_own(&mut self, id: StageId, remembered: Remembered) -> Result<Result<Remembered, Why>, Problem> {
        let demanded = self.plan.stage(id).isolation;
        if let Some(origin) = remembered.origin.as_ref().filter(|origin| !self.takes(id, Some(origin))) {
            let (shared, tree) = (std::mem::take(&mut self.shared), remembered.tree.digest);
            let Remembered { keyed, outputs, isolation, .. } = &remembered;
            let is_confirmed =
                self.ask_ledger(id, &Foreign { key: keyed.key, outputs, tree, isolation: *isolation }, &shared);
            self.shared = shared;
            if !is_confirmed {
                return Ok(Err(Why::ResultForeign { origin: origin.clone() }));
            }
        }
        if remembered.isolation < demanded {
            return Ok(Err(Why::IsolationTooWeak { obtained: remembered.isolation, demanded }));
        }
        self.usable(id, remembered)
    }

    /// Asks the shared directories, one after the other. What is wrong with one goes to `aside`, and the next is asked.
    fn ask_others(
        &mut self,
        id: StageId,
        prepared: &Prepared,
        aside: &mut Vec<Why>,
    ) -> Result<Option<Remembered>, Problem> {
        let (key, stage) = (prepared.keyed.key, self.plan.stage(id));
        let mut shared = std::mem::take(&mut self.shared);
        let mut found = None;
        for cache in &mut shared {
            if let Some(fault) = cache.untold() {
                aside.push(Why::SharedFaulty { cache: cache.name().to_owned(), fault });
            }
            if !cache.is_asked() {
                continue;
            }
            let origin = Origin { by: Bringer::Shared, name: cache.name().to_owned() };
            let is_taken = self.takes(id, Some(&origin));
            if !is_taken && self.confirm(id).is_none() {
                continue;
            }
            let fault = match cache.offer(key, &stage.outs, stage.isolation) {
                Offer::Nothing => continue,
                Offer::Weak(obtained) => {
                    aside.push(Why::IsolationTooWeak { obtained, demanded: stage.isolation });
                    continue;
                }
                Offer::Faulty(fault) => fault,
                Offer::Result(cached, _) if !is_taken && !self.is_confirmed(id, &cached, cache) => {
                    aside.push(Why::ResultForeign { origin });
                    continue;
                }
                Offer::Result(cached, objects) => match cache.take(&objects, &self.store)? {
                    Ok(()) => {
                        found = Some(*cached);
                        break;
                    }
                    Err(fault) => fault,
                },
            };
            let (name, given_up) = (cache.name().to_owned(), !cache.is_asked());
            aside.push(Why::SharedFaulty { cache: name.clone(), fault: fault.clone() });
            self.faults.push(Fault { name, fault, given_up });
        }
        self.shared = shared;
        let Some(cached) = found else { return Ok(None) };
        // What was made here stays what the store says about the key.
        match self.store.result(key)?.filter(|own| own.origin.is_none()) {
            Some(own) => {
                let now_ms = crate::clock::Clock::system().now_ms();
                let (here, there) = (contents(&own.outputs), contents(&cached.outputs));
                self.store.set_varied(key, Seen::Foreign, &here, &there, now_ms)?;
            }
            None => drop(self.store.set_result(&cached)?),
        }
        Ok(remembered(prepared, cached))
    }

    /// Whether a record confirms what a directory offers.
    fn is_confirmed(&mut self, id: StageId, cached: &Cached, cache: &Shared) -> bool {
        let Ok(tree) = Tree::of_outputs(&cached.outputs) else { return false };
        let (tree, isolation) = (tree.blob().digest, cached.isolation);
        let result = Foreign { key: cached.key, outputs: &cached.outputs, tree, isolation };
        self.ask_ledger(id, &result, std::slice::from_ref(cache))
    }

    /// Whether a record confirms a result; long records need objects, of the own store or of the directories.
    fn ask_ledger(&mut self, id: StageId, result: &Foreign<'_>, shared: &[Shared]) -> bool {
        let Some(confirm) = self.confirm(id) else { return false };
        let object = |digest| {
            let own = self.store.peek(digest).ok();
            own.or_else(|| shared.iter().find_map(|cache| cache.object(digest, MAX_PAGE)))
        };
        let Some(record) = confirm.confirms(result, &object) else { return false };
        self.confirmed.insert(id, record);
        true
    }

    fn hit(&mut self, id: StageId, remembered: Remembered, new_key: bool) -> Lookup {
        self.products[id.index()] = Some(self.product_of(id, &remembered));
        Lookup::Hit { remembered: Box::new(remembered), new_key }
    }

    pub(super) fn cached(&self, id: StageId, prepared: &Prepared) -> Result<Option<Remembered>, Problem> {
        let Some(cached) = self.store.result(prepared.keyed.key)? else { return Ok(None) };
        // What came from elsewhere has to be what the stage declares; what was made here is.
        if cached.origin.is_some() && !are_declared(&cached, &self.plan.stage(id).outs) {
            return Ok(None);
        }
        Ok(remembered(prepared, cached))
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
            Err(e @ (ObjectError::Missing(_) | ObjectError::Corrupt(_))) => {
                let evicted = self.evicted(remembered.keyed.key)?;
                let damaged = matches!(e, ObjectError::Corrupt(_));
                return Ok(Err(Why::OutputLost { path: stage.outs.join(", "), evicted, damaged }));
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
        Ok(self.evicted(key)?.map(|evicted| Why::OutputLost { path, evicted: Some(evicted), damaged: false }))
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

/// A result as a run remembers it, before it is shown; `None` if its outputs cannot stand beside each other.
pub(super) fn remembered(prepared: &Prepared, cached: Cached) -> Option<Remembered> {
    let tree = Tree::of_outputs(&cached.outputs).ok()?;
    Some(Remembered {
        fingerprint: prepared.fingerprint,
        keyed: prepared.keyed.clone(),
        tree: tree.blob(),
        outputs: cached.outputs,
        stamps: Vec::new(),
        log: cached.log,
        isolation: cached.isolation,
        duration_ms: cached.duration_ms,
        origin: cached.origin,
    })
}
