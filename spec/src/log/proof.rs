//! Inclusion and consistency proofs: made from tiles, verified from nothing but hashes.

use std::cmp::Ordering;
use std::fmt;

use super::reader::{ReadError, Tiles, TreeReader};
use super::tree::node_hash;
use crate::{Digest, ReasonCode};

/// The longest proof: a consistency proof in a tree of [`super::MAX_SIZE`] leaves has 54 hashes.
pub const MAX_PROOF_HASHES: usize = 54;

/// A proof that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ProofError {
    #[error("the proof does not lead from leaf {index} to the root of {size} leaves")]
    Inclusion { index: u64, size: u64 },
    #[error("the tree of {new} leaves does not continue the tree of {old} leaves")]
    Consistency { old: u64, new: u64 },
}

impl ProofError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Inclusion { .. } => ReasonCode::RecordMissing,
            Self::Consistency { .. } => ReasonCode::LogInconsistent,
        }
    }
}

/// The proof that leaf `index` is in the tree of `size` leaves, from the leaf's sibling up (RFC 6962, 2.1.1).
///
/// # Errors
/// [`ReadError`], also if the tree has no such leaf.
pub fn inclusion<T>(index: u64, size: u64, tiles: &mut T) -> Result<Vec<Digest>, ReadError<T::Error>>
where
    T: Tiles<Error: fmt::Display>,
{
    if index >= size || size > super::MAX_SIZE {
        return Err(ReadError::Outside { size });
    }
    let mut tree = TreeReader::new(size, tiles);
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size);
    while let Some(middle) = split(start, end) {
        if index < middle {
            proof.push(tree.range(middle, end)?);
            end = middle;
        } else {
            proof.push(tree.range(start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `new` leaves continues the tree of `old` leaves (RFC 6962, 2.1.2).
///
/// Nothing need be proved from the empty tree or to the same tree: the proof is empty then.
///
/// # Errors
/// [`ReadError`], also if `old` is the larger one.
pub fn consistency<T>(old: u64, new: u64, tiles: &mut T) -> Result<Vec<Digest>, ReadError<T::Error>>
where
    T: Tiles<Error: fmt::Display>,
{
    if old > new || new > super::MAX_SIZE {
        return Err(ReadError::Outside { size: new });
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let mut tree = TreeReader::new(new, tiles);
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, new);
    while old != end {
        let Some(middle) = split(start, end) else { break };
        if old <= middle {
            proof.push(tree.range(middle, end)?);
            end = middle;
        } else {
            proof.push(tree.range(start, middle)?);
            start = middle;
        }
    }
    // What is left is the tree of `old` leaves itself, which the verifier has, or its last subtree.
    if start > 0 {
        proof.push(tree.range(start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Where a tree of the leaves `start..end` is split: after the largest power of two that is less than its size.
fn split(start: u64, end: u64) -> Option<u64> {
    let last = end.checked_sub(start)?.checked_sub(1)?;
    Some(start + (1 << last.checked_ilog2()?))
}

/// Verifies that `leaf` (a leaf hash) is leaf `index` of the tree of `size` leaves with `root` (RFC 9162, 2.1.3.2).
///
/// # Errors
/// [`ProofError::Inclusion`]; a proof that is too long or too short is none.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    root: &Digest,
    proof: &[Digest],
) -> Result<(), ProofError> {
    let refused = ProofError::Inclusion { index, size };
    if index >= size {
        return Err(refused);
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(refused);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            climb(&mut at, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(refused) }
}

/// Verifies that the tree of `new` leaves continues the tree of `old` leaves (RFC 9162, 2.1.4.2).
///
/// # Errors
/// [`ProofError::Consistency`]; a proof that is too long or too short is none, and the empty tree and
/// equal trees take the empty proof.
pub fn verify_consistency(
    old: u64,
    old_root: &Digest,
    new: u64,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), ProofError> {
    let refused = ProofError::Consistency { old, new };
    let settled = match old.cmp(&new) {
        Ordering::Greater => Some(false),
        Ordering::Equal => Some(old_root == new_root && (old > 0 || *old_root == Digest::EMPTY)),
        Ordering::Less => (old == 0).then_some(*old_root == Digest::EMPTY),
    };
    if let Some(holds) = settled {
        return if holds && proof.is_empty() { Ok(()) } else { Err(refused) };
    }
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    // A perfect old tree is a node of the new one: its root stands for the first hash of the proof.
    let (first, rest) = if old.is_power_of_two() {
        (*old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(refused)?;
        (*first, rest)
    };
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(refused);
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            climb(&mut at, &mut last);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(refused) }
}

/// Goes up to where the node is a right child: on the right border, subtrees have no sibling for some levels.
fn climb(at: &mut u64, last: &mut u64) {
    while *at & 1 == 0 && *at != 0 {
        (*at, *last) = (*at >> 1, *last >> 1);
    }
}
