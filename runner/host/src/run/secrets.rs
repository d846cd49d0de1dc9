//! Secrets by reference: read when a stage needs them, never kept.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use orgo_kernel::plan::{ResolvedStage, SecretRef};
use orgo_spec::pipeline::SecretSource;
use orgo_spec::{Digest, Hasher, ReasonCode};

use super::problem::Problem;

/// The longest secret, in bytes.
const MAX_BYTES: u64 = 64 << 10;
/// SHA-256 works on blocks of this many bytes.
const BLOCK: usize = 64;

/// Where secrets come from.
#[derive(Debug, Default)]
pub struct SecretValues {
    /// The file of the key of keyed digests; made on first use.
    key_file: PathBuf,
    key: Option<[u8; 32]>,
    digests: HashMap<(String, SecretSource), Digest>,
}

impl SecretValues {
    /// Secrets whose keyed digests are made with the key in this file, which need not be there yet.
    #[must_use]
    pub fn new(key_file: impl Into<PathBuf>) -> Self {
        Self { key_file: key_file.into(), ..Self::default() }
    }

    /// The variables that a stage sees besides its environment.
    pub(super) fn variables(stage: &ResolvedStage) -> Result<Vec<(String, String)>, Problem> {
        stage.secrets().iter().map(|secret| Ok((secret.name.clone(), value(secret)?))).collect()
    }

    /// What of a stage's secrets enters its key: that it has them, and keyed digests where they are asked for.
    pub(super) fn ingredients(&mut self, stage: &ResolvedStage) -> Result<Vec<(String, Option<Digest>)>, Problem> {
        let mut parts = Vec::with_capacity(stage.secrets().len());
        for secret in stage.secrets() {
            let digest = if secret.keyed_digest { Some(self.keyed_digest(secret)?) } else { None };
            parts.push((secret.name.clone(), digest));
        }
        Ok(parts)
    }

    fn keyed_digest(&mut self, secret: &SecretRef) -> Result<Digest, Problem> {
        let known = (secret.name.clone(), secret.from.clone());
        if let Some(digest) = self.digests.get(&known) {
            return Ok(*digest);
        }
        let key = self.key()?;
        let message = format!("orgo secret v1\0{}\0{}", secret.name, value(secret)?);
        let digest = hmac(&key, message.as_bytes());
        self.digests.insert(known, digest);
        Ok(digest)
    }

    fn key(&mut self) -> Result<[u8; 32], Problem> {
        if let Some(key) = self.key {
            return Ok(key);
        }
        let unusable = |why: String| Problem {
            code: ReasonCode::SecretUnavailable,
            message: format!("the key of keyed digests in `{}`: {why}", self.key_file.display()),
        };
        let key = match std::fs::read(&self.key_file) {
            Ok(bytes) => {
                use std::os::unix::fs::PermissionsExt;
                let mode = std::fs::metadata(&self.key_file).map_err(|e| unusable(e.to_string()))?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(unusable("its mode is not 0600".to_owned()));
                }
                bytes.try_into().map_err(|_| unusable("it does not have 32 bytes".to_owned()))?
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let mut key = [0u8; 32];
                getrandom::fill(&mut key).map_err(|e| unusable(e.to_string()))?;
                self.write(&key).map_err(|e| unusable(e.to_string()))?;
                key
            }
            Err(e) => return Err(unusable(e.to_string())),
        };
        self.key = Some(key);
        Ok(key)
    }

    /// Writes the key where there was none; whoever comes second is told so.
    fn write(&self, key: &[u8; 32]) -> std::io::Result<()> {
        let folder = self.key_file.parent().unwrap_or(std::path::Path::new("."));
        std::fs::create_dir_all(folder)?;
        let temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
        std::fs::OpenOptions::new().write(true).mode(0o600).open(temporary.path())?.write_all(key)?;
        temporary.as_file().sync_all()?;
        temporary.persist_noclobber(&self.key_file).map(drop).map_err(|e| e.error)
    }
}

/// The value of a secret, now.
fn value(secret: &SecretRef) -> Result<String, Problem> {
    let missing = |why: &str| Problem {
        code: ReasonCode::SecretUnavailable,
        message: format!("the secret `{}` from `{}` {why}", secret.name, secret.from),
    };
    let value = match &secret.from {
        SecretSource::Env(name) => match std::env::var(name) {
            Ok(value) => value,
            Err(std::env::VarError::NotPresent) => return Err(missing("is not set")),
            Err(std::env::VarError::NotUnicode(_)) => return Err(missing("is not text")),
        },
        SecretSource::File(path) => {
            let found = std::fs::metadata(path).map_err(|_| missing("cannot be read"))?;
            if !found.is_file() || found.len() > MAX_BYTES {
                return Err(missing("is not a file of at most 64 KiB"));
            }
            let mut text = std::fs::read_to_string(path).map_err(|_| missing("cannot be read as text"))?;
            if text.ends_with('\n') {
                text.pop();
            }
            text
        }
    };
    if value.is_empty() || value.contains('\0') {
        return Err(missing("is empty, or has a zero byte in it"));
    }
    Ok(value)
}

/// HMAC-SHA256 (RFC 2104) with a key that is shorter than a block.
fn hmac(key: &[u8; 32], message: &[u8]) -> Digest {
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
        block
    };
    let mut inner = Hasher::new();
    inner.update(&pad(0x36));
    inner.update(message);
    let mut outer = Hasher::new();
    outer.update(&pad(0x5c));
    outer.update(inner.finish().as_bytes());
    outer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyed_digest_is_hmac_sha256() {
        // Python: hmac.new(bytes(range(32)), b"message", "sha256").hexdigest()
        let key: [u8; 32] = std::array::from_fn(|i| i as u8);
        assert_eq!(hmac(&key, b"message").hex(), "6297b77508a1a30ea4dfadd8f847c31b49aba45de10a79daf721d3f7ec112a24");
    }

    #[test]
    fn the_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("keys/secret-digests.key");
        let first = SecretValues::new(&file).key().expect("made");
        assert_eq!(SecretValues::new(&file).key().expect("read"), first);
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("set");
        assert!(SecretValues::new(&file).key().is_err(), "others could read it");
    }
}
