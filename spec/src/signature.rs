//! Signatures: ed25519 keys, DSSE envelopes and SSH signatures, verified strictly.
//!
//! * [`PublicKey`], [`KeyId`]: one key has one spelling; weak keys do not load.
//! * [`Envelope`]: the DSSE envelope of a record without its payload (supply-chain 2.1).
//! * [`sigstore_bundle`]: the same wrapped for clients of sigstore.
//! * [`SshSignature`]: the signature of a git commit or of an approval (namespaces keep them apart).
//! * [`Unverified`] → [`Verified`]: bytes that claim to be signed, and bytes that are. Only the second opens.
//!
//! INVARIANT: a signature is checked before the payload is parsed, every signature that is present must
//! verify, and thresholds count distinct keys, never key ids or signatures (supply-chain T-05, T-06).
//! The one exception to "before" is a trust document that names the keys it is signed with; its bytes are
//! pinned by digest from outside, and its type is [`Unverified::verify_self_signed`].
//!
//! ```
//! use ed25519_dalek::{Signer, SigningKey};
//! use orgo_spec::signature::{Envelope, PAYLOAD_TYPE, PublicKey, Quorum, Unverified, pae};
//!
//! let secret = SigningKey::from_bytes(&[7; 32]);
//! let key = PublicKey::from_bytes(secret.verifying_key().as_bytes())?;
//! let payload = b"{}\n".to_vec();
//! let envelope = Envelope::new([(key, secret.sign(&pae(PAYLOAD_TYPE, &payload)).to_bytes())]).to_bytes();
//!
//! let one_of_one = [Quorum::new(1, [key])?];
//! let verified = Unverified::<()>::new(payload.clone(), envelope.clone()).verify(&one_of_one)?;
//! assert_eq!(verified.bytes(), payload);
//! assert!(Unverified::<()>::new(b"{ }\n".to_vec(), envelope).verify(&one_of_one).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bundle;
mod dsse;
mod key;
mod sshsig;

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::Arc;

pub use bundle::{BUNDLE_MEDIA_TYPE, sigstore_bundle};
pub use dsse::{Envelope, EnvelopeError, MAX_ENVELOPE_BYTES, PAYLOAD_TYPE, Signature, pae};
pub use key::{KeyError, KeyId, PublicKey};
pub use sshsig::{Namespace, SshSignature, SshSignatureError};

use crate::Digest;

/// How many distinct keys out of which must have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    keys: Arc<BTreeSet<PublicKey>>,
    /// The same keys by id, so that no signature costs a hash of every key.
    by_id: Arc<BTreeMap<KeyId, PublicKey>>,
    threshold: usize,
}

/// A quorum that could never be met, or that nobody need meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a threshold of {threshold} of {keys} distinct keys")]
pub struct QuorumError {
    threshold: usize,
    keys: usize,
}

impl Quorum {
    /// `threshold` of `keys`; a key that stands twice counts once.
    ///
    /// # Errors
    /// [`QuorumError`] for a threshold of zero or above the number of distinct keys.
    pub fn new(threshold: usize, keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, QuorumError> {
        let keys: BTreeSet<_> = keys.into_iter().collect();
        if threshold == 0 || threshold > keys.len() {
            return Err(QuorumError { threshold, keys: keys.len() });
        }
        let by_id = Arc::new(keys.iter().map(|k| (k.id(), *k)).collect());
        Ok(Self { keys: Arc::new(keys), by_id, threshold })
    }

    /// The keys, each once.
    #[must_use]
    pub fn keys(&self) -> &BTreeSet<PublicKey> {
        &self.keys
    }

    /// The key with this id.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&PublicKey> {
        self.by_id.get(id)
    }

    /// How many of them must sign.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.threshold
    }
}

/// Payload and envelope as they were read: nothing is known about them yet.
#[derive(Debug, Clone)]
pub struct Unverified<T> {
    payload: Vec<u8>,
    envelope: Vec<u8>,
    of: PhantomData<fn() -> T>,
}

/// Payload bytes whose signatures verify.
#[derive(Debug, Clone)]
pub struct Verified<T> {
    payload: Vec<u8>,
    signers: BTreeSet<PublicKey>,
    of: PhantomData<fn() -> T>,
}

impl<T> Unverified<T> {
    /// Pairs payload bytes with the bytes of their envelope.
    #[must_use]
    pub fn new(payload: Vec<u8>, envelope: Vec<u8>) -> Self {
        Self { payload, envelope, of: PhantomData }
    }

    /// SHA-256 of the payload bytes: the id that a record would have.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(&self.payload)
    }

    /// Verifies every signature and every quorum.
    ///
    /// # Errors
    /// [`EnvelopeError`]; nothing of the payload was parsed then.
    pub fn verify(self, quorums: &[Quorum]) -> Result<Verified<T>, EnvelopeError> {
        let signers = Envelope::parse(&self.envelope)?.verify(&self.payload, quorums)?;
        Ok(Verified { payload: self.payload, signers, of: PhantomData })
    }

    /// Verifies a payload that names its own keys: `quorums` reads them out of the payload.
    ///
    /// This proves only that the payload agrees with itself. Whether it is *the* root is a matter of its
    /// digest, which the caller compares with one that came from outside.
    ///
    /// # Errors
    /// What `quorums` reports, or [`EnvelopeError`].
    pub fn verify_self_signed<E: From<EnvelopeError>>(
        self,
        quorums: impl FnOnce(&[u8]) -> Result<Vec<Quorum>, E>,
    ) -> Result<Verified<T>, E> {
        let quorums = quorums(&self.payload)?;
        Ok(self.verify(&quorums)?)
    }
}

impl<T> Verified<T> {
    /// The bytes that were signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.payload
    }

    /// SHA-256 of the bytes that were signed.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(&self.payload)
    }

    /// The distinct keys that signed.
    #[must_use]
    pub fn signers(&self) -> &BTreeSet<PublicKey> {
        &self.signers
    }

    /// Parses the payload.
    ///
    /// # Errors
    /// What `parse` reports.
    pub fn open<E>(&self, parse: impl FnOnce(&[u8]) -> Result<T, E>) -> Result<T, E> {
        parse(&self.payload)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    pub(crate) fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    pub(crate) fn public(seed: u8) -> PublicKey {
        PublicKey::from_bytes(key(seed).verifying_key().as_bytes()).expect("a fresh key is not weak")
    }

    pub(crate) fn sign(seed: u8, message: &[u8]) -> [u8; 64] {
        key(seed).sign(message).to_bytes()
    }

    #[test]
    fn a_quorum_that_nobody_or_everybody_meets_is_refused() {
        assert!(Quorum::new(0, [public(1)]).is_err());
        assert!(Quorum::new(2, [public(1), public(1)]).is_err(), "a key that stands twice counts once");
        assert!(Quorum::new(2, [public(1), public(2)]).is_ok());
    }

    #[test]
    fn a_payload_is_not_read_before_its_signature_is_checked() {
        let payload = b"{}".to_vec();
        let forged = Envelope::new([(public(1), sign(2, &pae(PAYLOAD_TYPE, &payload)))]);
        let quorum = Quorum::new(1, [public(1)]).expect("one of one");
        let refused = Unverified::<()>::new(payload, forged.to_bytes()).verify(&[quorum]).map(|_| ());
        assert_eq!(refused.map_err(|e| e.code()), Err(crate::ReasonCode::SigInvalid));
    }
}
