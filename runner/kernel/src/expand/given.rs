//! What a pipeline is expanded with, and what comes of it.

use std::collections::BTreeMap;

use orgo_spec::document::{Document, ReadText};

use crate::graph::StageId;
use crate::plan::Resolved;

/// What a pipeline is expanded with.
pub struct Given<'g> {
    /// Parameters of the run, by name.
    pub parameters: &'g BTreeMap<String, String>,
    /// Whether parameters without a value get some value of their type, for checks.
    pub lenient: bool,
    /// Reads committed lists.
    pub read: &'g ReadText<'g>,
    /// What stages wrote, in the order in which it became known.
    pub lists: &'g [KnownList],
    /// The text of the pipeline.
    pub document: &'g Document,
}

/// A list that a stage wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownList {
    /// The stage.
    pub stage: String,
    /// The path of the output.
    pub output: String,
    /// What is in it.
    pub text: String,
}

/// A plan with the items of lists that stages wrote.
#[derive(Debug)]
pub struct Growth {
    /// The plan. What was there before the last list was known has its id still, and what stands in place of the
    /// items of that list is the first of them.
    pub plan: Resolved,
    /// For each of the last stages of the plan, which are the further items, the first one of its list.
    pub origins: Vec<StageId>,
}
