//! `orgo run --watch`: a round for every change to what is read, and for no other.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::random::Random;
use crate::support::{ORGO, Repo, SLEEPS, states, wait_for};

/// Longer than it takes to notice a change and to run what is here.
const CALM: Duration = Duration::from_millis(1200);

const TWO: &str = r#"pipeline "p" {
    stage "a" { files "in/*.txt"; run "sh" "-c" "cat in/*.txt > o"; tool "cat"; out "o" }
    stage "b" { files "lib/deep/x"; run "cp" "lib/deep/x" "o"; out "o" }
}"#;

fn two() -> Repo {
    let repo = Repo::with_pipeline(TWO);
    repo.write("in/a.txt", "one\n");
    repo.write("lib/deep/x", "x\n");
    repo.write("notes.txt", "read by nobody\n");
    repo.commit("inputs");
    repo
}

/// A command that watches; it is ended with the value.
struct Watch<'r> {
    repo: &'r Repo,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl<'r> Watch<'r> {
    fn start(repo: &'r Repo, args: &[&str]) -> Self {
        Self::of(repo, repo.command(&[&["run", "p", "--json"], args].concat()))
    }

    fn of(repo: &'r Repo, mut command: Command) -> Self {
        let (out, err) = (repo.beside("watch.out"), repo.beside("watch.err"));
        let file = |path: &PathBuf| Stdio::from(std::fs::File::create(path).expect("writable"));
        let child = command.stdout(file(&out)).stderr(file(&err)).spawn().expect("the binary starts");
        Self { repo, child, out, err }
    }

    /// What was told so far, a round each.
    fn rounds(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.out).expect("readable");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    fn err(&self) -> String {
        std::fs::read_to_string(&self.err).expect("readable")
    }

    /// Waits for the round with that number, counted from 1, and for the calm after it.
    #[track_caller]
    fn round(&self, number: usize) -> Value {
        wait_for(|| self.rounds().len() >= number);
        let calm = "watching ";
        wait_for(|| self.err().matches(calm).count() + cut(&self.rounds()) >= number);
        let rounds = self.rounds();
        assert_eq!(rounds.len(), number, "{rounds:#?}");
        rounds[number - 1].clone()
    }

    /// Asserts that nothing is run.
    #[track_caller]
    fn stays_at(&self, number: usize) {
        std::thread::sleep(CALM);
        assert_eq!(self.rounds().len(), number, "{:#?}", self.rounds().last());
    }

    fn interrupt(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill is there").success());
        let code = self.child.wait().expect("it ends").code();
        (code, self.err())
    }

    fn changed(round: &Value) -> Vec<String> {
        let paths = round["watch"]["changed"].as_array().expect("a list");
        paths.iter().map(|p| p.as_str().expect("text").to_owned()).collect()
    }
}

