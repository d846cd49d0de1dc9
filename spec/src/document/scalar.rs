//! Typed values from scalars: each type says what it accepts, so that messages can.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::tree::Scalar;
use crate::{Digest, Name};

/// A type that one written value decodes into.
pub trait FromScalar: Sized {
    /// What is accepted, as it reads after `expected `.
    const EXPECTED: &'static str;

    /// The value, or `None` if it is not what [`Self::EXPECTED`] says.
    fn from_scalar(scalar: &Scalar) -> Option<Self>;
}

fn text(scalar: &Scalar) -> Option<&str> {
    if let Scalar::Text(text) = scalar { Some(text) } else { None }
}

impl FromScalar for String {
    const EXPECTED: &'static str = "text in quotes";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        text(scalar).map(str::to_owned)
    }
}

impl FromScalar for bool {
    const EXPECTED: &'static str = "`#true` or `#false`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        if let Scalar::Bool(b) = scalar { Some(*b) } else { None }
    }
}

impl FromScalar for u32 {
    const EXPECTED: &'static str = "a whole number from 0 to 4294967295";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        if let Scalar::Integer(i) = scalar { Self::try_from(*i).ok() } else { None }
    }
}

impl FromScalar for Name {
    const EXPECTED: &'static str = "a name (a-z, 0-9, `.`, `_`, `-`; it begins with a letter or a digit)";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        Self::new(text(scalar)?).ok()
    }
}

impl FromScalar for Digest {
    const EXPECTED: &'static str = "a digest: `sha256:` and 64 lower-case hexadecimal digits";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        text(scalar)?.parse().ok()
    }
}

/// A number exactly as written, text or not (`"0.01"`, `0.01`, `3`): for exact decimals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Literal(pub String);

impl FromScalar for Literal {
    const EXPECTED: &'static str = "a number";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        match scalar {
            Scalar::Text(t) | Scalar::Number(t) => Some(Self(t.clone())),
            Scalar::Integer(i) => Some(Self(i.to_string())),
            Scalar::Bool(_) | Scalar::Null => None,
        }
    }
}

/// A duration in milliseconds, written with a unit: `500ms`, `30s`, `10m`, `2h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DurationMs(pub u64);

impl FromScalar for DurationMs {
    const EXPECTED: &'static str = "a duration such as `500ms`, `30s`, `10m` or `2h`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        let text = text(scalar)?;
        let at = text.find(|c: char| !c.is_ascii_digit())?;
        let factor = match &text[at..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        let ms = text[..at].parse::<u64>().ok()?.checked_mul(factor)?;
        (1..=365 * 24 * 3_600_000).contains(&ms).then_some(Self(ms))
    }
}

impl JsonSchema for DurationMs {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DurationMs".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "description": "milliseconds" })
    }
}

/// A size in bytes, written with a unit: `512KiB`, `64MiB`, `4GiB`, or a plain number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ByteSize(pub u64);

impl FromScalar for ByteSize {
    const EXPECTED: &'static str = "a size such as `512KiB`, `64MiB` or `4GiB`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        if let Scalar::Integer(i) = scalar {
            return u64::try_from(*i).ok().map(Self);
        }
        let text = text(scalar)?;
        let at = text.find(|c: char| !c.is_ascii_digit())?;
        let shift = match &text[at..] {
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            _ => return None,
        };
        text[..at].parse::<u64>().ok()?.checked_mul(1 << shift).filter(|b| *b < 1 << 53).map(Self)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "description": "bytes" })
    }
}

/// A path below the repository or the working folder of a stage: relative, `/` between parts, no
/// empty part, no `.` or `..`, no control character, no backslash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RelativePath(String);

impl RelativePath {
    /// Reads a path.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = |part: &str| {
            !part.is_empty() && part != "." && part != ".." && !part.contains(|c: char| c == '\\' || c.is_control())
        };
        (text.len() <= 4096 && text.split('/').all(plain)).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether `other` is this path or lies below it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromScalar for RelativePath {
    const EXPECTED: &'static str = "a relative path without `.`, `..` and empty parts";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        Self::new(text(scalar)?)
    }
}

impl std::fmt::Display for RelativePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RelativePath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a relative path")))
    }
}

impl JsonSchema for RelativePath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RelativePath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 4096, "pattern": "^[^/\\\\]+(/[^/\\\\]+)*$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: FromScalar>(text: &str) -> Option<T> {
        T::from_scalar(&Scalar::Text(text.to_owned()))
    }

    #[test]
    fn durations_and_sizes_need_a_unit() {
        assert_eq!(read("10m"), Some(DurationMs(600_000)));
        assert_eq!(read("500ms"), Some(DurationMs(500)));
        assert_eq!(read::<DurationMs>("10"), None);
        assert_eq!(read::<DurationMs>("0s"), None);
        assert_eq!(read("4GiB"), Some(ByteSize(4 << 30)));
        assert_eq!(read::<ByteSize>("4GB"), None);
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        for refused in ["", "/a", "a//b", "a/", "./a", "a/../b", "..", "a\\b", "a\nb"] {
            assert_eq!(RelativePath::new(refused), None, "{refused:?}");
        }
        let dir = RelativePath::new("a/b").expect("a plain path");
        assert!(dir.contains(&RelativePath::new("a/b/c").expect("a plain path")));
        assert!(!dir.contains(&RelativePath::new("a/bc").expect("a plain path")));
    }
}
