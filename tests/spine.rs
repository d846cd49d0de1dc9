//! The spine on real data: no compile on fail, decisions, determinism, and what others can verify.

use serde_json::Value;

use crate::support::{Repo, git, states};

/// The elements without decisions, in a repository whose ledger is begun: every run is protected.
fn undecided() -> Repo {
    let repo = Repo::example("elements");
    repo.git(&["rm", "-rq", "decisions"]);
    repo.commit("nothing decided yet");
    repo.orgo(&["init"]).ok();
    repo
}

fn decide(repo: &Repo) {
    repo.git(&["checkout", "-q", "HEAD~1", "--", "decisions"]);
    repo.commit("decisions");
}

fn facts(repo: &Repo, run: &Value) -> Value {
    let number = run["record"]["number"].to_string();
    repo.orgo(&["record", "show", &number, "--json"]).ok().json()["statement"]["predicate"]["facts"].clone()
}

#[test]
fn a_refusing_gate_starts_nothing_and_is_on_record() {
    let repo = undecided();
    let run = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(run["code"], "VALIDATION_FAILED");
    assert_eq!(states(&run)[5..], ["canon:refused", "pack:skipped"]);
    assert_eq!(run["record"]["lane"], "protected");
    let facts = facts(&repo, &run);
    assert_eq!(facts["validation_status"], "FAIL");
    assert_eq!(facts["status"], "FAILED");
    assert!(facts.get("outputs").is_none(), "a failed run claims nothing");
    let report = facts["validation_report_ref"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let path = format!("orgo/audit:evidence/{}/{}/{report}", &report[..2], &report[2..4]);
    let report: Value = serde_json::from_str(&repo.git(&["show", &path])).unwrap();
    assert_eq!(report["extensions"]["koa"]["counts"]["FUNCTIONAL_CONFLICT"], 27);
    let explain = repo.orgo(&["explain", "canon", "--run", run["run"].as_str().unwrap(), "--json"]).ok().json();
    assert!(explain["key"].as_str().unwrap().starts_with("sha256:"), "the key that compile would have had is known");
    assert_eq!((&explain["cached"], &explain["started"]), (&Value::Bool(false), &Value::Bool(false)));
    repo.orgo(&["verify"]).ok();
}

#[test]
fn decisions_rerun_only_what_depends_on_them_and_the_gate_passes() {
    let repo = undecided();
    repo.orgo(&["run"]).exits(1);
    decide(&repo);
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(
        states(&run),
        ["snapshots:hit", "claims:hit", "resolved:hit", "decided:ran", "report:ran", "canon:ran", "pack:ran"]
    );
    let kristal = facts(&repo, &run)["outputs"]["kristal"].clone();
    assert!(kristal["kristal_id"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(kristal["runtime_pack_id"].as_str().unwrap().len(), 64);
    assert!(kristal["payload_hashes"].as_array().unwrap().len() > 3);
    let again = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(again["record"]["confirmed"], true);
    let clone = repo.beside("clone.git");
    assert_eq!(git(&repo.root(), &["clone", "-q", "--bare", ".", clone.to_str().unwrap()]).code, Some(0));
    let root = repo.orgo(&["verify", "--json"]).ok().json()["root"].as_str().unwrap().to_owned();
    let verified = repo.orgo(&["verify", clone.to_str().unwrap(), "--root", &root, "--json"]).ok().json();
    assert_eq!(verified["verdict"], "verified");
    let answer = repo.orgo(&["query", "Technetium", "--property", "atomic mass", "--json"]).ok().json();
    let claims = answer["answer"]["claims"].as_array().unwrap();
    assert_eq!(claims.len(), 2, "both values of the conflict are in the pack: {answer}");
    assert!(claims.iter().all(|c| !c["evidence"].as_array().unwrap().is_empty()));
    repo.orgo(&["query", "Technetium", "--property", "colour"]).exits(2);
}

#[test]
fn a_cached_compile_is_neither_restored_nor_claimed_when_the_gate_refuses() {
    let repo = Repo::example("elements");
    repo.orgo(&["init"]).ok();
    repo.orgo(&["run"]).ok();
    assert!(repo.exists("out/elements/canon"));
    repo.git(&["rm", "-rq", "decisions"]);
    repo.commit("decisions withdrawn");
    let run = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(states(&run)[5..], ["canon:refused", "pack:skipped"]);
    assert!(
        !repo.exists("out/elements/canon") && !repo.exists("out/elements/pack"),
        "nothing of an earlier pass is shown"
    );
    assert!(facts(&repo, &run).get("outputs").is_none());
}

#[test]
fn a_stale_decision_is_refused() {
    let repo = Repo::example("elements");
    let masses = repo.read("decisions/atomic-mass.kdl");
    let line = masses.lines().find(|l| l.starts_with("prefer")).unwrap();
    let value = line.split(" value=\"").nth(1).unwrap().split('"').next().unwrap();
    repo.write("decisions/atomic-mass.kdl", &masses.replacen(&format!("value=\"{value}\""), "value=\"1.5\"", 1));
    repo.commit("a decision about a value that nobody gives");
    let run = repo.orgo(&["run", "--json"]).exits(1).json();
    assert!(
        states(&run).contains(&"canon:refused".to_owned()) || states(&run).contains(&"decided:failed".to_owned()),
        "{run}"
    );
    let everything = format!("{run}{}", repo.orgo(&["log", "decided"]).stdout);
    let report =
        std::fs::read_to_string(repo.root().join("out/elements/report/report/report.json")).unwrap_or_default();
    assert!(everything.contains("DECISION_STALE") || report.contains("DECISION_STALE"), "{everything}");
}

#[test]
fn two_builds_in_two_folders_are_equal_byte_for_byte() {
    let (one, eight) = (Repo::example("elements"), Repo::example("elements"));
    one.orgo(&["run", "-j1"]).ok();
    eight.orgo(&["run", "-j8"]).ok();
    let files = |repo: &Repo| {
        let mut all = std::collections::BTreeMap::new();
        let mut queue = vec![repo.root().join("out/elements")];
        while let Some(folder) = queue.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    queue.push(path);
                } else {
                    let name = path.strip_prefix(repo.root()).unwrap().to_owned();
                    all.insert(name, orgo_spec::Digest::of(&std::fs::read(path).unwrap()));
                }
            }
        }
        all
    };
    let (a, b) = (files(&one), files(&eight));
    assert!(a.len() > 10);
    assert_eq!(a, b);
}

