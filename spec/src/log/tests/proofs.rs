//! Trees, tiles and proofs against the definitions of RFC 6962.

use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Digest {
    Digest::from_hex(text).expect("the test's own hex")
}

#[test]
fn roots_and_proofs_are_the_published_ones() {
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let leaves: Vec<_> = ENTRIES.iter().map(|entry| leaf_hash(entry)).collect();
    let mut edge = Edge::new();
    for (i, root) in roots.into_iter().enumerate() {
        edge.push(leaves[i]);
        assert_eq!(edge.root(), hex(root), "{} leaves", i + 1);
        assert_eq!(naive_root(&leaves[..=i]), hex(root));
    }

    let mut log = Memory { leaves, read: 0 };
    // From the tests of certificate-transparency: paths (0, 8), (5, 8), (2, 3); proofs 6 -> 8, 2 -> 5.
    let published = [
        inclusion(0, 8, &mut log),
        inclusion(5, 8, &mut log),
        inclusion(2, 3, &mut log),
        consistency(6, 8, &mut log),
        consistency(2, 5, &mut log),
    ];
    let expected: [&[&str]; 5] = [
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
        &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ];
    for (proof, expected) in published.into_iter().zip(expected) {
        let expected: Vec<_> = expected.iter().map(|h| hex(h)).collect();
        assert_eq!(proof, Ok(expected));
    }
}

/// Some of the numbers up to `size`: all of them in small trees, else the borders and every eleventh.
fn some(size: u64) -> impl Iterator<Item = u64> {
    let near = move |n: u64, border: u64| n.abs_diff(border) < 2;
    (0..=size).filter(move |n| {
        size < 40 || (n + size).is_multiple_of(11) || [0, 64, 128, 256, size].iter().any(|b| near(*n, *b))
    })
}

#[test]
fn inclusion_proofs_of_all_trees_up_to_300_leaves_are_the_defined_ones_and_verify() {
    let mut log = memory(300);
    let all = leaves(300);
    for size in 1..=300u64 {
        let known = &all[..size as usize];
        let root = naive_root(known);
        for index in some(size).filter(|i| *i < size) {
            let proof = inclusion(index, size, &mut log).expect("the leaf is there");
            assert_eq!(proof, naive_path(index as usize, known), "{index} of {size}");
            assert_eq!(verify_inclusion(&all[index as usize], index, size, &root, &proof), Ok(()), "{index} of {size}");
        }
        assert_eq!(inclusion(size, size, &mut log), Err(ReadError::Outside { size }));
    }
}

#[test]
fn consistency_proofs_of_all_trees_up_to_300_leaves_are_the_defined_ones_and_verify() {
    let mut log = memory(300);
    let all = leaves(300);
    let roots: Vec<_> = (0..=300).map(|n| naive_root(&all[..n])).collect();
    for new in 1..=300usize {
        for old in some(new as u64).map(|n| n as usize) {
            let proof = consistency(old as u64, new as u64, &mut log).expect("both trees are there");
            if old > 0 {
                assert_eq!(proof, naive_subproof(old, &all[..new], true), "{old} to {new}");
            }
            let verified = verify_consistency(old as u64, &roots[old], new as u64, &roots[new], &proof);
            assert_eq!(verified, Ok(()), "{old} to {new}");
        }
        assert!(consistency(new as u64 + 1, new as u64, &mut log).is_err());
    }
}

#[test]
fn a_reader_gives_root_edge_and_subtrees_of_any_size() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 513, 1000, 65_535, 65_536, 65_537, 66_000] {
        let mut log = memory(size);
        let mut edge = Edge::new();
        log.leaves.iter().for_each(|leaf| edge.push(*leaf));
        let mut tree = TreeReader::new(size, &mut log);
        assert_eq!(tree.root(), Ok(edge.root()), "{size}");
        assert_eq!(tree.edge(), Ok(edge), "{size}");
        assert_eq!(tree.node(0, size), Err(ReadError::Outside { size }));
        assert_eq!(tree.node(64, 0), Err(ReadError::Outside { size }));
        assert_eq!(tree.node(63, u64::MAX), Err(ReadError::Outside { size }));
    }
    let mut log = memory(66_000);
    let all = leaves(66_000);
    let mut tree = TreeReader::new(66_000, &mut log);
    for (height, index) in [(0, 65_999), (3, 8_000), (7, 500), (8, 256), (8, 3), (9, 100), (16, 0)] {
        let start = index << height;
        let expected = naive_root(&all[start..start + (1 << height)]);
        assert_eq!(tree.node(height, index as u64), Ok(expected), "{height} {index}");
    }
}

