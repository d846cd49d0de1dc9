//! From bytes to a manifest that can be believed.

use super::{MANIFEST_NAME, PackFile, PackManifest};
use crate::artifact::{ArtifactError, read, runtime_pack_id};
use crate::canonical::{CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION, Profile, parse};
use crate::{Digest, ReasonCode};

/// Why a pack is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The manifest is not what it says it is.
    #[error("{0}")]
    Manifest(#[from] ArtifactError),
    /// A path that is not below the pack, or the manifest itself.
    #[error("the manifest lists `{0}`, which it must not")]
    Path(String),
    /// A listed file is not there.
    #[error("`{0}` is missing")]
    Missing(String),
    /// A file has other bytes than listed.
    #[error("`{0}` is not the file that the manifest lists")]
    FileHash(String),
    /// A file hashes right but cannot be read as what it should be.
    #[error("`{path}` cannot be read: {why}")]
    Content {
        /// Which file.
        path: String,
        /// What is wrong.
        why: String,
    },
}

impl PackError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Manifest(error) => error.code(),
            Self::Path(_) => ReasonCode::PackPathEscape,
            Self::Missing(_) => ReasonCode::FileMissing,
            Self::FileHash(_) => ReasonCode::FileHashMismatch,
            Self::Content { .. } => ReasonCode::SchemaInvalid,
        }
    }
}

/// A manifest whose id follows from its content and whose rules hold. Signatures are checked elsewhere,
/// against the trust of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedManifest {
    manifest: PackManifest,
}

impl PackManifest {
    /// Reads a manifest and holds it to its id and its rules.
    ///
    /// # Errors
    /// [`PackError`] with the first thing that is wrong.
    pub fn verified(bytes: &[u8]) -> Result<VerifiedManifest, PackError> {
        let what = "the pack manifest";
        let manifest: Self = read(what, bytes)?;
        let value =
            parse(bytes, Profile::DOCUMENT).map_err(|error| ArtifactError::Json { what: what.to_owned(), error })?;
        let computed = runtime_pack_id(&value);
        if computed != manifest.runtime_pack_id.0 {
            return Err(PackError::Manifest(ArtifactError::Identity {
                what: what.to_owned(),
                declared: manifest.runtime_pack_id.to_string(),
                computed: computed.hex(),
            }));
        }
        let rule = |text: &str| PackError::Manifest(ArtifactError::Rule(text.to_owned()));
        if manifest.manifest_version != "3.0.0" || !manifest.build.deterministic {
            return Err(rule("the pack manifest is not a deterministic one of version 3.0.0"));
        }
        if manifest.build.canonicalization_profile != CANONICALIZATION_PROFILE
            || manifest.build.canonicalization_version != CANONICALIZATION_VERSION
        {
            return Err(rule("the pack manifest names another canonical form"));
        }
        if let Some(file) = manifest.files.iter().find(|f| f.path.as_str() == MANIFEST_NAME) {
            return Err(PackError::Path(file.path.to_string()));
        }
        if manifest.files.is_empty() || !manifest.files.is_sorted_by(|a, b| a.path < b.path) {
            return Err(PackError::Manifest(ArtifactError::Order("the list of files".to_owned())));
        }
        Ok(VerifiedManifest { manifest })
    }
}

impl VerifiedManifest {
    /// The manifest.
    #[must_use]
    pub fn get(&self) -> &PackManifest {
        &self.manifest
    }

    /// The entry of a file.
    ///
    /// # Errors
    /// [`PackError::Missing`] if the manifest lists no such file.
    pub fn file(&self, path: &str) -> Result<&PackFile, PackError> {
        let files = &self.manifest.files;
        files
            .binary_search_by(|f| f.path.as_str().cmp(path))
            .map(|i| &files[i])
            .map_err(|_| PackError::Missing(path.to_owned()))
    }

    /// Holds digest and length of a file against its entry.
    ///
    /// # Errors
    /// [`PackError::Missing`] or [`PackError::FileHash`].
    pub fn check(&self, path: &str, digest: Digest, size_bytes: u64) -> Result<(), PackError> {
        let entry = self.file(path)?;
        if entry.sha256.0 == digest && entry.size_bytes == size_bytes {
            Ok(())
        } else {
            Err(PackError::FileHash(path.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(case: &str) -> Vec<u8> {
        let text = include_bytes!("../../../vectors/derived-v4/derived-vectors.json");
        let all = parse(text, Profile::DATA).expect("JSON");
        let mut value = all.at(&["runtime_pack", case]).expect("the case is there").clone();
        // our closed manifest has no `build_platform`: it is never emitted and not part of the id
        for (name, member) in value.as_object_mut().expect("an object").iter_mut() {
            if name == "compiler" {
                member.as_object_mut().expect("an object").remove("build_platform");
            }
        }
        crate::canonical::to_bytes(&value)
    }

    #[test]
    fn a_manifest_is_believed_only_if_its_id_follows() {
        let base = PackManifest::verified(&vector("base")).expect("verifies");
        assert!(PackManifest::verified(&vector("volatile_variant_same_id")).is_ok());
        let tampered = PackManifest::verified(&vector("tampered_inventory_different_id"));
        assert_eq!(tampered.map_err(|e| e.code()), Err(ReasonCode::FileHashMismatch));
        let listed = base.file("query/capabilities.json").expect("listed").sha256.0;
        assert_eq!(base.check("query/capabilities.json", listed, 2), Ok(()));
        assert!(base.check("query/capabilities.json", listed, 3).is_err());
        assert!(base.check("query/capabilities.json", Digest::EMPTY, 2).is_err());
        assert_eq!(base.file("other").map_err(|e| e.code()), Err(ReasonCode::FileMissing));
    }

    #[test]
    fn paths_out_of_the_pack_are_refused() {
        let text = String::from_utf8(vector("base")).expect("JSON");
        for path in ["../x", "/etc/passwd", "a/../b", "a\\\\b", ""] {
            let altered = text.replace("data/triples.jsonl", path);
            assert!(PackManifest::verified(altered.as_bytes()).is_err(), "{path}");
        }
        let itself = parse(text.replace("data/triples.jsonl", MANIFEST_NAME).as_bytes(), Profile::DATA).expect("JSON");
        let mut itself = itself;
        let id = runtime_pack_id(&itself).hex();
        itself.as_object_mut().expect("an object").insert("runtime_pack_id", id);
        let refused = PackManifest::verified(&crate::canonical::to_bytes(&itself)).map_err(|e| e.code());
        assert_eq!(refused.map(|_| ()), Err(ReasonCode::PackPathEscape));
    }
}
