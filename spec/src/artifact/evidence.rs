//! Evidence: which bytes of which snapshot say so.
//!
//! The byte range decides; line and column are for people. `excerpt_sha256` is the digest of exactly the
//! bytes of the range, so a pointer can be re-read without trusting whoever wrote it.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::HexDigest;
use crate::Digest;

/// How the bytes of an excerpt are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LocatorKind {
    /// One cell of a CSV file, quotes included.
    CsvCell,
    /// One whole line without its line feed.
    Line,
}

/// A place in a snapshot: `{"type":"csv-cell","value":"bytes=82..89;line=2;column=5"}`.
///
/// `bytes` is half-open; `line` and `column` count from 1, the column in cells (CSV) or is always 1 (line).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locator {
    /// How to read the bytes.
    pub kind: LocatorKind,
    /// First byte.
    pub start: u64,
    /// First byte after the excerpt.
    pub end: u64,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes={}..{};line={};column={}", self.start, self.end, self.line, self.column)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    r#type: LocatorKind,
    value: String,
}

impl Serialize for Locator {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire { r#type: self.kind, value: self.to_string() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Locator {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        read(wire.r#type, &wire.value)
            .filter(|locator| locator.to_string() == wire.value && locator.start <= locator.end)
            .ok_or_else(|| serde::de::Error::custom(format!("`{}` is not a locator", wire.value.escape_debug())))
    }
}

fn read(kind: LocatorKind, text: &str) -> Option<Locator> {
    let mut parts = text.split(';');
    let mut part = |name: &str| parts.next()?.strip_prefix(name);
    let (start, end) = part("bytes=")?.split_once("..")?;
    let locator = Locator {
        kind,
        start: start.parse().ok()?,
        end: end.parse().ok()?,
        line: part("line=")?.parse().ok()?,
        column: part("column=")?.parse().ok()?,
    };
    parts.next().is_none().then_some(locator)
}

impl JsonSchema for Locator {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Locator".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": false,
            "required": ["type", "value"],
            "properties": {
                "type": { "enum": ["csv-cell", "line"] },
                "value": { "type": "string", "pattern": "^bytes=[0-9]+\\.\\.[0-9]+;line=[0-9]+;column=[0-9]+$" }
            }
        })
    }
}

/// A pointer to the bytes that support a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The snapshot.
    pub source: EvidenceSource,
    /// What the bytes say: the decoded cell, or the line.
    pub quote: String,
    /// Where they are.
    pub locator: Locator,
    /// SHA-256 of the bytes.
    pub excerpt_sha256: HexDigest,
}

/// The snapshot that evidence points into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceSource {
    /// Snapshot id.
    pub source_id: Digest,
    /// Name in the batch's `sources` table.
    pub title: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_spelling() {
        let place = Locator { kind: LocatorKind::CsvCell, start: 82, end: 89, line: 2, column: 5 };
        let json = r#"{"type":"csv-cell","value":"bytes=82..89;line=2;column=5"}"#;
        assert_eq!(serde_json::to_string(&place).ok().as_deref(), Some(json));
        assert_eq!(serde_json::from_str::<Locator>(json).ok(), Some(place));
        for refused in [
            "bytes=082..89;line=2;column=5",
            "bytes=89..82;line=2;column=5",
            "bytes=82..89;line=2",
            "bytes=82..89;line=2;column=5;",
            "bytes=+82..89;line=2;column=5",
        ] {
            let json = format!(r#"{{"type":"csv-cell","value":"{refused}"}}"#);
            assert!(serde_json::from_str::<Locator>(&json).is_err(), "{refused}");
        }
    }
}
