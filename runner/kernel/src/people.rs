//! People who sign, for tests: a number stands for a person's key.

use ed25519_dalek::{Signer as _, SigningKey};
use orgo_spec::Name;
use orgo_spec::record::{Class, TrustedKey};
use orgo_spec::signature::{Namespace, PublicKey, SshSignature};

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a plain name")
}

pub(crate) fn public(seed: u8) -> PublicKey {
    PublicKey::from_bytes(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes()).expect("a usable key")
}

/// The key as trust names it.
pub(crate) fn trusted(seed: u8, who: &str) -> TrustedKey {
    TrustedKey { name: Some(name(who)), ..TrustedKey::new(public(seed), Class::Production) }
}

/// The armoured signature of a document's bytes.
pub(crate) fn signature(seed: u8, namespace: Namespace, document: &[u8]) -> String {
    let data = SshSignature::signed_data(namespace, document);
    let bytes = SigningKey::from_bytes(&[seed; 32]).sign(&data).to_bytes();
    SshSignature::new(public(seed), namespace, bytes).armor()
}
