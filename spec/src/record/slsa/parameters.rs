//! The parameters of our build type, and what a verifier expects of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::attest::{AttestationError, DigestSet};
use super::super::{Class, Lane};
use crate::{Digest, Name};

/// The external parameters of `Provenance::BUILD_TYPE`. The list is closed: others are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalParameters {
    /// Parameters of the run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// The pipeline.
    pub pipeline: Name,
    /// What was built.
    pub source: SourceParameter,
    /// The stages that were asked for; empty for all.
    pub targets: Vec<String>,
}

/// The source that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceParameter {
    /// The commit, as `gitCommit`.
    pub digest: DigestSet,
    /// The branch that was checked out.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "ref")]
    pub reference: Option<String>,
    /// `source_uri` of the tenant.
    pub uri: String,
}

/// What the runner chose by itself, for readers.
#[derive(Serialize)]
pub(super) struct InternalParameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blueprint: Option<&'a Digest>,
    pub(super) class: Class,
    pub(super) config_hash: &'a Digest,
    pub(super) lane: Lane,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mandate: Option<&'a Digest>,
}

/// Expectations on parameters; what is `None` may be anything.
#[derive(Debug, Clone, Default)]
pub struct ParametersExpect<'a> {
    /// The pipeline.
    pub pipeline: Option<&'a str>,
    /// URI of the source.
    pub source: Option<&'a str>,
    /// The commit, in hexadecimal.
    pub commit: Option<&'a str>,
    /// The branch, in full (`refs/heads/main`).
    pub reference: Option<&'a str>,
    /// The stages that were asked for.
    pub targets: Option<&'a [&'a str]>,
    /// Parameters of the run, all of them.
    pub parameters: Option<&'a BTreeMap<String, String>>,
}

impl ExternalParameters {
    /// Holds the parameters to what is expected.
    ///
    /// # Errors
    /// [`AttestationError::Parameters`] for the first that is another one.
    pub(super) fn check(&self, expect: &ParametersExpect<'_>) -> Result<(), AttestationError> {
        let wrong = |what: &str| Err(AttestationError::Parameters(format!("another {what}")));
        if expect.pipeline.is_some_and(|p| p != self.pipeline.as_str()) {
            return wrong("pipeline");
        }
        if expect.source.is_some_and(|uri| uri != self.source.uri) {
            return wrong("source");
        }
        if expect.commit.is_some_and(|c| DigestSet::commit(c) != self.source.digest) {
            return wrong("commit");
        }
        if expect.reference.is_some_and(|r| Some(r) != self.source.reference.as_deref()) {
            return wrong("branch");
        }
        if expect.targets.is_some_and(|t| t != self.targets) {
            return wrong("choice of stages");
        }
        if expect.parameters.is_some_and(|p| *p != self.parameters) {
            return wrong("parameter of the run");
        }
        Ok(())
    }
}
