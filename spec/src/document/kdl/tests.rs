//! Rules of KDL, each with what it reads and what it refuses.

use super::*;
use crate::ReasonCode;
use crate::document::tree::Scalar;

/// What nodes say, in one line.
fn said(nodes: &[Node]) -> String {
    let scalar = |scalar: &Scalar| match scalar {
        Scalar::Text(text) => format!("{text:?}"),
        Scalar::Integer(i) => i.to_string(),
        Scalar::Number(n) => format!("~{n}"),
        Scalar::Bool(b) => format!("#{b}"),
        Scalar::Null => "#null".to_owned(),
    };
    let node = |node: &Node| {
        let args = node.args.iter().map(|arg| format!(" {}", scalar(arg)));
        let props = node.props.iter().map(|(name, value)| format!(" {}={}", **name, scalar(value)));
        let inside = if node.children.is_empty() { String::new() } else { format!(" {{{}}}", said(&node.children)) };
        format!("{}{}{inside}", *node.name, args.chain(props).collect::<String>())
    };
    nodes.iter().map(node).collect::<Vec<_>>().join("; ")
}

fn read(text: &str) -> Option<String> {
    snippet(text).map(|nodes| said(&nodes))
}

/// Each text is read, and says what stands behind it.
fn reads(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(read(text).as_deref(), Some(*expected), "{text:?}");
    }
}

/// The problems of a text: the place and the message of each.
fn problems(text: &str) -> Vec<(String, String)> {
    let found = reader::Reader::new(text).document().1;
    let told = |problem: &crate::document::Problem| {
        let (from, len) = (problem.span().offset as usize, problem.span().len as usize);
        assert!(problem.help_text().is_some(), "{text:?}: {}", problem.message());
        (text[from..from + len].to_owned(), problem.message().to_owned())
    };
    found.iter().map(told).collect()
}

/// Each text is refused, once, at the place that stands behind it, with a message that has the words behind that.
fn refuses(cases: &[(&str, &str, &str)]) {
    for (text, place, words) in cases {
        let found = problems(text);
        let [(at, message)] = found.as_slice() else { panic!("{text:?}: {found:?}") };
        assert_eq!(at, place, "{text:?}: {message}");
        assert!(message.contains(words), "{text:?}: {message}");
    }
}

#[test]
fn nodes_end_with_lines_semicolons_and_blocks() {
    reads(&[
        ("", ""),
        ("\u{feff}a", "a"),
        ("a\nb\r\nc\rd\u{85}e\u{b}f\u{c}g\u{2028}h\u{2029}i", "a; b; c; d; e; f; g; h; i"),
        ("a;b ; c", "a; b; c"),
        ("a { b; c }; d", "a {b; c}; d"),
        ("a{b}", "a {b}"),
        ("a {}\nb {\n}", "a; b"),
        ("a\t1\u{a0}2\u{3000}3", "a 1 2 3"),
        ("/- kdl-version 2\na", "a"),
    ]);
    refuses(&[
        ("a {b} c", "c", "ends behind its block"),
        ("a {b} {c}", "{", "one block"),
        ("a\n{ b }", "{", "needs a name"),
        ("a;;b", ";", "no node"),
        ("a }", "}", "nothing is open"),
        ("a { b", "{", "not closed"),
        ("a )", ")", "nothing is open"),
    ]);
}

#[test]
fn lines_go_on_and_comments_nest() {
    reads(&[
        ("a \\\n b", "a \"b\""),
        ("a \\ /* c */ // d\n b", "a \"b\""),
        ("a \\", "a"),
        ("a/* b /* c */ d */1", "a 1"),
        ("a /*/**/*/ b // c", "a \"b\""),
        ("// a\n/* b */ c", "c"),
    ]);
    refuses(&[
        ("a \\ b", "\\", "end of a line"),
        ("a /* b /* c */", "/*", "comment is not closed"),
        ("a */", "*/", "no comment is open"),
        ("a // b\u{202e}c", "\u{202e}", "U+202E"),
        ("a /* \u{7f} */", "\u{7f}", "U+007F"),
    ]);
}

#[test]
fn what_slashdash_stands_in_front_of_is_not_there() {
    reads(&[
        ("/-a 1 { b }\nc", "c"),
        ("/- a; b", "b"),
        ("a /-b c /-d=1 e=2", "a \"c\" e=2"),
        ("a /-\nb c", "a \"c\""),
        ("a /-{ b } { c } /-{ d }", "a {c}"),
        ("a /- (t)b", "a"),
    ]);
    refuses(&[
        ("a /-", "/-", "nothing does"),
        ("/-", "/-", "nothing does"),
        ("a /-;", "/-", "nothing does"),
        ("a /- /-b c", "/-", "nothing does"),
        ("a /-{} b", "b", "in front of blocks"),
        ("a {} /-b", "/", "ends behind its block"),
        ("/-a {} b", "b", "ends behind its block"),
        ("a b=/-c", "=", "no value"),
    ]);
}

