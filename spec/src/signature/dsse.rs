//! DSSE envelopes without their payload: the `.dsse` file beside a record.
//!
//! The payload stands next to it as plain text, so nothing is written twice and nothing can differ.
//! [`Envelope::join`] puts both together into a standard DSSE envelope for other clients.
//! The file has exactly one accepted spelling: canonical pretty bytes, standard base64 with padding.

use std::collections::BTreeSet;

use super::{KeyId, PublicKey, Quorum};
use crate::canonical::{self, JsonError, Object, Profile, Value};
use crate::{ReasonCode, base64};

/// The payload type of every record.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The largest `.dsse` file: room for hundreds of signatures.
pub const MAX_ENVELOPE_BYTES: usize = 64 * 1024;

/// A signature in an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Which key is said to have signed.
    pub key_id: KeyId,
    /// The 64 bytes of the signature.
    pub bytes: [u8; 64],
}

/// A DSSE envelope without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    signatures: Vec<Signature>,
}

/// Why an envelope is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum EnvelopeError {
    #[error("the envelope is not readable: {0}")]
    Json(#[from] JsonError),
    #[error("the envelope has the unknown field `{0}`")]
    FieldUnknown(String),
    #[error("the envelope lacks a field or has one of a wrong kind: `{0}`")]
    FieldInvalid(&'static str),
    #[error("the envelope is not in its canonical form")]
    NotCanonical,
    #[error("the payload type is `{0}`")]
    PayloadType(String),
    #[error("the envelope has no signature")]
    Missing,
    #[error("signature {0} is not 64 bytes of padded base64")]
    Malformed(usize),
    #[error("no trusted key has the id {0} that a signature names")]
    KeyUnknown(KeyId),
    #[error("the signature of key {0} does not verify")]
    Invalid(KeyId),
    #[error("{have} of {need} distinct keys signed")]
    Threshold { have: usize, need: usize },
}

impl EnvelopeError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Json(error) if error.code() == ReasonCode::SchemaInvalid => ReasonCode::SigMalformed,
            Self::Json(error) => error.code(),
            Self::FieldUnknown(_) => ReasonCode::EnvelopeFieldUnknown,
            Self::FieldInvalid(_) | Self::NotCanonical | Self::Malformed(_) => ReasonCode::SigMalformed,
            Self::PayloadType(_) => ReasonCode::PayloadTypeMismatch,
            Self::Missing => ReasonCode::SigMissing,
            Self::KeyUnknown(_) => ReasonCode::KeyUnknown,
            Self::Invalid(_) => ReasonCode::SigInvalid,
            Self::Threshold { .. } => ReasonCode::SigThresholdNotMet,
        }
    }
}

