//! The Build Record (koa-contract 2.19): what a run was, what it did, and what it may claim.

mod check;
mod parts;
mod run;

use std::collections::BTreeMap;

pub use parts::{
    Artifact, Class, Compiler, KristalOutputs, Lane, Outputs, PinState, Pins, PipelineRef, Snapshot, Source, Status,
};
pub use run::{Actor, BuildRun, Program};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::approval::ApprovalEntry;
use super::gate::{Decision, GateRecord};
use super::stage::{StageCounts, StageFacts, StagePage};
use super::statement::{Predicate, Subject};
use crate::canonical::{CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION};
use crate::pipeline::Isolation;
use crate::{Digest, Name, ReasonCode};

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildRecord {
    /// What happened.
    pub facts: BuildFacts,
    /// In which circumstances.
    pub run: BuildRun,
}

/// What happened. Two runs of the same thing have the same facts.
///
/// Begun with [`BuildFacts::new`] as a run that came to nothing; [`BuildFacts::end`] says how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildFacts {
    /// What was decided about stages that need approvals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalEntry>,
    /// For each stage that was tried more than once, the attempt that counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub authoritative_attempt: BTreeMap<String, u32>,
    /// The blueprint that was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blueprint_ref: Option<Digest>,
    /// The named version of the canonical form.
    pub canonicalization_profile: String,
    /// Its version.
    pub canonicalization_version: String,
    /// Development records are never releasable.
    pub class: Class,
    /// The program that ran the built-in tools.
    pub compiler: Compiler,
    /// Digest of the whole effective configuration of the build.
    pub config_hash: Digest,
    /// What gates decided, in the order in which they did.
    pub gates: Vec<GateRecord>,
    /// Content-addressed inputs: snapshots of the spine, otherwise repository files.
    pub input_snapshots: Vec<Snapshot>,
    /// The weakest isolation that a result of the run rests on: of all stages that ended well, those on pages included, and of
    /// the services beside them. Absent if no stage ended well, and in records of programs that did not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Digest over names and keys of all stages, in order: two runs of the same work agree in it.
    pub keys: Digest,
    /// The contract that artifacts of the spine follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kristal_pin: Option<Compiler>,
    /// What the run may leave behind.
    pub lane: Lane,
    /// The mandate in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate_ref: Option<Digest>,
    /// What the run claims. Absent unless it succeeded: absence is the invariant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outputs: Option<Outputs>,
    /// Signed exceptions that were used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Digest>,
    /// Stages, where they are too many to list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<StagePage>,
    /// Whether what the run took in from outside was pinned. Absent in records of programs that did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<Pins>,
    /// What was run.
    pub pipeline: PipelineRef,
    /// Policies that were chosen explicitly.
    pub policy_selections: BTreeMap<String, String>,
    /// `pinned` if the mandate lists the rules in force, otherwise `unpinned`.
    pub ruleset: String,
    /// Version of this document.
    pub schema_version: String,
    /// What was read.
    pub source: Source,
    /// How many stages ended how.
    pub stage_counts: StageCounts,
    /// Every stage; only those that failed, if there are pages.
    pub stages: Vec<StageFacts>,
    /// How the run ended.
    status: Status,
    /// Why it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    terminal_reason_code: Option<ReasonCode>,
    /// Whose record it is.
    pub tenant_id: Name,
    /// Codes of the validation report, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_codes: Vec<String>,
    /// The report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_report_ref: Option<Digest>,
    /// What the gates said about the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_status: Option<Decision>,
    /// Known reasons why a repetition may come out otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variance: Vec<String>,
}

/// How a run ended, and what it may therefore claim. Only one of them has room for outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every stage that was asked for is done, but for optional ones and what depends on them.
    Passed {
        /// What the run claims.
        outputs: Outputs,
    },
    /// A stage failed or a gate refused.
    Failed {
        /// The first reason.
        reason: ReasonCode,
    },
    /// Somebody interrupted it.
    Cancelled {
        /// How.
        reason: ReasonCode,
    },
    /// A stage waits for approvals; everything else that may run is done.
    Waiting {
        /// What for.
        reason: ReasonCode,
    },
}

