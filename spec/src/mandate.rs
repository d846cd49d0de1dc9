//! Mandates: what a project allows, as a document that gates read. `mandates/<name>/mandate.kdl`.
//!
//! Fields follow koa-contract 2.2. The mandate's id is the digest of its canonical form, which names its
//! policies by digest ([`Bundle`]), so the same words and policies are the same mandate. Built-in gate
//! rules read it directly; policies can only refuse more.
//!
//! A mandate accepts what it lists and nothing else; there is no setting that lets a report with errors
//! pass. One that cannot be read permits nothing.

mod bundle;
mod settings;
mod table;

pub use bundle::{Bundle, MAX_FILE_BYTES, MAX_FILES, Terms};
pub use settings::{Distribution, Downgrade, Execution, Overridable, Rendering, TrustSettings};
pub use table::{Case, Expected, Table};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{Document, DocumentError, Fields, Node, Problem, Problems, RelativePath, Span, Spanned, parse};
use crate::pipeline::{Isolation, RecordMode};
use crate::project::unknown_top;
use crate::record::Accepts;
use crate::{Digest, Name, ReasonCode, canonical};

/// A decoded mandate.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Mandate {
    /// Version of this document.
    pub schema_version: &'static str,
    /// What it is called.
    pub name: Spanned<Name>,
    /// Whose it is.
    pub tenant_id: Name,
    /// Counts up; an older version never replaces a newer one.
    pub version: u32,
    /// What the project is for.
    pub mission: String,
    /// What it wants to reach.
    pub objectives: Vec<String>,
    /// What it must not do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// How one tells that it is reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub success_criteria: Vec<String>,
    /// What gates accept.
    pub validation: Validation,
    /// The weakest isolation that stages may run at.
    pub isolation_minimum: Isolation,
    /// Whether a run that repeats the last one adds a record.
    pub record: RecordMode,
    /// The pipelines that it may govern; none listed means any of the tenant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pipelines: Vec<Name>,
    /// Who must approve it.
    #[serde(skip_serializing_if = "TrustSettings::is_default")]
    pub trust: TrustSettings,
    /// How releases travel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// How documents are rendered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rendering: Option<Rendering>,
    /// What tasks may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<Execution>,
    /// Policies that people may lift once, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Overridable>,
    /// Where these are named.
    #[serde(skip)]
    pub override_spans: Vec<Span>,
    /// Its policies, sorted by file name; only a [`Bundle`] knows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyFile>,
    /// The language that the policies are written in; absent without policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_engine: Option<PolicyEngine>,
}

/// A policy file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// Its name below the mandate's folder.
    pub file: String,
    /// Digest of its bytes.
    pub sha256: Digest,
}

/// The language of policies, under which their meaning is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyEngine {
    /// What the language is called.
    pub name: String,
    /// Its major version.
    pub version: String,
}

impl PolicyEngine {
    /// Cedar, as this program reads it.
    #[must_use]
    pub fn cedar() -> Self {
        Self { name: "cedar".to_owned(), version: "4".to_owned() }
    }
}

/// What gates accept.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Validation {
    /// Rule sets, by the digest of their file.
    pub rulesets: Vec<Ruleset>,
    /// Validators.
    pub validators: Vec<Validator>,
}

impl Validation {
    fn accepts(&self) -> Accepts {
        let mut rulesets: Vec<Digest> = self.rulesets.iter().map(|r| r.sha256).collect();
        let tool = |v: &Validator| if let Validator::Tool { sha256, .. } = v { Some(*sha256) } else { None };
        let mut validators: Vec<Digest> = self.validators.iter().filter_map(tool).collect();
        rulesets.sort_unstable();
        validators.sort_unstable();
        Accepts { builtin: self.validators.iter().any(|v| matches!(v, Validator::Builtin)), rulesets, validators }
    }
}

/// A rule set that is accepted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Ruleset {
    /// Where it lies; for readers, the digest decides.
    pub path: String,
    /// Digest of the file.
    pub sha256: Digest,
}

/// A validator that is accepted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Validator {
    /// The very program that decides the gate.
    Builtin,
    /// Another program, by the digest over its tools.
    Tool {
        /// What it is called.
        name: String,
        /// The digest that stands in the record of a stage as its tools.
        sha256: Digest,
    },
}

/// Most rule sets, and most validators, that one mandate lists: the facts of a gate repeat them.
const MAX_LISTED: usize = 64;

