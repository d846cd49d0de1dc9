//! Our reader of KDL beside the `kdl` crate: what one reads the other reads, to the same tree with the same places.
//!
//! Where both differ, we hold to KDL 2.0.0:
//!
//! * Characters that KDL refuses are refused in comments, too, and U+007F is one of them.
//! * `-inf` without `#` is no word; `0X`, `0O` and `0B` begin no number; `#"""…"""#` on one line is no raw text.
//! * A node ends, also one that `/-` takes out, with a line break, `;`, its file or its block: the crate reads a node that
//!   follows `/-a {}` on the same line, refuses `;` behind `/-a`, and reads `/-b` behind a block. `/-` takes out one thing.
//! * The parts of a number with a point or an exponent may be longer than 38 digits.
//!
//! And blocks nest at most 64 deep.

use kdl::{KdlDocument, KdlEntry, KdlNode, KdlValue};
use orgo_spec::document::{Document, Node, Scalar, Span, Spanned, parse};
use proptest::prelude::*;

fn ours(text: &str) -> Option<Vec<Node>> {
    parse(&Document::new("d.kdl", text)).ok()
}

/// The crate's reading, on a stack that its recovery does not overflow.
fn theirs(text: &str) -> Option<Vec<Node>> {
    std::thread::scope(|scope| {
        let stack = std::thread::Builder::new().stack_size(64 << 20);
        let read = || Some(KdlDocument::parse_v2(text).ok()?.nodes().iter().map(|n| node(n, text)).collect());
        stack.spawn_scoped(scope, read).expect("a thread").join().expect("no panic")
    })
}

fn node(node: &KdlNode, text: &str) -> Node {
    let span = |span: miette::SourceSpan| Span::new(span.offset(), span.len());
    let mut args = Vec::new();
    let mut props = Vec::new();
    for entry in node.entries() {
        let value = Spanned::new(scalar(entry), span(entry.span()));
        match entry.name() {
            Some(name) => props.push((Spanned::new(name.value().to_owned(), span(name.span())), value)),
            None => args.push(value),
        }
    }
    let written = node.span().offset()..node.span().offset() + node.span().len();
    Node {
        name: Spanned::new(node.name().value().to_owned(), span(node.name().span())),
        args,
        props,
        children: node.children().map_or_else(Vec::new, |c| c.nodes().iter().map(|n| self::node(n, text)).collect()),
        // The crate counts blanks before a closing brace to the node.
        span: Span::new(node.span().offset(), text[written].trim_end().len()),
    }
}

fn scalar(entry: &KdlEntry) -> Scalar {
    match entry.value() {
        KdlValue::String(text) => Scalar::Text(text.clone()),
        KdlValue::Integer(i) => i64::try_from(*i).map_or_else(|_| Scalar::Number(i.to_string()), Scalar::Integer),
        KdlValue::Float(f) => {
            let written = entry.format().map(|f| f.value_repr.clone()).filter(|r| !r.is_empty());
            Scalar::Number(written.unwrap_or_else(|| f.to_string()))
        }
        KdlValue::Bool(b) => Scalar::Bool(*b),
        KdlValue::Null => Scalar::Null,
    }
}

/// Whether the text has something that both may read differently, as the head of this file says.
fn may_differ(text: &str) -> bool {
    let refused =
        |c: char| matches!(c, '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{200e}' | '\u{202e}' | '\u{feff}');
    text.contains(refused)
        || text.contains("/-")
        || ["-inf", "0X", "0O", "0B", "#\"\"\""].iter().any(|odd| text.contains(odd))
}

/// Both read the same tree, or both refuse. Where they may differ, what both read is the same.
fn same(text: &str) -> bool {
    let (ours, theirs) = (ours(text), theirs(text));
    if !may_differ(text) || (ours.is_some() && theirs.is_some()) {
        assert_eq!(ours, theirs, "{text:?}");
    }
    ours.is_some()
}

