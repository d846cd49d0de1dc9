//! Notes and their keys: what a known key signed is read, and nothing else.

use proptest::prelude::*;

use super::*;

/// Key and note of the tests of `golang.org/x/mod/sumdb/note`.
const NEUMANN: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn refusal(note: &[u8], known: &[NoteKey]) -> Option<ReasonCode> {
    let read = SignedNote::parse(note).and_then(|note| note.verify(known).map(|_| ()));
    read.err().map(|e| e.code())
}

#[test]
fn the_published_note_verifies_with_the_published_key() {
    let key: NoteKey = NEUMANN.parse().expect("a published key");
    assert_eq!(key.to_string(), NEUMANN);
    let note = SignedNote::parse(NOTE.as_bytes()).expect("a published note");
    assert_eq!(note.to_text(), NOTE);
    let known = [key];
    let verified = note.verify(&known).expect("a published signature");
    assert!(verified.text().ends_with("problem is.\n"));
    assert_eq!(verified.signers().iter().map(NoteKey::name).collect::<Vec<_>>(), ["PeterNeumann"]);
}

#[test]
fn one_key_has_one_text() {
    for refused in [
        NEUMANN.replace("c74f20a3", "c74f20a4"),
        NEUMANN.replace("c74f20a3", "C74F20A3"),
        NEUMANN.replace("c74f20a3", "0c74f20a3"),
        NEUMANN.replace("Peter", "peter"),
        NEUMANN.replace("ARpc", "AhPc"),
        NEUMANN.replace("Neumann+", " Neumann+"),
        NEUMANN.replacen('+', " ", 1),
        NEUMANN.replace("PeterNeumann", ""),
        format!("{NEUMANN}\n"),
        format!("{NEUMANN}="),
        NEUMANN[..NEUMANN.len() - 4].to_owned(),
        String::new(),
    ] {
        assert_eq!(refused.parse::<NoteKey>().map_err(|e| e.code()), Err(ReasonCode::SigMalformed), "{refused}");
    }
    let weak = format!("a+00000000+{}", base64::encode(&[&[1u8][..], &[0; 32]].concat()));
    assert_eq!(weak.parse::<NoteKey>().map_err(|e| e.code()), Err(ReasonCode::KeyWeak));
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb", "a\u{7f}b", &"a".repeat(256)] {
        assert!(NoteKey::new(name, public(1)).is_err(), "{name:?}");
    }
}

#[test]
fn strangers_are_ignored_and_known_keys_must_verify() {
    let (ours, stranger) = (note_key("log.example", 1), note_key("witness.example", 2));
    let both = note("text\n", &[(&stranger, 2), (&ours, 1)]).to_text();
    assert_eq!(refusal(both.as_bytes(), std::slice::from_ref(&ours)), None);
    assert_eq!(refusal(both.as_bytes(), &[note_key("other.example", 1)]), Some(ReasonCode::KeyUnknown));
    assert_eq!(refusal(both.as_bytes(), &[note_key("log.example", 3)]), Some(ReasonCode::KeyUnknown));
    assert_eq!(refusal(both.as_bytes(), &[]), Some(ReasonCode::KeyUnknown));
    let changed = both.replace("text", "test");
    assert_eq!(refusal(changed.as_bytes(), std::slice::from_ref(&ours)), Some(ReasonCode::SigInvalid));

    // The good signature of one key does not save the bad one of another.
    let bad = note("other\n", &[(&stranger, 2)]).to_text();
    let bad = both.replace(both.lines().nth(2).expect("a signature"), bad.lines().nth(2).expect("a signature"));
    assert_eq!(refusal(bad.as_bytes(), std::slice::from_ref(&ours)), None, "a stranger's bad signature is ignored");
    assert_eq!(refusal(bad.as_bytes(), &[ours, stranger]), Some(ReasonCode::SigInvalid));
}

#[test]
fn a_key_that_signed_twice_counts_once() {
    let key = note_key("log.example", 1);
    let twice = note("text\n", &[(&key, 1), (&key, 1)]);
    let verified = twice.verify(std::slice::from_ref(&key)).map(|v| v.signers().len());
    assert_eq!(verified, Ok(1));
}

#[test]
fn a_known_key_with_a_signature_of_a_wrong_length_is_refused() {
    let key = note_key("log.example", 1);
    for length in [1, 63, 65] {
        let line = base64::encode(&[&key.id()[..], &vec![1; length]].concat());
        let text = format!("text\n\n— log.example {line}\n");
        assert_eq!(refusal(text.as_bytes(), std::slice::from_ref(&key)), Some(ReasonCode::SigInvalid), "{length}");
    }
}

