//! Reading packs without libgit2, for whoever reads very many objects: no locks between threads, each entry found,
//! inflated and hashed once.
//!
//! INVARIANT: an object that comes from here hashes to its id, and is what libgit2 would give. Whatever is unusual (a
//! malformed pack, a large object, an object that lies elsewhere) is not read here: the caller asks libgit2, whose
//! answer stands.

mod delta;
mod index;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use flate2::{Decompress, FlushDecompress, Status};
use git2::ObjectType;
use sha1::{Digest as _, Sha1};

use super::ObjectId;
use index::Index;

/// The largest object that is read here, and the largest on the way to it.
const MAX_OBJECT: usize = 4 << 20;
/// git makes no longer chains of differences (`pack.depth`).
const MAX_CHAIN: usize = 64;
/// What is read of a pack at once, and how many such blocks are kept.
const BLOCK: usize = 64 << 10;
const BLOCKS: usize = 32;
/// How many bytes of objects are kept, since others may be differences to them.
const KEPT: usize = 16 << 20;

/// The packs of a repository at one moment. Shared between threads.
#[derive(Debug)]
pub struct Packs(Vec<Pack>);

#[derive(Debug)]
struct Pack {
    file: File,
    /// Where its trailer begins.
    end: u64,
    index: Index,
}

impl Packs {
    /// Opens the packs in a repository's folder of objects; those that are not in order are left out.
    #[must_use]
    pub(super) fn open(objects: &Path) -> Self {
        let mut packs = Vec::new();
        let Ok(entries) = objects.join("pack").read_dir() else { return Self(packs) };
        for path in entries.flatten().map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|e| e == "idx")) {
            packs.extend(Pack::open(&path));
        }
        // Large packs first: there most objects are found.
        packs.sort_by_key(|pack| std::cmp::Reverse(pack.end));
        Self(packs)
    }

    /// About how many objects are in the packs of a repository, by the sizes of their indexes.
    #[must_use]
    pub fn objects(git: &super::Git) -> u64 {
        let Ok(entries) = git.common_dir().join("objects/pack").read_dir() else { return 0 };
        let indexes = entries.flatten().filter(|entry| entry.path().extension().is_some_and(|e| e == "idx"));
        indexes.filter_map(|entry| Some(entry.metadata().ok()?.len() / 28)).sum()
    }
}

impl Pack {
    fn open(index: &Path) -> Option<Self> {
        let file = File::open(index.with_extension("pack")).ok()?;
        let end = file.metadata().ok()?.len().checked_sub(20)?;
        let mut head = [0; 8];
        file.read_exact_at(&mut head, 0).ok()?;
        let sound = head == *b"PACK\0\0\0\x02";
        sound.then_some(())?;
        Some(Self { file, end, index: Index::of(std::fs::read(index).ok()?)? })
    }
}

/// A reader of packs; each thread has its own.
pub(super) struct PackReader {
    packs: Arc<Packs>,
    /// None while it is used.
    inflate: Option<Decompress>,
    /// Pack, number and bytes of blocks, by number.
    blocks: Vec<Option<(usize, u64, Vec<u8>)>>,
    kept: HashMap<(usize, u64), Object>,
    order: VecDeque<(usize, u64)>,
    bytes: usize,
}

type Object = (ObjectType, Arc<Vec<u8>>);

