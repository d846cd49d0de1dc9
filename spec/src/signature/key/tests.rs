//! Keys that load, keys that do not, and their texts.

use super::super::tests::public;
use super::*;

#[test]
fn weak_and_noncanonical_keys_do_not_load() {
    // Points of small order, and the non-canonical encodings among them (y = p, p + 1, sign of zero).
    let weak = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // A point of large order whose y is written as y + p: canonical only as 03…00.
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "f1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for hex in weak {
        let bytes = HEXLOWER.decode(hex.as_bytes()).expect("the test's own hex");
        let bytes: [u8; 32] = bytes.try_into().expect("the test's own length");
        assert_eq!(PublicKey::from_bytes(&bytes).map_err(|e| e.code()), Err(ReasonCode::KeyWeak), "{hex}");
    }
}

#[test]
fn r_is_refused_where_it_is_of_small_order_and_only_there() {
    for y in SMALL_ORDER {
        for sign in [0, 0x80] {
            let mut point = y;
            point[31] |= sign;
            // Zero has no sign: two of the ten are no canonical encodings, and never the result of a computation.
            let weak = VerifyingKey::from_bytes(&point).is_ok_and(|key| key.is_weak());
            assert!(weak || y[1..31] == [0; 30] || y[1..31] == [0xff; 30], "{point:?}");
            let mut signature = [7; 64];
            signature[..32].copy_from_slice(&point);
            assert!(is_small_order(&signature));
        }
    }
    // A key of mixed order and an R of small order: what a lax verifier accepts ("Taming the many EdDSAs", case 2).
    let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).expect("the test's own hex");
    let key = hex("f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43");
    let key = PublicKey::from_bytes(&key.try_into().expect("32 bytes")).expect("not of small order");
    let message = hex("aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab");
    let signature = hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa\
         8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e");
    let signature: [u8; 64] = signature.try_into().expect("64 bytes");
    assert!(key.0.verify(&message, &ed25519_dalek::Signature::from_bytes(&signature)).is_ok(), "lax");
    assert!(!key.verifies(&message, &signature));
}

proptest::proptest! {
    /// The shorter way to a strict answer gives the answer of `verify_strict`.
    #[test]
    fn what_verifies_is_what_verify_strict_accepts(
        seed in 1u8..9, at in 0usize..65, bit in 0u8..8, small in 0usize..20, other: bool
    ) {
        let message = [seed; 40];
        let key = public(if other { seed + 1 } else { seed });
        let mut signature = super::super::tests::sign(seed, &message);
        if let Some(byte) = signature.get_mut(at) {
            *byte ^= 1 << bit;
        }
        if let Some(y) = SMALL_ORDER.get(small) {
            signature[..32].copy_from_slice(y);
        }
        let strict = key.0.verify_strict(&message, &ed25519_dalek::Signature::from_bytes(&signature)).is_ok();
        proptest::prop_assert_eq!(key.verifies(&message, &signature), strict);
    }
}

#[test]
fn a_key_has_one_text_form() {
    let key = public(7);
    let text = key.to_string();
    assert_eq!(text.parse(), Ok(key));
    for refused in [
        format!("{text} comment"),
        format!(" {text}"),
        text.replace(' ', "  "),
        text.replace("ssh-ed25519", "ssh-rsa"),
        text[..text.len() - 4].to_owned(),
    ] {
        assert_eq!(refused.parse::<PublicKey>(), Err(KeyError::Malformed), "{refused}");
    }
}

#[test]
fn the_key_id_is_the_one_that_tuf_clients_compute() {
    // `securesystemslib` for the public key of RFC 8032, 7.1, test 1.
    let bytes = HEXLOWER
        .decode(b"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        .expect("the test's own hex");
    let key = PublicKey::from_bytes(&bytes.try_into().expect("32 bytes")).expect("a good key");
    let object = crate::canonical::parse(
        br#"{"scheme":"ed25519","keytype":"ed25519","keyval":{"public":"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"}}"#,
        crate::canonical::Profile::RECORD,
    );
    let canonical = crate::canonical::to_bytes(&object.expect("the test's own JSON"));
    assert_eq!(key.id().to_string(), Digest::of(&canonical).hex());
}
