//! The typed settings of a mandate besides validation: trust, distribution, rendering, execution.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{DurationMs, Fields, FromScalar, Node, Problem, Problems, Scalar, Span};
use crate::pipeline::Network;
use crate::{Name, ReasonCode};

/// Who must approve a mandate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustSettings {
    /// How many approvers must sign before it is active, and at least how many before the next one is.
    pub approvals: u32,
    /// How old a list of revocations may be, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_age_ms: Option<DurationMs>,
}

impl Default for TrustSettings {
    fn default() -> Self {
        Self { approvals: 1, revocation_age_ms: None }
    }
}

impl TrustSettings {
    /// Whether nothing was said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A policy that people may lift once, in an emergency (see [`crate::overriding`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overridable {
    /// The longest time that an override counts, in seconds.
    pub expires_s: u64,
    /// The policy, by its id: it forbids.
    pub policy: Name,
    /// How many people must sign, at least two.
    pub signers: u32,
}

/// How releases travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Channels that may carry a release, in the order in which they are written.
    pub channels: Vec<Name>,
    /// Whether an older release may follow a newer one.
    pub downgrade: Downgrade,
    /// How many release keys must sign.
    pub signers: u32,
}

/// Whether an older release may follow a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Downgrade {
    /// With a signed authorization only.
    Authorized,
    /// Never.
    Refused,
}

impl FromScalar for Downgrade {
    const EXPECTED: &'static str = "`authorized` or `refused`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        match String::from_scalar(scalar)?.as_str() {
            "authorized" => Some(Self::Authorized),
            "refused" => Some(Self::Refused),
            _ => None,
        }
    }
}

/// How documents are rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rendering {
    /// The share of rendered bytes that must trace to evidence, in percent.
    pub trace_coverage: u32,
}

/// What tasks may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Execution {
    /// How often one task may be tried.
    pub attempts: u32,
    /// Tools that may never run; this wins over `tools`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Name>,
    /// How long one attempt may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<DurationMs>,
    /// Whether tasks have a network.
    pub network: Network,
    /// Tools that may run; no others do.
    pub tools: Vec<Name>,
}

fn names(fields: &mut Fields<'_>, name: &'static str, problems: &mut Problems) -> Vec<Name> {
    fields.list::<Name>(name, problems).into_iter().map(|n| n.value).collect()
}

/// A count from 1 to `most`, `unless` it is not written.
fn count(fields: &mut Fields<'_>, name: &'static str, unless: u32, most: u32, problems: &mut Problems) -> u32 {
    let Some(written) = fields.one::<u32>(name, problems) else { return unless };
    if !(1..=most).contains(&written.value) {
        let message = format!("`{name}` is {}; it may be from 1 to {most}", written.value);
        problems.push(Problem::new(ReasonCode::MandateInvalid, message, written.span));
    }
    written.value
}

pub(super) fn trust(node: &Node, problems: &mut Problems) -> TrustSettings {
    let mut fields = Fields::new(node);
    let approvals = count(&mut fields, "approvals", 1, 64, problems);
    let revocation_age_ms = fields.one("revocation-age", problems).map(|age| age.value);
    fields.finish(problems);
    TrustSettings { approvals, revocation_age_ms }
}

/// What may be lifted, sorted by policy, and where each stands.
pub(super) fn overrides(node: &Node, problems: &mut Problems) -> Vec<(Overridable, Span)> {
    let mut fields = Fields::new(node);
    let mut overrides: Vec<(Overridable, Span)> = Vec::new();
    for child in fields.children("policy") {
        let mut fields = Fields::new(child);
        let policy = fields.arg::<Name>("the id of a policy", problems);
        let signers = fields.one::<u32>("signers", problems);
        let expires_s = fields.one::<DurationMs>("expires", problems).map_or(24 * 3600, |d| d.value.0 / 1000);
        fields.finish(problems);
        if let Some(few) = signers.as_ref().filter(|s| !(2..=32).contains(&s.value)) {
            let message = format!("`signers` is {}; it may be from 2 to 32", few.value);
            let problem = Problem::new(ReasonCode::MandateInvalid, message, few.span);
            problems.push(problem.help("nobody lifts a policy alone"));
        }
        let Some(policy) = policy else { continue };
        if expires_s == 0 {
            let message = "an override counts for at least a second";
            problems.push(Problem::new(ReasonCode::MandateInvalid, message, child.span));
        }
        if overrides.iter().any(|(o, _)| o.policy == policy.value) {
            problems.push(Problem::new(ReasonCode::FieldDuplicate, "this policy is listed twice", policy.span));
        }
        let signers = signers.map_or(2, |s| s.value);
        overrides.push((Overridable { expires_s, policy: policy.value, signers }, policy.span));
    }
    fields.finish(problems);
    overrides.sort_unstable_by(|(a, _), (b, _)| a.policy.cmp(&b.policy));
    overrides
}

pub(super) fn distribution(node: &Node, problems: &mut Problems) -> Distribution {
    let mut fields = Fields::new(node);
    let channels = names(&mut fields, "channel", problems);
    let downgrade = fields.one("downgrade", problems).map_or(Downgrade::Refused, |d| d.value);
    let signers = count(&mut fields, "signers", 1, 64, problems);
    fields.finish(problems);
    Distribution { channels, downgrade, signers }
}

pub(super) fn rendering(node: &Node, problems: &mut Problems) -> Rendering {
    let mut fields = Fields::new(node);
    let trace_coverage = count(&mut fields, "trace-coverage", 100, 100, problems);
    fields.finish(problems);
    Rendering { trace_coverage }
}

pub(super) fn execution(node: &Node, problems: &mut Problems) -> Execution {
    let mut fields = Fields::new(node);
    let execution = Execution {
        attempts: count(&mut fields, "attempts", 1, 100, problems),
        deny: names(&mut fields, "deny", problems),
        duration_ms: fields.one("duration", problems).map(|d| d.value),
        network: fields.one("network", problems).map_or(Network::None, |n| n.value),
        tools: names(&mut fields, "tool", problems),
    };
    fields.finish(problems);
    execution
}
