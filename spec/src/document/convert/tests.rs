use proptest::prelude::*;

use super::*;
use crate::document::{Scalar, Spanned};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9._-]{0,6}",
        "[ -~]{0,12}",
        "\\PC{0,6}",
        proptest::sample::select(vec![
            "",
            "no",
            "on",
            "true",
            "null",
            "~",
            "1",
            "-1",
            "1.5",
            "1e3",
            ".inf",
            "0x1",
            "+",
            "<<",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "a,b",
            "|",
            ">",
            "\"",
            "'",
            "\\",
            "a\nb",
            "\t",
            " a",
            "a ",
            "=",
            "?",
            ":",
            "::",
            "a:",
            "---",
            "...",
            "\u{feff}",
            "\u{2028}",
            "\u{85}",
            "é",
            "…",
            "src/**",
            "1:30",
            "2026-01-01",
        ])
        .prop_map(str::to_owned),
    ]
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        4 => text().prop_map(Scalar::Text),
        2 => any::<i64>().prop_map(Scalar::Integer),
        1 => "-?[0-9]{1,3}\\.[0-9]{1,4}([eE][+-]?[0-9]{1,2})?".prop_map(Scalar::Number),
        1 => proptest::sample::select(vec!["#inf", "#-inf", "#nan", "99999999999999999999"]).prop_map(|n| Scalar::Number(n.to_owned())),
        1 => any::<bool>().prop_map(Scalar::Bool),
        1 => Just(Scalar::Null),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let nowhere = |value| Spanned::new(value, Span::default());
    let name = || prop_oneof![3 => "[ab]", 1 => text()];
    let args = proptest::collection::vec(scalar(), 0..4);
    let props = proptest::collection::vec((name(), scalar()), 0..3);
    let leaf = (name(), args, props).prop_map(move |(name, args, props)| Node {
        name: Spanned::new(name, Span::default()),
        args: args.into_iter().map(nowhere).collect(),
        props: props.into_iter().map(|(k, v)| (Spanned::new(k, Span::default()), nowhere(v))).collect(),
        children: Vec::new(),
        span: Span::default(),
    });
    leaf.prop_recursive(3, 24, 5, |inner| {
        (inner.clone(), proptest::collection::vec(inner, 0..5)).prop_map(|(mut node, children)| {
            node.children = children;
            node
        })
    })
}

fn meaning(nodes: &[Node]) -> Vec<Node> {
    nodes.iter().map(Node::meaning).collect()
}

fn read(name: &str, text: &str) -> Vec<Node> {
    match parse(&Document::new(name, text)) {
        Ok(nodes) => nodes,
        Err(error) => panic!("{text}\n{:?}", error.problems().collect::<Vec<_>>()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_tree_survives_both_syntaxes(nodes in proptest::collection::vec(node(), 0..5)) {
        let yaml = yaml::write::document(&nodes, &mut Comments::new(&[], "#"));
        prop_assert_eq!(meaning(&read("d.yaml", &yaml)), meaning(&nodes), "{}", yaml);
        let kdl = kdl::document(&nodes, &mut Comments::new(&[], "//"));
        prop_assert_eq!(meaning(&read("d.kdl", &kdl)), meaning(&nodes), "{}", kdl);
        let there = convert(&Document::new("d.kdl", kdl), Syntax::Yaml).expect("KDL to YAML");
        let back = convert(&Document::new("d.yaml", there.text.as_str()), Syntax::Kdl).expect("YAML to KDL");
        prop_assert_eq!(meaning(&read("d.kdl", &back.text)), meaning(&nodes), "{}\n{}", there.text, back.text);
    }
}

#[test]
fn names_that_look_like_the_marks_of_yaml_survive() {
    for name in ["...", "---", "... x", "--- x", "%x", "...x"] {
        let kdl = format!("\"{name}\" 1 {{\n    a \"{name}\"\n}}\n");
        let there = convert(&Document::new("d.kdl", kdl.as_str()), Syntax::Yaml).expect("KDL to YAML");
        assert_eq!(meaning(&read("d.yaml", &there.text)), meaning(&read("d.kdl", &kdl)), "{}", there.text);
    }
}

#[test]
fn comments_and_order_survive_and_what_is_lost_is_said() {
    let kdl = "// top\npipeline \"ci\" { // the checks\n    // first\n    stage \"a\" { run \"x\" \"y\"; /* inner\n       more */ timeout \"1m\" }\n    /- stage \"b\" { run \"z\" }\n    gate \"g\" on=\"a\" // last\n    // end\n}\n// bottom\n";
    let there = convert(&Document::new("p.kdl", kdl), Syntax::Yaml).expect("converts");
    assert_eq!(
        there.text,
        "# top\n# the checks\npipeline ci:\n  # first\n  # inner\n  #       more\n  stage a:\n    run: [x, \"y\"]\n    timeout: 1m\n  # last\n  gate g:\n    on: a\n# end\n# bottom\n"
    );
    assert_eq!(there.lost.len(), 1);
    let back = convert(&Document::new("p.yaml", there.text), Syntax::Kdl).expect("converts");
    for words in ["// top", "// the checks", "// first", "// inner", "//       more", "// last", "// end", "// bottom"]
    {
        assert!(back.text.contains(words), "{words}\n{}", back.text);
    }
}

#[test]
fn decisions_keep_a_line_each() {
    let kdl = "prefer subject=\"Tc\" property=\"mass\" value=\"97.9\"\n// why\nqualify subject=\"U\" value=\"1\"\nprefer subject=\"W\" value=\"no\"\n";
    let there = convert(&Document::new("d.kdl", kdl), Syntax::Yaml).expect("converts").text;
    assert_eq!(
        there,
        "- prefer: {subject: Tc, property: mass, value: \"97.9\"}\n# why\n- qualify: {subject: U, value: \"1\"}\n- prefer: {subject: W, value: \"no\"}\n"
    );
    let back = convert(&Document::new("d.yaml", there), Syntax::Kdl).expect("converts").text;
    assert_eq!(back.lines().count(), 4, "{back}");
    let one =
        convert(&Document::new("d.kdl", kdl.lines().next().expect("a line")), Syntax::Yaml).expect("converts").text;
    assert_eq!(one.lines().count(), 1, "{one}");
}

#[test]
fn what_cannot_be_said_is_refused() {
    for (name, text, to) in [("d.kdl", "a 1_000.5", Syntax::Yaml), ("d.yaml", "a: .5", Syntax::Kdl)] {
        let error = convert(&Document::new(name, text), to).expect_err("refused");
        assert_eq!(error.code(), ReasonCode::DocumentInvalid);
    }
}
