//! Parameters: what a run may be told, with types.

use schemars::JsonSchema;
use serde::Serialize;

use crate::document::{Fields, FromScalar, Node, Problem, Problems, RelativePath, Scalar, Span, Spanned};
use crate::{Name, ReasonCode};

/// A parameter of a pipeline, written `${name}` where its value is used.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Param {
    /// The name.
    pub name: Spanned<Name>,
    /// What values it takes.
    #[serde(flatten)]
    pub kind: ParamKind,
    /// The value that it has unless a run says otherwise, as canonical text; without one, runs must say it.
    pub default: Option<String>,
    /// What it is for.
    pub help: Option<String>,
}

/// What values a parameter takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ParamKind {
    /// Any text without control characters.
    Text,
    /// A whole number of 64 bits.
    Integer {
        /// The smallest value.
        min: Option<i64>,
        /// The largest value.
        max: Option<i64>,
    },
    /// `true` or `false`.
    Boolean,
    /// One of these.
    Choice {
        /// The values.
        one_of: Vec<String>,
    },
    /// A path below the repository.
    Path,
}

impl ParamKind {
    /// The word after `type=`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer { .. } => "integer",
            Self::Boolean => "boolean",
            Self::Choice { .. } => "choice",
            Self::Path => "path",
        }
    }

    /// What values there are, for messages.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Text => "text without control characters".to_owned(),
            Self::Integer { min: None, max: None } => "a whole number".to_owned(),
            Self::Integer { min: Some(min), max: None } => format!("a whole number from {min}"),
            Self::Integer { min: None, max: Some(max) } => format!("a whole number up to {max}"),
            Self::Integer { min: Some(min), max: Some(max) } => format!("a whole number from {min} to {max}"),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Choice { one_of } => format!("one of {}", one_of.join(", ")),
            Self::Path => RelativePath::EXPECTED.to_owned(),
        }
    }

    /// The canonical text of a value, if `text` is one: equal values have equal texts.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<String> {
        if !crate::canonical::is_plain(text) {
            return None; // records hold plain text only
        }
        match self {
            Self::Text => (!text.contains(char::is_control) && text.len() <= 4096).then(|| text.to_owned()),
            Self::Integer { min, max } => {
                let number: i64 = text.parse().ok()?;
                let fits = min.is_none_or(|m| m <= number) && max.is_none_or(|m| number <= m);
                fits.then(|| number.to_string())
            }
            Self::Boolean => matches!(text, "true" | "false").then(|| text.to_owned()),
            Self::Choice { one_of } => one_of.iter().find(|v| *v == text).cloned(),
            Self::Path => RelativePath::new(text).map(|p| p.as_str().to_owned()),
        }
    }

    /// Some value of the kind, for checks that need one.
    #[must_use]
    pub fn example(&self) -> String {
        match self {
            Self::Text | Self::Path => "x".to_owned(),
            Self::Integer { min, max } => min.or(*max).unwrap_or(0).to_string(),
            Self::Boolean => "false".to_owned(),
            Self::Choice { one_of } => one_of.first().cloned().unwrap_or_default(),
        }
    }
}

impl Param {
    /// Decodes a `param` node.
    pub(super) fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node);
        let name = fields.arg::<Name>("a name", problems);
        let kind = fields.one::<String>("type", problems);
        let default = fields.one::<Written>("default", problems);
        let help = fields.one::<String>("help", problems);
        let min = fields.one::<Whole>("min", problems);
        let max = fields.one::<Whole>("max", problems);
        let one_of = fields.list::<String>("one-of", problems);
        fields.finish(problems);
        let written = kind.as_ref().map_or("text", |k| k.as_str());
        let kind_span = kind.as_ref().map_or(node.name.span, |k| k.span);
        let invalid = |message: String, span: Span| Problem::new(ReasonCode::DocumentInvalid, message, span);
        let kind = match written {
            "text" => ParamKind::Text,
            "integer" => {
                ParamKind::Integer { min: min.as_ref().map(|m| m.value.0), max: max.as_ref().map(|m| m.value.0) }
            }
            "boolean" => ParamKind::Boolean,
            "choice" => ParamKind::Choice { one_of: one_of.iter().map(|v| v.value.clone()).collect() },
            "path" => ParamKind::Path,
            other => {
                problems.push(
                    invalid(format!("`{}` is not a type", other.escape_debug()), kind_span)
                        .help("the types are text, integer, boolean, choice and path"),
                );
                return None;
            }
        };
        if !matches!(kind, ParamKind::Integer { .. })
            && let Some(bound) = min.as_ref().or(max.as_ref())
        {
            problems.push(invalid("only integers have `min` and `max`".to_owned(), bound.span).help("remove it"));
        }
        match (&kind, one_of.first()) {
            (ParamKind::Choice { .. }, None) => problems
                .push(invalid("a choice needs values".to_owned(), kind_span).help("add `one-of \"first\" \"second\"`")),
            (ParamKind::Choice { .. }, Some(_)) | (_, None) => {}
            (_, Some(value)) => problems
                .push(invalid("only choices have `one-of`".to_owned(), value.span).help("write `type=\"choice\"`")),
        }
        if let (Some(low), Some(high)) = (&min, &max)
            && low.value.0 > high.value.0
        {
            problems.push(invalid("no number is that small and that large".to_owned(), high.span));
        }
        let default = default.and_then(|default| {
            let read = kind.read(&default.value.0);
            if read.is_none() {
                problems.push(
                    invalid(format!("the default is not {}", kind.expected()), default.span)
                        .help("correct the default, or the type"),
                );
            }
            read
        });
        Some(Self { name: name?, kind, default, help: help.map(|h| h.value) })
    }
}

/// A value of a parameter as it is written: text, a whole number or a truth value.
pub(super) struct Written(pub(super) String);

impl FromScalar for Written {
    const EXPECTED: &'static str = "text, a whole number, `#true` or `#false`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        match scalar {
            Scalar::Text(text) => Some(Self(text.clone())),
            Scalar::Integer(i) => Some(Self(i.to_string())),
            Scalar::Bool(b) => Some(Self(b.to_string())),
            Scalar::Number(_) | Scalar::Null => None,
        }
    }
}

struct Whole(i64);

impl FromScalar for Whole {
    const EXPECTED: &'static str = "a whole number";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        if let Scalar::Integer(i) = scalar { Some(Self(*i)) } else { None }
    }
}
