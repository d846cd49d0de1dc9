//! Which level counts where: keys, hits, machines that cannot give it, and what a failure says.

use std::process::Command;

use super::{ENFORCED, leaves, shell};
use crate::support::{Done, ORGO, Repo, states};

const STAGE: &str =
    "pipeline \"p\" {\n    stage \"s\" { isolation \"open\"; run \"sh\" \"-c\" \"echo x > o\"; out \"o\" }\n}\n";

fn at(level: &str) -> String {
    STAGE.replace("\"open\"", &format!("\"{level}\""))
}

#[track_caller]
fn key(repo: &Repo) -> String {
    let plan = repo.orgo(&["plan", "--json"]).ok().json();
    plan["stages"][0]["key"].as_str().expect("a key").to_owned()
}

#[test]
fn confined_has_the_key_of_open_and_hermetic_another() {
    let repo = Repo::with_pipeline(STAGE);
    let open = key(&repo);
    repo.write("pipelines/p.kdl", &at("confined"));
    assert_eq!(key(&repo), open, "the same view of the host");
    repo.write("pipelines/p.kdl", &at("hermetic"));
    assert_ne!(key(&repo), open, "another view: paths differ");
}

#[test]
fn a_result_counts_at_its_level_and_below() {
    let repo = Repo::with_pipeline(STAGE);
    let run = |level: &str| {
        repo.write("pipelines/p.kdl", &at(level));
        let done = repo.orgo(&["run", "--json"]).ok();
        (states(&done.json()), done)
    };
    let (first, _) = run("open");
    let (second, done) = run("confined");
    assert_eq!(first, second, "an open result is not enough: {}", done.stdout);
    assert!(done.stdout.contains("isolation"), "{}", done.stdout);
    let (third, _) = run("open");
    assert_ne!(second, third, "a confined result is more than enough");
}

#[test]
fn a_hermetic_stage_sees_the_same_everywhere() {
    let seen = "pwd > o; id -u >> o; id -un >> o; uname -n >> o; umask >> o; ls / | tr '\\n' ' ' | grep -c home >> o; cat /etc/passwd >> o";
    assert_eq!(leaves("hermetic", seen), "/orgo\n1000\norgo\norgo\n0022\n0\norgo:x:1000:1000::/tmp:/bin/sh\n");
}

#[test]
fn inputs_of_a_hermetic_stage_have_one_time() {
    let repo = shell("hermetic", "stat -c %Y in.txt > o", "files \"in.txt\"; out \"o\"");
    repo.write("in.txt", "input");
    repo.commit("input");
    repo.orgo(&["run"]).ok();
    assert_eq!(repo.read("out/p/s/o"), "1321009871\n");
}

#[test]
fn a_failure_names_what_was_out_of_reach() {
    for level in ENFORCED {
        let repo = shell(level, "cat /etc/shadow", "");
        let done = repo.orgo(&["run"]).exits(1);
        assert!(done.stderr.contains("`/etc/shadow` is out of reach"), "{level}: {}", done.stderr);
    }
    let repo = Repo::empty();
    let path = repo.root().join("data/table.csv");
    repo.write("orgo.kdl", "project \"test\"\n");
    repo.write("data/table.csv", "1,2\n");
    repo.write(
        "pipelines/p.kdl",
        &format!("pipeline \"p\" {{ stage \"s\" {{ isolation \"confined\"; run \"cat\" \"{}\" }} }}", path.display()),
    );
    repo.commit("first");
    let done = repo.orgo(&["run"]).exits(1);
    let flat = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("files \"data/table.csv\""), "{flat}");
}

#[test]
fn check_says_what_this_machine_gives() {
    let repo = Repo::with_pipeline(&at("confined"));
    let done = repo.orgo(&["check"]).ok();
    assert!(done.stderr.contains("`open`, `confined`, `hermetic`"), "{}", done.stderr);
    let json = repo.orgo(&["check", "--json"]).ok().json();
    assert_eq!(json["isolation"], serde_json::json!(["open", "confined", "hermetic"]));
}

#[test]
fn a_machine_without_namespaces_gives_what_it_can_and_says_what_is_missing() {
    let without = |repo: &Repo, args: &[&str]| -> Done {
        let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-Ur", "sh", "-c", script, "sh", ORGO]).args(args).arg("--home").arg(repo.home());
        command
            .current_dir(repo.root())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .expect("unshare starts")
            .into()
    };
    let repo = Repo::with_pipeline(&at("hermetic"));
    for command in ["check", "run"] {
        let done = without(&repo, &[command, "--json"]).exits(4);
        let problem = &done.json()["problems"][0];
        assert_eq!(problem["code"], "ISOLATION_UNAVAILABLE");
        assert!(problem.to_string().contains("namespaces"), "{problem}");
    }
    assert!(!repo.exists("out/p"), "nothing ran");
    repo.write("pipelines/p.kdl", &at("confined"));
    without(&repo, &["run"]).ok();
    let json = without(&repo, &["check", "--json"]).ok().json();
    assert_eq!(json["isolation"], serde_json::json!(["open", "confined"]));
}

#[test]
fn services_are_reached_over_the_network_of_the_host_only() {
    let repo = Repo::with_pipeline(
        "pipeline \"p\" {\n    service \"d\" { run \"sleep\" \"60\" }\n    stage \"s\" { isolation \"confined\"; needs \"d\"; run \"true\" }\n}\n",
    );
    let done = repo.orgo(&["run"]).exits(4);
    assert!(done.stderr.contains("network \"host\""), "{}", done.stderr);
}

#[test]
fn a_record_says_the_level_and_what_is_not_pinned() {
    let repo = Repo::with_pipeline(&at("confined"));
    repo.orgo(&["key", "new", "runner", "--name", "ci"]).ok();
    repo.orgo(&["run"]).ok();
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json().to_string();
    assert!(record.contains("\"isolation\":\"confined\""), "{record}");
    assert!(record.contains("\"unpinned\":[\"/bin\",\"/etc/alternatives\""), "{record}");
}

#[test]
fn a_stage_that_says_nothing_runs_at_confined() {
    let says_nothing = STAGE.replace("isolation \"open\"; ", "");
    let repo = Repo::with_pipeline(&says_nothing);
    repo.orgo(&["key", "new", "runner", "--name", "ci"]).ok();
    let run = |text: &str| {
        repo.write("pipelines/p.kdl", text);
        states(&repo.orgo(&["run", "--json"]).ok().json())
    };
    assert_eq!(run(&says_nothing), ["s:ran"]);
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json().to_string();
    assert!(record.contains("\"isolation\":\"confined\""), "{record}");
    assert_eq!(run(&at("confined")), ["s:hit"], "it is the same to say so");
    let done = shell("confined", "true", "").orgo(&["check"]).ok();
    assert!(!done.stderr.contains("`open`: nothing is kept away"), "{}", done.stderr);
}
