//! Results from elsewhere: packs and shared directories; what counts, what never does, and what is told about it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Repo, git, states};

const PIPELINE: &str = r#"pipeline "p" {
    stage "a" { files "input"; run "sh" "-c" "cat input input > o; ln -s o l; echo said"; tool "cat" "ln"; out "o" "l" }
    stage "b" { from "a"; run "sh" "-c" "cat in/a/o in/a/o > o"; tool "cat"; out "o" }
}"#;

/// What the second stage makes of the input `one`.
const ONES: &str = "one\none\none\none\n";

fn made() -> Repo {
    let repo = Repo::with_pipeline(PIPELINE);
    repo.write("input", "one\n");
    repo.commit("input");
    repo.orgo(&["run"]).ok();
    repo
}

/// A clone of a repository, on a machine that starts empty.
fn clone(repo: &Repo) -> Repo {
    let other = Repo::empty();
    std::fs::remove_dir_all(other.root()).unwrap();
    let to = other.root();
    let done = git(repo.root().parent().unwrap(), &["clone", "-q", "repo", to.to_str().unwrap()]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    other
}

fn pack(repo: &Repo) -> PathBuf {
    let file = repo.beside("orgo.pack");
    repo.orgo(&["cache", "pack", file.to_str().unwrap()]).ok();
    file
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The place of an object or a result below a store.
fn place(store: &Path, kind: &str, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    store.join(kind).join(&hex[..2]).join(&hex[2..])
}

fn overwrite(path: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, bytes).unwrap();
}

/// The first reason of a stage.
fn why(run: &Value, stage: usize) -> String {
    run["stages"][stage]["why"][0]["why"].as_str().unwrap_or_default().to_owned()
}

/// Makes `store` answer the stage `at` of a run with a file of this content, as a liar would who knows the format.
fn forge(store: &Path, run: &Value, at: usize, content: &str) {
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

fn protected() -> Repo {
    let repo = Repo::with_pipeline(PIPELINE);
    repo.write("input", "one\n");
    repo.write(".gitignore", "/out/\n/.orgo/\n");
    repo.orgo(&["init"]).ok();
    repo.commit("ready");
    repo.orgo(&["run"]).ok();
    repo
}

#[test]
fn a_fresh_clone_with_an_unpacked_pack_runs_nothing() {
    let repo = made();
    let pack = pack(&repo);
    let fresh = clone(&repo);
    let told = fresh.orgo(&["cache", "unpack", pack.to_str().unwrap(), "--json"]).ok().json();
    assert_eq!((told["results"].as_u64(), told["new"].as_u64()), (Some(2), Some(2)), "{told}");
    let run = fresh.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:hit"]);
    assert_eq!(run["stages"][0]["origin"]["by"], "pack");
    assert_eq!(run["stages"][0]["origin"]["name"], told["pack"]);
    assert_eq!(fresh.read("out/p/b/o"), ONES);
    assert_eq!(std::fs::read_link(fresh.root().join("out/p/a/l")).unwrap(), Path::new("o"));
    let log = orgo_spec::Digest::of(b"said\n").to_string();
    assert!(place(&fresh.root().join(".orgo/store"), "sha256", &log).exists(), "logs travel too");
    // Later runs stay hits, and say where from.
    let run = fresh.orgo(&["run", "--json"]).ok().json();
    assert_eq!(
        (states(&run).join(" "), run["stages"][1]["origin"]["by"].as_str()),
        ("a:hit b:hit".into(), Some("pack"))
    );
    fresh.write("input", "two\n");
    let run = fresh.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:ran", "b:ran"]);
    assert!(run["stages"][0]["origin"].is_null());
}

#[test]
fn equal_results_make_an_equal_pack_wherever_they_are_packed() {
    let repo = made();
    let first = std::fs::read(pack(&repo)).unwrap();
    assert_eq!(std::fs::read(pack(&repo)).unwrap(), first);
    let fresh = clone(&repo);
    fresh.orgo(&["cache", "unpack", repo.beside("orgo.pack").to_str().unwrap()]).ok();
    fresh.orgo(&["run"]).ok();
    assert_eq!(std::fs::read(pack(&fresh)).unwrap(), first, "packed again where it was unpacked");
    // A pack is a plain gzip file, and says what it is.
    let text = std::process::Command::new("zcat").arg(repo.beside("orgo.pack")).output().unwrap().stdout;
    assert!(text.starts_with(br#"{"pack":{"schema":1,"tenant":"test"}}"#), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn a_pack_holds_what_the_last_runs_need_and_no_more_than_it_may() {
    let repo = made();
    repo.write("input", "two\n");
    repo.orgo(&["run"]).ok();
    let file = repo.beside("small");
    let pack =
        |args: &[&str]| repo.orgo(&[&["cache", "pack", file.to_str().unwrap(), "--json"], args].concat()).ok().json();
    let all = pack(&["p"]);
    assert_eq!((all["results"].as_u64(), all["left_out"].as_u64()), (Some(2), Some(0)), "the first run is over: {all}");
    let bytes = all["content_bytes"].as_u64().unwrap();
    let less = pack(&["--max-size", &(bytes - 1).to_string()]);
    assert_eq!((less["results"].as_u64(), less["left_out"].as_u64()), (Some(1), Some(1)), "{less}");
    assert!(less["content_bytes"].as_u64().unwrap() < bytes);
    assert_eq!(pack(&["--max-size", "0"])["results"], 0);
    repo.orgo(&["cache", "pack", file.to_str().unwrap(), "nothing"]).exits(2);
    // Failures are never cached, so they are in no pack.
    repo.write("pipelines/p.kdl", r#"pipeline "p" { stage "s" { run "sh" "-c" "echo > o; exit 1"; out "o" } }"#);
    repo.orgo(&["run"]).exits(1);
    assert_eq!(pack(&[])["results"], 0);
}

#[test]
fn a_pack_that_was_tampered_with_is_refused_by_name_and_leaves_the_store_as_it_was() {
    let repo = made();
    let pack = pack(&repo);
    let bytes = std::fs::read(&pack).unwrap();
    let fresh = clone(&repo);
    fresh.orgo(&["gc"]).ok();
    let before = files(&fresh.root().join(".orgo/store"));
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 0x10;
    for (what, bytes) in [("cut", &bytes[..bytes.len() - 9]), ("flipped", &flipped), ("empty", &[])] {
        overwrite(&pack, bytes);
        let done = fresh.orgo(&["cache", "unpack", pack.to_str().unwrap(), "--json"]).exits(3).json();
        assert_eq!(done["problems"][0]["code"], "CACHE_PACK_INVALID", "{what}: {done}");
        assert_eq!(files(&fresh.root().join(".orgo/store")), before, "{what}");
    }
    overwrite(&pack, &bytes);
    fresh.orgo(&["cache", "unpack", pack.to_str().unwrap(), "--max-size", "50"]).exits(3);
    assert_eq!(files(&fresh.root().join(".orgo/store")), before);
    fresh.write("orgo.kdl", "project \"test\" tenant=\"others\"\n");
    let done = fresh.orgo(&["run", "--json"]).exits(3).json();
    assert_eq!(done["problems"][0]["code"], "TENANT_MISMATCH", "a store has one tenant: {done}");
    std::fs::remove_dir_all(fresh.root().join(".orgo")).unwrap();
    let done = fresh.orgo(&["cache", "unpack", pack.to_str().unwrap(), "--json"]).exits(3).json();
    assert_eq!(done["problems"][0]["code"], "TENANT_MISMATCH", "{done}");
}

#[test]
fn a_protected_run_uses_what_was_unpacked_only_if_it_is_told_to() {
    let repo = protected();
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
fn a_shared_directory_answers_and_is_not_written_to() {
    let repo = made();
    let shared = repo.root().join(".orgo/store");
    let before = files(&shared);
    let fresh = clone(&repo);
    let plan = fresh.orgo(&["plan", "--json", "--cache", shared.to_str().unwrap()]).ok().json();
    assert!(plan["stages"].as_array().unwrap().iter().all(|s| s["does"] == "hit"), "{plan}");
    assert!(!fresh.exists("out/p"));
    let done = fresh.orgo(&["run", "--cache", shared.to_str().unwrap()]).ok();
    assert!(done.stdout.contains("0 ran, 2 hits"), "{}", done.stdout);
    assert!(done.stderr.contains("2 from the shared cache `"), "{}", done.stderr);
    assert_eq!(files(&shared), before);
    assert_eq!(fresh.read("out/p/b/o"), ONES);
    let text = fresh.orgo(&["explain", "a"]).ok().stdout;
    assert!(text.contains("a result for this key came from the shared cache"), "{text}");
    // From then on the results are here.
    std::fs::remove_dir_all(&shared).unwrap();
    std::fs::remove_dir_all(fresh.root().join("out")).unwrap();
    let run = fresh.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:hit"]);
    assert_eq!(run["stages"][0]["origin"]["name"], shared.to_str().unwrap());
}

#[test]
fn what_is_wrong_with_a_shared_directory_is_a_miss_and_a_warning_and_never_a_wrong_result() {
    let repo = made();
    let run = repo.orgo(&["run", "--json"]).ok().json();
    let key = run["stages"][0]["key"].as_str().unwrap().to_owned();
    let object = orgo_spec::Digest::of(b"one\none\n").to_string();
    let whole = std::fs::read(place(&repo.root().join(".orgo/store"), "actions", &key)).unwrap();
    let text = String::from_utf8(whole).unwrap();
    type Harm<'h> = &'h dyn Fn(&Path);
    let harms: [(&str, Harm<'_>, &str); 9] = [
        ("other bytes", &|s| overwrite(&place(s, "sha256", &object), b"ONE\nONE\n"), "is not what it hashes to"),
        ("longer", &|s| overwrite(&place(s, "sha256", &object), b"one\none\nand more\n"), "is not what it hashes to"),
        ("gone", &|s| std::fs::remove_file(place(s, "sha256", &object)).unwrap(), "has no object"),
        ("half", &|s| overwrite(&place(s, "actions", &key), &text.as_bytes()[..40]), "cannot be read"),
        ("no text", &|s| overwrite(&place(s, "actions", &key), &[0xff; 64]), "cannot be read"),
        (
            "leads out",
            &|s| {
                overwrite(&place(s, "actions", &key), text.replace("\"path\":\"o\"", "\"path\":\"../../o\"").as_bytes())
            },
            "not sorted",
        ),
        (
            "other outputs",
            &|s| overwrite(&place(s, "actions", &key), text.replace("\"path\":\"o\"", "\"path\":\"x\"").as_bytes()),
            "other outputs than",
        ),
        (
            "other key",
            &|s| overwrite(&place(s, "actions", &key), text.replace(&key, &object).as_bytes()),
            "another key",
        ),
        (
            "a link",
            &|s| {
                std::fs::remove_file(place(s, "actions", &key)).unwrap();
                std::os::unix::fs::symlink("/etc/passwd", place(s, "actions", &key)).unwrap();
            },
            "cannot open",
        ),
    ];
    for (what, harm, said) in harms {
        let shared = repo.beside("shared");
        let _ = std::fs::remove_dir_all(&shared);
        crate::support::copy(&repo.root().join(".orgo/store"), &shared);
        harm(&shared);
        let fresh = clone(&repo);
        let done = fresh.orgo(&["run", "--json", "--cache", shared.to_str().unwrap()]).ok();
        assert_eq!(states(&done.json()), ["a:ran", "b:hit"], "{what}: {}", done.stderr);
        assert_eq!(fresh.read("out/p/b/o"), ONES, "{what}");
        assert!(done.stderr.contains(said), "{what}: {}", done.stderr);
        let reasons = done.json()["stages"][0]["why"].clone();
        assert_eq!((&reasons[0]["why"], &reasons[1]["why"]), (&"never-run".into(), &"shared-faulty".into()), "{what}");
        for object in files(&fresh.root().join(".orgo/store/sha256")) {
            let name: Vec<_> = object.components().rev().take(2).map(|c| c.as_os_str().to_str().unwrap()).collect();
            let digest = orgo_spec::Digest::of(&std::fs::read(&object).unwrap());
            assert_eq!(digest.hex(), format!("{}{}", name[1], name[0]), "{what}");
        }
    }
}

#[test]
fn a_directory_that_is_of_no_use_is_told_once_and_left_alone() {
    let repo = made();
    let none = repo.beside("none");
    let empty = repo.beside("empty");
    std::fs::create_dir(&empty).unwrap();
    let fresh = clone(&repo);
    let good = repo.root().join(".orgo/store");
    let args = ["run", "--cache", none.to_str().unwrap(), "--cache", empty.to_str().unwrap()];
    let done = fresh.orgo(&[&args[..], &["--cache", good.to_str().unwrap()]].concat()).ok();
    assert!(done.stdout.contains("0 ran, 2 hits"), "the next one is asked: {}", done.stdout);
    assert_eq!(done.stderr.matches("is not asked again").count(), 2, "{}", done.stderr);
    // After three faults, a directory is not asked any more.
    let stages: String =
        (0..6).map(|i| format!("stage \"s{i}\" {{ run \"sh\" \"-c\" \"echo {i} > o\"; out \"o\" }}\n")).collect();
    let many = Repo::with_pipeline(&format!("pipeline \"p\" {{\n{stages}}}\n"));
    many.orgo(&["run"]).ok();
    for result in files(&many.root().join(".orgo/store/actions")) {
        overwrite(&result, b"{");
    }
    let fresh = clone(&many);
    let done = fresh.orgo(&["run", "--cache", many.root().join(".orgo/store").to_str().unwrap()]).ok();
    assert!(done.stdout.contains("6 ran, 0 hits"), "{}", done.stdout);
    assert_eq!(done.stderr.matches("its result cannot be read").count(), 3 + 3, "{}", done.stderr);
    assert_eq!(done.stderr.matches("is not asked again").count(), 1, "{}", done.stderr);
}

#[test]
fn what_was_obtained_at_less_isolation_does_not_count() {
    let repo =
        Repo::with_pipeline(r#"pipeline "p" { stage "s" { isolation "open"; run "sh" "-c" "echo > o"; out "o" } }"#);
    repo.orgo(&["run"]).ok();
    let shared = repo.root().join(".orgo/store");
    let fresh = clone(&repo);
    fresh.write(
        "pipelines/p.kdl",
        r#"pipeline "p" { stage "s" { isolation "confined"; run "sh" "-c" "echo > o"; out "o" } }"#,
    );
    let run = fresh.orgo(&["run", "--json", "--cache", shared.to_str().unwrap()]).ok().json();
    assert_eq!(states(&run), ["s:ran"]);
    assert_eq!(run["stages"][0]["why"][1]["why"], "isolation-too-weak", "{run}");
}

#[test]
fn the_users_directories_are_asked_by_local_runs_and_never_by_protected_ones() {
    let repo = protected();
    let shared = repo.beside("shared");
    crate::support::copy(&repo.root().join(".orgo/store"), &shared);
    let forget = || {
        std::fs::remove_dir_all(repo.root().join(".orgo")).unwrap();
        std::fs::remove_dir_all(repo.root().join("out")).unwrap();
    };
    std::fs::write(repo.home().join("caches"), format!("# what the team fills\n\n{}\n", shared.display())).unwrap();
    forget();
    assert_eq!(states(&repo.orgo(&["run", "--lane", "local", "--json"]).ok().json()), ["a:hit", "b:hit"]);
    forget();
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!((run["record"]["lane"].as_str(), states(&run).join(" ")), (Some("protected"), "a:ran b:ran".into()));
    // What a local run brought here does not count either, unless its directory is named.
    forget();
    repo.orgo(&["run", "--lane", "local"]).ok();
    assert_eq!(why(&repo.orgo(&["run", "--json"]).ok().json(), 1), "result-foreign");
    forget();
    repo.orgo(&["run", "--lane", "local"]).ok();
    repo.write("input", "two\n");
    repo.commit("so that what is remembered is another");
    repo.orgo(&["run", "--lane", "local"]).ok();
    repo.write("input", "one\n");
    repo.commit("back");
    let run = repo.orgo(&["run", "--json", "--cache", shared.to_str().unwrap()]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:hit"], "{run}");
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json();
    let origin = &record["statement"]["predicate"]["facts"]["stages"][0]["origin"];
    assert_eq!((origin["by"].as_str(), origin["name"].as_str()), (Some("shared"), shared.to_str()), "{record}");
    std::fs::write(repo.home().join("caches"), "not/absolute\n").unwrap();
    repo.orgo(&["run", "--lane", "local"]).exits(2);
    repo.orgo(&["run"]).ok();
}

#[test]
fn in_a_protected_run_what_a_gate_reads_and_lets_through_is_made_here() {
    let repo = Repo::example("elements");
    repo.orgo(&["init"]).ok();
    repo.orgo(&["run"]).ok();
    let shared = repo.beside("shared");
    crate::support::copy(&repo.root().join(".orgo/store"), &shared);
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
fn statistics_say_what_is_there_and_why_each_stage_was_missed() {
    let repo = made();
    repo.write("input", "two\n");
    repo.orgo(&["run"]).ok();
    let stats = repo.orgo(&["cache", "stats", "--json"]).ok().json();
    let store = &stats["store"];
    assert_eq!((store["results"].as_u64(), store["unreadable"].as_u64()), (Some(4), Some(0)), "{stats}");
    assert_eq!(store["ages"][0]["objects"], store["objects"], "everything is new");
    let run = &stats["runs"][0];
    assert_eq!((run["ran"].as_u64(), run["hits"].as_u64()), (Some(2), Some(0)), "{stats}");
    assert_eq!(run["by_reason"]["input-changed"], 2, "{stats}");
    assert_eq!(run["misses"][0]["reasons"][0]["path"], "input", "{stats}");
    // What was collected, and when, is told.
    repo.orgo(&["gc", "--no-grace", "--clock", "2099-01-01T00:00:00Z"]).ok();
    repo.write("input", "one\n");
    let done = repo.orgo(&["run"]).ok();
    assert!(done.stderr.contains("  missed    2 evicted"), "{}", done.stderr);
    let text = repo.orgo(&["cache", "stats", "--verbose"]).ok().stdout;
    assert!(text.contains("collected 2 by age") && text.contains("(2099-01-01)"), "{text}");
    let fresh = clone(&repo);
    fresh.orgo(&["cache", "unpack", pack(&repo).to_str().unwrap()]).ok();
    let stats = fresh.orgo(&["cache", "stats", "--json"]).ok().json();
    assert_eq!(stats["store"]["foreign"][0]["results"], 2, "{stats}");
    assert_eq!(stats["runs"].as_array().unwrap().len(), 0);
    for command in ["pack", "unpack", "stats"] {
        assert!(repo.orgo(&["cache", command, "--help"]).ok().stdout.contains("Examples:"), "{command}");
    }
}

#[test]
fn a_record_of_what_was_made_here_never_stands_for_what_came_from_elsewhere() {
    let repo = protected();
    let made_here = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(made_here["record"]["confirmed"], true);
    let shared = repo.beside("shared");
    crate::support::copy(&repo.root().join(".orgo/store"), &shared);
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
    assert_eq!((states(&run).join(" "), repo.read("out/p/b/o")), ("a:ran b:ran".into(), ONES.into()));
    assert_eq!(run["record"]["confirmed"], false);
}

#[test]
fn what_is_shown_shares_no_file_with_the_store() {
    use std::os::unix::fs::MetadataExt;
    let repo = made();
    for _ in 0..2 {
        let inodes = |folder: &str| -> std::collections::BTreeSet<u64> {
            files(&repo.root().join(folder)).iter().map(|f| std::fs::symlink_metadata(f).unwrap().ino()).collect()
        };
        assert!(inodes("out").is_disjoint(&inodes(".orgo/store")));
        // Whatever somebody does to results, the store has them as they were.
        repo.write("out/p/a/o", "edited\n");
        assert_eq!(states(&repo.orgo(&["run", "--json"]).ok().json()), ["a:hit", "b:hit"]);
        assert_eq!(repo.read("out/p/a/o"), "one\none\n");
    }
}
