//! How stages are run: retries, what they take, services, optional stages, what comes last, live logs, reports.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Done, Repo, states};

fn shell(name: &str, script: &str, more: &str) -> String {
    format!(
        "stage \"{name}\" {{ run \"sh\" \"-c\" {script:?}; tool \"sleep\" \"cat\" \"date\" \"mkdir\" \"rmdir\"; {more} }}\n"
    )
}

fn repo(body: &str) -> Repo {
    Repo::with_pipeline(&format!("pipeline \"p\" {{\n{body}\n}}\n"))
}

fn stage<'r>(run: &'r Value, name: &str) -> &'r Value {
    run["stages"].as_array().unwrap().iter().find(|s| s["stage"] == name).unwrap()
}

/// The process is gone, or at least dead.
fn is_gone(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

#[track_caller]
fn goes(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_gone(pid) {
        assert!(Instant::now() < deadline, "the process {pid} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
fn wait_for(repo: &Repo, path: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(repo.beside(path)).unwrap_or_default();
        if text.ends_with('\n') {
            return text;
        }
        assert!(Instant::now() < deadline, "`{path}` never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn interrupt(child: &std::process::Child) {
    let told = std::process::Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(told.success());
}

/// A script that fails with the given exit code until it has been tried `times` times.
fn flaky(repo: &Repo, name: &str, times: u32, exit: i32) -> String {
    let file = repo.beside(name).display().to_string();
    format!(
        "echo x >> {file}; n=0; while read l; do n=$((n+1)); done < {file}; [ $n -ge {times} ] || exit {exit}; echo > o"
    )
}

#[test]
fn only_declared_exit_codes_are_tried_again() {
    let repo = Repo::empty();
    repo.write("orgo.kdl", "project \"test\"\n");
    let retry = "out \"o\"; isolation \"open\"; retry { times 2; on-exit 75; backoff \"10ms\" }";
    let (good, bad) = (flaky(&repo, "good", 3, 75), flaky(&repo, "bad", 3, 1));
    let body = [shell("good", &good, retry), shell("bad", &bad, retry)].concat();
    repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{ {body} }}\n"));
    repo.commit("first");
    let run = repo.orgo(&["run", "--keep-going", "--json"]).exits(1).json();
    assert_eq!(states(&run), ["good:ran", "bad:failed"]);
    assert_eq!((&stage(&run, "good")["attempts"], &stage(&run, "bad")["attempts"]), (&3.into(), &1.into()));
}

#[test]
fn a_pause_lasts_as_long_as_it_says_and_an_interrupt_ends_it() {
    let short = repo(&shell("s", "exit 1", "out \"o\"; retry { times 1; backoff \"600ms\" }"));
    let started = Instant::now();
    let run = short.orgo(&["run", "--json"]).exits(1).json();
    assert!(started.elapsed() >= Duration::from_millis(600));
    assert_eq!(stage(&run, "s")["attempts"], 2);

    let long = repo(&shell("s", "exit 1", "out \"o\"; retry { times 1; backoff \"1h\" }"));
    let mut child = long.start(&["run"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|l| l.unwrap().contains("next attempt in 1 h")));
    interrupt(&child);
    let started = Instant::now();
    let done = Done::from(child.wait_with_output().unwrap()).exits(130);
    assert!(started.elapsed() < Duration::from_secs(10), "{done:?}");
}

#[test]
fn a_mutex_and_a_pool_keep_stages_apart() {
    for take in ["mutex \"m\"", "pool \"p\" weight=2", "memory \"2GiB\""] {
        let repo = Repo::empty();
        repo.write("orgo.kdl", "project \"test\"\n");
        let folder = repo.beside("held");
        let script = format!("mkdir {0} && sleep 0.1 && rmdir {0} && echo > o", folder.display());
        let stages: String = (0..5)
            .map(|i| {
                shell(&format!("s{i}"), &format!("{script} # {i}"), &format!("out \"o\"; isolation \"open\"; {take}"))
            })
            .collect();
        repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{ pool \"p\" capacity=3; {stages} }}\n"));
        repo.commit("first");
        let run = repo.orgo(&["run", "-j8", "--memory", "3GiB", "--json"]).ok().json();
        assert_eq!(run["ran"], 5, "{take}");
    }
}

#[test]
fn what_a_stage_takes_is_not_in_its_key() {
    let repo = repo(&shell("s", "echo > o", "out \"o\""));
    repo.orgo(&["run"]).ok();
    let more = "out \"o\"; mutex \"m\"; pool \"a\"; memory \"1MiB\"; retry { times 3 }; optional #true";
    repo.write(
        "pipelines/p.kdl",
        &format!("pipeline \"p\" {{ pool \"a\" capacity=1; {} }}\n", shell("s", "echo > o", more)),
    );
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["s:hit"]);
}

#[test]
fn an_optional_failure_is_on_record_and_the_run_ends_well() {
    let repo = repo(
        &[
            shell("lint", "echo no; exit 3", "out \"o\"; optional #true"),
            shell("after-lint", "echo > o", "from \"lint\"; out \"o\""),
            shell("build", "sleep 0.2; echo > o", "out \"o\""),
            shell("test", "echo > o", "from \"build\"; out \"o\""),
        ]
        .concat(),
    );
    let done = repo.orgo(&["run", "--json"]).ok();
    let run = done.json();
    assert_eq!(states(&run), ["lint:failed", "after-lint:skipped", "build:ran", "test:ran"]);
    assert_eq!((&run["succeeded"], &run["code"]), (&true.into(), &Value::Null));
    let record = repo.orgo(&["record", "show", "1", "--json"]).ok().stdout;
    assert!(record.contains("\"optional\": true") && record.contains("\"tolerated\": 1"), "{record}");
    repo.orgo(&["verify"]).ok();
    let explain = repo.orgo(&["explain", "after-lint"]).ok().stdout;
    assert!(explain.contains("it needs `lint`, which ended with STAGE_FAILED"), "{explain}");
}

fn with_last(first: &str) -> Repo {
    let last = shell("report", "cat .orgo/results.json > o", "out \"o\"; finally #true");
    repo(&[shell("a", first, "out \"o\""), shell("b", "echo > o", "from \"a\"; out \"o\""), last].concat())
}

#[test]
fn what_comes_last_sees_how_the_others_ended() {
    let good = with_last("echo > o");
    assert_eq!(states(&good.orgo(&["run", "--json"]).ok().json()), ["a:ran", "b:ran", "report:ran"]);
    let results: Value = serde_json::from_str(&good.read("out/p/report/o")).unwrap();
    assert_eq!((&results["schema"], &results["status"]), (&"orgo.results/1".into(), &"passed".into()));
    assert_eq!(results["stages"][1]["stage"], "b");
    // Nothing happened, so nothing has to be reported.
    let again = good.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&again), ["a:hit", "b:hit", "report:hit"]);

    let bad = with_last("exit 4");
    for _ in 0..2 {
        // A failure is not cached, so the report is made again.
        let run = bad.orgo(&["run", "--json"]).exits(1).json();
        assert_eq!(states(&run), ["a:failed", "b:skipped", "report:ran"]);
        assert_eq!(run["code"], "STAGE_FAILED");
    }
    let results: Value = serde_json::from_str(&bad.read("out/p/report/o")).unwrap();
    assert_eq!((&results["status"], &results["code"]), (&"failed".into(), &"STAGE_FAILED".into()));
    assert_eq!((&results["stages"][0]["status"], &results["stages"][1]["status"]), (&"fail".into(), &"skip".into()));
    bad.orgo(&["verify"]).ok();
}

