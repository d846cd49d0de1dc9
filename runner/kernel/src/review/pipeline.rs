//! Pipelines, before and after: stages, gates, what governs them, what they share.

use std::collections::BTreeMap;

use orgo_spec::review::{Estimate, Finding, Kind, PipelineReview, Place, StageReview, Status, Strength};

use super::fields::{self, Fields, fields};
use super::places::Places;
use super::{Found, pairs, stage};
use crate::declared::{Declared, DeclaredPipeline};
use crate::graph::StageId;
use crate::plan::{Resolved, ResolvedApproval};

/// A pipeline of the head, and where its parts are written.
pub(super) struct Side<'d> {
    pub(super) plan: &'d Resolved,
    places: Places<'d>,
    /// Names of the stages as they are written, longest first.
    written: Vec<&'d str>,
}

impl<'d> Side<'d> {
    pub(super) fn new(declared: &'d DeclaredPipeline) -> Self {
        let mut written: Vec<&str> = declared.pipeline.stages.iter().map(|s| s.name.as_str()).collect();
        written.sort_unstable_by_key(|name| (std::cmp::Reverse(name.len()), *name));
        Self { plan: &declared.plan, places: Places::new(&declared.document), written }
    }

    /// The pipeline, or a field of it.
    pub(super) fn pipeline(&self, field: Option<&str>) -> Place {
        self.places.find(&[("pipeline", &self.plan.name)], field)
    }

    /// Something that the pipeline holds, by its word and name.
    fn part(&self, word: &str, name: &str) -> Place {
        self.places.find(&[("pipeline", &self.plan.name), (word, name)], None)
    }

    /// A stage, or a field of it; values of the matrix stand behind its written name.
    pub(super) fn stage(&self, name: &str, field: Option<&str>) -> Place {
        let is = |w: &&&str| name.strip_prefix(**w).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let written = self.written.iter().find(is).copied().unwrap_or(name);
        // `env NAME` and `config NAME` are written as `env` and NAME.
        let field = field.map(|f| match f.split_once(' ') {
            Some(("config", name)) => name,
            Some((word, _)) => word,
            None => f,
        });
        self.places.find(&[("pipeline", &self.plan.name), ("stage", written)], field)
    }

    fn by_name(&self) -> BTreeMap<&'d str, StageId> {
        self.plan.graph.stages().map(|id| (self.plan.stage(id).name.as_str(), id)).collect()
    }
}

/// A stage of a review; why it runs again is found later.
fn row(stage: &str, status: Status, place: Option<Place>) -> StageReview {
    StageReview { stage: stage.to_owned(), status, rerun: None, last_ms: None, place }
}

fn review(name: &str, status: Status, total: usize, stages: Vec<StageReview>) -> PipelineReview {
    PipelineReview { name: name.to_owned(), status, total, stages, estimate: Estimate::default() }
}

/// A pipeline that is new.
pub(super) fn added(new: &DeclaredPipeline, base: &Declared, found: &mut Found) -> PipelineReview {
    let side = Side::new(new);
    let plan = side.plan;
    let mut about = About { pipeline: &plan.name, found };
    let message =
        format!("the pipeline `{}` is new: {} stages, {} gates", plan.name, plan.stages.len(), plan.gates.len());
    about.add(Strength::Neutral, Kind::PipelineAdded, message).place = Some(side.pipeline(None));
    if plan.mandate.is_none() && base.pipelines.values().any(|p| p.plan.mandate.is_some()) {
        let message = format!("no mandate governs the new pipeline `{}`", plan.name);
        about.add(Strength::Unclear, Kind::PipelineChanged, message).place = Some(side.pipeline(None));
    }
    let stages = plan.stages.iter().map(|s| row(&s.name, Status::Added, Some(side.stage(&s.name, None)))).collect();
    for id in plan.graph.stages() {
        stage::grants(&side, id, &mut about);
    }
    review(&plan.name, Status::Added, plan.stages.len(), stages)
}

/// A pipeline that is gone.
pub(super) fn removed(name: &str, old: &DeclaredPipeline, found: &mut Found) -> PipelineReview {
    let mut about = About { pipeline: name, found };
    let message = format!(
        "the pipeline `{name}` is removed, with {} stages and {} gates",
        old.plan.stages.len(),
        old.plan.gates.len()
    );
    about.add(Strength::Unclear, Kind::PipelineRemoved, message);
    let stages = old.plan.stages.iter().map(|s| row(&s.name, Status::Removed, None)).collect();
    review(name, Status::Removed, 0, stages)
}

