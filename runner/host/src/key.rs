//! Private keys: where they are, what each may sign, and nothing else.
//!
//! * [`UserDir`]: the folder of one user that holds keys and pins. Its place never comes from the environment.
//! * [`KeyRef`]: where a key is: a file, an ssh-agent, a variable; [`Sources`]: what the command line says about it.
//! * [`PrivateKey`]: an ed25519 key with one [`Role`]; it signs only what its role is for.
//! * Development keys are made on first use, without a prompt, and carry their mark in the file.
//!
//! INVARIANT: a private key is read only from a regular file of mode 0600 that belongs to the user or from the
//! variable that a reference names, appears in whole or not at all, and is wiped from memory when it is dropped.
//! A signature that an agent made is verified before it is handed on.

mod agent;
mod error;
mod file;
mod passphrase;
mod reference;
mod ring;
mod role;
mod source;
mod text;
mod user;

use std::fmt;
use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey};
use orgo_spec::signature::{Namespace, PAYLOAD_TYPE, PublicKey, SshSignature, pae};

use agent::Agent;

pub use error::KeyError;
pub(crate) use file::{read as read_private, store as write_private};
pub use passphrase::{Passphrase, Passphrases};
pub use reference::{AgentKey, KeyRef, KeyRefError};
pub use ring::ListedKey;
pub use role::{KeyClass, Role};
pub use source::{KeyEntry, Sources};
pub use user::UserDir;
pub(crate) use user::private_folder;

/// Who computes signatures.
#[derive(Clone)]
enum Holder {
    /// This process.
    Memory(SigningKey),
    /// An ssh-agent.
    Agent(Agent),
}

/// A private key with its duty. What this process holds of it is wiped from memory when dropped.
#[derive(Clone)]
pub struct PrivateKey {
    holder: Holder,
    public: PublicKey,
    role: Role,
    class: KeyClass,
    source: KeyRef,
}

impl PrivateKey {
    /// Makes a key from the system's random source and stores it at `path`, whole or not at all.
    ///
    /// # Errors
    /// [`KeyError::Exists`] if there is a file, [`KeyError`] for what the system refuses.
    pub fn create(path: &Path, role: Role, class: KeyClass) -> Result<Self, KeyError> {
        file::create(path, role, class)
    }