#[test]
fn a_proof_reads_few_tiles_and_each_once() {
    let size = 66_000;
    let mut log = memory(size);
    for index in [0, 255, 256, 65_535, 65_536, 65_999] {
        log.read = 0;
        inclusion(index, size, &mut log).expect("the leaf is there");
        assert!(log.read <= 4, "{index}: {} tiles", log.read);
    }
    for old in [1, 255, 256, 300, 65_536, 65_537] {
        log.read = 0;
        consistency(old, size, &mut log).expect("both trees are there");
        assert!(log.read <= 5, "{old}: {} tiles", log.read);
    }
}

/// A log that keeps leaves and full tiles only.
struct FullTiles(Memory);

impl Tiles for FullTiles {
    type Error = Infallible;

    fn tile(&mut self, tile: Tile) -> Result<Vec<Digest>, Infallible> {
        if tile.is_full() || tile.level() == 0 { self.0.tile(tile) } else { roots_below(tile, self) }
    }
}

#[test]
fn a_log_needs_no_partial_tiles_above_its_leaves() {
    let size = 66_000;
    let (mut log, mut full) = (memory(size), FullTiles(memory(size)));
    for index in [0, 255, 256, 65_535, 65_536, 65_999] {
        assert_eq!(inclusion(index, size, &mut full), inclusion(index, size, &mut log), "{index}");
        assert_eq!(consistency(index, size, &mut full), consistency(index, size, &mut log), "{index}");
    }
    for tile in [Tile::new(1, 0, 256), Tile::new(1, 0, 255), Tile::new(1, 1, 1)] {
        let tile = tile.expect("a place in a tree");
        assert_eq!(roots_below(tile, &mut full), log.tile(tile));
    }
    let leaves = Tile::new(0, 0, 1).expect("a place in a tree");
    assert_eq!(roots_below(leaves, &mut log), Ok(Vec::new()));
}

#[test]
fn a_tile_of_a_wrong_width_is_refused() {
    struct Short;
    impl Tiles for Short {
        type Error = Infallible;
        fn tile(&mut self, _: Tile) -> Result<Vec<Digest>, Infallible> {
            Ok(vec![Digest::EMPTY; 3])
        }
    }
    let refused = inclusion(0, 5, &mut Short).map_err(|e| e.code(|never| match *never {}));
    assert_eq!(refused, Err(ReasonCode::LogMalformed));
    let above = Tile::new(1, 0, 9).expect("a place in a tree");
    assert_eq!(roots_below(above, &mut Short), Ok(Vec::new()));
}

#[test]
fn the_empty_tree_and_equal_trees_take_the_empty_proof_only() {
    let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
    assert_eq!(verify_consistency(0, &Digest::EMPTY, 5, &one, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &Digest::EMPTY, 0, &Digest::EMPTY, &[]), Ok(()));
    assert_eq!(verify_consistency(7, &one, 7, &one, &[]), Ok(()));
    for refused in [
        verify_consistency(0, &one, 5, &one, &[]),
        verify_consistency(0, &Digest::EMPTY, 0, &one, &[]),
        verify_consistency(0, &Digest::EMPTY, 5, &one, &[one]),
        verify_consistency(7, &one, 7, &two, &[]),
        verify_consistency(7, &one, 7, &one, &[one]),
        verify_consistency(8, &one, 7, &one, &[]),
        verify_consistency(4, &one, 8, &one, &[]),
        verify_consistency(u64::MAX - 1, &one, u64::MAX, &one, &[one; 64]),
        verify_consistency(1, &one, u64::MAX, &one, &[one; 70]),
    ] {
        assert_eq!(refused.map_err(|e| e.code()), Err(ReasonCode::LogInconsistent));
    }
    for refused in [
        verify_inclusion(&one, 0, 0, &Digest::EMPTY, &[]),
        verify_inclusion(&one, 1, 1, &one, &[]),
        verify_inclusion(&one, u64::MAX, u64::MAX, &one, &[]),
        verify_inclusion(&one, u64::MAX - 1, u64::MAX, &one, &[one; 70]),
    ] {
        assert_eq!(refused.map_err(|e| e.code()), Err(ReasonCode::RecordMissing));
    }
}

