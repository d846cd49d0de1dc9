//! Garbage collection: what goes, what stays, what `explain` says afterwards, and a kill in the middle.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Repo, SLEEPS, states, wait_for};

const LATER: &str = "2099-01-01T00:00:00Z";

fn one() -> Repo {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "s" { files "input"; run "sh" "-c" "cat input input > o"; tool "cat"; out "o" } }"#,
    );
    repo.write("input", "one\n");
    repo
}

fn gc(repo: &Repo, args: &[&str]) -> Value {
    repo.orgo(&[&["gc", "--json", "--no-grace"], args].concat()).ok().json()
}

fn count(value: &Value, member: &str) -> usize {
    value[member].as_array().unwrap().len()
}

fn objects(repo: &Repo) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(repo.root().join(".orgo/store/sha256")).unwrap() {
        found.extend(std::fs::read_dir(folder.unwrap().path()).unwrap().map(|e| e.unwrap().path()));
    }
    found.sort();
    found
}

#[test]
fn an_old_result_goes_and_explain_says_why_its_stage_runs_again() {
    let repo = one();
    repo.orgo(&["run"]).ok();
    repo.write("input", "two\n");
    repo.orgo(&["run"]).ok();
    assert_eq!(count(&gc(&repo, &[]), "results"), 0, "nothing is old");
    let before = objects(&repo);
    let told = gc(&repo, &["--clock", LATER, "--dry-run"]);
    assert_eq!(count(&told, "results"), 1);
    assert_eq!(objects(&repo), before, "a dry run removes nothing");
    let told = gc(&repo, &["--clock", LATER]);
    assert_eq!((count(&told, "results"), &told["results"][0]["because"]), (1, &"age".into()), "{told}");
    assert!(objects(&repo).len() < before.len());
    // What the last run stands on is still there.
    std::fs::remove_dir_all(repo.root().join("out")).unwrap();
    assert_eq!(states(&repo.orgo(&["run", "--json"]).ok().json()), ["s:hit"]);
    // What went is told.
    repo.write("input", "one\n");
    let plan = repo.orgo(&["plan", "--json"]).ok().json();
    assert!(plan.to_string().contains("removed from the store by `orgo gc`"), "{plan}");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["s:ran"]);
    assert_eq!(run["stages"][0]["why"][0]["why"], "output-lost");
    assert_eq!(run["stages"][0]["why"][0]["evicted"]["because"], "age");
    let text = repo.orgo(&["explain", "s"]).ok().stdout;
    assert!(text.contains("was removed from the store by `orgo gc`: it was older than the age"), "{text}");
    assert_eq!(repo.read("out/p/s/o"), "one\none\n");
}

#[test]
fn the_store_shrinks_to_its_limit_oldest_first() {
    let repo = one();
    repo.write("orgo.kdl", "project \"test\" { retain \"outputs\" \"1d\"; retain \"logs\" \"1d\" }\n");
    for i in 0..5 {
        repo.write("input", &format!("{i} {}\n", "x".repeat(10_000)));
        repo.orgo(&["run"]).ok();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let told = gc(&repo, &["--max-age", "forever", "--max-size", "60KiB", "--clock", LATER]);
    assert!(count(&told, "results") > 0, "{told}");
    assert!(told["kept_bytes"].as_u64().unwrap() <= 60 << 10, "{told}");
    assert!(told["results"].as_array().unwrap().iter().all(|r| r["because"] == "size"));
    assert_eq!(told["over_limit"], false);
    // The newest of them is kept although nothing but the last run needs it.
    std::fs::remove_dir_all(repo.root().join("out")).unwrap();
    assert_eq!(states(&repo.orgo(&["run", "--json"]).ok().json()), ["s:hit"]);
    let told = gc(&repo, &["--max-age", "forever", "--max-size", "1", "--clock", LATER]);
    assert_eq!(told["over_limit"], true, "roots stay: {told}");
}

#[test]
fn what_records_within_their_retention_name_stays_and_so_does_what_is_held() {
    let repo = Repo::empty();
    repo.write("orgo.kdl", "project \"test\" { retain \"outputs\" \"400d\" }\n");
    repo.write(
        "pipelines/p.kdl",
        r#"pipeline "p" { record "always"; stage "s" { files "input"; run "sh" "-c" "cat input input > o"; tool "cat"; out "o" } }"#,
    );
    repo.write("input", "one\n");
    repo.begin_ledger();
    repo.orgo(&["run"]).ok();
    repo.write("input", "two\n");
    repo.commit("second");
    repo.orgo(&["run"]).ok();
    let first = orgo_spec::Digest::of(b"one\none\n").hex();
    let object = repo.root().join(".orgo/store/sha256").join(&first[..2]).join(&first[2..]);
    let year = orgo_host::clock::rfc3339(orgo_host::clock::Clock::system().now_ms() + 365 * 86_400_000);
    gc(&repo, &["--clock", &year, "--max-size", "0"]);
    assert!(object.exists(), "its record is within its retention");
    repo.orgo(&["admin", "hold", "records", "--reason", "incident 12"]).ok();
    let told = gc(&repo, &["--clock", LATER, "--max-size", "0"]);
    assert!(object.exists() && told["kept"]["held"].as_u64().unwrap() >= 2, "{told}");
    repo.orgo(&["admin", "release", "records", "--reason", "closed"]).ok();
    // A run in which nothing changed is recorded although its inputs were collected.
    gc(&repo, &["--clock", LATER, "--max-size", "0"]);
    assert!(!object.exists());
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["s:hit"]);
    assert_eq!(run["record"]["lane"], "protected");
    repo.orgo(&["verify"]).ok();
}

