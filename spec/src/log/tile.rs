//! Tiles: the hashes of the tree at rest, 256 a file (C2SP tlog-tiles).
//!
//! A tile of level *l* holds the roots of perfect subtrees of 256^*l* leaves. Entries lie in bundles that
//! cover the same leaves as the tiles of level 0.

use std::fmt;
use std::str::FromStr;

use super::{MAX_SIZE, Malformed};
use crate::Digest;

/// Hashes in a full tile.
pub const TILE_WIDTH: u16 = 256;
/// Bytes of a full tile.
pub const TILE_BYTES: usize = 8192;
/// The longest entry, in bytes: its length has 16 bits.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;
/// The highest level at which a tree of [`MAX_SIZE`] leaves has a tile.
const MAX_LEVEL: u8 = 6;

/// Where a tile lies: level, index in the level, and how many hashes it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    level: u8,
    index: u64,
    width: u16,
}

impl Tile {
    /// A tile of `width` hashes (1 to 256). `None` if no tree of [`MAX_SIZE`] leaves or fewer has it.
    #[must_use]
    pub fn new(level: u8, index: u64, width: u16) -> Option<Self> {
        let hashes = index.checked_mul(TILE_WIDTH.into())?.checked_add(width.into())?;
        let fits = level <= MAX_LEVEL && hashes <= per_level(MAX_SIZE, level);
        (fits && (1..=TILE_WIDTH).contains(&width)).then_some(Self { level, index, width })
    }

    /// The tile at this place in a tree of `size` leaves, as wide as the tree makes it.
    #[must_use]
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let after = per_level(size, level).checked_sub(index.checked_mul(TILE_WIDTH.into())?)?;
        Self::new(level, index, u16::try_from(after).unwrap_or(TILE_WIDTH).min(TILE_WIDTH))
    }

    /// The level: 0 for leaf hashes.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.level
    }

    /// The index within the level.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes the tile has: 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tile has 256 hashes and will never change.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Where C2SP puts the tile: `tile/<L>/<N>`, with `.p/<W>` if it is partial.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, self.place())
    }

    /// Where C2SP puts the entries of a tile of level 0: `tile/entries/<N>`. `None` at other levels.
    #[must_use]
    pub fn entries_path(&self) -> Option<String> {
        (self.level == 0).then(|| format!("tile/entries/{}", self.place()))
    }

    /// Index 1234067 is `x001/x234/067`.
    fn place(&self) -> String {
        let mut place = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            place = format!("x{:03}/{place}", rest % 1000);
            rest /= 1000;
        }
        if self.is_full() { place } else { format!("{place}.p/{}", self.width) }
    }

    /// Reads the bytes of this tile.
    ///
    /// # Errors
    /// [`Malformed`] unless the bytes are exactly as many hashes as the tile is wide.
    pub fn parse_hashes(&self, bytes: &[u8]) -> Result<Vec<Digest>, Malformed> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        if hashes.len() != usize::from(self.width) || !rest.is_empty() {
            return Err(Malformed::new("tile", "its length is not the one of its width"));
        }
        Ok(hashes.iter().copied().map(Digest::from_bytes).collect())
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl FromStr for Tile {
    type Err = Malformed;

    /// Reads exactly what [`Tile::path`] writes.
    fn from_str(path: &str) -> Result<Self, Malformed> {
        let read = || {
            let (level, place) = path.strip_prefix("tile/")?.split_once('/')?;
            let (index, width) = match place.split_once(".p/") {
                Some((index, width)) => (index, width.parse().ok()?),
                None => (place, TILE_WIDTH),
            };
            let digits: String = index.chars().filter(char::is_ascii_digit).collect();
            Self::new(level.parse().ok()?, digits.parse().ok()?, width)
        };
        let tile = read().filter(|tile| tile.path() == path);
        tile.ok_or(Malformed::new("path of a tile", "C2SP spells none like this"))
    }
}

/// The bytes of a tile with these hashes.
#[must_use]
pub fn tile_bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|h| *h.as_bytes()).collect()
}

/// The full tiles that a log gains when it grows from `old` to `new` leaves, lower levels first.
pub fn completed(old: u64, new: u64) -> impl Iterator<Item = Tile> {
    (0..=MAX_LEVEL).flat_map(move |level| {
        let full = move |size: u64| per_level(size.min(MAX_SIZE), level + 1);
        (full(old)..full(new)).filter_map(move |index| Tile::new(level, index, TILE_WIDTH))
    })
}

/// The partial tiles of a tree of `size` leaves: at most one a level, lower levels first.
pub fn partial(size: u64) -> impl Iterator<Item = Tile> {
    (0..=MAX_LEVEL).filter_map(move |level| {
        let index = per_level(size, level + 1);
        Tile::in_tree(level, index, size)
    })
}

/// How many hashes a tree of `size` leaves has at `level`.
fn per_level(size: u64, level: u8) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// The bytes of an entry bundle: each entry behind its length in 16 bits, big-endian.
///
/// # Errors
/// [`Malformed`] for more than 256 entries, and for an entry longer than [`MAX_ENTRY_BYTES`].
pub fn bundle_bytes<B: AsRef<[u8]>>(entries: &[B]) -> Result<Vec<u8>, Malformed> {
    if entries.len() > usize::from(TILE_WIDTH) {
        return Err(Malformed::new("entry bundle", "it has more than 256 entries"));
    }
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len());
        let length = length.map_err(|_| Malformed::new("entry bundle", "an entry has 64 KiB or more"))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle of `width` entries.
///
/// # Errors
/// [`Malformed`] unless the bytes are exactly that many entries.
pub fn parse_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, Malformed> {
    let short = Malformed::new("entry bundle", "it ends too early");
    let mut rest = bytes;
    let mut entries = Vec::new();
    for _ in 0..width {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(short)?;
        let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(short)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(Malformed::new("entry bundle", "it goes on after its last entry")) }
}
