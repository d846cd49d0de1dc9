//! The document, and the document with its signature.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_COMMENT_CHARS, MAX_DOCUMENT_BYTES, SCHEMA, seconds_between};
use crate::canonical;
use crate::signature::{Namespace, PublicKey, SshSignature};
use crate::{Digest, Name, ReasonCode};

/// What is approved: one stage with its real inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalSubject {
    /// The approval, as the pipeline calls it.
    pub approval: Name,
    /// The stage key: the digest of its Remote Execution API action, and so of all its inputs.
    pub key: Digest,
    /// The pipeline.
    pub pipeline: Name,
    /// The stage, with the matrix values behind it.
    pub stage: String,
    /// Whose pipeline it is.
    pub tenant_id: Name,
}

impl ApprovalSubject {
    /// The digest of its canonical form: what approvals are found by.
    ///
    /// # Panics
    /// Never: it has no numbers.
    #[must_use]
    pub fn digest(&self) -> Digest {
        canonical::digest_of(self).expect("a subject has no numbers")
    }
}

/// What a document says about its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalAction {
    /// It may run.
    Approve,
    /// What this key said about it before does not count any more.
    Withdraw,
}

/// The source that lay before whoever wrote the document; told to readers, compared with nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalSource {
    /// The commit that was checked out.
    pub commit: String,
    /// Whether any file differed from it.
    pub dirty: bool,
    /// The commit's tree.
    pub tree: String,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalDocument {
    /// What it says.
    pub action: ApprovalAction,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The last moment in which it counts (RFC 3339, UTC, whole seconds); a withdrawal has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was written; it counts from then on.
    pub requested_at: String,
    /// `orgo.approval/1`.
    pub schema: String,
    /// The source that lay before whoever wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ApprovalSource>,
    /// What is approved.
    pub subject: ApprovalSubject,
}

impl ApprovalDocument {
    /// The bytes that are signed: pretty canonical JSON.
    ///
    /// # Panics
    /// Never: the document has no numbers.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::pretty_of(self).expect("a document has no numbers")
    }

    /// Reads a document: strict JSON, known fields, the one spelling, and consistent.
    ///
    /// # Errors
    /// The reason code and what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, (ReasonCode, String)> {
        canonical::from_pretty(bytes, MAX_DOCUMENT_BYTES, Self::check)
    }

    /// What holds between fields and cannot be said by types.
    fn check(&self) -> Result<(), &'static str> {
        if self.schema != SCHEMA {
            return Err("the document is not of the schema `orgo.approval/1`");
        }
        if self.comment.as_ref().is_some_and(|c| c.chars().count() > MAX_COMMENT_CHARS) {
            return Err("the comment is longer than 500 characters");
        }
        let lasts = match (&self.action, &self.expires_at) {
            (ApprovalAction::Approve, Some(expires)) => seconds_between(&self.requested_at, expires),
            (ApprovalAction::Withdraw, None) => seconds_between(&self.requested_at, &self.requested_at).map(|_| 1),
            (ApprovalAction::Approve, None) => return Err("an approval says when it expires"),
            (ApprovalAction::Withdraw, Some(_)) => return Err("a withdrawal does not expire"),
        };
        match lasts {
            None => Err("a time is not of the form 2026-01-31T23:59:59Z"),
            Some(seconds) if seconds <= 0 => Err("the approval expires before it begins"),
            Some(_) => Ok(()),
        }
    }
}

/// A document with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedApproval {
    /// What was signed.
    pub document: ApprovalDocument,
    /// The armored SSH signature over the bytes of the document, namespace `orgo-approval`.
    pub signature: String,
}

impl SignedApproval {
    /// Reads a document and the signature beside it, and verifies that the one is about the other.
    ///
    /// # Errors
    /// The reason code and what is wrong.
    pub fn read(document: &[u8], signature: &[u8]) -> Result<Self, (ReasonCode, String)> {
        let signature = std::str::from_utf8(signature)
            .map_err(|_| (ReasonCode::SigMalformed, "the signature is not text".to_owned()))?;
        let parsed = SshSignature::parse(signature, Namespace::Approval).map_err(|e| (e.code(), e.to_string()))?;
        // The signature comes first: nothing that nobody signed is parsed.
        if !parsed.verifies(document) {
            return Err((ReasonCode::SigInvalid, "the signature is not about the document beside it".to_owned()));
        }
        Ok(Self { document: ApprovalDocument::parse(document)?, signature: signature.to_owned() })
    }

    /// The key that really signed the document.
    ///
    /// # Errors
    /// The reason code and what is wrong.
    pub fn signer(&self) -> Result<PublicKey, (ReasonCode, String)> {
        let read = Self::read(&self.document.to_bytes(), self.signature.as_bytes())?;
        SshSignature::parse(&read.signature, Namespace::Approval)
            .map(|s| *s.key())
            .map_err(|e| (e.code(), e.to_string()))
    }
}
