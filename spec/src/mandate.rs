//! Mandates: what a project allows, as a document that gates read. `mandates/<name>/mandate.kdl`.
//!
//! Fields follow koa-contract 2.2. The mandate's id is the digest of its canonical form, so the same
//! words are the same mandate. Built-in gate rules read it directly.

use schemars::JsonSchema;
use serde::Serialize;

use crate::document::{Document, DocumentError, Fields, Node, Problem, Problems, Span, Spanned, parse_kdl};
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
    /// What gates accept.
    pub validation: Validation,
    /// The weakest isolation that stages may run at.
    pub isolation_minimum: Isolation,
    /// Whether a run that repeats the last one adds a record.
    pub record: RecordMode,
}

/// What gates accept.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Validation {
    /// Rule sets, by the digest of their file.
    pub rulesets: Vec<Ruleset>,
    /// Validators.
    pub validators: Vec<Validator>,
}

/// A rule set that is accepted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Ruleset {
    /// Where it lies; for readers, the digest decides.
    pub path: String,
    /// Digest of the file.
    pub sha256: Digest,
}

/// A validator that is accepted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
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

impl Mandate {
    /// Decodes a mandate.
    ///
    /// # Errors
    /// [`DocumentError`] with every problem; a mandate that cannot be read permits nothing.
    pub fn parse(document: &Document) -> Result<Self, DocumentError> {
        let nodes = parse_kdl(document)?;
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

    /// What a gate may accept under this mandate.
    #[must_use]
    pub fn accepts(&self) -> Accepts {
        let mut rulesets: Vec<Digest> = self.validation.rulesets.iter().map(|r| r.sha256).collect();
        let tool = |v: &Validator| if let Validator::Tool { sha256, .. } = v { Some(*sha256) } else { None };
        let mut validators: Vec<Digest> = self.validation.validators.iter().filter_map(tool).collect();
        rulesets.sort_unstable();
        validators.sort_unstable();
        Accepts {
            builtin: self.validation.validators.iter().any(|v| matches!(v, Validator::Builtin)),
            rulesets,
            validators,
        }
    }
}

fn decode(node: &Node, problems: &mut Problems) -> Option<Mandate> {
    let mut fields = Fields::new(node);
    let name = fields.arg("a name", problems);
    let tenant = fields.required::<Name>("tenant", problems);
    let version = fields.required::<u32>("version", problems);
    let mission = fields.required::<String>("mission", problems);
    let objectives = fields.list::<String>("objective", problems);
    let validation = fields.child("validation", problems).map(|node| validation(node, problems)).unwrap_or_default();
    let isolation = fields.one("isolation-minimum", problems).map_or(Isolation::Open, |i| i.value);
    let record = fields.one("record", problems).map_or_else(RecordMode::default, |r| r.value);
    fields.finish(problems);
    Some(Mandate {
        schema_version: "1.0.0",
        name: name?,
        tenant_id: tenant?.value,
        version: version?.value,
        mission: mission?.value,
        objectives: objectives.into_iter().map(|o| o.value).collect(),
        validation,
        isolation_minimum: isolation,
        record,
    })
}

fn validation(node: &Node, problems: &mut Problems) -> Validation {
    let mut fields = Fields::new(node);
    let mut validation = Validation::default();
    for child in fields.children("ruleset") {
        let mut fields = Fields::new(child);
        let path = fields.arg::<String>("a path", problems);
        let sha256 = fields.required::<Digest>("sha256", problems);
        fields.finish(problems);
        if let (Some(path), Some(sha256)) = (path, sha256) {
            validation.rulesets.push(Ruleset { path: path.value, sha256: sha256.value });
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
    validation
}
