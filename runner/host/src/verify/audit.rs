//! The audit of all leaves: the whole log computed again and compared with its checkpoint, without looking at
//! signatures of records.
//!
//! What it proves depends on where the leaves come from ([`Leaves`]); `docs/formats/ledger.md` says it in a table.

use std::collections::BTreeMap;
use std::sync::Arc;

use orgo_spec::log::{Edge, Tile, Tiles};
use orgo_spec::{Digest, ReasonCode};
use serde::Serialize;

use super::log::LogWalk;
use crate::git::ObjectId;
use crate::ledger::epoch::{epochs_in, tree_of};
use crate::ledger::layout::{self, Part};
use crate::ledger::log::{TreeTiles, leaf};
use crate::ledger::{Head, Ledger, LedgerError, MAX_RECORD_BYTES, bounded};

/// Where the leaves come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Leaves {
    /// From the full tiles; those of a tile that is not full from the bytes of its records.
    Tiles,
    /// From the bytes of every record.
    Bytes,
}

/// What an audit looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogAudit {
    /// How many leaves made the root.
    pub leaves: u64,
    /// How many of them were computed from the bytes of records.
    pub from_bytes: u64,
    /// How many tiles were compared or read.
    pub tiles: u64,
    /// The root.
    pub root: Digest,
}

/// Names and blobs of a folder of records: statement and envelope of each, in order.
type Folder = Vec<(u64, orgo_spec::Name, ObjectId, ObjectId)>;

/// Computes the log of a ledger again, and compares it with its tiles, its edge, its checkpoint, and with the `known`
/// sizes and roots that were seen elsewhere.
///
/// # Errors
/// [`LedgerError::Damaged`] and [`LedgerError::Refused`] for whatever is not as it should be.
pub fn audit(ledger: &Ledger, head: &Head, leaves: Leaves, known: &[(u64, Digest)]) -> Result<LogAudit, LedgerError> {
    let git = ledger.git();
    git.read_packs(Arc::new(git.packs()));
    let mut tiles = TreeTiles::new(git, head.tree);
    let mut walk = LogWalk::after(Edge::new(), |_| None);
    let (mut due, mut read, mut from_bytes) = (Vec::new(), 0, 0);
    let known: BTreeMap<u64, Vec<Digest>> = known.iter().fold(BTreeMap::new(), |mut known, (size, root)| {
        known.entry(*size).or_insert_with(Vec::new).push(*root);
        known
    });
    let epochs = epochs_in(git, head.tree)?;
    for first in (0..head.count).step_by(256) {
        let here = head.count.min(first + 256) - first;
        let tile = Tile::new(0, first / 256, 256).filter(|_| here == 256 && leaves == Leaves::Tiles);
        // Of sealed records the tiles are enough where the records are elsewhere.
        let folder = match epochs.iter().find(|epoch| epoch.covers(first)).map(|epoch| tree_of(git, epoch)) {
            Some(Err(LedgerError::Sealed { .. })) if tile.is_some() => Folder::new(),
            Some(tree) => folder(ledger, tree?, first, here)?,
            None => folder(ledger, head.tree, first, here)?,
        };
        let hashes = match tile {
            Some(tile) => tiles.tile(tile)?,
            None => {
                from_bytes += here;
                folder.iter().map(|record| of_bytes(ledger, record)).collect::<Result<_, _>>()?
            }
        };
        for hash in hashes {
            walk.push(hash, &mut due);
            for root in known.get(&walk.size()).into_iter().flatten() {
                agrees(walk.size(), walk.root(), *root)?;
            }
        }
        for (tile, bytes) in due.drain(..) {
            read += 1;
            // Those that the leaves come from are compared by what they make.
            if leaves == Leaves::Bytes || tile.level() > 0 {
                compare(ledger, head, &tile, &bytes)?;
            }
        }
    }
    if let Some((size, _)) = known.last_key_value().filter(|(size, _)| **size > head.count) {
        let message = format!("a checkpoint of {size} leaves is known; there are {}", head.count);
        return Err(LedgerError::Refused { code: ReasonCode::AuditRewound, message });
    }
    let root = walk.root().ok_or_else(|| LedgerError::NoRecord("0".to_owned()))?;
    if (walk.size(), root) != (head.count, *head.log.checkpoint.root()) {
        let message = format!(
            "the checkpoint signs {} leaves and the root {}; the leaves make {} and {root}",
            head.log.checkpoint.size(),
            head.log.checkpoint.root(),
            walk.size()
        );
        return Err(LedgerError::Refused { code: ReasonCode::LogInconsistent, message });
    }
    Ok(LogAudit { leaves: walk.size(), from_bytes, tiles: read, root })
}

