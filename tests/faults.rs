//! Faults, injected from outside: what is refused, with which code, and what stays as it was.

use crate::support::{Done, Repo, SLEEPS, states, wait_for};

fn one(script: &str, more: &str) -> Repo {
    Repo::with_pipeline(&format!(
        "pipeline \"p\" {{ stage \"s\" {{ run \"sh\" \"-c\" {script:?}; tool \"sleep\" \"ln\" \"mkfifo\"; out \"o\"; {more} }} }}"
    ))
}

fn code(repo: &Repo) -> String {
    let run = repo.orgo(&["run", "--json"]).exits(1).json();
    run["code"].as_str().expect("a code").to_owned()
}

#[test]
fn bad_ends_have_codes() {
    assert_eq!(code(&one("exit 3", "")), "STAGE_FAILED");
    assert_eq!(code(&one("kill -9 $$", "")), "STAGE_SIGNALLED");
    assert_eq!(code(&one("exit 0", "")), "OUTPUT_MISSING");
    assert_eq!(code(&one("sleep 60", "timeout \"100ms\"")), "STAGE_TIMEOUT");
    assert_eq!(code(&one("ln -s /etc/passwd o", "")), "OUTPUT_REFUSED");
    assert_eq!(code(&one("mkfifo o", "")), "OUTPUT_REFUSED");
    assert_eq!(code(&one("echo > o", "files \"none.txt\"")), "INPUT_MISSING");
    assert_eq!(code(&one("echo > o", "tool \"no-such-program\"")), "TOOL_MISSING");
}

#[test]
fn failures_are_never_cached() {
    let repo = one("exit 3", "");
    code(&repo);
    let run = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(states(&run), ["s:failed"]);
    let explain = repo.orgo(&["explain", "s", "--json"]).ok().json();
    assert_eq!(explain["reasons"][0]["why"], "failed-before");
    assert_eq!(explain["cached"], false);
}

#[test]
fn a_retry_may_end_well() {
    let repo = Repo::empty();
    let marker = repo.beside("marker");
    let script = format!("test -e {0} && echo > o || {{ echo > {0}; exit 1; }}", marker.display());
    repo.write("orgo.kdl", "project \"test\"\n");
    repo.write(
        "pipelines/p.kdl",
        &format!("pipeline \"p\" {{ stage \"s\" {{ isolation \"open\"; run \"sh\" \"-c\" {script:?}; out \"o\"; retries 1 }} }}"),
    );
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(run["stages"][0]["attempts"], 2);
}

/// Damages the object with this content in place, as a failing disk would: same size, same name, same inode.
fn damage(repo: &Repo, content: &str) -> std::path::PathBuf {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    let digest = orgo_spec::Digest::of(content.as_bytes()).hex();
    let object = repo.root().join(".orgo/store/sha256").join(&digest[..2]).join(&digest[2..]);
    std::fs::set_permissions(&object, std::fs::Permissions::from_mode(0o644)).unwrap();
    let other = content.to_uppercase();
    std::fs::OpenOptions::new().write(true).open(&object).unwrap().write_all(other.as_bytes()).unwrap();
    object
}

#[test]
fn a_damaged_object_is_refused_and_its_stage_runs_again() {
    let repo = one("echo content > o", "");
    repo.orgo(&["run"]).ok();
    let object = damage(&repo, "content\n");
    std::fs::remove_dir_all(repo.root().join("out")).unwrap();
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["s:ran"]);
    assert_eq!(run["stages"][0]["why"][0]["why"], "output-lost");
    assert_eq!(run["stages"][0]["why"][0]["damaged"], true, "damage is told from loss");
    assert_eq!(std::fs::read_to_string(&object).unwrap(), "content\n");
    assert_eq!(repo.read("out/p/s/o"), "content\n");
}

#[test]
fn a_damaged_object_never_reaches_a_stage_and_is_healed_from_the_result_that_is_shown() {
    let repo = two_in_a_row();
    let object = damage(&repo, "content\n");
    repo.write("more", "2");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:ran"]);
    assert_eq!(repo.read("out/p/b/o"), "content\n2");
    assert_eq!(std::fs::read_to_string(&object).unwrap(), "content\n");
}

