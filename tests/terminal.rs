//! What people see on a terminal: the bar with what runs and how long it may still take, and a clean line at the end.
//! The terminal is one of `script`, of util-linux; without it there is nothing to look at.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{ORGO, Repo, wait_for};

const HIDE: &str = "\u{1b}[?25l";
const SHOW: &str = "\u{1b}[?25h";

fn start(repo: &Repo, args: &str) -> Option<Child> {
    let command = format!("{ORGO} --home {} {args}", repo.home().display());
    let mut script = Command::new("script");
    script.args(["-qefc", &command, "/dev/null"]).current_dir(repo.root());
    script.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("TERM", "xterm-256color");
    let out = std::fs::File::create(repo.beside("screen")).expect("writable");
    let started = script.stdin(Stdio::piped()).stdout(out).stderr(Stdio::null()).spawn();
    started.ok().or_else(|| {
        assert!(Command::new("script").arg("--version").output().is_err(), "`script` is there and does not start");
        None
    })
}

fn screen(repo: &Repo) -> String {
    String::from_utf8_lossy(&std::fs::read(repo.beside("screen")).expect("readable")).into_owned()
}

#[track_caller]
fn is_left_clean(text: &str) {
    assert!(text.rfind(HIDE) <= text.rfind(SHOW), "the cursor is there: {text:?}");
    let last = text.trim_end_matches(['\r', '\n']).rsplit('\n').next().unwrap_or_default();
    assert!(!last.contains("left"), "no bar is left: {text:?}");
}

#[test]
fn a_bar_shows_what_runs_and_how_long_it_may_take_and_goes_away() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" {
            stage "long" { run "sh" "-c" "sleep 1.5; echo > o"; tool "sleep"; out "o" }
            stage "last" { from "long"; run "sh" "-c" "sleep 0.8; echo > o"; tool "sleep"; out "o" }
        }"#,
    );
    repo.orgo(&["run"]).ok();
    let Some(mut child) = start(&repo, "run p --force") else { return };
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{}", screen(&repo));
    let text = screen(&repo);
    let (_, after) = text.split_once("0/2 long, about ").unwrap_or_else(|| panic!("{text:?}"));
    let seconds: f64 = after.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{after:?}"));
    assert!(seconds >= 2.0, "both stages, one after the other: {text:?}");
    assert!(text.contains("1/2 last, about"), "{text:?}");
    assert!(text.contains("PASSED") && text.contains("critical  long → last"), "{text:?}");
    is_left_clean(&text);
}

#[test]
fn watching_ends_with_a_clean_terminal() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "s" { files "wait"; run "sh" "-c" "sleep $(cat wait); echo > o"; tool "sleep" "cat"; out "o" } }"#,
    );
    repo.write("wait", "0");
    repo.commit("inputs");
    let Some(mut child) = start(&repo, "run p --watch") else { return };
    wait_for(|| screen(&repo).contains("watching 3 files"));
    repo.write("wait", "90");
    wait_for(|| screen(&repo).matches("0/1 s").count() > 0 && repo.journal().contains("\"start\""));
    std::thread::sleep(Duration::from_millis(600));
    child.stdin.as_mut().expect("piped").write_all(b"\x03").expect("Ctrl-C is typed");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{}", screen(&repo));
    let text = screen(&repo);
    assert!(text.contains("wait changed") && text.contains("CANCELLED"), "{text:?}");
    is_left_clean(&text);
}
