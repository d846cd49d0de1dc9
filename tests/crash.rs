//! Runs that are killed at 200 random moments: the next run ends well, shows what it should, and runs nothing again
//! that was told to be finished. The promise is in `docs/formats/store.md`.
//!
//! `ORGO_CRASH_SEED=7 cargo test -p orgo --test e2e crash` kills at other moments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::random::Random;
use crate::support::{Repo, states, wait_for};

/// Two chains, a join, and a folder at the end; every stage is told what to do by a file of its own.
const PIPELINE: &str = r#"pipeline "p" {
    stage "a" { files "s/a"; run "sh" "-c" "read -r l < s/a; echo a $l > o"; out "o" }
    stage "b" { files "s/b"; run "sh" "-c" "read -r l < s/b; echo b $l > o"; out "o" }
    stage "c" { from "a"; files "s/c"; run "sh" "-c" "{ cat in/a/o s/c; } > o"; tool "cat"; out "o" }
    stage "d" { from "b"; files "s/d"; run "sh" "-c" "{ cat in/b/o s/d; } > o"; tool "cat"; out "o" }
    stage "e" { from "c" "d"; files "s/e"; run "sh" "-c" "{ cat in/c/o in/d/o s/e; } > o"; tool "cat"; out "o" }
    stage "f" { from "e"; files "s/f"; run "sh" "-c" "mkdir d; cp in/e/o d/o; cp s/f d/f"; tool "mkdir" "cp"; out "d" }
}"#;

const STAGES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// How often each of the two tests kills.
const KILLS: usize = 100;

#[test]
fn a_local_run_that_is_killed_anywhere_is_gone_on_with() {
    matrix(false);
}

#[test]
fn a_protected_run_that_is_killed_anywhere_is_gone_on_with() {
    matrix(true);
}

/// What `out/` has to show, by path, for these sources.
fn results(sources: &BTreeMap<&str, String>) -> BTreeMap<String, String> {
    let s = |name: &str| sources[name].as_str();
    let (a, b) = (format!("a {}", s("a")), format!("b {}", s("b")));
    let (c, d) = (format!("{a}{}", s("c")), format!("{b}{}", s("d")));
    let e = format!("{c}{d}{}", s("e"));
    let of = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let all = [of("a/o", &a), of("b/o", &b), of("c/o", &c), of("d/o", &d), of("e/o", &e)];
    BTreeMap::from_iter(all.into_iter().chain([of("f/d/o", &e), of("f/d/f", s("f"))]))
}

/// Which stages run when these sources were changed.
fn needed(changed: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut needed: BTreeSet<String> = changed.iter().map(|s| (*s).to_owned()).collect();
    for (from, to) in [("a", "c"), ("b", "d"), ("c", "e"), ("d", "e"), ("e", "f")] {
        if needed.contains(from) {
            needed.insert(to.to_owned());
        }
    }
    needed
}

struct Matrix {
    repo: Repo,
    random: Random,
    sources: BTreeMap<&'static str, String>,
    changed: BTreeSet<&'static str>,
    protected: bool,
}

