//! The snippets of `docs/guide/ci/` are YAML, leave the ledger's branches alone, and hold commands that exist.

use std::path::Path;

use clap::Parser;
use saphyr_parser::{Event, Parser as Yaml};

use super::Args;

/// Every snippet: its name, its text, and its scalars.
fn snippets() -> Vec<(String, String, Vec<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/ci");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a text");
        let scalars = Yaml::new_from_str(&text).filter_map(|event| match event.expect(&name).0 {
            Event::Scalar(text, ..) => Some(text.into_owned()),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::Alias(_)
            | Event::SequenceStart(..)
            | Event::SequenceEnd
            | Event::MappingStart(..)
            | Event::MappingEnd => None,
        });
        let scalars = scalars.collect();
        found.push((name, text, scalars));
    }
    assert!(found.len() >= 4, "{found:?}");
    found
}

/// The words of a command line up to a redirection or another command; a variable becomes some value.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    let end = words.iter().position(|w| matches!(w.as_str(), ">" | ">>" | "|" | "&&" | "||" | ";"));
    words.truncate(end.unwrap_or(words.len()));
    let digest = format!("sha256:{}", "0".repeat(64));
    for at in 0..words.len() {
        if words[at].contains('$') {
            words[at] = if at > 0 && words[at - 1] == "--root" { digest.clone() } else { "x".to_owned() };
        }
    }
    words
}

#[test]
fn every_command_of_a_snippet_is_one_of_ours() {
    let mut count = 0;
    for (name, _, scalars) in snippets() {
        let lines = scalars.iter().flat_map(|s| s.lines()).map(str::trim).filter(|l| l.starts_with("orgo "));
        for line in lines {
            if let Err(error) = Args::try_parse_from(words(line)) {
                panic!("{name}: `{line}`: {error}");
            }
            count += 1;
        }
    }
    assert!(count >= 15, "only {count} commands were found");
    assert!(Args::try_parse_from(words("orgo diff --no-such-option x")).is_err());
}

#[test]
fn no_snippet_is_triggered_by_the_ledger() {
    for (name, text, scalars) in snippets() {
        let excluded = scalars.iter().any(|s| s.contains("orgo/**") || s.contains(r"/^orgo\//"));
        assert!(excluded, "{name}");
        // What others may name stands in variables, never in a script.
        for script in scalars.iter().filter(|s| s.contains("orgo ") || s.contains("git ")) {
            assert!(!script.contains("${{"), "{name}: {script}");
        }
        assert!(!text.contains("pull_request_target"), "{name}");
    }
}

#[test]
fn the_guide_links_every_snippet() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/ci.md");
    let guide = std::fs::read_to_string(guide).expect("the guide is there");
    for (name, ..) in snippets() {
        assert!(guide.contains(&format!("(ci/{name})")), "{name}");
    }
}
