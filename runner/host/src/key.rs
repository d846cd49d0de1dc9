//! Private keys: where they lie, what each may sign, and nothing else.
//!
//! * [`UserDir`]: the folder of one user that holds keys and pins. Its place never comes from the environment.
//! * [`PrivateKey`]: an ed25519 key with one [`Role`]; it signs only what its role is for.
//! * Development keys are made on first use, without a prompt, and carry their mark in the file.
//!
//! INVARIANT: a private key is read only from a regular file of mode 0600 that belongs to the user, appears
//! in whole or not at all, and is wiped from memory when it is dropped.

mod file;
mod user;

use std::fmt;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use orgo_spec::signature::{Namespace, PAYLOAD_TYPE, PublicKey, SshSignature, pae};
use orgo_spec::{Name, ReasonCode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use user::UserDir;
pub(crate) use user::private_folder;

/// The duty of a key. One key has one duty (supply-chain 2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Signs records (DSSE).
    Runner,
    /// Signs the commits of the ledger (SSHSIG, namespace `git`).
    Git,
    /// Signs trust records (DSSE).
    Root,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Runner, Self::Git, Self::Root];

    /// The name as files and commands spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Git => "git",
            Self::Root => "root",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|r| r.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a role (runner, git, root)"))
    }
}

/// How a key came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyClass {
    /// Made by itself on first use; production trust refuses it.
    Development,
    /// Made on purpose with `orgo key new`.
    Standard,
}

impl KeyClass {
    /// The name as files spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Standard => "standard",
        }
    }
}

/// A private key with its duty. Wiped from memory when dropped.
#[derive(Clone)]
pub struct PrivateKey {
    secret: SigningKey,
    public: PublicKey,
    role: Role,
    class: KeyClass,
    path: PathBuf,
}

/// A key file of the user's folder: its name without suffix, and the key or why it cannot be used.
pub type ListedKey = (String, Result<PrivateKey, KeyError>);

/// Why a key cannot be used, made or found.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum KeyError {
    #[error("the key file `{path}` cannot be used: {why}")]
    Unusable { path: PathBuf, why: String },
    #[error("the key file `{path}` is not readable as a key")]
    Malformed { path: PathBuf },
    #[error("the key file `{path}` exists already")]
    Exists { path: PathBuf },
    #[error("there is no {role} key at `{path}`")]
    Missing { path: PathBuf, role: Role },
    #[error("the key of role {have} was asked to sign what is for role {need}")]
    Role { have: Role, need: Role },
    #[error("the user database has no home folder for user {uid}; name one with `--home DIR`")]
    NoHome { uid: u32 },
    #[error("`{path}`: {error}")]
    Io { path: PathBuf, error: std::io::Error },
}

impl KeyError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Role { .. } => ReasonCode::KeyScopeMismatch,
            Self::Unusable { .. }
            | Self::Malformed { .. }
            | Self::Exists { .. }
            | Self::Missing { .. }
            | Self::NoHome { .. }
            | Self::Io { .. } => ReasonCode::KeyUnusable,
        }
    }

    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }
}

impl PrivateKey {
    fn from_seed(seed: &Zeroizing<[u8; 32]>, role: Role, class: KeyClass, path: &Path) -> Self {
        let secret = SigningKey::from_bytes(seed);
        let public = PublicKey::from_bytes(secret.verifying_key().as_bytes())
            .expect("a clamped scalar times the base point is a canonical point of large order");
        Self { secret, public, role, class, path: path.to_owned() }
    }

    /// Reads the key file at `path`.
    ///
    /// # Errors
    /// [`KeyError`] unless it is a well-formed regular file of mode 0600 that belongs to this user.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        file::load(path)
    }

    /// Makes a key from the system's random source and stores it at `path`, whole or not at all.
    ///
    /// # Errors
    /// [`KeyError::Exists`] if there is a file, [`KeyError`] for what the system refuses.
    pub fn create(path: &Path, role: Role, class: KeyClass) -> Result<Self, KeyError> {
        file::create(path, role, class)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key's duty.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// How the key came to be.
    #[must_use]
    pub fn class(&self) -> KeyClass {
        self.class
    }

    /// The file it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Signs a record's bytes (DSSE). For the roles runner and root.
    ///
    /// # Errors
    /// [`KeyError::Role`] for a git key.
    pub fn sign_payload(&self, payload: &[u8]) -> Result<(PublicKey, [u8; 64]), KeyError> {
        match self.role {
            Role::Runner | Role::Root => Ok((self.public, self.secret.sign(&pae(PAYLOAD_TYPE, payload)).to_bytes())),
            Role::Git => Err(KeyError::Role { have: self.role, need: Role::Runner }),
        }
    }

    /// Signs the bytes of a commit (SSHSIG, namespace `git`). For the role git.
    ///
    /// # Errors
    /// [`KeyError::Role`] for another role.
    pub fn sign_commit(&self, commit: &[u8]) -> Result<SshSignature, KeyError> {
        match self.role {
            Role::Git => {
                let signature = self.secret.sign(&SshSignature::signed_data(Namespace::Git, commit));
                Ok(SshSignature::new(self.public, Namespace::Git, signature.to_bytes()))
            }
            Role::Runner | Role::Root => Err(KeyError::Role { have: self.role, need: Role::Git }),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({} {:?})", self.role, self.public)
    }
}

/// The keys of a user's folder.
impl UserDir {
    /// The file of the key called `name`.
    #[must_use]
    pub fn key_path(&self, name: &Name) -> PathBuf {
        self.path().join("keys").join(format!("{name}.key"))
    }

    /// The user's key of a role (`keys/<role>.key`), made as a development key if there is none.
    ///
    /// # Errors
    /// [`KeyError`]; a file that is there but unusable is never replaced.
    pub fn key_or_development(&self, role: Role) -> Result<PrivateKey, KeyError> {
        match self.key(role) {
            Err(KeyError::Missing { path, .. }) => match PrivateKey::create(&path, role, KeyClass::Development) {
                // Another process was faster: its key is as good.
                Err(KeyError::Exists { .. }) => self.key(role),
                other => other,
            },
            other => other,
        }
    }

    /// The user's key of a role (`keys/<role>.key`).
    ///
    /// # Errors
    /// [`KeyError::Missing`] if there is none, [`KeyError`] if it is unusable.
    pub fn key(&self, role: Role) -> Result<PrivateKey, KeyError> {
        let path = self.key_path(&Name::new(role.as_str()).expect("roles are names"));
        let key = match PrivateKey::load(&path) {
            Err(KeyError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(KeyError::Missing { path, role });
            }
            other => other?,
        };
        if key.role != role {
            return Err(KeyError::Role { have: key.role, need: role });
        }
        Ok(key)
    }

    /// Every key file of the folder, by name; a key that cannot be used is listed with its reason.
    ///
    /// # Errors
    /// [`KeyError::Io`] if the folder cannot be read; a folder that does not exist has no keys.
    pub fn keys(&self) -> Result<Vec<ListedKey>, KeyError> {
        let folder = self.path().join("keys");
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(KeyError::io(&folder))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(KeyError::io(&folder))?.file_name();
            if let Some(name) = name.to_str().and_then(|n| n.strip_suffix(".key")) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names.into_iter().map(|n| (n.clone(), PrivateKey::load(&folder.join(format!("{n}.key"))))).collect())
    }
}
