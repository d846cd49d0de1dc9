//! Results from elsewhere: packs and shared directories; what counts, what never does, and what is told about it.

mod changing;
mod confirmed;
mod killed;
mod protected;
mod shared;
mod stats;

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

/// The first reason of a stage.
fn why(run: &Value, stage: usize) -> String {
    run["stages"][stage]["why"][0]["why"].as_str().unwrap_or_default().to_owned()
}

fn overwrite(path: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_store_has_one_tenant() {
    let repo = made();
    repo.write("orgo.kdl", "project \"test\" tenant=\"others\"\n");
    for command in [&["run", "--json"][..], &["gc", "--json"], &["cache", "stats", "--json"]] {
        let done = repo.orgo(command).exits(3).json();
        assert_eq!(done["problems"][0]["code"], "TENANT_MISMATCH", "{done}");
    }
    // Nor is a directory asked that belongs to another tenant.
    let other = clone(&repo);
    other.write("orgo.kdl", "project \"test\" tenant=\"others\"\n");
    let done = other.orgo(&["run", "--cache", repo.root().join(".orgo/store").to_str().unwrap()]).ok();
    assert!(done.stdout.contains("2 ran, 0 hits"), "{}", done.stdout);
    assert!(done.stderr.contains("belongs to another tenant"), "{}", done.stderr);
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
    std::fs::remove_dir_all(fresh.root().join(".orgo")).unwrap();
    let done = fresh.orgo(&["cache", "unpack", pack.to_str().unwrap(), "--json"]).exits(3).json();
    assert_eq!(done["problems"][0]["code"], "TENANT_MISMATCH", "{done}");
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
