//! SHA-256 digests: the one hash of the project, as a type.
//!
//! Text form is `sha256:` followed by 64 lower-case hexadecimal digits. Upper-case digits, other
//! algorithms and other lengths are refused (supply-chain threat T-08), so one digest has one spelling.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest (32 bytes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The text names another algorithm, or none.
    #[error("`{0}` does not name SHA-256 (`sha256:` and 64 hexadecimal digits)")]
    Algorithm(String),
    /// The hexadecimal part has a wrong length or a digit that is not lower-case hexadecimal.
    #[error("`{0}` is not 64 lower-case hexadecimal digits")]
    Malformed(String),
}

impl DigestError {
    /// Returns the reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> crate::ReasonCode {
        match self {
            Self::Algorithm(_) => crate::ReasonCode::DigestAlgorithmRefused,
            Self::Malformed(_) => crate::ReasonCode::DigestMalformed,
        }
    }
}

impl Digest {
    /// The digest of no bytes at all.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Hashes all that `reader` yields and counts it: digest and length in bytes.
    ///
    /// # Errors
    /// Passes on what the reader reports.
    pub fn of_reader(mut reader: impl Read) -> io::Result<(Self, u64)> {
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finish_with_size()),
                Ok(n) => hasher.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Wraps 32 bytes that are known to be a SHA-256 digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits, without a prefix.
    #[must_use]
    pub fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// The first 12 hexadecimal digits, for people; never for look-ups.
    #[must_use]
    pub fn short(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0[..6])
    }

    /// Reads 64 lower-case hexadecimal digits without a prefix.
    ///
    /// # Errors
    /// [`DigestError::Malformed`] for anything else.
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        let malformed = || DigestError::Malformed(hex.chars().take(80).collect());
        if hex.len() != 64 {
            return Err(malformed());
        }
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).map_err(|_| malformed())?;
        bytes.try_into().map(Self).map_err(|_| malformed())
    }
}

/// The text form, on the stack: records have many digests.
struct Text([u8; 71]);

impl Text {
    fn of(digest: &Digest) -> Self {
        let mut text = *b"sha256:0000000000000000000000000000000000000000000000000000000000000000";
        data_encoding::HEXLOWER.encode_mut(&digest.0, &mut text[7..]);
        Self(text)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::of(self).as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text.strip_prefix("sha256:") {
            Some(hex) => Self::from_hex(hex),
            None => Err(DigestError::Algorithm(text.chars().take(80).collect())),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(Text::of(self).as_str())
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(TextVisitor)
        } else {
            let bytes = <&[u8]>::deserialize(deserializer)?;
            bytes.try_into().map(Self).map_err(|_| serde::de::Error::invalid_length(bytes.len(), &"32 bytes"))
        }
    }
}

struct TextVisitor;

impl serde::de::Visitor<'_> for TextVisitor {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Digest, E> {
        text.parse().map_err(E::custom)
    }
}

impl JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" })
    }
}

/// An incremental SHA-256 that also counts bytes.
#[derive(Clone, Default)]
pub struct Hasher {
    state: Sha256,
    size_bytes: u64,
}

impl Hasher {
    /// Starts with no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    /// The digest of all bytes added.
    #[must_use]
    pub fn finish(self) -> Digest {
        self.finish_with_size().0
    }

    /// The digest of all bytes added, and how many they were.
    #[must_use]
    pub fn finish_with_size(self) -> (Digest, u64) {
        (Digest(self.state.finalize().into()), self.size_bytes)
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_digest_is_the_digest_of_nothing() {
        assert_eq!(Digest::of(b""), Digest::EMPTY);
    }

    #[test]
    fn one_digest_has_one_spelling() {
        let digest = Digest::of(b"abc");
        let text = digest.to_string();
        assert_eq!(text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(text.parse(), Ok(digest));
        for refused in [
            &text.to_uppercase(),
            &text[..70],
            &text[7..],
            &text.replace("sha256", "sha1"),
            &format!("{text}0"),
            &format!(" {text}"),
            &text.replace("sha256:ba", "sha256:BA"),
        ] {
            assert!(refused.parse::<Digest>().is_err(), "{refused}");
        }
    }
}
