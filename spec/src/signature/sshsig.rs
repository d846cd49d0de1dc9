//! SSH signatures (`PROTOCOL.sshsig`): what `ssh-keygen -Y sign` makes and `git verify-commit` checks.
//!
//! Only ed25519 keys, version 1, SHA-512 and the namespaces that this project uses are accepted, and
//! only the armor that OpenSSH writes: one signature has one spelling.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha512};

use super::key::{put_string, take_string};
use super::{KeyError, PublicKey};
use crate::{ReasonCode, base64};

const MAGIC: &[u8; 6] = b"SSHSIG";
const VERSION: [u8; 4] = [0, 0, 0, 1];
const HASH: &[u8] = b"sha512";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";
/// OpenSSH breaks the base64 text after this many characters.
const LINE: usize = 70;

/// What a signature was made for. A signature of one namespace says nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Commits.
    Git,
    /// Approvals of gates and releases.
    Approval,
    /// Approvals of mandates.
    Mandate,
    /// Overrides of policies.
    Override,
}

impl Namespace {
    /// The name as it is signed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Approval => "orgo-approval",
            Self::Mandate => "orgo-mandate",
            Self::Override => "orgo-override",
        }
    }
}

/// A well-formed SSH signature. Nothing is known about what it signs until [`SshSignature::verifies`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSignature {
    key: PublicKey,
    namespace: Namespace,
    bytes: [u8; 64],
}

/// Why a text is not an SSH signature that this project accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum SshSignatureError {
    #[error("the armor of the SSH signature is not the one that OpenSSH writes")]
    Armor,
    #[error("the SSH signature is not a version 1 ed25519 signature over SHA-512")]
    Format,
    #[error("the SSH signature was made for another namespace than `{0}`")]
    Namespace(&'static str),
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl SshSignatureError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Armor | Self::Format => ReasonCode::SigMalformed,
            Self::Namespace(_) => ReasonCode::KeyScopeMismatch,
            Self::Key(error) => error.code(),
        }
    }
}

impl SshSignature {
    /// The bytes that a key signs in order to sign `message` in `namespace`.
    #[must_use]
    pub fn signed_data(namespace: Namespace, message: &[u8]) -> Vec<u8> {
        let mut data = MAGIC.to_vec();
        put_string(&mut data, namespace.as_str().as_bytes());
        put_string(&mut data, b"");
        put_string(&mut data, HASH);
        put_string(&mut data, &Sha512::digest(message));
        data
    }

    /// Wraps a signature over [`SshSignature::signed_data`].
    #[must_use]
    pub fn new(key: PublicKey, namespace: Namespace, bytes: [u8; 64]) -> Self {
        Self { key, namespace, bytes }
    }

    /// The key that is said to have signed.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether the key signed `message` in the signature's namespace.
    #[must_use]
    pub fn verifies(&self, message: &[u8]) -> bool {
        self.key.verifies(&Self::signed_data(self.namespace, message), &self.bytes)
    }

    /// The armored text, with final line feed.
    #[must_use]
    pub fn armor(&self) -> String {
        let mut blob = MAGIC.to_vec();
        blob.extend_from_slice(&VERSION);
        put_string(&mut blob, &self.key.ssh_blob());
        put_string(&mut blob, self.namespace.as_str().as_bytes());
        put_string(&mut blob, b"");
        put_string(&mut blob, HASH);
        let mut signature = Vec::with_capacity(83);
        put_string(&mut signature, b"ssh-ed25519");
        put_string(&mut signature, &self.bytes);
        put_string(&mut blob, &signature);

        let mut text = BEGIN.to_owned();
        for line in base64::encode(&blob).as_bytes().chunks(LINE) {
            text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
            text.push('\n');
        }
        text.push_str(END);
        text
    }

    /// Reads an armored signature that was made for `namespace`.
    ///
    /// # Errors
    /// [`SshSignatureError`] for every text that [`SshSignature::armor`] would not write.
    pub fn parse(armored: &str, namespace: Namespace) -> Result<Self, SshSignatureError> {
        Self::parse_by(armored, namespace, &BTreeSet::new())
    }