fn cut(rounds: &[Value]) -> usize {
    rounds.iter().filter(|r| r["watch"]["ended_by"].as_array().is_some_and(|by| !by.is_empty())).count()
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_change_to_what_is_read_runs_again_and_no_other_change_does() {
    let repo = two();
    let watch = Watch::start(&repo, &["--watch"]);
    assert_eq!(states(&watch.round(1)), ["a:ran", "b:ran"]);
    repo.write("notes.txt", "changed, and still read by nobody\n");
    repo.write("in/a.md", "matched by nothing\n");
    repo.write("lib/deep/y", "beside an input\n");
    repo.write("out/p/mine", "a result\n");
    repo.write(".orgo/mine", "ours\n");
    repo.write("mandates/other/mandate.kdl", "governs nothing here\n");
    repo.write("in/a.txt", "one\n"); // the same content, another time
    watch.stays_at(1);
    repo.write("in/a.txt", "two\n");
    let round = watch.round(2);
    assert_eq!(
        (states(&round), Watch::changed(&round)),
        (vec!["a:ran".into(), "b:hit".into()], vec!["in/a.txt".into()])
    );
    repo.write("in/b.txt", "new\n");
    assert_eq!(Watch::changed(&watch.round(3)), ["in/b.txt"]);
    assert_eq!(repo.read("out/p/a/o"), "two\nnew\n");
    std::fs::remove_file(repo.root().join("in/b.txt")).unwrap();
    assert_eq!(states(&watch.round(4)), ["a:hit", "b:hit"], "as it was in round 2");
    std::fs::set_permissions(repo.root().join("lib/deep/x"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(states(&watch.round(5)), ["a:hit", "b:ran"], "whether it can be executed is in the key");
    repo.write("pipelines/p.kdl", &TWO.replace("> o", "> o; echo more >> o"));
    let round = watch.round(6);
    assert_eq!(
        (states(&round), Watch::changed(&round)),
        (vec!["a:ran".into(), "b:hit".into()], vec!["pipelines/p.kdl".into()])
    );
    assert_eq!(watch.interrupt().0, Some(0), "that is how watching ends");
}

#[test]
fn what_only_stages_read_that_are_not_asked_for_is_not_watched() {
    let repo = two();
    let watch = Watch::start(&repo, &["b", "--watch"]);
    watch.round(1);
    repo.write("in/a.txt", "two\n");
    watch.stays_at(1);
    repo.write("lib/deep/x", "y\n");
    assert_eq!(Watch::changed(&watch.round(2)), ["lib/deep/x"]);
}

#[test]
fn files_that_editors_replace_and_folders_that_come_again_are_followed() {
    let repo = two();
    let watch = Watch::start(&repo, &["--watch"]);
    watch.round(1);
    for n in 2..5 {
        repo.write("in/.a.txt.swp", &format!("{n}\n"));
        std::fs::rename(repo.root().join("in/.a.txt.swp"), repo.root().join("in/a.txt")).unwrap();
        assert_eq!(Watch::changed(&watch.round(n)), ["in/a.txt"]);
    }
    std::fs::remove_dir_all(repo.root().join("lib")).unwrap();
    let gone = watch.round(5);
    assert_eq!(gone["code"], "INPUT_MISSING", "{gone}");
    repo.write("lib/deep/x", "x\n");
    assert_eq!(states(&watch.round(6))[1], "b:hit");
    repo.write("lib/deep/x", "again\n");
    assert_eq!(states(&watch.round(7))[1], "b:ran", "the new folder is watched");
    std::fs::rename(repo.root().join("lib/deep"), repo.root().join("lib/old")).unwrap();
    repo.write("lib/deep/x", "x\n");
    assert_eq!(Watch::changed(&watch.round(8)), ["lib/deep/x"]);
}

#[test]
fn another_branch_is_one_change() {
    let repo = two();
    repo.git(&["switch", "-q", "-c", "other"]);
    for n in 0..400 {
        repo.write(&format!("in/{n:03}.txt"), "other\n");
        repo.write(&format!("notes/{n:03}"), "other\n");
    }
    repo.commit("many");
    repo.git(&["switch", "-q", "main"]);
    let watch = Watch::start(&repo, &["--watch"]);
    watch.round(1);
    repo.git(&["switch", "-q", "other"]);
    assert_eq!(Watch::changed(&watch.round(2)).len(), 400);
    watch.stays_at(2);
    // While git holds its index, nothing begins.
    repo.write(".git/index.lock", "");
    repo.write("in/a.txt", "half\n");
    watch.stays_at(2);
    repo.write("in/a.txt", "whole\n");
    std::fs::remove_file(repo.root().join(".git/index.lock")).unwrap();
    assert_eq!(Watch::changed(&watch.round(3)), ["in/a.txt"]);
    assert!(repo.read("out/p/a/o").ends_with("whole\n"));
}

#[test]
fn a_document_that_is_broken_is_shown_and_watched_on() {
    let repo = two();
    let watch = Watch::start(&repo, &["--watch"]);
    watch.round(1);
    repo.write("pipelines/p.kdl", &TWO.replace("out \"o\"", "owt \"o\""));
    let broken = watch.round(2);
    assert_eq!(
        (&broken["schema"], &broken["problems"][0]["file"]),
        (&"orgo.error/1".into(), &"pipelines/p.kdl".into())
    );
    let included =
        TWO.replace("pipeline", "include \"parts/c.kdl\"\npipeline").replace("\"a\" {", "\"a\" template=\"common\" {");
    repo.write("pipelines/p.kdl", &included);
    assert_eq!(watch.round(3)["schema"], "orgo.error/1", "it includes what is not there");
    repo.write("parts/c.kdl", "template \"common\" { env \"LEVEL\" \"1\" }\n");
    assert_eq!(states(&watch.round(4)), ["a:ran", "b:hit"]);
    repo.write("parts/c.kdl", "template \"common\" { env \"LEVEL\" \"2\" }\n");
    assert_eq!(Watch::changed(&watch.round(5)), ["parts/c.kdl"]);
    repo.write("pipelines/p.kdl", TWO);
    assert_eq!(watch.round(6)["hits"], 2);
    repo.write("parts/c.kdl", "included by nobody any more\n");
    watch.stays_at(6);
    repo.write("pipelines/p.kdl", &TWO.replace("in/*.txt\"", "in/[.txt\""));
    assert_eq!(watch.round(7)["succeeded"], Value::Bool(false), "a pattern that cannot be read");
    repo.write("pipelines/p.kdl", TWO);
    assert_eq!(watch.round(8)["hits"], 2);
}

#[test]
fn a_change_under_way_ends_the_run_and_leaves_no_record_of_it() {
    let repo = Repo::with_pipeline(SLEEPS);
    repo.write("wait", "long\n");
    repo.commit("inputs");
    let watch = Watch::start(&repo, &["--watch", "--events", "events"]);
    wait_for(|| repo.journal().contains(r#""event":"start","stage":"b""#));
    repo.write("wait", "");
    let (ended, next) = (watch.round(2), watch.rounds()[0].clone());
    let (ended, next) = (next, ended);
    assert_eq!((&ended["code"], &ended["watch"]["ended_by"][0]), (&"RUN_CANCELLED".into(), &"wait".into()));
    assert_eq!(ended["record"], Value::Null);
    assert_eq!((states(&next), Watch::changed(&next)), (vec!["a:hit".into(), "b:ran".into()], vec!["wait".into()]));
    let records = repo.orgo(&["record", "list", "--branch", "orgo/local"]).ok().stdout;
    assert!(records.contains("PASS") && !records.contains("CANCELLED"), "{records}");
    let finished = repo.read("events").matches("run.finished").count();
    assert_eq!(finished, 2, "each round tells its own events");
}

#[test]
fn an_interrupt_ends_the_round_that_is_under_way_and_is_on_record() {
    let repo = Repo::with_pipeline(SLEEPS);
    repo.write("wait", "long\n");
    repo.commit("inputs");
    let watch = Watch::of(&repo, repo.command(&["run", "--watch"]));
    wait_for(|| repo.journal().contains(r#""event":"start","stage":"b""#));
    let (code, text) = watch.interrupt();
    assert_eq!(code, Some(130), "{text}");
    let records = repo.orgo(&["record", "list", "--branch", "orgo/local"]).ok().stdout;
    assert!(records.contains("CANCELLED"), "{records}");
}

#[test]
fn where_the_system_tells_nothing_files_are_looked_at_and_that_is_said() {
    let repo = two();
    let looks = |watch: &Watch<'_>, because: &str, to: &str| {
        watch.round(1);
        assert!(watch.err().contains(&format!("looked at every second: {because}")), "{}", watch.err());
        repo.write("in/a.txt", to);
        assert_eq!(Watch::changed(&watch.round(2)), ["in/a.txt"]);
    };
    looks(&Watch::start(&repo, &["--watch=poll"]), "that was asked for", "two\n");
    // As root of a user namespace of our own we may take away what inotify has there.
    let none = "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$0\" \"$@\"";
    let possible = ["-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances"];
    if Command::new("unshare").args(possible).stderr(Stdio::null()).status().is_ok_and(|s| s.success()) {
        let mut command = Command::new("unshare");
        command.args(["-Ur", "sh", "-c", none, ORGO, "run", "p", "--json", "--watch"]).arg("--home").arg(repo.home());
        command.current_dir(repo.root()).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        looks(&Watch::of(&repo, command), "inotify has no instance left", "three\n");
    }
}

#[test]
fn what_is_watched_is_local() {
    let repo = two();
    for args in [
        ["run", "--watch", "--lane", "protected"],
        ["run", "--watch", "--spool", "s"],
        ["run", "--watch", "--wait", "1s"],
    ] {
        repo.orgo(&args).exits(2);
    }
    let wrong = repo.orgo(&["run", "q", "--watch"]).exits(2);
    assert!(wrong.stderr.contains("no pipeline is called"), "{}", wrong.stderr);
    let watch = Watch::start(&repo, &["--watch"]);
    assert_eq!(watch.round(1)["record"]["lane"], "local");
    let told = watch.repo.orgo(&["run", "p", "--json"]).ok().json();
    assert_eq!(told["hits"], 2, "others may run between rounds");
}

#[test]
fn an_approval_that_was_missing_begins_a_round() {
    let repo = Repo::example("release");
    repo.begin_ledger();
    repo.trust_approver();
    let mut command = repo.command(&["run", "--json", "--watch"]);
    command.env("RELEASE_TOKEN", "not-a-real-one");
    let watch = Watch::of(&repo, command);
    assert_eq!(states(&watch.round(1))[3], "publish:waiting");
    repo.orgo(&["approve", "release", "publish", "--comment", "tried it"]).ok();
    let round = watch.round(2);
    assert_eq!(states(&round)[3], "publish:ran", "{round}");
    assert!(Watch::changed(&round)[0].starts_with("approvals/"), "{round}");
}

#[test]
fn two_that_watch_the_same_take_turns() {
    let repo = two();
    let one = Watch::start(&repo, &["--watch"]);
    one.round(1);
    let mut command = repo.command(&["run", "p", "--watch", "--events", "other"]);
    let mut other = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let finished =
        || std::fs::read_to_string(repo.root().join("other")).unwrap_or_default().matches("run.finished").count();
    wait_for(|| finished() == 1);
    for n in 2..5 {
        repo.write("in/a.txt", &format!("{n}\n"));
        assert_eq!(Watch::changed(&one.round(n)), ["in/a.txt"]);
        wait_for(|| finished() == n);
    }
    let _ = other.kill();
    let _ = other.wait();
}

#[test]
fn whatever_happens_to_files_the_last_round_is_about_what_is_there() {
    let repo = two();
    let watch = Watch::start(&repo, &["--watch"]);
    watch.round(1);
    let mut random = Random::new(7);
    for _ in 0..60 {
        let path = |n: usize| repo.root().join(format!("in/{n}.txt"));
        let (one, other) = (random.below(6), random.below(6));
        // What is not there cannot be moved or removed, and need not be.
        match random.below(6) {
            0 => drop(std::fs::remove_file(path(one))),
            1 => drop(std::fs::rename(path(one), path(other))),
            2 => repo.write("in/notes", &format!("{other}\n")),
            3 => {
                drop(std::fs::rename(repo.root().join("in"), repo.root().join("away")));
                std::thread::sleep(Duration::from_millis(random.below(30) as u64));
                drop(std::fs::rename(repo.root().join("away"), repo.root().join("in")));
            }
            _ => repo.write(&format!("in/{one}.txt"), &format!("{other}\n")),
        }
        std::thread::sleep(Duration::from_millis(random.below(200) as u64));
    }
    repo.write("in/a.txt", "the last word\n");
    wait_for(|| repo.exists("out/p/a/o") && repo.read("out/p/a/o").contains("the last word"));
    wait_for(|| {
        let before = watch.rounds().len();
        std::thread::sleep(CALM);
        watch.rounds().len() == before
    });
    let last = watch.rounds().last().cloned().unwrap_or_default();
    assert_eq!(last["succeeded"], Value::Bool(true), "{last}");
    let mut names: Vec<_> = std::fs::read_dir(repo.root().join("in")).unwrap().map(|e| e.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    names.sort_unstable();
    let expected: String = names.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert_eq!(repo.read("out/p/a/o"), expected);
    drop(watch);
    let told = repo.orgo(&["run", "p", "--json"]).ok().json();
    assert_eq!((&told["ran"], &told["hits"]), (&0.into(), &2.into()), "the last round left nothing to do");
}
