//! The index of a pack (version 2): where the objects lie.

/// What stands before the names: a magic number, the version, and how many names begin with a byte up to each.
const HEAD: usize = 8 + 256 * 4;

/// Names and offsets of a pack's objects, as the `.idx` file has them.
#[derive(Debug)]
pub(super) struct Index {
    bytes: Vec<u8>,
    count: usize,
}

impl Index {
    /// The index in the bytes of an `.idx` file; none if they are not of version 2, or too few.
    pub(super) fn of(bytes: Vec<u8>) -> Option<Self> {
        bytes.starts_with(b"\xfftOc\0\0\0\x02").then_some(())?;
        let index = Self { count: 0, bytes };
        let count = index.number(HEAD - 4)?;
        // Names, check sums of the compressed data, offsets, the digests of pack and index.
        (index.bytes.len() >= HEAD + count * (20 + 4 + 4) + 40).then_some(Self { count, ..index })
    }

    /// The offset of the object with this name. The check sums are not needed: every object is hashed.
    pub(super) fn find(&self, name: &[u8; 20]) -> Option<u64> {
        let first = usize::from(name[0]);
        let from = if first == 0 { 0 } else { self.number(8 + (first - 1) * 4)? };
        let to = self.number(8 + first * 4)?;
        let names = self.bytes.get(HEAD..HEAD + self.count * 20)?.as_chunks::<20>().0;
        let at = from + names.get(from..to)?.binary_search(name).ok()?;
        let offset = self.number(HEAD + self.count * 24 + at * 4)?;
        if offset & 0x8000_0000 == 0 {
            return u64::try_from(offset).ok();
        }
        let large = HEAD + self.count * 28 + (offset & 0x7fff_ffff) * 8;
        self.bytes.get(large..)?.first_chunk().map(|n| u64::from_be_bytes(*n))
    }

    /// The 32-bit number at a place of the file.
    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.bytes.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_be_bytes(*bytes)).ok()
    }
}
