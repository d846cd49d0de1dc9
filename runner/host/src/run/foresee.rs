//! What a run would do, without doing anything.

use orgo_kernel::graph::StageId;
use orgo_kernel::key::{OutputKind, StageKey};
use orgo_kernel::why::{Ingredients, Why};

use super::look::remembered;
use super::planner::{Fault, Planner};
use super::problem::Problem;

/// What a run would do with a stage.
#[derive(Debug)]
pub enum Foreseen {
    /// The cache has its result.
    Hit(StageKey),
    /// It would run.
    Runs(StageKey, Vec<Why>),
    /// Its gate decides first.
    Gated(StageKey),
    /// People decide first.
    Approval(StageKey),
    /// It reads what this stage has yet to produce.
    Waits(StageId),
    /// It stands for the items of a list that this stage writes.
    Unknown(StageId),
    /// It runs after everything else, and reads how that ended.
    Last,
}

impl Planner<'_> {
    /// Foresees what [`Planner::look`] would find, and changes nothing: no result is restored, nothing
    /// is remembered. Gated stages are not looked up: only a pass may do that.
    ///
    /// # Errors
    /// [`Problem`] if an input or a program is missing or unusable.
    pub fn foresee(&mut self, id: StageId) -> Result<Foreseen, Problem> {
        let stage = self.plan.stage(id);
        if stage.is_finally() {
            return Ok(Foreseen::Last);
        }
        if let Some(list) = stage.pending() {
            return Ok(Foreseen::Unknown(list.stage));
        }
        if let Some((needed, _)) = stage.from.iter().find(|(s, _)| self.products[s.index()].is_none()) {
            return Ok(Foreseen::Waits(*needed));
        }
        if let Some(remembered) = self.unchanged_at(id) {
            let (key, product) = (remembered.keyed.key, self.product_of(id, remembered));
            self.products[id.index()] = Some(product);
            return Ok(Foreseen::Hit(key));
        }
        let prepared = self.prepare(id)?;
        let key = prepared.keyed.key;
        if stage.gate.is_some() {
            return Ok(Foreseen::Gated(key));
        }
        if stage.approval.is_some() {
            return Ok(Foreseen::Approval(key));
        }
        let known = self.memory.get(id.index()).filter(|r| r.fingerprint == prepared.fingerprint).cloned();
        let found = match known {
            Some(remembered) => Some(remembered),
            None => self.cached(id, &prepared)?,
        };
        if let Some(found) = found.filter(|f| f.isolation >= stage.isolation && self.takes(id, f.origin.as_ref())) {
            let mut sound = true;
            for output in found.outputs.iter() {
                if let OutputKind::File { blob, .. } = &output.kind {
                    sound &= self.store.stamp(blob.digest)?.is_some();
                }
            }
            if sound {
                self.products[id.index()] = Some(self.product_of(id, &found));
                return Ok(Foreseen::Hit(key));
            }
        }
        let mut offered = None;
        for cache in &mut self.shared {
            match cache.foresee(key, &stage.outs, stage.isolation) {
                Ok(found) => offered = found,
                Err(fault) => self.faults.push(Fault { name: cache.name().to_owned(), fault, given_up: true }),
            }
            if offered.is_some() {
                break;
            }
        }
        if let Some(found) = offered.and_then(|cached| remembered(&prepared, cached)) {
            self.products[id.index()] = Some(self.product_of(id, &found));
            return Ok(Foreseen::Hit(key));
        }
        let now = Ingredients { keyed: prepared.keyed.clone(), inputs: self.inputs(id, &prepared.contents.files) };
        let mut why = match self.memory.ingredients(&stage.name)? {
            None => vec![Why::NeverRun],
            Some(before) => Why::between(&before, &now),
        };
        why.extend(self.collected(id, key)?);
        if why.is_empty() {
            // As in a run: what is remembered of a stage goes when it has to run, and comes back when it ended well.
            let succeeded = self.memory.get(id.index()).is_some();
            why.push(if succeeded { Why::ResultLost } else { Why::FailedBefore });
        }
        Ok(Foreseen::Runs(key, why))
    }
}
