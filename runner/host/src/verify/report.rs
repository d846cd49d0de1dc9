//! What a verification found, for people and for programs.

use std::collections::BTreeMap;

use orgo_spec::{Digest, Name, ReasonCode};
use serde::Serialize;

use super::epoch::SealedBase;

use crate::evidence::StoreReport;
use crate::git::ObjectId;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What is there is not what it claims to be.
    Invalid,
    /// The rules of the caller forbid going on.
    Refused,
    /// Something is not there, so that it could not be judged.
    Missing,
    /// Worth knowing.
    Notice,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The reason.
    pub code: ReasonCode,
    /// How grave it is.
    pub severity: Severity,
    /// The commit it was found in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The record it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// The path it was found at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What was found, in words.
    pub message: String,
}

impl Finding {
    /// A finding about the ledger as a whole.
    pub(super) fn new(code: ReasonCode, severity: Severity, message: impl Into<String>) -> Self {
        Self { code, severity, commit: None, record: None, path: None, message: message.into() }
    }

    /// Something that is not what it claims to be.
    pub(super) fn invalid(code: ReasonCode, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Invalid, message)
    }

    pub(super) fn at_commit(mut self, commit: ObjectId) -> Self {
        self.commit = Some(commit.to_string());
        self
    }

    pub(super) fn at_record(mut self, record: u64) -> Self {
        self.record = Some(record);
        self
    }

    pub(super) fn at_path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
}

/// What the root was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Anchor {
    /// Nothing.
    None,
    /// The root that the caller named.
    Named,
    /// The pin in the user's folder.
    Pinned,
}

/// The result in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything verifies, from an anchor outside the clone.
    Verified,
    /// Everything agrees with itself; whose it is nobody said.
    NotAnchored,
    /// What is there verifies; something is missing.
    Incomplete,
    /// The caller's rules forbid going on.
    Refused,
    /// Something is not what it claims to be.
    Invalid,
}

/// How much was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Commits.
    pub commits: u64,
    /// Records, by kind.
    pub records: BTreeMap<String, u64>,
    /// Signatures that verified, of commits and of envelopes.
    pub signatures: u64,
    /// Pieces of evidence that hash to their names.
    pub evidence: u64,
    /// Gates that gave the same verdict when they were decided again.
    pub gates: u64,
    /// Approvals that gave the same decision when they were decided again.
    pub approvals: u64,
    /// Runs that began and have not ended.
    pub open_runs: u64,
    /// Of the gates, those that this program decided under another version than the recorded one.
    pub gates_under_another_version: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        let Self { commits, records, signatures, evidence, gates, approvals, gates_under_another_version, open_runs } =
            other;
        self.approvals += approvals;
        self.open_runs += open_runs;
        self.commits += commits;
        self.signatures += signatures;
        self.evidence += evidence;
        self.gates += gates;
        self.gates_under_another_version += gates_under_another_version;
        for (kind, count) in records {
            *self.records.entry(kind.clone()).or_default() += count;
        }
    }

    /// Records of all kinds.
    #[must_use]
    pub fn all_records(&self) -> u64 {
        self.records.values().sum()
    }
}

/// What vouches for the records of a ledger: each of them counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// Not in this clone: an epoch is sealed over them. But for changes of trust nothing of them was looked at; the signed
    /// log has them.
    pub sealed: u64,
    /// In this clone, but not the commits that brought them: they were not looked at either, and the signed log has them.
    pub logged: u64,
    /// Left out of this verification, as it was asked for: verified by an earlier one, unless told.
    pub left_out: u64,
    /// Verified now.
    pub verified: u64,
}

impl Covered {
    /// Records that no verification of this clone ever looked at.
    #[must_use]
    pub const fn by_log(&self) -> u64 {
        self.sealed + self.logged
    }
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The full name of the branch.
    pub ledger: String,
    /// The commit that was verified.
    pub tip: String,
    /// The id of record 0; none if it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Digest>,
    /// Whose ledger it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Name>,
    /// The first record that was looked at: what lies before was verified earlier.
    pub from: u64,
    /// What vouches for which records.
    pub covered: Covered,
    /// What lies before in an archive and not in this clone, if its history begins with the sealing of an epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedBase>,
    /// Size and root of the log, as the records make them; none if a record could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<(u64, Digest)>,
    /// Whether the trust in force is a development trust.
    pub development: bool,
    /// What the root was compared with.
    pub anchor: Anchor,
    /// The result in one word.
    pub verdict: Verdict,
    /// How much was verified.
    pub counts: Counts,
    /// What was found, oldest commit first.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    pub(super) fn new(ledger: &str, tip: ObjectId) -> Self {
        Self {
            ledger: ledger.to_owned(),
            tip: tip.to_string(),
            root: None,
            tenant: None,
            from: 0,
            covered: Covered::default(),
            sealed: None,
            checkpoint: None,
            development: false,
            anchor: Anchor::None,
            verdict: Verdict::Invalid,
            counts: Counts::default(),
            findings: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(super) fn finish(&mut self) {
        let worst = self.findings.iter().map(|f| f.severity).min();
        self.verdict = match worst {
            Some(Severity::Invalid) => Verdict::Invalid,
            Some(Severity::Refused) => Verdict::Refused,
            Some(Severity::Missing) => Verdict::Incomplete,
            Some(Severity::Notice) | None if self.anchor == Anchor::None => Verdict::NotAnchored,
            Some(Severity::Notice) | None => Verdict::Verified,
        };
    }

    /// Takes in what came of looking for the objects that records name: what is something else is invalid, what is
    /// nowhere is missing and never invalid.
    pub fn add_stores(&mut self, stores: &StoreReport) {
        for wrong in &stores.wrong {
            let message = format!("{} ({}) in `{}` does not hash to its digest", wrong.what, wrong.digest, wrong.place);
            self.push(Finding::invalid(wrong.code, message).at_record(wrong.record));
        }
        let mut missing = |what: String| {
            self.push(Finding::new(ReasonCode::EvidenceMissing, Severity::Missing, what));
        };
        if !stores.missing.is_empty() {
            let (count, first) = (stores.missing.len(), &stores.missing[0]);
            missing(format!(
                "{count} objects that records name are in no store, such as {} of record {} ({})",
                first.what, first.record, first.digest
            ));
        }
        if stores.unknown_pages > 0 {
            missing(format!(
                "{} pages of stages are not here: what they name was not looked for",
                stores.unknown_pages
            ));
        }
        for unusable in &stores.unusable {
            let message = format!("the evidence store `{}` was not looked into: {}", unusable.store, unusable.why);
            self.push(Finding::new(ReasonCode::EvidenceStoreUnusable, Severity::Missing, message));
        }
        self.finish();
    }

    /// What must be said before anything else: the verdict, and what weakens it.
    #[must_use]
    pub fn first_line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Verified => "verified",
            Verdict::NotAnchored => "self-consistent, not anchored",
            Verdict::Incomplete => "incomplete: what is there verifies, something is missing",
            Verdict::Refused => "refused",
            Verdict::Invalid => "INVALID",
        };
        let verdict = match (self.verdict, self.covered.by_log()) {
            (Verdict::Verified | Verdict::NotAnchored, from @ 1..) => {
                format!("{verdict}, from record {from} on (before it, only that the signed log has them)")
            }
            _ => verdict.to_owned(),
        };
        let class = if self.development { "development trust: not for release; " } else { "" };
        let name = ["refs/heads/", "refs/remotes/"].iter().find_map(|p| self.ledger.strip_prefix(p));
        format!("{class}{verdict}: {}", name.unwrap_or(&self.ledger))
    }
}
