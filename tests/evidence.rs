//! Evidence stores: real folders, a real bare repository, tampering, holds, expiry, a kill in the middle of a push.

use std::path::{Path, PathBuf};

use orgo_spec::Digest;
use serde_json::Value;

use crate::support::{Repo, git};

const LOG: &str = "these words are printed";
const PIPELINE: &str = r#"pipeline "p" { record "always"; stage "s" { files "input"; run "sh" "-c" "echo these words are printed; cat input > o"; tool "cat"; out "o" } }"#;
const LATER: &str = "2099-01-01T00:00:00Z";

/// A repository with an audit ledger whose project declares `body`.
fn project(body: &str) -> Repo {
    with(PIPELINE, body)
}

fn with(pipeline: &str, body: &str) -> Repo {
    let repo = Repo::empty();
    repo.write("orgo.kdl", &format!("project \"test\" {{\n{body}\n}}\n"));
    repo.write("pipelines/p.kdl", pipeline);
    repo.write("input", "the content of the output\n");
    repo.begin_ledger();
    repo
}

fn run(repo: &Repo) -> Value {
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(run["record"]["lane"], "protected", "{run}");
    run
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn object(store: &Path, content: &str) -> PathBuf {
    let hex = Digest::of(content.as_bytes()).hex();
    store.join("sha256").join(&hex[..2]).join(&hex[2..])
}

fn forget_objects(repo: &Repo) {
    std::fs::remove_dir_all(repo.root().join(".orgo")).unwrap();
}

fn replace(path: &Path, content: &str) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, content).unwrap();
}

#[test]
fn what_a_record_names_is_pushed_once_and_fetched_back() {
    let repo = project("evidence \"main\" { directory \"../evidence\" }");
    run(&repo);
    let store = repo.beside("evidence");
    let told = repo.orgo(&["evidence", "push", "--json"]).ok().json();
    assert_eq!(told["stores"][0]["written"], 2, "a log and an output: {told}");
    assert_eq!(std::fs::read_to_string(object(&store, &format!("{LOG}\n"))).unwrap(), format!("{LOG}\n"));
    let told = repo.orgo(&["evidence", "push", "--json"]).ok().json();
    assert_eq!((&told["stores"][0]["written"], &told["stores"][0]["there"]), (&0.into(), &2.into()), "{told}");
    let status = repo.orgo(&["evidence", "status", "--json"]).ok().json();
    assert_eq!((&status["stores"][0]["present"], &status["stores"][0]["absent"]), (&2.into(), &0.into()), "{status}");
    forget_objects(&repo);
    let told = repo.orgo(&["evidence", "fetch", "--record", "latest", "--json"]).ok().json();
    assert_eq!(told["fetched"], 2, "{told}");
    let here = object(&repo.root().join(".orgo/store"), &format!("{LOG}\n"));
    assert_eq!(std::fs::read_to_string(here).unwrap(), format!("{LOG}\n"));
    let list = repo.orgo(&["evidence", "list", "--json"]).ok().json();
    assert_eq!(list["objects"].as_array().unwrap().len(), 2);
    assert!(list["objects"].as_array().unwrap().iter().all(|o| o["places"] == serde_json::json!(["here", "main"])));
}

#[test]
fn a_git_store_takes_what_two_writers_push_and_stock_git_reads_it() {
    let repo = Repo::empty();
    let bare = repo.beside("evidence.git");
    git(&repo.root(), &["init", "-q", "--bare", bare.to_str().unwrap()]);
    let body = format!("evidence \"mirror\" {{ git {:?} branch=\"kept/evidence\" }}", bare.to_str().unwrap());
    let (one, two) = (project(&body), project(&body));
    two.write("input", "another content\n");
    two.commit("another");
    run(&one);
    run(&two);
    let (mut a, mut b) = (one.start(&["evidence", "push"]), two.start(&["evidence", "push"]));
    assert!(a.wait().unwrap().success() && b.wait().unwrap().success());
    for content in ["the content of the output\n", "another content\n"] {
        let hex = Digest::of(content.as_bytes()).hex();
        let path = format!("kept/evidence:sha256/{}/{}", &hex[..2], &hex[2..]);
        assert_eq!(git(&bare, &["show", &path]).stdout, content);
    }
    assert_eq!(git(&bare, &["log", "--merges", "--oneline", "kept/evidence"]).stdout, "");
    forget_objects(&one);
    assert_eq!(one.orgo(&["evidence", "fetch", "--json"]).ok().json()["fetched"], 2);
    let report = one.orgo(&["verify", "--store", "--json"]).ok().json();
    assert_eq!(report["store"]["places"]["mirror"]["verified"], 2, "{report}");
    // The user's own repository holds none of it.
    assert_eq!(one.git(&["for-each-ref", "refs/orgo"]), "");
}

