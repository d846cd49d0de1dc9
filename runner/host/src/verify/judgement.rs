//! Everything that one commit adds, verified after the trust that judges it is known.

use std::collections::{BTreeMap, BTreeSet};

use orgo_spec::record::Epoch;
use orgo_spec::signature::{EnvelopeError, KeyId, PublicKey, Unverified};
use orgo_spec::{Digest, ReasonCode};

use super::record;
use super::report::{Counts, Finding, Severity};
use super::step::{Files, Step};
use crate::git::{Git, GitError, ObjectId};
use crate::ledger::record::Mark;
use crate::ledger::{
    LedgerError, MAX_EVIDENCE_BYTES, MAX_RECORD_BYTES, Moment, Record, Trust, bounded, layout, read_evidence,
    source_has_lock,
};

/// The findings about one commit while they are being made.
pub(super) struct Judgement<'s> {
    pub(super) git: &'s Git,
    pub(super) step: &'s Step,
    pub(super) findings: Vec<Finding>,
    pub(super) counts: Counts,
}

/// What is known about a record after it was verified.
#[derive(Default)]
pub(super) struct RecordJudged {
    /// Its id, if its bytes could be read.
    pub(super) id: Option<Digest>,
    /// The digest of its envelope, if that could be read.
    pub(super) envelope: Option<Digest>,
    /// Who signed it, if that verified.
    pub(super) signers: Vec<PublicKey>,
    /// What it does to the files that show the present state.
    pub(super) marks: Vec<(Mark, Option<Digest>)>,
    /// The path under `latest/` that must show it.
    pub(super) latest: Option<String>,
    /// The epoch that it seals.
    pub(super) epoch: Option<Epoch>,
    /// Whether it could be parsed, so that `latest` is known.
    pub(super) complete: bool,
}

impl Judgement<'_> {
    pub(super) fn push(&mut self, finding: Finding) {
        self.findings.push(finding.at_commit(self.step.link.id));
    }

    /// Reads a blob; what cannot be read becomes a finding.
    pub(super) fn blob(&mut self, id: ObjectId, limit: usize, path: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        match bounded(self.git, id, limit, path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => {
                let finding = unreadable_in(error)?;
                self.push(finding.at_path(path));
                Ok(None)
            }
        }
    }

    /// Verifies the commit's signature; returns what its trailers say about records.
    pub(super) fn commit(
        &mut self,
        trust: &Trust,
        at: Moment<'_>,
        last: u64,
        signers: &mut Vec<(u64, PublicKey)>,
    ) -> Result<Option<Vec<String>>, LedgerError> {
        let commit = self.git.commit(self.step.link.id)?;
        match commit.verify_by(trust.git_keys()) {
            Err(shape) => self.push(Finding::invalid(shape.code(), shape.to_string())),
            Ok(signature) if trust.git_keys().contains(signature.key()) => {
                self.counts.signatures += 1;
                signers.push((last, *signature.key()));
                if let Err((code, message)) = trust.may_sign(signature.key(), None, at) {
                    self.push(Finding::invalid(code, format!("the commit: {message}")));
                }
            }
            Ok(signature) => {
                let (code, what) = stranger(trust, &signature.key().id());
                self.push(Finding::invalid(code, format!("the commit is signed by {what}")));
            }
        }
        let trailers = commit.message.lines().filter_map(|l| l.strip_prefix("Orgo-Record: ").map(str::to_owned));
        Ok(Some(trailers.collect()))
    }

    /// Verifies that evidence hashes to its name.
    pub(super) fn evidence(&mut self) -> Result<(), LedgerError> {
        for (digest, id) in &self.step.evidence {
            let path = layout::evidence_path(digest);
            let Some(bytes) = self.blob(*id, MAX_EVIDENCE_BYTES, &path)? else { continue };
            if Digest::of(&bytes) == *digest {
                self.counts.evidence += 1;
            } else {
                let message = "the evidence does not hash to its name";
                self.push(Finding::invalid(ReasonCode::EvidenceAltered, message).at_path(path));
            }
        }
        Ok(())
    }

    /// Verifies that the lists for stock tools are those that the trust generates.
    pub(super) fn signers_files(&mut self, trust: &Trust) -> Result<(), LedgerError> {
        let next = self.step.next.as_deref();
        let revoked = next.and_then(Trust::revoked_keys);
        // A list that stays as it was is not written again.
        let revoked = revoked.filter(|_| next.is_some_and(|n| n.revoked_keys() != trust.revoked_keys()));
        for (path, expected, found) in [
            (layout::ALLOWED_SIGNERS, next.map(Trust::allowed_signers), self.step.allowed_signers),
            (layout::REVOKED_KEYS, revoked, self.step.revoked_keys),
        ] {
            let found = match found {
                Some(id) => self.blob(id, MAX_RECORD_BYTES, path)?,
                None => None,
            };
            if found != expected {
                let number = next.unwrap_or(trust).number();
                let message = format!("the file is not what record {number} generates");
                self.push(Finding::invalid(ReasonCode::RecordAltered, message).at_path(path));
            }
        }
        Ok(())
    }

    /// Verifies one record.
    pub(super) fn record(
        &mut self,
        number: u64,
        files: &Files,
        trust: &Trust,
        at: Moment<'_>,
        path: &str,
    ) -> Result<RecordJudged, LedgerError> {
        *self.counts.records.entry(files.kind.to_string()).or_default() += 1;
        let here = |finding: Finding| finding.at_record(number).at_path(path);
        let (statement, envelope) = match (files.statement, files.envelope) {
            (Some(statement), Some(envelope)) => (statement, envelope),
            (Some(_), None) => {
                self.push(here(Finding::invalid(ReasonCode::SigMissing, "the record has no signature file")));
                return Ok(RecordJudged::default());
            }
            (None, _) => {
                let message = "a signature file was added without its record";
                self.push(here(Finding::invalid(ReasonCode::RecordMissing, message)));
                return Ok(RecordJudged::default());
            }
        };
        let Some(statement) = self.blob(statement, MAX_RECORD_BYTES, path)? else {
            return Ok(RecordJudged::default());
        };
        let unjudged = RecordJudged { id: Some(Digest::of(&statement)), ..RecordJudged::default() };
        let Some(envelope) = self.blob(envelope, MAX_RECORD_BYTES, path)? else { return Ok(unjudged) };
        let unjudged = RecordJudged { envelope: Some(Digest::of(&envelope)), ..unjudged };
        let quorums = match trust.quorums_for(files.kind.as_str(), &statement) {
            Ok(quorums) => quorums,
            Err(error) => {
                self.push(here(Finding::invalid(error.code(), error.to_string())));
                return Ok(unjudged);
            }
        };
        match Unverified::<Record>::new(statement, envelope).verify(&quorums) {
            Err(error) => {
                self.push(here(refused(trust, &error)));
                Ok(unjudged)
            }
            Ok(verified) => {
                self.counts.signatures += verified.signers().len() as u64;
                let signers: Vec<PublicKey> = verified.signers().iter().copied().collect();
                // A new root is not listed yet; what it signs is its own declaration.
                for key in signers.iter().filter(|k| trust.lists(k).is_some()) {
                    if let Err((code, message)) = trust.may_sign(key, Some(files.kind.as_str()), at) {
                        self.push(here(Finding::invalid(code, message)));
                    }
                }
                let (git, tree) = (self.git, self.step.link.tree);
                let evidence = |digest: &Digest| match read_evidence(git, tree, digest) {
                    // What is there and wrong was found where it was added.
                    Err(LedgerError::Damaged { .. } | LedgerError::TooLarge { .. }) => Ok(None),
                    other => other,
                };
                let judged = record::judge(files.kind.as_str(), number, verified.bytes(), trust, at, &evidence)?;
                for key in &signers {
                    if let Err((code, message)) = trust.may_serve(key, judged.environment.as_deref()) {
                        self.push(here(Finding::invalid(code, message)));
                    }
                }
                if let Some((source, lock)) = &judged.locked
                    && let Ok(source) = source.parse::<ObjectId>()
                    && source_has_lock(git, source, *lock)? == Some(false)
                {
                    let message =
                        format!("the run says that it held to the lock {lock}, which its source does not have");
                    self.push(here(Finding::invalid(ReasonCode::SubjectMismatch, message)));
                }
                // An approver who is revoked later vouches no longer, either.
                let signers = signers.into_iter().chain(judged.approvers).collect();
                for finding in judged.findings {
                    self.push(here(finding));
                }
                self.counts.add(&judged.counts);
                Ok(RecordJudged {
                    latest: judged.latest,
                    marks: judged.marks,
                    epoch: judged.epoch,
                    complete: judged.readable,
                    signers,
                    ..unjudged
                })
            }
        }
    }

    /// Verifies that the newest records are shown, and nothing else.
    ///
    /// `expected` is what the records say; unless it is `complete`, a file may also show one of those that
    /// could not be judged.
    pub(super) fn latest(&mut self, expected: &BTreeMap<String, Option<ObjectId>>, complete: bool) {
        let found = &self.step.latest;
        let paths: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
        for path in paths {
            let shown = found.get(path).copied();
            let right = match expected.get(path) {
                Some(id) => shown == *id,
                None => !complete && shown.is_some_and(|id| self.step.adds(id)),
            };
            if !right {
                let message = "the file does not show the newest record of its pipeline and reference";
                self.findings.push(
                    Finding::invalid(ReasonCode::RecordAltered, message).at_commit(self.step.link.id).at_path(path),
                );
            }
        }
    }
}

