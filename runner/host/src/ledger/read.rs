//! Reading out of a ledger's tree: bounded, by path, and checked against the digests that name things.

use orgo_spec::lock::LOCK_FILE;
use orgo_spec::{Digest, Name};

use super::layout::{self, Part};
use super::{LedgerError, MAX_EVIDENCE_BYTES, MAX_RECORD_BYTES, StoredRecord, Trust};
use crate::git::{Git, GitError, ObjectId};

/// The trust in force as a tree says it: the one that `trust/allowed_signers` names, checked by digest.
pub(crate) fn trust_in(git: &Git, tree: ObjectId) -> Result<Trust, LedgerError> {
    let damaged = |why: String| LedgerError::Damaged { path: layout::ALLOWED_SIGNERS.to_owned(), why };
    let signers = match git.entry(tree, layout::ALLOWED_SIGNERS)? {
        Some(entry) => bounded(git, entry.id, MAX_RECORD_BYTES, layout::ALLOWED_SIGNERS)?,
        None => return Err(damaged("it is missing".to_owned())),
    };
    let named = Trust::named_in(&signers).ok_or_else(|| damaged("its first line names no record".to_owned()))?;
    let read = |(number, id): (u64, Digest)| {
        let record = read_record(git, tree, number)?;
        if record.id() == id {
            Ok(record)
        } else {
            Err(damaged(format!("record {number} is not the one it was generated from")))
        }
    };
    let declared = Trust::read(named.declared.0, &read(named.declared)?.statement)?;
    let trust = if named.changed == named.declared {
        declared
    } else {
        declared.revoke(named.changed.0, &read(named.changed)?.statement)?
    };
    let trust = trust.with_history(named.history);
    if trust.allowed_signers() != signers {
        return Err(damaged(format!("it is not what record {} generates", named.changed.0)));
    }
    Ok(trust)
}

/// How many records a tree has: one more than the highest number, found by the names of three folders.
pub(crate) fn count(git: &Git, tree: ObjectId) -> Result<u64, LedgerError> {
    let mut at = match git.entry(tree, "records")? {
        Some(entry) => entry.id,
        None => return Ok(0),
    };
    let damaged = |why: &str| LedgerError::Damaged { path: "records".to_owned(), why: why.to_owned() };
    let mut number = 0;
    for limit in [layout::MAX_FOLDERS, 256] {
        let folders = git.tree(at)?;
        let highest = folders.iter().filter_map(|(name, entry)| Some((layout::decimal(name, limit)?, entry.id))).max();
        let (n, id) = highest.ok_or_else(|| damaged("a folder without records"))?;
        number = (number + n) * 256;
        at = id;
    }
    let last = git.tree(at)?.iter().filter_map(|(name, _)| Some(layout::record_file(name)?.0)).max();
    Ok(number + last.ok_or_else(|| damaged("a folder without records"))? + 1)
}

/// Where the statement of a record lies in a tree.
pub(super) struct Found {
    pub(super) kind: Name,
    pub(super) id: ObjectId,
    pub(super) path: String,
}

pub(super) fn find_statement(git: &Git, tree: ObjectId, number: u64) -> Result<Found, LedgerError> {
    let folder = layout::record_folder(number);
    let none = || LedgerError::NoRecord(number.to_string());
    let entry = git.entry(tree, &folder)?.filter(crate::git::Entry::is_tree).ok_or_else(none)?;
    let files = git.tree(entry.id)?;
    let mut found = None;
    for (name, entry) in files.iter() {
        let Some((n, kind, Part::Statement)) = layout::record_file(name) else { continue };
        if n != number % 256 {
            continue;
        }
        if found.is_some() {
            let why = format!("record {number} stands there twice");
            return Err(LedgerError::Damaged { path: folder, why });
        }
        found = Some(Found { kind, id: entry.id, path: format!("{folder}/{name}") });
    }
    found.ok_or_else(none)
}

/// Reads a record out of a tree.
pub(crate) fn read_record(git: &Git, tree: ObjectId, number: u64) -> Result<StoredRecord, LedgerError> {
    let Found { kind, id, path } = find_statement(git, tree, number)?;
    let envelope_path = layout::record_path(number, &kind, Part::Envelope);
    let envelope = git.entry(tree, &envelope_path)?;
    let read = |id: ObjectId, path: &str| bounded(git, id, MAX_RECORD_BYTES, path);
    Ok(StoredRecord {
        number,
        statement: read(id, &path)?,
        envelope: envelope.map(|e| read(e.id, &envelope_path)).transpose()?,
        kind,
        path,
    })
}

/// Reads a piece of evidence out of a tree; none if it is not there.
pub(crate) fn read_evidence(git: &Git, tree: ObjectId, digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
    let path = layout::evidence_path(digest);
    let Some(entry) = git.entry(tree, &path)? else { return Ok(None) };
    let bytes = match bounded(git, entry.id, MAX_EVIDENCE_BYTES, &path) {
        Err(LedgerError::Git(GitError::Missing(_))) => return Ok(None),
        other => other?,
    };
    if Digest::of(&bytes) != *digest {
        return Err(LedgerError::Damaged { path, why: "it does not hash to its name".to_owned() });
    }
    Ok(Some(bytes))
}

/// Whether the tree of a source has `orgo.lock` with that digest; `None` if that tree or file is not in this clone.
pub(crate) fn source_has_lock(git: &Git, tree: ObjectId, lock: Digest) -> Result<Option<bool>, LedgerError> {
    let entry = match git.entry(tree, LOCK_FILE) {
        Err(GitError::Missing(_)) => return Ok(None),
        other => other?,
    };
    let Some(entry) = entry else { return Ok(Some(false)) };
    match bounded(git, entry.id, MAX_EVIDENCE_BYTES, LOCK_FILE) {
        Err(LedgerError::Git(GitError::Missing(_))) => Ok(None),
        other => Ok(Some(Digest::of(&other?) == lock)),
    }
}

/// Reads a blob that has at most `limit` bytes; a larger one is refused before it is read.
pub(crate) fn bounded(git: &Git, id: ObjectId, limit: usize, path: &str) -> Result<Vec<u8>, LedgerError> {
    let within = git.blob_within(id, limit)?;
    within.map_err(|size| LedgerError::TooLarge { what: format!("`{path}`"), size, limit })
}