#[test]
fn a_damaged_object_of_a_source_is_healed_from_the_source() {
    let repo = two_in_a_row();
    std::thread::sleep(std::time::Duration::from_millis(60));
    repo.orgo(&["run"]).ok(); // from here on, the source is known by its stamp
    let object = damage(&repo, "one\n");
    let run = repo.orgo(&["run", "--force", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:ran", "b:ran"]);
    assert_eq!(repo.read("out/p/b/o"), "content\none\n");
    assert_eq!(std::fs::read_to_string(&object).unwrap(), "one\n");
}

#[test]
fn a_result_that_is_damaged_in_the_store_and_where_it_is_shown_is_made_again() {
    let repo = two_in_a_row();
    damage(&repo, "content\n");
    repo.write("out/p/a/o", "CONTENT\n");
    repo.write("more", "2");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:ran", "b:ran"]);
    assert_eq!(repo.read("out/p/b/o"), "content\n2");
}

/// A repository in which `b` reads what `a` made, after a run.
fn two_in_a_row() -> Repo {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" {
            stage "a" { run "sh" "-c" "echo content > o"; out "o" }
            stage "b" { from "a"; files "more"; run "sh" "-c" "cat in/a/o more > o"; tool "cat"; out "o" }
        }"#,
    );
    repo.write("more", "one\n");
    repo.orgo(&["run"]).ok();
    repo
}

#[test]
fn an_interrupted_run_says_so_and_leaves_no_process() {
    let repo = one("echo started > /dev/null; exec sleep 300", "");
    let child = repo.start(&["run", "--json"]);
    wait_for(|| repo.journal().contains("\"start\""));
    signal(child.id(), "INT");
    let done: Done = child.wait_with_output().unwrap().into();
    let run = done.exits(130).json();
    assert_eq!(run["code"], "RUN_CANCELLED");
    assert!(std::fs::read_dir(repo.root().join(".orgo/work")).unwrap().next().is_none(), "the working folder is gone");
}

#[test]
fn after_a_kill_the_next_run_goes_on_where_it_was() {
    let repo = Repo::with_pipeline(SLEEPS);
    repo.write("wait", "yes\n");
    let mut child = repo.start(&["run"]);
    wait_for(|| repo.journal().matches("\"start\"").count() == 2);
    child.kill().unwrap();
    child.wait().unwrap();
    repo.write("wait", "");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:ran"]);
    assert_eq!(repo.read("out/p/b/o"), "b\n");
}

#[test]
fn a_second_run_at_the_same_time_is_told_to_wait() {
    let repo = one("exec sleep 300", "");
    let mut child = repo.start(&["run"]);
    wait_for(|| repo.journal().contains("\"start\""));
    let second = repo.orgo(&["run"]).exits(4);
    assert!(second.stderr.contains("another run is under way"), "{}", second.stderr);
    signal(child.id(), "TERM");
    child.wait().unwrap();
}

#[test]
fn a_source_that_changes_during_the_run_is_noticed() {
    let repo = Repo::empty();
    repo.write("orgo.kdl", "project \"test\"\n");
    let input = repo.root().join("input.txt");
    let script = format!("cp input.txt o; echo changed >> {}", input.display());
    repo.write("input.txt", "before\n");
    repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{ stage \"s\" {{ isolation \"open\"; files \"input.txt\"; run \"sh\" \"-c\" {script:?}; tool \"cp\"; out \"o\" }} }}"));
    repo.commit("first");
    let run = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(run["code"], "INPUT_CHANGED");
    assert_eq!(repo.read("out/p/s/o"), "before\n", "the run worked on what it had hashed");
}

#[test]
fn what_a_stage_writes_to_the_source_of_a_later_one_does_not_reach_it() {
    let repo = Repo::empty();
    repo.write("orgo.kdl", "project \"test\"\n");
    let input = repo.root().join("later.txt");
    let script = format!("echo changed > {}; : > o", input.display());
    repo.write("later.txt", "before\n");
    repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{ stage \"first\" {{ isolation \"open\"; run \"sh\" \"-c\" {script:?}; out \"o\" }}\n stage \"later\" {{ from \"first\"; files \"later.txt\"; run \"cp\" \"later.txt\" \"o\"; out \"o\" }} }}"));
    repo.commit("first");
    let run = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(run["code"], "INPUT_CHANGED");
    assert_eq!(repo.read("out/p/later/o"), "before\n", "a run works on what was there when it began");
    let again = repo.orgo(&["run", "--json"]).exits(0).json();
    assert_eq!(again["ran"], 1, "{again}");
    assert_eq!(repo.read("out/p/later/o"), "changed\n");
    repo.write("later.txt", "before\n");
    assert_eq!(repo.orgo(&["run", "--force", "--json"]).exits(1).json()["code"], "INPUT_CHANGED");
    assert_eq!(repo.read("out/p/later/o"), "before\n", "nor where no result is used");
}

fn signal(pid: u32, name: &str) {
    let status =
        std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status().expect("kill is installed");
    assert!(status.success());
}
