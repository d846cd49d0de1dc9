//! Golden vectors, made with the public protocol crate (`interop/reapi`), and laws of the key.

use orgo_spec::document::Document;
use orgo_spec::pipeline::parse_pipelines;
use serde_json::Value;

use super::*;
use crate::expand::expand;

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let list = value.as_array().expect("a list");
    let mut pairs: Vec<_> = list.iter().map(|p| (text(&p["name"]), text(&p["value"]))).collect();
    pairs.sort();
    pairs
}

fn fill(tree: &mut Tree, prefix: &str, folder: &Value) {
    let at = |node: &Value| format!("{prefix}{}", text(&node["name"]));
    for file in folder["files"].as_array().expect("files") {
        let blob = Blob {
            digest: Digest::from_hex(&text(&file["digest"])).expect("a digest"),
            size_bytes: file["size"].as_u64().expect("a size"),
        };
        tree.file(&at(file), blob, file["executable"].as_bool().expect("a truth value")).expect("free");
    }
    for link in folder["symlinks"].as_array().expect("links") {
        tree.link(&at(link), &text(&link["target"])).expect("free");
    }
    for inner in folder["directories"].as_array().expect("folders") {
        tree.folder(&at(inner)).expect("free");
        fill(tree, &format!("{}/", at(inner)), &inner["tree"]);
    }
}

fn check(message: &[u8], expected: &Value, what: &str) {
    assert_eq!(data_encoding(message), text(&expected["hex"]), "{what}");
    assert_eq!(Digest::of(message).hex(), text(&expected["digest"]), "{what}");
}

fn data_encoding(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn messages_are_those_of_the_public_protocol_crate() {
    let vectors: Value = serde_json::from_str(include_str!("../../vectors/actions.json")).expect("JSON");
    let cases = vectors["cases"].as_array().expect("cases");
    assert!(cases.len() >= 12);
    for case in cases {
        let name = text(&case["name"]);
        let command = &case["command"];
        let list = |v: &Value| v.as_array().expect("a list").iter().map(text).collect::<Vec<_>>();
        let (arguments, mut outputs) = (list(&command["arguments"]), list(&command["output_paths"]));
        outputs.sort();
        let (environment, platform) = (pairs(&command["environment"]), pairs(&command["platform"]));
        let platform: Vec<(&str, &str)> = platform.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let command =
            Command { arguments: &arguments, environment: &environment, output_paths: &outputs, platform: &platform };
        let command = command.encode();
        check(&command, &case["expected"]["command"], &name);

        let mut tree = Tree::default();
        fill(&mut tree, "", &case["input_root"]);
        let mut messages = Vec::new();
        let root = tree.encode(&mut |inner| messages.push(data_encoding(inner)));
        messages.push(data_encoding(&root));
        messages.sort();
        messages.dedup();
        let mut expected: Vec<String> = case["expected"]["directories"]
            .as_array()
            .expect("folders")
            .iter()
            .map(|d| text(&d["message"]["hex"]))
            .collect();
        expected.sort();
        expected.dedup();
        assert_eq!(messages, expected, "{name}");

        let salt = text(&case["salt"]);
        let action = ActionMessage {
            command: Blob::of(&command),
            input_root: Blob::of(&root),
            timeout_ms: case["timeout_ms"].as_u64(),
            do_not_cache: case["do_not_cache"].as_bool().expect("a truth value"),
            salt: salt.as_bytes(),
            platform: &platform,
        };
        check(&action.encode(), &case["expected"]["action"], &name);
    }
}

fn key_of(stage: &str, inputs: &Inputs<'_>) -> StageKey {
    let document = Document::new("p.kdl", format!("pipeline \"p\" {{ {stage} }}"));
    let pipelines = parse_pipelines(&document).expect("decodes");
    let plan = expand(&document, &pipelines[0]).expect("expands");
    stage_key(&plan.stages[0], inputs).expect("no conflict").key
}

#[test]
fn the_table_of_ingredients_holds() {
    let blob = |t: &str| Blob::of(t.as_bytes());
    let file =
        |path: &str, content: &str, executable| SourceFile { path: path.into(), blob: blob(content), executable };
    let (a, b) = (file("a", "1", false), file("b", "2", false));
    let files = [a.clone(), b.clone()];
    let base =
        Inputs { files: &files, upstream: &[("in/x", blob("t"))], builtin: None, tools: Digest::EMPTY, secrets: &[] };
    let stage = r#"stage "s" { run "x" "y"; env "N" "v"; out "o"; timeout "1m" }"#;
    let key = key_of(stage, &base);

    for same in [
        r#"stage "renamed" { run "x" "y"; env "N" "v"; out "o"; timeout "1m" }"#,
        r#"stage "s" { out "o"; env "N" "v"; run "x" "y"; timeout "60s"; retries 3; cpus 2; memory "1GiB" }"#,
    ] {
        assert_eq!(key_of(same, &base), key, "{same}");
    }
    assert_eq!(key_of(stage, &Inputs { files: &[b.clone(), a.clone()], ..base.clone() }), key, "order of inputs");

    for other in [
        r#"stage "s" { run "x" "z"; env "N" "v"; out "o"; timeout "1m" }"#,
        r#"stage "s" { run "x" "y"; env "N" "w"; out "o"; timeout "1m" }"#,
        r#"stage "s" { run "x" "y"; env "N" "v"; out "p"; timeout "1m" }"#,
        r#"stage "s" { run "x" "y"; env "N" "v"; out "o"; timeout "2m" }"#,
        r#"stage "s" { run "x" "y"; env "N" "v"; out "o"; timeout "1m"; isolation "hermetic" }"#,
        r#"stage "s" { run "x" "y"; env "N" "v"; out "o"; timeout "1m"; network "host" }"#,
    ] {
        assert_ne!(key_of(other, &base), key, "{other}");
    }
    for files in [
        vec![a.clone()],
        vec![a.clone(), file("b", "3", false)],
        vec![a.clone(), file("b", "2", true)],
        vec![a.clone(), file("c", "2", false)],
    ] {
        assert_ne!(key_of(stage, &Inputs { files: &files, ..base.clone() }), key, "{files:?}");
    }
    assert_ne!(key_of(stage, &Inputs { upstream: &[("in/x", blob("u"))], ..base.clone() }), key);
    assert_ne!(key_of(stage, &Inputs { upstream: &[("in/y", blob("t"))], ..base.clone() }), key);
    assert_ne!(key_of(stage, &Inputs { tools: Digest::of(b"other"), ..base.clone() }), key);
    let secret = |keyed: Option<&str>| [("TOKEN".to_owned(), keyed.map(|k| Digest::of(k.as_bytes())))];
    let with = |keyed: Option<&str>| key_of(stage, &Inputs { secrets: &secret(keyed), ..base.clone() });
    assert_ne!(with(None), key, "that there is a secret");
    assert_ne!(with(Some("1")), with(Some("2")), "a keyed digest");
}

#[test]
fn two_inputs_at_one_place_are_a_conflict() {
    let blob = Blob::of(b"x");
    let file = |path: &str| SourceFile { path: path.into(), blob, executable: false };
    for files in [vec![file("a"), file("a")], vec![file("a"), file("a/b")], vec![file("a/b"), file("a")]] {
        let inputs = Inputs { files: &files, upstream: &[], builtin: None, tools: Digest::EMPTY, secrets: &[] };
        assert!(input_root(&inputs).is_err(), "{files:?}");
    }
}
