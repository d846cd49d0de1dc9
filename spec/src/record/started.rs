//! Runs that began, and runs that never ended: no failing run can be hidden by killing it (design 7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::{Class, Lane, PipelineRef, Source};
use super::statement::{Predicate, Subject};
use super::trust::is_moment;
use crate::{Digest, Name, ReasonCode};

/// A run that is about to do its first work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartedRecord {
    /// What is run.
    pub facts: StartedFacts,
    /// In which circumstances.
    pub run: StartedRun,
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartedFacts {
    /// Development records are never releasable.
    pub class: Class,
    /// Digest of the whole effective configuration of the build.
    pub config_hash: Digest,
    /// What the run may leave behind.
    pub lane: Lane,
    /// What is run.
    pub pipeline: PipelineRef,
    /// Version of this document.
    pub schema_version: String,
    /// What is read.
    pub source: Source,
    /// Whose record it is.
    pub tenant_id: Name,
}

/// In which circumstances a run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartedRun {
    /// The run's id, as its Build Record will repeat it.
    pub build_id: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// When nobody need wait for its end any more: RFC 3339, UTC, whole seconds.
    pub expires_at: String,
    /// The machine's name.
    pub host: String,
    /// A digest that names the working folder on that machine: it holds one run at a time.
    pub workspace: Digest,
}

/// A run that began and did not end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbandonedRecord {
    /// Which.
    pub facts: AbandonedFacts,
    /// Who noticed, and when.
    pub run: AbandonedRun,
}

/// Which run did not end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbandonedFacts {
    /// The run's id.
    pub build_id: String,
    /// Always `RUN_ABANDONED`.
    pub reason_code: ReasonCode,
    /// Version of this document.
    pub schema_version: String,
    /// The id of the record of its start.
    pub started: Digest,
    /// Whose record it is.
    pub tenant_id: Name,
}

/// How an abandoned run was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbandonedRun {
    /// RFC 3339, UTC.
    pub created_at: String,
    /// The run that noticed.
    pub noticed_by: String,
}

impl StartedRecord {
    /// The version of the document that this program writes.
    pub const SCHEMA_VERSION: &str = "1.0.0";
}

impl AbandonedRecord {
    /// The version of the document that this program writes.
    pub const SCHEMA_VERSION: &str = "1.0.0";
}

fn version(found: &str, expected: &str) -> Result<(), (ReasonCode, String)> {
    if found == expected { Ok(()) } else { Err((ReasonCode::SchemaInvalid, format!("the record has version {found}"))) }
}

/// Whether a text can be the id of a run, which names a file.
fn is_run_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn check_run_id(id: &str) -> Result<(), (ReasonCode, String)> {
    let message = || "the id of the run is not made of letters, digits and `-`".to_owned();
    if is_run_id(id) { Ok(()) } else { Err((ReasonCode::SchemaInvalid, message())) }
}

impl Predicate for StartedRecord {
    const TYPE: &'static str = "https://orgo.dev/attestation/started/v1";
    const KIND: &'static str = "started";

    fn check(&self) -> Result<(), (ReasonCode, String)> {
        version(&self.facts.schema_version, Self::SCHEMA_VERSION)?;
        check_run_id(&self.run.build_id)?;
        if !is_moment(&self.run.expires_at) {
            return Err((ReasonCode::SchemaInvalid, "`expires_at` is not a moment".to_owned()));
        }
        Ok(())
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject::commit(&self.facts.source.commit), Subject::tree(&self.facts.source.tree)]
    }

    fn tenant(&self) -> &Name {
        &self.facts.tenant_id
    }
}

impl Predicate for AbandonedRecord {
    const TYPE: &'static str = "https://orgo.dev/attestation/abandoned/v1";
    const KIND: &'static str = "abandoned";

    fn check(&self) -> Result<(), (ReasonCode, String)> {
        version(&self.facts.schema_version, Self::SCHEMA_VERSION)?;
        check_run_id(&self.facts.build_id)?;
        if self.facts.reason_code != ReasonCode::RunAbandoned {
            return Err((ReasonCode::SchemaInvalid, format!("the reason is {}", self.facts.reason_code)));
        }
        Ok(())
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject::sha256("started", self.facts.started)]
    }

    fn tenant(&self) -> &Name {
        &self.facts.tenant_id
    }
}
