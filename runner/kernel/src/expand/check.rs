//! What must hold for the expanded form as a whole.

use std::collections::HashSet;

use orgo_spec::document::{Problem, Problems, Spanned};
use orgo_spec::pipeline::Pipeline;
use orgo_spec::{Name, ReasonCode};

use super::fan::Fan;
use super::index::Index;
use super::places::Places;
use crate::plan::ResolvedStage;

/// The longest name that a stage or a gate may expand to, in bytes.
const MAX_NAME: usize = 100;

/// Names that the expanded form could not say are refused.
pub(super) fn check_name(what: &str, name: &str, declared: &Spanned<Name>, problems: &mut Problems) {
    if name.len() > MAX_NAME {
        problems.push(
            Problem::new(
                ReasonCode::DocumentInvalid,
                format!("a {what} would be called `{name}`, which is longer than {MAX_NAME} characters"),
                declared.span,
            )
            .help("shorten its name, or the values of its axes"),
        );
    }
}

/// A gate reads one report: its stage has no axes of its own.
pub(super) fn check_gates(pipeline: &Pipeline, index: &Index<'_>, fans: &[Fan<'_>], problems: &mut Problems) {
    for gate in &pipeline.gates {
        if let Some(on) = index.stage(&gate.on)
            && fans[on].is_fanned()
        {
            problems.push(
                Problem::new(
                    ReasonCode::DocumentInvalid,
                    format!("the gate `{}` would have many reports to read", *gate.name),
                    gate.on.span,
                )
                .also(pipeline.stages[on].name.span, "this stage has axes or items of its own")
                .help("gather them in one stage that writes one report, and put the gate on that"),
            );
        }
    }
}

/// Reports stages that get one name: they would share their results.
pub(super) fn check_labels(pipeline: &Pipeline, places: &Places, stages: &[ResolvedStage], problems: &mut Problems) {
    let mut seen: HashSet<&str> = HashSet::with_capacity(stages.len());
    for (at, stage) in stages.iter().enumerate() {
        if seen.insert(&stage.name) {
            continue;
        }
        let declared = |at: usize| &pipeline.stages[places.owner(at)].name;
        let earlier = stages.iter().position(|s| s.name == stage.name).unwrap_or(at);
        problems.push(
            Problem::new(
                ReasonCode::FieldDuplicate,
                format!("two stages would be called `{}`", stage.name),
                declared(at).span,
            )
            .also(declared(earlier).span, "the other one")
            .help("rename one of the stages, or a value of an axis"),
        );
        return;
    }
}