impl BuildFacts {
    /// The facts of a run about which nothing is known yet: abandoned, until [`BuildFacts::end`] says otherwise.
    #[must_use]
    pub fn new(
        tenant_id: Name,
        class: Class,
        lane: Lane,
        pipeline: PipelineRef,
        source: Source,
        compiler: Compiler,
        config_hash: Digest,
    ) -> Self {
        Self {
            approvals: Vec::new(),
            authoritative_attempt: BTreeMap::new(),
            blueprint_ref: None,
            canonicalization_profile: CANONICALIZATION_PROFILE.to_owned(),
            canonicalization_version: CANONICALIZATION_VERSION.to_owned(),
            class,
            compiler,
            config_hash,
            gates: Vec::new(),
            input_snapshots: Vec::new(),
            isolation: None,
            keys: Digest::EMPTY,
            kristal_pin: None,
            lane,
            mandate_ref: None,
            outputs: None,
            overrides: Vec::new(),
            pages: Vec::new(),
            pins: None,
            pipeline,
            policy_selections: BTreeMap::new(),
            ruleset: "unpinned".to_owned(),
            schema_version: BuildRecord::SCHEMA_VERSION.to_owned(),
            source,
            stage_counts: StageCounts::default(),
            stages: Vec::new(),
            status: Status::Failed,
            terminal_reason_code: Some(ReasonCode::RunAbandoned),
            tenant_id,
            validation_codes: Vec::new(),
            validation_report_ref: None,
            validation_status: None,
            variance: Vec::new(),
        }
    }

    /// Says how the run ended.
    pub fn end(&mut self, outcome: Outcome) {
        (self.status, self.outputs, self.terminal_reason_code) = match outcome {
            Outcome::Passed { outputs } => (Status::Succeeded, Some(outputs), None),
            Outcome::Failed { reason } => (Status::Failed, None, Some(reason)),
            Outcome::Cancelled { reason } => (Status::Cancelled, None, Some(reason)),
            Outcome::Waiting { reason } => (Status::Waiting, None, Some(reason)),
        };
    }

    /// How the run ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// What the run claims, if it succeeded.
    #[must_use]
    pub fn outputs(&self) -> Option<&Outputs> {
        self.outputs.as_ref()
    }

    /// Why the run did not succeed.
    #[must_use]
    pub fn terminal_reason_code(&self) -> Option<ReasonCode> {
        self.terminal_reason_code
    }
}

impl BuildRecord {
    /// The version of the document that this program writes.
    pub const SCHEMA_VERSION: &str = "1.0.0";
    /// Stages are listed up to this many; then they go to pages.
    pub const MAX_LISTED_STAGES: usize = 256;
    /// Inputs, outputs of the run, and files that stages took in and made, are listed up to this many each; what is
    /// more stands in a list in the object store that the record names by digest.
    pub const MAX_LISTED_FILES: usize = 1000;

    /// What the run claims, by name and SHA-256: artifacts, then files of Exchange and pack (`exchange/<path>`,
    /// `pack/<path>`). Empty unless it succeeded.
    #[must_use]
    pub fn claims(&self) -> Vec<(String, Digest)> {
        let Some(outputs) = &self.facts.outputs else { return Vec::new() };
        let mut claims: Vec<_> = outputs.artifacts.iter().map(|a| (a.name.clone(), a.digest)).collect();
        if let Some(kristal) = &outputs.kristal {
            for (folder, files) in [("exchange", &kristal.exchange_hashes), ("pack", &kristal.payload_hashes)] {
                claims.extend(files.iter().map(|f| (format!("{folder}/{}", f.name), f.digest)));
            }
        }
        claims
    }
}

impl Predicate for BuildRecord {
    const TYPE: &'static str = "https://orgo.dev/attestation/build-record/v1";
    const KIND: &'static str = "build";

    fn check(&self) -> Result<(), (ReasonCode, String)> {
        self.check_isolation()?;
        check::check(&self.facts)
    }

    /// The clean source by commit and tree (a dirty one by the pipeline's definition), then what is claimed.
    fn subjects(&self) -> Vec<Subject> {
        let BuildFacts { source, pipeline, .. } = &self.facts;
        let mut subjects = if source.dirty {
            vec![Subject::sha256(format!("pipeline/{}", pipeline.name), pipeline.definition)]
        } else {
            vec![Subject::commit(&source.commit), Subject::tree(&source.tree)]
        };
        subjects.extend(self.claims().into_iter().map(|(name, digest)| Subject::sha256(name, digest)));
        subjects
    }

    fn tenant(&self) -> &Name {
        &self.facts.tenant_id
    }
}