#[test]
fn what_is_missing_is_counted_and_what_is_altered_is_invalid() {
    let repo = project("evidence \"main\" { directory \"../evidence\" }");
    run(&repo);
    repo.orgo(&["evidence", "push"]).ok();
    let store = repo.beside("evidence");
    let log = object(&store, &format!("{LOG}\n"));
    let report = repo.orgo(&["verify", "--store", "--json"]).ok().json();
    assert_eq!((&report["store"]["named"], &report["store"]["verified"]), (&2.into(), &2.into()), "{report}");
    // One copy of two is gone: nothing is missing.
    std::fs::remove_file(&log).unwrap();
    let report = repo.orgo(&["verify", "--store", "--json"]).ok().json();
    assert_eq!(report["store"]["places"]["main"]["absent"], 1, "{report}");
    // Both are gone: missing, never invalid.
    std::fs::remove_file(object(&repo.root().join(".orgo/store"), &format!("{LOG}\n"))).unwrap();
    let report = repo.orgo(&["verify", "--store", "--json"]).exits(1).json();
    assert_eq!(report["verdict"], "incomplete");
    assert_eq!(report["store"]["missing"][0]["kinds"], serde_json::json!(["logs"]));
    assert_eq!(report["store"]["wrong"], serde_json::json!([]));
    assert!(report["findings"].as_array().unwrap().iter().all(|f| f["severity"] != "invalid"), "{report}");
    // Something else lies under its name: invalid, although the ledger itself verifies.
    std::fs::write(&log, "other words\n").unwrap();
    let done = repo.orgo(&["verify", "--store", "--json"]).exits(3);
    let report = done.json();
    assert_eq!(report["verdict"], "invalid");
    assert_eq!(report["store"]["wrong"][0]["code"], "EVIDENCE_ALTERED");
    assert!(repo.orgo(&["verify", "--store"]).exits(3).stdout.contains("EVIDENCE_ALTERED"));
    repo.orgo(&["verify"]).ok();
    // It is not taken either.
    assert_eq!(repo.orgo(&["evidence", "fetch", "--json"]).exits(3).json()["altered"][0]["store"], "main");
    assert!(repo.orgo(&["evidence", "fetch"]).exits(3).stderr.contains("EVIDENCE_ALTERED"));
    assert!(!object(&repo.root().join(".orgo/store"), &format!("{LOG}\n")).exists());
    // The same in the object store has the store's own code, and the object stays for whoever looks into it.
    let output = object(&repo.root().join(".orgo/store"), "the content of the output\n");
    replace(&output, "the CONTENT of the output\n");
    std::fs::remove_file(&log).unwrap();
    let report = repo.orgo(&["verify", "--store", "--json"]).exits(3).json();
    assert_eq!(report["store"]["wrong"][0]["code"], "STORE_CORRUPT");
    assert!(output.exists());
}

#[test]
fn a_protected_run_mirrors_by_itself_and_an_unreachable_store_never_costs_the_record() {
    let repo = project("evidence \"main\" { directory \"../share/evidence\"; push \"auto\" }");
    let told = run(&repo);
    assert_eq!(told["evidence"]["stores"][0]["written"], 2, "{told}");
    // Something else stands where the share was.
    std::fs::rename(repo.beside("share"), repo.beside("away")).unwrap();
    std::fs::write(repo.beside("share"), "a file").unwrap();
    repo.write("input", "a second output\n");
    repo.commit("second");
    let run = repo.orgo(&["run", "--json"]).exits(4).json();
    assert_eq!((&run["record"]["lane"], &run["succeeded"]), (&"protected".into(), &true.into()), "{run}");
    assert_eq!(run["evidence"]["unusable"][0]["store"], "main", "{run}");
    assert!(repo.orgo(&["run"]).exits(4).stderr.contains("EVIDENCE_STORE_UNUSABLE"));
    repo.orgo(&["verify"]).ok();
    std::fs::remove_file(repo.beside("share")).unwrap();
    std::fs::rename(repo.beside("away"), repo.beside("share")).unwrap();
    repo.orgo(&["evidence", "push"]).ok();
    assert!(object(&repo.beside("share/evidence"), "a second output\n").exists());
}

#[test]
fn a_folder_that_holds_something_else_never_becomes_a_store() {
    let repo = project("evidence \"main\" { directory \"../home-of-somebody\" }");
    run(&repo);
    std::fs::create_dir(repo.beside("home-of-somebody")).unwrap();
    std::fs::write(repo.beside("home-of-somebody/letter"), "dear").unwrap();
    let told = repo.orgo(&["evidence", "push", "--json"]).exits(4).json();
    assert!(told["unusable"][0]["why"].as_str().unwrap().contains("holds something else"), "{told}");
    assert_eq!(files(&repo.beside("home-of-somebody")).len(), 1);
}

