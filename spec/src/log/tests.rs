//! The tree is the one of RFC 6962, proofs prove what they say, and nothing else is accepted.

mod files;
mod notes;
mod proofs;
mod tiles;

use std::convert::Infallible;

use super::*;
use crate::signature::tests::{public, sign};

/// The eight entries with which implementations of RFC 6962 compare themselves.
const ENTRIES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

/// MTH(D), word for word (RFC 6962, 2.1).
fn naive_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::EMPTY,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// PATH(m, D), word for word (RFC 6962, 2.1.1).
fn naive_path(m: usize, leaves: &[Digest]) -> Vec<Digest> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if m < k { (naive_path(m, left), right) } else { (naive_path(m - k, right), left) };
    path.push(naive_root(sibling));
    path
}

/// SUBPROOF(m, D, b), word for word (RFC 6962, 2.1.2).
fn naive_subproof(m: usize, leaves: &[Digest], known: bool) -> Vec<Digest> {
    if m == leaves.len() {
        return if known { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) =
        if m <= k { (naive_subproof(m, left, known), right) } else { (naive_subproof(m - k, right, false), left) };
    proof.push(naive_root(sibling));
    proof
}

fn leaves(count: u64) -> Vec<Digest> {
    (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

/// A log in memory that has every tile and counts what is read.
struct Memory {
    leaves: Vec<Digest>,
    read: usize,
}

impl Tiles for Memory {
    type Error = Infallible;

    fn tile(&mut self, tile: Tile) -> Result<Vec<Digest>, Infallible> {
        self.read += 1;
        let span = 256usize.pow(tile.level().into());
        let start = tile.index() as usize * 256 * span;
        Ok(self.leaves[start..start + usize::from(tile.width()) * span].chunks(span).map(naive_root).collect())
    }
}

fn memory(count: u64) -> Memory {
    Memory { leaves: leaves(count), read: 0 }
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint::new("orgo.dev/ledger/acme/0123456789abcdef", size, naive_root(&leaves(size))).expect("a checkpoint")
}

fn log_key(seed: u8) -> NoteKey {
    NoteKey::new("orgo.dev/ledger/acme/0123456789abcdef", public(seed)).expect("a name")
}

fn signed(checkpoint: &Checkpoint, seed: u8) -> SignedCheckpoint {
    SignedCheckpoint::sign(checkpoint, &log_key(seed), |text| Ok::<_, CheckpointError>(sign(seed, text)))
        .expect("our own checkpoint")
}

fn note_key(name: &str, seed: u8) -> NoteKey {
    NoteKey::new(name, public(seed)).expect("a name")
}

fn note(text: &str, signers: &[(&NoteKey, u8)]) -> SignedNote {
    let mut signers = signers.iter().map(|(key, seed)| (*key, |text: &[u8]| Ok::<_, NoteError>(sign(*seed, text))));
    let (key, by) = signers.next().expect("one signer");
    let note = SignedNote::sign(text, key, by).expect("a note");
    signers.fold(note, |note, (key, by)| note.and_sign(key, by).expect("a note"))
}
