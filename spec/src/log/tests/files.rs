//! Checkpoints and proof files: signed by the key of their log, and spelled in one way.

use proptest::prelude::*;

use super::*;

#[test]
fn the_origin_of_a_ledger_names_tenant_and_root() {
    let tenant = crate::Name::new("acme").expect("a name");
    let origin = Checkpoint::origin_for(&tenant, &Digest::EMPTY);
    assert_eq!(origin, "orgo.dev/ledger/acme/e3b0c44298fc1c14");
    assert!(Checkpoint::new(&origin, 0, Digest::EMPTY).is_ok());
    assert!(NoteKey::new(&origin, public(1)).is_ok());
}

#[test]
fn one_checkpoint_has_one_text() {
    let text = checkpoint(12).to_text();
    assert_eq!(Checkpoint::parse(&text), Ok(checkpoint(12)));
    assert_eq!(text.lines().count(), 3);
    for refused in [
        text.replace("\n12\n", "\n012\n"),
        text.replace("\n12\n", "\n+12\n"),
        text.replace("\n12\n", "\n12 \n"),
        text.replace("\n12\n", "\n-12\n"),
        text.replace("\n12\n", "\n0\n"),
        text.replace("\n12\n", "\n9007199254740992\n"),
        text.replace("orgo.dev", "orgo dev"),
        text.replace("orgo.dev", "orgo+dev"),
        format!("{text}extension\n"),
        format!("{text}\n"),
        format!("\n{text}"),
        text.trim_end().to_owned(),
        text.replace('=', ""),
        String::new(),
    ] {
        assert_eq!(Checkpoint::parse(&refused).map_err(|e| e.code()), Err(ReasonCode::LogMalformed), "{refused:?}");
    }
}

#[test]
fn a_checkpoint_is_read_only_after_its_signature_is_checked() {
    let signed = signed(&checkpoint(3), 1);
    let read = SignedCheckpoint::parse(signed.to_text().as_bytes()).expect("our own text");
    assert_eq!(read.verify(&log_key(1)), Ok(checkpoint(3)));

    // Neither the signature nor the text is good: it is the signature that is reported.
    let broken = signed.to_text().replace("\n3\n", "\nthree\n");
    let broken = SignedCheckpoint::parse(broken.as_bytes()).expect("a note");
    assert_eq!(broken.verify(&log_key(1)).map_err(|e| e.code()), Err(ReasonCode::SigInvalid));
    assert_eq!(broken.verify(&log_key(2)).map_err(|e| e.code()), Err(ReasonCode::KeyUnknown));
    let extended = format!("{}extension\n", checkpoint(3).to_text());
    let extended = SignedCheckpoint::from(note(&extended, &[(&log_key(1), 1)]));
    assert_eq!(extended.verify(&log_key(1)).map_err(|e| e.code()), Err(ReasonCode::LogMalformed));
}

#[test]
fn a_key_speaks_for_its_own_log_only() {
    let other = note_key("orgo.dev/ledger/other/0123456789abcdef", 1);
    let by_other = SignedCheckpoint::from(note(&checkpoint(3).to_text(), &[(&other, 1)]));
    assert_eq!(by_other.verify(&other).map_err(|e| e.code()), Err(ReasonCode::KeyScopeMismatch));
    let refused = SignedCheckpoint::sign(&checkpoint(3), &other, |text| Ok::<_, CheckpointError>(sign(1, text)));
    assert_eq!(refused.map_err(|e| e.code()), Err(ReasonCode::KeyScopeMismatch));
}

#[test]
fn a_checkpoint_of_two_keys_verifies_with_either() {
    let both = signed(&checkpoint(3), 1).into_note().and_sign(&log_key(2), |text| Ok::<_, NoteError>(sign(2, text)));
    let both = SignedCheckpoint::from(both.expect("a second signature"));
    assert_eq!(both.verify(&log_key(1)), Ok(checkpoint(3)));
    assert_eq!(both.verify(&log_key(2)), Ok(checkpoint(3)));
    assert_eq!(both.verify_any(&[log_key(3), log_key(2)]), Ok(checkpoint(3)));
}

#[test]
fn later_checkpoints_continue_earlier_ones() {
    let (earlier, later) = (checkpoint(5), checkpoint(9));
    let proof = consistency(5, 9, &mut memory(9)).expect("both trees are there");
    assert_eq!(later.follows(&earlier, &proof), Ok(()));
    assert_eq!(later.follows(&later, &[]), Ok(()));
    let code = |later: &Checkpoint, earlier: &Checkpoint| later.follows(earlier, &proof).map_err(|e| e.code());
    assert_eq!(code(&earlier, &later), Err(ReasonCode::LogInconsistent));
    let fork = Checkpoint::new(later.origin(), 9, Digest::EMPTY).expect("a checkpoint");
    assert_eq!(code(&fork, &earlier), Err(ReasonCode::LogInconsistent));
    assert_eq!(code(&fork, &later), Err(ReasonCode::CheckpointFork));
    let other = Checkpoint::new("another.example", 9, *later.root()).expect("a checkpoint");
    assert_eq!(code(&other, &earlier), Err(ReasonCode::KeyScopeMismatch));
}

