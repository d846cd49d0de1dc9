//! Reading a tree through its tiles.

use std::collections::BTreeMap;
use std::fmt;

use super::tile::{TILE_WIDTH, Tile};
use super::tree::{Edge, join, root_of};
use crate::{Digest, ReasonCode};

/// Whoever has the tiles of a tree: a folder, a git tree, memory.
pub trait Tiles {
    /// Why a tile cannot be read.
    type Error;

    /// The hashes of a tile: exactly as many as it is wide.
    ///
    /// Partial tiles are asked for as well; a reader that keeps full ones only answers from the entries
    /// (level 0) or with [`roots_below`] (other levels).
    ///
    /// # Errors
    /// What reading reports.
    fn tile(&mut self, tile: Tile) -> Result<Vec<Digest>, Self::Error>;

    /// The root of the perfect subtree of 2^`height` leaves that begins at leaf `index` · 2^`height`, if it can be
    /// told more cheaply than from its tile: where that is not full, it would have to be computed in whole.
    ///
    /// # Errors
    /// What reading reports.
    fn shortcut(&mut self, height: u8, index: u64) -> Result<Option<Digest>, Self::Error> {
        let _ = (height, index);
        Ok(None)
    }
}

impl<T: Tiles> Tiles for &mut T {
    type Error = T::Error;

    fn tile(&mut self, tile: Tile) -> Result<Vec<Digest>, T::Error> {
        (**self).tile(tile)
    }

    fn shortcut(&mut self, height: u8, index: u64) -> Result<Option<Digest>, Self::Error> {
        (**self).shortcut(height, index)
    }
}

/// Why a tree cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError<E: fmt::Display> {
    /// A tile cannot be read.
    #[error("{0}")]
    Tiles(E),
    /// A tile has another number of hashes than it should.
    #[error("{tile} has {found} hashes")]
    Width {
        /// The tile that was asked for.
        tile: Tile,
        /// How many hashes came.
        found: usize,
    },
    /// The tree is smaller than what was asked for, or larger than a log may be.
    #[error("a tree of {size} leaves has nothing there")]
    Outside {
        /// How many leaves the tree has.
        size: u64,
    },
}

impl<E: fmt::Display> ReadError<E> {
    /// The reason code of the refusal; that of a tile that cannot be read is `of` its error.
    pub fn code(&self, of: impl FnOnce(&E) -> ReasonCode) -> ReasonCode {
        match self {
            Self::Tiles(error) => of(error),
            Self::Width { .. } => ReasonCode::LogMalformed,
            Self::Outside { .. } => ReasonCode::RecordMissing,
        }
    }
}

/// A tree of a known size that is read through its tiles, each of them at most once.
///
/// Nothing is verified here: compare [`TreeReader::root`] with a checkpoint.
#[derive(Debug)]
pub struct TreeReader<T> {
    size: u64,
    tiles: T,
    read: BTreeMap<Tile, Vec<Digest>>,
}

impl<T: Tiles<Error: fmt::Display>> TreeReader<T> {
    /// Reads the tree of the first `size` leaves.
    pub fn new(size: u64, tiles: T) -> Self {
        Self { size, tiles, read: BTreeMap::new() }
    }

