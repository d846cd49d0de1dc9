//! Overrides through the command line: who may lift what, once; and everything that lifts nothing.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::Repo;

const NO_PACKS: &str = "@id(\"no-packs\") forbid(principal, action == Action::\"compile\", resource) when { context.produces == \"pack\" };\n";

/// A person with a key that `ssh-keygen` made, listed as approver.
struct Person {
    key: PathBuf,
}

impl Person {
    fn new(repo: &Repo, name: &str) -> Self {
        let key = repo.beside(name);
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).output().unwrap();
        assert!(made.status.success());
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        repo.orgo(&["trust", "change", "--branch", "orgo/audit", "--add", &format!("approver={}", public.trim())]).ok();
        Self { key }
    }

    fn flag(&self) -> String {
        format!("approver=file:{}", self.key.display())
    }
}

/// The example under a mandate whose policy keeps packs from being made, and lets two people lift that.
fn world(overrides: &str) -> (Repo, Person, Person) {
    let repo = Repo::example("elements");
    repo.write(".gitignore", "/out/\n/.orgo/\n");
    repo.orgo(&["init"]).code.unwrap();
    repo.commit("ready");
    repo.orgo(&["run"]);
    let policy = repo.read("mandates/reference-data/gate.cedar");
    repo.write("mandates/reference-data/gate.cedar", &format!("{policy}\n{NO_PACKS}"));
    let mandate = repo.read("mandates/reference-data/mandate.kdl");
    let at = mandate.rfind('}').unwrap();
    repo.write("mandates/reference-data/mandate.kdl", &format!("{}    {overrides}\n}}\n", &mandate[..at]));
    let people = (Person::new(&repo, "alice"), Person::new(&repo, "bob"));
    (repo, people.0, people.1)
}

/// Pins, commits and runs; what came of it.
fn refused(repo: &Repo) -> Value {
    repo.orgo(&["blueprint", "pin", "elements"]).ok();
    repo.commit("as it is now");
    repo.orgo(&["run", "--json"]).exits(1).json()
}

fn codes(repo: &Repo) -> Vec<String> {
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json();
    let gates = record["statement"]["predicate"]["facts"]["gates"].as_array().unwrap().clone();
    let codes = gates.iter().flat_map(|g| g["reason_codes"].as_array().unwrap().clone());
    codes.map(|c| c.as_str().unwrap().to_owned()).collect()
}

fn overrides(repo: &Repo) -> Value {
    repo.orgo(&["override", "list", "--json"]).ok().json()
}

const TWO: &str = "overrides { policy \"no-packs\" expires=\"4h\"; }";

#[test]
fn two_people_lift_a_policy_once_and_the_record_says_so() {
    let (repo, alice, bob) = world(TWO);
    assert_eq!(refused(&repo)["code"], "POLICY_REFUSED");
    let told = repo.orgo(&["run"]).exits(1);
    assert!(told.stderr.contains("orgo override new elements accept"), "{}", told.stderr);
    let made = repo.orgo(&["override", "new", "elements", "accept", "--reason", "readers wait", "--json"]).ok().json();
    assert_eq!(made["document"]["scope"]["policies"], json!(["no-packs"]));
    let (id, path) = (made["id"].as_str().unwrap().to_owned(), made["path"].as_str().unwrap().to_owned());
    let hex = id.strip_prefix("sha256:").unwrap();
    repo.orgo(&["override", "sign", &hex[..10], "--key", &alice.flag()]).ok();
    // One is not enough.
    repo.commit("alice");
    assert_eq!(repo.orgo(&["run", "--json"]).exits(1).json()["code"], "APPROVAL_INSUFFICIENT");
    assert_eq!(codes(&repo), ["APPROVAL_INSUFFICIENT", "POLICY_REFUSED"]);
    // Bob signs with stock tools.
    let folder = repo.root().join(&path).parent().unwrap().to_owned();
    let signed = Command::new("ssh-keygen")
        .args(["-Y", "sign", "-q", "-n", "orgo-override", "-f"])
        .arg(&bob.key)
        .stdin(std::fs::File::open(repo.root().join(&path)).unwrap())
        .output()
        .unwrap();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    std::fs::write(folder.join("bob.sig"), &signed.stdout).unwrap();
    assert_eq!(overrides(&repo)["overrides"][0]["counts"], true, "{}", overrides(&repo));
    // It counts in the protected lane alone.
    assert_eq!(repo.orgo(&["run", "--lane", "local", "--json"]).exits(1).json()["code"], "POLICY_REFUSED");
    repo.commit("bob");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(run["record"]["lane"], "protected", "{run}");
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json();
    let facts = &record["statement"]["predicate"]["facts"];
    assert_eq!(facts["overrides"], json!([id]));
    let lifted: Vec<&Value> =
        facts["gates"].as_array().unwrap().iter().filter(|g| g["override_ref"] == json!(id)).collect();
    assert_eq!(lifted.len(), 1);
    assert_eq!((&lifted[0]["stage"], &lifted[0]["lifted"]), (&json!("pack"), &json!(["no-packs"])));
    assert!(repo.git(&["log", "-1", "--format=%s", "orgo/audit"]).contains("PASS OVERRIDE no-packs"));
    let report = repo.orgo(&["verify", "--full", "--json"]).ok().json();
    assert_eq!((&report["findings"], &report["counts"]["records"]["override"]), (&json!([]), &json!(1)), "{report}");
    let replayed = repo.orgo(&["replay", "latest", "--json"]).exits(4).json();
    assert_eq!(replayed["problems"][0]["code"], "REPLAY_IMPOSSIBLE", "{replayed}");
    // What it lifted once it lifts no more.
    assert_eq!(overrides(&repo)["overrides"][0]["code"], "OVERRIDE_SPENT");
    repo.orgo(&["run"]).exits(1);
    assert_eq!(codes(&repo), ["OVERRIDE_SPENT", "POLICY_REFUSED"]);
    let again = repo.orgo(&["override", "sign", &hex[..10], "--key", &alice.flag(), "--json"]).exits(1).json();
    assert_eq!(again["problems"][0]["code"], "OVERRIDE_SPENT");
    assert_eq!(repo.orgo(&["verify", "--full", "--json"]).ok().json()["findings"], json!([]));
}