/// One of these.
fn one(of: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    proptest::sample::select(of).prop_map(str::to_owned)
}

/// Pieces of documents, most of which are refused.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[a-z.+0-9_-]{1,3}",
        8 => one(&[" ", "\n", "; ", " {", "}", "{ ", " }\n", "\n\n", "\t", "\r\n", "\r", "\u{b}", "\u{c}"]),
        4 => one(&["=", "k=", "k=v ", "\"k\"=1 ", " = ", "(t)", "( t )", "(\"t\")", "(", ")", "()"]),
        4 => one(&["\"", "\"a\"", "\"\"", "\"a b\" ", "\"é\"", "#\"", "\"#", "#\"a\\\"#", "##\"a\"#b\"##", "\"\"\"", "\"\"\"\n", "\n\"\"\"", "\n  \"\"\"", "#\"\"\"\n", "\n\"\"\"#"]),
        4 => one(&["\\", "\\\n", " \\ \n ", " \\ // c\n", "\\n", "\\\"", "\\\\", "\\u{e9}", "\\u{d800}", "\\u{110000}", "\\u{", "\\s", "\\q", "\\ \n  "]),
        3 => one(&["//", "// c\n", "/*", "*/", "/* c */", "/*/*c*/*/", "/**/", "*", "/"]),
        3 => one(&["#true", "#false ", " #null ", "#inf", "#nan", "true", "null", "inf", "#", "#t", "1", "-1", "+1.5", "1e3", "1.", ".5", "1_0", "0x1F", "0o17", "0b101", "0xg", "0b2", "1e", "1.5e-3", "9223372036854775808", "-9223372036854775808", "170141183460469231731687303715884105728", "--", "-a", "+.", "-.", ".", "1a"]),
        1 => one(&["é", "\u{a0}", "\u{3000}", "\u{85}", "\u{2028}", "…", "\u{301}", "[", "]", ",", "'", "`", "\u{202f}", "😀"]),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Documents that are read, in every way of writing.
