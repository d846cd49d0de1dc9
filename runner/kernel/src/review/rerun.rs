//! What runs again, and why.
//!
//! A stage runs again if its key is another one. From the declarations alone it is known that it is another if the
//! stage is new, its definition changed, or a file that it reads did. What reads from such a stage may run again: it is
//! answered from the cache if what it reads comes out as before (early cut-off).

use std::collections::{BTreeMap, BTreeSet};

use orgo_spec::review::{Because, FileChange, PipelineReview, Rerun, StageReview, Status};

use super::fields::{self, Fields, InKey, fields, in_key};
use super::pipeline::Side;
use crate::declared::DeclaredPipeline;
use crate::graph::StageId;
use crate::plan::Resolved;

/// Adds to a review why stages run again, and the stages that run again without being changed themselves.
pub(super) fn reruns(
    old: Option<&DeclaredPipeline>,
    new: &DeclaredPipeline,
    mut review: PipelineReview,
    files: &[FileChange],
    matches: &mut dyn FnMut(&str, &str) -> bool,
) -> PipelineReview {
    let plan = &new.plan;
    let mut rows: BTreeMap<String, StageReview> = review.stages.drain(..).map(|s| (s.stage.clone(), s)).collect();
    let mut touched = Touched { files, matches, known: BTreeMap::new() };
    let services = services(old.map(|o| &o.plan), plan, &mut touched);
    let then = old.map(|old| Then::new(&old.plan, plan));
    let order = plan.graph.topological().expect("`expand` refuses cycles");
    let mut again: Vec<Option<Rerun>> = vec![None; plan.stages.len()];
    for id in order.iter().copied().filter(|id| !plan.stage(*id).is_finally()) {
        again[id.index()] = own(then.as_ref(), plan, id, &services, &mut touched, &again);
    }
    let any = again.iter().any(Option::is_some);
    for id in order.iter().copied().filter(|id| plan.stage(*id).is_finally()) {
        let mut rerun = own(then.as_ref(), plan, id, &services, &mut touched, &again);
        if any && rerun.is_none() {
            rerun = Some(Rerun { certain: false, because: vec![Because::Last] });
        }
        again[id.index()] = rerun;
    }
    let side = Side::new(new);
    for id in plan.graph.stages() {
        let name = plan.stage(id).name.as_str();
        let rerun = again[id.index()].take();
        match (rows.remove(name), rerun) {
            (Some(row), rerun) => review.stages.push(StageReview { rerun, ..row }),
            (None, Some(rerun)) => review.stages.push(StageReview {
                stage: name.to_owned(),
                status: Status::Same,
                rerun: Some(rerun),
                last_ms: None,
                place: Some(side.stage(name, None)),
            }),
            (None, None) => {}
        }
    }
    review.stages.extend(rows.into_values());
    review
}

/// The pipeline as it was.
struct Then<'p> {
    plan: &'p Resolved,
    stages: BTreeMap<&'p str, StageId>,
    /// What stages were that are not called so any more.
    gone: BTreeSet<Fields>,
}

impl<'p> Then<'p> {
    fn new(plan: &'p Resolved, now: &Resolved) -> Self {
        let stages: BTreeMap<&str, StageId> =
            plan.graph.stages().map(|id| (plan.stage(id).name.as_str(), id)).collect();
        let names: BTreeSet<&str> = now.stages.iter().map(|s| s.name.as_str()).collect();
        let gone = stages.iter().filter(|(name, _)| !names.contains(*name)).map(|(_, id)| fields(plan, *id)).collect();
        Self { plan, stages, gone }
    }

    fn fields(&self, name: &str) -> Option<Fields> {
        self.stages.get(name).map(|id| fields(self.plan, *id))
    }
}

/// Why one stage runs again, if it does; what it reads from was decided before.
fn own(
    then: Option<&Then<'_>>,
    plan: &Resolved,
    id: StageId,
    services: &BTreeSet<&str>,
    touched: &mut Touched<'_>,
    again: &[Option<Rerun>],
) -> Option<Rerun> {
    let stage = plan.stage(id);
    let mut because = Vec::new();
    let mut certain = false;
    let is = fields(plan, id);
    match then.and_then(|then| then.fields(&stage.name)) {
        Some(was) => {
            let differ = was.keys().chain(is.keys()).collect::<BTreeSet<_>>().into_iter();
            let differ: Vec<&String> = differ.filter(|f| was.get(*f) != is.get(*f) && in_key(f) != InKey::No).collect();
            certain |= differ.iter().any(|f| in_key(f) == InKey::Yes);
            if !differ.is_empty() {
                because.push(Because::Definition { fields: differ.into_iter().cloned().collect() });
            }
        }
        // The name is not in the key, so a renamed stage is answered from the cache.
        None if then.is_some_and(|then| then.gone.contains(&is)) => {}
        None => {
            certain = true;
            because.push(Because::New);
        }
    }
    // Which files its items name is not known, nor which items a list will have.
    let list = stage.pending().map(|list| list.stage);
    let paths = match list {
        None => touched.by(&stage.files),
        Some(_) => touched.by(&stage.files.iter().map(|pattern| of_any_item(pattern)).collect::<Vec<_>>()),
    };
    if !paths.is_empty() {
        certain |= list.is_none();
        because.push(Because::Files { paths });
    }
    let changed = |at: &u32| services.get(plan.services[*at as usize].name.as_str()).map(|s| (*s).to_owned());
    let needed: Vec<String> = stage.services().iter().filter_map(changed).collect();
    if !needed.is_empty() {
        certain = true;
        because.push(Because::Services { services: needed });
    }
    let mut stages: Vec<String> = Vec::new();
    for needed in stage.from.iter().map(|(needed, _)| needed).chain(&list) {
        let name = &plan.stage(*needed).name;
        if again[needed.index()].is_some() && !stages.contains(name) {
            stages.push(name.clone());
        }
    }
    if !stages.is_empty() {
        because.push(Because::Upstream { stages });
    }
    (!because.is_empty()).then_some(Rerun { certain, because })
}

/// A pattern that matches whatever `pattern` does for any item: a value may have several parts.
fn of_any_item(pattern: &str) -> String {
    let part = |part| if str::contains(part, "${") { "**" } else { part };
    pattern.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Services that are not what they were.
fn services<'p>(old: Option<&Resolved>, plan: &'p Resolved, touched: &mut Touched<'_>) -> BTreeSet<&'p str> {
    let was = |name: &str| old.and_then(|o| o.services.iter().find(|s| s.name == name)).map(fields::service);
    let differs = |s: &&crate::plan::ResolvedService| {
        was(&s.name) != Some(fields::service(s)) || !touched.by(&s.files).is_empty()
    };
    plan.services.iter().filter(differs).map(|s| s.name.as_str()).collect()
}

/// Which files that differ a pattern matches; each pattern is asked for once.
struct Touched<'t> {
    files: &'t [FileChange],
    matches: &'t mut dyn FnMut(&str, &str) -> bool,
    known: BTreeMap<String, Vec<String>>,
}

impl Touched<'_> {
    fn by(&mut self, patterns: &[String]) -> Vec<String> {
        let mut paths = BTreeSet::new();
        for pattern in patterns {
            if !self.known.contains_key(pattern) {
                let all = self.files.iter().flat_map(|f| std::iter::once(&f.path).chain(&f.from));
                let matched = all.filter(|path| (self.matches)(pattern, path)).cloned().collect();
                self.known.insert(pattern.clone(), matched);
            }
            paths.extend(self.known[pattern].iter().cloned());
        }
        paths.into_iter().collect()
    }
}
