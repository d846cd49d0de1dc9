//! Ed25519 public keys in every spelling that stock tools read.
//!
//! A key is refused when it loads, not when it is used: points of small order and encodings that are
//! not canonical never become a [`PublicKey`] (supply-chain T-13).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use data_encoding::{BASE64_NOPAD, HEXLOWER};
use ed25519_dalek::{Verifier, VerifyingKey};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Digest, ReasonCode, base64};

/// The algorithm name of OpenSSH; also the first word of a key's text form.
const SSH_NAME: &str = "ssh-ed25519";
/// DER of `SubjectPublicKeyInfo` for Ed25519 up to the key bits (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A usable ed25519 public key (32 bytes). Its text form is OpenSSH's: `ssh-ed25519 AAAA…`.
#[derive(Clone, Copy)]
pub struct PublicKey(VerifyingKey);

/// Why bytes or a text are not a usable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text form is not `ssh-ed25519` and 68 base64 characters.
    #[error("not an OpenSSH ed25519 public key (`ssh-ed25519 AAAA…`)")]
    Malformed,
    /// The bytes are no point of the curve, a point of small order, or not the canonical encoding.
    #[error("the public key is weak or not canonical")]
    Weak,
}

impl KeyError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Malformed => ReasonCode::SigMalformed,
            Self::Weak => ReasonCode::KeyWeak,
        }
    }
}

/// The points of small order, by the canonical encodings of their y; the highest bit is the sign of x.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
];

/// Whether the first half of a signature, R, is a point of small order.
fn is_small_order(signature: &[u8; 64]) -> bool {
    let mut y = *signature.first_chunk::<32>().expect("64 bytes have 32");
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

impl PublicKey {
    /// Loads a key.
    ///
    /// # Errors
    /// [`KeyError::Weak`] unless the bytes are the canonical encoding of a point of large order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Weak)?;
        // The decoder reads some points from two encodings; only what it would write itself is accepted.
        if key.is_weak() || key.to_edwards().compress().as_bytes() != bytes {
            return Err(KeyError::Weak);
        }
        Ok(Self(key))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key's id: what TUF and securesystemslib compute for the same key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let object = format!(r#"{{"keytype":"ed25519","keyval":{{"public":"{}"}},"scheme":"ed25519"}}"#, self.hex());
        KeyId(Digest::of(object.as_bytes()))
    }

    /// The 64 hexadecimal digits of the key.
    #[must_use]
    pub fn hex(&self) -> String {
        HEXLOWER.encode(self.as_bytes())
    }

    /// Verifies strictly: canonical S, canonical R, no small order. Accepts what `verify_strict` accepts, and nothing else.
    ///
    /// R is compared as bytes with the canonical form of the point that is computed, so that what `verify_strict` finds
    /// out by decompressing R, a tenth of its time, is found by looking at the eight encodings of small order.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        !is_small_order(signature) && self.0.verify(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }

    /// The key as OpenSSH puts it on the wire: algorithm name and key, each with a 32-bit length.
    #[must_use]
    pub fn ssh_blob(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(51);
        put_string(&mut blob, SSH_NAME.as_bytes());
        put_string(&mut blob, self.as_bytes());
        blob
    }

    /// Reads OpenSSH's wire form.
    ///
    /// # Errors
    /// [`KeyError`] for anything else.
    pub fn from_ssh_blob(blob: &[u8]) -> Result<Self, KeyError> {
        let (name, rest) = take_string(blob).ok_or(KeyError::Malformed)?;
        let (bytes, rest) = take_string(rest).ok_or(KeyError::Malformed)?;
        if name != SSH_NAME.as_bytes() || !rest.is_empty() {
            return Err(KeyError::Malformed);
        }
        Self::from_bytes(bytes.try_into().map_err(|_| KeyError::Malformed)?)
    }

    /// The fingerprint that `ssh-keygen -l` prints: `SHA256:…`.
    #[must_use]
    pub fn ssh_fingerprint(&self) -> String {
        format!("SHA256:{}", BASE64_NOPAD.encode(&Sha256::digest(self.ssh_blob())))
    }

    /// The key as OpenSSL reads it (`SubjectPublicKeyInfo` in PEM, with final line feed).
    #[must_use]
    pub fn to_pem(&self) -> String {
        let der = [SPKI_PREFIX.as_slice(), self.as_bytes()].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64::encode(&der))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SSH_NAME} {}", base64::encode(&self.ssh_blob()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id().short())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Reads exactly what [`PublicKey`] displays: two words, no comment.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let encoded = text.strip_prefix(SSH_NAME).and_then(|t| t.strip_prefix(' ')).ok_or(KeyError::Malformed)?;
        let blob = base64::decode(encoded.as_bytes()).ok_or(KeyError::Malformed)?;
        Self::from_ssh_blob(&blob)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}
impl Eq for PublicKey {}
impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}
impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for PublicKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}$" })
    }
}

/// The id of a public key: 64 lower-case hexadecimal digits, as envelopes carry it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Digest);

impl KeyId {
    /// The first 12 digits, for people; never for look-ups.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.short())
    }
}

impl FromStr for KeyId {
    type Err = crate::DigestError;

    fn from_str(text: &str) -> Result<Self, crate::DigestError> {
        Digest::from_hex(text).map(Self)
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for KeyId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KeyId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

/// Writes an SSH `string`: a 32-bit big-endian length and the bytes.
pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("names, keys, digests and signatures are short");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Reads an SSH `string`: its bytes and what follows.
pub(super) fn take_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests;
