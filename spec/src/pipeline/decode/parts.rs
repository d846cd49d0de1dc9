//! Parts of a stage: programs, edges, outputs, items, conditions.

use crate::document::{Fields, Node, Problem, Problems, RelativePath, Span, Spanned};
use crate::pipeline::matrix::Matrix;
use crate::pipeline::param::{Param, Written};
use crate::pipeline::stage::{Artifact, Condition, ForEach, From, ItemList, Stage};
use crate::{Name, ReasonCode};

/// The program and its arguments; one line says it.
pub(super) fn run(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<Spanned<String>> {
    let lines = fields.node().children.iter().filter(|c| *c.name == "run").map(|c| c.name.span).collect::<Vec<_>>();
    if let [first, second, ..] = lines.as_slice() {
        problems.push(
            Problem::new(ReasonCode::FieldDuplicate, "a stage runs one program", *second)
                .label("a second one")
                .also(*first, "the first one")
                .help("write a stage for each, or one shell: `run \"sh\" \"-c\" \"first && second\"`"),
        );
    }
    fields.list("run", problems)
}

/// Edges that carry outputs.
pub(super) fn from(node: &Node, problems: &mut Problems) -> Vec<From> {
    let mut fields = Fields::new(node);
    let at: Option<Spanned<RelativePath>> = fields.one("at", problems);
    let artifact: Option<Spanned<Name>> = fields.one("artifact", problems);
    let stages: Vec<Spanned<Name>> = fields.args("`from`", problems);
    fields.finish(problems);
    if stages.is_empty() && node.args.is_empty() {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "`from` names no stage", node.span)
                .help("write `from \"stage\"`"),
        );
    }
    if let (Some(span), true) = (at.as_ref().map(|a| a.span).or(artifact.as_ref().map(|a| a.span)), stages.len() > 1) {
        problems.push(
            Problem::new(ReasonCode::OutputConflict, "several stages cannot appear at one place", span)
                .help("write one `from` for each"),
        );
    }
    stages.into_iter().map(|stage| From { stage, artifact: artifact.clone(), at: at.clone() }).collect()
}

/// Outputs, and the names of those that have one.
pub(super) fn outs(nodes: Vec<&Node>, problems: &mut Problems) -> (Vec<Spanned<RelativePath>>, Vec<Artifact>) {
    let mut outs: Vec<Spanned<RelativePath>> = Vec::new();
    let mut artifacts: Vec<Artifact> = Vec::new();
    for node in nodes {
        let mut fields = Fields::new(node);
        let paths: Vec<Spanned<RelativePath>> = fields.args("`out`", problems);
        let name = fields.one::<Name>("as", problems);
        fields.finish(problems);
        if node.args.is_empty() {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "`out` needs at least one value", node.span)
                    .help("write `out \"…\"`, or remove the line"),
            );
        }
        if let Some(name) = name {
            if paths.len() > 1 {
                problems.push(
                    Problem::new(ReasonCode::FieldDuplicate, "several outputs cannot have one name", name.span)
                        .help("write one `out` for each"),
                );
            }
            artifacts.push(Artifact { name, out: outs.len() });
        }
        outs.extend(paths);
    }
    super::unique(artifacts.iter().map(|a| &a.name), "output", problems);
    (outs, artifacts)
}

/// The list whose items a stage is repeated for.
pub(super) fn for_each(node: &Node, problems: &mut Problems) -> Option<ForEach> {
    let mut fields = Fields::new(node);
    let item = fields.arg::<Name>("a name for an item", problems);
    let said = ["in", "from", "artifact"].map(|name| fields.has(name));
    let file = fields.one::<RelativePath>("in", problems);
    let stage = fields.one::<Name>("from", problems);
    let artifact = fields.one::<Name>("artifact", problems);
    fields.finish(problems);
    if let Some(item) = item.as_ref().filter(|i| i.as_str().contains('.')) {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "the name of an item has no dot", item.span)
                .help("the dot stands before a column: `${item.column}`"),
        );
    }
    let list = match (file, stage, artifact) {
        (Some(file), None, None) => ItemList::File(file),
        (None, Some(stage), Some(artifact)) => ItemList::Output { stage, artifact },
        // What is wrong with a value was told.
        (_, _, _) if matches!(said, [true, false, false] | [false, true, true]) => return None,
        (_, _, _) => {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "`for-each` names one list", node.span).help(
                    "write `in=\"list.txt\"` for a committed file, or `from=\"stage\" artifact=\"name\"` for an output that has a name",
                ),
            );
            return None;
        }
    };
    Some(ForEach { item: item?, list })
}

