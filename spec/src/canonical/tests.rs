//! The vectors of `spec/vectors/canonical.json`, and a foreign implementation as an oracle.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    about: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    profile: String,
    input: Option<String>,
    input_hex: Option<String>,
    pad_with_spaces_to: Option<usize>,
    canonical_hex: Option<String>,
    sha256: Option<Digest>,
    code: Option<crate::ReasonCode>,
}

impl Vector {
    fn profile(&self) -> Profile {
        match self.profile.as_str() {
            "record" => Profile::RECORD,
            "document" => Profile::DOCUMENT,
            "data" => Profile::DATA,
            other => panic!("the profile {other} is not known"),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let hex = |h: &String| data_encoding::HEXLOWER.decode(h.as_bytes()).expect("hexadecimal digits");
        let mut bytes = match (&self.input, &self.input_hex) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(digits)) => hex(digits),
            _ => panic!("{}: exactly one input", self.name),
        };
        bytes.resize(self.pad_with_spaces_to.unwrap_or(0).max(bytes.len()), b' ');
        bytes
    }
}

#[test]
fn every_vector_holds() {
    let file: Vectors = serde_json::from_str(include_str!("../../vectors/canonical.json")).expect("the vector file");
    assert!(!file.about.is_empty());
    let (mut accepted, mut refused) = (0, 0);
    for vector in &file.vectors {
        let result = parse(&vector.bytes(), vector.profile());
        match (&vector.canonical_hex, vector.code) {
            (Some(hex), None) => {
                let value = result.unwrap_or_else(|e| panic!("{}: {e}", vector.name));
                let bytes = to_bytes(&value);
                assert_eq!(&data_encoding::HEXLOWER.encode(&bytes), hex, "{}", vector.name);
                assert_eq!(Some(Digest::of(&bytes)), vector.sha256, "{}", vector.name);
                assert_eq!(parse(&bytes, vector.profile()), Ok(value), "{}: read back", vector.name);
                accepted += 1;
            }
            (None, Some(code)) => {
                let error = result.expect_err(&vector.name);
                assert_eq!(error.code(), code, "{}: {error}", vector.name);
                assert!(error.offset() <= vector.bytes().len(), "{}: the place lies in the text", vector.name);
                refused += 1;
            }
            _ => panic!("{}: either canonical bytes or a code", vector.name),
        }
    }
    assert!(accepted >= 40 && refused >= 60, "{accepted} accepted, {refused} refused");
}

#[test]
fn the_reviewers_form_has_one_element_a_line() {
    let value = parse(br#"{"b":[1,{"d":2,"c":[]}],"a":{},"e":"x\ny"}"#, Profile::RECORD).expect("well formed");
    let text = "{\n  \"a\": {},\n  \"b\": [\n    1,\n    {\n      \"c\": [],\n      \"d\": 2\n    }\n  ],\n  \"e\": \"x\\ny\"\n}\n";
    assert_eq!(String::from_utf8(to_pretty(&value)).expect("text"), text);
}

#[test]
fn what_is_not_json_is_refused_when_it_is_written() {
    use std::collections::BTreeMap;
    for refused in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 9_007_199_254_740_992.0, 1e20] {
        assert_eq!(bytes_of(&refused).map_err(|e| e.code()), Err(ReasonCode::JsonNumberRefused), "{refused}");
    }
    assert_eq!(bytes_of(&1e21), Ok(b"1e+21".to_vec()));
    assert!(bytes_of(&u64::MAX).is_err() && bytes_of(&(1i64 << 53)).is_err());
    assert!(bytes_of(&i128::MIN).is_err());
    assert!(bytes_of(&BTreeMap::from([(1, 2)])).is_err(), "a key that is not text");

    struct Twice;
    impl Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([("b", 1), ("a", 2), ("b", 3)])
        }
    }
    assert_eq!(bytes_of(&Twice).map_err(|e| e.code()), Err(ReasonCode::JsonDuplicateKey));
}