#[test]
fn a_note_of_another_shape_is_refused() {
    let key: NoteKey = NEUMANN.parse().expect("a published key");
    let known = [key];
    let (text, line) = NOTE.split_once("\n\n").expect("a note");
    for refused in [
        NOTE.trim_end().to_owned(),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace('\n', "\r\n"),
        NOTE.replace('—', "-"),
        NOTE.replace("— ", "—  "),
        NOTE.replace("Neumann x", "Neumann  x"),
        NOTE.replace("AM=", "AN="),
        NOTE.replace("AM=", "AM"),
        NOTE.replace("then", "th\ten"),
        NOTE.replace("Neumann", "Neu+mann"),
        format!("{text}\n\n— PeterNeumann x08goA==\n\n{line}x"),
        format!("{text}\n\n— PeterNeumann x08gow==\n"),
        "\n\n".repeat(3) + "x",
        String::new(),
    ] {
        assert_eq!(refusal(refused.as_bytes(), &known), Some(ReasonCode::SigMalformed), "{refused:?}");
    }
    assert_eq!(refusal(b"\xff\n\n", &known), Some(ReasonCode::SigMalformed));
    assert_eq!(refusal(format!("{text}\n\n").as_bytes(), &known), Some(ReasonCode::SigMissing));
    assert_eq!(refusal(format!("{NOTE}\n").as_bytes(), &known), Some(ReasonCode::SigMissing));
    assert_eq!(refusal(format!("{NOTE}\n\n").as_bytes(), &known), Some(ReasonCode::SigMissing));
}

#[test]
fn a_hash_in_padded_pieces_is_none() {
    let text = |pieces: &[usize]| {
        let hash = pieces.iter().map(|n| base64::encode(&vec![7; *n])).collect::<String>();
        Checkpoint::parse(&format!("log.example\n2\n{hash}\n")).map(|c| *c.root())
    };
    assert_eq!(text(&[32]), Ok(Digest::from_bytes([7; 32])));
    for pieces in [&[31, 1][..], &[1, 31], &[5, 16, 11], &[31], &[33]] {
        assert!(text(pieces).is_err(), "{pieces:?}");
    }
}

#[test]
fn notes_have_bounds() {
    let key = note_key("log.example", 1);
    let lines = |count: usize| {
        let line = note("text\n", &[(&key, 1)]).to_text().lines().nth(2).expect("a signature").to_owned() + "\n";
        format!("text\n\n{}", line.repeat(count))
    };
    let known = std::slice::from_ref(&key);
    assert_eq!(refusal(lines(MAX_SIGNATURES).as_bytes(), known), None);
    assert_eq!(refusal(lines(MAX_SIGNATURES + 1).as_bytes(), known), Some(ReasonCode::InputTooLarge));
    let full = SignedNote::parse(lines(MAX_SIGNATURES).as_bytes()).expect("16 signatures");
    assert_eq!(full.and_sign(&key, |text| Ok(sign(1, text))), Err(NoteError::TooLarge));

    let text = |length: usize| "x".repeat(length - 1) + "\n";
    let largest = note(&text(MAX_TEXT_BYTES), &[(&key, 1)]).to_text();
    assert_eq!(refusal(largest.as_bytes(), known), None);
    assert_eq!(refusal(format!("x{largest}").as_bytes(), known), Some(ReasonCode::InputTooLarge));
    assert_eq!(refusal(text(MAX_NOTE_BYTES + 1).as_bytes(), known), Some(ReasonCode::InputTooLarge));
    for refused in ["no line feed", "", "tab\t\n", &text(MAX_TEXT_BYTES + 1)] {
        assert!(SignedNote::sign(refused, &key, |text| Ok::<_, NoteError>(sign(1, text))).is_err());
    }
}

#[test]
fn a_signature_of_another_key_is_not_written() {
    let key = note_key("log.example", 1);
    let refused = SignedNote::sign("text\n", &key, |text| Ok::<_, NoteError>(sign(2, text)));
    assert_eq!(refused.map_err(|e| e.code()), Err(ReasonCode::SigInvalid));
}

proptest! {
    #[test]
    fn no_flipped_bit_of_a_note_is_accepted(at in 0usize..1024, bit in 0u8..8) {
        let known = [NEUMANN.parse().expect("a published key")];
        let mut bytes = NOTE.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(refusal(&bytes, &known).is_some(), "byte {}", at);
    }
}