#[test]
fn nothing_is_collected_beside_a_run_and_a_killed_run_goes_on_afterwards() {
    let repo = Repo::with_pipeline(SLEEPS);
    repo.write("wait", "yes\n");
    let mut child = repo.start(&["run"]);
    wait_for(|| repo.journal().matches("\"start\"").count() == 2);
    let before = objects(&repo);
    let done = repo.orgo(&["gc", "--clock", LATER, "--no-grace", "--max-size", "0"]).exits(4);
    assert!(done.stderr.contains("a run is under way"), "{}", done.stderr);
    assert_eq!(objects(&repo), before);
    child.kill().unwrap();
    child.wait().unwrap();
    let told = gc(&repo, &["--clock", LATER, "--max-size", "0"]);
    assert!(told["kept"]["unfinished"].as_u64().unwrap() >= 1, "{told}");
    std::fs::remove_dir_all(repo.root().join("out")).unwrap();
    repo.write("wait", "");
    assert_eq!(states(&repo.orgo(&["run", "--json"]).ok().json()), ["a:hit", "b:ran"]);
}

#[test]
fn what_is_young_and_what_is_pinned_stays() {
    let repo = one();
    let pin = orgo_spec::Digest::of(b"one\none\n");
    repo.write("orgo.kdl", &format!("project \"test\" {{ gc {{ pin \"{pin}\" }} }}\n"));
    repo.orgo(&["run"]).ok();
    repo.write("input", "two\n");
    repo.orgo(&["run"]).ok();
    let told = repo.orgo(&["gc", "--max-size", "0", "--json"]).ok().json();
    assert_eq!((count(&told, "results"), count(&told, "objects")), (0, 0), "everything is younger than an hour");
    gc(&repo, &["--clock", LATER, "--max-size", "0"]);
    assert!(repo.root().join(".orgo/store/sha256").join(&pin.hex()[..2]).join(&pin.hex()[2..]).exists());
}

#[test]
fn a_collection_that_is_killed_leaves_a_store_that_works() {
    let stages: String = (0..150)
        .map(|i| format!("stage \"s{i}\" {{ files \"input\"; run \"sh\" \"-c\" \"cat input > o; echo {i} >> o\"; tool \"cat\"; out \"o\" }}\n"))
        .collect();
    let repo = Repo::with_pipeline(&format!("pipeline \"p\" {{\n{stages}}}\n"));
    repo.write("orgo.kdl", "project \"test\" { retain \"outputs\" \"1d\"; retain \"logs\" \"1d\" }\n");
    for input in ["one\n", "two\n"] {
        repo.write("input", input);
        repo.orgo(&["run"]).ok();
    }
    let all = objects(&repo).len();
    let mut child = repo.start(&["gc", "--clock", LATER, "--no-grace", "--max-size", "0"]);
    while child.try_wait().unwrap().is_none() && objects(&repo).len() == all {
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Whatever is left of them, the older results are made again or answer, and nothing is wrong.
    repo.write("input", "one\n");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run).len(), 150);
    for i in [0, 77, 149] {
        assert_eq!(repo.read(&format!("out/p/s{i}/o")), format!("one\n{i}\n"));
    }
    gc(&repo, &["--clock", LATER]);
    repo.orgo(&["verify"]).ok();
    let evicted = repo.read(".orgo/store/evicted.jsonl");
    assert!(evicted.lines().count() >= 150, "what was collected is told, also by the collection that was killed");
}

#[test]
fn a_clock_is_injected_only_where_nothing_can_be_released() {
    let repo = one();
    repo.orgo(&["run"]).ok();
    repo.orgo(&["gc", "--clock", "yesterday"]).exits(2);
    assert!(repo.orgo(&["gc", "--help"]).ok().stdout.contains("Examples:"));
    assert!(repo.orgo(&["evidence", "--help"]).ok().stdout.contains("Examples:"));
}
