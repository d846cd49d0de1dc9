//! Trust through the command line: rotation, thresholds, revocation, holds, proofs.

use std::path::Path;
use std::process::Command;

use crate::support::{ORGO, Repo, git};

fn protected() -> Repo {
    let repo = Repo::empty();
    repo.write("orgo.kdl", "project \"test\"\n");
    repo.write(
        "pipelines/p.kdl",
        r#"pipeline "p" { record "always"; stage "s" { files "input"; run "sh" "-c" "cat input > o"; tool "cat"; out "o" } }"#,
    );
    repo.write("input", "1\n");
    repo.write(".gitignore", "/out/\n/.orgo/\n");
    repo.orgo(&["init"]).ok();
    repo.commit("first");
    repo
}

fn key(repo: &Repo, name: &str) -> (String, String) {
    let shown = repo.orgo(&["key", "show", name, "--json"]).ok().json();
    (shown["public"].as_str().unwrap().to_owned(), shown["id"].as_str().unwrap().to_owned())
}

fn tip(repo: &Repo) -> String {
    repo.git(&["rev-parse", "orgo/audit"])
}

#[test]
fn a_runner_key_is_rotated_with_overlap_and_the_old_one_signs_no_more() {
    let repo = protected();
    let (_, old) = key(&repo, "runner");
    repo.orgo(&["key", "new", "runner", "--name", "next"]).ok();
    let (next, _) = key(&repo, "next");
    repo.orgo(&["trust", "change", "--add", &format!("runner={next}")]).ok();
    let as_next = format!("runner=file:{}", repo.home().join("keys/next.key").display());
    // Both sign while both are listed.
    assert_eq!(repo.orgo(&["run", "--json"]).ok().json()["record"]["lane"], "protected");
    assert_eq!(repo.orgo(&["run", "--json", "--key", &as_next]).ok().json()["record"]["lane"], "protected");
    repo.orgo(&["trust", "change", "--remove", &old[..12], "--key", &as_next]).ok();
    let refused = repo.orgo(&["run", "--lane", "protected", "--json"]).exits(1).json();
    assert_eq!(refused["problems"][0]["code"], "KEY_UNKNOWN", "{refused}");
    assert_eq!(repo.orgo(&["run", "--json", "--key", &as_next]).ok().json()["record"]["lane"], "protected");
    let report = repo.orgo(&["verify", "--json"]).ok().json();
    assert_eq!(report["findings"], serde_json::json!([]), "{report}");
    assert_eq!(report["counts"]["records"]["trust"], 3);
}

#[test]
fn a_runner_key_serves_the_environments_that_the_trust_gives_it() {
    let repo = protected();
    let (_, runner) = key(&repo, "runner");
    let scope = format!("{}=production,staging", &runner[..12]);
    repo.orgo(&["trust", "change", "--environments", &scope]).ok();
    assert!(repo.orgo(&["trust", "show"]).ok().stdout.contains("in production, staging"));
    // Nothing runs before it is refused.
    let refused = repo.orgo(&["run", "--lane", "protected", "--json"]).exits(1).json();
    assert_eq!(refused["problems"][0]["code"], "KEY_SCOPE_MISMATCH", "{refused}");
    assert!(!repo.exists("out/p"));
    let run = ["run", "--environment", "production", "--json"];
    assert_eq!(repo.orgo(&run).ok().json()["record"]["lane"], "protected");
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json();
    assert_eq!(record["statement"]["predicate"]["run"]["environment"], "production");
    assert_eq!(repo.orgo(&["verify", "--full", "--json"]).ok().json()["findings"], serde_json::json!([]));
    // A run for another environment repeats nothing.
    repo.write("pipelines/p.kdl", &repo.read("pipelines/p.kdl").replace("record \"always\"; ", ""));
    repo.commit("records what changes");
    repo.orgo(&run).ok();
    assert_eq!(repo.orgo(&run).ok().json()["record"]["confirmed"], true);
    let staging = ["run", "--environment", "staging", "--json"];
    assert_eq!(repo.orgo(&staging).ok().json()["record"]["confirmed"], false);
}