#[test]
fn one_changed_cell_reruns_what_depends_on_it_and_explain_names_the_file() {
    let repo = Repo::example("elements");
    repo.orgo(&["run"]).ok();
    let before = std::fs::read(repo.root().join("data/mendeleev.csv")).unwrap();
    let text = String::from_utf8(before.clone()).unwrap();
    let changed = text.replacen("Hydrogen", "Hydrogenium", 1);
    repo.write("data/mendeleev.csv", &changed);
    let pinned = repo.orgo(&["run", "--json"]).exits(2).json();
    assert_eq!(pinned["problems"][0]["code"], "BLUEPRINT_UNPINNED", "the blueprint pins the file");
    let digest = |bytes: &[u8]| orgo_spec::Digest::of(bytes).to_string();
    let blueprint = repo.read("blueprints/elements.kdl").replace(&digest(&before), &digest(changed.as_bytes()));
    let lock = repo.read("orgo.lock");
    repo.orgo(&["lock", "--refresh", "mendeleev"]).ok();
    let blueprint = blueprint.replace(&digest(lock.as_bytes()), &digest(repo.read("orgo.lock").as_bytes()));
    repo.write("blueprints/elements.kdl", &blueprint);
    let run = repo.orgo(&["run", "--json"]).json();
    assert!(states(&run).starts_with(&["snapshots:ran".to_owned(), "claims:ran".to_owned()]), "{run}");
    let explain = repo.orgo(&["explain", "snapshots", "--json"]).ok().json();
    assert_eq!(explain["reasons"][0]["path"], "data/mendeleev.csv");
    assert_eq!(explain["reasons"][0]["from"], digest(&before).as_str());
    assert_eq!(explain["reasons"][0]["to"], digest(changed.as_bytes()).as_str());
}