/// A pipeline that is in both.
pub(super) fn changed(old: &DeclaredPipeline, new: &DeclaredPipeline, found: &mut Found) -> PipelineReview {
    let (side, before) = (Side::new(new), &old.plan);
    let plan = side.plan;
    let count = found.0.len();
    let mut about = About { pipeline: &plan.name, found };
    head(before, &side, &mut about);
    gates(before, &side, &mut about);
    approvals(before, &side, &mut about);
    let (old_ids, new_ids) = (Side::new(old).by_name(), side.by_name());
    let lost = old_ids.iter().filter(|(name, _)| !new_ids.contains_key(*name)).map(|(_, id)| *id);
    let mut gone: BTreeMap<Fields, StageId> = lost.map(|id| (fields(before, id), id)).collect();
    let mut renamed: Vec<StageId> = Vec::new();
    let mut rows = Vec::new();
    for id in plan.graph.stages() {
        let name = plan.stage(id).name.as_str();
        if let Some(old_id) = old_ids.get(name) {
            if stage::changed((before, *old_id), (&side, id), &mut about) {
                rows.push(row(name, Status::Changed, Some(side.stage(name, None))));
            }
            continue;
        }
        let place = side.stage(name, None);
        rows.push(row(name, Status::Added, Some(place.clone())));
        let now = fields(plan, id);
        if let Some(then) = gone.remove(&now) {
            renamed.push(then);
            let then = &before.stage(then).name;
            let finding =
                about.add(Strength::Neutral, Kind::StageRenamed, format!("the stage `{then}` is called `{name}` now"));
            finding.stages = vec![name.to_owned()];
            finding.place = Some(place);
            continue;
        }
        let finding = about.add(Strength::Neutral, Kind::StageAdded, "a stage is added");
        finding.stages = vec![name.to_owned()];
        finding.after = now.get("run").or_else(|| now.get("uses")).cloned();
        finding.place = Some(place);
        stage::grants(&side, id, &mut about);
    }
    for (name, id) in old_ids.iter().filter(|(name, _)| !new_ids.contains_key(*name)) {
        rows.push(row(name, Status::Removed, None));
        if renamed.contains(id) {
            continue;
        }
        let then = fields(before, *id);
        let message = "a stage is removed; what it checked is not checked any more";
        let finding = about.add(Strength::Unclear, Kind::StageRemoved, message);
        finding.stages = vec![(*name).to_owned()];
        finding.before = then.get("run").or_else(|| then.get("uses")).cloned();
        finding.place = Some(side.pipeline(None));
    }
    shared(before, &side, &mut about);
    let status = if found.0.len() == count { Status::Same } else { Status::Changed };
    review(&plan.name, status, plan.stages.len(), rows)
}

/// What governs a pipeline.
fn head(before: &Resolved, side: &Side<'_>, about: &mut About<'_>) {
    let after = side.plan;
    let mut say = |field: &str, old: Option<String>, new: Option<String>, strength: Strength| {
        if old != new {
            let message = match (&old, &new) {
                (Some(_), None) => format!("the pipeline has no {field} any more"),
                (None, _) => format!("the pipeline has a {field} now"),
                (Some(_), Some(_)) => format!("the pipeline has another {field}"),
            };
            let finding = about.add(strength, Kind::PipelineChanged, message);
            finding.field = Some(field.to_owned());
            (finding.before, finding.after) = (old, new);
            finding.place = Some(side.pipeline(Some(field)));
        }
    };
    let direction = |old: bool, new: bool| match (old, new) {
        (true, false) => Strength::Weaker,
        (false, true) => Strength::Stronger,
        (true, true) | (false, false) => Strength::Unclear,
    };
    let word = |on: bool, word: &str| on.then(|| word.to_owned());
    say(
        "profile",
        word(before.kristal, "kristal"),
        word(after.kristal, "kristal"),
        direction(before.kristal, after.kristal),
    );
    let (old, new) = (before.mandate.clone(), after.mandate.clone());
    say("mandate", old, new, direction(before.mandate.is_some(), after.mandate.is_some()));
    let (old, new) = (before.blueprint.clone(), after.blueprint.clone());
    say("blueprint", old, new, direction(before.blueprint.is_some(), after.blueprint.is_some()));
    let (old, new) = (before.record_always, after.record_always);
    say("record", word(old, "always"), word(new, "always"), direction(old, new));
}

