//! Mandates through the command line: drafting, testing, approving, activating, and what they keep from running.

use serde_json::Value;

use crate::support::Repo;

/// The example, its ledger begun, with an approver whom the trust lists.
fn governed() -> Repo {
    let repo = Repo::example("elements");
    repo.write(".gitignore", "/out/\n/.orgo/\n");
    repo.orgo(&["init"]).code.unwrap();
    repo.commit("ready");
    repo.orgo(&["run"]);
    approver(&repo, "approver");
    repo
}

fn approver(repo: &Repo, name: &str) {
    repo.orgo(&["key", "new", "approver", "--name", name]).ok();
    let shown = repo.orgo(&["key", "show", name, "--json"]).ok().json();
    let public = shown["public"].as_str().unwrap().to_owned();
    repo.orgo(&["trust", "change", "--branch", "orgo/audit", "--add", &format!("approver={public}")]).ok();
}

fn code(done: &Value) -> &str {
    done["problems"][0]["code"].as_str().unwrap_or("none")
}

/// Replaces text in the mandate, pins it in the blueprint, and commits.
fn edit(repo: &Repo, file: &str, from: &str, to: &str) {
    let path = format!("mandates/reference-data/{file}");
    let text = repo.read(&path);
    assert!(text.contains(from), "{from}");
    repo.write(&path, &text.replace(from, to));
    repo.orgo(&["blueprint", "pin", "elements"]);
    repo.commit("edit");
}

#[test]
fn a_mandate_is_approved_activated_and_never_rolled_back() {
    let repo = governed();
    let old = repo.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let waiting = repo.orgo(&["mandate", "activate", "reference-data", "--json"]).exits(5).json();
    assert_eq!(code(&waiting), "APPROVAL_INSUFFICIENT");
    repo.orgo(&["mandate", "sign", "reference-data"]).ok();
    repo.commit("approved");
    let done = repo.orgo(&["mandate", "activate", "reference-data", "--json"]).ok().json();
    assert_eq!(done["new"], true);
    assert_eq!(repo.orgo(&["mandate", "activate", "reference-data", "--json"]).ok().json()["new"], false, "once");
    assert_eq!(repo.orgo(&["run", "--json"]).ok().json()["record"]["lane"], "protected");
    assert_eq!(repo.orgo(&["mandate", "list", "--json"]).ok().json()["mandates"][0]["state"], "active");
    // Other content under the same version is no newer one, whoever approves it.
    edit(&repo, "gate.cedar", "context.produces == \"program\"", "context.produces == \"nothing\"");
    let refused = repo.orgo(&["run", "--lane", "protected", "--json"]).exits(1).json();
    assert_eq!(code(&refused), "MANDATE_ROLLBACK");
    // A newer one waits for its approvals.
    edit(&repo, "mandate.kdl", "version=2", "version=3");
    let refused = repo.orgo(&["run", "--lane", "protected", "--json"]).exits(1).json();
    assert_eq!(code(&refused), "MANDATE_UNAPPROVED");
    let refused = repo.orgo(&["mandate", "sign", "reference-data", "--json"]).exits(1).stdout;
    assert!(refused.contains("a program makes no canon"), "its own test fails: {refused}");
    edit(&repo, "gate.cedar", "context.produces == \"nothing\"", "context.produces == \"program\" && true");
    let waiting = repo.orgo(&["mandate", "activate", "reference-data", "--json"]).exits(5).json();
    assert_eq!(code(&waiting), "APPROVAL_INSUFFICIENT", "the approval of version 2 says nothing about version 3");
    repo.orgo(&["mandate", "sign", "reference-data"]).ok();
    repo.orgo(&["mandate", "activate", "reference-data"]).ok();
    // The old one does not come back.
    repo.git(&["checkout", "-q", &old, "--", "mandates", "blueprints"]);
    repo.commit("back");
    let refused = repo.orgo(&["run", "--lane", "protected", "--json"]).exits(1).json();
    assert_eq!(code(&refused), "MANDATE_ROLLBACK");
    let refused = repo.orgo(&["mandate", "activate", "reference-data", "--json"]).exits(1).json();
    assert_eq!(code(&refused), "MANDATE_ROLLBACK");
    let report = repo.orgo(&["verify", "--json"]).ok().json();
    assert_eq!(report["findings"], serde_json::json!([]), "{report}");
    assert_eq!(report["counts"]["records"]["mandate"], 2);
}

#[test]
fn stock_ssh_keygen_approves_a_mandate() {
    let repo = governed();
    let key = repo.beside("stock");
    let keygen = |args: &[&str]| {
        let status = std::process::Command::new("ssh-keygen").args(args).output().unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    };
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    repo.orgo(&["trust", "change", "--branch", "orgo/audit", "--add", &format!("approver={}", public.trim())]).ok();
    let manifest = repo.beside("manifest.json");
    repo.orgo(&["mandate", "show", "reference-data", "--manifest", manifest.to_str().unwrap()]).ok();
    keygen(&["-Y", "sign", "-q", "-n", "orgo-mandate", "-f", key.to_str().unwrap(), manifest.to_str().unwrap()]);
    let signature = std::fs::read_to_string(repo.beside("manifest.json.sig")).unwrap();
    repo.write("mandates/reference-data/approvals/stock.sig", &signature);
    repo.orgo(&["mandate", "activate", "reference-data"]).ok();
    // In another namespace it approves nothing.
    std::fs::remove_file(repo.beside("manifest.json.sig")).unwrap();
    edit(&repo, "mandate.kdl", "version=2", "version=3");
    repo.orgo(&["mandate", "show", "reference-data", "--manifest", manifest.to_str().unwrap()]).ok();
    keygen(&["-Y", "sign", "-q", "-n", "file", "-f", key.to_str().unwrap(), manifest.to_str().unwrap()]);
    let signature = std::fs::read_to_string(repo.beside("manifest.json.sig")).unwrap();
    repo.write("mandates/reference-data/approvals/stock.sig", &signature);
    assert_eq!(
        code(&repo.orgo(&["mandate", "activate", "reference-data", "--json"]).exits(5).json()),
        "APPROVAL_INSUFFICIENT"
    );
}

