//! The rooms and doors of `docs/architecture.md`, held by the dependency graph.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Which workspace crates each may use.
const ALLOWED: [(&str, &[&str]); 5] = [
    ("orgo-spec", &[]),
    ("orgo-kernel", &["orgo-spec"]),
    ("orgo-knowledge", &["orgo-spec"]),
    ("orgo-host", &["orgo-spec", "orgo-kernel"]),
    ("orgo", &["orgo-spec", "orgo-kernel", "orgo-knowledge", "orgo-host"]),
];

/// Crates that have exactly one home (or, so far, none).
const HOMES: [(&str, &[&str]); 12] = [
    ("age", &["orgo-host"]),
    // The oracle of tests only: it does not survive hostile documents.
    ("kdl", &[]),
    ("granit-parser", &["orgo-spec"]),
    ("git2", &["orgo-host"]),
    ("cedar-policy", &["orgo-kernel"]),
    ("flate2", &["orgo-host"]),
    ("tokio", &[]),
    ("tonic", &[]),
    ("landlock", &["orgo-host"]),
    ("seccompiler", &["orgo-host"]),
    ("redb", &[]),
    ("goblin", &["orgo-host"]),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

/// Direct dependencies of every workspace crate; those of its tests are left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let text = |v: &Value| v.as_str().expect("text").to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    let direct = |p: &Value| {
        let list = p["dependencies"].as_array().expect("dependencies");
        list.iter().filter(|d| d["kind"] != "dev").map(|d| text(&d["name"])).collect()
    };
    packages.iter().map(|p| (text(&p["name"]), direct(p))).collect()
}

#[test]
fn crates_use_only_those_to_their_left() {
    let found = dependencies();
    let names: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ALLOWED.iter().map(|(n, _)| *n).collect(), "every crate has its line in this test");
    for (name, allowed) in ALLOWED {
        let edges: BTreeSet<&str> = found[name].iter().map(String::as_str).filter(|d| names.contains(d)).collect();
        let extra: Vec<_> = edges.iter().filter(|e| !allowed.contains(e)).collect();
        assert!(extra.is_empty(), "`{name}` may not use {extra:?}");
    }
}

#[test]
fn replaceable_crates_have_one_home() {
    let found = dependencies();
    for (dependency, homes) in HOMES {
        let users: Vec<&str> = found.iter().filter(|(_, d)| d.contains(dependency)).map(|(n, _)| n.as_str()).collect();
        let strangers: Vec<_> = users.iter().filter(|u| !homes.contains(u)).collect();
        assert!(strangers.is_empty(), "`{dependency}` is used by {strangers:?}; its home is {homes:?}");
    }
}
