//! Stages of a run whose keys are known to have made different results (supply-chain T-52).

use orgo_host::run::RunOutcome;
use orgo_host::store::{Seen, Store, Varied};
use orgo_kernel::key::StageKey;
use orgo_kernel::plan::Resolved;

use crate::failure::Failure;

/// A stage, its key, and what was seen under it.
pub(crate) struct Variance {
    pub(crate) stage: String,
    key: StageKey,
    pub(crate) varied: Vec<Varied>,
}

/// Every stage of the run of which that is known.
///
/// # Errors
/// [`Failure`] if the store cannot be read.
pub(crate) fn variances(plan: &Resolved, outcome: &RunOutcome, store: &Store) -> Result<Vec<Variance>, Failure> {
    let mut known = store.varied()?;
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let keys = plan.stages.iter().zip(&outcome.stages).filter_map(|(s, o)| Some((s, o.keyed.as_ref()?.key)));
    let found = keys.filter_map(|(s, key)| Some(Variance { stage: s.name.clone(), key, varied: known.remove(&key)? }));
    Ok(found.collect())
}

impl Variance {
    /// As the record says it: nothing of when and how it was seen, so that repeated runs say the same.
    pub(crate) fn facts(&self) -> impl Iterator<Item = String> {
        self.varied.iter().filter(|v| v.seen != Seen::Foreign).map(|v| {
            format!("`{}`: its key {} made the outputs {} and {}", self.stage, self.key, v.outputs[0], v.outputs[1])
        })
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        if let Some(claim) = self.varied.first().filter(|_| self.varied.iter().all(|v| v.seen == Seen::Foreign)) {
            return format!("`{}`: {}; look at who fills that cache", self.stage, sentence(claim));
        }
        let told = self.varied.first().map_or_else(String::new, sentence);
        format!("`{}` is not the same every time (OUTPUT_NONDETERMINISTIC): {told}", self.stage)
    }
}

/// What was seen, in a sentence.
pub(crate) fn sentence(varied: &Varied) -> String {
    let how = match varied.seen {
        Seen::Repeat => "repeated, it made",
        Seen::Run => "it made something else than the cache had,",
        Seen::Replay => "replayed, it made",
        Seen::Foreign => "a cache from elsewhere claimed",
    };
    let paths: Vec<String> = varied.paths.iter().map(|p| format!("`{p}`")).collect();
    let at = orgo_host::clock::rfc3339(varied.at_ms);
    format!("from the same inputs {how} another {} ({at})", paths.join(", "))
}
