use crate::ReasonCode;
use crate::document::{Document, Node, Scalar, parse};

fn read(text: &str) -> Vec<Node> {
    match parse(&Document::new("d.yaml", text)) {
        Ok(nodes) => nodes,
        Err(error) => panic!("{text}\n{:?}", error.problems().collect::<Vec<_>>()),
    }
}

fn refused(text: &str) -> Vec<(ReasonCode, String, String)> {
    let document = Document::new("d.yaml", text);
    let error = parse(&document).expect_err(text);
    let place = |span: crate::document::Span| text[span.offset as usize..(span.offset + span.len) as usize].to_owned();
    error.problems().map(|p| (p.code(), p.message().to_owned(), place(p.span()))).collect()
}

fn same(yaml: &str, kdl: &str) {
    let other = parse(&Document::new("d.kdl", kdl)).expect("KDL");
    let meaning = |nodes: &[Node]| nodes.iter().map(Node::meaning).collect::<Vec<_>>();
    assert_eq!(meaning(&read(yaml)), meaning(&other), "{yaml}\n{kdl}");
}

#[test]
fn a_key_is_the_head_of_a_node_and_its_value_the_rest() {
    same("", "");
    same("# nothing\n", "");
    same("a:\n", "a");
    same("a: {}\n", "a");
    same("a: []\n", "a");
    same("a: b\n", "a \"b\"");
    same("a: [b, c]\n", "a \"b\" \"c\"");
    same("a:\n  - b\n  - c\n", "a \"b\" \"c\"");
    same("a b: c\n", "a \"b\" \"c\"");
    same("a b c: {d: e}\n", "a \"b\" \"c\" { d \"e\" }");
    same("a: {b: 1, c: [2, 3]}\n", "a b=1 { c 2 3 }");
    same("a:\n  - {b: 1}\n  - {b: 2}\n  - []\n  - [x]\n", "a b=1; a b=2; a; a x");
    same("a b:\n  - {c: 1}\n  - {}\n", "a b c=1; a b");
    same("- a: 1\n- b: 2\n- a: 3\n", "a 1; b 2; a 3");
    same("x:\n  a: 1\n  b: 2\n  +:\n    - a: 3\n    - {b: 4, c: 5}\n", "x { a 1; b 2; a 3; b 4; c 5 }");
    same("---\na: 1\n...\n", "a 1");
}

#[test]
fn words_of_a_key_are_typed_and_quoted_like_values() {
    same("a 1 true null \"2\": 3\n", "a 1 #true #null \"2\" 3");
    same("'column \"a: b\"': x\n", "column \"a: b\" x");
    same("column \"a b\": x\n", "column \"a b\" x");
    same("'column \"a \\\"b\\\" \\u{e9}\"': x\n", "column \"a \\\"b\\\" é\" x");
    same("'\"my node\"': x\n", "\"my node\" x");
    same("'\"\"': x\n", "\"\" x");
    same("env   PATH:  /usr/bin:/bin\n", "env \"PATH\" \"/usr/bin:/bin\"");
}

#[test]
fn values_are_typed_by_the_core_schema_and_no_other() {
    same(
        "a: [no, yes, on, off, y, n, NO, 1:30, 2026-11-21, 1_000, 0b1, 1.2.3]\n",
        r#"a "no" "yes" "on" "off" "y" "n" "NO" "1:30" "2026-11-21" "1_000" "0b1" "1.2.3""#,
    );
    same("a: [true, False, null, ~, 0, -3, +4, 010, 0x1F, 0o17]\n", "a #true #false #null #null 0 -3 4 10 31 15");
    let scalars = |text: &str| read(text)[0].args.iter().map(|a| a.value.clone()).collect::<Vec<_>>();
    assert_eq!(
        scalars("a: [1.10, .5, 1e3, -2.5E-3, 99999999999999999999, .inf]\n"),
        ["1.10", ".5", "1e3", "-2.5E-3", "99999999999999999999", "#inf"].map(|n| Scalar::Number(n.to_owned()))
    );
    assert_eq!(
        scalars("a: ['1', \"true\", 'null', \"\", '']\n"),
        ["1", "true", "null", "", ""].map(|t| Scalar::Text(t.to_owned()))
    );
    assert_eq!(scalars("a: |\n  one\n  two\n"), [Scalar::Text("one\ntwo\n".to_owned())]);
    assert_eq!(scalars("a: >-\n  one\n  two\n"), [Scalar::Text("one two".to_owned())]);
    assert_eq!(scalars("a: |-\n  1\n"), [Scalar::Text("1".to_owned())]);
}

