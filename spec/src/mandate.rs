//! Mandates: what a project allows, as a document that gates read. `mandates/<name>/mandate.kdl`.
//!
//! Fields follow koa-contract 2.2. The mandate's id is the digest of its canonical form, so the same
//! words are the same mandate. Built-in gate rules read it directly.
//!
//! A mandate accepts what it lists and nothing else; there is no setting that lets a report with errors
//! pass. One that cannot be read permits nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::canonical::{JsonError, Profile};
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

    /// What the mandate with this canonical form accepts: what its id is the digest of.
    ///
    /// # Errors
    /// [`JsonError`] for bytes that are no mandate.
    pub fn accepts_of(bytes: &[u8]) -> Result<Accepts, JsonError> {
        #[derive(Deserialize)]
        struct Part {
            validation: Validation,
        }
        let part: Part = canonical::from_slice(bytes, Profile::DOCUMENT)?;
        Ok(part.validation.accepts())
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
    fields.finish(problems);
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
mod tests {
    use super::*;

    const GOOD: &str = r#"
mandate "reference-data" version=3 tenant="acme" {
    mission "publish reference data"
    objective "every value with its origin"
    constraint "no silent winner"
    validation {
        ruleset "rules/b.kdl" sha256="sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        ruleset "rules/a.kdl" sha256="sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        validator "builtin"
        validator "other" sha256="sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    }
    isolation-minimum "confined"
    record "always"
}
"#;

    fn read(text: &str) -> Result<Mandate, Vec<(ReasonCode, String)>> {
        Mandate::parse(&Document::new("mandates/m/mandate.kdl", text))
            .map_err(|e| e.problems().map(|p| (p.code(), p.message().to_owned())).collect())
    }

    fn digest(digit: &str) -> Digest {
        Digest::from_hex(&digit.repeat(64)).expect("64 digits")
    }

    #[test]
    fn a_mandate_says_what_gates_accept() {
        let mandate = read(GOOD).expect("well formed");
        assert_eq!((mandate.version, mandate.isolation_minimum), (3, Isolation::Confined));
        assert_eq!(mandate.record, RecordMode::Always);
        let accepts =
            Accepts { builtin: true, rulesets: vec![digest("a"), digest("b")], validators: vec![digest("c")] };
        assert_eq!(mandate.accepts(), accepts);
        let empty = read(r#"mandate "m" version=1 tenant="acme" { mission "none"; }"#).expect("well formed");
        assert_eq!(empty.accepts(), Accepts { builtin: false, rulesets: vec![], validators: vec![] }, "nothing");
    }

    #[test]
    fn the_same_words_are_the_same_mandate() {
        let id = |text: &str| read(text).expect("well formed").id();
        assert_eq!(id(GOOD), id(&GOOD.replace("    mission", "// a comment\n  mission")));
        for (from, to) in [
            ("version=3", "version=4"),
            ("acme", "other"),
            ("origin", "source"),
            ("no silent", "a silent"),
            ("sha256:aaaa", "sha256:0aaa"),
            ("validator \"builtin\"", ""),
            ("confined", "open"),
            ("\"always\"", "\"changed\""),
        ] {
            assert!(GOOD.contains(from));
            assert_ne!(id(GOOD), id(&GOOD.replace(from, to)), "{from}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_mandate_is_said_all_at_once() {
        let text = GOOD
            .replace("version=3 ", "")
            .replace("mission", "misson")
            .replace("validator \"other\" sha256=\"sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\"", "validator \"latest\"")
            .replace("rules/a.kdl", "../rules/a.kdl");
        let problems = read(&text).map(|m| m.id()).expect_err("five problems");
        let codes: Vec<_> = problems.iter().map(|(code, _)| *code).collect();
        use ReasonCode::{DocumentInvalid, FieldUnknown, MandateInvalid};
        assert_eq!(codes.iter().filter(|c| **c == DocumentInvalid).count(), 3, "{problems:?}");
        assert_eq!(codes.iter().filter(|c| **c == FieldUnknown).count(), 1, "{problems:?}");
        assert_eq!(codes.iter().filter(|c| **c == MandateInvalid).count(), 1, "{problems:?}");
        assert!(read("").is_err() && read("mandat \"m\"").is_err());
    }

    #[test]
    fn a_list_that_would_not_fit_into_facts_is_refused() {
        let rules =
            |n: usize| (0..n).map(|i| format!("ruleset \"r\" sha256=\"sha256:{i:064x}\"\n")).collect::<String>();
        let text =
            |n| format!("mandate \"m\" version=1 tenant=\"acme\" {{ mission \"m\"\n validation {{\n{}}}\n}}", rules(n));
        assert!(read(&text(MAX_LISTED)).is_ok());
        let refused = read(&text(MAX_LISTED + 1)).map(|m| m.id()).expect_err("one too many");
        assert_eq!(refused[0].0, ReasonCode::MandateInvalid);
        let twice = text(1).replace(
            "ruleset",
            "ruleset \"s\" sha256=\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"\nruleset",
        );
        assert_eq!(read(&twice).map(|m| m.id()).expect_err("listed twice")[0].0, ReasonCode::FieldDuplicate);
    }
}
