//! Blueprints: everything that a pipeline uses, pinned by digest, and the plan. `blueprints/<name>.kdl`.
//!
//! Fields follow koa-contract 2.3, both of its views: a bundle of pins, and an ordered list of steps. Nothing in a
//! blueprint floats: a version stands beside the digest that pins it, or the document is refused.

mod check;
mod decode;
mod entries;

pub use check::Loose;
use schemars::JsonSchema;
use serde::Serialize;

use crate::document::{RelativePath, Spanned};
use crate::pipeline::words;
use crate::{Digest, Name, canonical};

/// A decoded blueprint. Lists without an order of their own are sorted, so that the order in which they are written
/// does not change the id.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Blueprint {
    /// Version of this document.
    pub schema_version: &'static str,
    /// What it is called.
    pub name: Spanned<Name>,
    /// Counts up with every change.
    pub revision: u32,
    /// The mandate that it was planned under.
    pub mandate: Spanned<MandatePin>,
    /// What is pinned.
    pub pins: Pins,
    /// The plan, in order: the stages of the pipeline that names the blueprint.
    pub steps: Vec<Step>,
}

/// A mandate, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MandatePin {
    /// Its name.
    pub name: Name,
    /// Its id, which stands for settings and policies alike.
    pub id: Digest,
}

/// Everything that is pinned.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Pins {
    /// The contract that artifacts follow.
    pub kristal: Spanned<KristalPin>,
    /// Digest of `orgo.lock`, which pins programs, sources and `orgo` itself.
    pub toolchain: Spanned<Digest>,
    /// Schemas of artifacts.
    pub schemas: Vec<SchemaPin>,
    /// Registries and vocabularies, with the version that they are said to be.
    pub ontologies: Vec<VersionPin>,
    /// Rules and other policies, with their versions.
    pub policies: Vec<VersionPin>,
    /// Other files of the repository: sources, maps.
    pub files: Vec<Pin>,
}

/// The contract, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KristalPin {
    /// Its version: numbers and dots.
    pub version: String,
    /// The commit of its repository, if it was taken from one.
    pub commit: Option<String>,
    /// Digest over all schemas of artifacts, see `docs/formats/blueprint.md`.
    pub schema_set_id: Digest,
    /// The canonical form.
    pub canonicalization_profile: String,
    /// Its version.
    pub canonicalization_version: String,
}

/// One pinned schema.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SchemaPin {
    /// What it is called.
    pub name: Spanned<Name>,
    /// Its `$id`.
    pub id: Spanned<String>,
    /// Digest of the schema as it is published.
    pub sha256: Spanned<Digest>,
}

/// One pinned file that has a version.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct VersionPin {
    /// What it is called.
    pub name: Spanned<Name>,
    /// The version that it is said to be.
    pub version: String,
    /// Where it lies in the repository.
    pub path: Spanned<RelativePath>,
    /// Digest of the file.
    pub sha256: Spanned<Digest>,
}

/// One pinned file.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Pin {
    /// What it is to the pipeline: `map`, `source` …
    pub kind: Spanned<Name>,
    /// Where it lies in the repository.
    pub path: Spanned<RelativePath>,
    /// Digest of the file.
    pub sha256: Spanned<Digest>,
}

/// One step of the plan: a stage, and what is promised about it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Step {
    /// The stage.
    pub step_id: Spanned<Name>,
    /// The system that is answerable for it.
    pub owner_node: Owner,
    /// Types of the artifacts that it takes.
    pub inputs: Vec<Name>,
    /// Types of the artifacts that it makes.
    pub outputs: Vec<Name>,
    /// What must hold before it starts.
    pub guards: Vec<String>,
    /// Gates in front of it.
    pub policy_gates: Vec<Spanned<Name>>,
    /// What makes it repeatable.
    pub determinism_constraints: Determinism,
    /// Which evidence it has to leave.
    pub evidence_requirements: Vec<String>,
    /// Where what it makes becomes active.
    pub targets: Vec<Target>,
    /// How to go back; there if the step has a target.
    pub rollback_plan: Option<Rollback>,
}

/// What makes a step repeatable. At least one of these is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Determinism {
    /// The tool that does it, as `orgo.lock` pins it.
    pub tool: Option<String>,
    /// The canonical form of what it writes.
    pub canonicalization: Option<String>,
    /// The seed of whatever is drawn.
    pub seed: Option<u32>,
}

/// Where something becomes active.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Target {
    /// Whose.
    pub tenant: Name,
    /// `production` and the like.
    pub environment: Name,
    /// The channel.
    pub channel: Name,
}

/// Which pack a rollback goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rollback {
    /// The one that is pinned for the channel.
    Pinned,
    /// The one that was last known to be good.
    LastKnownGood,
}

/// The systems that own steps (koa-contract 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// Governance.
    Keter,
    /// Planning.
    Binah,
    /// Ingest.
    Chokmah,
    /// Snapshots to Claim-IR.
    Extractor,
    /// Resolution.
    Sentient,
    /// Validation.
    Validation,
    /// The compilers.
    Kristal,
    /// The control plane.
    Orgo,
    /// Distribution.
    Konnaxion,
    /// The runtime.
    Malkuth,
    /// Proposals.
    ArchitectStrategy,
    /// Rendering.
    ArchitectRender,
    /// Execution of tasks.
    Swarmcraft,
    /// Signals.
    Feedback,
}

words!(Rollback, "`pinned` or `last-known-good`", "pinned" => Self::Pinned, "last-known-good" => Self::LastKnownGood);
words!(Owner, "a system: `keter`, `binah`, `chokmah`, `extractor`, `sentient`, `validation`, `kristal`, `orgo`, `konnaxion`, `malkuth`, `architect-strategy`, `architect-render`, `swarmcraft` or `feedback`",
    "keter" => Self::Keter, "binah" => Self::Binah, "chokmah" => Self::Chokmah, "extractor" => Self::Extractor,
    "sentient" => Self::Sentient, "validation" => Self::Validation, "kristal" => Self::Kristal, "orgo" => Self::Orgo,
    "konnaxion" => Self::Konnaxion, "malkuth" => Self::Malkuth, "architect-strategy" => Self::ArchitectStrategy,
    "architect-render" => Self::ArchitectRender, "swarmcraft" => Self::Swarmcraft, "feedback" => Self::Feedback);

impl Blueprint {
    /// The version of the document that this program writes.
    pub const SCHEMA_VERSION: &str = "2.0.0";

    /// The blueprint's id: the digest of its canonical form.
    #[must_use]
    pub fn id(&self) -> Digest {
        canonical::digest_of(self).expect("a blueprint has no numbers beyond 2^53")
    }

    /// Where what the plan makes becomes active.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.steps.iter().flat_map(|step| &step.targets)
    }
}

#[cfg(test)]
mod tests;
