//! A document has one spelling, a signature is about one document, and an override says what it must.

use super::*;
use crate::signature::tests::{public, sign};
use crate::signature::{Namespace, SshSignature};

fn name(text: &str) -> Name {
    Name::new(text).expect("a plain name")
}

fn document() -> OverrideDocument {
    OverrideDocument {
        expires_at: "2026-01-01T08:00:00Z".to_owned(),
        nonce: "0123456789abcdef0123456789abcdef".to_owned(),
        reason: "the freeze does not cover the fix".to_owned(),
        requested_at: "2026-01-01T00:00:00Z".to_owned(),
        schema: SCHEMA.to_owned(),
        scope: OverrideScope {
            gate: name("accept"),
            mandate: Digest::of(b"mandate"),
            pipeline: name("p"),
            policies: vec![name("freeze")],
            subject: Digest::of(b"batch"),
            tenant_id: name("acme"),
        },
    }
}

fn armored(seed: u8, bytes: &[u8], namespace: Namespace) -> String {
    SshSignature::new(public(seed), namespace, sign(seed, &SshSignature::signed_data(namespace, bytes))).armor()
}

fn signed(document: OverrideDocument, seeds: &[u8]) -> SignedOverride {
    let bytes = document.to_bytes();
    let of = |seed: &u8| Approval { key: public(*seed), signature: armored(*seed, &bytes, Namespace::Override) };
    let mut signatures: Vec<Approval> = seeds.iter().map(of).collect();
    signatures.sort_unstable_by_key(|s| s.key);
    SignedOverride { document, signatures }
}

#[test]
fn a_signed_document_reads_back_and_verifies() {
    let bytes = document().to_bytes();
    assert_eq!(OverrideDocument::parse(&bytes), Ok(document()));
    assert_eq!(document().id(), Digest::of(&bytes));
    assert_eq!(signed(document(), &[3, 4]).verify(), Ok(()));
}

#[test]
fn nothing_else_than_what_was_signed_is_accepted() {
    let bytes = document().to_bytes();
    let code = |document: &[u8], signature: &str| {
        SignedOverride::signature(document, signature.as_bytes()).expect_err("must be refused").0
    };
    let good = armored(3, &bytes, Namespace::Override);
    assert_eq!(code(b"something else", &good), ReasonCode::SigInvalid);
    assert_eq!(code(&bytes, &armored(3, &bytes, Namespace::Approval)), ReasonCode::KeyScopeMismatch);
    assert_eq!(code(&bytes, "no signature"), ReasonCode::SigMalformed);
    let refused = |signed: &SignedOverride| signed.verify().expect_err("must be refused").0;
    let mut wider = signed(document(), &[3]);
    wider.document.scope.policies.insert(0, name("another"));
    assert_eq!(refused(&wider), ReasonCode::SigInvalid);
    let mut lent = signed(document(), &[3]);
    lent.signatures[0].key = public(4);
    assert_eq!(refused(&lent), ReasonCode::SigInvalid);
    let mut twice = signed(document(), &[3]);
    twice.signatures.push(twice.signatures[0].clone());
    assert_eq!(refused(&twice), ReasonCode::SchemaInvalid);
}

#[test]
fn a_document_without_scope_reason_end_or_nonce_is_refused() {
    let code = |change: fn(&mut OverrideDocument)| {
        let mut document = document();
        change(&mut document);
        OverrideDocument::parse(&document.to_bytes()).expect_err("must be refused").0
    };
    for change in [
        (|d| d.scope.policies.clear()) as fn(&mut OverrideDocument),
        |d| d.scope.policies = vec![name("b"), name("a")],
        |d| d.scope.policies = vec![name("a"), name("a")],
        |d| " ".clone_into(&mut d.reason),
        |d| d.reason = "x".repeat(501),
        |d| d.nonce.make_ascii_uppercase(),
        |d| d.nonce.truncate(31),
        |d| d.expires_at.clone_from(&d.requested_at),
        |d| "2025-01-01T00:00:00Z".clone_into(&mut d.expires_at),
        |d| "tomorrow".clone_into(&mut d.expires_at),
        |d| "orgo.override/2".clone_into(&mut d.schema),
    ] {
        assert_eq!(code(change), ReasonCode::SchemaInvalid);
    }
}
