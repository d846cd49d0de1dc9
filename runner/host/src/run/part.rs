//! Edges that carry one output of a stage only.

use std::sync::Arc;

use orgo_kernel::graph::StageId;
use orgo_kernel::key::{Blob, Output, OutputKind, SourceFile, Tree};
use orgo_kernel::plan::Resolved;
use orgo_spec::{Digest, ReasonCode};

use super::planner::Product;
use super::problem::Problem;

/// What an edge carries, where it appears.
pub(super) enum Part {
    /// A whole tree, or a folder of it.
    Tree(Arc<Vec<Output>>, Blob),
    /// A file.
    File(SourceFile),
}

/// What the edge at `position` of a stage carries.
pub(super) fn part(plan: &Resolved, id: StageId, position: usize, product: &Product) -> Result<Part, Problem> {
    let stage = plan.stage(id);
    let Some(path) = stage.artifact(position) else {
        return Ok(Part::Tree(Arc::clone(&product.outputs), product.tree));
    };
    let (needed, at) = &stage.from[position];
    match product.outputs.iter().find(|o| o.path == path).map(|o| &o.kind) {
        Some(OutputKind::File { blob, executable }) => {
            return Ok(Part::File(SourceFile { path: at.clone(), blob: *blob, executable: *executable }));
        }
        Some(OutputKind::Link(_)) => {
            return Err(Problem {
                code: ReasonCode::OutputRefused,
                message: format!("`{path}` of `{}` is a link, and is read alone", plan.stage(*needed).name),
            });
        }
        Some(OutputKind::EmptyFolder) | None => {}
    }
    let below = |output: &Output| {
        let path = output.path.strip_prefix(path)?.strip_prefix('/')?.to_owned();
        Some(Output { path, kind: output.kind.clone() })
    };
    let outputs: Vec<Output> = product.outputs.iter().filter_map(below).collect();
    let tree = Tree::of_outputs(&outputs).expect("paths of outputs are distinct").blob();
    Ok(Part::Tree(Arc::new(outputs), tree))
}

/// What the edge at `position` carried, for records: the digest of the file or of the tree.
pub(super) fn digest(plan: &Resolved, id: StageId, position: usize, outputs: &Arc<Vec<Output>>, tree: Blob) -> Digest {
    let product = Product { outputs: Arc::clone(outputs), tree, tools: Digest::EMPTY };
    match part(plan, id, position, &product) {
        Ok(Part::File(file)) => file.blob.digest,
        Ok(Part::Tree(_, tree)) => tree.digest,
        Err(_) => tree.digest,
    }
}
