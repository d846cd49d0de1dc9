//! The Merkle log beside the records: leaf *n* is record *n* (C2SP tiles, design 7).
//!
//! Only full tiles and the signed checkpoint are stored, and the right edge of the tree: at most 54 hashes,
//! which is all that an append needs. Hashes of a tile that is not full yet are computed from its records.
//!
//! INVARIANT: an append reads the leaves of a tile once, when it becomes full; what else it costs grows with
//! the logarithm of the size of the log.

use std::collections::BTreeMap;

use orgo_spec::log::{
    Checkpoint, CheckpointError, Edge, Leaf, Malformed, SignedCheckpoint, Tile, Tiles, completed, roots_below,
    tile_bytes,
};
use orgo_spec::{Digest, Name};

use super::layout::{self, Part};
use super::{LedgerError, Trust, bounded, read_record};
use crate::git::{Git, ObjectId};

/// The largest file of the log: a note.
const MAX_FILE: usize = 192 * 1024;

/// The log as a tree has it. The checkpoint's signature was verified.
#[derive(Debug, Clone)]
pub struct Log {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The checkpoint with its signatures, as it is stored.
    pub note: Vec<u8>,
    /// The right edge; its root is the checkpoint's.
    pub edge: Edge,
}

/// What an append adds to the log.
pub(super) struct Grown {
    pub(super) edge: Edge,
    /// Paths and bytes of the tiles that became full.
    pub(super) tiles: Vec<(String, Vec<u8>)>,
}

impl Log {
    /// Reads the log of a ledger with `count` records out of its tree.
    ///
    /// # Errors
    /// [`LedgerError`] if it is missing, not signed by a log key of the trust, or not that of `count` records.
    pub(crate) fn read(
        git: &Git,
        tree: ObjectId,
        count: u64,
        trust: &Trust,
        origin: &str,
    ) -> Result<Self, LedgerError> {
        let file = |path: &str| match git.entry(tree, path)? {
            Some(entry) => bounded(git, entry.id, MAX_FILE, path),
            None => Err(LedgerError::Damaged { path: path.to_owned(), why: "it is missing".to_owned() }),
        };
        let note = file(layout::CHECKPOINT)?;
        let wrong = |error: CheckpointError| LedgerError::Refused { code: error.code(), message: error.to_string() };
        let signed = SignedCheckpoint::parse(&note).map_err(|e| wrong(e.into()))?;
        let checkpoint = signed.verify_any(&trust.log_keys(origin)).map_err(wrong)?;
        let malformed = |e: Malformed| LedgerError::Damaged { path: layout::EDGE.to_owned(), why: e.to_string() };
        let edge = Edge::parse(&file(layout::EDGE)?).map_err(malformed)?;
        if edge.size() != count || checkpoint.size() != count || edge.root() != *checkpoint.root() {
            let why = format!(
                "it is about {} leaves, its edge about {}, and there are {count} records",
                checkpoint.size(),
                edge.size()
            );
            return Err(LedgerError::Damaged { path: layout::CHECKPOINT.to_owned(), why });
        }
        Ok(Self { checkpoint, note, edge })
    }
}

/// The leaf of a record.
pub(crate) fn leaf(number: u64, kind: &Name, statement: Digest, envelope: Digest) -> Result<Leaf, LedgerError> {
    let path = layout::record_path(number, kind, Part::Statement);
    Leaf::new(&path, statement, envelope).map_err(|e| LedgerError::Damaged { path, why: e.to_string() })
}

/// Lets a log grow by `leaves`.
pub(super) fn grow(git: &Git, tree: Option<ObjectId>, edge: &Edge, leaves: &[Digest]) -> Result<Grown, LedgerError> {
    let old = edge.size();
    let mut edge = edge.clone();
    leaves.iter().for_each(|leaf| edge.push(*leaf));
    let mut reader = TreeTiles {
        git,
        tree,
        leaves: (old..).zip(leaves.iter().copied()).collect(),
        made: BTreeMap::new(),
        peaks: Vec::new(),
    };
    let mut full: Vec<Tile> = completed(old, edge.size()).collect();
    full.sort_unstable_by_key(|t| (t.level(), t.index()));
    let mut tiles = Vec::with_capacity(full.len());
    for tile in full {
        let hashes = reader.compute(tile)?;
        tiles.push((layout::tile_path(&tile), tile_bytes(&hashes)));
        reader.made.insert(tile, hashes);
    }
    Ok(Grown { edge, tiles })
}