impl Matrix {
    fn new(protected: bool) -> Self {
        let repo = Repo::in_memory();
        repo.git(&["init", "-q", "-b", "main"]);
        repo.write("orgo.kdl", "project \"test\"\n");
        repo.write("pipelines/p.kdl", PIPELINE);
        repo.write(".gitignore", "/out/\n/.orgo/\n");
        if protected {
            repo.orgo(&["init"]).ok();
        }
        let seed = std::env::var("ORGO_CRASH_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
        Self { repo, random: Random::new(seed), sources: BTreeMap::new(), changed: BTreeSet::new(), protected }
    }

    /// Changes some sources, or all.
    fn change(&mut self, to: usize, all: bool) {
        self.changed.clear();
        for stage in STAGES {
            if all || self.random.one_in(2) {
                let text = format!("{stage} {to}\n");
                self.repo.write(&format!("s/{stage}"), &text);
                self.sources.insert(stage, text);
                self.changed.insert(stage);
            }
        }
        if all || self.protected {
            self.repo.commit("sources");
        }
    }

    fn events(&self) -> PathBuf {
        self.repo.beside("events")
    }

    /// Stages that events of this kind tell of; a torn line tells nothing.
    fn told(&self, kind: &str) -> BTreeSet<String> {
        let text = fs::read_to_string(self.events()).unwrap_or_default();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let kind = format!("dev.orgo.stage.{kind}.v1");
        events.filter(|e| e["type"] == kind.as_str()).map(|e| e["subject"].as_str().unwrap().to_owned()).collect()
    }

    /// Runs to the end. A reference's lock that a killed run left is removed, as the message asks.
    fn run(&self, what: &str) -> Value {
        let args = ["run", "p", "--json", "-j2", "--events", self.events().to_str().unwrap()].map(str::to_owned);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut done = self.repo.orgo(&args);
        let lock = done.stdout.split('`').find(|part| part.ends_with(".lock")).map(str::to_owned);
        if let (Some(4), Some(lock)) = (done.code, lock) {
            fs::remove_file(lock).unwrap();
            done = self.repo.orgo(&args);
        }
        assert_eq!(done.code, Some(0), "{what}: {}\n{}", done.stdout, done.stderr);
        for (path, text) in results(&self.sources) {
            assert_eq!(self.repo.read(&format!("out/p/{path}")), text, "{what}: out/p/{path}");
        }
        done.json()
    }

    /// Kills a run after some time; says whether that was before it ended.
    fn kill_after(&self, time: Duration) -> bool {
        let _ = fs::remove_file(self.events());
        let args = ["run", "p", "-j2", "--events", self.events().to_str().unwrap()].map(str::to_owned);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut child = self.repo.start(&args);
        let since = Instant::now();
        while let Some(left) = time.checked_sub(since.elapsed()) {
            std::thread::sleep(left);
        }
        child.kill().unwrap();
        let out = child.wait_with_output().unwrap();
        out.status.code().is_none()
    }

    fn verify(&self) {
        let branch = if self.protected { "orgo/audit" } else { "orgo/local" };
        let report = self.repo.orgo(&["verify", "--full", "--branch", branch, "--json"]).ok().json();
        assert_eq!(report["findings"], serde_json::json!([]));
        assert_eq!(report["counts"]["open_runs"], 0, "{report}");
    }
}

fn matrix(protected: bool) {
    let mut m = Matrix::new(protected);
    m.change(0, true);
    m.run("the first run");
    let mut longest = Duration::ZERO;
    for n in 1..4 {
        m.change(n, true);
        let since = Instant::now();
        m.run("a run to measure");
        longest = longest.max(since.elapsed());
    }
    let (mut cut, mut spared) = (0, 0);
    for n in 4..4 + KILLS {
        m.change(n, false);
        let micros = m.random.below(usize::try_from(longest.as_micros()).unwrap());
        let time = Duration::from_micros(micros as u64);
        let what = format!("kill {n} after {time:?} of {longest:?}, changed {:?}", m.changed);
        cut += usize::from(m.kill_after(time));
        let (started, finished) = (m.told("started"), m.told("finished"));
        let _ = fs::remove_file(m.events());
        let next = m.run(&what);
        let ran: BTreeSet<String> =
            states(&next).iter().filter_map(|s| s.strip_suffix(":ran")).map(str::to_owned).collect();
        let needed = needed(&m.changed);
        assert!(started.is_subset(&needed), "{what}: started {started:?}");
        assert!(ran.is_disjoint(&finished), "{what}: {finished:?} were told to be finished, and {ran:?} ran");
        assert!(ran.is_subset(&needed), "{what}: ran {ran:?}");
        assert!(needed.is_subset(&ran.union(&started).cloned().collect()), "{what}: ran {ran:?} after {started:?}");
        spared += finished.len();
        if n % 25 == 0 {
            m.verify();
        }
    }
    m.change(4 + KILLS, false);
    m.run("the last run");
    m.verify();
    assert!(cut > KILLS / 3, "only {cut} of {KILLS} runs were killed before they ended");
    assert!(spared > KILLS / 10, "only {spared} stages had finished before the kill");
    leftovers_go(&m);
}

/// What killed runs left half written is removed by a run an hour later; here the files are made older.
fn leftovers_go(m: &Matrix) {
    let orgo = m.repo.root().join(".orgo");
    let places = ["store/new", "state", "runs"].map(|place| orgo.join(place));
    let left = || -> Vec<PathBuf> {
        let all = places.iter().flat_map(|p| fs::read_dir(p).unwrap()).map(|e| e.unwrap().path());
        all.filter(|p| p.parent() == Some(&places[0]) || p.to_string_lossy().contains("/.new-")).collect()
    };
    assert!(left().len() <= 3 * KILLS, "{:?}", left());
    for place in &places {
        fs::write(place.join(".new-left"), "half").unwrap();
    }
    let hours_ago = std::time::SystemTime::now() - Duration::from_secs(2 * 60 * 60);
    for path in left() {
        fs::File::options().write(true).open(path).unwrap().set_modified(hours_ago).unwrap();
    }
    m.repo.orgo(&["run", "p", "--force"]).ok();
    assert_eq!(left(), Vec::<PathBuf>::new());
    let names = fs::read_dir(&orgo).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|n| n.starts_with("left-")).count(), 0);
    assert_eq!(fs::read_dir(orgo.join("work")).unwrap().count(), 0);
}

