//! Sealed epochs: ranges of old records that a commit took out of the tree, so that clones that begin there stay small.
//!
//! INVARIANT: nothing is lost by sealing. The commit before has everything, history leads to it, and an archive of it
//! was verified before its digest was signed. What a record of the range says is found in that commit's tree.

use std::collections::{BTreeMap, BTreeSet};

use orgo_spec::record::{AdminRecord, Epoch, Statement};
use orgo_spec::{Digest, Name, ReasonCode};

use super::layout::{self, Part};
use super::submit::mentioned;
use super::{Head, LedgerError, MAX_RECORD_BYTES, StoredRecord, Trust, bounded, count, read_evidence, read_record};
use crate::git::{Git, GitError, ObjectId};

/// How many of the newest records stay in the tree: what runs and approvals look back to.
pub(crate) const OPEN: u64 = 256;

/// The epochs that a tree says are sealed, oldest first.
pub(crate) fn epochs_in(git: &Git, tree: ObjectId) -> Result<Vec<Epoch>, LedgerError> {
    let Some(folder) = git.entry(tree, layout::EPOCHS)? else { return Ok(Vec::new()) };
    let mut epochs = Vec::new();
    for (name, entry) in git.tree(folder.id)?.iter() {
        let path = format!("{}/{name}", layout::EPOCHS);
        let bytes = bounded(git, entry.id, MAX_RECORD_BYTES, &path)?;
        let statement = Statement::<AdminRecord>::parse(&bytes).ok();
        let epoch =
            statement.and_then(|s| Epoch::of(&s.predicate.facts)?.ok()).filter(|e| layout::epoch_path(e.end) == path);
        let damaged = || LedgerError::Damaged { path, why: "it does not show the sealing of that epoch".to_owned() };
        epochs.push(epoch.ok_or_else(damaged)?);
    }
    epochs.sort_unstable_by_key(|epoch| epoch.end);
    Ok(epochs)
}

/// The tree that has the records of an epoch.
pub(crate) fn tree_of(git: &Git, epoch: &Epoch) -> Result<ObjectId, LedgerError> {
    let elsewhere = || LedgerError::Sealed { first: epoch.first, end: epoch.end, archive: epoch.archive };
    match git.commit(epoch.commit.parse().map_err(|_| elsewhere())?) {
        Ok(commit) => Ok(commit.tree),
        Err(GitError::Missing(_)) => Err(elsewhere()),
        Err(error) => Err(error.into()),
    }
}

/// Reads a record out of a tree, or, where it was sealed, out of the one before.
pub(crate) fn read_anywhere(git: &Git, tree: ObjectId, number: u64) -> Result<StoredRecord, LedgerError> {
    match read_record(git, tree, number) {
        Err(LedgerError::NoRecord(none)) => match epochs_in(git, tree)?.iter().find(|e| e.covers(number)) {
            Some(epoch) => read_record(git, tree_of(git, epoch)?, number),
            None => Err(LedgerError::NoRecord(none)),
        },
        other => other,
    }
}

/// Number and kind of the records in the folders from `first` to `end` of a tree.
pub(crate) fn listed(git: &Git, tree: ObjectId, first: u64, end: u64) -> Result<Vec<(u64, Name)>, LedgerError> {
    let mut records = Vec::new();
    for first in (first..end).step_by(256) {
        let Some(folder) = git.entry(tree, &layout::record_folder(first))? else { continue };
        records.extend(git.tree(folder.id)?.iter().filter_map(|(name, _)| match layout::record_file(name)? {
            (n, kind, Part::Statement) => Some((first + n, kind)),
            (_, _, Part::Envelope) => None,
        }));
    }
    records.sort_unstable();
    Ok(records)
}

/// Why an epoch may not be sealed by a commit on top of `commit`, which has that tree; none if it may.
pub(crate) fn objection(
    git: &Git,
    tree: ObjectId,
    commit: ObjectId,
    epoch: &Epoch,
) -> Result<Option<String>, LedgerError> {
    let before = match epochs_in(git, tree) {
        Ok(epochs) => epochs.last().map_or(0, |e| e.end),
        Err(LedgerError::Damaged { path, why }) => return Ok(Some(format!("`{path}`: {why}"))),
        Err(error) => return Err(error),
    };
    let count = count(git, tree)?;
    Ok(if epoch.commit != commit.to_string() {
        Some(format!("its records are those of commit {}, and it is sealed upon {commit}", epoch.commit))
    } else if epoch.first != before {
        Some(format!("it begins at record {}, due is {before}", epoch.first))
    } else if epoch.end + OPEN > count {
        Some(format!("it ends at record {} of {count}; the newest {OPEN} stay", epoch.end))
    } else {
        None
    })
}

