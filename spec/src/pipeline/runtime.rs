//! How stages are run, as far as it is written down: retries, pools, services, what is optional and what comes last.
//!
//! Nothing here is part of a stage's key, except services: what a service is decides what its stages see.

mod bind;
mod decode;
mod service;

pub(super) use bind::bind;
pub(super) use decode::between;
pub use service::{Ready, Service, StopSignal};

use schemars::JsonSchema;
use serde::Serialize;

use crate::Name;
use crate::document::{DurationMs, Spanned};

/// How a stage is run.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct StageRuntime {
    /// When and how often it is tried again; `retries N` is the short form without any of it.
    pub retry: Option<Retry>,
    /// What it takes from pools while it runs.
    pub pools: Vec<PoolUse>,
    /// Stages with a mutex in common never run at the same time.
    pub mutexes: Vec<Spanned<Name>>,
    /// Whether a failure does not fail the run.
    pub optional: Option<Spanned<bool>>,
    /// Whether it runs after all others, however they ended.
    pub finally: Option<Spanned<bool>>,
    /// Services that must be ready while it runs.
    pub needs: Vec<Spanned<Name>>,
}

impl StageRuntime {
    /// Whether a failure does not fail the run.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.optional.as_ref().is_some_and(|o| o.value)
    }

    /// Whether it runs after all others.
    #[must_use]
    pub fn is_finally(&self) -> bool {
        self.finally.as_ref().is_some_and(|f| f.value)
    }
}

/// What the stages of a pipeline share while they run.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct PipelineRuntime {
    /// Pools.
    pub pools: Vec<Pool>,
    /// Services.
    pub services: Vec<Service>,
}

/// When and how often a stage is tried again.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Retry {
    /// Further attempts after the first.
    pub times: u32,
    /// Exit codes after which it is tried again; empty for any bad end.
    pub on_exit: Vec<u32>,
    /// Whether it is tried again after its timeout.
    pub on_timeout: bool,
    /// The pause before the second attempt.
    pub backoff: Option<DurationMs>,
    /// Each further pause is this many times the one before.
    pub factor: u32,
    /// No pause is longer.
    pub max: DurationMs,
}

/// A pool: so much of something there is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Pool {
    /// What it is called; unique in its pipeline.
    pub name: Spanned<Name>,
    /// How much there is.
    pub capacity: Spanned<u32>,
}

/// What a stage takes from a pool while it runs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PoolUse {
    /// The pool.
    pub pool: Spanned<Name>,
    /// How much.
    pub weight: Spanned<u32>,
}

#[cfg(test)]
mod tests;