#[test]
fn what_comes_last_runs_after_an_interrupt_and_its_own_failure_counts() {
    let repo = Repo::empty();
    repo.write("orgo.kdl", "project \"test\"\n");
    let (began, told) = (repo.beside("began"), repo.beside("told"));
    let body = [
        shell("a", &format!("echo now > {}; sleep 60", began.display()), "isolation \"open\"; out \"o\""),
        shell(
            "report",
            &format!("cat .orgo/results.json > {}; echo >> {0}; exit 1", told.display()),
            "isolation \"open\"; finally #true",
        ),
    ];
    repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{ {} }}\n", body.concat()));
    repo.commit("first");
    let child = repo.start(&["run", "--json"]);
    wait_for(&repo, "began");
    interrupt(&child);
    let done = Done::from(child.wait_with_output().unwrap()).exits(130);
    assert_eq!(states(&done.json()), ["a:failed", "report:failed"]);
    assert!(wait_for(&repo, "told").contains("\"status\":\"cancelled\""));

    let repo = self::repo(&[shell("a", "echo > o", "out \"o\""), shell("f", "exit 9", "finally #true")].concat());
    assert_eq!(repo.orgo(&["run", "--json"]).exits(1).json()["code"], "STAGE_FAILED");
}

/// A service that says where it is, and is ready a little later.
fn service(repo: &Repo, more: &str) -> String {
    let (pid, ready) = (repo.beside("pid"), repo.beside("ready"));
    let script = format!(
        "echo started >> {0}.count; echo $$ > {0}; sleep 0.2; echo up; echo up > {1}; sleep 300 & wait",
        pid.display(),
        ready.display()
    );
    let probe = format!("[ -s {} ]", ready.display());
    format!(
        "service \"db\" {{ run \"sh\" \"-c\" {script:?}; tool \"sleep\"; ready \"sh\" \"-c\" {probe:?}; stop-timeout \"1s\"; {more} }}\n"
    )
}

