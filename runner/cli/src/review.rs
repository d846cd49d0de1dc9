//! A change under review: two states of the repository, read from git, compared, and measured by what ran before.

mod estimate;
mod markdown;
mod mermaid;
mod range;
mod text;

use orgo_host::declared::of_folder;
use orgo_host::sources::Matcher;
use orgo_kernel::declared::Declared;
use orgo_kernel::plan::Resolved;
use orgo_kernel::review::compare;
use orgo_spec::document::DocumentError;
use orgo_spec::review::{Place, Review, SCHEMA, Side, Strength};

pub(crate) use markdown::markdown;
pub(crate) use text::text;

use crate::command::Context;
use crate::failure::Failure;
use crate::here::Here;
use crate::output::without_secrets;

/// A review, and what it was made from.
pub(crate) struct Reviewed {
    pub(crate) review: Review,
    head: Declared,
}

impl Reviewed {
    /// A pipeline of the head, for the graph.
    fn plan(&self, name: &str) -> Option<&Resolved> {
        self.head.pipelines.get(name).map(|p| &p.plan)
    }

    /// What is wrong with documents of the head.
    pub(crate) fn into_errors(self) -> Vec<DocumentError> {
        self.head.errors
    }
}

/// Compares what a range names: `BASE..HEAD`, `BASE...HEAD` (from where the two parted), or `BASE` with the working
/// folder.
///
/// # Errors
/// [`Failure`] if there is no repository, nothing has one of the names, or a tree cannot be read.
pub(crate) fn review(context: &Context, range: &str) -> Result<Reviewed, Failure> {
    let place = Here::find(context)?;
    let range = range::resolve(&place.git, range)?;
    let (old, new) = (place.project(range.base)?, range.head.map(|head| place.project(head)).transpose()?);
    let base = place.declared(old)?;
    let (head, files) = match new {
        Some(new) => (place.declared(new)?, place.git.files_between(old, new)?),
        None => {
            let whole = place.git.tree_of_commit(range.base)?;
            let files = place.git.files_since(whole)?;
            (of_folder(&place.root)?, place.below(files))
        }
    };
    let mut matcher = Matcher::default();
    let compared = compare(&base, &head, &files, &mut |pattern, path| matcher.matches(pattern, path));
    let weakened = compared.findings.iter().filter(|f| f.strength == Strength::Weaker).count();
    let mut review = Review {
        schema: SCHEMA,
        base: Side { name: range.names.0, commit: Some(range.base.to_string()) },
        head: Side { name: range.names.1, commit: range.head.map(|c| c.to_string()) },
        weakened,
        findings: compared.findings,
        pipelines: compared.pipelines,
        files,
        problems: compared.problems,
    };
    let project = head.project.as_ref().or(base.project.as_ref()).map(|read| &read.value);
    for pipeline in &mut review.pipelines {
        if let Some(declared) = head.pipelines.get(&pipeline.name) {
            estimate::estimate(&place, project, &declared.plan, pipeline)?;
        }
    }
    tidy(&mut review, &place.prefix);
    Ok(Reviewed { review, head })
}

/// Places are paths of the repository, and nothing that looks like a secret is repeated.
fn tidy(review: &mut Review, prefix: &str) {
    let place = |place: &mut Option<Place>| {
        if let Some(place) = place {
            place.file.insert_str(0, prefix);
        }
    };
    let clean = |text: &mut String| {
        let found = without_secrets(text).into_owned();
        *text = found;
    };
    for finding in &mut review.findings {
        place(&mut finding.place);
        clean(&mut finding.message);
        finding.before.as_mut().map(clean);
        finding.after.as_mut().map(clean);
    }
    for stage in review.pipelines.iter_mut().flat_map(|p| &mut p.stages) {
        place(&mut stage.place);
    }
    for problem in &mut review.problems {
        problem.place.file.insert_str(0, prefix);
        clean(&mut problem.message);
    }
}
