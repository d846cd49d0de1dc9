//! Archives of epochs: git bundles, verified from nothing but themselves before anything is sealed.

use std::fs::File;
use std::path::{Path, PathBuf};

use orgo_spec::record::Epoch;
use orgo_spec::{Digest, ReasonCode};

use super::epoch::{OPEN, epochs_in};
use super::{Head, Ledger, LedgerError};
use crate::git::{Git, ObjectId};
use crate::verify::{Severity, VerifyOptions, verify};

/// An archive that was written and verified.
#[derive(Debug, Clone)]
pub struct Archive {
    /// The epoch that it has.
    pub epoch: Epoch,
    /// The file.
    pub file: PathBuf,
    /// How many bytes it has.
    pub bytes: u64,
    /// The reference that leads to the epoch's commit: what a small clone leaves out.
    pub reference: String,
}

impl Ledger {
    /// The epochs that are sealed, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] if one of them is damaged.
    pub fn epochs(&self, head: &Head) -> Result<Vec<Epoch>, LedgerError> {
        epochs_in(&self.git, head.tree)
    }

    /// Writes the archive of all records that can be sealed, up to record `until` if it is given, into the folder `to`,
    /// and verifies it: the ledger up to the epoch's commit, out of a repository that has only the archive, and the epochs
    /// before it. Nothing is sealed by that.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if there is nothing to seal, or the ledger does not verify; [`LedgerError::Spool`] if the
    /// archive cannot be written.
    pub fn archive(&self, head: &Head, until: Option<u64>, to: &Path) -> Result<Archive, LedgerError> {
        let before = epochs_in(&self.git, head.tree)?.pop();
        let first = before.as_ref().map_or(0, |e| e.end);
        let end = until.unwrap_or(u64::MAX).min(head.count.saturating_sub(OPEN)) / 256 * 256;
        if end <= first {
            let message = format!(
                "nothing can be sealed: of {} records {first} are sealed, the newest {OPEN} stay, and epochs end at \
                 multiples of 256",
                head.count
            );
            return Err(LedgerError::Refused { code: ReasonCode::RecordMissing, message });
        }
        let failed = |e: std::io::Error| LedgerError::Spool { path: to.to_owned(), why: e.to_string() };
        std::fs::create_dir_all(to).map_err(failed)?;
        let to = to.canonicalize().map_err(failed)?;
        let reference = reference(end);
        self.git.compare_and_swap(&reference, self.git.tip(&reference)?, head.commit, "orgo: the end of an epoch")?;
        let part = tempfile::Builder::new().prefix(".epoch-").tempfile_in(&to).map_err(failed)?;
        let known: Option<ObjectId> = before.as_ref().and_then(|e| e.commit.parse().ok());
        self.git.bundle(part.path(), &reference, known)?;
        let (archive, bytes) = digest(part.path()).map_err(failed)?;
        let epoch = Epoch { first, end, commit: head.commit.to_string(), archive };
        self.opens(part.path(), &reference, before.as_ref(), head)?;
        let file = to.join(format!("epoch-{end}-{}.bundle", &archive.hex()[..16]));
        File::open(part.path()).and_then(|f| f.sync_all()).map_err(failed)?;
        part.persist(&file).map_err(|e| failed(e.error))?;
        File::open(&to).and_then(|f| f.sync_all()).map_err(failed)?;
        if digest(&file).map_err(failed)?.0 != archive {
            return Err(LedgerError::NotDurable(format!("`{}` does not read back", file.display())));
        }
        Ok(Archive { epoch, file, bytes, reference })
    }

    /// Opens an archive in an empty repository and verifies all of the ledger there.
    fn opens(&self, file: &Path, name: &str, before: Option<&Epoch>, head: &Head) -> Result<(), LedgerError> {
        let folder =
            tempfile::tempdir().map_err(|e| LedgerError::Spool { path: std::env::temp_dir(), why: e.to_string() })?;
        let scratch = Git::scratch(&folder.path().join("archive.git"))?;
        if let Some(before) = before {
            // What lies before it comes from here, by its own reference; archives rest upon each other.
            let name = reference(before.end);
            let commit = before.commit.parse().ok();
            if self.git.tip(&name)? != commit
                && let Some(commit) = commit
            {
                self.git.compare_and_swap(&name, self.git.tip(&name)?, commit, "orgo: the end of an epoch")?;
            }
            scratch.remote(&self.git.path().to_string_lossy())?.fetch(&name, &name)?;
        }
        scratch.remote(&file.to_string_lossy())?.fetch(name, name)?;
        scratch.refresh()?;
        let not = |why: String| Err(LedgerError::NotDurable(format!("the archive of the epoch: {why}")));
        if scratch.tip(name)? != Some(head.commit) {
            return not("it leads to another commit".to_owned());
        }
        let report = verify(scratch.path(), name, &VerifyOptions::default())?;
        match report.findings.into_iter().find(|f| f.severity != Severity::Notice) {
            Some(finding) => {
                let message = format!("what is to be sealed does not verify: {}", finding.message);
                Err(LedgerError::Refused { code: finding.code, message })
            }
            None if report.checkpoint != Some((head.count, *head.log.checkpoint.root())) => {
                not("it has another log".to_owned())
            }
            None => Ok(()),
        }
    }
}

/// The reference that leads to the commit of the epoch with that end.
fn reference(end: u64) -> String {
    format!("refs/orgo/epochs/{end}")
}

/// Digest and size of a file.
fn digest(path: &Path) -> std::io::Result<(Digest, u64)> {
    Digest::of_reader(File::open(path)?)
}