fn with_service(more: &str, stages: &str) -> Repo {
    let repo = Repo::empty();
    repo.write("orgo.kdl", "project \"test\"\n");
    let service = service(&repo, more);
    let stages = stages.replace("@READY@", repo.beside("ready").to_str().unwrap());
    repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{ {service} {stages} }}\n"));
    repo.commit("first");
    repo
}

#[test]
fn a_service_is_ready_when_its_stages_run_and_gone_afterwards() {
    let stages = [
        shell("a", "cat @READY@ > o", "out \"o\"; needs \"db\"; isolation \"open\""),
        shell("b", "cat @READY@ > o", "from \"a\"; out \"o\"; needs \"db\"; isolation \"open\""),
    ];
    let repo = with_service("", &stages.concat());
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:ran", "b:ran"]);
    assert_eq!(wait_for(&repo, "pid.count"), "started\n", "one service for both");
    goes(&wait_for(&repo, "pid"));
    assert_eq!(repo.orgo(&["log", "db", "--service"]).ok().stdout, "up\n");
    // What is answered from the cache needs no service.
    assert_eq!(states(&repo.orgo(&["run", "--json"]).ok().json()), ["a:hit", "b:hit"]);
    assert_eq!(wait_for(&repo, "pid.count"), "started\n");
    // What a service is, is in the key of its stages; how it is asked and ended is not.
    let text = repo.read("pipelines/p.kdl");
    repo.write("pipelines/p.kdl", &text.replace("stop-timeout \"1s\"", "stop-timeout \"2s\""));
    assert_eq!(states(&repo.orgo(&["run", "--json"]).ok().json()), ["a:hit", "b:hit"]);
    repo.write("pipelines/p.kdl", &text.replace("stop-timeout", "env \"MODE\" \"other\"; stop-timeout"));
    assert_eq!(states(&repo.orgo(&["run", "--json"]).ok().json())[0], "a:ran");
}

#[test]
fn a_service_ends_with_a_failure_and_with_an_interrupt() {
    let repo = with_service("", &shell("a", "exit 1", "needs \"db\"; isolation \"open\""));
    repo.orgo(&["run"]).exits(1);
    goes(&wait_for(&repo, "pid"));

    let repo = with_service("", &shell("a", "echo; sleep 60", "needs \"db\"; isolation \"open\""));
    let child = repo.start(&["run"]);
    let pid = wait_for(&repo, "pid");
    wait_for(&repo, "ready");
    interrupt(&child);
    Done::from(child.wait_with_output().unwrap()).exits(130);
    goes(&pid);
}

#[test]
fn a_service_that_is_not_ready_in_time_fails_its_stages() {
    let repo =
        with_service("ready-timeout \"100ms\"", &shell("a", "echo > o", "out \"o\"; needs \"db\"; isolation \"open\""));
    let done = repo.orgo(&["run", "--json"]).exits(1);
    assert_eq!(done.json()["code"], "SERVICE_FAILED");
    assert!(done.stderr.contains("not ready after 100 ms"), "{}", done.stderr);
    assert!(repo.orgo(&["explain", "a"]).ok().stdout.contains("a service that it needs"));
    goes(&wait_for(&repo, "pid"));
    let repo = self::repo(
        "service \"db\" { run \"sh\" \"-c\" \"exit 7\"; ready-port 1 }\nstage \"a\" { run \"true\"; needs \"db\"; isolation \"open\" }",
    );
    let done = repo.orgo(&["run", "--json"]).exits(1);
    assert!(done.stderr.contains("ended by itself with exit code 7"), "{}", done.stderr);
}