/// The id of a blob, without looking for prepared collisions, which is two thirds of the time of hashing.
///
/// Whatever a ledger's blobs are taken for is bound by something stronger as well: statements by their signatures,
/// envelopes by the leaf of the signed log, evidence by its name, the rest by comparison with what records make. Folders
/// and commits, for which SHA-1 alone vouches, are hashed by git's own function, which finds collisions.
fn blob_id(bytes: &[u8]) -> Option<ObjectId> {
    let mut hash = Sha1::new_with_prefix(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    ObjectId::from_bytes(&hash.finalize()).ok()
}

/// What an entry of a pack begins with.
enum Entry {
    Whole(ObjectType),
    /// A difference to the entry at an offset of the same pack.
    Difference(u64),
}

impl PackReader {
    pub(super) fn new(packs: Arc<Packs>) -> Self {
        let blocks = std::iter::repeat_with(|| None).take(BLOCKS).collect();
        let (kept, order) = (HashMap::new(), VecDeque::new());
        Self { packs, inflate: Some(Decompress::new(true)), blocks, kept, order, bytes: 0 }
    }

    /// The object with this id; none if libgit2 has to be asked.
    pub(super) fn read(&mut self, id: ObjectId) -> Option<Object> {
        let name: &[u8; 20] = id.as_bytes().try_into().ok()?;
        let packs = Arc::clone(&self.packs);
        let (pack, at) = packs.0.iter().enumerate().find_map(|(n, pack)| Some((n, pack.index.find(name)?)))?;
        let (kind, bytes) = self.resolve(&packs, pack, at)?;
        let is_blob = kind == ObjectType::Blob;
        let hashed = if is_blob { blob_id(&bytes)? } else { ObjectId::hash_object(kind, &bytes).ok()? };
        (hashed == id).then_some((kind, bytes))
    }

    /// The object of the entry at an offset; its hash was not looked at.
    fn resolve(&mut self, packs: &Packs, pack: usize, at: u64) -> Option<Object> {
        let mut chain = Vec::new();
        let mut next = at;
        let (kind, mut bytes) = loop {
            if let Some(kept) = self.kept.get(&(pack, next)) {
                break kept.clone();
            }
            let (entry, size, data) = self.entry(packs, pack, next)?;
            let content = self.inflate(&packs.0[pack], pack, data, size)?;
            match entry {
                Entry::Whole(kind) => {
                    let object = (kind, Arc::new(content));
                    self.keep((pack, next), &object);
                    break object;
                }
                Entry::Difference(base) if chain.len() < MAX_CHAIN => {
                    chain.push((next, content));
                    next = base;
                }
                Entry::Difference(_) => return None,
            }
        };
        while let Some((at, difference)) = chain.pop() {
            bytes = Arc::new(delta::apply(&bytes, &difference, MAX_OBJECT)?);
            self.keep((pack, at), &(kind, Arc::clone(&bytes)));
        }
        Some((kind, bytes))
    }

    /// Reads the head of an entry: what it is, how large, where its data begin.
    fn entry(&mut self, packs: &Packs, number: usize, at: u64) -> Option<(Entry, usize, u64)> {
        let pack = &packs.0[number];
        let mut head = [0; 48];
        let mut length = 0;
        while length < head.len() {
            let Some(bytes) = self.block(pack, number, at + length as u64).filter(|b| !b.is_empty()) else { break };
            let taken = bytes.len().min(head.len() - length);
            head[length..length + taken].copy_from_slice(&bytes[..taken]);
            length += taken;
        }
        let mut bytes = head[..length].iter().copied().enumerate();
        let (_, first) = bytes.next()?;
        let (mut size, mut shift, mut last) = (u64::from(first & 15), 4, first);
        let mut used = 1;
        while last & 0x80 != 0 {
            (used, last) = bytes.next().filter(|_| shift < 32)?;
            size |= u64::from(last & 0x7f) << shift;
            (shift, used) = (shift + 7, used + 1);
        }
        let entry = match first >> 4 & 7 {
            1 => Entry::Whole(ObjectType::Commit),
            2 => Entry::Whole(ObjectType::Tree),
            3 => Entry::Whole(ObjectType::Blob),
            6 => {
                let (mut at_byte, mut byte) = bytes.next()?;
                let mut back = u64::from(byte & 0x7f);
                while byte & 0x80 != 0 {
                    (at_byte, byte) = bytes.next().filter(|_| back < 1 << 48)?;
                    back = (back + 1) << 7 | u64::from(byte & 0x7f);
                }
                used = at_byte + 1;
                Entry::Difference(at.checked_sub(back).filter(|base| *base < at && *base >= 12)?)
            }
            7 => {
                let name: [u8; 20] = head.get(used..used + 20)?.try_into().ok()?;
                (used + 20 <= length).then_some(())?;
                used += 20;
                Entry::Difference(pack.index.find(&name)?)
            }
            _ => return None,
        };
        let size = usize::try_from(size).ok().filter(|size| *size <= MAX_OBJECT)?;
        Some((entry, size, at + used as u64))
    }

    /// Inflates the `size` bytes whose stream begins at an offset.
    fn inflate(&mut self, pack: &Pack, number: usize, mut at: u64, size: usize) -> Option<Vec<u8>> {
        let mut inflate = self.inflate.take()?;
        inflate.reset(true);
        // One byte more, so that a stream that is too long is seen.
        let mut out = Vec::with_capacity(size + 1);
        let done = loop {
            let Some(input) = self.block(pack, number, at).filter(|input| !input.is_empty()) else { break false };
            let before = (inflate.total_in(), out.len());
            let Ok(status) = inflate.decompress_vec(input, &mut out, FlushDecompress::None) else { break false };
            at += inflate.total_in() - before.0;
            match status {
                Status::StreamEnd => break true,
                Status::Ok | Status::BufError if before == (inflate.total_in(), out.len()) => break false,
                Status::Ok | Status::BufError => {}
            }
        };
        self.inflate = Some(inflate);
        (done && out.len() == size).then_some(out)
    }

    /// What a pack has from an offset to the end of a block; nothing at its end.
    fn block(&mut self, pack: &Pack, number: usize, at: u64) -> Option<&[u8]> {
        let block = at / BLOCK as u64;
        let slot = &mut self.blocks[usize::try_from(block).ok()? % BLOCKS];
        if slot.as_ref().is_none_or(|(n, b, _)| (*n, *b) != (number, block)) {
            let begin = block * BLOCK as u64;
            let length = usize::try_from(pack.end.checked_sub(begin)?.min(BLOCK as u64)).ok()?;
            let mut bytes = slot.take().map(|(.., bytes)| bytes).unwrap_or_default();
            bytes.resize(length, 0);
            pack.file.read_exact_at(&mut bytes, begin).ok()?;
            *slot = Some((number, block, bytes));
        }
        let (.., bytes) = slot.as_ref()?;
        bytes.get(usize::try_from(at % BLOCK as u64).ok()?..)
    }

    fn keep(&mut self, at: (usize, u64), object: &Object) {
        self.bytes += object.1.len();
        self.order.push_back(at);
        self.kept.insert(at, object.clone());
        while self.bytes > KEPT {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some((_, bytes)) = self.kept.remove(&oldest) {
                self.bytes -= bytes.len();
            }
        }
    }
}
