//! What a protected run takes from elsewhere, and what the record says of it.

use std::path::Path;

use serde_json::Value;

use super::{ONES, PIPELINE, clone, overwrite, pack, place, why};
use crate::support::{Repo, copy, states};

/// Makes `store` answer the stage `at` of a run with a file of this content, as a liar would who knows the format.
pub fn forge(store: &Path, run: &Value, at: usize, content: &str) {
    let path = place(store, "actions", run["stages"][at]["key"].as_str().unwrap());
    let mut result: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let digest = orgo_spec::Digest::of(content.as_bytes());
    for output in result["outputs"].as_array_mut().unwrap() {
        if !output["kind"]["File"].is_null() {
            output["kind"]["File"]["blob"] =
                serde_json::json!({ "digest": digest.to_string(), "size_bytes": content.len() });
        }
    }
    overwrite(&path, &serde_json::to_vec(&result).unwrap());
    overwrite(&place(store, "sha256", &digest.to_string()), content.as_bytes());
}

/// A repository whose protected runs are recorded; nothing ran yet.
fn unrecorded() -> Repo {
    let repo = Repo::with_pipeline(PIPELINE);
    repo.write("input", "one\n");
    repo.write(".gitignore", "/out/\n/.orgo/\n");
    repo.orgo(&["init"]).ok();
    repo.commit("ready");
    repo
}

/// The same, with a protected run on record.
pub fn protected() -> Repo {
    let repo = unrecorded();
    repo.orgo(&["run"]).ok();
    repo
}

#[test]
fn a_protected_run_uses_what_was_unpacked_only_if_it_is_told_to() {
    let repo = unrecorded();
    repo.orgo(&["run", "--lane", "local"]).ok();
    let pack = pack(&repo);
    std::fs::remove_dir_all(repo.root().join(".orgo")).unwrap();
    std::fs::remove_dir_all(repo.root().join("out")).unwrap();
    repo.write("more", "so that the run is recorded anew\n");
    repo.commit("more");
    repo.orgo(&["cache", "unpack", pack.to_str().unwrap()]).ok();
    let run = repo.orgo(&["run", "--unpacked", "--json"]).ok().json();
    assert_eq!((run["record"]["lane"].as_str(), states(&run).join(" ")), (Some("protected"), "a:hit b:hit".into()));
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json();
    let stages = record["statement"]["predicate"]["facts"]["stages"].as_array().unwrap().clone();
    assert!(stages.iter().all(|s| s["origin"]["by"] == "pack"), "the record tells: {record}");
    assert_eq!(record["statement"]["predicate"]["facts"]["stage_counts"]["elsewhere"], 2, "{record}");
    let again = repo.orgo(&["run", "--unpacked", "--json"]).ok().json();
    assert_eq!(again["record"]["confirmed"], true, "the same results from the same place: {again}");
    repo.orgo(&["verify"]).ok();
    // Without the word, it makes everything itself, though everything is as it was.
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:ran", "b:ran"]);
    assert_eq!(why(&run, 0), "result-foreign");
    assert_eq!(run["misses"]["result-foreign"], 2, "{run}");
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json();
    assert!(record["statement"]["predicate"]["facts"]["stages"][0]["origin"].is_null(), "{record}");
    repo.orgo(&["run", "--json"]).ok();
    repo.orgo(&["verify"]).ok();
}

#[test]
fn what_a_liar_packed_never_gets_into_a_protected_run_and_the_lie_is_told() {
    let repo = protected();
    let liar = clone(&repo);
    let lie = liar.orgo(&["run", "--json"]).ok().json();
    forge(&liar.root().join(".orgo/store"), &lie, 0, "forged\n");
    std::fs::remove_dir_all(liar.root().join(".orgo/state")).unwrap();
    std::fs::remove_dir_all(liar.root().join("out")).unwrap();
    liar.orgo(&["run"]).ok();
    assert_eq!(liar.read("out/p/b/o"), "forged\nforged\n");
    let pack = pack(&liar);
    std::fs::remove_dir_all(repo.root().join(".orgo")).unwrap();
    std::fs::remove_dir_all(repo.root().join("out")).unwrap();
    repo.orgo(&["cache", "unpack", pack.to_str().unwrap()]).ok();
    let done = repo.orgo(&["run", "--json"]).ok();
    assert_eq!(repo.read("out/p/b/o"), ONES);
    assert_eq!(why(&done.json(), 0), "result-foreign");
    assert!(done.stderr.contains("a cache from elsewhere claimed another"), "{}", done.stderr);
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json();
    assert!(!record.to_string().contains("variance"), "a claim is no fact: {record}");
    // What was made here stands from then on.
    assert_eq!(repo.orgo(&["cache", "unpack", pack.to_str().unwrap(), "--json"]).ok().json()["new"], 0);
    let run = repo.orgo(&["run", "--lane", "local", "--json"]).ok().json();
    assert_eq!((states(&run).join(" "), repo.read("out/p/a/o")), ("a:hit b:hit".into(), "one\none\n".into()));
}