fn valid() -> impl Strategy<Value = String> {
    let gap = one(&[
        " ",
        " ",
        " ",
        "  ",
        "\t",
        "\u{a0}",
        " /* c */ ",
        "/**/",
        " \\\n ",
        " \\ // c\n\t",
        "/* a /* b */ * / */",
    ]);
    let soft = one(&["", "", "", "", " ", "/*x*/", "\\\n"]);
    let text = prop_oneof![
        3 => "[a-z_][a-z0-9._-]{0,5}".prop_filter("keywords are no words", |word| !["true", "false", "null", "inf", "nan"].contains(&word.as_str())),
        1 => one(&["é", "-", "+", ".", "--", "-a", "+.a", "..", "a,b", "<>", "😀", "r", "_1"]),
        3 => "\"([ !#-\\[\\]-~é]|\\\\[nrtsbf\"\\\\]|\\\\u\\{[0-9a-f]{1,4}\\}|\\\\ \n\t ){0,6}\"".prop_filter("scalar values", |text| theirs(text).is_some()),
        1 => "#\"[ !$-~é]{0,6}\"#".prop_filter("one line is no text of several", |text| !text.starts_with("#\"\"\"")),
        1 => "##\"[ !$-~é]{1,6}\"#?\\\\?\"##".prop_filter("one line is no text of several", |text| !text.starts_with("##\"\"")),
        1 => "\"\"\"\n(  [ a-z!\\t]{0,4}(\\\\n|\\\\\n  |\"|)[a-z]?\n|[ \t]{0,3}\r\n){0,4}  \"\"\"".prop_filter("quotes alone", |text| theirs(text).is_some()),
        1 => "#\"\"\"\n(\t[ a-z!\\\\]{0,4}\"?[a-z]\n|[ \t]{0,3}\n){0,4}\t\"\"\"#",
    ];
    let text = text.boxed();
    let number = "[+-]?(0|[1-9][0-9_]{0,12}|0x[0-9a-fA-F][0-9a-f_]{0,8}|0o[0-7][0-7_]{0,8}|0b[01][01_]{0,8}|[0-9]{1,3}\\.[0-9][0-9_]{0,3}|[0-9]{1,3}(\\.[0-9]{1,3})?[eE][+-]?[0-9]{1,2})";
    let value =
        prop_oneof![4 => text.clone(), 2 => number, 1 => one(&["#true", "#false", "#null", "#inf", "#-inf", "#nan"])];
    let class = prop_oneof![5 => Just(String::new()), 1 => (soft.clone(), text.clone(), soft.clone(), soft.clone()).prop_map(|(a, t, b, c)| format!("({a}{t}{b}){c}"))];
    let typed = (class.clone(), value).prop_map(|(class, value)| class + &value).boxed();
    let entry = prop_oneof![
        3 => typed.clone(),
        2 => (text.clone(), soft.clone(), soft.clone(), typed).prop_map(|(name, a, b, value)| format!("{name}{a}={b}{value}")),
    ];
    // `/-` where the crate and KDL agree.
    let out = prop_oneof![6 => Just(String::new()), 1 => one(&["/-", "/- ", "/-\n", "/- // c\n"])];
    let entries = proptest::collection::vec((gap.clone(), out.clone(), entry), 0..4).prop_map(|entries| {
        entries.into_iter().map(|(gap, out, entry)| format!("{gap}{out}{entry}")).collect::<String>()
    });
    let head = (class, text, entries).prop_map(|(class, name, entries)| format!("{class}{name}{entries}")).boxed();
    let end = one(&["\n", "\n", "\n\n", " ; ", ";", " // c\n", "\r\n", "\u{2028}", " /* c */ \n", "\u{85}"]);
    let node = (out.clone(), head.clone(), gap.clone(), end.clone()).prop_map(|(out, head, gap, end)| {
        let end = if out.is_empty() { end } else { "\n".to_owned() };
        format!("{out}{head}{}{end}", if gap.trim().is_empty() { gap } else { String::new() })
    });
    let nodes =
        move |node: BoxedStrategy<String>| proptest::collection::vec(node, 0..4).prop_map(|nodes| nodes.concat());
    let block = node.boxed().prop_recursive(3, 24, 4, move |inner| {
        let body = nodes(inner);
        let extra = prop_oneof![5 => Just(String::new()), 1 => one(&[" /-{ x; }", " /- { }", " /-{}\\\n/-{y}"])];
        (out.clone(), head.clone(), extra.clone(), soft.clone(), body, extra, end.clone()).prop_map(
            |(out, head, before, gap, body, behind, end)| {
                let end = if out.is_empty() { end } else { "\n".to_owned() };
                format!("{out}{head}{before}{gap}{{{body}}}{behind}{end}")
            },
        )
    });
    (one(&["", "", "\u{feff}", "\n", "/- kdl-version 2\n"]), proptest::collection::vec(block, 0..4))
        .prop_map(|(begin, nodes)| format!("{begin}{}", nodes.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_pieces_are_read_the_same_or_refused_by_both(text in soup()) {
        same(&text);
    }

    #[test]
    fn valid_documents_are_read_the_same(text in valid()) {
        let ours = ours(&text);
        prop_assert!(ours.is_some(), "{:?} {:?}", text, parse(&Document::new("d.kdl", text.as_str())).map_err(|e| e.problems().cloned().collect::<Vec<_>>()));
        prop_assert_eq!(ours, theirs(&text), "{:?}", text);
    }

    #[test]
    fn harmed_documents_are_read_the_same(
        text in valid(), at in any::<prop::sample::Index>(), len in 0..3usize, with in one(&["", "", "\"", "{", "}", " ", "\n", "=", "/", "*", "\\", "#", "(", ")", "1", "-", "\u{2028}", ";", "a", "[", "é"])
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len() + 1);
        chars.splice(at..(at + len).min(chars.len()), with.chars());
        same(&chars.into_iter().collect::<String>());
    }
}
