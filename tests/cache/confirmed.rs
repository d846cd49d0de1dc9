//! Results from elsewhere that a record of a runner confirms: what a protected run uses of them, and what it never does.

use std::path::PathBuf;

use serde_json::Value;

use super::protected::{forge, protected};
use super::{ONES, place};
use crate::support::{Repo, copy, states};

/// A copy of what a repository has made, named by the user's file; the repository starts empty again.
fn shared(repo: &Repo) -> PathBuf {
    let shared = repo.beside("shared");
    copy(&repo.root().join(".orgo/store"), &shared);
    std::fs::write(repo.home().join("caches"), format!("{}\n", shared.display())).unwrap();
    forget(repo);
    shared
}

fn forget(repo: &Repo) {
    for folder in [".orgo", "out"] {
        let _ = std::fs::remove_dir_all(repo.root().join(folder));
    }
}

fn run(repo: &Repo, args: &[&str]) -> Value {
    let run = repo.orgo(&[&["run", "--json"], args].concat()).ok().json();
    assert_eq!(run["record"]["lane"], "protected", "{run}");
    run
}

fn latest(repo: &Repo) -> Value {
    repo.orgo(&["record", "show", "latest", "--json"]).ok().json()
}

#[test]
fn what_a_record_confirms_is_used_by_a_protected_run_and_it_is_told_which_record() {
    let repo = protected();
    let record = latest(&repo)["id"].clone();
    let shared = shared(&repo);
    let first = run(&repo, &[]);
    assert_eq!(states(&first), ["a:hit", "b:hit"], "{first}");
    for stage in first["stages"].as_array().unwrap() {
        assert_eq!((&stage["confirmed"], &stage["origin"]["name"]), (&record, &shared.to_str().unwrap().into()));
    }
    assert_eq!(repo.read("out/p/b/o"), ONES);
    let told = repo.orgo(&["explain", "a"]).ok().stdout;
    assert!(told.contains(&format!("it is confirmed by the record {}", record.as_str().unwrap())), "{told}");
    // The record of this run says where its results came from, and so confirms nothing by itself.
    let facts = latest(&repo)["statement"]["predicate"]["facts"].clone();
    assert_eq!(facts["stage_counts"]["elsewhere"], 2, "{facts}");
    let again = run(&repo, &[]);
    assert_eq!((states(&again).join(" "), &again["stages"][1]["confirmed"]), ("a:hit b:hit".into(), &record));
    assert_eq!(again["record"]["confirmed"], true, "{again}");
    forget(&repo);
    assert_eq!(run(&repo, &[])["stages"][0]["confirmed"], record, "the older record is found behind the newer one");
    repo.orgo(&["verify", "--full"]).ok();
    // What was unpacked counts in the same way.
    let pack = super::pack(&repo);
    forget(&repo);
    std::fs::remove_file(repo.home().join("caches")).unwrap();
    repo.orgo(&["cache", "unpack", pack.to_str().unwrap()]).ok();
    let unpacked = run(&repo, &[]);
    assert_eq!((states(&unpacked).join(" "), &unpacked["stages"][0]["confirmed"]), ("a:hit b:hit".into(), &record));
}

