//! Shapes that several artifacts share (koa-contract 2.1).

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::document::{FromScalar, Scalar};

/// Declares a text type that holds only what its rule accepts.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $pattern:literal, $expected:literal, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(String);

        impl $name {
            /// Reads the text; `None` if it breaks the rule.
            #[must_use]
            pub fn new(text: &str) -> Option<Self> {
                let rule: fn(&str) -> bool = $rule;
                rule(text).then(|| Self(text.to_owned()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).ok_or_else(|| {
                    let shown: String = text.escape_debug().take(60).collect();
                    serde::de::Error::custom(format!("`{shown}` is not {}", $expected))
                })
            }
        }

        impl FromScalar for $name {
            const EXPECTED: &'static str = $expected;

            fn from_scalar(scalar: &Scalar) -> Option<Self> {
                if let Scalar::Text(text) = scalar { Self::new(text) } else { None }
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

/// Whether a text is a letter of `kinds` and a number of at most 18 digits without leading zeros.
fn is_id(text: &str, kinds: &str) -> bool {
    let mut chars = text.chars();
    let digits = chars.as_str().get(1..).unwrap_or("");
    chars.next().is_some_and(|c| kinds.contains(c))
        && (1..=18).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit())
}

text_type!(
    /// The id of an item or a unit: `Q` and a number.
    Qid, "^Q[1-9][0-9]{0,17}$", "an id such as `Q42`", |text| is_id(text, "Q")
);
text_type!(
    /// The id of a property: `P` and a number.
    Pid, "^P[1-9][0-9]{0,17}$", "an id such as `P31`", |text| is_id(text, "P")
);
text_type!(
    /// The id of anything in the registry: item, unit or property.
    EntityId, "^[QP][1-9][0-9]{0,17}$", "an id such as `Q42` or `P31`", |text| is_id(text, "QP")
);
text_type!(
    /// The id of a claim: `c:` and 32 hexadecimal digits of the digest of what was claimed where.
    ClaimId, "^c:[0-9a-f]{32}$", "a claim id (`c:` and 32 hexadecimal digits)", |text| {
        text.strip_prefix("c:").is_some_and(|hex| {
            hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    }
);
text_type!(
    /// A moment in UTC to the second: `2026-11-20T00:00:00Z`. Text order is time order.
    Utc, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", "a moment such as `2026-11-20T00:00:00Z`", is_utc
);
text_type!(
    /// The `schema_version` of Kristal documents, always `3.0`.
    SchemaVersion, "^3\\.0$", "`3.0`", |text| text == super::SCHEMA_VERSION
);

fn is_utc(text: &str) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = text.len() == shape.len()
        && text.bytes().zip(shape).all(|(b, s)| if *s == b'd' { b.is_ascii_digit() } else { b == *s });
    if !fits {
        return false;
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap_or(u32::MAX);
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return false,
    };
    (1..=days).contains(&day) && number(11..13) < 24 && number(14..16) < 60 && number(17..19) < 60
}

impl Utc {
    /// Reads a moment, or a date, which means its first second.
    #[must_use]
    pub fn from_date_or_moment(text: &str) -> Option<Self> {
        Self::new(text).or_else(|| Self::new(&format!("{text}T00:00:00Z")))
    }
}

impl SchemaVersion {
    /// The only version there is.
    #[must_use]
    pub fn current() -> Self {
        Self(super::SCHEMA_VERSION.to_owned())
    }
}

impl ClaimId {
    /// The id of a claim from the digest of what was claimed where.
    #[must_use]
    pub fn of(digest: Digest) -> Self {
        Self(format!("c:{}", &digest.hex()[..32]))
    }
}

impl From<Qid> for EntityId {
    fn from(id: Qid) -> Self {
        Self(id.0)
    }
}

impl From<Pid> for EntityId {
    fn from(id: Pid) -> Self {
        Self(id.0)
    }
}

impl EntityId {
    /// The id as an item or unit, if it is one.
    #[must_use]
    pub fn as_qid(&self) -> Option<Qid> {
        Qid::new(&self.0)
    }

    /// The id as a property, if it is one.
    #[must_use]
    pub fn as_pid(&self) -> Option<Pid> {
        Pid::new(&self.0)
    }
}

/// A digest written as 64 hexadecimal digits without a prefix, where Kristal demands that spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HexDigest(pub Digest);

impl fmt::Display for HexDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

impl Serialize for HexDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HexDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Digest::from_hex(&String::deserialize(deserializer)?).map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for HexDigest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HexDigest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

/// The `hash` object of Kristal: `{"alg":"sha256","value":"…"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sha256Object {
    /// The algorithm.
    pub alg: Sha256Name,
    /// The digest.
    pub value: HexDigest,
}

/// The only algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sha256Name {
    /// SHA-256.
    #[serde(rename = "sha256")]
    Sha256,
}

impl From<Digest> for Sha256Object {
    fn from(digest: Digest) -> Self {
        Self { alg: Sha256Name::Sha256, value: HexDigest(digest) }
    }
}

/// A file that a manifest pins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Path relative to the manifest.
    pub path: crate::document::RelativePath,
    /// SHA-256 of its bytes.
    pub sha256: HexDigest,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Lines, where the file is JSON Lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
}

/// A program that made an artifact: no host, no commit, no time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Name, such as `orgo-extract`.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Digest of the full effective configuration of the stage (koa-contract 3.3).
    pub config_hash: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_exist_and_have_one_spelling() {
        for good in ["2026-11-20T00:00:00Z", "2024-02-29T23:59:59Z", "2000-02-29T00:00:00Z"] {
            assert!(Utc::new(good).is_some(), "{good}");
        }
        for bad in [
            "2026-11-20",
            "2026-11-20T00:00:00+00:00",
            "2026-11-20T00:00:00.0Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20t00:00:00z",
        ] {
            assert!(Utc::new(bad).is_none(), "{bad}");
        }
        assert_eq!(Utc::from_date_or_moment("2026-11-20"), Utc::new("2026-11-20T00:00:00Z"));
    }

    #[test]
    fn ids_have_one_letter_and_no_leading_zero() {
        for bad in ["Q", "Q0", "Q01", "q1", "P1", "Q1 ", "Q1234567890123456789", "Q\u{661}", ""] {
            assert!(Qid::new(bad).is_none(), "{bad:?}");
        }
        assert!(Qid::new("Q4000000001").is_some() && Pid::new("P9000001").is_some());
        assert!(EntityId::new("P1").and_then(|id| id.as_pid()).is_some());
        assert!(EntityId::new("P1").and_then(|id| id.as_qid()).is_none());
    }
}