    /// The root of the perfect subtree of 2^`height` leaves that begins at leaf `index` · 2^`height`.
    ///
    /// # Errors
    /// [`ReadError`] also if the tree does not reach to the end of the subtree.
    pub fn node(&mut self, height: u8, index: u64) -> Result<Digest, ReadError<T::Error>> {
        let outside = ReadError::Outside { size: self.size };
        let leaves = 1u64.checked_shl(height.into()).and_then(|l| index.checked_add(1)?.checked_mul(l));
        if leaves.is_none_or(|end| end > self.size) {
            return Err(outside);
        }
        let (level, inner) = (height / 8, height % 8);
        let first = index << inner;
        let Some(tile) = Tile::in_tree(level, first / u64::from(TILE_WIDTH), self.size) else { return Err(outside) };
        if !tile.is_full() {
            if let Some(hash) = self.tiles.shortcut(height, index).map_err(ReadError::Tiles)? {
                return Ok(hash);
            }
            // From its halves: only what lies below is read, not the whole tile.
            if inner > 0 {
                let (left, right) = (self.node(height - 1, 2 * index)?, self.node(height - 1, 2 * index + 1)?);
                return Ok(super::node_hash(&left, &right));
            }
        }
        // The full tile below says the same as a hash in a partial tile, and is more likely to be at hand.
        if inner == 0 && level > 0 && !tile.is_full() {
            let Some(below) = Tile::new(level - 1, index, TILE_WIDTH) else { return Err(outside) };
            return Ok(root_of(self.tile(below)?.iter().copied()));
        }
        let first = usize::from((first % u64::from(TILE_WIDTH)) as u16);
        let hashes = self.tile(tile)?.get(first..first + (1 << inner)).ok_or(outside)?;
        Ok(root_of(hashes.iter().copied()))
    }

    /// The root of the whole tree.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn root(&mut self) -> Result<Digest, ReadError<T::Error>> {
        self.range(0, self.size)
    }

    /// The right edge of the whole tree.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn edge(&mut self) -> Result<Edge, ReadError<T::Error>> {
        let peaks = self.peaks(0, self.size)?;
        Edge::from_peaks(self.size, peaks).map_err(|_| ReadError::Outside { size: self.size })
    }

    /// The root of the subtree of leaves `start..end`, which is one that RFC 6962 splits a tree into.
    pub(super) fn range(&mut self, start: u64, end: u64) -> Result<Digest, ReadError<T::Error>> {
        Ok(join(&self.peaks(start, end)?))
    }

    fn peaks(&mut self, start: u64, end: u64) -> Result<Vec<Digest>, ReadError<T::Error>> {
        let mut peaks = Vec::new();
        let mut at = start;
        while let Some(height) = end.checked_sub(at).and_then(u64::checked_ilog2) {
            peaks.push(self.node(height as u8, at >> height)?);
            at += 1 << height;
        }
        Ok(peaks)
    }

    fn tile(&mut self, tile: Tile) -> Result<&[Digest], ReadError<T::Error>> {
        use std::collections::btree_map::Entry;
        match self.read.entry(tile) {
            Entry::Occupied(hashes) => Ok(hashes.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(read(tile, &mut self.tiles)?)),
        }
    }
}

/// The hashes of a tile above level 0 as the full tiles below it give them: for readers that keep no
/// partial tiles.
///
/// What is not there makes the result too short to pass for the tile: nothing lies below level 0, and a tile
/// below that is not full ends it.
///
/// # Errors
/// What reading reports.
pub fn roots_below<T: Tiles + ?Sized>(tile: Tile, tiles: &mut T) -> Result<Vec<Digest>, T::Error> {
    let first = tile.index() * u64::from(TILE_WIDTH);
    let mut roots = Vec::new();
    for index in (first..).take(tile.width().into()) {
        let below = tile.level().checked_sub(1).and_then(|level| Tile::new(level, index, TILE_WIDTH));
        let Some(below) = below else { break };
        let hashes = tiles.tile(below)?;
        if hashes.len() != usize::from(TILE_WIDTH) {
            break;
        }
        roots.push(root_of(hashes));
    }
    Ok(roots)
}

fn read<T>(tile: Tile, tiles: &mut T) -> Result<Vec<Digest>, ReadError<T::Error>>
where
    T: Tiles<Error: fmt::Display>,
{
    let hashes = tiles.tile(tile).map_err(ReadError::Tiles)?;
    if hashes.len() == usize::from(tile.width()) {
        Ok(hashes)
    } else {
        Err(ReadError::Width { tile, found: hashes.len() })
    }
}