#[test]
fn a_change_of_trust_needs_as_many_roots_as_the_trust_says() {
    let repo = protected();
    repo.orgo(&["key", "new", "root", "--name", "second"]).ok();
    let (second, _) = key(&repo, "second");
    let as_second = format!("root=file:{}", repo.home().join("keys/second.key").display());
    let file = repo.beside("next.json");
    let file = file.to_str().unwrap();
    repo.orgo(&["trust", "change", "--add", &format!("root={second}"), "--threshold", "2", "--to", file]).ok();
    let before = tip(&repo);
    let refused = repo.orgo(&["trust", "apply", file, "--json"]).exits(1).json();
    assert_eq!(refused["problems"][0]["code"], "SIG_MISSING");
    repo.orgo(&["trust", "sign", file]).ok();
    let refused = repo.orgo(&["trust", "apply", file, "--json"]).exits(3).json();
    assert_eq!(refused["problems"][0]["code"], "SIG_THRESHOLD_NOT_MET", "{refused}");
    assert_eq!(tip(&repo), before);
    repo.orgo(&["trust", "sign", file, "--key", &as_second]).ok();
    repo.orgo(&["trust", "apply", file]).ok();
    // One root does not suffice any more.
    let refused = repo.orgo(&["trust", "change", "--threshold", "1", "--json"]).exits(3).json();
    assert_eq!(refused["problems"][0]["code"], "SIG_THRESHOLD_NOT_MET");
    assert_eq!(repo.orgo(&["verify", "--json"]).ok().json()["findings"], serde_json::json!([]));
}

#[test]
fn production_trust_lists_no_development_key() {
    let repo = protected();
    let before = tip(&repo);
    let refused = repo.orgo(&["trust", "change", "--production", "--json"]).exits(2).json();
    assert_eq!(refused["problems"][0]["code"], "KEY_SCOPE_MISMATCH", "{refused}");
    assert_eq!(tip(&repo), before);
}

#[test]
fn a_revoked_key_is_refused_by_us_and_by_stock_tools() {
    let repo = protected();
    repo.orgo(&["run"]).ok();
    repo.orgo(&["key", "new", "git", "--name", "next"]).ok();
    let (next, _) = key(&repo, "next");
    let (_, old) = key(&repo, "git");
    let as_next = format!("git=file:{}", repo.home().join("keys/next.key").display());
    repo.orgo(&["trust", "change", "--add", &format!("git={next}")]).ok();
    let first = repo.git(&["rev-list", "--max-parents=0", "orgo/audit"]);
    repo.orgo(&["trust", "revoke", &old[..12], "--reason", "retired", "--key", &as_next]).ok();
    // What it signed before still verifies; what it signs from now on does not.
    assert_eq!(repo.orgo(&["verify", "--json"]).ok().json()["findings"], serde_json::json!([]));
    let refused = repo.orgo(&["admin", "change", "x", "--after", "y", "--reason", "z", "--json"]).exits(3).json();
    assert_eq!(refused["problems"][0]["code"], "KEY_REVOKED", "{refused}");
    // Stock git with the generated lists: the old commit is refused by name of the revoked key.
    let list = repo.beside("revoked");
    std::fs::write(&list, repo.git(&["show", "orgo/audit:trust/revoked_keys"])).unwrap();
    let signers = repo.beside("signers");
    let at_first = format!("{}:trust/allowed_signers", first.trim());
    std::fs::write(&signers, repo.git(&["show", &at_first])).unwrap();
    let verify = |revoked: bool| {
        let signers = format!("gpg.ssh.allowedSignersFile={}", signers.display());
        let list = format!("gpg.ssh.revocationFile={}", list.display());
        let mut args = vec!["-c", &signers];
        if revoked {
            args.extend(["-c", &list]);
        }
        args.extend(["verify-commit", first.trim()]);
        git(&repo.root(), &args).code
    };
    assert_eq!(verify(false), Some(0));
    assert_ne!(verify(true), Some(0));
}

