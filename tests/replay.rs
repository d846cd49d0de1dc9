//! Records, made again from their commit.

use serde_json::{Value, json};

use crate::support::Repo;

/// A stage that is the same every time, one that is not, and one that reads it.
const CLOCK: &str = r#"pipeline "p" {
    stage "same" { files "n"; run "sh" "-c" "cat n > o"; tool "cat"; out "o" }
    stage "clock" { run "sh" "-c" "mkdir d; echo same > d/a; { echo one; date +%N; echo two; } > d/b"; tool "date" "mkdir"; out "d" }
    stage "copy" { from "clock"; run "sh" "-c" "cp in/clock/d/b o"; tool "cp"; out "o" }
}"#;

fn stages(told: &Value) -> Vec<String> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let all = told["stages"].as_array().unwrap();
    all.iter().map(|s| format!("{}:{}", text(&s["stage"]), text(&s["state"]))).collect()
}

fn impossible(repo: &Repo, record: &str) -> String {
    let told = repo.orgo(&["replay", record, "--json"]).exits(4).json();
    assert_eq!(told["problems"][0]["code"], "REPLAY_IMPOSSIBLE", "{told}");
    told["problems"][0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_record_says_is_made_again_from_its_commit_whatever_lies_here_now() {
    let repo = Repo::example("hello");
    repo.orgo(&["run", "hello"]).ok();
    std::fs::remove_dir_all(repo.root().join(".orgo")).unwrap();
    let tip = repo.git(&["rev-parse", "orgo/local"]);
    repo.write("src/greet.c", "this is not C any more\n");
    repo.write("out/hello/mine", "kept\n");
    repo.commit("later");
    let told = repo.orgo(&["replay", "1", "--json"]).ok().json();
    assert_eq!((&told["schema"], &told["code"], &told["same"]), (&json!("orgo.replay/1"), &json!(null), &json!(6)));
    assert!(stages(&told).iter().all(|s| s.ends_with(":same")), "{told}");
    assert_eq!(repo.read("out/hello/mine"), "kept\n");
    let text = repo.orgo(&["replay", "latest", "--stage", "link"]).ok().stdout;
    assert!(text.contains("THE SAME hello: "), "{text}");
    assert_eq!(repo.git(&["rev-parse", "orgo/local"]), tip);
}

#[test]
fn a_list_that_a_stage_writes_is_replayed_with_its_items() {
    let repo = Repo::example("fanout");
    repo.orgo(&["run"]).ok();
    let told = repo.orgo(&["replay", "latest", "--json"]).ok().json();
    assert_eq!(told["same"], 5, "{told}");
}

#[test]
fn a_gated_run_is_replayed_with_its_gates() {
    let repo = Repo::example("elements");
    repo.orgo(&["run", "elements"]);
    let told = repo.orgo(&["replay", "latest", "--json"]).ok().json();
    assert!(told["same"].as_u64().unwrap() >= 5, "{told}");
}

#[test]
fn what_comes_out_otherwise_is_shown_with_both_digests_and_its_lines() {
    let repo = Repo::with_pipeline(CLOCK);
    repo.write("n", "1\n");
    repo.commit("n");
    repo.orgo(&["run"]).ok();
    let told = repo.orgo(&["replay", "latest", "--json"]).exits(1).json();
    assert_eq!(told["code"], "OUTPUT_NONDETERMINISTIC");
    assert_eq!(stages(&told), ["same:same", "clock:different", "copy:follows"]);
    let outputs = told["stages"][1]["outputs"].as_array().unwrap();
    let digest = |text: &str| json!(orgo_spec::Digest::of(text.as_bytes()).to_string());
    assert_eq!((outputs.len(), &outputs[0]["path"]), (1, &json!("d/b")), "{told}");
    assert_eq!(outputs[0]["recorded"], digest(&repo.read("out/p/clock/d/b")));
    assert_ne!(outputs[0]["now"], outputs[0]["recorded"]);
    let lines: Vec<&str> = outputs[0]["lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    assert_eq!((lines[0], lines.last()), ("  one", Some(&"  two")), "{lines:?}");
    let text = repo.orgo(&["replay", "latest"]).exits(1).stdout;
    assert!(text.contains("clock: made something else from the same inputs") && text.contains("`d/b` was sha256:"));
    let next = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(next["stages"][1]["varied"][0]["seen"], "replay", "{next}");
    let told = repo.orgo(&["replay", "latest", "--stage", "same", "--json"]).ok().json();
    assert_eq!(stages(&told), ["same:same"]);
}

#[test]
fn where_inputs_are_not_those_of_the_record_nothing_is_run() {
    let repo = Repo::with_pipeline(CLOCK);
    repo.write("n", "1\n");
    repo.write("notes", "1\n");
    repo.commit("n");
    repo.write("notes", "read by nobody\n");
    repo.orgo(&["run", "p", "same"]).ok();
    let told = repo.orgo(&["replay", "latest", "--json"]).ok().json();
    assert_eq!(stages(&told), ["same:same"], "a tree that is not clean matters where it was read");
    repo.write("n", "2\n");
    repo.orgo(&["run", "p", "same"]).ok();
    let why = impossible(&repo, "latest");
    assert!(why.contains("`n`, which `same` read, is not in the commit"), "{why}");
    repo.write("pipelines/p.kdl", &CLOCK.replace("cat n", "cat -- n"));
    repo.orgo(&["run", "p", "same"]).ok();
    let why = impossible(&repo, "latest");
    assert!(why.contains("declares other pipelines"), "{why}");
    repo.orgo(&["replay", "0"]).exits(2);
    repo.orgo(&["replay", "77"]).exits(2);
}

#[test]
fn where_programs_are_not_those_of_the_record_nothing_is_run() {
    use std::os::unix::fs::PermissionsExt;
    let repo = Repo::empty();
    let bin = repo.beside("bin");
    let install = |text: &str| {
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("tool"), format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(bin.join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    install("echo 1 > o");
    repo.write("orgo.kdl", "project \"test\"\n");
    let path = format!("/usr/bin:/bin:{}", bin.display());
    repo.write(
        "pipelines/p.kdl",
        &format!("pipeline \"p\" {{ stage \"s\" {{ run \"tool\"; env \"PATH\" {path:?}; out \"o\" }} }}"),
    );
    repo.commit("first");
    repo.orgo(&["run"]).ok();
    repo.orgo(&["replay", "latest"]).ok();
    install("echo 2 > o");
    let why = impossible(&repo, "latest");
    assert!(why.contains("`s` has another key than in the record: its host programs"), "{why}");
    install("echo 1 > o");
    repo.orgo(&["lock"]).ok();
    repo.commit("locked");
    repo.orgo(&["run"]).ok();
    install("echo 2 > o");
    let told = repo.orgo(&["replay", "latest", "--json"]);
    assert!(told.stdout.contains("LOCK_DRIFTED") && told.code != Some(0), "{}", told.stdout);
}

#[test]
fn a_record_that_does_not_verify_is_not_replayed() {
    let repo = Repo::with_pipeline(CLOCK);
    repo.write("n", "1\n");
    repo.commit("n");
    repo.orgo(&["run", "p", "same"]).ok();
    let beside = repo.beside("ledger");
    repo.git(&["worktree", "add", "-q", beside.to_str().unwrap(), "orgo/local"]);
    let path = beside.join("records/0/0/1.build.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"same\"", "\"fake\"")).unwrap();
    let git = |args: &[&str]| assert_eq!(crate::support::git(&beside, args).code, Some(0), "{args:?}");
    git(&["commit", "-q", "-a", "-m", "forged"]);
    let refused = repo.orgo(&["replay", "1", "--json"]).exits(3);
    assert!(!refused.stdout.contains("orgo.replay/1"), "{}", refused.stdout);
}