    /// The same; a key that is `known` is not loaded again.
    ///
    /// # Errors
    /// As [`SshSignature::parse`].
    pub fn parse_by(
        armored: &str,
        namespace: Namespace,
        known: &BTreeSet<PublicKey>,
    ) -> Result<Self, SshSignatureError> {
        let body = armored.strip_prefix(BEGIN).and_then(|t| t.strip_suffix(END)).ok_or(SshSignatureError::Armor)?;
        if body.len() > 1024 {
            return Err(SshSignatureError::Armor);
        }
        let encoded: Vec<u8> = body.bytes().filter(|b| *b != b'\n').collect();
        let blob = base64::decode(&encoded).ok_or(SshSignatureError::Armor)?;
        let signature = Self::parse_blob(&blob, namespace, known)?;
        if signature.armor() != armored {
            return Err(SshSignatureError::Armor);
        }
        Ok(signature)
    }

    fn parse_blob(blob: &[u8], namespace: Namespace, known: &BTreeSet<PublicKey>) -> Result<Self, SshSignatureError> {
        const WRONG: SshSignatureError = SshSignatureError::Format;
        let rest = blob.strip_prefix(MAGIC).and_then(|b| b.strip_prefix(&VERSION)).ok_or(WRONG)?;
        let (key, rest) = take_string(rest).ok_or(WRONG)?;
        let (name, rest) = take_string(rest).ok_or(WRONG)?;
        let (reserved, rest) = take_string(rest).ok_or(WRONG)?;
        let (hash, rest) = take_string(rest).ok_or(WRONG)?;
        let (signature, rest) = take_string(rest).ok_or(WRONG)?;
        let (algorithm, bytes) = take_string(signature).ok_or(WRONG)?;
        let (bytes, after) = take_string(bytes).ok_or(WRONG)?;
        if !(reserved.is_empty() && hash == HASH && rest.is_empty() && algorithm == b"ssh-ed25519" && after.is_empty())
        {
            return Err(WRONG);
        }
        if name != namespace.as_str().as_bytes() {
            return Err(SshSignatureError::Namespace(namespace.as_str()));
        }
        let known = key.last_chunk().and_then(|bytes| known.iter().find(|known| known.as_bytes() == bytes));
        let key = match known.filter(|known| known.ssh_blob() == key) {
            Some(known) => *known,
            None => PublicKey::from_ssh_blob(key)?,
        };
        Ok(Self { key, namespace, bytes: bytes.try_into().map_err(|_| WRONG)? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{public, sign};
    use super::*;

    fn signed(message: &[u8], namespace: Namespace) -> SshSignature {
        SshSignature::new(public(3), namespace, sign(3, &SshSignature::signed_data(namespace, message)))
    }

    #[test]
    fn a_signature_reads_back_and_verifies_its_message_only() {
        let armored = signed(b"tree 1", Namespace::Git).armor();
        let signature = SshSignature::parse(&armored, Namespace::Git).expect("our own armor");
        assert_eq!(signature.key(), &public(3));
        assert!(signature.verifies(b"tree 1"));
        assert!(!signature.verifies(b"tree 2"));
    }

    #[test]
    fn a_signature_of_one_namespace_says_nothing_in_another() {
        let armored = signed(b"yes", Namespace::Approval).armor();
        assert_eq!(
            SshSignature::parse(&armored, Namespace::Git).map_err(|e| e.code()),
            Err(ReasonCode::KeyScopeMismatch)
        );
        let mut moved = signed(b"yes", Namespace::Approval);
        moved.namespace = Namespace::Git;
        assert!(!moved.verifies(b"yes"), "the namespace is part of what is signed");
    }

    #[test]
    fn one_signature_has_one_armor() {
        let armored = signed(b"x", Namespace::Git).armor();
        for refused in [
            armored.trim_end().to_owned(),
            format!("{armored}\n"),
            armored.replace('\n', "\r\n"),
            armored.replacen("\nU1NI", "\nU1N\nI", 1),
            armored.replace("SSH SIGNATURE", "PGP SIGNATURE"),
            String::new(),
        ] {
            assert_eq!(
                SshSignature::parse(&refused, Namespace::Git).map_err(|e| e.code()),
                Err(ReasonCode::SigMalformed),
                "{refused}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_flipped_bit_is_accepted(at in 0usize..1024, bit in 0u8..8) {
            let mut bytes = signed(b"x", Namespace::Git).armor().into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(text) = std::str::from_utf8(&bytes) {
                let accepted = SshSignature::parse(text, Namespace::Git)
                    .is_ok_and(|s| s.key() == &public(3) && s.verifies(b"x"));
                proptest::prop_assert!(!accepted, "byte {at}");
            }
        }
    }
}
