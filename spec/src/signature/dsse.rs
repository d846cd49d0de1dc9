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
mod tests {
    use super::super::tests::{public, sign};
    use super::*;

    const PAYLOAD: &[u8] = b"{\n  \"a\": 1\n}\n";

    fn envelope(seeds: &[u8]) -> Envelope {
        let message = pae(PAYLOAD_TYPE, PAYLOAD);
        Envelope::new(seeds.iter().map(|s| (public(*s), sign(*s, &message))))
    }

    fn quorum(threshold: usize, seeds: &[u8]) -> Quorum {
        Quorum::new(threshold, seeds.iter().map(|s| public(*s))).expect("the test's own quorum")
    }

    fn code(result: Result<BTreeSet<PublicKey>, EnvelopeError>) -> Result<usize, ReasonCode> {
        result.map(|s| s.len()).map_err(|e| e.code())
    }

    #[test]
    fn pae_is_the_one_of_the_specification() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn an_envelope_reads_back_and_verifies() {
        let envelope = envelope(&[1, 2]);
        assert_eq!(Envelope::parse(&envelope.to_bytes()), Ok(envelope.clone()));
        assert_eq!(code(envelope.verify(PAYLOAD, &[quorum(2, &[1, 2, 3])])), Ok(2));
        assert_eq!(code(envelope.verify(b"{}", &[quorum(1, &[1, 2])])), Err(ReasonCode::SigInvalid));
    }

    #[test]
    fn thresholds_count_distinct_keys() {
        let mut twice = envelope(&[1]);
        twice.signatures.push(twice.signatures[0].clone());
        let twice = Envelope::parse(&twice.to_bytes()).expect("a well-formed envelope");
        assert_eq!(code(twice.verify(PAYLOAD, &[quorum(2, &[1, 2])])), Err(ReasonCode::SigThresholdNotMet));
        // Every quorum by itself: two runner keys do not stand in for the root.
        assert_eq!(
            code(envelope(&[1, 2]).verify(PAYLOAD, &[quorum(1, &[1, 2]), quorum(1, &[3])])),
            Err(ReasonCode::SigThresholdNotMet)
        );
        assert_eq!(code(envelope(&[1]).verify(PAYLOAD, &[])), Err(ReasonCode::KeyUnknown));
    }

    #[test]
    fn no_signature_is_skipped() {
        assert_eq!(code(envelope(&[1, 9]).verify(PAYLOAD, &[quorum(1, &[1])])), Err(ReasonCode::KeyUnknown));
        let mut bad = envelope(&[1, 2]);
        bad.signatures[1].bytes[5] ^= 1;
        assert_eq!(code(bad.verify(PAYLOAD, &[quorum(1, &[1, 2])])), Err(ReasonCode::SigInvalid));
    }

    #[test]
    fn a_signature_with_another_s_of_the_same_class_is_refused() {
        // S + L verifies under lax implementations (supply-chain T-13).
        let order: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut malleable = envelope(&[1]);
        let mut carry = 0u16;
        for (byte, l) in malleable.signatures[0].bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(l) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert_eq!(code(malleable.verify(PAYLOAD, &[quorum(1, &[1])])), Err(ReasonCode::SigInvalid));
    }

    #[test]
    fn every_deviation_from_the_format_has_its_code() {
        let good = String::from_utf8(envelope(&[1]).to_bytes()).expect("JSON is UTF-8");
        let sig = base64::encode(&envelope(&[1]).signatures[0].bytes);
        let with = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            good.replace(from, to)
        };
        // As long as the right spelling, in two pieces of which the first is padded.
        let bytes = envelope(&[1]).signatures[0].bytes;
        let pieces = [&bytes[..61], &bytes[61..]].map(base64::encode).concat();
        let short = base64::encode(&envelope(&[1]).signatures[0].bytes[..63]);
        for (text, code) in [
            (with("\"keyid\"", "\"alg\": \"none\",\n      \"keyid\""), ReasonCode::EnvelopeFieldUnknown),
            (with("\"payloadType\"", "\"payload\": \"e30=\",\n  \"payloadType\""), ReasonCode::EnvelopeFieldUnknown),
            (with("vnd.in-toto", "vnd.other"), ReasonCode::PayloadTypeMismatch),
            (with(&sig, &short), ReasonCode::SigMalformed),
            (with(&sig, &sig[..86]), ReasonCode::SigMalformed),
            (with(&sig, &format!("{sig} ")), ReasonCode::SigMalformed),
            (with(&sig, &pieces), ReasonCode::SigMalformed),
            (with(&sig, "%%"), ReasonCode::SigMalformed),
            (with("  \"sig", "\t\"sig"), ReasonCode::SigMalformed),
            (format!("{good}\n"), ReasonCode::SigMalformed),
            (format!("{good}x"), ReasonCode::SigMalformed),
            (String::new(), ReasonCode::SigMalformed),
            ("[]\n".to_owned(), ReasonCode::SigMalformed),
            (format!("{{\n  \"payloadType\": \"{PAYLOAD_TYPE}\",\n  \"signatures\": []\n}}\n"), ReasonCode::SigMissing),
            (format!("{{\n  \"payloadType\": \"{PAYLOAD_TYPE}\"\n}}\n"), ReasonCode::SigMissing),
            (with("\"sig\"", "\"sig\": \"\",\n      \"sig\""), ReasonCode::JsonDuplicateKey),
            (good.replace('{', &"[".repeat(40)), ReasonCode::InputTooDeep),
            (" ".repeat(MAX_ENVELOPE_BYTES + 1), ReasonCode::InputTooLarge),
        ] {
            assert_eq!(Envelope::parse(text.as_bytes()).map_err(|e| e.code()), Err(code), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_flipped_bit_is_accepted(at in 0usize..4096, bit in 0u8..8) {
            let quorums = [quorum(1, &[1, 2])];
            let envelope = envelope(&[1, 2]).to_bytes();
            let mut flipped = envelope.clone();
            let at = at % flipped.len();
            flipped[at] ^= 1 << bit;
            let accepted = Envelope::parse(&flipped).and_then(|e| e.verify(PAYLOAD, &quorums));
            proptest::prop_assert!(accepted.is_err(), "byte {at} of the envelope");

            let mut payload = PAYLOAD.to_vec();
            let at = at % payload.len();
            payload[at] ^= 1 << bit;
            let accepted = Envelope::parse(&envelope).and_then(|e| e.verify(&payload, &quorums));
            proptest::prop_assert!(accepted.is_err(), "byte {at} of the payload");
        }
    }
}