#[test]
fn a_governed_run_without_an_active_mandate_is_refused_where_the_project_demands_it() {
    let repo = governed();
    let text = repo.read("orgo.kdl");
    let at = text.rfind('}').unwrap_or(text.len());
    let demanding = if text.contains('{') {
        format!("{}    mandate-required #true\n{}", &text[..at], &text[at..])
    } else {
        format!("{} mandate-required=#true\n", text.trim_end())
    };
    repo.write("orgo.kdl", &demanding);
    repo.commit("demanding");
    for lane in ["local", "protected"] {
        let refused = repo.orgo(&["run", "--lane", lane, "--json"]).exits(1).json();
        assert_eq!(code(&refused), "MANDATE_MISSING", "{lane}");
    }
    repo.orgo(&["mandate", "sign", "reference-data"]).ok();
    repo.commit("approved");
    repo.orgo(&["mandate", "activate", "reference-data"]).ok();
    repo.orgo(&["run"]).ok();
    let pipeline = repo.read("pipelines/elements.kdl");
    repo.write("pipelines/elements.kdl", &pipeline.replace(" mandate=\"reference-data\"", ""));
    repo.commit("ungoverned");
    let refused = repo.orgo(&["run", "--json"]).exits(2).json();
    assert_eq!(code(&refused), "SPINE_ORDER", "the profile demands one, before anything is looked at");
}

#[test]
fn a_policy_refuses_what_the_rules_would_pass_and_the_record_says_which() {
    let repo = governed();
    let policy = repo.read("mandates/reference-data/gate.cedar");
    let more = "@id(\"exchanges-only\") forbid(principal, action == Action::\"compile\", resource) when { context.produces == \"pack\" };\n";
    repo.write("mandates/reference-data/gate.cedar", &format!("{policy}\n{more}"));
    let floating = repo.orgo(&["run", "--json"]).exits(2).json();
    assert_eq!(code(&floating), "BLUEPRINT_UNPINNED", "the blueprint pins policies too: {floating}");
    repo.orgo(&["blueprint", "pin", "elements"]).ok();
    repo.commit("no packs");
    let run = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(run["code"], "POLICY_REFUSED", "{run}");
    let state =
        |name: &str| run["stages"].as_array().unwrap().iter().find(|s| s["stage"] == name).unwrap()["state"].clone();
    assert_ne!(state("canon"), "refused");
    assert_eq!(state("pack"), "refused");
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().stdout;
    assert!(record.contains("exchanges-only") && record.contains("orgo-cedar"), "{record}");
    let report = repo.orgo(&["verify", "--json"]).ok().json();
    assert_eq!(report["findings"], serde_json::json!([]), "decided again from the record alone: {report}");
}

#[test]
fn a_policy_that_is_wrong_is_shown_with_its_place() {
    let repo = governed();
    edit(&repo, "gate.cedar", "context.validator.builtin", "context.validatr.builtin");
    let failed = repo.orgo(&["mandate", "test"]).exits(2).stderr;
    assert!(failed.contains("MANDATE_INVALID") && failed.contains("mandates/reference-data/gate.cedar"), "{failed}");
    assert!(failed.contains("validatr"), "{failed}");
    repo.orgo(&["run"]).exits(2);
    repo.orgo(&["check"]).exits(2);
    for file in ["gate.cedar", "tests/gate.kdl"] {
        std::fs::remove_file(repo.root().join("mandates/reference-data").join(file)).unwrap();
    }
    let refused = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(code(&refused), "POLICY_ERROR", "no policy permits nothing");
}

#[test]
fn a_new_mandate_is_sound_and_a_change_of_it_is_told_by_its_direction() {
    let repo = governed();
    repo.orgo(&["mandate", "new", "mine"]).ok();
    repo.orgo(&["mandate", "new", "mine"]).exits(2);
    let tests = repo.orgo(&["mandate", "test", "mine", "--json"]).ok().json();
    assert_eq!((tests["failed"].as_u64(), tests["cases"].as_array().unwrap().len()), (Some(0), 3));
    assert!(repo.read("mandates/mine/mandate.kdl").contains("rules/elements.kdl"), "the rules that are there");
    repo.commit("a new one");
    let same = repo.orgo(&["mandate", "diff", "mine", "--from", "HEAD", "--json"]).ok().json();
    assert_eq!(same["changes"], serde_json::json!([]), "folder and tree give the same bundle");
    let path = "mandates/mine/mandate.kdl";
    repo.write(
        path,
        &repo.read(path).replace("approvals 1", "approvals 2").replace("        validator \"builtin\"\n", ""),
    );
    let policy = repo.read("mandates/mine/gate.cedar");
    let stale = policy.find("@id(\"no-stale").unwrap();
    repo.write("mandates/mine/gate.cedar", &policy[..stale]);
    let diff = repo.orgo(&["mandate", "diff", "mine", "--from", "HEAD", "--json"]).ok().json();
    let told: Vec<_> = diff["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["what"].as_str().unwrap(), c["strength"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("trust.approvals", "stronger"),
            ("validation.validators builtin", "stronger"),
            ("policy no-stale-decisions", "weaker")
        ]
    );
    let failed = repo.orgo(&["mandate", "test", "mine"]).exits(1).stdout;
    assert!(failed.contains("FAILED  a stale decision does not"), "{failed}");
}