#[test]
fn every_place_is_exact_to_the_byte() {
    let text = "# é\npipeline ci:\n  stage \"é b\" é:\n    run: [cargo, 'té st', \"x\\n\"]\n    timeout: 10m # soon\n    deep: {a: [1,\n      2]}\n\n  last:\n\nend: 1\n";
    let nodes = read(text);
    let at = |span: crate::document::Span| &text[span.offset as usize..(span.offset + span.len) as usize];
    let pipeline = &nodes[0];
    assert_eq!((at(pipeline.name.span), at(pipeline.args[0].span)), ("pipeline", "ci"));
    assert!(
        at(pipeline.span).starts_with("pipeline ci:") && at(pipeline.span).ends_with("last"),
        "{:?}",
        at(pipeline.span)
    );
    let stage = &pipeline.children[0];
    assert_eq!((at(stage.name.span), at(stage.args[0].span), at(stage.args[1].span)), ("stage", "\"é b\"", "é"));
    let run = &stage.children[0];
    assert_eq!(run.args.iter().map(|a| at(a.span)).collect::<Vec<_>>(), ["cargo", "'té st'", "\"x\\n\""]);
    assert_eq!(at(run.span), "run: [cargo, 'té st', \"x\\n\"]");
    assert_eq!(at(stage.children[1].span), "timeout: 10m");
    assert_eq!(at(stage.children[2].span), "deep: {a: [1,\n      2]}");
    assert_eq!(at(stage.children[2].children[0].args[1].span), "2");
    assert_eq!(at(nodes[1].span), "end: 1");
}

#[test]
fn what_this_part_of_yaml_does_not_have_is_refused_where_it_stands() {
    use ReasonCode::{DocumentInvalid, FieldDuplicate, InputTooDeep};
    for (text, code, message, place) in [
        ("a: &x 1\n", DocumentInvalid, "anchors are not read", "&x"),
        ("a: *x\n", DocumentInvalid, "aliases are not read", "*x"),
        ("a: !!str 1\n", DocumentInvalid, "tags are not read", "!!str"),
        ("a: !secret x\n", DocumentInvalid, "tags are not read", "!secret"),
        ("<<: {a: 1}\n", DocumentInvalid, "merge keys are not read", "<<"),
        ("a: 1\nb: 2\na: 3\n", FieldDuplicate, "`a` is said twice", "a"),
        ("stage a: {}\nstage  a: {}\n", FieldDuplicate, "`stage a` is said twice", "stage  a"),
        ("a: 1\n---\nb: 2\n", DocumentInvalid, "a file holds one document", "---"),
        ("? [a, b]\n: c\n", DocumentInvalid, "a key is one text", "[a, b]"),
        ("? {a: b}\n: c\n", DocumentInvalid, "a key is one text", "{a: b}"),
        ("a: [1, {b: 2}]\n", DocumentInvalid, "a list holds values, or mappings and lists, not both", "1"),
        ("a: [[[1]]]\n", DocumentInvalid, "a list within a list of lists holds values only", "[1]"),
        ("just text\n", DocumentInvalid, "a document is a mapping, and this is a value", "just text"),
        ("- a\n", DocumentInvalid, "this list holds mappings only", "a"),
        ("+: 1\n", DocumentInvalid, "`+` takes a list of mappings", "1"),
        ("a \"b: 1\n", DocumentInvalid, "the quotes in this key cannot be read", "\"b"),
        ("'': 1\n", DocumentInvalid, "a key has a name", "''"),
    ] {
        assert_eq!(refused(text), [(code, message.to_owned(), place.to_owned())], "{text}");
    }
    for text in [
        "a: [1\n",
        "a: \"x\n",
        "a: 1\n b: 2\n",
        "a:\n\tb: 1\n",
        "%YAML 1.1\n---\na: 1\n",
        "a: b: c\n",
        "a: }\n",
        "@: 1\n",
    ] {
        let problems = refused(text);
        assert_eq!((problems.len(), problems[0].0), (1, DocumentInvalid), "{text} {problems:?}");
        assert!(problems[0].1.starts_with("not YAML: "), "{problems:?}");
    }
    for text in ["[".repeat(1000), "{a: ".repeat(1000), "- ".repeat(1000), "a: ".repeat(2) + &"[[".repeat(100)] {
        let problems = refused(&text);
        assert!(matches!(problems[0].0, InputTooDeep | DocumentInvalid), "{problems:?}");
    }
    let all = refused("a: &x !t 1\nb: *x\na: 2\n<<: 1\n");
    assert_eq!(all.len(), 5, "all of one file at once: {all:?}");
}

#[test]
fn a_hundred_comments_in_a_row_are_only_comments() {
    let text = format!("a: 1\n{}b: 2\n", "# c\n".repeat(1000));
    assert_eq!(read(&text).len(), 2);
    assert_eq!(super::comments(&text).len(), 1000);
}