#[test]
fn a_revocation_that_reaches_back_takes_what_the_key_signed() {
    let repo = protected();
    repo.orgo(&["run"]).ok();
    repo.orgo(&["verify"]).ok();
    repo.orgo(&["key", "new", "runner", "--name", "next"]).ok();
    let (next, _) = key(&repo, "next");
    let (_, old) = key(&repo, "runner");
    let as_next = format!("runner=file:{}", repo.home().join("keys/next.key").display());
    repo.orgo(&["trust", "change", "--add", &format!("runner={next}")]).ok();
    repo.orgo(&["trust", "revoke", &old[..12], "--reason", "compromised", "--since", "2", "--key", &as_next]).ok();
    let report = repo.orgo(&["verify", "--json"]).exits(3).json();
    let found: Vec<(u64, &str)> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["record"].as_u64().unwrap(), f["code"].as_str().unwrap()))
        .collect();
    // Record 1 is the start, 2 the build, 3 the change of trust that the old key signed.
    assert_eq!(found, [(2, "KEY_REVOKED"), (3, "KEY_REVOKED")]);
}

#[test]
fn what_is_held_is_not_signed_and_the_hold_is_on_record() {
    let repo = protected();
    repo.orgo(&["admin", "hold", "records", "--reason", "an incident"]).ok();
    assert!(repo.orgo(&["admin", "list"]).ok().stdout.contains("an incident"));
    let before = tip(&repo);
    let refused = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(refused["problems"][0]["code"], "HOLD_IN_FORCE", "{refused}");
    assert!(!repo.exists("out/p/s/o"), "nothing ran");
    assert_eq!(tip(&repo), before);
    let again = repo.orgo(&["admin", "hold", "records", "--reason", "twice", "--json"]).exits(1).json();
    assert_eq!(again["problems"][0]["code"], "HOLD_IN_FORCE", "{again}");
    repo.orgo(&["admin", "release", "rotation", "--reason", "none"]).exits(3);
    repo.orgo(&["admin", "release", "records", "--reason", "it is over"]).ok();
    repo.orgo(&["run"]).ok();
    assert_eq!(repo.orgo(&["verify", "--json"]).ok().json()["findings"], serde_json::json!([]));
}

#[test]
fn a_proof_is_verified_without_a_repository() {
    let repo = protected();
    repo.orgo(&["run"]).ok();
    let file = repo.beside("proof.json");
    let root = repo.orgo(&["verify", "--json"]).ok().json()["root"].as_str().unwrap().to_owned();
    let tlog = repo.beside("tlog-proof");
    let (file, tlog) = (file.to_str().unwrap(), tlog.to_str().unwrap());
    repo.orgo(&["prove", "latest", "--to", file, "--tlog", tlog]).ok();
    assert!(std::fs::read_to_string(tlog).unwrap().starts_with("c2sp.org/tlog-proof@v1\n"));
    let elsewhere = tempfile::tempdir().unwrap();
    let orgo = |args: &[&str]| {
        let mut command = Command::new(ORGO);
        let home = repo.home();
        command
            .args(args)
            .arg("--home")
            .arg(home)
            .current_dir(elsewhere.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        command.output().unwrap()
    };
    assert_eq!(orgo(&["verify", "--proof", file, "--root", &root, "--ci"]).status.code(), Some(0));
    assert_eq!(orgo(&["verify", "--proof", file]).status.code(), Some(0));
    assert_eq!(orgo(&["verify", "--proof", file, "--ci"]).status.code(), Some(1));
    let other = format!("sha256:{}", "0".repeat(64));
    let refused = orgo(&["verify", "--proof", file, "--root", &other]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ROOT_NOT_TRUSTED"));
    let text = std::fs::read_to_string(file).unwrap().replace("PASS", "FAIL");
    let forged = elsewhere.path().join("forged.json");
    std::fs::write(&forged, text.replace("\"succeeded\"", "\"failed\"").replace("\\\"number\\\"", "\\\"Number\\\""))
        .unwrap();
    std::fs::write(&forged, std::fs::read_to_string(&forged).unwrap().replacen("test", "best", 1)).unwrap();
    assert_eq!(orgo(&["verify", "--proof", Path::new(&forged).to_str().unwrap()]).status.code(), Some(3));
    let one = repo.orgo(&["verify", "--record", "latest", "--json"]).ok().json();
    assert_eq!(one["shown"]["kind"], "build");
}
