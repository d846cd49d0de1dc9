//! Exact decimals: what sources publish, compared without a float anywhere.
//!
//! A value is `digits × 10^exponent` with no leading or trailing zero digit, so equal numbers are equal
//! values (`98` = `98.0` = `9.8e1`) and have one canonical text. At most 400 digits, so that hostile
//! cells cannot cost more than a glance.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::ReasonCode;
use crate::document::{FromScalar, Literal, Scalar};

mod digits;

/// Most digits that a value may have.
const MAX_DIGITS: usize = 400;
/// Largest magnitude of a value's exponent.
const MAX_EXPONENT: i32 = 800;
/// Longest text that is looked at; every value within the two limits has a canonical text below it.
const MAX_TEXT: usize = 1300;

/// An exact decimal number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    /// ASCII digits, most significant first; empty for zero; first and last are not `0`.
    digits: String,
    exponent: i32,
}

/// Why a text is not a decimal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a number at all.
    #[error("`{0}` is not a decimal number")]
    NotADecimal(String),
    /// A number in a spelling that the value would not give back: a plus sign, leading zeros, blanks,
    /// group separators, a bare point, a negative zero.
    #[error("`{0}` does not survive the way from text to number and back")]
    Lossy(String),
    /// More than 400 digits, or an exponent beyond ±800.
    #[error("`{0}` has more digits than a decimal may have")]
    TooLong(String),
}

impl DecimalError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::NotADecimal(_) | Self::TooLong(_) => ReasonCode::NormalizeLiteralInvalid,
            Self::Lossy(_) => ReasonCode::NormalizeLiteralLossy,
        }
    }
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, digits: String::new(), exponent: 0 };

    /// Reads a published number: `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`, and not minus zero.
    ///
    /// Trailing zeros and the exponent form are notation (the evidence keeps them); every other
    /// spelling of a number is refused as lossy.
    ///
    /// # Errors
    /// [`DecimalError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let shown = || text.escape_debug().take(60).collect::<String>();
        match split(text) {
            Some((negative, whole, fraction, exponent)) => {
                let exponent: i32 = match exponent {
                    "" => 0,
                    digits => digits.parse().map_err(|_| DecimalError::TooLong(shown()))?,
                };
                if text.len() > MAX_TEXT || exponent.unsigned_abs() > 2 * MAX_EXPONENT.unsigned_abs() {
                    return Err(DecimalError::TooLong(shown()));
                }
                let scale = i32::try_from(fraction.len()).expect("bounded above");
                let value = Self::from_parts(negative, format!("{whole}{fraction}"), exponent - scale);
                if value.digits.len() > MAX_DIGITS || value.exponent.abs() > MAX_EXPONENT {
                    return Err(DecimalError::TooLong(shown()));
                }
                if negative && value == Self::ZERO {
                    return Err(DecimalError::Lossy(shown()));
                }
                Ok(value)
            }
            None if looks_numeric(text) => Err(DecimalError::Lossy(shown())),
            None => Err(DecimalError::NotADecimal(shown())),
        }
    }

    /// `digits × 10^exponent`, normalized.
    fn from_parts(negative: bool, digits: String, exponent: i32) -> Self {
        let trimmed = digits.trim_start_matches('0');
        let kept = trimmed.trim_end_matches('0');
        if kept.is_empty() {
            return Self::ZERO;
        }
        let dropped = i32::try_from(trimmed.len() - kept.len()).expect("bounded by the limit");
        Self { negative, digits: kept.to_owned(), exponent: exponent + dropped }
    }

    /// Whether the number is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The number without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        Self { negative: false, ..self.clone() }
    }

    /// The exact product.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        let digits = digits::multiply(&self.digits, &other.digits);
        Self::from_parts(self.negative != other.negative, digits, self.exponent + other.exponent)
    }

    /// The exact difference without its sign: `|self − other|`.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.shifted(exponent), other.shifted(exponent));
        let digits = if self.negative == other.negative { digits::difference(&a, &b) } else { digits::sum(&a, &b) };
        Self::from_parts(false, digits, exponent)
    }

    /// Whether `|self − other| > tolerance · min(|self|, |other|)`, exactly.
    #[must_use]
    pub fn differs_beyond(&self, other: &Self, tolerance: &Self) -> bool {
        let smaller = self.abs().min(other.abs());
        self.distance(other) > tolerance.times(&smaller)
    }

    /// The digits as a whole number of units of `10^exponent`, where `exponent` is not above ours.
    fn shifted(&self, exponent: i32) -> String {
        let zeros = usize::try_from(self.exponent - exponent).unwrap_or(0);
        let mut digits = self.digits.clone();
        if !digits.is_empty() {
            digits.extend(std::iter::repeat_n('0', zeros));
        }
        digits
    }

    /// The place of the first digit: 1 for `5`, 3 for `500`, 0 for `0.5`.
    fn magnitude(&self) -> i64 {
        i64::try_from(self.digits.len()).expect("bounded by the limit") + i64::from(self.exponent)
    }
}