fn agrees(size: u64, found: Option<Digest>, known: Digest) -> Result<(), LedgerError> {
    if found == Some(known) {
        return Ok(());
    }
    let message = format!("{size} leaves with the root {known} are known; here the same number has another root");
    Err(LedgerError::Refused { code: ReasonCode::CheckpointFork, message })
}

/// The records of a folder: from `first` on each number once, with both files, and nothing else.
fn folder(ledger: &Ledger, tree: ObjectId, first: u64, count: u64) -> Result<Folder, LedgerError> {
    let (git, path) = (ledger.git(), layout::record_folder(first));
    let damaged = |why: String| LedgerError::Damaged { path: path.clone(), why };
    let entry = git.entry(tree, &path)?.ok_or_else(|| LedgerError::NoRecord(first.to_string()))?;
    let mut records: BTreeMap<u64, (orgo_spec::Name, [Option<ObjectId>; 2])> = BTreeMap::new();
    for (name, entry) in git.tree(entry.id)?.iter() {
        let (n, kind, part) =
            layout::record_file(name).ok_or_else(|| damaged(format!("`{name}` has no place there")))?;
        let (first_kind, files) = records.entry(n).or_insert((kind.clone(), [None; 2]));
        if *first_kind != kind {
            return Err(damaged(format!("record {} has two kinds", first + n)));
        }
        files[usize::from(part == Part::Envelope)] = Some(entry.id);
    }
    if records.len() as u64 != count || records.last_key_value().is_some_and(|(n, _)| n + 1 != count) {
        return Err(damaged(format!("it has {} records, due are {count}", records.len())));
    }
    let both = |(n, (kind, [statement, envelope])): (u64, (_, [Option<ObjectId>; 2]))| {
        let missing = || damaged(format!("record {} lacks one of its two files", first + n));
        Ok((first + n, kind, statement.ok_or_else(missing)?, envelope.ok_or_else(missing)?))
    };
    records.into_iter().map(both).collect()
}

/// The leaf hash of a record, from the bytes of its files.
fn of_bytes(
    ledger: &Ledger,
    (number, kind, statement, envelope): &(u64, orgo_spec::Name, ObjectId, ObjectId),
) -> Result<Digest, LedgerError> {
    let digest = |id, part| {
        let path = layout::record_path(*number, kind, part);
        bounded(ledger.git(), id, MAX_RECORD_BYTES, &path).map(|bytes| Digest::of(&bytes))
    };
    let (statement, envelope) = (digest(*statement, Part::Statement)?, digest(*envelope, Part::Envelope)?);
    Ok(leaf(*number, kind, statement, envelope)?.hash())
}

/// Compares a stored tile with the one that the leaves make.
fn compare(ledger: &Ledger, head: &Head, tile: &Tile, bytes: &[u8]) -> Result<(), LedgerError> {
    let path = layout::tile_path(tile);
    let entry = ledger.git().entry(head.tree, &path)?;
    let entry = entry.ok_or_else(|| LedgerError::Damaged { path: path.clone(), why: "it is missing".to_owned() })?;
    if bounded(ledger.git(), entry.id, MAX_RECORD_BYTES, &path)? == bytes {
        return Ok(());
    }
    let message = format!("the tile `{path}` is not the one that the leaves make");
    Err(LedgerError::Refused { code: ReasonCode::LogInconsistent, message })
}
