//! Tiles and entry bundles lie where C2SP puts them, and have one spelling.

use super::*;

#[test]
fn paths_are_those_of_tlog_tiles() {
    for (level, index, width, path) in [
        (0, 0, 256, "tile/0/000"),
        (0, 999, 256, "tile/0/999"),
        (0, 1000, 256, "tile/0/x001/000"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (1, 1_234_067, 8, "tile/1/x001/x234/067.p/8"),
        (2, 0, 255, "tile/2/000.p/255"),
    ] {
        let tile = Tile::new(level, index, width).expect("a place in a tree");
        assert_eq!(tile.path(), path);
        assert_eq!(path.parse(), Ok(tile));
        let entries = path.replacen("tile/0/", "tile/entries/", 1);
        assert_eq!(tile.entries_path(), (level == 0).then_some(entries));
    }
}

#[test]
fn one_tile_has_one_path() {
    for refused in [
        "tile/0/0",
        "tile/00/000",
        "tile/+0/000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x001000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/07",
        "tile/0/000/",
        "tile/0/",
        "tile/7/000",
        "tile/63/000.p/1",
        "tile/256/000",
        "tile/entries/000",
        "/tile/0/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/0/٠٠٠",
        "",
    ] {
        assert_eq!(refused.parse::<Tile>().map_err(|e| e.code()), Err(ReasonCode::LogMalformed), "{refused}");
    }
    for (level, index, width) in [(0, 0, 0), (0, 0, 257), (0, u64::MAX, 1), (0, MAX_SIZE / 256, 256), (7, 0, 1)] {
        assert_eq!(Tile::new(level, index, width), None);
    }
    assert_eq!(Tile::in_tree(200, 0, u64::MAX), None);
}

#[test]
fn a_tree_of_70000_leaves_has_the_tiles_that_the_standard_counts() {
    let full = |level| completed(0, 70_000).filter(|t| t.level() == level).count();
    assert_eq!((full(0), full(1), full(2)), (273, 1, 0));
    let edge: Vec<_> = partial(70_000).map(|t| t.path()).collect();
    assert_eq!(edge, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    let small: Vec<_> = partial(256).map(|t| t.path()).collect();
    assert_eq!(small, ["tile/1/000.p/1"]);
    assert_eq!(partial(0).count(), 0);
}

#[test]
fn tiles_complete_once_however_a_log_grows() {
    let whole: Vec<_> = completed(0, 200_000).collect();
    let mut parts: Vec<_> = Vec::new();
    let steps = [0, 1, 255, 256, 257, 65_535, 65_536, 131_073, 200_000];
    for step in steps.windows(2) {
        parts.extend(completed(step[0], step[1]));
    }
    parts.sort_unstable();
    assert_eq!(parts, whole);
    assert!(whole.iter().all(Tile::is_full));
    assert_eq!(completed(300, 300).chain(completed(600, 300)).count(), 0);
    assert_eq!(completed(MAX_SIZE, u64::MAX).count(), 0);
}

#[test]
fn a_tile_has_as_many_bytes_as_its_width_says() {
    let hashes: Vec<_> = (0..=255).map(|i| Digest::of(&[i])).collect();
    let tile = Tile::new(0, 3, 256).expect("a place in a tree");
    let bytes = tile_bytes(&hashes);
    assert_eq!(bytes.len(), TILE_BYTES);
    assert_eq!(tile.parse_hashes(&bytes), Ok(hashes));
    assert!(tile.parse_hashes(&bytes[1..]).is_err());
    assert!(tile.parse_hashes(&bytes[32..]).is_err());
    assert!(tile.parse_hashes(&[bytes, vec![0]].concat()).is_err());
}

#[test]
fn a_bundle_is_exactly_its_entries() {
    let entries = [b"a".to_vec(), Vec::new(), vec![7; MAX_ENTRY_BYTES]];
    let bytes = bundle_bytes(&entries).expect("entries of a lawful length");
    assert_eq!(&bytes[..5], [0, 1, b'a', 0, 0]);
    assert_eq!(parse_bundle(&bytes, 3).expect("our own bytes"), entries);
    assert!(parse_bundle(&bytes, 2).is_err());
    assert!(parse_bundle(&bytes, 4).is_err());
    assert!(parse_bundle(&bytes[..bytes.len() - 1], 3).is_err());
    assert!(bundle_bytes(&[vec![0; MAX_ENTRY_BYTES + 1]]).is_err());
    assert!(bundle_bytes(&vec![b""; 257]).is_err());
}