/// DSSE's pre-authentication encoding: the bytes that are signed.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {} {} ", payload_type.len(), payload_type, payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// An envelope of signatures over [`pae`], put in order of key id. Nothing is verified here.
    #[must_use]
    pub fn new(signatures: impl IntoIterator<Item = (PublicKey, [u8; 64])>) -> Self {
        let signatures = signatures.into_iter().map(|(key, bytes)| Signature { key_id: key.id(), bytes });
        let mut signatures: Vec<_> = signatures.collect();
        signatures.sort_unstable_by_key(|s| s.key_id);
        Self { signatures }
    }

    /// The same with one more signature, or another one in the place of that key's.
    #[must_use]
    pub fn and(mut self, key: &PublicKey, bytes: [u8; 64]) -> Self {
        let key_id = key.id();
        self.signatures.retain(|s| s.key_id != key_id);
        self.signatures.push(Signature { key_id, bytes });
        self.signatures.sort_unstable_by_key(|s| s.key_id);
        self
    }

    /// The signatures.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The bytes of the `.dsse` file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::to_pretty(&Value::Object(self.object()))
    }

    /// A standard DSSE envelope: the same with the payload inside.
    #[must_use]
    pub fn join(&self, payload: &[u8]) -> Vec<u8> {
        let mut object = self.object();
        object.insert("payload", base64::encode(payload));
        canonical::to_pretty(&Value::Object(object))
    }

    fn object(&self) -> Object {
        let signatures = self.signatures.iter().map(|s| {
            let members = [("keyid", s.key_id.to_string()), ("sig", base64::encode(&s.bytes))];
            Value::Object(members.into_iter().collect())
        });
        let mut object = Object::new();
        object.insert("payloadType", PAYLOAD_TYPE);
        object.insert("signatures", signatures.collect::<Vec<_>>());
        object
    }

    /// Reads a `.dsse` file.
    ///
    /// # Errors
    /// [`EnvelopeError`] for every text that [`Envelope::to_bytes`] would not write.
    pub fn parse(text: &[u8]) -> Result<Self, EnvelopeError> {
        if let Some(envelope) = Self::parse_spelled(text) {
            return Ok(envelope);
        }
        let value = canonical::parse(text, Profile { max_bytes: MAX_ENVELOPE_BYTES, ..Profile::RECORD })?;
        let object = members(&value, &["payloadType", "signatures"], "the envelope")?;
        match object.get("payloadType").and_then(Value::as_str) {
            Some(PAYLOAD_TYPE) => {}
            Some(other) => return Err(EnvelopeError::PayloadType(other.chars().take(80).collect())),
            None => return Err(EnvelopeError::FieldInvalid("payloadType")),
        }
        let list = match object.get("signatures") {
            None => return Err(EnvelopeError::Missing),
            Some(list) => list.as_array().ok_or(EnvelopeError::FieldInvalid("signatures"))?,
        };
        if list.is_empty() {
            return Err(EnvelopeError::Missing);
        }
        let signatures = list.iter().enumerate().map(|(i, s)| Signature::parse(i, s)).collect::<Result<_, _>>()?;
        let envelope = Self { signatures };
        if envelope.to_bytes() != text {
            return Err(EnvelopeError::NotCanonical);
        }
        Ok(envelope)
    }

    /// The short way of [`Envelope::parse`]: exactly what [`Envelope::to_bytes`] writes. None for all else; the long
    /// way knows why.
    fn parse_spelled(text: &[u8]) -> Option<Self> {
        let head = format!("{{\n  \"payloadType\": \"{PAYLOAD_TYPE}\",\n  \"signatures\": [");
        let text = text.get(..MAX_ENVELOPE_BYTES.min(text.len())).filter(|kept| kept.len() == text.len())?;
        let mut rest = text.strip_prefix(head.as_bytes())?;
        let mut signatures = Vec::new();
        loop {
            rest = rest.strip_prefix(b"\n    {\n      \"keyid\": \"")?;
            let (key, after) = rest.split_first_chunk::<64>()?;
            rest = after.strip_prefix(b"\",\n      \"sig\": \"")?;
            let (signature, after) = rest.split_first_chunk::<88>()?;
            rest = after.strip_prefix(b"\"\n    }")?;
            let key_id = std::str::from_utf8(key).ok()?.parse().ok()?;
            let bytes = base64::decode(signature)?.try_into().ok()?;
            signatures.push(Signature { key_id, bytes });
            match rest.strip_prefix(b",") {
                Some(more) => rest = more,
                None => break,
            }
        }
        (rest == b"\n  ]\n}\n").then_some(Self { signatures })
    }

    /// Verifies every signature over `payload` and every quorum; returns the distinct keys that signed.
    ///
    /// # Errors
    /// [`EnvelopeError`]: a signature by a key outside the quorums is a refusal too, never skipped.
    pub fn verify(&self, payload: &[u8], quorums: &[Quorum]) -> Result<BTreeSet<PublicKey>, EnvelopeError> {
        let message = pae(PAYLOAD_TYPE, payload);
        let mut signers = BTreeSet::new();
        for signature in &self.signatures {
            let key = quorums.iter().find_map(|q| q.key(&signature.key_id));
            let key = key.ok_or(EnvelopeError::KeyUnknown(signature.key_id))?;
            if !key.verifies(&message, &signature.bytes) {
                return Err(EnvelopeError::Invalid(signature.key_id));
            }
            signers.insert(*key);
        }
        if quorums.is_empty() {
            return Err(EnvelopeError::Threshold { have: 0, need: 1 });
        }
        for quorum in quorums {
            let have = quorum.keys().intersection(&signers).count();
            if have < quorum.threshold() {
                return Err(EnvelopeError::Threshold { have, need: quorum.threshold() });
            }
        }
        Ok(signers)
    }
}

impl Signature {
    fn parse(index: usize, value: &Value) -> Result<Self, EnvelopeError> {
        let object = members(value, &["keyid", "sig"], "a signature")?;
        let text = |name| object.get(name).and_then(Value::as_str).ok_or(EnvelopeError::Malformed(index));
        let key_id = text("keyid")?.parse().map_err(|_| EnvelopeError::Malformed(index))?;
        let bytes = base64::decode(text("sig")?.as_bytes()).ok_or(EnvelopeError::Malformed(index))?;
        let bytes = bytes.try_into().map_err(|_| EnvelopeError::Malformed(index))?;
        Ok(Self { key_id, bytes })
    }
}

/// The members of an object that may have only these names.
fn members<'v>(value: &'v Value, names: &[&str], what: &'static str) -> Result<&'v Object, EnvelopeError> {
    let object = value.as_object().ok_or(EnvelopeError::FieldInvalid(what))?;
    match object.iter().find(|(name, _)| !names.contains(name)) {
        Some((name, _)) => Err(EnvelopeError::FieldUnknown(name.chars().take(80).collect())),
        None => Ok(object),
    }
}

#[cfg(test)]
mod tests;
