//! A review as text for people.

use std::time::Duration;

use orgo_spec::review::{Because, Estimate, Finding, PipelineReview, Review, Side, StageReview, Status, Strength};

use crate::output::{DIM, GREEN, RED, RESET, YELLOW, plain};
use crate::report::duration;

/// The most characters of a value that a line shows.
const SHORT: usize = 100;

/// The lines of a review.
pub(crate) fn text(review: &Review, verbose: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (word, side) in [("base", &review.base), ("head", &review.head)] {
        lines.push(format!("{word}  {}", plain(&side_text(side))));
    }
    lines.push(String::new());
    if review.findings.is_empty() && review.pipelines.is_empty() && review.problems.is_empty() {
        lines.push(match review.files.len() {
            0 => "nothing changes".to_owned(),
            n => format!("nothing changes: {} that nothing reads", differ(n)),
        });
        return lines;
    }
    lines.push(counts(review));
    for finding in &review.findings {
        finding_lines(finding, verbose, &mut lines);
    }
    for pipeline in &review.pipelines {
        pipeline_lines(pipeline, &mut lines);
    }
    lines.push(String::new());
    lines.push(match review.files.len() {
        0 => "no file differs".to_owned(),
        n => differ(n),
    });
    if !review.problems.is_empty() {
        lines.push(format!("the head has {} problems; what is said here is not complete", review.problems.len()));
    }
    lines
}

/// How many files differ, in words.
pub(super) fn differ(files: usize) -> String {
    if files == 1 { "1 file differs".to_owned() } else { format!("{files} files differ") }
}

/// How many findings go which way.
pub(super) fn counts(review: &Review) -> String {
    let count = |strength| review.findings.iter().filter(|f| f.strength == strength).count();
    let words = [Strength::Weaker, Strength::Unclear, Strength::Stronger, Strength::Neutral];
    words.map(|s| format!("{} {}", count(s), s.as_str())).join(", ")
}

/// A side's name, and its commit if the name is not the commit itself.
pub(super) fn side_text(side: &Side) -> String {
    match &side.commit {
        Some(commit) if *commit != side.name => format!("{} ({})", side.name, &commit[..12]),
        Some(_) | None => side.name.clone(),
    }
}

fn finding_lines(finding: &Finding, verbose: bool, lines: &mut Vec<String>) {
    let (paint, word) = match finding.strength {
        Strength::Weaker => (RED, "WEAKER  "),
        Strength::Unclear => (YELLOW, "UNCLEAR "),
        Strength::Stronger => (GREEN, "stronger"),
        Strength::Neutral => (DIM, "neutral "),
    };
    let about = about(finding).map_or_else(String::new, |about| format!("{about}: "));
    lines.push(format!("{paint}{word}{RESET} {}", plain(&format!("{about}{}", finding.message))));
    for (word, value) in [("was", &finding.before), ("is", &finding.after)] {
        if let Some(value) = value {
            let value = if verbose { value.clone() } else { short(value) };
            lines.push(format!("         {word:<3} {}", plain(&value)));
        }
    }
    if let Some(place) = &finding.place {
        lines.push(format!("         {DIM}{}{RESET}", plain(&format!("{}:{}", place.file, place.line))));
    }
}

/// What a finding is about: the stage or stages, with their pipeline.
pub(super) fn about(finding: &Finding) -> Option<String> {
    let pipeline = finding.pipeline.as_deref()?;
    Some(match finding.stages.as_slice() {
        [] => pipeline.to_owned(),
        [stage] => format!("{pipeline}/{stage}"),
        [first, rest @ ..] => format!("{pipeline}/{first} and {} more", rest.len()),
    })
}

/// A value on one line, cut where it is long.
pub(super) fn short(value: &str) -> String {
    let line = value.replace('\n', " ");
    match line.char_indices().nth(SHORT) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

fn pipeline_lines(pipeline: &PipelineReview, lines: &mut Vec<String>) {
    lines.push(String::new());
    lines.push(headline(pipeline));
    for stage in &pipeline.stages {
        let word = match (&stage.rerun, stage.status) {
            (Some(rerun), _) if rerun.certain => "runs",
            (Some(_), _) => "may run",
            (None, Status::Removed) => "gone",
            (None, Status::Added | Status::Changed | Status::Same) => "hit",
        };
        let time = stage.last_ms.map_or_else(String::new, |ms| format!(" ({})", time(ms)));
        lines.push(format!("  {word:<8} {:<24} {}{time}", plain(&stage.stage), plain(&because(stage))));
    }
    if let Some(text) = estimated(&pipeline.estimate) {
        lines.push(format!("  {text}"));
    }
}

/// What becomes of a pipeline, in one line.
pub(super) fn headline(pipeline: &PipelineReview) -> String {
    let again = pipeline.stages.iter().filter_map(|s| s.rerun.as_ref());
    let certain = again.clone().filter(|r| r.certain).count();
    let perhaps = again.count() - certain;
    let name = plain(&pipeline.name);
    match pipeline.status {
        Status::Removed => format!("{name}: removed"),
        status @ (Status::Added | Status::Changed | Status::Same) => format!(
            "{name}: {}; of {} stages {certain} run again, {perhaps} may",
            if status == Status::Same { "as before" } else { status.as_str() },
            pipeline.total
        ),
    }
}

/// Why a stage runs again, in words.
pub(super) fn because(stage: &StageReview) -> String {
    let Some(rerun) = &stage.rerun else {
        return match stage.status {
            Status::Removed => "it is removed".to_owned(),
            Status::Added | Status::Changed | Status::Same => "its key is as before".to_owned(),
        };
    };
    let list = |names: &[String]| match names {
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a}, {b}, {c} and {} more", rest.len()),
        names => names.join(", "),
    };
    let reason = |b: &Because| match b {
        Because::New => "it is new".to_owned(),
        Because::Definition { fields } => format!("declared differently: {}", list(fields)),
        Because::Files { paths } => format!("reads {}", list(paths)),
        Because::Services { services } => format!("another service: {}", list(services)),
        Because::Upstream { stages } if rerun.certain => format!("reads from {}", list(stages)),
        Because::Upstream { stages } => format!("reads from {}; stops here if that comes out as before", list(stages)),
        Because::Last => "comes last".to_owned(),
    };
    rerun.because.iter().map(reason).collect::<Vec<_>>().join("; ")
}

/// How long it may take, in one line; nothing if nothing runs again.
pub(super) fn estimated(estimate: &Estimate) -> Option<String> {
    let Estimate { work_ms, certain_ms, chain_ms, unknown, source } = estimate;
    let unknown = match unknown {
        0 => String::new(),
        1 => "; 1 stage was never measured".to_owned(),
        n => format!("; {n} stages were never measured"),
    };
    match source {
        None if unknown.is_empty() => None,
        None => Some("time: unknown, nothing was measured here".to_owned()),
        Some(source) => Some(format!(
            "time: up to {} of work, {} of it in any case, at least {} one after the other (by: {}){unknown}",
            time(*work_ms),
            time(*certain_ms),
            time(*chain_ms),
            plain(source)
        )),
    }
}

fn time(ms: u64) -> String {
    duration(Duration::from_millis(ms))
}
