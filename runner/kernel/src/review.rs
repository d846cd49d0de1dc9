//! What a change does to what a repository declares, and what runs again because of it.
//!
//! Two trees are compared by what they *mean*: pipelines after expansion, mandates and rules after decoding. Each
//! difference is a [`Finding`] with a [`Strength`]: `weaker` if less is demanded or more is permitted, `unclear` if
//! that cannot be told. Of two answers that are possible the more alarming one is given.

mod fields;
mod pins;
mod pipeline;
mod places;
mod policy;
mod rerun;
mod rules;
mod stage;

use std::collections::BTreeMap;

use orgo_spec::review::{FileChange, Finding, Kind, PipelineReview, Place, ReviewProblem, Status, Strength};

use crate::declared::Declared;
use crate::graph::StageId;
use crate::plan::Resolved;
use crate::review::places::Places;

/// What was found about everything declared.
#[derive(Debug)]
pub struct Compared {
    /// Findings, weaker first.
    pub findings: Vec<Finding>,
    /// Pipelines that changed or in which something runs again; nothing is estimated yet.
    pub pipelines: Vec<PipelineReview>,
    /// What is wrong with documents of the head.
    pub problems: Vec<ReviewProblem>,
}

/// Compares what two trees declare. `files` are all files that differ between them; `matches` says whether a pattern
/// of the language matches a path.
#[must_use]
pub fn compare(
    base: &Declared,
    head: &Declared,
    files: &[FileChange],
    matches: &mut dyn FnMut(&str, &str) -> bool,
) -> Compared {
    let mut found = Found::default();
    policy::project(base, head, &mut found);
    let mut pipelines = Vec::new();
    for (name, new) in &head.pipelines {
        let old = base.pipelines.get(name);
        let review = match old {
            Some(old) => pipeline::changed(old, new, &mut found),
            None => pipeline::added(new, base, &mut found),
        };
        let review = rerun::reruns(old, new, review, files, matches);
        if review.status != Status::Same || !review.stages.is_empty() {
            pipelines.push(review);
        }
    }
    for (name, old) in base.pipelines.iter().filter(|(name, _)| !head.pipelines.contains_key(*name)) {
        // Of a document that cannot be read it is not known what it declares.
        if !head.errors.iter().any(|e| e.document().name().starts_with("pipelines/")) {
            pipelines.push(pipeline::removed(name, old, &mut found));
        }
    }
    pipelines.sort_by(|a, b| a.name.cmp(&b.name));
    policy::mandates(base, head, &mut found);
    pins::blueprints(base, head, &mut found);
    rules::rules(base, head, &mut found);
    pins::decisions(base, head, &mut found);
    pins::lock(base, head, &mut found);
    pins::others(base, head, &mut found);
    for error in &base.errors {
        found.push(
            Strength::Unclear,
            Kind::Project,
            format!("`{}` of the base cannot be read; what it declared is taken as new", error.document().name()),
        );
    }
    Compared { findings: found.sorted(), pipelines, problems: problems(head) }
}

/// Whether two stages are declared the same, names and places left aside.
#[must_use]
pub fn is_same_stage(one: (&Resolved, StageId), other: (&Resolved, StageId)) -> bool {
    fields::fields(one.0, one.1) == fields::fields(other.0, other.1)
}

fn problems(head: &Declared) -> Vec<ReviewProblem> {
    let mut problems = Vec::new();
    for error in &head.errors {
        let places = Places::new(error.document());
        problems.extend(error.problems().map(|p| ReviewProblem {
            code: p.code(),
            message: p.message().to_owned(),
            help: p.help_text().map(str::to_owned),
            place: places.at(p.span()),
        }));
    }
    problems
}

/// Findings while they are collected.
#[derive(Default)]
struct Found(Vec<Finding>);

impl Found {
    /// Adds a finding; the result is for what else is known about it.
    fn push(&mut self, strength: Strength, kind: Kind, message: impl Into<String>) -> &mut Finding {
        self.0.push(Finding {
            strength,
            kind,
            pipeline: None,
            stages: Vec::new(),
            field: None,
            message: message.into(),
            before: None,
            after: None,
            place: None,
        });
        self.0.last_mut().expect("just added")
    }

    /// One finding for stages of a matrix to which the same happens; weaker first, otherwise in the order of finding.
    fn sorted(self) -> Vec<Finding> {
        type Key =
            (Strength, Kind, Option<String>, Option<String>, String, Option<String>, Option<String>, Option<Place>);
        let mut known: BTreeMap<Key, usize> = BTreeMap::new();
        let mut list: Vec<Finding> = Vec::with_capacity(self.0.len());
        for mut finding in self.0 {
            let key = |f: &Finding| {
                let about = (f.strength, f.kind, f.pipeline.clone(), f.field.clone());
                let said = (f.message.clone(), f.before.clone(), f.after.clone(), f.place.clone());
                (about.0, about.1, about.2, about.3, said.0, said.1, said.2, said.3)
            };
            match known.get(&key(&finding)) {
                Some(at) if !finding.stages.is_empty() => list[*at].stages.append(&mut finding.stages),
                _ => {
                    known.insert(key(&finding), list.len());
                    list.push(finding);
                }
            }
        }
        list.sort_by_key(|f| f.strength);
        list
    }
}

/// Two maps side by side, by key.
fn pairs<'m, K: Ord, V>(
    base: &'m BTreeMap<K, V>,
    head: &'m BTreeMap<K, V>,
) -> Vec<(&'m K, Option<&'m V>, Option<&'m V>)> {
    let gone = base.iter().filter(|(key, _)| !head.contains_key(key)).map(|(key, old)| (key, Some(old), None));
    let mut all: Vec<_> = head.iter().map(|(key, new)| (key, base.get(key), Some(new))).chain(gone).collect();
    all.sort_by(|a, b| a.0.cmp(b.0));
    all
}

#[cfg(test)]
mod tests;