/// A repository whose logs are restricted, its identity file, and its vault.
fn restricted() -> (Repo, PathBuf, PathBuf) {
    let repo = Repo::empty();
    let identity = repo.beside("identities/one");
    let told = repo.orgo(&["evidence", "identity", identity.to_str().unwrap(), "--json"]).ok().json();
    let recipient = told["recipient"].as_str().unwrap();
    let sealed = project(&format!(
        "evidence \"vault\" {{ directory \"../vault\" }}\nclass \"restricted\" {{ kinds \"logs\"; recipient \"{recipient}\"; blind \"correct horse battery\" }}"
    ));
    let kept = sealed.beside("identity/one");
    std::fs::create_dir(sealed.beside("identity")).unwrap();
    std::fs::copy(&identity, &kept).unwrap(); // keeps the mode
    let vault = sealed.beside("vault");
    (sealed, kept, vault)
}

#[test]
fn what_is_restricted_leaves_only_sealed_and_comes_back_only_with_an_identity() {
    use std::os::unix::fs::PermissionsExt;
    let (repo, identity, vault) = restricted();
    assert_eq!(std::fs::metadata(&identity).unwrap().permissions().mode() & 0o777, 0o600);
    run(&repo);
    repo.orgo(&["evidence", "push"]).ok();
    let log = Digest::of(format!("{LOG}\n").as_bytes()).hex();
    for file in files(&vault) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(LOG.len()).any(|w| w == LOG.as_bytes()), "{} shows the log", file.display());
        assert!(!file.to_string_lossy().contains(&log[2..]), "{} shows the digest of the log", file.display());
    }
    let sealed: Vec<PathBuf> = files(&vault.join("sealed"));
    assert_eq!(sealed.len(), 1);
    assert!(std::fs::read(&sealed[0]).unwrap().starts_with(b"age-encryption.org/v1\n-> X25519 "));
    assert!(object(&vault, "the content of the output\n").exists(), "outputs are not restricted here");
    // Without an identity it is known to be there, and no more.
    forget_objects(&repo);
    let report = repo.orgo(&["verify", "--store", "--json"]).ok().json();
    assert_eq!((&report["store"]["sealed"], &report["store"]["missing"]), (&1.into(), &serde_json::json!([])));
    let done = repo.orgo(&["evidence", "fetch"]).exits(1);
    assert!(done.stderr.contains("EVIDENCE_SEALED"), "{}", done.stderr);
    // An identity that others could read is not used.
    let file = identity.to_str().unwrap();
    std::fs::set_permissions(&identity, std::fs::Permissions::from_mode(0o644)).unwrap();
    let done = repo.orgo(&["evidence", "fetch", "--identity", file]).exits(3);
    assert!(done.stderr.contains("KEY_UNUSABLE"), "{}", done.stderr);
    std::fs::set_permissions(&identity, std::fs::Permissions::from_mode(0o600)).unwrap();
    // Nor does another's open it.
    let other = repo.beside("identity/other");
    repo.orgo(&["evidence", "identity", other.to_str().unwrap()]).ok();
    repo.orgo(&["evidence", "fetch", "--identity", other.to_str().unwrap()]).exits(1);
    let told = repo.orgo(&["evidence", "fetch", "--identity", file, "--json"]).ok().json();
    assert_eq!(told["fetched"], 1, "{told}");
    let report = repo.orgo(&["verify", "--store", "--identity", file, "--json"]).ok().json();
    assert_eq!(report["store"]["places"]["vault"]["verified"], 2, "{report}");
}

#[test]
fn a_sealed_file_that_was_altered_or_swapped_is_invalid() {
    let (repo, identity, vault) = restricted();
    run(&repo);
    repo.orgo(&["evidence", "push"]).ok();
    let file = identity.to_str().unwrap();
    let sealed = files(&vault.join("sealed")).remove(0);
    let good = std::fs::read(&sealed).unwrap();
    for at in [5, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::remove_file(&sealed).unwrap();
        std::fs::write(&sealed, &bad).unwrap();
        let report = repo.orgo(&["verify", "--store", "--identity", file, "--json"]).exits(3).json();
        assert_eq!(report["store"]["wrong"][0]["place"], "vault", "byte {at}: {report}");
    }
    // Anybody can seal for the same recipient: a good file of another content.
    repo.write("input", "a second output\n");
    repo.write("pipelines/p.kdl", &PIPELINE.replace("these words", "other words"));
    repo.commit("second");
    std::fs::remove_file(&sealed).unwrap();
    run(&repo);
    repo.orgo(&["evidence", "push", "--record", "latest"]).ok();
    let other = files(&vault.join("sealed")).remove(0);
    std::fs::create_dir_all(sealed.parent().unwrap()).unwrap();
    std::fs::copy(&other, &sealed).unwrap();
    let report = repo.orgo(&["verify", "--store", "--identity", file, "--json"]).exits(3).json();
    assert_eq!(report["store"]["wrong"].as_array().unwrap().len(), 1, "{report}");
}