/// What must hold for a stage to be part of a run.
pub(super) fn when(node: &Node, problems: &mut Problems) -> Option<Condition> {
    let mut fields = Fields::new(node);
    let as_property = node.props.iter().any(|(name, _)| **name == "changed");
    let changed: Vec<Spanned<String>> = if as_property {
        fields.one("changed", problems).into_iter().collect()
    } else {
        fields.list("changed", problems)
    };
    let param = fields.one::<Name>("param", problems);
    let is = fields.one::<Written>("is", problems);
    fields.finish(problems);
    match (changed.is_empty(), param, is) {
        (false, None, None) => Some(Condition::Changed(changed)),
        (true, Some(name), Some(is)) => Some(Condition::Param { name, is: is.map(|t| t.0) }),
        (_, _, _) => {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "`when` says one thing", node.span)
                    .help("write `when changed=\"src/**\"`, or `when param=\"level\" is=\"3\"`"),
            );
            None
        }
    }
}

/// Parameters, axes and items share one namespace; conditions name parameters that are there.
pub(super) fn one_namespace(params: &[Param], matrix: &Matrix, stages: &[Stage], problems: &mut Problems) {
    let axes = |matrix: &Matrix| matrix.axes.iter().map(|a| (a.name.value.clone(), a.name.span)).collect::<Vec<_>>();
    let mut taken: Vec<(String, Span)> = params.iter().map(|p| (p.name.as_str().to_owned(), p.name.span)).collect();
    let clash = |taken: &[(String, Span)], name: &str, span: Span, problems: &mut Problems| {
        if let Some((_, earlier)) = taken.iter().find(|(other, _)| other == name) {
            problems.push(
                Problem::new(ReasonCode::FieldDuplicate, format!("`${{{name}}}` would mean two things"), span)
                    .label("declared again here")
                    .also(*earlier, "declared here")
                    .help("parameters, axes and items share one namespace: rename one of them"),
            );
        }
    };
    for (name, span) in axes(matrix) {
        clash(&taken[..params.len()], &name, span, problems);
        taken.push((name, span));
    }
    for stage in stages {
        let mut inner = axes(&stage.matrix);
        inner.extend(stage.for_each.iter().map(|f| (f.item.as_str().to_owned(), f.item.span)));
        for (name, span) in inner {
            clash(&taken, &name, span, problems);
        }
        if let Some(item) = &stage.for_each {
            clash(&axes(&stage.matrix), item.item.as_str(), item.item.span, problems);
        }
        for condition in &stage.when {
            let Condition::Param { name, is } = condition else { continue };
            match params.iter().find(|p| *p.name == **name) {
                None => problems.push(super::missing(
                    ReasonCode::ParameterUnknown,
                    "parameter",
                    name,
                    &params.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
                )),
                Some(param) if param.kind.read(is) != Some(is.value.clone()) => problems.push(
                    Problem::new(
                        ReasonCode::ParameterInvalid,
                        format!("`{}` is never `{}`", **name, is.escape_debug()),
                        is.span,
                    )
                    .label(format!("it is {}", param.kind.expected()))
                    .also(param.name.span, "declared here")
                    .help("correct the value"),
                ),
                Some(_) => {}
            }
        }
    }
}

/// Reports outputs that lie in others.
pub(super) fn overlapping(outs: &[Spanned<RelativePath>], problems: &mut Problems) {
    let mut sorted: Vec<_> = outs.iter().collect();
    sorted.sort();
    for pair in sorted.windows(2) {
        if pair[0].contains(&pair[1].value) {
            problems.push(
                Problem::new(ReasonCode::OutputConflict, format!("`{}` is declared twice", *pair[1]), pair[1].span)
                    .also(pair[0].span, "it lies in this output")
                    .help("declare the outer one only"),
            );
        }
    }
}