#[test]
fn what_the_mandate_keeps_nobody_lifts() {
    let (repo, ..) = world("");
    assert_eq!(refused(&repo)["code"], "POLICY_REFUSED");
    let new = ["override", "new", "elements", "accept", "--reason", "please", "--json"];
    assert_eq!(repo.orgo(&new).exits(1).json()["problems"][0]["code"], "OVERRIDE_NOT_ALLOWED");
    assert!(!repo.exists("overrides"), "nothing is half written");
    // A failed validation is no policy.
    repo.write("decisions/mass.kdl", "");
    std::fs::remove_dir_all(repo.root().join("decisions")).unwrap();
    repo.commit("undecided");
    repo.orgo(&["run"]).exits(1);
    assert_eq!(repo.orgo(&new).exits(1).json()["problems"][0]["code"], "VALIDATION_FAILED");
}

#[test]
fn an_override_that_was_changed_or_that_strangers_signed_counts_for_nothing() {
    let (repo, alice, _) = world(TWO);
    refused(&repo);
    let new = ["override", "new", "elements", "accept", "--reason", "readers wait", "--json"];
    let made = repo.orgo(&new).ok().json();
    let path = made["path"].as_str().unwrap();
    let hex = made["id"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    repo.orgo(&["override", "sign", &hex, "--key", &alice.flag()]).ok();
    let stranger = repo.beside("stranger");
    Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&stranger).output().unwrap();
    let flag = format!("approver=file:{}", stranger.display());
    let refused = repo.orgo(&["override", "sign", &hex, "--key", &flag, "--json"]).exits(1).json();
    assert_eq!(refused["problems"][0]["code"], "KEY_UNKNOWN");
    let text = repo.read(path);
    repo.write(path, &text.replace("readers wait", "readers waited"));
    let list = overrides(&repo);
    assert_eq!((&list["overrides"], &list["refused"][0]["code"]), (&json!([]), &json!("SUBJECT_MISMATCH")));
    repo.write(path, &text);
    assert_eq!(overrides(&repo)["overrides"][0]["have"], 1);
}

#[test]
fn a_mandate_names_policies_that_forbid_and_two_people_at_least() {
    for (overrides, words) in [
        ("overrides { policy \"no-pack\"; }", "did you mean `no-packs`?"),
        ("overrides { policy \"no-packs\" signers=1; }", "nobody lifts a policy alone"),
        ("overrides { policy \"no-packs\"; policy \"no-packs\"; }", "listed twice"),
    ] {
        let (repo, ..) = world(overrides);
        let shown = repo.orgo(&["mandate", "show", "reference-data"]).exits(2).stderr;
        assert!(shown.contains(words) && shown.contains("mandate.kdl"), "{overrides}: {shown}");
    }
}
