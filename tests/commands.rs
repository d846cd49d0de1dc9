//! The surface: what people and programs see.

use crate::support::Repo;

#[test]
fn orgo_alone_says_what_to_do_next() {
    let repo = Repo::empty();
    let done = repo.orgo(&["-q"]).ok();
    assert!(done.stdout.contains("orgo init"), "{}", done.stdout);
}

#[test]
fn init_makes_a_project_that_runs() {
    let repo = Repo::empty();
    repo.orgo(&["init", "mine"]).ok();
    repo.commit("init");
    repo.orgo(&["check"]).ok();
    repo.orgo(&["run"]).ok();
    assert_eq!(repo.read("out/first/count/size.txt").trim(), "6");
    assert_eq!(repo.git(&["status", "--porcelain"]), "", "what orgo writes is ignored by git");
    repo.orgo(&["init"]).exits(2);
}

#[test]
fn every_command_has_help_with_examples() {
    let repo = Repo::empty();
    for command in ["init", "check", "plan", "run", "explain", "log", "record", "verify", "key", "completions"] {
        let help = repo.orgo(&[command, "--help"]).ok().stdout;
        assert!(help.contains("Examples:"), "{command}: {help}");
    }
}

#[test]
fn plan_foresees_what_run_does_and_changes_nothing() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "a" { files "a"; run "cp" "a" "o"; out "o" }
           stage "b" { from "a"; run "cp" "in/a/o" "o"; out "o" } }"#,
    );
    repo.write("a", "1");
    let does = |repo: &Repo| {
        let plan = repo.orgo(&["plan", "--json"]).ok().json();
        plan["stages"].as_array().unwrap().iter().map(|s| s["does"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(does(&repo), ["run", "wait"]);
    assert!(!repo.exists("out/p"));
    let keys = |v: &serde_json::Value| {
        v["stages"].as_array().unwrap().iter().map(|s| s["key"].to_string()).collect::<Vec<_>>()
    };
    let ran = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(does(&repo), ["hit", "hit"]);
    assert_eq!(keys(&repo.orgo(&["plan", "--json"]).ok().json()), keys(&ran));
}

#[test]
fn logs_are_kept_and_found() {
    let repo = Repo::with_pipeline(r#"pipeline "p" { stage "a" { run "sh" "-c" "echo out; echo err >&2; exit 1" } }"#);
    repo.orgo(&["run"]).exits(1);
    assert_eq!(repo.orgo(&["log", "a"]).ok().stdout, "out\nerr\n");
    assert_eq!(repo.orgo(&["log", "a", "--json"]).ok().json()["code"], "STAGE_FAILED");
}

#[test]
fn events_and_json_logs_carry_their_fields() {
    let repo = Repo::with_pipeline(r#"pipeline "p" { stage "a" { run "true" } }"#);
    let done = repo.orgo(&["run", "--log", "json", "--events", "../events"]).ok();
    let lines: Vec<serde_json::Value> = done.stderr.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        for field in ["ts", "level", "service", "stage", "event", "build_id", "tenant_id"] {
            assert!(line.get(field).is_some(), "{field}: {line}");
        }
    }
    let events = std::fs::read_to_string(repo.beside("events")).unwrap();
    let types: Vec<String> = events
        .lines()
        .map(|l| {
            let event: serde_json::Value = serde_json::from_str(l).unwrap();
            assert_eq!(event["specversion"], "1.0");
            event["type"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(
        types,
        [
            "dev.orgo.stage.miss.v1",
            "dev.orgo.stage.started.v1",
            "dev.orgo.stage.finished.v1",
            "dev.orgo.run.finished.v1"
        ]
    );
}

#[test]
fn completions_are_there_for_every_shell() {
    let repo = Repo::empty();
    for shell in ["bash", "zsh", "fish"] {
        assert!(repo.orgo(&["completions", shell]).ok().stdout.contains("orgo"));
    }
}
