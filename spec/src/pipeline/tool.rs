//! The built-in tools of the knowledge spine and what they are told.

use schemars::JsonSchema;
use serde::Serialize;

use crate::canonical::{Object, Value};
use crate::document::{Fields, Node, Problems, RelativePath, Spanned};
use crate::{Digest, Name};

/// A built-in tool that needs no gate.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpineTool {
    /// Raw files become snapshots with provenance.
    Ingest {
        /// The sources.
        sources: Vec<Source>,
    },
    /// Snapshots become Claim-IR.
    Extract {
        /// The extraction map.
        map: Spanned<RelativePath>,
    },
    /// Claim-IR becomes Resolved Claim-IR.
    Resolve {
        /// The registry of entities and properties.
        registry: Spanned<RelativePath>,
    },
    /// Stewards' decisions are applied.
    Decide {
        /// Patterns of decision files; they may match nothing.
        decisions: Vec<Spanned<String>>,
    },
    /// Resolved Claim-IR becomes a Validation Report.
    Validate {
        /// The rules.
        rules: Spanned<RelativePath>,
    },
}

/// A built-in tool that exists only behind a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CompileTool {
    /// Compiles the Exchange, the canon.
    CompileExchange,
    /// Compiles the Runtime Pack.
    CompilePack,
}

/// A raw input and where it came from.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Source {
    /// What the source is called in claims and decisions.
    pub name: Spanned<Name>,
    /// The file in the repository.
    pub file: Spanned<RelativePath>,
    /// The licence under which it was published (an SPDX expression).
    pub license: Spanned<String>,
    /// The published version.
    pub version: Spanned<String>,
    /// When it was retrieved (RFC 3339, UTC): the build clock comes from here.
    pub retrieved_at: String,
    /// Where it was published.
    pub uri: Option<Spanned<String>>,
    /// The digest that the file must have.
    pub sha256: Option<Digest>,
}

impl SpineTool {
    /// The word after `uses=`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ingest { .. } => "ingest",
            Self::Extract { .. } => "extract",
            Self::Resolve { .. } => "resolve",
            Self::Decide { .. } => "decide",
            Self::Validate { .. } => "validate",
        }
    }

    /// The folder that the tool writes, relative to its working folder.
    #[must_use]
    pub const fn output(&self) -> &'static str {
        match self {
            Self::Ingest { .. } => "snapshots",
            Self::Extract { .. } => "claims",
            Self::Resolve { .. } => "resolved",
            Self::Decide { .. } => "decided",
            Self::Validate { .. } => "report",
        }
    }

    /// Patterns of the repository files that the tool reads.
    pub fn files(&self) -> Vec<Spanned<String>> {
        let one = |path: &Spanned<RelativePath>| vec![path.clone().map(|p| p.as_str().to_owned())];
        match self {
            Self::Ingest { sources } => sources.iter().flat_map(|s| one(&s.file)).collect(),
            Self::Extract { map } => one(map),
            Self::Resolve { registry } => one(registry),
            Self::Decide { decisions } => decisions.clone(),
            Self::Validate { rules } => one(rules),
        }
    }

    /// The tool's configuration; `decisions` holds patterns that are replaced by what they match.
    #[must_use]
    pub fn config(&self) -> Object {
        let text = |path: &Spanned<RelativePath>| Value::from(path.as_str());
        match self {
            Self::Ingest { sources } => {
                let sources: Vec<Value> = sources.iter().map(|s| Value::Object(s.config())).collect();
                Object::from_iter([("sources", Value::Array(sources))])
            }
            Self::Extract { map } => Object::from_iter([("map", text(map))]),
            Self::Resolve { registry } => Object::from_iter([("registry", text(registry))]),
            Self::Decide { .. } => Object::from_iter([("decisions", Value::Array(Vec::new()))]),
            Self::Validate { rules } => Object::from_iter([("rules", text(rules))]),
        }
    }

    /// The same tool with every text replaced by what `each` makes of it; it is told which of them are paths.
    #[must_use]
    pub fn with_texts(&self, each: &mut dyn FnMut(&Spanned<String>, bool) -> String) -> Self {
        let mut path = |path: &Spanned<RelativePath>| {
            let text = each(&path.clone().map(|p| p.as_str().to_owned()), true);
            Spanned::new(RelativePath::new(&text).unwrap_or_else(|| path.value.clone()), path.span)
        };
        match self {
            Self::Ingest { sources } => {
                let mut text = |text: &Spanned<String>, is_path| Spanned::new(each(text, is_path), text.span);
                let source = |s: &Source| {
                    let file = text(&s.file.clone().map(|p| p.as_str().to_owned()), true);
                    Source {
                        name: s.name.clone(),
                        file: file.map(|f| RelativePath::new(&f).unwrap_or_else(|| s.file.value.clone())),
                        license: text(&s.license, false),
                        version: text(&s.version, false),
                        retrieved_at: s.retrieved_at.clone(),
                        uri: s.uri.as_ref().map(|uri| text(uri, false)),
                        sha256: s.sha256,
                    }
                };
                Self::Ingest { sources: sources.iter().map(source).collect() }
            }
            Self::Extract { map } => Self::Extract { map: path(map) },
            Self::Resolve { registry } => Self::Resolve { registry: path(registry) },
            Self::Decide { decisions } => {
                Self::Decide { decisions: decisions.iter().map(|d| Spanned::new(each(d, false), d.span)).collect() }
            }
            Self::Validate { rules } => Self::Validate { rules: path(rules) },
        }
    }

    /// Decodes the tool called `name`; `None` if a field is missing (then a problem was reported) or
    /// the name is not one of these.
    pub(super) fn decode(name: &str, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Self> {
        match name {
            "ingest" => {
                let nodes = fields.children("source");
                if nodes.is_empty() {
                    fields.required::<String>("source", problems);
                }
                let sources = nodes.into_iter().filter_map(|node| Source::decode(node, problems)).collect();
                Some(Self::Ingest { sources })
            }
            "extract" => Some(Self::Extract { map: fields.required("map", problems)? }),
            "resolve" => Some(Self::Resolve { registry: fields.required("registry", problems)? }),
            "decide" => Some(Self::Decide { decisions: fields.list("decisions", problems) }),
            "validate" => Some(Self::Validate { rules: fields.required("rules", problems)? }),
            _ => None,
        }
    }
}