impl Mandate {
    /// Decodes a mandate.
    ///
    /// # Errors
    /// [`DocumentError`] with every problem; a mandate that cannot be read permits nothing.
    pub fn parse(document: &Document) -> Result<Self, DocumentError> {
        let nodes = parse(document)?;
        let mut problems = Problems::new(document);
        let mut mandate = None;
        for node in &nodes {
            if *node.name == "mandate" && mandate.is_none() {
                mandate = decode(node, &mut problems);
            } else {
                problems.push(unknown_top(&node.name, &["mandate"]));
            }
        }
        if mandate.is_none() && problems.is_empty() {
            let problem = Problem::new(ReasonCode::MandateInvalid, "the document declares no mandate", Span::default());
            problems.push(problem.help("write `mandate \"name\" version=1 tenant=\"…\" { … }`"));
        }
        problems.check(mandate)
    }

    /// The mandate's id: the digest of its canonical form.
    #[must_use]
    pub fn id(&self) -> Digest {
        canonical::digest_of(self).expect("a mandate has no numbers beyond 2^53")
    }

    /// What gates accept, as their facts repeat it.
    #[must_use]
    pub fn accepts(&self) -> Accepts {
        self.validation.accepts()
    }
}

fn decode(node: &Node, problems: &mut Problems) -> Option<Mandate> {
    let mut fields = Fields::new(node);
    let name = fields.arg("a name", problems);
    let tenant = fields.required::<Name>("tenant", problems);
    let version = fields.required::<u32>("version", problems);
    let mission = fields.required::<String>("mission", problems);
    let mut list = |name| fields.list::<String>(name, problems).into_iter().map(|text| text.value).collect();
    let (objectives, constraints, success_criteria) = (list("objective"), list("constraint"), list("success"));
    let validation = fields.child("validation", problems).map(|node| validation(node, problems)).unwrap_or_default();
    let isolation = fields.one("isolation-minimum", problems).map_or(Isolation::Open, |i| i.value);
    let record = fields.one("record", problems).map_or_else(RecordMode::default, |r| r.value);
    let pipelines = fields.list::<Name>("pipeline", problems).into_iter().map(|name| name.value).collect();
    let mut section = |name| fields.child(name, problems);
    let (trust, distribution) = (section("trust"), section("distribution"));
    let (rendering, execution, overrides) = (section("rendering"), section("execution"), section("overrides"));
    fields.finish(problems);
    let overrides = overrides.map(|node| settings::overrides(node, problems)).unwrap_or_default();
    let (overrides, override_spans) = overrides.into_iter().unzip();
    Some(Mandate {
        schema_version: "1.0.0",
        name: name?,
        tenant_id: tenant?.value,
        version: version?.value,
        mission: mission?.value,
        objectives,
        constraints,
        success_criteria,
        validation,
        isolation_minimum: isolation,
        record,
        pipelines,
        trust: trust.map(|node| settings::trust(node, problems)).unwrap_or_default(),
        distribution: distribution.map(|node| settings::distribution(node, problems)),
        rendering: rendering.map(|node| settings::rendering(node, problems)),
        execution: execution.map(|node| settings::execution(node, problems)),
        overrides,
        override_spans,
        policies: Vec::new(),
        policy_engine: None,
    })
}

fn validation(node: &Node, problems: &mut Problems) -> Validation {
    let mut fields = Fields::new(node);
    let mut validation = Validation::default();
    for child in fields.children("ruleset") {
        let mut fields = Fields::new(child);
        let path = fields.arg::<RelativePath>("a path", problems);
        let sha256 = fields.required::<Digest>("sha256", problems);
        fields.finish(problems);
        if let (Some(path), Some(sha256)) = (path, sha256) {
            if validation.rulesets.iter().any(|r| r.sha256 == sha256.value) {
                problems.push(Problem::new(ReasonCode::FieldDuplicate, "these rules are listed twice", sha256.span));
            }
            validation.rulesets.push(Ruleset { path: path.to_string(), sha256: sha256.value });
        }
    }
    for child in fields.children("validator") {
        let mut fields = Fields::new(child);
        let name = fields.arg::<String>("`builtin`, or a name with `sha256=`", problems);
        let sha256 = fields.one::<Digest>("sha256", problems);
        fields.finish(problems);
        match (name, sha256) {
            (Some(name), Some(sha256)) => {
                validation.validators.push(Validator::Tool { name: name.value, sha256: sha256.value });
            }
            (Some(name), None) if *name == "builtin" => validation.validators.push(Validator::Builtin),
            (Some(name), None) => problems.push(
                Problem::new(ReasonCode::MandateInvalid, format!("the validator `{name}` is not pinned"), name.span)
                    .help("add `sha256=\"sha256:…\"`, or write `validator \"builtin\"`"),
            ),
            (None, _) => {}
        }
    }
    fields.finish(problems);
    for (what, count) in [("rule sets", validation.rulesets.len()), ("validators", validation.validators.len())] {
        if count > MAX_LISTED {
            let message = format!("{count} {what} are listed, at most {MAX_LISTED} may be");
            problems.push(Problem::new(ReasonCode::MandateInvalid, message, node.name.span));
        }
    }
    validation
}

#[cfg(test)]
mod tests;
