//! Stages that people must approve: waiting, approving with our keys and with stock tools, and everything that does
//! not count.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Done, Repo, states};

const PIPELINE: &str = r#"pipeline "p" {
    approval "release" { need 2; by "alice" "bob" "carol"; expires "72h" }
    stage "build" { files "input"; run "sh" "-c" "cat input > o"; tool "cat"; out "o" }
    stage "deploy" approval="release" { from "build"; run "sh" "-c" "cat in/build/o > d"; tool "cat"; out "d" }
    stage "after" { from "deploy"; run "true" }
    stage "lint" { run "true" }
}
"#;

/// A person with a key that `ssh-keygen` made.
struct Person {
    key: PathBuf,
    public: String,
}

impl Person {
    fn new(repo: &Repo, name: &str) -> Self {
        let key = repo.beside(name);
        stock(&["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", text(&key)], None);
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        Self { key, public: public.split_whitespace().take(2).collect::<Vec<_>>().join(" ") }
    }

    fn flag(&self, duty: &str) -> String {
        format!("{duty}=file:{}", self.key.display())
    }

    /// Signs a document with stock tools, and puts both where they belong.
    fn sign(&self, repo: &Repo, name: &str, document: &str) {
        let file = format!("{}/{name}.json", folder(repo));
        repo.write(&file, document);
        // It does not write over a signature without being told to at a terminal.
        let _ = std::fs::remove_file(repo.root().join(format!("{file}.sig")));
        stock(&["-q", "-Y", "sign", "-n", "orgo-approval", "-f", text(&self.key), text(&repo.root().join(file))], None);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Runs `ssh-keygen`.
fn stock(args: &[&str], input: Option<&Path>) -> String {
    let mut command = Command::new("ssh-keygen");
    command.args(args).env_clear().env("PATH", "/usr/bin:/bin");
    if let Some(path) = input {
        command.stdin(std::fs::File::open(path).unwrap());
    }
    let done: Done = command.output().expect("ssh-keygen is installed").into();
    done.ok().stdout
}

/// A protected repository whose trust names alice and bob as approvers.
fn world() -> (Repo, Person, Person) {
    let repo = Repo::with_pipeline(PIPELINE);
    repo.write("input", "1\n");
    repo.begin_ledger();
    let people = [Person::new(&repo, "alice"), Person::new(&repo, "bob")];
    for (person, name) in people.iter().zip(["alice", "bob"]) {
        repo.orgo(&["trust", "change", "--add", &format!("approver={}", person.public)]).ok();
        let shown = repo.orgo(&["trust", "show", "--json"]).ok().json();
        let keys = shown["facts"]["keys"]["approver"].as_array().unwrap().clone();
        let unnamed = keys.iter().find(|k| k["name"].is_null()).unwrap();
        assert_eq!(unnamed["key"], json!(person.public));
        let listed = repo.orgo(&["trust", "show"]).ok().stdout;
        let line = listed.lines().find(|l| l.contains(&person.public)).unwrap();
        let id = line.split_whitespace().nth(1).unwrap();
        repo.orgo(&["trust", "change", "--name", &format!("{id}={name}")]).ok();
    }
    let [alice, bob] = people;
    (repo, alice, bob)
}

fn waiting(repo: &Repo) -> Value {
    repo.orgo(&["approvals", "--json"]).ok().json()["waiting"][0].clone()
}

fn folder(repo: &Repo) -> String {
    waiting(repo)["folder"].as_str().expect("something waits").to_owned()
}

/// The document that `orgo approve --show` prints.
fn document(repo: &Repo) -> String {
    repo.orgo(&["approve", "p", "deploy", "--show"]).ok().stdout
}

/// Why the documents that are there do not count.
fn codes(repo: &Repo) -> Vec<String> {
    let waits = waiting(repo);
    let of = |list: &str| waits[list].as_array().unwrap().clone();
    let all: Vec<Value> = of("approvals").into_iter().chain(of("refused")).collect();
    all.iter().filter_map(|v| v["code"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_stage_waits_for_people_and_then_runs_alone() {
    let (repo, alice, bob) = world();
    let run = repo.orgo(&["run", "--json"]).exits(5);
    let told = run.json();
    assert_eq!(states(&told), ["build:ran", "deploy:waiting", "after:skipped", "lint:ran"]);
    assert_eq!((&told["waiting"], &told["code"]), (&json!(true), &json!("APPROVAL_INSUFFICIENT")));
    assert_eq!(told["record"]["lane"], "protected");
    assert!(run.stderr.contains("orgo approve p deploy"), "{}", run.stderr);
    assert!(!repo.exists("out/p/deploy"));
    let record = repo.orgo(&["record", "show", "latest"]).ok().stdout;
    assert!(record.contains("WAITING") && !record.contains("\"outputs\""), "{record}");

    // Alice approves with the comfort; stock tools verify what she signed.
    let approved =
        repo.orgo(&["approve", "p", "deploy", "--comment", "fine", "--key", &alice.flag("approver"), "--json"]);
    let path = approved.ok().json()["path"].as_str().unwrap().to_owned();
    let file = repo.root().join(&path);
    let signers = repo.beside("signers");
    std::fs::write(&signers, format!("alice namespaces=\"orgo-approval\" {}\n", alice.public)).unwrap();
    let signature = format!("{}.sig", file.display());
    let verify = ["-Y", "verify", "-f", text(&signers), "-I", "alice", "-n", "orgo-approval", "-s", &signature];
    assert!(stock(&verify, Some(&file)).contains("Good"));
    repo.commit("alice approves");
    let told = repo.orgo(&["run", "--json"]).exits(5).json();
    assert_eq!(states(&told), ["build:hit", "deploy:waiting", "after:skipped", "lint:hit"], "nothing runs again");
    assert_eq!((&told["approvals"][0]["have"], &told["approvals"][0]["need"]), (&json!(1), &json!(2)));

    // Bob has nothing but ssh-keygen, and what the ledger says.
    std::fs::remove_dir_all(repo.root().join(".orgo")).unwrap();
    assert_eq!(waiting(&repo)["have"], 1, "what waits is known from the record");
    bob.sign(&repo, "bob", &document(&repo));
    assert_eq!(waiting(&repo)["granted"], true);
    repo.commit("bob approves");
    let told = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(told["approvals"][0]["decision"], "GRANTED");
    assert!(states(&told).contains(&"deploy:ran".to_owned()), "{told}");
    assert_eq!(repo.read("out/p/deploy/d"), "1\n");

    // The next run decides again, repeats the record, and the ledger verifies alone.
    let again = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&again), ["build:hit", "deploy:hit", "after:hit", "lint:hit"]);
    assert_eq!(again["record"]["confirmed"], true, "{again}");
    let report = repo.orgo(&["verify", "--json"]).ok().json();
    assert_eq!(report["findings"], json!([]), "{report}");
    assert_eq!(report["counts"]["records"]["approval"], 2, "{report}");
    assert_eq!(report["counts"]["approvals"], 3, "two that waited, one that was granted");
}

#[test]
fn what_does_not_count_is_told_with_its_reason() {
    let (repo, alice, bob) = world();
    let (carol, runner) = (Person::new(&repo, "carol"), Person::new(&repo, "runner2"));
    repo.orgo(&["trust", "change", "--add", &format!("runner={}", runner.public)]).ok();
    repo.orgo(&["run"]).exits(5);
    let good = document(&repo);
    alice.sign(&repo, "alice", &good);
    assert_eq!((&waiting(&repo)["have"], codes(&repo)), (&json!(1), vec![]));
    // The same key again, under another name and in another document.
    alice.sign(&repo, "again", &good.replace("\"approve\"", "\"approve\",\n  \"comment\": \"again\""));
    alice.sign(&repo, "thrice", &good);
    assert_eq!(waiting(&repo)["have"], 1);
    // A key that the trust does not list.
    carol.sign(&repo, "bob", &good);
    assert_eq!(codes(&repo), ["KEY_UNKNOWN"]);
    // A tampered document.
    bob.sign(&repo, "bob", &good);
    assert_eq!(waiting(&repo)["granted"], true);
    repo.write(&format!("{}/bob.json", folder(&repo)), &good.replace("\"dirty\": false", "\"dirty\": true"));
    if !good.contains("\"dirty\": false") {
        repo.write(&format!("{}/bob.json", folder(&repo)), &good.replace("\"dirty\": true", "\"dirty\": false"));
    }
    assert_eq!(codes(&repo), ["SIG_INVALID"]);
    // Another stage's document, and one that is no longer, or too long, in force.
    bob.sign(&repo, "bob", &good.replace("\"stage\": \"deploy\"", "\"stage\": \"after\""));
    assert_eq!(codes(&repo), ["SUBJECT_MISMATCH"]);
    let year = |text: &str| text.find("_at\": \"").map(|at| text[at + 7..at + 11].to_owned()).expect("a time");
    let past = good.replace(&format!("_at\": \"{}", year(&good)), "_at\": \"2001");
    bob.sign(&repo, "bob", &past);
    assert_eq!(codes(&repo), ["APPROVAL_STALE"]);
    // Another namespace is another matter.
    bob.sign(&repo, "bob", &good);
    let file = repo.root().join(format!("{}/bob.json", folder(&repo)));
    std::fs::remove_file(format!("{}.sig", file.display())).unwrap();
    assert_eq!(codes(&repo), ["SIG_MISSING"]);
    stock(&["-q", "-Y", "sign", "-n", "git", "-f", text(&bob.key), text(&file)], None);
    assert_eq!(codes(&repo), ["KEY_SCOPE_MISMATCH"]);
    std::fs::remove_file(format!("{}.sig", file.display())).unwrap();
    // Whoever runs it does not approve it, with the comfort or without.
    let as_runner = runner.flag("runner");
    repo.orgo(&["approve", "p", "deploy", "--key", &runner.flag("approver"), "--key", &as_runner]).exits(1);
    runner.sign(&repo, "bob", &good);
    repo.commit("approvals");
    let told = repo.orgo(&["run", "--json", "--key", &as_runner]).exits(5);
    assert!(told.stderr.contains("APPROVAL_BY_RUNNER"), "{}", told.stderr);
    assert_eq!(told.json()["approvals"][0]["have"], 1);
    let report = repo.orgo(&["verify", "--json"]).ok().json();
    assert_eq!(report["findings"], json!([]), "{report}");
}

#[test]
fn a_withdrawal_wins_and_stays_on_record() {
    let (repo, alice, bob) = world();
    repo.orgo(&["run"]).exits(5);
    for person in [&alice, &bob] {
        repo.orgo(&["approve", "p", "deploy", "--key", &person.flag("approver")]).ok();
    }
    assert_eq!(waiting(&repo)["granted"], true);
    repo.orgo(&["approve", "p", "deploy", "--withdraw", "--comment", "wait", "--key", &bob.flag("approver")]).ok();
    assert_eq!(codes(&repo), [] as [&str; 0], "of each key, the last word is looked at");
    assert_eq!(waiting(&repo)["have"], 1);
    repo.commit("approvals");
    repo.orgo(&["run"]).exits(5);
    // Whoever takes the file away does not take away that it was withdrawn.
    let gone = std::fs::read_dir(repo.root().join(folder(&repo))).unwrap().map(|e| e.unwrap().path());
    gone.filter(|p| text(p).contains("withdrawn")).for_each(|p| std::fs::remove_file(p).unwrap());
    repo.commit("nothing to see");
    assert_eq!(repo.orgo(&["run", "--json"]).exits(5).json()["approvals"][0]["have"], 1);
    let report = repo.orgo(&["verify", "--json"]).ok().json();
    assert_eq!((&report["findings"], &report["counts"]["records"]["approval"]), (&json!([]), &json!(2)), "{report}");
}

#[test]
fn other_inputs_are_not_approved() {
    let (repo, alice, bob) = world();
    repo.orgo(&["run"]).exits(5);
    for person in [&alice, &bob] {
        repo.orgo(&["approve", "p", "deploy", "--key", &person.flag("approver")]).ok();
    }
    let before = folder(&repo);
    repo.write("input", "2\n");
    repo.commit("other input");
    let told = repo.orgo(&["run", "--json"]).exits(5).json();
    assert_eq!(told["approvals"][0]["have"], 0);
    assert_ne!(folder(&repo), before);
    // With the old input, the old approvals count; what is approved is the stage's key, not the commit.
    repo.write("input", "1\n");
    repo.write("README", "beside the point\n");
    repo.commit("back");
    assert_eq!(repo.orgo(&["run", "--json"]).ok().json()["succeeded"], true);
    assert_eq!(repo.orgo(&["verify", "--json"]).ok().json()["findings"], json!([]));
}

#[test]
fn a_run_may_wait_for_people() {
    let (repo, alice, bob) = world();
    repo.orgo(&["run"]).exits(5);
    let run = repo.start(&["run", "--json", "--wait", "120s"]);
    for person in [&alice, &bob] {
        repo.orgo(&["approve", "p", "deploy", "--key", &person.flag("approver")]).ok();
    }
    let done: Done = run.wait_with_output().unwrap().into();
    let told = done.ok().json();
    assert!(states(&told).contains(&"deploy:ran".to_owned()), "{told}");
    assert_eq!(repo.orgo(&["verify", "--json"]).ok().json()["findings"], json!([]));
}

#[test]
fn a_local_run_rests_on_the_trust_of_the_project() {
    let (repo, alice, bob) = world();
    repo.orgo(&["run", "--lane", "local"]).exits(5);
    for person in [&alice, &bob] {
        repo.orgo(&["approve", "p", "deploy", "--key", &person.flag("approver")]).ok();
    }
    let told = repo.orgo(&["run", "--lane", "local", "--json"]).ok().json();
    assert_eq!(told["record"]["lane"], "local");
    assert_eq!(repo.orgo(&["verify", "--branch", "orgo/local", "--json"]).ok().json()["findings"], json!([]));
}

#[test]
fn names_that_nobody_has_are_told() {
    let (repo, alice, _) = world();
    repo.write("pipelines/p.kdl", &PIPELINE.replace("\"bob\" \"carol\"", "\"bobby\" \"carol\""));
    repo.commit("other names");
    let run = repo.orgo(&["run"]).exits(5);
    assert!(run.stderr.contains("did you mean `bob`?"), "{}", run.stderr);
    assert!(run.stderr.contains("no approver called `carol`"), "{}", run.stderr);
    repo.orgo(&["approve", "p", "build"]).exits(2);
    repo.orgo(&["approve", "p", "deploi"]).exits(2);
    repo.orgo(&["approve", "p", "deploy", "--expires", "100h"]).exits(2);
    repo.orgo(&["approve", "p", "deploy", "--key", &alice.flag("approver")]).ok();
    let plan = repo.orgo(&["plan", "p"]).ok().stdout;
    assert!(plan.contains("approval") && plan.contains("needs 2 of alice, bobby, carol"), "{plan}");
    assert!(repo.orgo(&["check"]).ok().stdout.contains("approval release: 2 of alice, bobby, carol"));
}