    /// Makes a key and stores it at `path` in the OpenSSH format, locked with a passphrase (bcrypt-pbkdf,
    /// aes256-ctr).
    ///
    /// # Errors
    /// [`KeyError::Exists`] if there is a file, [`KeyError`] for what the system refuses or an empty passphrase.
    pub fn create_locked(path: &Path, role: Role, passphrase: &Passphrase) -> Result<Self, KeyError> {
        file::create_locked(path, role, passphrase)
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

    /// Where the key is.
    #[must_use]
    pub fn source(&self) -> &KeyRef {
        &self.source
    }

    /// The file it was read from, if it is in a file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            KeyRef::File(path) => Some(path),
            KeyRef::Agent(_) | KeyRef::Env(_) => None,
        }
    }

    /// Signs a record's bytes (DSSE). For the roles runner and root.
    ///
    /// # Errors
    /// [`KeyError::Role`] for a key of another role; [`KeyError::Source`] if an agent refuses, or if the bytes are
    /// more than an agent takes (256 KiB).
    pub fn sign_payload(&self, payload: &[u8]) -> Result<(PublicKey, [u8; 64]), KeyError> {
        match self.role {
            Role::Runner | Role::Root => Ok((self.public, self.sign(&pae(PAYLOAD_TYPE, payload))?)),
            Role::Git | Role::Log | Role::Approver => Err(KeyError::Role { have: self.role, need: Role::Runner }),
        }
    }

    /// Signs the bytes of a commit (SSHSIG, namespace `git`). For the role git.
    ///
    /// # Errors
    /// [`KeyError::Role`] for a key of another role, [`KeyError::Source`] if an agent refuses.
    pub fn sign_commit(&self, commit: &[u8]) -> Result<SshSignature, KeyError> {
        match self.role {
            Role::Git => {
                let signature = self.sign(&SshSignature::signed_data(Namespace::Git, commit))?;
                Ok(SshSignature::new(self.public, Namespace::Git, signature))
            }
            Role::Runner | Role::Root | Role::Log | Role::Approver => {
                Err(KeyError::Role { have: self.role, need: Role::Git })
            }
        }
    }

    /// Signs the manifest of a mandate (SSHSIG, namespace `orgo-mandate`). For the role approver.
    ///
    /// # Errors
    /// [`KeyError::Role`] for a key of another role, [`KeyError::Source`] if an agent refuses.
    pub fn sign_mandate(&self, manifest: &[u8]) -> Result<SshSignature, KeyError> {
        self.approve(Namespace::Mandate, manifest)
    }

    /// Signs the document of an approval (SSHSIG, namespace `orgo-approval`). For the role approver.
    ///
    /// # Errors
    /// [`KeyError::Role`] for a key of another role, [`KeyError::Source`] if an agent refuses.
    pub fn sign_approval(&self, document: &[u8]) -> Result<SshSignature, KeyError> {
        self.approve(Namespace::Approval, document)
    }

    /// Signs the document of an override (SSHSIG, namespace `orgo-override`). For the role approver.
    ///
    /// # Errors
    /// [`KeyError::Role`] for a key of another role, [`KeyError::Source`] if an agent refuses.
    pub fn sign_override(&self, document: &[u8]) -> Result<SshSignature, KeyError> {
        self.approve(Namespace::Override, document)
    }

    fn approve(&self, namespace: Namespace, message: &[u8]) -> Result<SshSignature, KeyError> {
        match self.role {
            Role::Approver => {
                let signature = self.sign(&SshSignature::signed_data(namespace, message))?;
                Ok(SshSignature::new(self.public, namespace, signature))
            }
            Role::Runner | Role::Git | Role::Root | Role::Log => {
                Err(KeyError::Role { have: self.role, need: Role::Approver })
            }
        }
    }

    /// Signs the text of a note (C2SP signed-note), with its final line feed. For the role log.
    ///
    /// # Errors
    /// [`KeyError::Role`] for a key of another role, [`KeyError::Note`] if it is not the text of a note,
    /// [`KeyError::Source`] if an agent refuses.
    pub fn sign_note(&self, text: &[u8]) -> Result<(PublicKey, [u8; 64]), KeyError> {
        match self.role {
            Role::Log => {
                let is_note = text.ends_with(b"\n")
                    && std::str::from_utf8(text).is_ok_and(|t| t.bytes().all(|b| b >= 0x20 || b == b'\n'));
                if is_note { Ok((self.public, self.sign(text)?)) } else { Err(KeyError::Note) }
            }
            Role::Runner | Role::Git | Role::Root | Role::Approver => {
                Err(KeyError::Role { have: self.role, need: Role::Log })
            }
        }
    }

    fn sign(&self, data: &[u8]) -> Result<[u8; 64], KeyError> {
        match &self.holder {
            Holder::Memory(secret) => Ok(secret.sign(data).to_bytes()),
            Holder::Agent(agent) => agent.sign(&self.public, data).map_err(|e| source::of_agent(&self.source, e)),
        }
    }
}

/// Holds keys that are to be used together to the rule that one key has one duty.
///
/// # Errors
/// [`KeyError::Role`] for the first key that stands under two duties.
pub fn distinct(keys: &[&PrivateKey]) -> Result<(), KeyError> {
    for (at, key) in keys.iter().enumerate() {
        if let Some(other) = keys[..at].iter().find(|k| k.public == key.public && k.role != key.role) {
            return Err(KeyError::Role { have: other.role, need: key.role });
        }
    }
    Ok(())
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({} {:?})", self.role, self.public)
    }
}
