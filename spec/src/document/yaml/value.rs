//! Mappings, lists and texts with places; texts become typed values here.

use crate::document::tree::{Scalar, Span};

/// What YAML text holds, before it becomes nodes.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) shape: Shape,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum Shape {
    Text {
        text: String,
        /// Whether it is written without quotes, so that it may be a number or a truth value.
        plain: bool,
        /// Whether it stands in the file as it reads, quotes aside.
        exact: bool,
    },
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl Shape {
    /// Where the last thing inside ends.
    pub(super) fn end(&self) -> Option<usize> {
        match self {
            Self::Text { .. } => None,
            Self::List(items) => items.last().map(Value::end),
            // A value that is not written lies behind its key, wherever the next line begins.
            Self::Map(entries) => {
                entries.last().map(|(key, value)| if value.is_empty() { key.end() } else { value.end() })
            }
        }
    }
}

impl Value {
    /// The byte behind it.
    pub(super) fn end(&self) -> usize {
        self.span.offset as usize + self.span.len as usize
    }

    /// Whether nothing is written: `name:` and the end of the line.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.shape, Shape::Text { text, plain: true, .. } if text.is_empty())
    }
}

/// The value of a text without quotes, by the core schema of YAML 1.2: `yes`, `no`, `on` and `off` are texts.
pub(super) fn typed(text: &str) -> Scalar {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |text: &str, radix: u32| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Number("#nan".to_owned()),
        _ => {}
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Scalar::Number(if text.starts_with('-') { "#-inf" } else { "#inf" }.to_owned());
    }
    if digits(unsigned, 10) {
        return text.parse().map_or_else(|_| Scalar::Number(text.to_owned()), Scalar::Integer);
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(prefix).filter(|rest| digits(rest, radix)) {
            return i64::from_str_radix(rest, radix).map_or_else(|_| Scalar::Number(text.to_owned()), Scalar::Integer);
        }
    }
    if is_decimal(unsigned) { Scalar::Number(text.to_owned()) } else { Scalar::Text(text.to_owned()) }
}

/// Whether a text is digits with a point or an exponent: `.5`, `1.`, `1.5e-3`.
fn is_decimal(text: &str) -> bool {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    all_digits(whole)
        && all_digits(part)
        && whole.len() + part.len() > 0
        && exponent.is_none_or(|e| !e.is_empty() && all_digits(e))
}
