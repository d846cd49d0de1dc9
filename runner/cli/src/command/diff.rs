//! `orgo diff`: what a change does, for those who review it.

use orgo_spec::review::{Review, Strength};
use serde_json::json;

use super::Context;
use crate::annotate::{self, Form};
use crate::args::{Affected, Diff, DiffForm, FailOn};
use crate::failure::{Class, Failure};
use crate::output::Output;
use crate::review::{Reviewed, markdown, review, text};

/// Prints the review.
pub(super) fn run(context: &Context, args: &Diff) -> Result<(), Failure> {
    let reviewed = review(context, &args.range)?;
    let form = if context.global.json { DiffForm::Json } else { args.format };
    let output = Output { json: form == DiffForm::Json, ..context.output };
    match form {
        DiffForm::Text => {
            text(&reviewed.review, output.verbose).iter().for_each(|line| output.line(line));
        }
        DiffForm::Markdown => output.line(markdown(&reviewed).trim_end()),
        DiffForm::Json => output.document(&serde_json::to_value(&reviewed.review).expect("a review serializes")),
        DiffForm::Sarif => annotate::print(&annotate::of_review(&reviewed.review), Form::Sarif),
        DiffForm::Github => annotate::print(&annotate::of_review(&reviewed.review), Form::Github),
        DiffForm::Gitlab => annotate::print(&annotate::of_review(&reviewed.review), Form::Gitlab),
    }
    let refused = args.fail_on.and_then(|on| refusal(&reviewed.review, on));
    broken(reviewed, form == DiffForm::Json)?;
    match refused {
        None => Ok(()),
        Some(_) if form == DiffForm::Json => Err(Failure::told(Class::Refused)),
        Some(failure) => Err(failure),
    }
}

/// The refusal that `--fail-on` asks for.
fn refusal(review: &Review, on: FailOn) -> Option<Failure> {
    let counted = |s: Strength| match on {
        FailOn::Weakened => s == Strength::Weaker,
        FailOn::Unclear => s == Strength::Weaker || s == Strength::Unclear,
    };
    let count = review.findings.iter().filter(|f| counted(f.strength)).count();
    let word = match on {
        FailOn::Weakened => "weaker",
        FailOn::Unclear => "weaker or unclear",
    };
    let help = "have it approved by somebody who may, or take it back";
    (count > 0).then(|| Failure::message(Class::Refused, None, format!("{count} findings are {word}"), help))
}

/// The failure that a head with wrong documents is.
fn broken(reviewed: Reviewed, told: bool) -> Result<(), Failure> {
    let errors = reviewed.into_errors();
    match errors.is_empty() {
        true => Ok(()),
        false if told => Err(Failure::told(Class::Declared)),
        false => Err(Failure::documents(errors)),
    }
}

/// `orgo affected`: the names of what runs again.
pub(super) fn affected(context: &Context, args: &Affected) -> Result<(), Failure> {
    let reviewed = review(context, &args.range)?;
    let mut pipelines = Vec::new();
    for pipeline in &reviewed.review.pipelines {
        let stages: Vec<_> = pipeline.stages.iter().filter_map(|s| s.rerun.as_ref().map(|r| (s, r))).collect();
        if stages.is_empty() {
            continue;
        }
        if args.pipelines {
            context.output.line(&pipeline.name);
        } else {
            stages.iter().for_each(|(stage, _)| context.output.line(format!("{} {}", pipeline.name, stage.stage)));
        }
        let stages: Vec<_> = stages
            .iter()
            .map(|(stage, rerun)| json!({ "stage": stage.stage, "certain": rerun.certain, "because": rerun.because }))
            .collect();
        pipelines.push(json!({ "pipeline": pipeline.name, "stages": stages }));
    }
    let Review { base, head, .. } = &reviewed.review;
    let broken_head = !reviewed.review.problems.is_empty();
    context.output.document(&json!({
        "schema": "orgo.affected/1", "base": base, "head": head, "complete": !broken_head, "pipelines": pipelines,
    }));
    broken(reviewed, context.output.json)
}