/// The files that sealing takes out of `records/`: both of each record of the range that changes no trust.
pub(crate) fn sealed_files(
    git: &Git,
    tree: ObjectId,
    epoch: &Epoch,
) -> Result<BTreeMap<String, ObjectId>, LedgerError> {
    let mut files = BTreeMap::new();
    for first in (epoch.first..epoch.end).step_by(256) {
        let folder = layout::record_folder(first);
        let Some(entry) = git.entry(tree, &folder)? else { continue };
        for (name, entry) in git.tree(entry.id)?.iter() {
            if layout::record_file(name).is_some_and(|(_, kind, _)| !Trust::is_changed_by(kind.as_str())) {
                files.insert(format!("{folder}/{name}"), entry.id);
            }
        }
    }
    Ok(files)
}

/// What sealing takes out of the tree of `head`: the records' files, and the evidence that nothing needs that stays.
///
/// # Errors
/// [`LedgerError::Refused`] while a hold keeps records or evidence, or if the epoch cannot be sealed there.
pub(super) fn removed(git: &Git, head: &Head, epoch: &Epoch) -> Result<Vec<String>, LedgerError> {
    let refused = |code, message| Err(LedgerError::Refused { code, message });
    if let Some(why) = objection(git, head.tree, head.commit, epoch)? {
        return refused(ReasonCode::AuditNotLinear, format!("the epoch cannot be sealed: {why}"));
    }
    if let Some(held) = held(git, head.tree)? {
        return refused(ReasonCode::HoldInForce, format!("a hold on `{held}` is in force: nothing is sealed"));
    }
    let files = sealed_files(git, head.tree, epoch)?;
    let mut sealed = BTreeSet::new();
    for id in files.iter().filter(|(path, _)| path.ends_with(".json")).map(|(_, id)| *id) {
        sealed.extend(mentioned(&git.blob(id)?));
    }
    let mut stays = BTreeSet::new();
    for folder in ["records", "latest", "approvals", "mandates", "open", "holds"] {
        each_file(git, head.tree, folder, &mut |path, id| {
            if path.ends_with(".json") && !files.contains_key(path) {
                stays.extend(mentioned(&git.blob(id)?));
            }
            Ok(())
        })?;
    }
    let stays = with_evidence(git, head.tree, stays)?;
    let mut paths: Vec<String> = files.into_keys().collect();
    for digest in with_evidence(git, head.tree, sealed)?.difference(&stays) {
        let path = layout::evidence_path(digest);
        if git.entry(head.tree, &path)?.is_some() {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// A hold that keeps records or evidence where they are.
fn held(git: &Git, tree: ObjectId) -> Result<Option<Name>, LedgerError> {
    let Some(folder) = git.entry(tree, "holds")? else { return Ok(None) };
    let holds = git.tree(folder.id)?;
    let mut names = holds.iter().filter_map(|(name, _)| Name::new(name.strip_suffix(".json")?).ok());
    Ok(names.find(|name| AdminRecord::evidence_held(name).is_some()))
}

/// These digests, and all that the evidence among them mentions.
fn with_evidence(git: &Git, tree: ObjectId, named: BTreeSet<Digest>) -> Result<BTreeSet<Digest>, LedgerError> {
    let mut todo: Vec<Digest> = named.into_iter().collect();
    let mut found = BTreeSet::new();
    while let Some(digest) = todo.pop() {
        if found.insert(digest)
            && let Some(bytes) = read_evidence(git, tree, &digest)?
        {
            todo.extend(mentioned(&bytes));
        }
    }
    Ok(found)
}

/// Calls `with` for each file below a folder.
fn each_file(
    git: &Git,
    tree: ObjectId,
    folder: &str,
    with: &mut impl FnMut(&str, ObjectId) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let mut todo: Vec<(String, ObjectId)> =
        git.entry(tree, folder)?.map(|e| (folder.to_owned(), e.id)).into_iter().collect();
    while let Some((folder, id)) = todo.pop() {
        for (name, entry) in git.tree(id)?.iter() {
            let path = format!("{folder}/{name}");
            if entry.is_tree() {
                todo.push((path, entry.id));
            } else {
                with(&path, entry.id)?;
            }
        }
    }
    Ok(())
}
