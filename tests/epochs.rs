//! Sealed epochs on the command line: what is sealed, what a small clone shows, what goes to the remote.

use orgo_host::key::{Role, UserDir};
use orgo_host::ledger::{AUDIT, Append, Entry, Ledger, Signers};
use orgo_spec::Name;
use orgo_spec::record::{Actor, AdminAction, AdminFacts, AdminRecord, AdminRun, Statement};

use crate::support::{Repo, git};

/// A repository with a remote, whose ledger has 601 records.
fn grown() -> (Repo, std::path::PathBuf) {
    let repo = Repo::recorded();
    let bare = repo.push_to_remote();
    let user = UserDir::at(repo.home());
    let key = |role| user.key(role).unwrap();
    let (runner, git, log) = (key(Role::Runner), key(Role::Git), key(Role::Log));
    let signers = Signers { runner: &runner, git: &git, log: &log, roots: &[] };
    let ledger = Ledger::open(&repo.root(), AUDIT).unwrap();
    let tenant = ledger.head().unwrap().unwrap().trust.tenant().clone();
    let change = |n: u32| {
        let facts = AdminFacts {
            action: AdminAction::Change,
            after: Some(n.to_string()),
            before: None,
            object: Name::new("counter").unwrap(),
            reason: "a test".to_owned(),
            schema_version: AdminRecord::SCHEMA_VERSION.to_owned(),
            tenant_id: tenant.clone(),
        };
        let actor = Actor { id: "t".to_owned(), kind: "person".to_owned() };
        let run = AdminRun { actor, created_at: "2026-01-01T00:00:00Z".to_owned() };
        Entry::new::<AdminRecord>(Statement::new(AdminRecord { facts, run }).to_bytes().unwrap(), vec![])
    };
    let entries = (0..600).map(change).collect();
    let append = Append { entries, subject: "many".to_owned(), trailers: vec![], seconds: 1_767_225_600 };
    ledger.append(&append, &signers).unwrap();
    (repo, bare)
}