#[test]
fn what_differs_from_the_record_in_anything_is_made_here() {
    let repo = protected();
    let honest = repo.orgo(&["run", "--json"]).ok().json();
    let shared = shared(&repo);
    let whole = repo.beside("whole");
    copy(&shared, &whole);
    let key = |stage: usize| honest["stages"][stage]["key"].as_str().unwrap().to_owned();
    let change = |stage: usize, from: &str, to: &str| {
        let path = place(&shared, "actions", &key(stage));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
    };
    // The link `l` leads to `o`: a file with this letter has the same digest in the list of a record.
    let letter = orgo_spec::Digest::of(b"o").to_string();
    std::fs::create_dir_all(place(&whole, "sha256", &letter).parent().unwrap()).unwrap();
    std::fs::write(place(&whole, "sha256", &letter), "o").unwrap();
    let file = format!(r#"{{"File":{{"blob":{{"digest":"{letter}","size_bytes":1}},"executable":false}}}}"#);
    type Lie<'l> = &'l dyn Fn();
    let lies: [(&str, Lie<'_>, usize); 5] = [
        ("other content", &|| forge(&shared, &honest, 1, "forged\n"), 1),
        ("an executable file", &|| change(1, "\"executable\":false", "\"executable\":true"), 1),
        ("another one", &|| change(0, "\"executable\":false", "\"executable\":true"), 0),
        ("a file that was a link", &|| change(0, r#"{"Link":"o"}"#, &file), 0),
        ("more isolation", &|| change(1, r#""isolation":"confined""#, r#""isolation":"hermetic""#), 1),
    ];
    for (what, lie, stage) in lies {
        forget(&repo);
        std::fs::remove_dir_all(&shared).unwrap();
        copy(&whole, &shared);
        lie();
        let run = run(&repo, &[]);
        let expected = if stage == 0 { ["a:ran", "b:hit"] } else { ["a:hit", "b:ran"] };
        assert_eq!(states(&run), expected, "{what}: {run}");
        let reasons = run["stages"][stage]["why"].as_array().unwrap();
        assert!(reasons.iter().any(|why| why["why"] == "result-foreign"), "{what}: {run}");
        assert_eq!((repo.read("out/p/b/o"), run["stages"][stage]["confirmed"].clone()), (ONES.into(), Value::Null));
    }
}

#[test]
fn only_a_key_that_the_trust_lists_confirms_and_another_runners_word_needs_a_pinned_root() {
    let repo = protected();
    let key = |name: &str| repo.orgo(&["key", "show", name, "--json"]).ok().json();
    let old = key("runner")["id"].as_str().unwrap().to_owned();
    repo.orgo(&["key", "new", "runner", "--name", "next"]).ok();
    let next = key("next")["public"].as_str().unwrap().to_owned();
    let as_next = format!("runner=file:{}", repo.home().join("keys/next.key").display());
    repo.orgo(&["trust", "change", "--add", &format!("runner={next}")]).ok();
    shared(&repo);
    let tip = repo.git(&["rev-parse", "orgo/audit"]);
    // Each run by the other key finds the ledger as it was: what it signed itself would need no pin.
    let run_as_next = |what: &str, expected: [&str; 2]| {
        forget(&repo);
        let done = repo.orgo(&["run", "--json", "--key", &as_next]);
        let (run, told) = (done.json(), done.stderr.clone());
        done.ok();
        assert_eq!(
            (states(&run).join(" "), &run["record"]["lane"]),
            (expected.join(" "), &"protected".into()),
            "{what}"
        );
        repo.git(&["update-ref", "refs/heads/orgo/audit", tip.trim()]);
        std::fs::remove_dir_all(repo.root().join(".git/orgo")).unwrap();
        told
    };
    let told = run_as_next("not pinned", ["a:ran", "b:ran"]);
    assert!(told.contains("records of other runners confirm nothing here"), "{told}");
    repo.orgo(&["verify", "--pin"]).ok();
    let told = run_as_next("pinned", ["a:hit", "b:hit"]);
    assert!(!told.contains("confirm nothing"), "{told}");
    let pins = std::fs::read_to_string(repo.home().join("pins.json")).unwrap();
    let root = pins.split('"').find(|part| part.starts_with("sha256:")).unwrap().to_owned();
    let other = orgo_spec::Digest::of(b"another root").to_string();
    std::fs::write(repo.home().join("pins.json"), pins.replace(&root, &other)).unwrap();
    run_as_next("another root is pinned", ["a:ran", "b:ran"]);
    std::fs::write(repo.home().join("pins.json"), &pins).unwrap();
    run_as_next("pinned again", ["a:hit", "b:hit"]);
    // A key that the trust does not list any more confirms nothing, though what it signed is still valid.
    repo.orgo(&["trust", "change", "--remove", &old[..12], "--key", &as_next]).ok();
    repo.orgo(&["verify"]).ok();
    forget(&repo);
    let run = repo.orgo(&["run", "--json", "--key", &as_next]).ok().json();
    assert_eq!(states(&run), ["a:ran", "b:ran"], "{run}");
}

#[test]
fn a_confirmed_result_opens_no_gate_and_what_a_gate_lets_through_is_made_here() {
    let repo = Repo::example("elements");
    repo.orgo(&["init"]).ok();
    repo.orgo(&["run"]).ok();
    shared(&repo);
    let run = repo.orgo(&["run", "--json"]).json();
    let stage = |name: &str| {
        let stages = run["stages"].as_array().unwrap();
        stages.iter().find(|s| s["stage"] == name).cloned().unwrap()
    };
    assert_eq!(run["record"]["lane"], "protected", "{run}");
    assert_eq!((&stage("claims")["state"], &stage("report")["state"]), (&"hit".into(), &"ran".into()), "{run}");
    assert!(stage("claims")["confirmed"].is_string() && stage("report")["confirmed"].is_null(), "{run}");
    assert_ne!(stage("canon")["state"], "hit");
}

#[test]
fn what_a_record_lists_elsewhere_is_confirmed_if_the_lists_can_be_had() {
    // More than a record lists, both of stages and of what the run claims.
    let stage = |i: usize| format!("stage \"s{i}\" {{ run \"sh\" \"-c\" \"echo {i} > o\"; out \"o\" }}\n");
    let stages: String = (0..1010).map(stage).collect();
    let repo = Repo::with_pipeline(&format!("pipeline \"p\" {{\n{stages}}}\n"));
    repo.write(".gitignore", "/out/\n/.orgo/\n");
    repo.orgo(&["init"]).ok();
    repo.commit("ready");
    repo.orgo(&["run"]).ok();
    let facts = latest(&repo)["statement"]["predicate"]["facts"].clone();
    let shared = shared(&repo);
    assert_eq!(run(&repo, &[])["hits"], 1010);
    let lists = facts["pages"].as_array().unwrap().iter().chain(facts["outputs"]["artifacts"].as_array().unwrap());
    for (n, list) in lists.enumerate() {
        let list = place(&shared, "sha256", list["digest"].as_str().unwrap());
        let bytes = std::fs::read(&list).unwrap();
        std::fs::remove_file(&list).unwrap();
        forget(&repo);
        // Each time another stage: that of the time before was made here since, and a record says so.
        assert_eq!(run(&repo, &["p", &format!("s{n}")])["hits"], 0, "without list {n}");
        std::fs::write(&list, bytes).unwrap();
    }
}

#[test]
fn no_record_of_a_run_on_somebodys_machine_confirms_anything() {
    let repo = protected();
    repo.write("input", "two\n");
    repo.commit("two");
    repo.orgo(&["run", "--lane", "local"]).ok();
    shared(&repo);
    assert_eq!(states(&run(&repo, &[])), ["a:ran", "b:ran"]);
}
