//! Sealed epochs: whether a commit seals one as it should, and what a clone rests on that begins with such a commit.

use orgo_spec::ReasonCode;
use orgo_spec::record::Epoch;
use serde::Serialize;

use super::judgement::Judgement;
use super::proof::prove;
use super::report::Finding;
use crate::git::{Git, GitError, ObjectId};
use crate::ledger::epoch::{epochs_in, objection, sealed_files};
use crate::ledger::{Head, Ledger, LedgerError, Record};

/// What a verification rests on in a clone whose history begins with the sealing of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SealedBase {
    /// How many records are sealed: they are not in this clone and were not looked at.
    pub records: u64,
    /// The commit that seals them.
    pub commit: String,
    /// The digest of the newest archive.
    pub archive: orgo_spec::Digest,
}

impl Judgement<'_> {
    /// Judges what the commit removes of records and evidence: only the sealing of an epoch may.
    pub(super) fn removals(&mut self, epoch: Option<&Epoch>) -> Result<(), LedgerError> {
        let Some(epoch) = epoch else {
            for (path, code) in &self.step.removed {
                let finding = Finding::invalid(*code, "the commit removes what was recorded");
                self.findings.push(finding.at_commit(self.step.link.id).at_path(path));
            }
            return Ok(());
        };
        if let Some(why) = self.unsealed(epoch)? {
            let message = format!("the epoch up to record {} is not sealed as it should be: {why}", epoch.end);
            self.push(Finding::invalid(ReasonCode::AuditNotLinear, message));
        }
        Ok(())
    }

    /// Why the commit does not seal the epoch; none if it does.
    fn unsealed(&self, epoch: &Epoch) -> Result<Option<String>, LedgerError> {
        let (Some(before), Some(parent)) = (self.step.link.before, self.step.link.parent) else {
            return Ok(Some("nothing was recorded before".to_owned()));
        };
        if self.step.records.len() != 1 {
            return Ok(Some("its commit adds other records".to_owned()));
        }
        if let Some(why) = objection(self.git, before, parent, epoch)? {
            return Ok(Some(why));
        }
        let due = sealed_files(self.git, before, epoch)?;
        let gone = self.step.removed.keys().filter(|path| path.starts_with("records/"));
        Ok((!gone.eq(due.keys())).then(|| "its commit removes other files than those of its records".to_owned()))
    }
}

/// The first commit of a clone whose history begins with the sealing of an epoch, with that epoch; none of other clones.
pub(super) fn base(git: &Git, tip: ObjectId) -> Result<Option<(ObjectId, Epoch)>, LedgerError> {
    // What a filtered clone begins with is not all here: it is verified as the shallow clone that it is.
    if !git.is_shallow() || git.is_filtered() {
        return Ok(None);
    }
    let mut at = tip;
    loop {
        // What cannot be read is told by the verification.
        let Ok(commit) = git.commit(at) else { return Ok(None) };
        let Some(parent) = commit.parents.first().copied() else { return Ok(None) };
        match git.commit_bytes(parent) {
            Ok(_) => at = parent,
            Err(GitError::Missing(_)) => {
                let epoch = epochs_in(git, commit.tree)?.pop().filter(|e| e.commit == parent.to_string());
                return Ok(epoch.map(|epoch| (at, epoch)));
            }
            Err(_) => return Ok(None),
        }
    }
}

/// Establishes what the clone rests on: the trust, one change after the other from record 0 on, the checkpoint, and that
/// the log has these records and the one that seals the epoch, as a proof shows it; and who signed the commit.
pub(super) fn establish(
    ledger: &Ledger,
    commit: ObjectId,
    epoch: &Epoch,
) -> Result<Result<Head, Finding>, LedgerError> {
    let head = ledger.head_at(commit)?;
    let invalid = |code, why: String| {
        let message = format!("what this clone begins with does not seal the epoch before it: {why}");
        Ok(Err(Finding::invalid(code, message).at_commit(commit)))
    };
    let number = head.count.saturating_sub(1);
    if let Err(refused) = prove(ledger, &head, number)?.verify() {
        return invalid(refused.code, refused.message);
    }
    let record = ledger.record(number)?;
    let seals = Record::parse(record.kind.as_str(), &record.statement).ok().and_then(|r| r.epoch());
    if seals.as_ref() != Some(epoch) {
        return invalid(ReasonCode::AuditNotLinear, "its record says something else".to_owned());
    }
    match ledger.git().commit(commit)?.verify_by(head.trust.git_keys()) {
        Ok(signature) if head.trust.git_keys().contains(signature.key()) => Ok(Ok(head)),
        Ok(_) => invalid(ReasonCode::KeyUnknown, "no git key of the trust signed it".to_owned()),
        Err(shape) => invalid(shape.code(), shape.to_string()),
    }
}
