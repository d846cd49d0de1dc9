use proptest::prelude::*;

use super::*;

fn laid_out(text: &str) -> String {
    match format_kdl(&Document::new("d.kdl", text)) {
        Ok(text) => text,
        Err(error) => panic!("{text}\n{:?}", error.problems().collect::<Vec<_>>()),
    }
}

#[test]
fn a_document_has_one_layout() {
    let text = "\u{feff}// top\r\n\r\n\r\n\r\npipeline   \"ci\"   profile=kristal  {\n\n\n  // first  \n\tstage a timeout=\"1m\" x   {run cargo \"test\" ; \"out\" \"o\"}  // why\n\n\n\n  stage \"b\" uses=\"x\" \"y\" {\n run #\"a\"# ##\"b\"c\"## \\ // goes on\n  1 -2 #true (u8)3;  /* in */ more /* between */ 1 /-2\n  }; c\n  /- gone { a }\n  empty { }\n\n}\n/* many\n   lines */\n\n";
    let got = laid_out(text);
    let expected = "// top\n\npipeline \"ci\" profile=\"kristal\" {\n    // first\n    stage \"a\" \"x\" timeout=\"1m\" { run \"cargo\" \"test\"; out \"o\" } // why\n\n    stage \"b\" \"y\" uses=\"x\" {\n        run \"a\" ##\"b\"c\"## \\ // goes on\n            1 -2 #true (u8)3\n        /* in */\n        more /* between */ 1 /-2\n    }\n    c\n    /-gone { a }\n    empty {}\n}\n/* many\n   lines */\n";
    assert_eq!(got, expected);
    assert_eq!(laid_out(&got), got, "once is enough");
}

#[test]
fn a_line_that_is_too_long_is_broken_and_stays_broken() {
    let text = format!("a {{ run \"{}\"; b \"c\" }}\n", "x".repeat(110));
    let got = laid_out(&text);
    assert_eq!(got.lines().count(), 4, "{got}");
    assert_eq!(laid_out(&got), got);
}

#[test]
fn our_own_documents_survive() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a repository");
    for path in
        ["orgo.kdl", "pipelines/ci.kdl", "examples/hello/pipelines/hello.kdl", "examples/elements/maps/elements.kdl"]
    {
        let text = std::fs::read_to_string(root.join(path)).expect("there");
        let once = laid_out(&text);
        assert_eq!(laid_out(&once), once, "{path}");
    }
}

#[test]
fn what_does_not_parse_is_refused() {
    for text in ["a {", "a \"b", "a }", "a=1", "/* x"] {
        assert!(format_kdl(&Document::new("d.kdl", text)).is_err(), "{text}");
    }
}

fn check(text: &str) -> Result<bool, TestCaseError> {
    let Ok(before) = parse(&Document::new("d.kdl", text)) else { return Ok(false) };
    match format_kdl(&Document::new("d.kdl", text)) {
        Ok(once) => {
            let after = parse(&Document::new("d.kdl", once.as_str())).expect("still KDL");
            prop_assert_eq!(values(&before), values(&after));
            prop_assert_eq!(said(text), said(&once));
            prop_assert_eq!(laid_out(&once), once, "not idempotent: {:?}", text);
            Ok(true)
        }
        Err(_) => Ok(false),
    }
}

fn document() -> impl Strategy<Value = String> {
    let entry = proptest::sample::select(vec![
        "a",
        "\"b c\"",
        "k=1",
        "k=\"v\"",
        "1.5",
        "#true",
        "#\"r\"#",
        "(t)x",
        "k=(t)1",
        "\"\\u{e9}\\\"\"",
        "/* c */",
        "\\\n",
        "\\ // x\n",
        "/-gone",
        "/-k=2",
        "é",
        "-x",
    ]);
    let head = (
        proptest::sample::select(vec!["a", "\"b\"", "\"c d\"", "(t)e", "/-f", "/- g"]),
        proptest::collection::vec(entry, 0..4),
    )
        .prop_map(|(name, entries)| format!("{name} {}", entries.join(" ")));
    let end = proptest::sample::select(vec![
        "\n",
        ";",
        "\n\n\n",
        " // t\n",
        "; // u\n",
        "\n// own\n",
        "\n\n/* b\n  c */\n",
        "\r\n",
    ]);
    let node = (head.clone(), end.clone()).prop_map(|(head, end)| format!("{head}{end}"));
    node.prop_recursive(3, 24, 4, move |inner| {
        let open = proptest::sample::select(vec!["{", "{\n", "{ // o\n", "{ // p\n\n", "{\n\n// q\n", "/-{"]);
        (head.clone(), open, proptest::collection::vec(inner, 0..4), end.clone())
            .prop_map(|(head, open, inside, end)| format!("{head} {open} {}}}{end}", inside.concat()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn layout_keeps_meaning_and_comments_and_is_done_once(nodes in proptest::collection::vec(document(), 0..4)) {
        check(&nodes.concat())?;
    }

    #[test]
    fn any_text_is_laid_out_or_left(text in "([ab1\"#=;{}()/\\\\ \n-]|stage |\"x y\" |k=\"v\" |\\{ |\\} |; |\n|// c\n|/-|/\\* d \\*/){0,24}") {
        check(&text)?;
    }
}

#[test]
fn most_generated_documents_are_laid_out() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut valid, mut done) = (0, 0);
    for _ in 0..400 {
        let text = document().new_tree(&mut runner).expect("generates").current();
        if parse(&Document::new("d.kdl", text.as_str())).is_ok() {
            valid += 1;
            done += usize::from(check(&text).expect("holds"));
        }
    }
    assert!(valid > 150 && done * 10 >= valid * 8, "{done} of {valid}");
}
