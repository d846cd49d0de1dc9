//! Whether the trust in force vouches for what a pipeline makes: production trust signs nothing that was made at `open`.

use orgo_kernel::enforced::{at_open, check};
use orgo_kernel::graph::StageId;
use orgo_kernel::plan::Resolved;
use orgo_spec::document::DocumentError;
use orgo_spec::record::Class as RecordClass;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::ledger::{Authority, Desk};
use crate::output::Output;
use crate::project::{Checked, Repository};

/// Refuses a run whose record could not be signed, before anything runs; `part` says which stages are of the run.
///
/// # Errors
/// [`Failure`] with `ISOLATION_TOO_WEAK` at each place that declares `open`.
pub(crate) fn vouched(
    repository: &Repository,
    plan: &Resolved,
    part: impl Fn(StageId) -> bool,
    desk: Option<&Desk>,
) -> Result<(), Failure> {
    let is_production = desk.is_some_and(|desk| desk.class == RecordClass::Production);
    if !is_production || !at_open(plan).any(|found| part(found.stage)) {
        return Ok(());
    }
    let (document, pipeline) = repository.declaration(&plan.name)?;
    check(&pipeline, &document, plan, part).map_err(Failure::refused_at)
}

/// What checked pipelines mean for the trust in force on the project's ledger, if one is here and can be read.
pub(super) struct Vouching {
    class: Option<RecordClass>,
}

impl Vouching {
    /// Looks for the trust in force.
    pub(super) fn find(repository: &Repository) -> Self {
        // A ledger that cannot be read is the business of `verify`.
        let class = Authority::open(repository).and_then(|authority| authority.class());
        Self { class: class.unwrap_or_default() }
    }

    /// Tells of what would be refused in a protected run.
    pub(super) fn warn(&self, pipelines: &[Checked], output: Output) {
        if self.class != Some(RecordClass::Production) {
            return;
        }
        for Checked { document, pipeline, plan } in pipelines {
            let Err(error) = check(pipeline, document, plan, |_| true) else { continue };
            output.warn(format!("{}: protected runs are refused, and nothing of it can be released:", plan.name));
            places(&error).for_each(|place| output.warn(place));
        }
    }

    /// The class of the trust in force; null if none is here.
    pub(super) fn trust(&self) -> Value {
        json!(self.class)
    }
}

/// The stages of a plan whose results only a development key signs.
pub(super) fn at_open_of(plan: &Resolved) -> Vec<&str> {
    at_open(plan).map(|found| plan.stage(found.stage).name.as_str()).collect()
}

fn places(error: &DocumentError) -> impl Iterator<Item = String> {
    error.located().map(|(document, problem, _)| {
        let (line, column) = document.position(problem.span());
        let help = problem.help_text().map_or_else(String::new, |help| format!("; {help}"));
        format!("  {}:{line}:{column}: {} ({}){help}", document.name(), problem.message(), problem.code())
    })
}