/// Tiles of a ledger's tree; those that are not full are computed from the records.
pub(crate) struct TreeTiles<'g> {
    git: &'g Git,
    tree: Option<ObjectId>,
    /// Leaves that are known without reading.
    leaves: BTreeMap<u64, Digest>,
    /// Tiles that are not stored yet.
    made: BTreeMap<Tile, Vec<Digest>>,
    /// Perfect subtrees at the right edge: height, index, root.
    peaks: Vec<(u8, u64, Digest)>,
}

impl<'g> TreeTiles<'g> {
    pub(crate) fn new(git: &'g Git, tree: ObjectId) -> Self {
        Self { git, tree: Some(tree), leaves: BTreeMap::new(), made: BTreeMap::new(), peaks: Vec::new() }
    }

    /// The same for a log whose right edge is known.
    pub(crate) fn with_edge(git: &'g Git, tree: ObjectId, edge: &Edge) -> Self {
        let heights = (0..64u8).rev().filter(|height| edge.size() >> height & 1 == 1);
        let mut begins = 0;
        let peaks = heights.zip(edge.peaks()).map(|(height, root)| {
            let index = begins >> height;
            begins += 1 << height;
            (height, index, *root)
        });
        let peaks = peaks.collect();
        Self { peaks, ..Self::new(git, tree) }
    }

    fn compute(&mut self, tile: Tile) -> Result<Vec<Digest>, LedgerError> {
        if tile.level() > 0 {
            return roots_below(tile, self);
        }
        let first = tile.index() * 256;
        self.bring_records(first, first + u64::from(tile.width()))?;
        (first..first + u64::from(tile.width())).map(|number| self.leaf(number)).collect()
    }

    /// Fetches the records from `first` to before `end`, in one go, where a filtered clone does not have them.
    fn bring_records(&self, first: u64, end: u64) -> Result<(), LedgerError> {
        let Some(tree) = self.tree.filter(|_| self.git.is_filtered()) else { return Ok(()) };
        let Some(folder) = self.git.entry(tree, &layout::record_folder(first))? else { return Ok(()) };
        let read = |number: &u64| (first..end).contains(number) && !self.leaves.contains_key(number);
        let due = |name: &str| layout::record_file(name).is_some_and(|(n, _, _)| read(&(first / 256 * 256 + n)));
        let files = self.git.tree(folder.id)?;
        let ids: Vec<ObjectId> = files.iter().filter(|(name, _)| due(name)).map(|(_, entry)| entry.id).collect();
        Ok(self.git.bring(&ids)?)
    }

    /// The leaf hash of a record.
    pub(crate) fn leaf(&mut self, number: u64) -> Result<Digest, LedgerError> {
        if let Some(hash) = self.leaves.get(&number) {
            return Ok(*hash);
        }
        let tree = self.tree.ok_or_else(|| LedgerError::NoRecord(number.to_string()))?;
        let record = read_record(self.git, tree, number)?;
        let missing = || LedgerError::Damaged { path: record.path.clone(), why: "its envelope is missing".to_owned() };
        let envelope = Digest::of(record.envelope.as_deref().ok_or_else(missing)?);
        let hash = leaf(number, &record.kind, record.id(), envelope)?.hash();
        self.leaves.insert(number, hash);
        Ok(hash)
    }
}

impl Tiles for TreeTiles<'_> {
    type Error = LedgerError;

    fn shortcut(&mut self, height: u8, index: u64) -> Result<Option<Digest>, LedgerError> {
        let peak = self.peaks.iter().find(|(h, i, _)| (*h, *i) == (height, index)).map(|(_, _, root)| *root);
        match peak {
            None if height == 0 => self.leaf(index).map(Some),
            peak => Ok(peak),
        }
    }

    fn tile(&mut self, tile: Tile) -> Result<Vec<Digest>, LedgerError> {
        if let Some(hashes) = self.made.get(&tile) {
            return Ok(hashes.clone());
        }
        if !tile.is_full() {
            return self.compute(tile);
        }
        let path = layout::tile_path(&tile);
        let damaged = |why: String| LedgerError::Damaged { path: path.clone(), why };
        let entry = match self.tree {
            Some(tree) => self.git.entry(tree, &path)?,
            None => None,
        };
        let entry = entry.ok_or_else(|| damaged("it is missing".to_owned()))?;
        let bytes = bounded(self.git, entry.id, MAX_FILE, &path)?;
        tile.parse_hashes(&bytes).map_err(|e| damaged(e.to_string()))
    }
}
