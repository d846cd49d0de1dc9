//! A pipeline as a Mermaid graph. Labels hold nothing but what is escaped, and the graph is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use orgo_kernel::graph::StageId;
use orgo_kernel::plan::Resolved;
use orgo_spec::review::{PipelineReview, StageReview, Status};

/// The most stages that are drawn; of more, what changed and what is next to it.
const MAX_NODES: usize = 60;

const CLASSES: &str = "    classDef added fill:#dafbe1,stroke:#1a7f37,color:#1f2328\n    \
    classDef changed fill:#fff8c5,stroke:#9a6700,color:#1f2328\n    \
    classDef again fill:#ddf4ff,stroke:#0969da,color:#1f2328\n    \
    classDef perhaps fill:#f6f8fa,stroke:#0969da,stroke-dasharray:4,color:#1f2328\n    \
    classDef removed fill:#ffebe9,stroke:#cf222e,stroke-dasharray:4,color:#1f2328\n";

/// Draws a pipeline of the head, with the stages that are gone beside it.
pub(super) fn graph(plan: &Resolved, review: &PipelineReview) -> String {
    let rows: BTreeMap<&str, &StageReview> = review.stages.iter().map(|s| (s.stage.as_str(), s)).collect();
    let row = |id: StageId| rows.get(plan.stage(id).name.as_str()).copied();
    let shown = shown(plan, |id| row(id).is_some());
    let mut text = "flowchart LR\n".to_owned();
    let mut line =
        |words: std::fmt::Arguments<'_>| writeln!(text, "    {words}").expect("writing to memory does not fail");
    for id in plan.graph.stages().filter(|id| shown.contains(id)) {
        let class = row(id).and_then(class).map_or_else(String::new, |class| format!(":::{class}"));
        line(format_args!("s{}[\"{}\"]{class}", id.0, label(&plan.stage(id).name)));
    }
    for (at, gate) in plan.gates.iter().enumerate().filter(|(_, gate)| shown.contains(&gate.on)) {
        line(format_args!("g{at}{{{{\"gate {}\"}}}}", label(&gate.name)));
        line(format_args!("s{} --> g{at}", gate.on.0));
    }
    let gone: Vec<&StageReview> =
        review.stages.iter().filter(|s| s.status == Status::Removed).take(MAX_NODES).collect();
    for (at, stage) in gone.iter().enumerate() {
        line(format_args!("r{at}[\"{}\"]:::removed", label(&stage.stage)));
    }
    for id in plan.graph.stages().filter(|id| shown.contains(id)) {
        let stage = plan.stage(id);
        let gate = stage.gate.map(|g| g as usize);
        if let Some(gate) = gate.filter(|g| shown.contains(&plan.gates[*g].on)) {
            line(format_args!("g{gate} --> s{}", id.0));
        }
        for needed in plan.graph.dependencies(id).iter().filter(|n| shown.contains(*n)) {
            let reads = stage.from.iter().any(|(from, _)| from == needed);
            if reads {
                line(format_args!("s{} --> s{}", needed.0, id.0));
            } else if gate.is_none_or(|g| plan.gates[g].on != *needed) {
                line(format_args!("s{} -.-> s{}", needed.0, id.0));
            }
        }
    }
    text.push_str(CLASSES);
    text
}

/// How many stages a graph leaves out.
pub(super) fn left_out(plan: &Resolved, review: &PipelineReview) -> usize {
    let names: BTreeSet<&str> = review.stages.iter().map(|s| s.stage.as_str()).collect();
    plan.stages.len() - shown(plan, |id| names.contains(plan.stage(id).name.as_str())).len()
}

/// All stages; if there are too many, those that are told of and, as far as there is room, their neighbours.
fn shown(plan: &Resolved, told: impl Fn(StageId) -> bool) -> BTreeSet<StageId> {
    if plan.stages.len() <= MAX_NODES {
        return plan.graph.stages().collect();
    }
    let mut shown: BTreeSet<StageId> = plan.graph.stages().filter(|id| told(*id)).take(MAX_NODES).collect();
    let centre: Vec<StageId> = shown.iter().copied().collect();
    let neighbours = centre.iter().flat_map(|id| plan.graph.dependencies(*id).iter().chain(plan.graph.dependents(*id)));
    for id in neighbours {
        if shown.len() == MAX_NODES {
            break;
        }
        shown.insert(*id);
    }
    shown
}

fn class(row: &StageReview) -> Option<&'static str> {
    match (row.status, &row.rerun) {
        (Status::Added, _) => Some("added"),
        (Status::Changed, _) => Some("changed"),
        (Status::Removed, _) => Some("removed"),
        (Status::Same, Some(rerun)) => Some(if rerun.certain { "again" } else { "perhaps" }),
        (Status::Same, None) => None,
    }
}

/// A text as Mermaid shows it inside of quotes: everything but letters, digits and a few signs as a number.
fn label(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(100) {
        if c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_' | '/') {
            out.push(c);
        } else {
            out.push_str(&format!("#{};", u32::from(c)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_leave_its_quotes() {
        assert_eq!(label("a\"]; click s0 \"x\"\n"), "a#34;#93;#59; click s0 #34;x#34;#10;");
        assert_eq!(label("<b>#quot;"), "#60;b#62;#35;quot#59;");
        assert_eq!(label("build.linux-x_1/y z"), "build.linux-x_1/y z");
    }
}
