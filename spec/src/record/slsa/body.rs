//! The body of SLSA provenance, as far as this project writes and reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::super::attest::Descriptor;

/// The body (SLSA provenance v1). Unknown fields are ignored when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvenancePredicate {
    /// What was to be done.
    pub build_definition: BuildDefinition,
    /// Who did it, and when.
    pub run_details: RunDetails,
}

/// What was to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// Which template the parameters belong to.
    pub build_type: String,
    /// What somebody outside the builder chose: `ExternalParameters`, if the type is ours.
    pub external_parameters: Json,
    /// What the builder chose; not verified.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub internal_parameters: Json,
    /// What was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved_dependencies: Vec<Descriptor>,
}

/// Who did it, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetails {
    /// The builder.
    pub builder: Builder,
    /// What else there is: the Build Record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub byproducts: Vec<Descriptor>,
    /// The circumstances.
    #[serde(default)]
    pub metadata: BuildMetadata,
}

/// The builder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Builder {
    /// What it was made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builder_dependencies: Vec<Descriptor>,
    /// Whom one trusts: `runner_id` of the key.
    pub id: String,
    /// Versions of its components.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
}

/// The circumstances; times in RFC 3339, UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildMetadata {
    /// When the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<String>,
    /// The run's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<String>,
}