fn proof(index: u64, size: u64) -> Proof {
    let hashes = inclusion(index, size, &mut memory(size)).expect("the leaf is there");
    Proof::new(index, hashes, signed(&checkpoint(size), 1)).expect("a lawful size")
}

#[test]
fn a_proof_file_proves_its_entry_and_no_other() {
    for (index, size) in [(0, 1), (0, 2), (6, 7), (3, 20), (255, 300)] {
        let text = proof(index, size).to_text();
        let read = Proof::parse(text.as_bytes()).expect("our own text");
        assert_eq!(read, proof(index, size));
        assert!(text.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {index}\n")));
        assert!(text.ends_with(&format!("\n\n{}", signed(&checkpoint(size), 1).to_text())));
        assert_eq!(read.verify(&index.to_be_bytes(), &log_key(1)), Ok(checkpoint(size)));
        let code = |entry: &[u8], seed| read.verify(entry, &log_key(seed)).map_err(|e| e.code());
        assert_eq!(code(b"another", 1), Err(ReasonCode::RecordMissing));
        assert_eq!(code(&index.to_be_bytes(), 2), Err(ReasonCode::KeyUnknown));
    }
}

#[test]
fn one_proof_has_one_file() {
    let text = proof(3, 20).to_text();
    let hash = text.lines().nth(2).expect("a hash").to_owned() + "\n";
    for refused in [
        text.replace("@v1", "@v2"),
        text.replace("@v1\n", "@v1\nextra AAAA\n"),
        text.replace("index 3", "index 03"),
        text.replace("index 3", "index  3"),
        text.replace("index 3", "Index 3"),
        text.replace("index 3\n", ""),
        text.replace("index 3\n", "index 3\n\n"),
        text.replacen(&hash, &hash.repeat(60), 1),
        text.replacen(&hash, &hash.replace('=', ""), 1),
        text.replacen("=\n\n", "=\n", 1),
        text.replace('\n', "\r\n"),
        format!("{text}\n"),
        format!("\n{text}"),
        text.trim_end().to_owned(),
        "x".repeat(MAX_PROOF_BYTES + 1),
        String::new(),
    ] {
        let read = Proof::parse(refused.as_bytes()).and_then(|p| p.verify(&3u64.to_be_bytes(), &log_key(1)));
        assert!(read.is_err(), "{refused}");
    }
    for (changed, code) in [
        (text.replacen(&hash, "", 1), ReasonCode::RecordMissing),
        (text.replacen(&hash, &hash.repeat(2), 1), ReasonCode::RecordMissing),
        (text.replace("index 3", "index 4"), ReasonCode::RecordMissing),
        (text.replace("index 3", "index 20"), ReasonCode::RecordMissing),
        (text.replace("\n20\n", "\n21\n"), ReasonCode::SigInvalid),
    ] {
        let read = Proof::parse(changed.as_bytes()).expect("a well-formed proof");
        assert_eq!(read.verify(&3u64.to_be_bytes(), &log_key(1)).map_err(|e| e.code()), Err(code));
    }
}

proptest! {
    #[test]
    fn no_flipped_bit_of_a_proof_file_is_accepted(at in 0usize..1024, bit in 0u8..8) {
        let mut bytes = proof(3, 20).to_text().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let read = Proof::parse(&bytes).and_then(|p| p.verify(&3u64.to_be_bytes(), &log_key(1)));
        prop_assert!(read.is_err(), "byte {}", at);
    }

    #[test]
    fn no_truncated_proof_file_is_accepted(length in 0usize..1024) {
        let text = proof(3, 20).to_text();
        let length = length % text.len();
        let read = Proof::parse(&text.as_bytes()[..length]).and_then(|p| p.verify(&3u64.to_be_bytes(), &log_key(1)));
        prop_assert!(read.is_err(), "{} bytes", length);
    }

    #[test]
    fn hostile_bytes_are_refused_and_what_is_read_is_written_again(bytes: Vec<u8>, text in "\\PC{0,40}(\n|\n\n|— | |=|[0-9]|A){0,60}") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            if let Ok(edge) = Edge::parse(bytes) {
                prop_assert_eq!(edge.to_text().into_bytes(), bytes);
            }
            if let Ok(note) = SignedNote::parse(bytes) {
                prop_assert_eq!(note.to_text().into_bytes(), bytes);
            }
            if let Ok(proof) = Proof::parse(bytes) {
                prop_assert_eq!(proof.to_text().into_bytes(), bytes);
            }
            let _ = (Leaf::parse(bytes), parse_bundle(bytes, 3));
        }
        let _ = (text.parse::<NoteKey>(), text.parse::<Tile>(), Checkpoint::parse(&text));
    }
}
