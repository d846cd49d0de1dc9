//! Overrides: what people sign to lift named policies of a mandate once, for one gate about one input.
//!
//! An override lifts a `forbid` that its mandate says may be lifted, and nothing else: never a rule of the floor, and so
//! never a failed validation, hash or signature. It is *scoped* (mandate, pipeline, gate, policies, the digest of what is
//! decided about), *expiring*, *single-use* (a ledger shows which were used) and signed by as many people as the mandate
//! asks for, at least two (supply-chain T-67).
//!
//! The document is pretty canonical JSON, so that people read in a pull request the very bytes that are signed, with
//! `ssh-keygen -Y sign -n orgo-override`. The format is `docs/formats/override.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::approval::seconds_between;
use crate::canonical;
use crate::record::Approval;
use crate::signature::Namespace;
use crate::{Digest, Name, ReasonCode};

/// The schema of the document.
pub const SCHEMA: &str = "orgo.override/1";
/// Largest document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 8 * 1024;
/// Longest reason, in characters.
pub const MAX_REASON_CHARS: usize = 500;
/// Most people that sign one.
pub const MAX_SIGNERS: usize = 32;

/// What an override is about. Anything else it says nothing about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideScope {
    /// The gate.
    pub gate: Name,
    /// The mandate, by the digest of its manifest.
    pub mandate: Digest,
    /// The pipeline.
    pub pipeline: Name,
    /// The policies that are lifted, by their ids, sorted.
    pub policies: Vec<Name>,
    /// The digest of what the gate decides about.
    pub subject: Digest,
    /// Whose pipeline it is.
    pub tenant_id: Name,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideDocument {
    /// The last moment in which it counts (RFC 3339, UTC, whole seconds).
    pub expires_at: String,
    /// 32 digits (0-9, a-f) that make it another document than any before.
    pub nonce: String,
    /// Why.
    pub reason: String,
    /// When it was written; it counts from then on.
    pub requested_at: String,
    /// `orgo.override/1`.
    pub schema: String,
    /// What it is about.
    pub scope: OverrideScope,
}

impl OverrideDocument {
    /// The bytes that are signed: pretty canonical JSON.
    ///
    /// # Panics
    /// Never: the document has no numbers.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::pretty_of(self).expect("a document has no numbers")
    }

    /// The override's id: the SHA-256 of the bytes that are signed.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    /// How long it counts, in seconds; none if its times are none.
    #[must_use]
    pub fn lasts_s(&self) -> Option<u64> {
        seconds_between(&self.requested_at, &self.expires_at).and_then(|s| u64::try_from(s).ok())
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
        let policies = &self.scope.policies;
        if self.schema != SCHEMA {
            return Err("the document is not of the schema `orgo.override/1`");
        }
        if self.nonce.len() != 32 || !self.nonce.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err("the nonce is not 32 digits (0-9, a-f)");
        }
        if self.reason.trim().is_empty() || self.reason.chars().count() > MAX_REASON_CHARS {
            return Err("an override has a reason of at most 500 characters");
        }
        if policies.is_empty() || !policies.is_sorted_by(|a, b| a < b) {
            return Err("the policies are not sorted, stand twice, or there is none");
        }
        match self.lasts_s() {
            None => Err("a time is not of the form 2026-01-31T23:59:59Z, or the override expires before it begins"),
            Some(0) => Err("the override expires when it begins"),
            Some(_) => Ok(()),
        }
    }
}

/// A document with the signatures of those who want it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedOverride {
    /// What was signed.
    pub document: OverrideDocument,
    /// Who signed it, sorted by key, each key once.
    pub signatures: Vec<Approval>,
}

impl SignedOverride {
    /// Reads a document and a signature about it.
    ///
    /// # Errors
    /// The reason code and what is wrong with the signature: none of its namespace, or about other bytes.
    pub fn signature(document: &[u8], armored: &[u8]) -> Result<Approval, (ReasonCode, String)> {
        let armored = std::str::from_utf8(armored)
            .map_err(|_| (ReasonCode::SigMalformed, "the signature is not text".to_owned()))?;
        let read = Approval::parse(Namespace::Override, armored)?;
        if !read.covers(Namespace::Override, document) {
            return Err((ReasonCode::SigInvalid, "the signature is not about the document beside it".to_owned()));
        }
        Ok(read)
    }

    /// Whether the document is sound, and every signature is one of its key about it, each key once.
    ///
    /// # Errors
    /// The reason code and what is wrong.
    pub fn verify(&self) -> Result<(), (ReasonCode, String)> {
        let bytes = self.document.to_bytes();
        OverrideDocument::parse(&bytes)?;
        if !self.signatures.is_sorted_by(|a, b| a.key < b.key) || self.signatures.len() > MAX_SIGNERS {
            let why = "the signatures are not sorted, one key signs twice, or there are more than 32";
            return Err((ReasonCode::SchemaInvalid, why.to_owned()));
        }
        for signature in &self.signatures {
            let read = Self::signature(&bytes, signature.signature.as_bytes())?;
            if read.key != signature.key {
                return Err((ReasonCode::SigInvalid, "a signature was made by another key than is named".to_owned()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