#[test]
fn every_shape_of_serde_is_written_as_serde_json_does() {
    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct New(u8);
    #[derive(Serialize)]
    struct Pair(u8, char);
    #[derive(Serialize)]
    enum Shape {
        Unit,
        New(u8),
        Tuple(u8, bool),
        Struct { z: Option<u8>, a: &'static str },
    }
    #[derive(Serialize)]
    struct All {
        unit: Unit,
        new: New,
        pair: Pair,
        shapes: Vec<Shape>,
        none: Option<u8>,
        tuple: (i8, i64, f32),
        nothing: (),
    }
    let all = All {
        unit: Unit,
        new: New(1),
        pair: Pair(2, 'é'),
        shapes: vec![Shape::Unit, Shape::New(3), Shape::Tuple(4, true), Shape::Struct { z: None, a: "b" }],
        none: None,
        tuple: (-1, -2, 0.5),
        nothing: (),
    };
    assert_eq!(bytes_of(&all), Ok(serde_json_canonicalizer::to_vec(&all).expect("the oracle writes it")));
}

/// Values as upstream data may hold them.
fn values() -> impl Strategy<Value = serde_json::Value> {
    let number = prop_oneof![
        (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).prop_map(serde_json::Value::from),
        prop::num::f64::NORMAL.prop_map(serde_json::Value::from),
        prop::num::f64::SUBNORMAL.prop_map(serde_json::Value::from),
        (-1e9..1e9f64).prop_map(serde_json::Value::from),
    ];
    let text = prop_oneof![
        any::<String>(),
        "[\u{0}-\u{7f}]{0,8}",
        "[\u{d700}-\u{d7ff}\u{e000}-\u{ffff}\u{10000}-\u{10ffff}]{0,4}"
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        number,
        text.clone().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

/// Whether a number is one of those that are refused because they would be written as a huge integer.
fn has_huge_integer(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(n) => {
            n.as_f64().is_some_and(|f| f.fract() == 0.0 && f.abs() > 9e15 && f.abs() < 1e21)
        }
        serde_json::Value::Array(items) => items.iter().any(has_huge_integer),
        serde_json::Value::Object(members) => members.values().any(has_huge_integer),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::String(_) => false,
    }
}

proptest! {
    /// Our bytes are those of another implementation of RFC 8785, and they read back to the same value.
    #[test]
    fn canonical_bytes_are_those_of_the_oracle(value in values()) {
        prop_assume!(!has_huge_integer(&value));
        let bytes = bytes_of(&value).expect("a JSON value");
        let ours = Value::of(&value).expect("a JSON value");
        prop_assert_eq!(to_bytes(&ours), bytes.clone());
        let oracle = serde_json_canonicalizer::to_vec(&value).expect("the oracle writes it");
        prop_assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&oracle));
        let read = parse(&bytes, Profile::DATA).expect("what is written can be read");
        prop_assert_eq!(to_bytes(&read), bytes.clone());
        let from_pretty = parse(&to_pretty(&ours), Profile::DATA).expect("the pretty form is JSON");
        prop_assert_eq!(to_bytes(&from_pretty), bytes);
    }

    /// The formatter agrees with the oracle on every bit pattern, those that we refuse to read included.
    #[test]
    fn numbers_are_those_of_the_oracle(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        let oracle = serde_json_canonicalizer::to_string(&number).expect("finite");
        prop_assert_eq!(format_number(number), oracle);
    }

    /// No text at all makes the reader panic, and what it accepts is one value with one spelling.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = parse(&bytes, Profile::DATA) {
            let written = to_bytes(&value);
            prop_assert_eq!(parse(&written, Profile::DATA).map(|v| to_bytes(&v)), Ok(written));
        }
    }

    /// Texts made of the pieces of JSON reach deeper into the reader; it accepts nothing that serde_json refuses.
    #[test]
    fn nothing_is_accepted_that_is_not_json(pieces in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ":", ",", "\"a\"", "\"b\"", "\"\\u0061\"", "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "0", "-1", "1.5",
        "1e3", "true", "null", " ", "\n", "\\", "\"",
    ]), 0..24)) {
        let text = pieces.concat();
        if parse(text.as_bytes(), Profile::DATA).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        }
    }
}

/// Everything that serde tells serializers apart by, with members in no order.
#[derive(Debug, Clone, serde::Serialize)]
enum Shape {
    Nothing,
    Wrapped(Box<Shape>),
    Pair(i64, f64),
    Named {
        z: Option<bool>,
        a: Vec<Shape>,
        nested: Fields,
    },
    #[serde(untagged)]
    Map(Unordered),
    #[serde(untagged)]
    Text(String, char),
    #[serde(untagged)]
    Number(u64),
}

