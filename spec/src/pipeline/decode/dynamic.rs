//! Stages whose items an earlier stage writes: what they cannot be.

use crate::document::{Problem, Problems, Span};
use crate::pipeline::matrix::Matrix;
use crate::pipeline::stage::{ItemList, Stage, Work};
use crate::{Name, ReasonCode};

/// Reports lists that there are many of, stages that cannot wait for theirs, and items that mean two things.
pub(super) fn bind(matrix: &Matrix, stages: &[Stage], problems: &mut Problems) {
    for stage in stages {
        let Some((list, artifact)) = stage.listed_by() else { continue };
        let mut refuse = |message: String, span: Span, help: &str| {
            problems
                .push(Problem::new(ReasonCode::ListInvalid, message, list.span).also(span, "declared here").help(help));
        };
        let name = stage.name.as_str();
        if let Some(axis) = matrix.axes.first() {
            let message = format!("every combination of the pipeline would have a list of its own for `{name}`");
            refuse(message, axis.name.span, "give the stages axes of their own in place of the pipeline's `matrix`");
        }
        if let Some(writer) = stages.iter().find(|s| *s.name == **list) {
            let axis = writer.matrix.axes.first().map(|a| a.name.span);
            if let Some(span) = axis.or(writer.for_each.as_ref().map(|f| f.item.span)) {
                let message = format!("there would be many lists: `{}` has axes or items of its own", **list);
                refuse(message, span, "gather them in one stage that writes one list, and name that");
            }
        }
        let gate = match &stage.work {
            Work::Gated { gate, .. } => Some((gate.span, "stands behind a gate")),
            Work::Tool(_) => Some((stage.name.span, "uses a built-in tool")),
            Work::Run(_) => None,
        };
        let approval = stage.approval.as_ref().map(|a| (a.span, "needs an approval"));
        let finally = stage.runtime.finally.as_ref().filter(|f| f.value).map(|f| (f.span, "comes last"));
        for (span, what) in [gate, approval, finally].into_iter().flatten() {
            let help = "what is decided about a stage is decided before its items are known: gather the items in one stage, and say it there";
            refuse(format!("`{name}` {what}, and its items are not known before the run"), span, help);
        }
        let item = stage.for_each.as_ref().map(|f| &f.item).expect("it has a list");
        for other in stages {
            let span = means_another(other, item, (list, artifact));
            if let Some(span) = span {
                let help = "rename one of the two: what reads item by item has to be repeated for the same list";
                refuse(format!("`${{{}}}` would be the items of two lists", **item), span, help);
            }
        }
    }
}

/// Where another stage calls something else by the name of an item.
fn means_another(other: &Stage, item: &Name, list: (&Name, &Name)) -> Option<Span> {
    let axis = other.matrix.axes.iter().find(|a| *a.name == item.as_str()).map(|a| a.name.span);
    let same = |of: &ItemList| match of {
        ItemList::File(_) => false,
        ItemList::Output { stage, artifact } => (&stage.value, &artifact.value) == list,
    };
    let items = other.for_each.as_ref().filter(|f| *f.item == *item && !same(&f.list)).map(|f| f.item.span);
    axis.or(items)
}