/// A key that may not sign: one of another role, or one that nobody knows.
pub(super) fn stranger(trust: &Trust, key: &KeyId) -> (ReasonCode, String) {
    match trust.role_of(key) {
        Some(role) => (ReasonCode::KeyScopeMismatch, format!("key {}, whose role is {role}", key.short())),
        None if trust.has_revoked(key) => {
            (ReasonCode::KeyRevokedAtIndex, format!("key {}, which was revoked before", key.short()))
        }
        None => (ReasonCode::KeyUnknown, format!("key {}, which the trust in force does not list", key.short())),
    }
}

/// The finding for an envelope that does not verify.
fn refused(trust: &Trust, error: &EnvelopeError) -> Finding {
    if let EnvelopeError::KeyUnknown(key) = error {
        let (code, what) = stranger(trust, key);
        return Finding::invalid(code, format!("the record is signed by {what}"));
    }
    Finding::invalid(error.code(), error.to_string())
}

/// The finding for an object that cannot be read; a fault of the environment stays an error.
pub(super) fn unreadable(error: GitError) -> Result<Finding, LedgerError> {
    if let GitError::Missing(_) = error {
        return Ok(Finding::new(ReasonCode::RecordMissing, Severity::Missing, format!("{error} in this clone")));
    }
    if let GitError::Damaged { .. } = error {
        return Ok(Finding::invalid(ReasonCode::RecordAltered, error.to_string()));
    }
    Err(error.into())
}

pub(super) fn unreadable_in(error: LedgerError) -> Result<Finding, LedgerError> {
    if let LedgerError::TooLarge { .. } = error {
        return Ok(Finding::invalid(ReasonCode::InputTooLarge, error.to_string()));
    }
    if let LedgerError::Git(error) = error { unreadable(error) } else { Err(error) }
}
