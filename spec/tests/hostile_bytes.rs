//! No bytes, however hostile, make a reader panic; and what has one spelling is read in no other.
#![expect(unreachable_pub, reason = "the checks are shared with the fuzz targets")]

#[path = "hostile_bytes/checks.rs"]
mod checks;
#[path = "hostile_bytes/seeds.rs"]
mod seeds;

use std::sync::LazyLock;

use proptest::prelude::*;

static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(seeds::all);

/// One way to harm bytes.
#[derive(Debug, Clone)]
enum Harm {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, prop::sample::Index, u8),
    Splice(prop::sample::Index, prop::sample::Index),
}

impl Harm {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |index: &prop::sample::Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match self {
            Self::Flip(at, with) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= with;
            }
            Self::Flip(..) => {}
            Self::Cut(a, b) => {
                let (a, b) = (place(a, bytes), place(b, bytes));
                bytes.drain(a.min(b)..a.max(b).min(a.min(b) + 64));
            }
            Self::Insert(at, more) => {
                let at = place(at, bytes);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Repeat(a, b, times) => {
                let (a, b) = (place(a, bytes), place(b, bytes));
                let part = bytes[a.min(b)..a.max(b).min(a.min(b) + 64)].to_vec();
                let at = a.max(b);
                bytes.splice(at..at, part.repeat(usize::from(*times)));
            }
            Self::Splice(at, other) => {
                let other = &SEEDS[other.index(SEEDS.len())];
                let at = place(at, bytes);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[at.min(other.len())..]);
            }
        }
    }
}

fn harm() -> impl Strategy<Value = Harm> {
    let index = any::<prop::sample::Index>;
    // What parsers trip over: structure, escapes, numbers at their limits, characters that are not what they look like.
    let token = proptest::sample::select(vec![
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\\",
        "\\u0000",
        "\\ud800",
        "\n",
        "\r\n",
        "\0",
        " ",
        "-",
        "0",
        "1e999",
        "-0",
        "9007199254740992",
        "18446744073709551616",
        "\u{feff}",
        "\u{202e}",
        "é",
        "e\u{301}",
        "#\"",
        "/*",
        "*/",
        "/-",
        "r#",
        "=",
        "#true",
        "{{{{{{{{",
        "[[[[[[[[",
        "— ",
        "sha256:",
        "/x",
        "//",
        "..",
        ".p/256",
        "\n\n",
        "\t",
        "  ",
        ": ",
        "- ",
        "? ",
        "&a ",
        "*a",
        "!!str ",
        "<<: ",
        "|\n",
        ">-\n",
        "---\n",
        "%YAML 1.2\n",
        "#",
        "'",
    ]);
    prop_oneof![
        (index(), 1u8..).prop_map(|(at, with)| Harm::Flip(at, with)),
        (index(), index()).prop_map(|(a, b)| Harm::Cut(a, b)),
        (index(), token).prop_map(|(at, token)| Harm::Insert(at, token.as_bytes().to_vec())),
        (index(), proptest::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, more)| Harm::Insert(at, more)),
        (index(), index(), any::<u8>()).prop_map(|(a, b, times)| Harm::Repeat(a, b, times)),
        (index(), index()).prop_map(|(at, other)| Harm::Splice(at, other)),
    ]
}

fn all_checks(bytes: &[u8]) {
    for (_, check) in checks::ALL {
        check(bytes);
    }
}

#[test]
fn good_bytes_are_read() {
    SEEDS.iter().for_each(|seed| all_checks(seed));
    assert!(SEEDS.len() > 40, "{}", SEEDS.len());
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for (open, close) in [
        ("[", "]"),
        ("{\"a\":", "}"),
        ("a {", "}"),
        ("/*", "*/"),
        ("(", ")"),
        ("a { b ", "}"),
        ("/-", ""),
        ("/-a {", "}"),
        ("a /-{", "}"),
        ("a (", ")"),
        ("a \\\n", ""),
    ] {
        all_checks(format!("{}{}", open.repeat(50_000), close.repeat(50_000)).as_bytes());
        all_checks(open.repeat(100_000).as_bytes());
    }
    // What closes or separates, and has nothing to close: a parser that recovers by calling itself goes as deep.
    for stray in [
        "}",
        "}\n",
        ")",
        ")\n",
        "]",
        "x\" }\n}\n",
        "\"é\" }",
        "a }",
        "=",
        "a =",
        ";",
        "*/",
        "\"",
        "#",
        "\\",
        "a \"\"\"\n",
    ] {
        all_checks(stray.repeat(300).as_bytes());
        all_checks(stray.repeat(50_000).as_bytes());
    }
    for (open, mark, close) in [
        ("/*", "*", "*/ é"),
        ("/*", "/", "*/ é"),
        ("/* ", "a/b*c ", "*/ é"),
        ("/*", "*", ""),
        ("a \"", "\\\\", "\""),
        ("a ", "#", "\""),
    ] {
        all_checks(format!("{open}{}{close}", mark.repeat(50_000)).as_bytes());
    }
    for (open, close) in [("- ", ""), ("a: ", ""), ("? ", ""), ("[{a: ", "}]"), ("a:\n- ", "")] {
        checks::yaml(format!("{}{}", open.repeat(50_000), close.repeat(50_000)).as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        all_checks(&bytes);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        all_checks(text.as_bytes());
    }

    #[test]
    fn harmed_bytes_are_read_or_refused(seed in any::<prop::sample::Index>(), harms in proptest::collection::vec(harm(), 1..6)) {
        let mut bytes = SEEDS[seed.index(SEEDS.len())].clone();
        harms.iter().for_each(|harm| harm.apply(&mut bytes));
        all_checks(&bytes);
    }
}
