//! What was kept away from the stages of a run, as its record says it, and what production trust makes of that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::{BuildFacts, BuildRecord};
use super::stage::{StageFacts, StageStatus};
use crate::ReasonCode;
use crate::pipeline::Isolation;

/// A service that was beside a stage when its result was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceFacts {
    /// The isolation that it ran at.
    pub isolation: Isolation,
    /// Its name.
    pub name: String,
}

/// Why only a development key signs the record of a run (design 5).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unenforced {
    /// A stage that is listed.
    #[error("the result of the stage `{0}` was made at isolation `open`")]
    Stage(String),
    /// A service beside a stage that is listed.
    #[error("the result of the stage `{stage}` rests on the service `{service}`, which ran at isolation `open`")]
    Service {
        /// The stage.
        stage: String,
        /// The service.
        service: String,
    },
    /// Something on a page.
    #[error("a result of the run was made at isolation `open`")]
    Page,
    /// A stage that is listed says nothing.
    #[error("the record does not say at which isolation the result of the stage `{0}` was made")]
    Unsaid(String),
    /// The record has pages, and is of a program that did not say it of all of them.
    #[error("the record does not say at which isolation the results on its pages were made")]
    UnsaidPages,
}

impl Unenforced {
    /// The reason code of the refusal.
    #[must_use]
    pub const fn code(&self) -> ReasonCode {
        ReasonCode::IsolationTooWeak
    }
}

impl StageFacts {
    /// The weakest isolation that its result rests on: its own, or that of a service beside it. None if it has none.
    #[must_use]
    pub fn weakest(&self) -> Option<Isolation> {
        let own = self.isolation.filter(|_| self.status == StageStatus::Pass)?;
        Some(self.services.iter().map(|s| s.isolation).fold(own, Isolation::min))
    }
}

impl BuildFacts {
    /// The weakest isolation that results of these stages rest on.
    #[must_use]
    pub fn weakest_of(stages: &[StageFacts]) -> Option<Isolation> {
        stages.iter().filter_map(StageFacts::weakest).min()
    }

    /// Whether something was kept away from whatever made a result of the run.
    ///
    /// # Errors
    /// [`Unenforced`]: the first stage of which that is not so, or not said.
    pub fn enforced(&self) -> Result<(), Unenforced> {
        for stage in self.stages.iter().filter(|s| s.status == StageStatus::Pass) {
            match stage.isolation {
                None => return Err(Unenforced::Unsaid(stage.stage.clone())),
                Some(Isolation::Open) => return Err(Unenforced::Stage(stage.stage.clone())),
                Some(Isolation::Confined | Isolation::Hermetic) => {}
            }
            if let Some(service) = stage.services.iter().find(|s| s.isolation == Isolation::Open) {
                return Err(Unenforced::Service { stage: stage.stage.clone(), service: service.name.clone() });
            }
        }
        match self.isolation {
            Some(Isolation::Open) => Err(Unenforced::Page),
            None if !self.pages.is_empty() && self.stage_counts.passed > 0 => Err(Unenforced::UnsaidPages),
            None | Some(Isolation::Confined | Isolation::Hermetic) => Ok(()),
        }
    }
}

impl BuildRecord {
    /// The level of the run is that of its weakest stage; where not all are listed, no listed one is weaker.
    pub(super) fn check_isolation(&self) -> Result<(), (ReasonCode, String)> {
        let facts = &self.facts;
        let listed = BuildFacts::weakest_of(&facts.stages);
        let fits = match facts.isolation {
            None => true,
            level if facts.pages.is_empty() => level == listed,
            Some(level) => listed.is_none_or(|listed| level <= listed),
        };
        if fits {
            return Ok(());
        }
        Err((ReasonCode::SchemaInvalid, "the isolation of the run is not that of its weakest stage".to_owned()))
    }
}