#[test]
fn old_records_are_sealed_and_a_clone_that_begins_there_is_small_and_verifies() {
    let (repo, bare) = grown();
    repo.orgo(&["record", "submit"]).ok();
    let root = repo.orgo(&["verify", "--json"]).ok().json()["root"].as_str().unwrap().to_owned();
    let archives = repo.beside("archives");
    let told =
        repo.orgo(&["ledger", "seal", "--to", archives.to_str().unwrap(), "--reason", "a test", "--json"]).ok().json();
    assert_eq!((&told["epoch"]["first"], &told["epoch"]["end"]), (&0.into(), &256.into()), "{told}");
    let file = told["archive"]["file"].as_str().unwrap();
    assert_eq!(std::fs::metadata(file).unwrap().len(), told["archive"]["bytes"].as_u64().unwrap());
    assert!(repo.orgo(&["ledger", "epochs"]).ok().stdout.contains("records 0-255  sha256:"));
    repo.orgo(&["record", "show", "7"]).ok();
    assert_eq!(repo.orgo(&["verify", "--full", "--json"]).ok().json()["findings"], serde_json::json!([]));
    // There is nothing more to seal, and no other way to say that something is sealed.
    let again = repo.orgo(&["ledger", "seal", "--to", archives.to_str().unwrap(), "--reason", "x", "--json"]);
    assert_eq!(again.json()["problems"][0]["code"], "RECORD_MISSING", "{}", again.stdout);
    let forged = ["admin", "change", "epochs.512", "--after", "nothing", "--reason", "x", "--json"];
    assert_eq!(repo.orgo(&forged).exits(2).json()["problems"][0]["code"], "SCHEMA_INVALID");
    // The remote gets branch and reference; a small clone is made with stock git.
    repo.orgo(&["record", "submit"]).ok();
    let reference = told["reference"].as_str().unwrap();
    repo.git(&["push", "-q", "origin", reference]);
    let small = repo.beside("small.git");
    git(&repo.root(), &["init", "-q", "--bare", small.to_str().unwrap()]);
    let (from, without) = (format!("file://{}", bare.display()), format!("--shallow-exclude={reference}"));
    let fetched = git(&small, &["fetch", "-q", &without, &from, "orgo/audit:orgo/audit"]);
    assert_eq!(fetched.code, Some(0), "{}", fetched.stderr);
    let small = small.to_str().unwrap();
    let report = repo.orgo(&["verify", small, "--root", &root, "--json"]).ok().json();
    assert_eq!((&report["verdict"], &report["sealed"]["records"]), (&"verified".into(), &256.into()), "{report}");
    assert_eq!(report["sealed"]["archive"], told["epoch"]["archive"]);
    // What it verified is told from what only the log has, in words and numbers, also when it looks again.
    let covered =
        |args: &[&str]| repo.orgo(&[&["verify", small, "--root", &root, "--json"], args].concat()).ok().json();
    let told = |report: &serde_json::Value| {
        ["sealed", "logged", "left_out", "verified"].map(|name| report["covered"][name].as_u64().unwrap())
    };
    assert_eq!(told(&report), [256, 346, 0, 0], "{report}");
    assert_eq!(told(&covered(&["--full"])), [256, 346, 0, 0]);
    let said = repo.orgo(&["verify", small, "--full", "--root", &root]).ok().stdout;
    assert!(said.starts_with("development trust: not for release; verified, from record 602 on ("), "{said}");
    assert!(said.contains("sealed      256 records") && said.contains("logged      346 records"), "{said}");
    assert!(!said.contains("verified earlier"), "{said}");
    repo.orgo(&["verify", small, "--full", "--root", &format!("sha256:{}", "0".repeat(64))]).exits(3);
    repo.orgo(&["verify", small, "--leaves"]).ok();
    repo.orgo(&["verify", small, "--leaves=bytes"]).exits(3);
    // With the archive it has everything again.
    let opened = git(std::path::Path::new(small), &["fetch", "-q", file, &format!("{reference}:{reference}")]);
    assert_eq!(opened.code, Some(0), "{}", opened.stderr);
    std::fs::remove_file(std::path::Path::new(small).join("shallow")).unwrap();
    // Nothing of that was verified earlier: it is looked at without being asked for.
    let report = repo.orgo(&["verify", small, "--json"]).ok().json();
    assert_eq!((&report["findings"], &report["sealed"]), (&serde_json::json!([]), &serde_json::Value::Null));
    assert_eq!(told(&report), [0, 0, 0, 602]);
    assert_eq!(told(&covered(&[])), [0, 0, 602, 0], "from now on it was");
    assert!(repo.orgo(&["verify", small]).ok().stdout.contains("before      602 records, verified earlier"));
    assert!(repo.orgo(&["verify", small, "--since", "300"]).ok().stdout.contains("records, left out by `--since`"));
}

#[test]
fn a_sealing_that_lost_a_race_is_dropped_and_made_again() {
    let (repo, bare) = grown();
    repo.orgo(&["record", "submit"]).ok();
    let other = repo.beside("other");
    git(&repo.root(), &["clone", "-q", bare.to_str().unwrap(), other.to_str().unwrap()]);
    git(&other, &["fetch", "-q", "origin", "orgo/audit:orgo/audit"]);
    let (other, archives) = (other.to_str().unwrap(), repo.beside("archives"));
    repo.orgo(&["-C", other, "run"]).ok();
    repo.orgo(&["-C", other, "record", "submit"]).ok();
    let seal = ["ledger", "seal", "--to", archives.to_str().unwrap(), "--reason", "a test"];
    repo.orgo(&seal).ok();
    let told = repo.orgo(&["record", "submit", "--json"]).ok().json();
    assert_eq!(told["records"], serde_json::json!([]), "{told}");
    assert!(repo.orgo(&["ledger", "epochs"]).ok().stdout.contains("nothing is sealed"));
    repo.orgo(&seal).ok();
    let told = repo.orgo(&["record", "submit", "--json"]).ok().json();
    assert!(repo.orgo(&["ledger", "epochs"]).ok().stdout.contains("records 0-255"), "{told}");
    assert_eq!(
        repo.orgo(&["verify", bare.to_str().unwrap(), "--full", "--json"]).ok().json()["findings"],
        serde_json::json!([])
    );
}