impl CompileTool {
    /// The word after `uses=`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CompileExchange => "compile-exchange",
            Self::CompilePack => "compile-pack",
        }
    }

    /// The folder that the tool writes, relative to its working folder.
    #[must_use]
    pub const fn output(self) -> &'static str {
        match self {
            Self::CompileExchange => "exchange",
            Self::CompilePack => "pack",
        }
    }

    /// The tool of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::CompileExchange, Self::CompilePack].into_iter().find(|t| t.name() == name)
    }
}

/// Every word that may stand after `uses=`.
pub(super) const TOOL_NAMES: [&str; 7] =
    ["ingest", "extract", "resolve", "decide", "validate", "compile-exchange", "compile-pack"];

impl Source {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node);
        let name = fields.arg("a name", problems);
        let file = fields.required("file", problems);
        let license = fields.required::<String>("license", problems);
        let version = fields.required::<String>("version", problems);
        let retrieved_at = fields.required::<String>("retrieved-at", problems);
        let uri = fields.one::<String>("uri", problems);
        let sha256 = fields.one::<Digest>("sha256", problems);
        fields.finish(problems);
        let retrieved_at = retrieved_at?;
        if !is_utc_timestamp(&retrieved_at) {
            problems.push(
                crate::document::Problem::new(
                    crate::ReasonCode::ProvenanceIncomplete,
                    format!("`{}` is not a date and time in UTC", retrieved_at.escape_debug()),
                    retrieved_at.span,
                )
                .help("write it as `2026-11-21T00:00:00Z`"),
            );
        }
        Some(Self {
            name: name?,
            file: file?,
            license: license?,
            version: version?,
            retrieved_at: retrieved_at.value,
            uri,
            sha256: sha256.map(|s| s.value),
        })
    }

    fn config(&self) -> Object {
        let mut config = Object::from_iter([
            ("name", self.name.as_str()),
            ("file", self.file.as_str()),
            ("license", self.license.as_str()),
            ("version", self.version.as_str()),
            ("retrieved_at", self.retrieved_at.as_str()),
        ]);
        if let Some(uri) = &self.uri {
            config.insert("uri", uri.as_str());
        }
        if let Some(sha256) = self.sha256 {
            config.insert("sha256", sha256);
        }
        config
    }
}

/// Whether a text is `YYYY-MM-DDThh:mm:ssZ` with fields in range.
fn is_utc_timestamp(text: &str) -> bool {
    let shape = "dddd-dd-ddTdd:dd:ddZ";
    let ok = text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(b, s)| if s == b'd' { b.is_ascii_digit() } else { b == s });
    let field = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap_or(u32::MAX);
    ok && (1..=12).contains(&field(5..7))
        && (1..=31).contains(&field(8..10))
        && field(11..13) < 24
        && field(14..16) < 60
        && field(17..19) < 60
}
