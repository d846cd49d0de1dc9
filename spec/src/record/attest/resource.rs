//! Resources and their digests, as in-toto writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::AttestationError;
use crate::{Digest, DigestError};

/// A digest set (in-toto `DigestSet`): algorithm to lower-case hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DigestSet(BTreeMap<String, String>);

impl DigestSet {
    /// One SHA-256.
    #[must_use]
    pub fn sha256(digest: &Digest) -> Self {
        Self::one("sha256", digest.hex())
    }

    /// One commit of a git repository, 40 or 64 hexadecimal digits.
    #[must_use]
    pub fn commit(commit: &str) -> Self {
        Self::one("gitCommit", commit.to_owned())
    }

    /// One tree of a git repository, 40 or 64 hexadecimal digits.
    #[must_use]
    pub fn tree(tree: &str) -> Self {
        Self::one("gitTree", tree.to_owned())
    }

    fn one(algorithm: &str, digest: String) -> Self {
        Self(BTreeMap::from([(algorithm.to_owned(), digest)]))
    }

    /// The SHA-256 in it.
    #[must_use]
    pub fn get_sha256(&self) -> Option<Digest> {
        Digest::from_hex(self.0.get("sha256")?).ok()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Holds a set to the rules: `sha256`, `sha512`, `gitCommit` and `gitTree` in lower-case hexadecimal and of
    /// their length, nothing else, not empty.
    ///
    /// # Errors
    /// [`DigestError`].
    pub fn check(&self) -> Result<(), DigestError> {
        if self.is_empty() {
            return Err(DigestError::Malformed(String::new()));
        }
        for (algorithm, digest) in &self.0 {
            let lengths: &[usize] = match algorithm.as_str() {
                "sha256" => &[64],
                "sha512" => &[128],
                "gitCommit" | "gitTree" => &[40, 64],
                _ => return Err(DigestError::Algorithm(algorithm.chars().take(80).collect())),
            };
            let hexadecimal = digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if !hexadecimal || !lengths.contains(&digest.len()) {
                return Err(DigestError::Malformed(digest.chars().take(80).collect()));
            }
        }
        Ok(())
    }
}

/// A resource (in-toto `ResourceDescriptor`): at least a digest or a URI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// What it hashes to.
    #[serde(default, skip_serializing_if = "DigestSet::is_empty")]
    pub digest: DigestSet,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is, or which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

impl Descriptor {
    /// A named thing by SHA-256.
    #[must_use]
    pub fn named(name: impl Into<String>, digest: &Digest) -> Self {
        Self { digest: DigestSet::sha256(digest), name: Some(name.into()), uri: None }
    }

    /// Refuses digests that [`DigestSet::check`] refuses; no digest at all is `needed` or not.
    pub(in crate::record) fn check(&self, needed: bool) -> Result<(), AttestationError> {
        if self.digest.is_empty() && !needed {
            return Ok(());
        }
        let what = self.name.as_ref().or(self.uri.as_ref()).cloned().unwrap_or_default();
        self.digest.check().map_err(|error| AttestationError::Digest { what, error })
    }
}