#[test]
fn retention_lets_go_by_kind_and_a_hold_keeps_everything() {
    let repo = project(
        "evidence \"main\" { directory \"../evidence\" }\nretain \"logs\" \"90d\"\nretain \"outputs\" \"forever\"",
    );
    run(&repo);
    repo.orgo(&["evidence", "push"]).ok();
    let log = object(&repo.beside("evidence"), &format!("{LOG}\n"));
    let prune = |args: &[&str]| {
        let done = repo.orgo(&[&["evidence", "prune", "--json"], args].concat()).ok().json();
        done["stores"][0]["removed"].as_array().unwrap().len()
    };
    assert_eq!(prune(&[]), 0, "its time is not over");
    assert_eq!(prune(&["--dry-run", "--clock", LATER]), 1);
    assert!(log.exists(), "a dry run removes nothing");
    repo.orgo(&["admin", "hold", "evidence", "--reason", "incident 12"]).ok();
    assert_eq!(prune(&["--clock", LATER]), 0, "it is held");
    repo.orgo(&["admin", "release", "evidence", "--reason", "closed"]).ok();
    let id = repo.orgo(&["record", "show", "2", "--json"]).ok().json()["id"].as_str().unwrap().to_owned();
    let one = format!("evidence.{}", id.trim_start_matches("sha256:"));
    repo.orgo(&["admin", "hold", &one, "--reason", "incident 13"]).ok();
    assert_eq!(prune(&["--clock", LATER]), 0, "its record is held");
    let report = repo.orgo(&["verify", "--store", "--json"]).ok().json();
    assert_eq!(report["store"]["held"], 2, "{report}");
    repo.orgo(&["admin", "release", &one, "--reason", "closed"]).ok();
    assert_eq!(prune(&["--clock", LATER]), 1);
    assert!(!log.exists());
    assert!(object(&repo.beside("evidence"), "the content of the output\n").exists());
    // What retention let go is not missed.
    forget_objects(&repo);
    let report = repo.orgo(&["verify", "--store", "--clock", LATER, "--json"]).ok().json();
    assert_eq!((&report["store"]["expired"], &report["store"]["missing"]), (&1.into(), &serde_json::json!([])));
}

#[test]
fn a_push_that_is_killed_leaves_no_half_file_and_goes_on() {
    let many = "for i in 0 1 2 3 4 5 6 7 8 9; do for j in 0 1 2 3 4 5 6 7 8 9; do for k in 0 1 2 3; do echo $i$j$k > o/$i$j$k; done; done; done";
    let pipeline = format!(
        "pipeline \"p\" {{ stage \"s\" {{ run \"sh\" \"-c\" \"mkdir o; {many}\"; tool \"mkdir\"; out \"o\" }} }}"
    );
    let repo = with(&pipeline, "evidence \"main\" { directory \"../evidence\" }");
    run(&repo);
    let store = repo.beside("evidence");
    let mut killed_in_the_middle = false;
    for _ in 0..5 {
        let before = files(&store.join("sha256")).len();
        let mut child = repo.start(&["evidence", "push"]);
        while child.try_wait().unwrap().is_none() && files(&store.join("sha256")).len() < before + 20 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let there = files(&store.join("sha256"));
        killed_in_the_middle |= !there.is_empty() && there.len() < 400;
        for file in there {
            let name = format!(
                "{}{}",
                file.parent().unwrap().file_name().unwrap().to_str().unwrap(),
                file.file_name().unwrap().to_str().unwrap()
            );
            assert_eq!(Digest::of(&std::fs::read(&file).unwrap()).hex(), name, "half a file has a name");
        }
    }
    assert!(killed_in_the_middle, "no kill came in the middle");
    repo.orgo(&["evidence", "push"]).ok();
    assert_eq!(files(&store.join("sha256")).len(), 400);
    let report = repo.orgo(&["verify", "--store", "--json"]).ok().json();
    assert_eq!(report["store"]["places"]["main"]["verified"], 400);
}

#[test]
fn unknown_stores_and_none_at_all_are_told_with_a_way_out() {
    let repo = project("evidence \"main\" { directory \"../evidence\" }");
    run(&repo);
    assert!(repo.orgo(&["evidence", "push", "other"]).exits(2).stderr.contains("the stores are main"));
    let bare = project("");
    run(&bare);
    assert!(bare.orgo(&["evidence", "push"]).exits(2).stderr.contains("declares no evidence store"));
}
