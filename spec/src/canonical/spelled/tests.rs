use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{parse, to_pretty};
use super::*;

#[derive(Debug, Clone, serde::Serialize)]
struct Sample {
    a: BTreeMap<String, i64>,
    b: Option<Box<Sample>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    c: Vec<Variant>,
    d: bool,
    e: String,
    f: (u8, Option<u64>),
}

#[derive(Debug, Clone, serde::Serialize)]
enum Variant {
    Unit,
    New(String),
    Pair(i8, u32),
    Named { x: Vec<String>, y: () },
    Turned { y: u8, x: u8 },
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z0-9:./-]{0,8}", 1 => "[\\x00-\\x7f]{0,4}", 1 => "\\PC{0,4}|(?s:.){0,3}"]
}

fn variant() -> impl Strategy<Value = Variant> {
    prop_oneof![
        Just(Variant::Unit),
        text().prop_map(Variant::New),
        any::<(i8, u32)>().prop_map(|(a, b)| Variant::Pair(a, b)),
        proptest::collection::vec(text(), 0..3).prop_map(|x| Variant::Named { x, y: () }),
        any::<(u8, u8)>().prop_map(|(y, x)| Variant::Turned { y, x }),
    ]
}

fn sample() -> impl Strategy<Value = Sample> {
    let maps = || proptest::collection::btree_map(text(), -(1i64 << 54)..1 << 54, 0..3);
    let flat = (maps(), proptest::collection::vec(variant(), 0..4), any::<bool>(), text(), any::<(u8, Option<u64>)>());
    let flat = flat.prop_map(|(a, c, d, e, f)| Sample { a, b: None, c, d, e, f: (f.0, f.1.map(|n| n >> 10)) });
    flat.prop_recursive(3, 4, 1, |inner| {
        inner.prop_map(|b| Sample { e: "deeper".to_owned(), b: Some(Box::new(b.clone())), ..b })
    })
}

/// What the long way says.
fn is_its_spelling(text: &str, value: &Sample) -> bool {
    parse(text.as_bytes(), Profile::RECORD).is_ok()
        && Value::of(value).is_ok_and(|value| to_pretty(&value) == text.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn yes_is_said_only_where_the_long_way_agrees(value in sample(), at in any::<usize>(), with in "[ -~\n]{0,2}") {
        let Ok(tree) = Value::of(&value) else { return Ok(()) };
        let text = String::from_utf8(to_pretty(&tree)).expect("JSON is text");
        if is_spelled(&text, &value, Profile::RECORD) {
            prop_assert!(is_its_spelling(&text, &value));
        }
        let at = at % text.len();
        if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
            let other = format!("{}{with}{}", &text[..at], &text[at + 1..]);
            if is_spelled(&other, &value, Profile::RECORD) {
                prop_assert!(is_its_spelling(&other, &value));
            }
        }
    }
}

#[test]
fn what_records_are_made_of_needs_no_long_way() {
    let inner = Sample {
        a: BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), -2)]),
        b: None,
        c: vec![Variant::Unit, Variant::New("x \"\\ \n é".to_owned()), Variant::Pair(-1, 2)],
        d: true,
        e: String::new(),
        f: (0, Some(1)),
    };
    let named = Variant::Named { x: vec!["q".to_owned()], y: () };
    let value = Sample { a: BTreeMap::new(), b: Some(Box::new(inner.clone())), c: vec![named], ..inner };
    let text = to_pretty(&Value::of(&value).expect("small numbers"));
    let text = std::str::from_utf8(&text).expect("JSON is text");
    assert!(is_spelled(text, &value, Profile::RECORD));
    assert!(!is_spelled(text, &value, Profile { max_bytes: text.len() - 1, ..Profile::RECORD }));
    assert!(!is_spelled(text, &value, Profile { max_depth: 2, ..Profile::RECORD }));
    assert!(!is_spelled(text.trim_end(), &value, Profile::RECORD));
    assert!(!is_spelled(&format!("{text}\n"), &value, Profile::RECORD));
    let hidden = Sample { e: "a\u{202e}".to_owned(), ..value };
    let text = to_pretty(&Value::of(&hidden).expect("small numbers"));
    assert!(!is_spelled(std::str::from_utf8(&text).expect("JSON is text"), &hidden, Profile::RECORD));
}