#[test]
fn what_is_printed_is_streamed_without_secrets_and_can_be_followed() {
    let script = "echo first; echo token=ghp_0123456789abcdefghijABCDEFGHIJ012345; sleep 2.5; echo last; echo > o";
    let repo = repo(&shell("s", script, "out \"o\""));
    let mut child = repo.start(&["run", "--stream"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let started = Instant::now();
    assert!(lines.any(|l| l == "s | first"));
    assert!(started.elapsed() < Duration::from_secs(2), "told while it runs");
    let follow = repo.start(&["log", "s", "--follow"]);
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().any(|l| l.starts_with("s | token=") && !l.contains("ghp_")), "{rest:?}");
    assert!(rest.iter().any(|l| l == "s | last"), "{rest:?}");
    assert_eq!(rest.iter().filter(|l| l.contains("token=")).count(), 1, "{rest:?}");
    Done::from(child.wait_with_output().unwrap()).ok();
    let followed = Done::from(follow.wait_with_output().unwrap()).ok();
    assert_eq!(followed.stdout, repo.orgo(&["log", "s"]).ok().stdout);
    assert!(!followed.stdout.contains("ghp_"));
}

#[test]
fn reports_say_where_the_time_went() {
    let repo = repo(
        &[
            shell("a", "sleep 0.2; echo > o", "out \"o\""),
            shell("b", "sleep 0.2; echo > o", "from \"a\"; out \"o\""),
            shell("c", "echo '<oh & no>'; exit 1", "out \"o\""),
        ]
        .concat(),
    );
    let (trace, junit) = (repo.beside("trace.json"), repo.beside("junit.xml"));
    let files = ["run", "--keep-going", "--trace", trace.to_str().unwrap(), "--junit", junit.to_str().unwrap()];
    let done = repo.orgo(&files).exits(1);
    assert!(done.stderr.contains("critical  a → b"), "{}", done.stderr);
    assert!(done.stderr.contains("| <oh & no>"), "what a failed stage printed is shown: {}", done.stderr);
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(trace).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    assert_eq!(events.iter().filter(|e| e["ph"] == "X").count(), 3);
    assert!(events.iter().any(|e| e["name"] == "a" && e["dur"].as_i64().unwrap() >= 200_000));
    let junit = std::fs::read_to_string(junit).unwrap();
    assert!(junit.contains("tests=\"3\" failures=\"1\"") && junit.contains("&lt;oh &amp; no&gt;"), "{junit}");
    let quiet = repo.orgo(&["run", "--keep-going", "--quiet"]).exits(1);
    assert!(quiet.stderr.contains("FAIL  c") && !quiet.stderr.contains("critical"), "{}", quiet.stderr);
    let json = repo.orgo(&["run", "--keep-going", "--json"]).exits(1).json();
    assert!(json["saved_ms"].as_u64().unwrap() >= 400, "{json}");
}

#[test]
fn a_plan_after_a_failure_says_that_it_failed() {
    let repo = repo(&shell("s", "exit 1", "out \"o\""));
    repo.orgo(&["run"]).exits(1);
    let plan = repo.orgo(&["plan"]).ok().stdout;
    assert!(plan.contains("its last attempt failed"), "{plan}");
}

#[test]
fn a_declaration_that_nobody_enforces_is_said_once() {
    const UNBOUND: &str = "memory \"1GiB\"; isolation \"open\"";
    let repo = repo(&[shell("a", "echo", UNBOUND), shell("b", "echo", UNBOUND)].concat());
    let text = repo.orgo(&["check"]).ok().stderr;
    assert_eq!(text.matches("`memory` decides when a stage starts").count(), 1, "{text}");
}

#[test]
fn the_example_of_a_release_holds() {
    let repo = Repo::example("release");
    repo.begin_ledger();
    repo.trust_approver();
    let run =
        |more: &[&str]| repo.orgo_with(&[&["run", "--json"], more].concat(), &[("RELEASE_TOKEN", "not-a-real-one")]);
    let told = run(&[]).exits(5).json();
    assert_eq!(states(&told), ["build:ran", "smoke:ran", "notes:ran", "publish:waiting", "report:ran"]);
    assert_eq!(repo.read("out/release/smoke/answer"), "6\n", "what the service answered");
    repo.orgo(&["approve", "release", "publish", "--comment", "tried it"]).ok();
    let told = run(&[]).ok().json();
    assert_eq!(states(&told), ["build:hit", "smoke:hit", "notes:hit", "publish:ran", "report:ran"]);
    assert!(repo.read("out/release/publish/published").contains("hello 1.0"));
    let left_out = run(&["--lane", "local", "--base", "HEAD"]).ok().json();
    assert_eq!(states(&left_out)[2], "notes:skipped", "nothing changed");
    repo.write("notes/1.0.md", "teh first\n");
    assert_eq!(states(&run(&[]).ok().json())[2], "notes:failed", "and the run does not");
    repo.write("src/hello.sh", "#!/bin/sh\necho \"@VERSION@\"\n");
    assert_eq!(states(&run(&[]).exits(5).json())[3], "publish:waiting", "other inputs are not approved");
}