/// Sign, whole digits, fraction digits and exponent of a text in the grammar of [`Decimal::parse`].
fn split(text: &str) -> Option<(bool, &str, &str, &str)> {
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).map_or((rest, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let exponent_ok = exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
    let whole_ok = digits(whole) && (whole.len() == 1 || !whole.starts_with('0'));
    let exponent = exponent.map_or("", |e| e.strip_prefix('+').unwrap_or(e));
    (whole_ok && fraction.is_none_or(digits) && exponent_ok).then_some((
        negative,
        whole,
        fraction.unwrap_or(""),
        exponent,
    ))
}

/// Whether a person would read the text as a number.
fn looks_numeric(text: &str) -> bool {
    let strip = |c: char| c.is_whitespace() || matches!(c, ',' | '\'' | '_' | '\u{a0}' | '\u{202f}');
    let plain: String = text.chars().filter(|c| !strip(*c)).collect();
    let plain = plain.strip_prefix(['+', '-', '\u{2212}']).unwrap_or(&plain);
    plain.starts_with(|c: char| c.is_numeric() || c == '.')
        && plain.chars().any(char::is_numeric)
        && plain.chars().all(|c| c.is_numeric() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = |a: &Self, b: &Self| match (a.digits.is_empty(), b.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Without trailing zeros, a prefix is smaller: the order of texts is the order of fractions.
            (false, false) => a.magnitude().cmp(&b.magnitude()).then_with(|| a.digits.cmp(&b.digits)),
        };
        match (self.negative, other.negative) {
            (false, false) => size(self, other),
            (true, true) => size(other, self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    /// The canonical text: no exponent, no needless zero, no sign but minus.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        if self.digits.is_empty() {
            return f.write_str("0");
        }
        let zeros = |n: i64| "0".repeat(usize::try_from(n).unwrap_or(0));
        let point = self.magnitude();
        if self.exponent >= 0 {
            write!(f, "{}{}", self.digits, zeros(i64::from(self.exponent)))
        } else if point > 0 {
            let (whole, fraction) = self.digits.split_at(usize::try_from(point).expect("positive"));
            write!(f, "{whole}.{fraction}")
        } else {
            write!(f, "0.{}{}", zeros(-point), self.digits)
        }
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::parse(text)
    }
}

impl FromScalar for Decimal {
    const EXPECTED: &'static str = "a decimal number such as `0.02`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        Self::parse(&Literal::from_scalar(scalar)?.0).ok()
    }
}

impl Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    /// Accepts the canonical text only: one number, one spelling.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = Self::parse(&text).map_err(serde::de::Error::custom)?;
        if value.to_string() == text {
            Ok(value)
        } else {
            Err(serde::de::Error::custom(format!("`{text}` is not the canonical text of {value}")))
        }
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^-?(0|[1-9][0-9]*)(\\.[0-9]*[1-9])?$" })
    }
}

/// A decimal as Exchange carries it: canonical text with a sign, `+0.0708`, `-1`, `+0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub Decimal);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.0.is_negative() { "" } else { "+" }, self.0)
    }
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = Decimal::parse(text.strip_prefix('+').unwrap_or(&text)).map(Self);
        let value = value.map_err(serde::de::Error::custom)?;
        if value.to_string() == text {
            Ok(value)
        } else {
            Err(serde::de::Error::custom(format!("`{text}` is not the canonical amount {value}")))
        }
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[+-](0|[1-9][0-9]*)(\\.[0-9]*[1-9])?$" })
    }
}

#[cfg(test)]
mod tests;