fn gates(before: &Resolved, side: &Side<'_>, about: &mut About<'_>) {
    let on = |plan: &Resolved| -> BTreeMap<String, String> {
        plan.gates.iter().map(|g| (g.name.clone(), plan.stage(g.on).name.clone())).collect()
    };
    let (old, new) = (on(before), on(side.plan));
    for (name, was, is) in pairs(&old, &new) {
        let place = Some(side.part("gate", name));
        let (strength, kind, message) = match (was, is) {
            (None, Some(on)) => {
                (Strength::Stronger, Kind::GateAdded, format!("a gate `{name}` decides about the report of `{on}`"))
            }
            (Some(on), None) => (
                Strength::Weaker,
                Kind::GateRemoved,
                format!("the gate `{name}` about the report of `{on}` is removed"),
            ),
            (Some(was), Some(is)) if was != is => {
                let message = format!("the gate `{name}` decides about the report of `{is}`, not of `{was}` any more");
                (Strength::Unclear, Kind::GateMoved, message)
            }
            (Some(_), Some(_)) | (None, None) => continue,
        };
        let finding = about.add(strength, kind, message);
        (finding.before, finding.after, finding.place) = (was.cloned(), is.cloned(), place);
    }
}

/// Services, pools and mutexes.
fn shared(before: &Resolved, side: &Side<'_>, about: &mut About<'_>) {
    let services = |plan: &Resolved| -> BTreeMap<String, String> {
        plan.services.iter().map(|s| (s.name.clone(), fields::service(s))).collect()
    };
    let resources = |plan: &Resolved| -> BTreeMap<String, String> {
        plan.resources.iter().map(|r| (r.name.clone(), r.capacity.to_string())).collect()
    };
    let of_kind = [
        (Kind::Service, "service", services(before), services(side.plan)),
        (Kind::Resource, "pool", resources(before), resources(side.plan)),
    ];
    for (kind, word, old, new) in of_kind {
        for (name, was, is) in pairs(&old, &new).into_iter().filter(|(_, was, is)| was != is) {
            let what = match (was, is) {
                (None, _) => "is added",
                (_, None) => "is removed",
                (Some(_), Some(_)) => "changes",
            };
            let finding = about.add(Strength::Neutral, kind, format!("the {word} `{name}` {what}"));
            (finding.before, finding.after) = (was.cloned(), is.cloned());
            finding.place = Some(side.part(word, name));
        }
    }
}

/// Findings about one pipeline.
pub(super) struct About<'a> {
    pub(super) pipeline: &'a str,
    pub(super) found: &'a mut Found,
}

impl About<'_> {
    pub(super) fn add(&mut self, strength: Strength, kind: Kind, message: impl Into<String>) -> &mut Finding {
        let finding = self.found.push(strength, kind, message);
        finding.pipeline = Some(self.pipeline.to_owned());
        finding
    }
}

/// Who must agree: fewer people, more who may, and a longer time are weaker.
fn approvals(before: &Resolved, side: &Side<'_>, about: &mut About<'_>) {
    let by_name = |plan: &Resolved| -> BTreeMap<String, ResolvedApproval> {
        plan.approvals.iter().map(|a| (a.name.clone(), a.clone())).collect()
    };
    let text = |a: &ResolvedApproval| {
        let by = if a.by.is_empty() { "all approvers".to_owned() } else { a.by.join(", ") };
        format!("{} of {by}, for at most {} s", a.need, a.expires_s)
    };
    for (name, was, is) in pairs(&by_name(before), &by_name(side.plan)) {
        let (strength, what) = match (was, is) {
            (None, Some(_)) => (Strength::Stronger, "is added"),
            (Some(_), None) => (Strength::Weaker, "is removed"),
            (Some(was), Some(is)) if was != is => (direction_of(was, is), "changes"),
            (Some(_), Some(_)) | (None, None) => continue,
        };
        let finding = about.add(strength, Kind::Approval, format!("the approval `{name}` {what}"));
        (finding.before, finding.after) = (was.map(text), is.map(text));
        finding.place = Some(side.part("approval", name));
    }
}

fn direction_of(was: &ResolvedApproval, is: &ResolvedApproval) -> Strength {
    let everyone = |a: &ResolvedApproval| a.by.is_empty();
    let within = |a: &ResolvedApproval, b: &ResolvedApproval| {
        everyone(b) || !everyone(a) && a.by.iter().all(|n| b.by.contains(n))
    };
    if is.need < was.need || is.expires_s > was.expires_s || !within(is, was) {
        Strength::Weaker
    } else {
        Strength::Stronger
    }
}
