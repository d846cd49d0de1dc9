//! What is said of hits and misses is so: every miss has its reason, and the time that was saved is what the stages took.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::place;
use crate::support::{Repo, states};

const PIPELINE: &str = r#"pipeline "p" {
    stage "a" { files "input"; run "sh" "-c" "sleep 0.2; { head -n 1 input; echo a; } > o"; tool "sleep" "head"; out "o" }
    stage "b" { from "a"; run "sh" "-c" "sleep 0.1; cat in/a/o in/a/o > o"; tool "sleep" "cat"; out "o" }
    stage "c" { files "c"; run "sh" "-c" "sleep 0.1; sh c"; tool "sleep" "sh"; out "o"; isolation "open" }
}"#;

/// Runs, and holds what the run and the statistics say against each other, and against how long each key `took`; hands out
/// what the run said.
#[track_caller]
fn run(repo: &Repo, args: &[&str], code: i32, misses: &[(&str, u64)], took: &mut BTreeMap<String, u64>) -> Value {
    let run = repo.orgo(&[&["run", "--json"], args].concat()).exits(code).json();
    let misses: BTreeMap<&str, u64> = misses.iter().copied().collect();
    assert_eq!(run["misses"], json!(misses), "{run}");
    let stats = repo.orgo(&["cache", "stats", "--json"]).ok().json();
    let newest = &stats["runs"][0];
    assert_eq!((&newest["run"], &newest["by_reason"]), (&run["run"], &json!(misses)), "{stats}");
    assert_eq!((&newest["ran"], &newest["hits"]), (&run["ran"], &run["hits"]), "{stats}");
    let mut saved = 0;
    let text = repo.orgo(&["cache", "stats", "--verbose"]).ok().stdout;
    for stage in run["stages"].as_array().unwrap() {
        let name = stage["stage"].as_str().unwrap();
        let told = newest["misses"].as_array().unwrap().iter().find(|miss| miss["stage"] == name);
        let is_missed = !stage["why"].as_array().unwrap().is_empty();
        assert_eq!(told.map(|miss| &miss["reasons"]), is_missed.then_some(&stage["why"]), "{name}: {stats}");
        assert_eq!(text.contains(&format!("  {name}: ")), is_missed, "{name}: {text}");
        let key = stage["key"].as_str().unwrap_or_default();
        match stage["state"].as_str().unwrap() {
            "hit" => saved += took[key],
            "ran" => _ = took.insert(key.to_owned(), stage["duration_ms"].as_u64().unwrap()),
            _ => {}
        }
    }
    assert_eq!(run["saved_ms"], saved, "the stages that were hits took {took:?}: {run}");
    run
}

#[test]
fn every_miss_has_its_reason_and_the_time_saved_is_what_the_stages_took() {
    let repo = Repo::with_pipeline(PIPELINE);
    let took = &mut BTreeMap::new();
    let pipeline = |from: &str, to: &str| repo.write("pipelines/p.kdl", &PIPELINE.replace(from, to));
    repo.write("input", "one\n");
    repo.write("c", "echo c > o\n");
    run(&repo, &[], 0, &[("never-run", 3)], took);
    assert!(took.values().all(|ms| *ms >= 100) && took.values().any(|ms| *ms >= 200), "{took:?}");
    let stats = repo.orgo(&["cache", "stats", "--json"]).ok().json();
    assert_eq!(stats["store"]["duration_ms"], took.values().sum::<u64>(), "{stats}");
    let pack = repo.orgo(&["cache", "pack", repo.beside("p").to_str().unwrap(), "--json"]).ok().json();
    assert_eq!(pack["saves_ms"], stats["store"]["duration_ms"], "{pack}");

    repo.write("input", "two\n");
    let changed = run(&repo, &[], 0, &[("input-changed", 2)], took);
    assert_eq!(states(&changed), ["a:ran", "b:ran", "c:hit"]);
    assert_eq!(
        (&changed["stages"][0]["why"][0]["path"], &changed["stages"][1]["why"][0]["path"]),
        (&"input".into(), &"in/a".into())
    );
    // What comes out the same holds up what reads it.
    repo.write("input", "two\nand more\n");
    let cut = run(&repo, &[], 0, &[("input-changed", 1)], took);
    assert_eq!(states(&cut), ["a:ran", "b:hit", "c:hit"]);
    // Going back is no miss.
    repo.write("input", "one\n");
    assert_eq!(states(&run(&repo, &[], 0, &[], took)), ["a:hit", "b:hit", "c:hit"]);

    run(&repo, &["--force", "p", "c"], 0, &[("forced", 1)], took);
    pipeline("sh c\"", "sh ./c\"");
    run(&repo, &[], 0, &[("command-changed", 1)], took);
    pipeline("sh c\"", "sh ./c\"; timeout \"9m\"");
    run(&repo, &[], 0, &[("timeout-changed", 1)], took);
    repo.write("c", "exit 3\n");
    run(&repo, &[], 1, &[("input-changed", 1)], took);
    run(&repo, &[], 1, &[("failed-before", 1)], took);
    repo.write("c", "echo c > o\n");
    pipeline("isolation \"open\"", "isolation \"confined\"");
    let weak = run(&repo, &[], 0, &[("isolation-too-weak", 1)], took);
    assert_eq!(weak["stages"][2]["why"][0]["obtained"], "open", "{weak}");

    // A lost object, a damaged one.
    let object = place(&repo.root().join(".orgo/store"), "sha256", &orgo_spec::Digest::of(b"one\na\n").to_string());
    let lose = |how: &dyn Fn()| {
        std::fs::remove_file(&object).unwrap();
        std::fs::remove_dir_all(repo.root().join("out/p/a")).unwrap();
        how();
    };
    lose(&|| {});
    run(&repo, &[], 0, &[("output-lost", 1)], took);
    lose(&|| std::fs::write(&object, "ONE\nA\n").unwrap());
    run(&repo, &[], 0, &[("output-damaged", 1)], took);
    run(&repo, &[], 0, &[], took);
}
