//! A document has one spelling, a signature is about one document, and moments add up.

use super::*;
use crate::signature::tests::{public, sign};
use crate::signature::{Namespace, SshSignature};
use crate::{Digest, Name, ReasonCode};

fn name(text: &str) -> Name {
    Name::new(text).expect("a plain name")
}

fn document() -> ApprovalDocument {
    ApprovalDocument {
        action: ApprovalAction::Approve,
        comment: Some("looks right".to_owned()),
        expires_at: Some("2026-01-04T00:00:00Z".to_owned()),
        requested_at: "2026-01-01T00:00:00Z".to_owned(),
        schema: SCHEMA.to_owned(),
        source: None,
        subject: ApprovalSubject {
            approval: name("release"),
            key: Digest::of(b"key"),
            pipeline: name("p"),
            stage: "deploy".to_owned(),
            tenant_id: name("acme"),
        },
    }
}

fn signed(bytes: &[u8], namespace: Namespace) -> String {
    SshSignature::new(public(3), namespace, sign(3, &SshSignature::signed_data(namespace, bytes))).armor()
}

#[test]
fn a_signed_document_reads_back_and_says_who_signed_it() {
    let bytes = document().to_bytes();
    let read = SignedApproval::read(&bytes, signed(&bytes, Namespace::Approval).as_bytes()).expect("sound");
    assert_eq!((read.document.clone(), read.signer()), (document(), Ok(public(3))));
}

#[test]
fn nothing_else_than_what_was_signed_is_accepted() {
    let bytes = document().to_bytes();
    let signature = signed(&bytes, Namespace::Approval);
    let code = |document: &[u8], signature: &str| {
        SignedApproval::read(document, signature.as_bytes()).expect_err("must be refused").0
    };
    let longer = String::from_utf8(bytes.clone()).expect("text").replace("2026-01-04", "2027-01-04");
    assert_eq!(code(longer.as_bytes(), &signature), ReasonCode::SigInvalid);
    assert_eq!(code(&bytes, &signed(&bytes, Namespace::Git)), ReasonCode::KeyScopeMismatch);
    assert_eq!(code(&bytes, "no signature"), ReasonCode::SigMalformed);
    let compact = crate::canonical::bytes_of(&document()).expect("no numbers");
    assert_eq!(code(&compact, &signed(&compact, Namespace::Approval)), ReasonCode::SchemaInvalid);
    let mut moved = SignedApproval::read(&bytes, signature.as_bytes()).expect("sound");
    moved.document.subject.key = Digest::of(b"another key");
    assert_eq!(moved.signer().map_err(|e| e.0), Err(ReasonCode::SigInvalid));
}

#[test]
fn a_document_that_contradicts_itself_is_refused() {
    let refused = |change: fn(&mut ApprovalDocument)| {
        let mut document = document();
        change(&mut document);
        ApprovalDocument::parse(&document.to_bytes()).map_err(|e| e.0)
    };
    let wrong = Err(ReasonCode::SchemaInvalid);
    assert_eq!(refused(|d| d.expires_at = None), wrong);
    assert_eq!(refused(|d| d.expires_at = Some(d.requested_at.clone())), wrong);
    assert_eq!(refused(|d| d.expires_at = Some("2026-02-30T00:00:00Z".to_owned())), wrong);
    assert_eq!(refused(|d| d.requested_at = "today".to_owned()), wrong);
    assert_eq!(refused(|d| d.action = ApprovalAction::Withdraw), wrong);
    assert_eq!(refused(|d| d.schema = "orgo.approval/2".to_owned()), wrong);
    assert_eq!(refused(|d| d.comment = Some("x".repeat(501))), wrong);
}

#[test]
fn every_member_of_the_subject_decides_what_is_approved() {
    let subject = document().subject;
    let changed = |change: fn(&mut ApprovalSubject)| {
        let mut other = subject.clone();
        change(&mut other);
        other.digest() != subject.digest()
    };
    assert!(changed(|s| s.key = Digest::EMPTY) && changed(|s| s.stage = "other".to_owned()));
    assert!(changed(|s| s.approval = name("x")) && changed(|s| s.pipeline = name("q")));
    assert!(changed(|s| s.tenant_id = name("other")));
}

#[test]
fn moments_add_up() {
    let plus = |from: &str, more| moment_plus(from, more).expect("a moment");
    assert_eq!(plus("1970-01-01T00:00:00Z", 0), "1970-01-01T00:00:00Z");
    assert_eq!(plus("2024-02-28T23:59:59Z", 1), "2024-02-29T00:00:00Z");
    assert_eq!(plus("2026-12-31T00:00:00Z", 72 * 3600), "2027-01-03T00:00:00Z");
    assert_eq!(seconds_between("2026-01-01T00:00:00Z", "2026-01-02T00:00:01Z"), Some(86_401));
    assert_eq!(seconds_between("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"), Some(-86_400));
    for wrong in ["2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00.0Z"] {
        assert_eq!(seconds_between(wrong, wrong), None, "{wrong}");
    }
    assert_eq!(moment_plus("9999-12-31T23:59:59Z", 1), None);
}