#[test]
fn a_compile_tool_refuses_by_itself_without_an_accepted_report() {
    let repo = Repo::example("elements");
    repo.orgo(&["run"]).ok();
    let sandbox = repo.beside("sandbox");
    let place = |from: &str, to: &str| crate::support::copy(&repo.root().join(from), &sandbox.join(to));
    place("out/elements/decided", "in/decided");
    place("out/elements/report", "in/report");
    std::fs::create_dir_all(sandbox.join(".orgo")).unwrap();
    let config = r#"{"config":{},"inputs":{"decided":"in/decided","report":"in/report"},"tool":"compile-exchange"}"#;
    std::fs::write(sandbox.join(".orgo/config.json"), config).unwrap();
    let compile = || {
        let output = std::process::Command::new(crate::support::ORGO)
            .args(["stage", "compile-exchange"])
            .current_dir(&sandbox)
            .output();
        crate::support::Done::from(output.unwrap())
    };
    compile().ok();
    let report = sandbox.join("in/report/report/report.json");
    let text = std::fs::read_to_string(&report).unwrap();
    for forged in [
        text.replace("\"passed\"", "\"failed\""),
        text.replace("\"subject_digest\": \"sha256:", "\"subject_digest\": \"sha256:0"),
    ] {
        std::fs::write(&report, forged).unwrap();
        let refused = compile();
        assert_ne!(refused.code, Some(0), "{refused:?}");
        assert!(!sandbox.join("exchange/exchange-manifest.json").exists(), "a tool that refuses leaves nothing");
    }
}

#[test]
fn a_protected_run_reads_only_what_the_commit_holds() {
    let repo = Repo::with_pipeline(r#"pipeline "p" { stage "s" { files "gen"; run "cp" "gen" "o"; out "o" } }"#);
    repo.write(".gitignore", "gen\n");
    repo.commit("gen is ignored");
    repo.orgo(&["init"]).ok();
    repo.write("gen", "not in git\n");
    let refused = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(refused["problems"][0]["code"], "INPUT_UNTRACKED");
    repo.orgo(&["run", "--lane", "local"]).ok();
}

#[test]
fn the_build_since_which_a_gate_decides_as_it_does_is_found() {
    let repo = undecided();
    repo.orgo(&["run"]).exits(1);
    decide(&repo);
    let passed = repo.orgo(&["run", "--json"]).ok().json();
    repo.orgo(&["run", "--json"]).ok();
    let blamed = repo.orgo(&["record", "blame-gate", "accept", "--json"]).ok().json();
    assert_eq!((&blamed["since"], &blamed["decision"]), (&passed["record"]["number"], &Value::from("PASS")));
    assert!(blamed["before"].as_u64().unwrap() < passed["record"]["number"].as_u64().unwrap());
    let changed: Vec<&str> =
        blamed["changes"].as_array().unwrap().iter().map(|c| c["what"].as_str().unwrap()).collect();
    assert!(changed.contains(&"commit"), "{changed:?}");
    let log = repo.orgo(&["record", "log", "elements", "--json"]).ok().json();
    let ends: Vec<&str> = log["builds"].as_array().unwrap().iter().map(|b| b["status"].as_str().unwrap()).collect();
    assert_eq!(ends.last(), Some(&"FAILED"));
    repo.orgo(&["record", "blame-gate", "nobody"]).exits(2);
}