/// Every proof that differs a little from `proof`: bits flipped, hashes dropped, doubled, added or swapped.
fn damaged(proof: &[Digest], at: usize, bit: u8) -> Vec<Vec<Digest>> {
    let mut all = Vec::new();
    let with = |change: &dyn Fn(&mut Vec<Digest>)| {
        let mut changed = proof.to_vec();
        change(&mut changed);
        changed
    };
    all.push(with(&|p| p.push(Digest::EMPTY)));
    all.push(with(&|p| p.insert(0, Digest::EMPTY)));
    if !proof.is_empty() {
        let at = at % proof.len();
        all.push(with(&|p| p[at] = flipped(&p[at], bit)));
        all.push(with(&|p| p.truncate(at)));
        all.push(with(&|p| p.rotate_left(1)));
        all.push(with(&|p| p.insert(at, p[at])));
        all.push(with(&|p| p.reverse()));
    }
    all.retain(|changed| changed != proof);
    all
}

fn flipped(hash: &Digest, bit: u8) -> Digest {
    let mut bytes = *hash.as_bytes();
    bytes[usize::from(bit / 8)] ^= 1 << (bit % 8);
    Digest::from_bytes(bytes)
}

proptest! {
    #[test]
    fn another_implementation_makes_the_same_roots_and_proofs(size in 1u64..1000, index in 0u64..1000, old in 1u64..1000) {
        let (index, old) = (index % size, old % size);
        let mut log = memory(size);
        let mut other = ct_merkle::mem_backed_tree::MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
        (0..size).for_each(|i| other.push(i.to_be_bytes().to_vec()));
        let root = root_of(log.leaves.iter().copied());
        prop_assert!(root.as_bytes()[..] == other.root().as_bytes()[..]);
        let proof = inclusion(index, size, &mut log).expect("the leaf is there");
        prop_assert!(tile_bytes(&proof) == other.prove_inclusion(index as usize).as_bytes());
        if old > 0 {
            let proof = consistency(old, size, &mut log).expect("both trees are there");
            prop_assert!(tile_bytes(&proof) == other.prove_consistency((size - old) as usize).as_bytes());
        }
    }

    #[test]
    fn an_inclusion_proof_proves_nothing_else(size in 1u64..600, index in 0u64..600, at in 0usize..64, bit: u8) {
        let index = index % size;
        let mut log = memory(size);
        let proof = inclusion(index, size, &mut log).expect("the leaf is there");
        let (leaf, root) = (log.leaves[index as usize], naive_root(&log.leaves));
        prop_assert_eq!(verify_inclusion(&leaf, index, size, &root, &proof), Ok(()));
        for changed in damaged(&proof, at, bit) {
            prop_assert!(verify_inclusion(&leaf, index, size, &root, &changed).is_err());
        }
        prop_assert!(verify_inclusion(&flipped(&leaf, bit), index, size, &root, &proof).is_err());
        prop_assert!(verify_inclusion(&leaf, index, size, &flipped(&root, bit), &proof).is_err());
        for other in (0..size).filter(|i| *i != index) {
            prop_assert!(verify_inclusion(&leaf, other, size, &root, &proof).is_err());
        }
    }

    #[test]
    fn a_consistency_proof_proves_nothing_else(new in 1u64..600, old in 0u64..600, at in 0usize..64, bit: u8) {
        let old = old % (new + 1);
        let mut log = memory(new);
        let proof = consistency(old, new, &mut log).expect("both trees are there");
        let (old_root, new_root) = (naive_root(&log.leaves[..old as usize]), naive_root(&log.leaves));
        prop_assert_eq!(verify_consistency(old, &old_root, new, &new_root, &proof), Ok(()));
        for changed in damaged(&proof, at, bit) {
            prop_assert!(verify_consistency(old, &old_root, new, &new_root, &changed).is_err());
        }
        prop_assert!(verify_consistency(old, &flipped(&old_root, bit), new, &new_root, &proof).is_err());
        // From the empty tree, everything is a continuation.
        let free = old == 0;
        prop_assert!(free || verify_consistency(old, &old_root, new, &flipped(&new_root, bit), &proof).is_err());
    }
}
