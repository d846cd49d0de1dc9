//! Leaves: what one record is in the log.

use super::{Malformed, leaf_hash};
use crate::Digest;
use crate::canonical::{self, Profile, Value};

/// The longest path of a record, in bytes.
const MAX_PATH_BYTES: usize = 255;

/// A record as the log has it: where it lies, and the digests of its statement and of its envelope.
///
/// Its bytes are compact canonical JSON (RFC 8785):
/// `{"envelope":"sha256:…","path":"records/0/0/1.build.json","statement":"sha256:…"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    path: String,
    statement: Digest,
    envelope: Digest,
}

impl Leaf {
    /// A leaf.
    ///
    /// # Errors
    /// [`Malformed`] unless the path is relative, in `/`-separated segments of `[a-z0-9][a-z0-9._-]*`, and of
    /// at most 255 bytes.
    pub fn new(path: &str, statement: Digest, envelope: Digest) -> Result<Self, Malformed> {
        let plain = |segment: &str| {
            segment.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
        };
        if path.len() > MAX_PATH_BYTES || !path.split('/').all(plain) {
            return Err(Malformed::new("leaf", "its path is not one of a record"));
        }
        Ok(Self { path: path.to_owned(), statement, envelope })
    }

    /// Where the record lies in the ledger.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The digest of the record's bytes: its id.
    #[must_use]
    pub fn statement(&self) -> &Digest {
        &self.statement
    }

    /// The digest of the bytes of the `.dsse` file.
    #[must_use]
    pub fn envelope(&self) -> &Digest {
        &self.envelope
    }

    /// The bytes of the entry; fewer than 512.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Neither digests nor paths of these characters need an escape, and the members stand in canonical order.
        let Self { path, statement, envelope } = self;
        format!(r#"{{"envelope":"{envelope}","path":"{path}","statement":"{statement}"}}"#).into_bytes()
    }

    /// The hash of the leaf in the tree.
    #[must_use]
    pub fn hash(&self) -> Digest {
        leaf_hash(&self.to_bytes())
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`Malformed`] for all bytes that [`Leaf::to_bytes`] would not write.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let wrong = Malformed::new("leaf", "it is not the canonical object of envelope, path and statement");
        let profile = Profile { max_bytes: 512, max_depth: 1, ..Profile::RECORD };
        let value = canonical::parse(bytes, profile).map_err(|_| wrong)?;
        let text = |name| value.get(name).and_then(Value::as_str).ok_or(wrong);
        let digest = |name| text(name)?.parse().map_err(|_| wrong);
        let leaf = Self::new(text("path")?, digest("statement")?, digest("envelope")?)?;
        if leaf.to_bytes() == bytes { Ok(leaf) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> Leaf {
        Leaf::new("records/0/0/1.build.json", Digest::of(b"statement"), Digest::of(b"envelope")).expect("a plain path")
    }

    #[test]
    fn a_leaf_is_compact_canonical_json() {
        let (statement, envelope) = (Digest::of(b"statement"), Digest::of(b"envelope"));
        let text =
            format!(r#"{{"envelope":"{envelope}","path":"records/0/0/1.build.json","statement":"{statement}"}}"#);
        assert_eq!(leaf().to_bytes(), text.as_bytes());
        assert_eq!(Leaf::parse(text.as_bytes()), Ok(leaf()));
        assert_eq!(leaf().hash(), leaf_hash(text.as_bytes()));
    }

    #[test]
    fn one_leaf_has_one_spelling() {
        let text = String::from_utf8(leaf().to_bytes()).expect("JSON is text");
        for refused in [
            format!("{text}\n"),
            format!(" {text}"),
            text.replace(':', ": "),
            text.replace("path", "place"),
            text.replace(r#""path""#, r#""extra":1,"path""#),
            text.replace("records/0", "records/../0"),
            text.replace("records/0", "/records/0"),
            text.replace("records/0", "records//0"),
            text.replace("build", "Build"),
            text.replace("build", "b\\u0075ild"),
            text.replacen("sha256", "sha1", 1),
            text.replace(r#","path":"records/0/0/1.build.json""#, ""),
            format!("{{{}}}", "\"a\":1,".repeat(200)),
            "[]".to_owned(),
            String::new(),
        ] {
            assert_eq!(
                Leaf::parse(refused.as_bytes()).map_err(|e| e.code()),
                Err(crate::ReasonCode::LogMalformed),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_leaf_with_the_longest_path_reads_back() {
        let leaf = Leaf::new(&"a".repeat(MAX_PATH_BYTES), Digest::EMPTY, Digest::EMPTY).expect("a plain path");
        assert_eq!(Leaf::parse(&leaf.to_bytes()), Ok(leaf));
        assert!(Leaf::new(&"a".repeat(MAX_PATH_BYTES + 1), Digest::EMPTY, Digest::EMPTY).is_err());
        assert!(Leaf::new("", Digest::EMPTY, Digest::EMPTY).is_err());
    }
}