#[derive(Debug, Clone, serde::Serialize)]
struct Fields {
    zulu: f32,
    alpha: (u8, i128),
    #[serde(rename = "\u{e000}")]
    private: (),
    #[serde(rename = "\u{1f600}")]
    smile: String,
}

/// A map whose members come as they are, also twice.
#[derive(Debug, Clone)]
struct Unordered(Vec<(String, Shape)>);

impl serde::Serialize for Unordered {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, shape)| (name, shape)))
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let number =
        prop_oneof![any::<u64>(), 0..MAX_SAFE_INTEGER.unsigned_abs(), Just(MAX_SAFE_INTEGER.unsigned_abs() + 1)];
    let small = -MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER;
    let leaf = prop_oneof![
        Just(Shape::Nothing),
        (small, prop_oneof![any::<f64>(), -1.0e3..1.0e3]).prop_map(|(i, f)| Shape::Pair(i, f)),
        (any::<String>(), any::<char>()).prop_map(|(text, c)| Shape::Text(text, c)),
        number.prop_map(Shape::Number),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof!["[a-c]", any::<String>(), "[\u{e000}\u{ffff}\u{10000}\u{10ffff}a]{1,2}"];
        let fields = (any::<i16>(), any::<u8>(), -9i128..9, "\\PC*").prop_map(|(zulu, byte, i, smile)| Fields {
            zulu: f32::from(zulu) / 8.0, // the same digits as a double
            alpha: (byte, i),
            private: (),
            smile,
        });
        prop_oneof![
            inner.clone().prop_map(|shape| Shape::Wrapped(Box::new(shape))),
            (any::<Option<bool>>(), prop::collection::vec(inner.clone(), 0..4), fields)
                .prop_map(|(z, a, nested)| Shape::Named { z, a, nested }),
            prop::collection::vec((name, inner), 0..5).prop_map(|members| Shape::Map(Unordered(members))),
        ]
    })
}

/// Which refusals a shape deserves, wherever they stand in it.
fn faults(shape: &Shape, found: &mut Vec<ReasonCode>) {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    match shape {
        Shape::Nothing | Shape::Text(..) => {}
        Shape::Wrapped(inner) => faults(inner, found),
        Shape::Pair(_, f) => {
            let huge = f.fract() == 0.0 && f.abs() > LARGEST && f.abs() < 1e21;
            found.extend((huge || !f.is_finite()).then_some(ReasonCode::JsonNumberRefused));
        }
        Shape::Named { a, .. } => a.iter().for_each(|inner| faults(inner, found)),
        Shape::Map(Unordered(members)) => {
            let names: std::collections::BTreeSet<&String> = members.iter().map(|(name, _)| name).collect();
            found.extend((names.len() < members.len()).then_some(ReasonCode::JsonDuplicateKey));
            members.iter().for_each(|(_, inner)| faults(inner, found));
        }
        Shape::Number(n) => {
            let fits = i64::try_from(*n).is_ok_and(|n| n <= MAX_SAFE_INTEGER);
            found.extend((!fits).then_some(ReasonCode::JsonNumberRefused));
        }
    }
}

proptest! {
    /// Types are written as another implementation of RFC 8785 writes them, where it may be done at all.
    #[test]
    fn types_are_written_as_the_oracle_does_or_refused(shape in shapes()) {
        let mut deserved = Vec::new();
        faults(&shape, &mut deserved);
        match bytes_of(&shape) {
            Ok(bytes) => {
                prop_assert_eq!(deserved, vec![]);
                let oracle = serde_json_canonicalizer::to_vec(&shape).expect("the oracle writes it");
                prop_assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&oracle));
                let tree = Value::of(&shape).expect("it was written");
                prop_assert_eq!(to_bytes(&tree), bytes);
                prop_assert_eq!(pretty_of(&shape).expect("it was written"), to_pretty(&tree));
            }
            Err(refused) => {
                prop_assert!(deserved.contains(&refused.code()), "{} of {:?}", refused, deserved);
                prop_assert_eq!(Value::of(&shape).map_err(|e| e.code()), Err(refused.code()));
                prop_assert_eq!(pretty_of(&shape).map_err(|e| e.code()), Err(refused.code()));
            }
        }
    }
}
