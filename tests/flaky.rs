//! Flaky stages: what failed and ended well from the same inputs is marked everywhere, and decides nothing.

use crate::support::{Repo, wait_for};

/// A stage that fails every second time: it keeps count outside, where nobody hashes.
fn every_second_time(repo: &Repo, retries: u32) -> String {
    let count = repo.beside("count");
    format!(
        r#"pipeline "p" {{
    stage "s" {{ files "in"; isolation "open"; retries {retries}
        run "sh" "-c" "echo x >> {0}; if test $(( $(wc -l < {0}) % 2 )) = 1; then echo '<unlucky> & odd'; exit 3; fi; cat in > o"
        tool "wc" "cat"; out "o" }}
    stage "t" {{ from "s"; run "cp" "in/s/o" "o"; out "o" }}
}}"#,
        count.display()
    )
}

fn repo(retries: u32) -> Repo {
    let repo = Repo::with_pipeline("");
    repo.write("pipelines/p.kdl", &every_second_time(&repo, retries));
    repo.write("in", "one\n");
    repo.commit("a stage that fails every second time");
    repo
}

#[test]
fn a_success_after_a_retry_is_marked_and_stays_marked() {
    let repo = repo(1);
    let (events, junit) = (repo.beside("events"), repo.beside("junit.xml"));
    let files = ["--events", events.to_str().unwrap(), "--junit", junit.to_str().unwrap()];
    let run = repo.orgo(&[&["run", "--quiet"], &files[..]].concat()).ok();
    assert!(
        run.stderr.contains("FLAKY s") && run.stderr.contains("failed 1 of 2 times"),
        "even quietly: {}",
        run.stderr
    );
    let events = std::fs::read_to_string(events).unwrap();
    let flaky: Vec<&str> = events.lines().filter(|line| line.contains("dev.orgo.stage.flaky.v1")).collect();
    assert!(
        matches!(flaky[..], [one] if one.contains("\"subject\":\"s\"") && one.contains("\"ran\":true")),
        "{events}"
    );
    assert!(events.contains("dev.orgo.stage.failed.v1"), "the failure is told as one");
    let junit = std::fs::read_to_string(junit).unwrap();
    assert!(junit.contains("tests=\"2\" failures=\"0\""), "{junit}");
    let element = "<flakyFailure type=\"STAGE_FAILED\" message=\"exit code 3\"><stackTrace>&lt;unlucky&gt; &amp; odd</stackTrace>";
    assert!(junit.contains(element), "{junit}");

    let later = repo.orgo(&["run", "--json"]).ok().json();
    let stage = &later["stages"][0];
    assert_eq!(
        (&stage["state"], &stage["flaky"]["failed"], &stage["flaky"]["ended_well"]),
        (&"hit".into(), &1.into(), &1.into())
    );
    assert_eq!(later["stages"][1]["flaky"], serde_json::Value::Null);
    let text = repo.orgo(&["run"]).ok().stderr;
    assert!(text.contains("flaky     s: known from before"), "{text}");
    let explained = repo.orgo(&["explain", "s", "--json"]).ok().json();
    assert_eq!(explained["flaky"]["codes"][0], "STAGE_FAILED", "{explained}");
    let shown = repo.orgo(&["record", "show", "1", "--branch", "orgo/local"]).ok().stdout;
    assert!(shown.contains("# flaky: s ended well, and 1 of 2 attempts failed before that"), "{shown}");
    let log = repo.orgo(&["run", "--log", "json", "--force"]).ok().stderr;
    assert!(log.contains("\"STAGE_FLAKY\""), "{log}");
}

#[test]
fn a_failure_of_what_ended_well_before_is_a_failure_and_marked() {
    let repo = repo(0);
    repo.orgo(&["run"]).exits(1);
    assert_eq!(repo.orgo(&["flaky", "--json"]).ok().json()["stages"], serde_json::json!([]), "it has only failed");
    repo.orgo(&["run"]).ok();
    let listed = repo.orgo(&["flaky"]).ok().stdout;
    assert!(listed.starts_with("p/s\n") && listed.contains("failed 1 of 2 times"), "{listed}");
    // With other inputs it is another key, of which nothing is known.
    repo.write("in", "two\n");
    let other = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(other["stages"][0]["flaky"], serde_json::Value::Null);
    repo.orgo(&["run"]).ok();
    let junit = repo.beside("junit.xml");
    let failed = repo.orgo(&["run", "--force", "--json", "--junit", junit.to_str().unwrap()]).exits(1).json();
    assert_eq!((&failed["stages"][0]["state"], &failed["code"]), (&"failed".into(), &"STAGE_FAILED".into()));
    assert_eq!(failed["stages"][0]["flaky"]["failed"], 2);
    let junit = std::fs::read_to_string(junit).unwrap();
    assert!(
        junit.contains("<failure type=\"STAGE_FAILED\"") && junit.contains("<system-out>flaky: failed 2 of 3"),
        "{junit}"
    );
    let listed = repo.orgo(&["flaky", "s", "--json"]).ok().json();
    assert_eq!(listed["stages"][0]["keys"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(repo.orgo(&["flaky", "t", "--json"]).ok().json()["stages"], serde_json::json!([]));
}

#[test]
fn every_attempt_of_a_failure_is_in_junit() {
    let repo =
        Repo::with_pipeline(r#"pipeline "p" { stage "s" { run "sh" "-c" "echo no; exit 4"; retries 2; out "o" } }"#);
    let junit = repo.beside("junit.xml");
    repo.orgo(&["run", "--junit", junit.to_str().unwrap()]).exits(1);
    let junit = std::fs::read_to_string(junit).unwrap();
    let count =
        |element: &str| junit.matches(&format!("<{element} type=\"STAGE_FAILED\" message=\"exit code 4\">")).count();
    assert_eq!((count("failure"), count("rerunFailure"), count("flakyFailure")), (1, 2, 0), "{junit}");
    assert!(junit.contains("tests=\"1\" failures=\"1\""), "{junit}");
    assert_eq!(repo.orgo(&["flaky", "--json"]).ok().json()["stages"], serde_json::json!([]));
}

#[test]
fn an_interrupt_makes_nothing_flaky() {
    let repo = Repo::with_pipeline("");
    let wait = repo.beside("wait");
    std::fs::write(&wait, "").unwrap();
    let script = format!("while test -e {}; do sleep 0.05; done; echo > o", wait.display());
    let stage = format!("run \"sh\" \"-c\" \"{script}\"; tool \"sleep\"; isolation \"open\"; out \"o\"");
    repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{ stage \"s\" {{ {stage} }} }}"));
    repo.commit("a stage that waits");
    let mut child = repo.start(&["run"]);
    wait_for(|| repo.journal().contains("\"start\""));
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    std::fs::remove_file(wait).unwrap();
    assert_eq!(repo.orgo(&["run", "--json"]).ok().json()["stages"][0]["state"], "ran");
    assert_eq!(repo.orgo(&["flaky", "--json"]).ok().json()["stages"], serde_json::json!([]));
}

#[test]
fn what_made_something_else_is_listed_too() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "s" { run "sh" "-c" "cat /proc/sys/kernel/random/uuid > o"; tool "cat"; isolation "open"; out "o" } }"#,
    );
    repo.orgo(&["run"]).ok();
    repo.orgo(&["run", "--force"]).ok();
    let listed = repo.orgo(&["flaky"]).ok().stdout;
    assert!(listed.starts_with("p/s\n") && listed.contains("it made something else than the cache had"), "{listed}");
}
