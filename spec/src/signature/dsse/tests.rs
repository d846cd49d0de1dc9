//! Envelopes: what is accepted, and which code what is refused has.

use super::super::tests::{public, sign};
use super::*;

const PAYLOAD: &[u8] = b"{\n  \"a\": 1\n}\n";

fn envelope(seeds: &[u8]) -> Envelope {
    let message = pae(PAYLOAD_TYPE, PAYLOAD);
    Envelope::new(seeds.iter().map(|s| (public(*s), sign(*s, &message))))
}

fn quorum(threshold: usize, seeds: &[u8]) -> Quorum {
    Quorum::new(threshold, seeds.iter().map(|s| public(*s))).expect("the test's own quorum")
}

fn code(result: Result<BTreeSet<PublicKey>, EnvelopeError>) -> Result<usize, ReasonCode> {
    result.map(|s| s.len()).map_err(|e| e.code())
}

#[test]
fn pae_is_the_one_of_the_specification() {
    assert_eq!(
        pae("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
}

#[test]
fn an_envelope_reads_back_and_verifies() {
    let envelope = envelope(&[1, 2]);
    assert_eq!(Envelope::parse(&envelope.to_bytes()), Ok(envelope.clone()));
    assert_eq!(code(envelope.verify(PAYLOAD, &[quorum(2, &[1, 2, 3])])), Ok(2));
    assert_eq!(code(envelope.verify(b"{}", &[quorum(1, &[1, 2])])), Err(ReasonCode::SigInvalid));
}

#[test]
fn thresholds_count_distinct_keys() {
    let mut twice = envelope(&[1]);
    twice.signatures.push(twice.signatures[0].clone());
    let twice = Envelope::parse(&twice.to_bytes()).expect("a well-formed envelope");
    assert_eq!(code(twice.verify(PAYLOAD, &[quorum(2, &[1, 2])])), Err(ReasonCode::SigThresholdNotMet));
    // Every quorum by itself: two runner keys do not stand in for the root.
    assert_eq!(
        code(envelope(&[1, 2]).verify(PAYLOAD, &[quorum(1, &[1, 2]), quorum(1, &[3])])),
        Err(ReasonCode::SigThresholdNotMet)
    );
    assert_eq!(code(envelope(&[1]).verify(PAYLOAD, &[])), Err(ReasonCode::KeyUnknown));
}

#[test]
fn no_signature_is_skipped() {
    assert_eq!(code(envelope(&[1, 9]).verify(PAYLOAD, &[quorum(1, &[1])])), Err(ReasonCode::KeyUnknown));
    let mut bad = envelope(&[1, 2]);
    bad.signatures[1].bytes[5] ^= 1;
    assert_eq!(code(bad.verify(PAYLOAD, &[quorum(1, &[1, 2])])), Err(ReasonCode::SigInvalid));
}

#[test]
fn a_signature_with_another_s_of_the_same_class_is_refused() {
    // S + L verifies under lax implementations (supply-chain T-13).
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleable = envelope(&[1]);
    let mut carry = 0u16;
    for (byte, l) in malleable.signatures[0].bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(code(malleable.verify(PAYLOAD, &[quorum(1, &[1])])), Err(ReasonCode::SigInvalid));
}

#[test]
fn every_deviation_from_the_format_has_its_code() {
    let good = String::from_utf8(envelope(&[1]).to_bytes()).expect("JSON is UTF-8");
    let sig = base64::encode(&envelope(&[1]).signatures[0].bytes);
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    // As long as the right spelling, in two pieces of which the first is padded.
    let bytes = envelope(&[1]).signatures[0].bytes;
    let pieces = [&bytes[..61], &bytes[61..]].map(base64::encode).concat();
    let short = base64::encode(&envelope(&[1]).signatures[0].bytes[..63]);
    for (text, code) in [
        (with("\"keyid\"", "\"alg\": \"none\",\n      \"keyid\""), ReasonCode::EnvelopeFieldUnknown),
        (with("\"payloadType\"", "\"payload\": \"e30=\",\n  \"payloadType\""), ReasonCode::EnvelopeFieldUnknown),
        (with("vnd.in-toto", "vnd.other"), ReasonCode::PayloadTypeMismatch),
        (with(&sig, &short), ReasonCode::SigMalformed),
        (with(&sig, &sig[..86]), ReasonCode::SigMalformed),
        (with(&sig, &format!("{sig} ")), ReasonCode::SigMalformed),
        (with(&sig, &pieces), ReasonCode::SigMalformed),
        (with(&sig, "%%"), ReasonCode::SigMalformed),
        (with("  \"sig", "\t\"sig"), ReasonCode::SigMalformed),
        (format!("{good}\n"), ReasonCode::SigMalformed),
        (format!("{good}x"), ReasonCode::SigMalformed),
        (String::new(), ReasonCode::SigMalformed),
        ("[]\n".to_owned(), ReasonCode::SigMalformed),
        (format!("{{\n  \"payloadType\": \"{PAYLOAD_TYPE}\",\n  \"signatures\": []\n}}\n"), ReasonCode::SigMissing),
        (format!("{{\n  \"payloadType\": \"{PAYLOAD_TYPE}\"\n}}\n"), ReasonCode::SigMissing),
        (with("\"sig\"", "\"sig\": \"\",\n      \"sig\""), ReasonCode::JsonDuplicateKey),
        (good.replace('{', &"[".repeat(40)), ReasonCode::InputTooDeep),
        (" ".repeat(MAX_ENVELOPE_BYTES + 1), ReasonCode::InputTooLarge),
    ] {
        assert_eq!(Envelope::parse(text.as_bytes()).map_err(|e| e.code()), Err(code), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_flipped_bit_is_accepted(at in 0usize..4096, bit in 0u8..8) {
        let quorums = [quorum(1, &[1, 2])];
        let envelope = envelope(&[1, 2]).to_bytes();
        let mut flipped = envelope.clone();
        let at = at % flipped.len();
        flipped[at] ^= 1 << bit;
        let accepted = Envelope::parse(&flipped).and_then(|e| e.verify(PAYLOAD, &quorums));
        proptest::prop_assert!(accepted.is_err(), "byte {at} of the envelope");

        let mut payload = PAYLOAD.to_vec();
        let at = at % payload.len();
        payload[at] ^= 1 << bit;
        let accepted = Envelope::parse(&envelope).and_then(|e| e.verify(&payload, &quorums));
        proptest::prop_assert!(accepted.is_err(), "byte {at} of the payload");
    }
}
