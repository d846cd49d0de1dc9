//! Stages of a run that are flaky: under the same key they failed and ended well. Never a success that was none, and
//! never a failure that is not shown.

use orgo_host::clock::rfc3339;
use orgo_host::run::RunOutcome;
use orgo_host::store::{Flaky, Store};
use orgo_kernel::graph::StageId;
use orgo_kernel::plan::Resolved;
use serde_json::{Value, json};

use crate::failure::Failure;

/// A stage of a run that is flaky.
pub(crate) struct FlakyStage {
    pub(crate) id: StageId,
    /// What is kept of its key.
    pub(crate) flaky: Flaky,
    /// Whether it was tried in this run, rather than answered from the cache.
    pub(crate) ran: bool,
}

/// Every stage of the run of which that is known, in the order of the plan.
///
/// # Errors
/// [`Failure`] if the store cannot be read.
pub(crate) fn flaky_stages(plan: &Resolved, outcome: &RunOutcome, store: &Store) -> Result<Vec<FlakyStage>, Failure> {
    let ends = store.ends()?;
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    let of = |id: StageId| {
        let stage = outcome.stages.get(id.index())?;
        let flaky = ends.flaky(stage.keyed.as_ref()?.key)?;
        Some(FlakyStage { id, flaky, ran: !stage.attempts.is_empty() })
    };
    Ok(plan.graph.stages().filter_map(of).collect())
}

/// How it is flaky, in a few words.
pub(crate) fn words(flaky: &Flaky) -> String {
    let codes: Vec<&str> = flaky.codes.iter().map(|code| code.as_str()).collect();
    let all = flaky.failed + flaky.ended_well;
    format!("failed {} of {all} times from the same inputs ({})", flaky.failed, codes.join(", "))
}

/// For programs.
pub(crate) fn json(flaky: &Flaky) -> Value {
    json!({
        "failed": flaky.failed, "ended_well": flaky.ended_well, "codes": flaky.codes,
        "last_failed_at": rfc3339(flaky.last_failed_ms),
    })
}
