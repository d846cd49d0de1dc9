//! Sigstore bundles (media type version 0.3): a DSSE envelope with what a client needs to find the key.
//!
//! Only written: a bundle of ours names a public key that its reader has already. There is no certificate and
//! no entry of a public log in it, so it says no more than the envelope does.

use super::{PAYLOAD_TYPE, Signature};
use crate::base64;
use crate::canonical::{self, Object, Value};

/// The media type.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The bundle of `payload` under one signature, pretty canonical JSON. The hint is the id of the key.
///
/// A bundle holds exactly one signature (sigstore `bundle.proto`, `dsse_envelope`).
#[must_use]
pub fn sigstore_bundle(payload: &[u8], signature: &Signature) -> Vec<u8> {
    let object = |members: Vec<(&str, Value)>| Value::Object(Object::from_iter(members));
    let signed =
        object(vec![("keyid", signature.key_id.to_string().into()), ("sig", base64::encode(&signature.bytes).into())]);
    let envelope = object(vec![
        ("payload", base64::encode(payload).into()),
        ("payloadType", PAYLOAD_TYPE.into()),
        ("signatures", Value::Array(vec![signed])),
    ]);
    let material = object(vec![
        ("publicKey", object(vec![("hint", signature.key_id.to_string().into())])),
        ("tlogEntries", Value::Array(Vec::new())),
    ]);
    canonical::to_pretty(&object(vec![
        ("dsseEnvelope", envelope),
        ("mediaType", BUNDLE_MEDIA_TYPE.into()),
        ("verificationMaterial", material),
    ]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{public, sign};
    use super::super::{Envelope, pae};
    use super::*;

    #[test]
    fn a_bundle_holds_the_envelope_and_names_the_key() {
        let payload = b"{}\n";
        let envelope = Envelope::new([(public(1), sign(1, &pae(PAYLOAD_TYPE, payload)))]);
        let bundle = sigstore_bundle(payload, &envelope.signatures()[0]);
        let bundle: serde_json::Value = serde_json::from_slice(&bundle).expect("JSON");
        let joined: serde_json::Value = serde_json::from_slice(&envelope.join(payload)).expect("JSON");
        assert_eq!(bundle["dsseEnvelope"], joined, "the envelope is wrapped unchanged");
        assert_eq!(bundle["mediaType"], BUNDLE_MEDIA_TYPE);
        assert_eq!(bundle["verificationMaterial"]["publicKey"]["hint"], public(1).id().to_string());
    }
}
