//! How stages are run: retries, what they take, services, what is optional and what comes last.

use orgo_spec::ReasonCode;
use orgo_spec::pipeline::{Isolation, StopSignal};
use serde::{Deserialize, Serialize};

use super::{Action, ResolvedStage};

/// How a stage is run, if it says anything about it. None of it is in the key, except services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRuntime {
    /// When it is tried again; [`ResolvedStage::retries`] has the number.
    pub retry: Option<Retry>,
    /// What it takes while it runs: positions in [`super::Resolved::resources`], each once, and amounts.
    pub claims: Vec<(u32, u64)>,
    /// Memory that it takes while it runs, in bytes.
    pub memory_bytes: Option<u64>,
    /// Whether a failure does not fail the run.
    pub optional: bool,
    /// Whether it runs after all others, however they ended.
    pub finally: bool,
    /// Services that it needs: positions in [`super::Resolved::services`], sorted.
    pub services: Vec<u32>,
}

/// When a stage is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Only after these exit codes, sorted; after any bad end, if there are none.
    pub on_exit: Vec<u32>,
    /// Whether after a timeout.
    pub on_timeout: bool,
    /// The pause before the second attempt, in milliseconds.
    pub backoff_ms: u64,
    /// Each further pause is this many times the one before.
    pub factor: u32,
    /// No pause is longer than this many milliseconds.
    pub max_ms: u64,
}

impl Retry {
    /// Whether a stage that ended like this may be tried again.
    #[must_use]
    pub fn covers(&self, code: ReasonCode, exit: Option<i32>) -> bool {
        if code == ReasonCode::StageTimeout {
            return self.on_timeout;
        }
        let declared = |exit: i32| u32::try_from(exit).is_ok_and(|e| self.on_exit.binary_search(&e).is_ok());
        self.on_exit.is_empty() || exit.is_some_and(declared)
    }

    /// The pause after the bad end of attempt `attempt`, in milliseconds.
    #[must_use]
    pub fn pause_ms(&self, attempt: u32) -> u64 {
        let factor = u64::from(self.factor).saturating_pow(attempt.saturating_sub(1));
        self.backoff_ms.saturating_mul(factor).min(self.max_ms)
    }
}

/// Something of which there is so much: a pool, or a mutex (of which there is one).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// What it is called.
    pub name: String,
    /// How much there is.
    pub capacity: u64,
    /// Whether it is a mutex; pools and mutexes may have one name.
    pub is_mutex: bool,
}

/// A service of a resolved pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedService {
    /// What it is called.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Patterns of repository files in its working folder.
    pub files: Vec<String>,
    /// Its whole environment, sorted by name.
    pub env: Vec<(String, String)>,
    /// Host programs that it starts besides its own, sorted.
    pub tools: Vec<String>,
    /// What is kept away from it.
    pub isolation: Isolation,
    /// How to tell that it is ready.
    pub ready: Readiness,
    /// How long that may take, in milliseconds.
    pub ready_timeout_ms: u64,
    /// What tells it to end.
    pub stop_signal: StopSignal,
    /// How long that may take, in milliseconds, before it is killed.
    pub stop_timeout_ms: u64,
}

/// How to tell that a service is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Readiness {
    /// As soon as it is started.
    Started,
    /// When this program ends well.
    Program(Vec<String>),
    /// When this TCP port takes connections.
    Port(u16),
}

impl ResolvedStage {
    /// Whether a failure does not fail the run.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.runtime.as_ref().is_some_and(|r| r.optional)
    }

    /// Whether it runs a program and nothing is decided anew on every run: no gate or approval before it, and it does not
    /// come last.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.gate.is_none() && self.approval.is_none() && !self.is_finally() && matches!(self.action, Action::Run(_))
    }

    /// Whether it runs after all others.
    #[must_use]
    pub fn is_finally(&self) -> bool {
        self.runtime.as_ref().is_some_and(|r| r.finally)
    }

    /// The services that it needs.
    #[must_use]
    pub fn services(&self) -> &[u32] {
        self.runtime.as_ref().map_or(&[], |r| &r.services)
    }

    /// Whether the stage is tried again after attempt `attempt` (counted from 1) ended like this, and after
    /// how many milliseconds.
    #[must_use]
    pub fn again_after_ms(&self, attempt: u32, code: ReasonCode, exit: Option<i32>) -> Option<u64> {
        if attempt > self.retries || matches!(code, ReasonCode::RunCancelled | ReasonCode::OutputNondeterministic) {
            return None;
        }
        match self.runtime.as_ref().and_then(|r| r.retry.as_ref()) {
            None => Some(0),
            Some(retry) => retry.covers(code, exit).then(|| retry.pause_ms(attempt)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(on_exit: &[u32], on_timeout: bool) -> Retry {
        Retry { on_exit: on_exit.to_vec(), on_timeout, backoff_ms: 1000, factor: 3, max_ms: 20_000 }
    }

    #[test]
    fn pauses_grow_to_the_longest_and_never_overflow() {
        let retry = retry(&[], true);
        let pauses: Vec<u64> = (1..=5).map(|attempt| retry.pause_ms(attempt)).collect();
        assert_eq!(pauses, [1000, 3000, 9000, 20_000, 20_000]);
        assert_eq!(retry.pause_ms(u32::MAX), 20_000);
    }

    #[test]
    fn only_declared_ends_are_tried_again() {
        let failed = ReasonCode::StageFailed;
        let declared = retry(&[75, 111], false);
        assert!(declared.covers(failed, Some(75)) && declared.covers(failed, Some(111)));
        assert!(!declared.covers(failed, Some(1)) && !declared.covers(ReasonCode::StageSignalled, None));
        assert!(!declared.covers(ReasonCode::StageTimeout, None));
        assert!(!declared.covers(ReasonCode::OutputMissing, Some(0)));
        assert!(retry(&[75], true).covers(ReasonCode::StageTimeout, None));
        assert!(
            retry(&[], false).covers(failed, Some(1)) && retry(&[], false).covers(ReasonCode::StageSignalled, None)
        );
        assert!(!retry(&[], false).covers(ReasonCode::StageTimeout, None));
    }
}