#[test]
fn the_users_directories_vouch_for_local_runs_and_never_for_protected_ones() {
    let repo = unrecorded();
    repo.orgo(&["run", "--lane", "local"]).ok();
    let shared = repo.beside("shared");
    copy(&repo.root().join(".orgo/store"), &shared);
    let forget = || {
        std::fs::remove_dir_all(repo.root().join(".orgo")).unwrap();
        std::fs::remove_dir_all(repo.root().join("out")).unwrap();
    };
    std::fs::write(repo.home().join("caches"), format!("# what the team fills\n\n{}\n", shared.display())).unwrap();
    forget();
    assert_eq!(states(&repo.orgo(&["run", "--lane", "local", "--json"]).ok().json()), ["a:hit", "b:hit"]);
    forget();
    // What a local run brought here does not count in a protected one, and neither does the directory.
    repo.orgo(&["run", "--lane", "local"]).ok();
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!((run["record"]["lane"].as_str(), states(&run).join(" ")), (Some("protected"), "a:ran b:ran".into()));
    let reasons = run["stages"][1]["why"].as_array().unwrap();
    assert_eq!(reasons.iter().filter(|why| why["why"] == "result-foreign").count(), 2, "{run}");
    // If it is named, it does. (Another commit has no record yet.)
    repo.write("input", "one more\n");
    repo.commit("one more");
    repo.orgo(&["run", "--lane", "local"]).ok();
    copy(&repo.root().join(".orgo/store"), &shared);
    forget();
    repo.orgo(&["run", "--lane", "local"]).ok();
    repo.write("input", "two\n");
    repo.commit("so that what is remembered is another");
    repo.orgo(&["run", "--lane", "local"]).ok();
    repo.write("input", "one more\n");
    repo.commit("back");
    let run = repo.orgo(&["run", "--json", "--cache", shared.to_str().unwrap()]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:hit"], "{run}");
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json();
    let origin = &record["statement"]["predicate"]["facts"]["stages"][0]["origin"];
    assert_eq!((origin["by"].as_str(), origin["name"].as_str()), (Some("shared"), shared.to_str()), "{record}");
    std::fs::write(repo.home().join("caches"), "not/absolute\n").unwrap();
    repo.orgo(&["run", "--lane", "local"]).exits(2);
    repo.orgo(&["run"]).exits(2);
}

#[test]
fn in_a_protected_run_what_a_gate_reads_and_lets_through_is_made_here() {
    let repo = Repo::example("elements");
    repo.orgo(&["init"]).ok();
    repo.orgo(&["run"]).ok();
    let shared = repo.beside("shared");
    copy(&repo.root().join(".orgo/store"), &shared);
    std::fs::remove_dir_all(repo.root().join(".orgo")).unwrap();
    std::fs::remove_dir_all(repo.root().join("out")).unwrap();
    let run = repo.orgo(&["run", "--json", "--cache", shared.to_str().unwrap()]).json();
    let state = |name: &str| {
        let stages = run["stages"].as_array().unwrap();
        stages.iter().find(|s| s["stage"] == name).map_or("none", |s| s["state"].as_str().unwrap())
    };
    assert_eq!(run["record"]["lane"], "protected", "{run}");
    assert_eq!((state("claims"), state("report")), ("hit", "ran"), "{run}");
    assert_ne!(state("canon"), "hit");
    // A local run takes it from there.
    std::fs::remove_dir_all(repo.root().join(".orgo")).unwrap();
    let run = repo.orgo(&["run", "--lane", "local", "--json", "--cache", shared.to_str().unwrap()]).json();
    let report = run["stages"].as_array().unwrap().iter().find(|s| s["stage"] == "report").unwrap();
    assert_eq!(report["state"], "hit");
}

#[test]
fn a_record_of_what_was_made_here_never_stands_for_what_came_from_elsewhere() {
    let repo = protected();
    let made_here = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(made_here["record"]["confirmed"], true);
    let shared = repo.beside("shared");
    copy(&repo.root().join(".orgo/store"), &shared);
    forge(&shared, &made_here, 1, "forged\n");
    std::fs::remove_dir_all(repo.root().join(".orgo")).unwrap();
    std::fs::remove_dir_all(repo.root().join("out")).unwrap();
    // All keys are as on record, and every stage is a hit: but this is not what the record is about.
    let run = repo.orgo(&["run", "--json", "--cache", shared.to_str().unwrap()]).ok().json();
    assert_eq!((states(&run).join(" "), repo.read("out/p/b/o")), ("a:hit b:hit".into(), "forged\n".into()));
    assert_eq!((&run["record"]["confirmed"], &run["record"]["lane"]), (&false.into(), &"protected".into()), "{run}");
    let record = repo.orgo(&["record", "show", "latest"]).ok().stdout;
    assert!(record.contains("\"by\": \"shared\"") && record.contains(shared.to_str().unwrap()), "{record}");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!((states(&run).join(" "), repo.read("out/p/b/o")), ("a:hit b:ran".into(), ONES.into()));
    assert_eq!(run["stages"][0]["confirmed"].as_str(), made_here["record"]["id"].as_str(), "it is as on record");
    assert_eq!(run["record"]["confirmed"], false);
}