#[test]
fn words_texts_and_raw_texts_are_text() {
    reads(&[
        ("- -- +a .b -.c é r <,>:'`", "- \"--\" \"+a\" \".b\" \"-.c\" \"é\" \"r\" \"<,>:'`\""),
        ("\"a b\" \"\" \"é\"", "a b \"\" \"é\""),
        (r#"a "\n\r\t\s\b\f\"\\" "\u{e9}\u{1F600}""#, r#"a "\n\r\t \u{8}\u{c}\"\\" "é😀""#),
        ("a \"b\\  \n\t c\"", "a \"bc\""),
        ("a #\"\\n\"# ##\"b\"#c\"## #\"\"#", "a \"\\\\n\" \"b\\\"#c\" \"\""),
    ]);
    refuses(&[
        ("a \"b", "\"", "not closed"),
        ("a \"b\nc", "\"", "not closed"),
        ("a #\"b\"", "#\"", "not closed"),
        ("a \"\\q\"", "\\q", "no escape"),
        ("a \"\\/\"", "\\/", "no escape"),
        ("a \"\\u{d800}\"", "\\u{d800}", "no character"),
        ("a \"\\u{110000}\"", "\\u{110000}", "no character"),
        ("a \"\\u{}\"", "\\u{}", "one to six"),
        ("a \"\\u{1234567}\"", "\\u{1234567}", "one to six"),
        ("a \"\\u1234\"", "\\u1234", "one to six"),
        ("a \"\u{200f}\"", "\u{200f}", "U+200F"),
        ("a src/main.rs", "src/main.rs", "needs quotes"),
        ("a C:\\x", "C:\\x", "needs quotes"),
        ("a f(x)", "f(x)", "needs quotes"),
        ("a b[0]", "b[0]", "needs quotes"),
        ("a [\"b\", \"c\"]", "[\"b\", \"c\"]", "brackets"),
        ("a \"b\"\"c\"", "\"", "blank is missing"),
        ("a \"b\", \"c\"", ",", "separated by blanks"),
        ("\"a\": \"b\"", ":", "no colon"),
        ("a r\"b\"", "\"", "raw text"),
        ("# a", "#", "no comment"),
    ]);
}

#[test]
fn texts_of_several_lines_lose_the_blanks_of_their_last_line() {
    reads(&[
        ("a \"\"\"\n\"\"\"", "a \"\""),
        ("a \"\"\"\n  b\n    c\n\n \t\n  d\n  \"\"\"", "a \"b\\n  c\\n\\n\\nd\""),
        ("a \"\"\"\r\n\tb\r\n\t\"\"\"", "a \"b\""),
        ("a \"\"\"\n  b \\\nc\n  \\  \"\"\"", "a \"b c\""),
        ("a \"\"\"\n  \"b\" \"\" \\\"\"\"\n  \"\"\"", "a \"\\\"b\\\" \\\"\\\" \\\"\\\"\\\"\""),
        ("a #\"\"\"\n  \\n\"\"\"\n  \"\"\"#", "a \"\\\\n\\\"\\\"\\\"\""),
    ]);
    refuses(&[
        ("a \"\"\"b\"\"\"", "\"\"\"", "line below"),
        ("a #\"\"\"b\"\"\"#", "#\"\"\"", "line below"),
        ("a \"\"\" \nb\n\"\"\"", " ", "nothing stands behind"),
        ("a \"\"\"\nb\"\"\"", "\"\"\"", "line of their own"),
        ("a \"\"\"\n  b\\\n  \"\"\"", "\"\"\"", "line of their own"),
        ("a \"\"\"\n b\n  \"\"\"", " ", "further left"),
        ("a \"\"\"\n\tb\n  \"\"\"", "\t", "further left"),
        ("a \"\"\"\nb", "\"\"\"", "not closed"),
        ("a ##\"\"\"\nb\n\"\"\"#", "##\"\"\"", "not closed"),
    ]);
}

#[test]
fn numbers_have_four_radixes_and_keywords_a_hash() {
    reads(&[
        ("a 0 -1 +2 1_000 0xFf -0x10 0o17 0b1_0", "a 0 -1 2 1000 255 -16 15 2"),
        ("a 1.5 -1_0.0_1 1e3 1.5E-3", "a ~1.5 ~-1_0.0_1 ~1e3 ~1.5E-3"),
        ("a 9223372036854775807 9223372036854775808", "a 9223372036854775807 ~9223372036854775808"),
        ("a #true #false #null #inf #-inf #nan", "a #true #false #null ~#inf ~#-inf ~#nan"),
    ]);
    refuses(&[
        ("a 10m", "10m", "no number"),
        ("a .5", ".5", "no number"),
        ("a 1.", "1.", "no number"),
        ("a 1._5", "1._5", "no number"),
        ("a 1e", "1e", "no number"),
        ("a 0x", "0x", "no number"),
        ("a 0x_1", "0x_1", "no number"),
        ("a 0b2", "0b2", "no number"),
        ("a 0X1", "0X1", "no number"),
        ("a 1, 2", "1,", "separated by blanks"),
        ("a 170141183460469231731687303715884105728", "170141183460469231731687303715884105728", "too large"),
        ("a true", "true", "`#true`"),
        ("a -inf", "-inf", "`#-inf`"),
        ("a b=false", "false", "`#false`"),
        ("a true=1", "true", "no name"),
        ("null 1", "null", "no name"),
        ("a #True", "#True", "no keyword"),
        ("1 2", "1", "the name of a node"),
        ("#true", "#true", "the name of a node"),
    ]);
}

#[test]
fn properties_keep_their_order_and_types_say_nothing() {
    reads(&[
        ("a b=1 c \"d e\"=2 b=3", "a \"c\" b=1 d e=2 b=3"),
        ("a b = 1 c=/* d */2", "a b=1 c=2"),
        ("(t)a ( \"t\" ) 1 b=(t)#true", "a 1 b=#true"),
    ]);
    refuses(&[
        ("a = 1", "=", "no blank stands beside"),
        ("a =1", "=", "no blank stands beside"),
        ("a=1", "a=", "behind the name of a node"),
        ("a b=", "=", "no value"),
        ("a b= ; c", "=", "no value"),
        ("a 1=2", "=", "no name of a property"),
        ("a (t)b=1", "=", "no name of a property"),
        ("= 1", "=", "no name"),
        ("()a", "()", "has a name"),
        ("a (t u)1", "(t u)", "one name"),
        ("a (t", "(", "not closed"),
        ("a (t)", "(t)", "behind this type"),
        ("(1)a", "1", "the name of a type"),
    ]);
}

#[test]
fn blocks_nest_no_deeper_than_they_may() {
    let nested = |n: usize| format!("{}{}", "a {\n".repeat(n), "}\n".repeat(n));
    assert!(snippet(&nested(MAX_DEPTH)).is_some());
    for depth in [MAX_DEPTH + 1, 1000, 100_000] {
        let found = reader::Reader::new(&nested(depth)).document().1;
        let [problem] = found.as_slice() else { panic!("{depth}: {}", found.len()) };
        assert_eq!((problem.code(), problem.span().offset), (ReasonCode::InputTooDeep, 4 * 64 + 2));
    }
    // Comments are counted, and texts open nothing.
    assert_eq!(read(&format!("a{}{} 1", "/*".repeat(50_000), "*/".repeat(50_000))).as_deref(), Some("a 1"));
    let block = "stage \"é\" { files \"src/**\" \"{a,b}/*\" \"\\u{7b}\"; run \"x\" \"{\"; }\n";
    assert_eq!(snippet(&block.repeat(5000)).map(|nodes| nodes.len()), Some(5000));
}

#[test]
fn mistakes_are_told_together_and_not_without_end() {
    let places = |text: &str| problems(text).into_iter().map(|(place, _)| place).collect::<Vec<_>>();
    assert_eq!(places("a 10m\nb true { c \"\\q\" }\nd =1\ne src/x\n"), ["10m", "true", "\\q", "=", "src/x"]);
    assert_eq!(places("a {\n    b {\n        c\n    d\n"), ["{", "{"]);
    assert_eq!(places("}\n".repeat(300).as_str()).len(), 64);
    // What an open quote swallows says nothing about braces.
    assert_eq!(places("a \"b {\n    c\n}\n"), ["\""]);
    assert_eq!(places("a \"b { run \"c\" }\n}\n"), ["\""]);
}

#[test]
fn the_block_that_lacks_its_end_is_found_by_its_column() {
    let text = "a {\n    b {\n        c { d; }\n        e {\n            f\n    }\n    g\n}\n";
    let found = reader::Reader::new(text).document().1;
    let [problem] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(problem.span().offset as usize, text.find("e {").map_or(0, |at| at + 2));
}