#[test]
fn a_stage_that_outlives_its_run_does_not_disturb_the_next_one() {
    let repo = Repo::empty();
    let pid = repo.beside("pid");
    let script = format!(
        "test -s busy || {{ echo done > o; exit 0; }}; echo $$ > {}; i=0; while :; do i=$((i+1)); : > f$i; done",
        pid.display()
    );
    repo.write("orgo.kdl", "project \"test\"\n");
    repo.write("busy", "yes\n");
    repo.write(
        "pipelines/p.kdl",
        &format!("pipeline \"p\" {{ stage \"s\" {{ files \"busy\"; run \"sh\" \"-c\" {script:?}; out \"o\" }} }}"),
    );
    let mut child = repo.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(|| fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')));
    child.kill().unwrap();
    child.wait().unwrap();
    repo.write("busy", "");
    let next = repo.orgo(&["run", "--json"]);
    let stage = fs::read_to_string(&pid).unwrap();
    let ended = std::process::Command::new("kill").args(["-KILL", stage.trim()]).status().unwrap();
    assert!(ended.success(), "the stage still ran");
    assert_eq!(states(&next.ok().json()), ["s:ran"]);
    assert_eq!(repo.read("out/p/s/o"), "done\n");
    repo.orgo(&["run", "--force"]).ok();
    let left = fs::read_dir(repo.root().join(".orgo")).unwrap().map(|e| e.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with("left-")));
}

#[test]
fn a_torn_line_of_events_spoils_no_other() {
    let repo = Repo::with_pipeline(r#"pipeline "p" { stage "s" { run "sh" "-c" "echo > o"; out "o" } }"#);
    fs::write(repo.beside("events"), "{\"specversion\":\"1.0\",\"id\":\"to").unwrap();
    repo.orgo(&["run", "--events", repo.beside("events").to_str().unwrap()]).ok();
    let text = fs::read_to_string(repo.beside("events")).unwrap();
    let lines: Vec<bool> = text.lines().map(|l| serde_json::from_str::<Value>(l).is_ok()).collect();
    assert!(!lines[0] && lines.len() > 2 && lines[1..].iter().all(|whole| *whole), "{text}");
}

#[test]
fn a_lock_that_a_killed_writer_left_is_named() {
    let repo = Repo::with_pipeline(r#"pipeline "p" { stage "s" { run "sh" "-c" "echo > o"; out "o" } }"#);
    let lock = repo.root().join(".git/refs/heads/orgo/local.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    for _ in 0..2 {
        fs::write(&lock, "").unwrap();
        let refused = repo.orgo(&["run", "--force", "--json"]).exits(4);
        assert!(refused.stdout.contains("local.lock") && refused.stdout.contains("remove it"), "{}", refused.stdout);
        fs::remove_file(&lock).unwrap();
        repo.orgo(&["run"]).ok();
    }
}
