//! Shared directories whose files vanish, change or are none while a run reads them, and one that never answers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{ONES, clone, files, made, overwrite, place};
use crate::random::Random;
use crate::space::{LEAVE, left, script};
use crate::support::{Done, Repo, copy, states};

fn fifo(path: &Path) {
    let _ = std::fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// As [`Repo::orgo`], for a minute at most.
#[track_caller]
fn soon(repo: &Repo, args: &[&str]) -> Done {
    let mut child = repo.start(args);
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if since.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{args:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap().into()
}

#[test]
fn what_is_no_regular_file_is_not_waited_for_and_is_a_miss() {
    let repo = made();
    let run = repo.orgo(&["run", "--json"]).ok().json();
    let key = run["stages"][0]["key"].as_str().unwrap().to_owned();
    let object = orgo_spec::Digest::of(b"one\none\n").to_string();
    let shared = repo.beside("shared");
    let fresh = clone(&repo);
    let of = |kind: &'static str| match kind {
        "tenant" | "actions" => shared.join(kind),
        "a result" => place(&shared, "actions", &key),
        _ => place(&shared, "sha256", &object),
    };
    for (what, state) in [("tenant", "b:ran"), ("actions", "b:ran"), ("a result", "b:hit"), ("an object", "b:hit")] {
        for how in ["a pipe", "a folder", "nothing"] {
            let _ = std::fs::remove_dir_all(&shared);
            copy(&repo.root().join(".orgo/store"), &shared);
            let _ = std::fs::remove_file(of(what));
            let _ = std::fs::remove_dir_all(of(what));
            match how {
                "a pipe" => fifo(&of(what)),
                "a folder" if what != "actions" => std::fs::create_dir(of(what)).unwrap(),
                _ => {}
            }
            for folder in [".orgo", "out"] {
                let _ = std::fs::remove_dir_all(fresh.root().join(folder));
            }
            let done = soon(&fresh, &["run", "--json", "--cache", shared.to_str().unwrap()]).ok();
            assert_eq!(states(&done.json()), ["a:ran", state], "{what} is {how}: {}", done.stderr);
            assert_eq!(fresh.read("out/p/b/o"), ONES, "{what} is {how}");
            let is_fault = how != "nothing" || what != "a result";
            let reasons = done.json()["stages"][0]["why"].to_string();
            assert_eq!(reasons.contains("shared-faulty"), is_fault, "{what} is {how}: {reasons}");
            let warned = done.stderr.contains(&format!("cache {}: ", shared.display()));
            assert_eq!(warned, is_fault, "{what} is {how}: {}", done.stderr);
        }
    }
}

#[test]
fn a_run_heals_or_makes_itself_what_changes_in_a_shared_directory_under_it() {
    let stage = |i: usize| {
        format!(
            r#"    stage "s{i}" {{ files "big"; run "sh" "-c" "cat big big > o; echo {i} >> o"; tool "cat"; out "o" }}
"#
        )
    };
    let stages: String = (0..30).map(stage).collect();
    let made = Repo::with_pipeline(&format!("pipeline \"p\" {{\n{stages}}}\n"));
    made.write("big", &"0123456789abcde\n".repeat(3000));
    made.commit("big");
    made.orgo(&["run"]).ok();
    let good = made.root().join(".orgo/store");
    let shared = made.beside("shared");
    copy(&good, &shared);
    let all: Vec<PathBuf> = ["actions", "sha256"].iter().flat_map(|kind| files(&shared.join(kind))).collect();
    let fresh = clone(&made);
    let over = AtomicBool::new(false);
    let (mut hits, mut ran, mut faults) = (0, 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(1);
            while !over.load(Ordering::Relaxed) {
                let file = &all[random.below(all.len())];
                let whole = std::fs::read(good.join(file.strip_prefix(&shared).unwrap())).unwrap();
                match random.below(8) {
                    0 => drop(std::fs::remove_file(file)),
                    // In place, so that somebody who reads it sees its end come nearer.
                    1 if file.exists() => drop(Command::new("truncate").args(["-s", "7"]).arg(file).status()),
                    2 => overwrite(file, &vec![b'x'; whole.len()]),
                    3 => fifo(file),
                    _ => overwrite(file, &whole),
                }
            }
        });
        for n in 0..12 {
            for folder in [".orgo", "out"] {
                let _ = std::fs::remove_dir_all(fresh.root().join(folder));
            }
            let done = soon(&fresh, &["run", "--json", "--cache", shared.to_str().unwrap()]);
            if done.code != Some(0) {
                over.store(true, Ordering::Relaxed);
            }
            let run = done.ok().json();
            for stage in run["stages"].as_array().unwrap() {
                let name = stage["stage"].as_str().unwrap();
                let path = format!("out/p/{name}/o");
                over.store(fresh.read(&path) != made.read(&path), Ordering::Relaxed);
                assert!(!over.load(Ordering::Relaxed), "run {n}: {path}");
                hits += usize::from(stage["state"] == "hit");
                ran += usize::from(stage["state"] == "ran");
                let told = stage["why"].as_array().into_iter().flatten().filter(|why| why["why"] == "shared-faulty");
                for why in told {
                    faults += 1;
                    assert!(why["cache"] == shared.to_str().unwrap() && why["fault"] != "", "{why}");
                }
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(hits > 0 && ran > 0 && faults > 0, "{hits} hits, {ran} ran, {faults} faults");
}

/// A real file system that nobody serves: each call into it waits. It needs FUSE in the kernel and a device that may be
/// opened; without them there is nothing to show.
#[test]
fn a_shared_directory_that_never_answers_holds_a_run_up_once_and_is_then_as_if_it_were_not_there() {
    let stages: String = (0..5)
        .map(|i| format!("stage \"s{i}\" {{ run \"sh\" \"-c\" \"echo {i} > o; echo {i}\"; out \"o\" }}\n"))
        .collect();
    let repo = Repo::with_pipeline(&format!("pipeline \"p\" {{\n{stages}}}\n"));
    repo.orgo(&["run"]).ok();
    for name in ["good", "objects", "results"] {
        copy(&repo.root().join(".orgo/store"), &repo.beside(name));
    }
    for name in ["silent", "whole", "a", "b", "c", "d"] {
        std::fs::create_dir(repo.beside(name)).unwrap();
    }
    let hang = r#"
leave fuse test -w /dev/fuse
test "$(cat "$BESIDE/fuse.code")" = 0 || exit 0
silent() { exec 5<>/dev/fuse; mount -i -t fuse -o fd=5,rootmode=40000,user_id=0,group_id=0 none "$1"; }
held() { cp -a . "../$1/repo"; cd "../$1/repo"; rm -rf .orgo out; name=$1; shift; leave "$name" timeout -s KILL 50 "$@"; }
(silent "$BESIDE/silent"; held a $ORGO run --json --cache "$BESIDE/silent" --cache "$BESIDE/good") &
(silent "$BESIDE/objects/sha256"; held b $ORGO run --json --cache "$BESIDE/objects") &
(silent "$BESIDE/results/actions"; held c $ORGO run --json --cache "$BESIDE/results") &
(silent "$BESIDE/whole"; held d $ORGO plan --json --cache "$BESIDE/whole") &
wait
"#;
    let since = Instant::now();
    script(&repo, &format!("{LEAVE}{hang}"));
    if left(&repo, "fuse").0 != 0 {
        return;
    }
    assert!(since.elapsed() >= Duration::from_secs(10), "it was waited for: {:?}", since.elapsed());
    let silence = "it did not answer for 10 s";
    for (name, folder, hits) in [("a", "silent", 5), ("b", "objects", 0), ("c", "results", 0)] {
        let (code, out, err) = left(&repo, name);
        assert_eq!(code, 0, "{name}: {out}{err}");
        let run = serde_json::from_str(&out).unwrap();
        let found = states(&run).iter().filter(|state| state.ends_with(":hit")).count();
        assert_eq!(found, hits, "{name}: {out}{err}");
        assert_eq!(err.matches(silence).count(), 1 + usize::from(hits == 0), "{name}: {err}");
        assert!(err.contains(&format!("/{folder}: {silence}")) && err.contains("is not asked again"), "{name}: {err}");
        let faulty = |stage: &&serde_json::Value| stage["why"].to_string().contains(silence);
        let told = run["stages"].as_array().unwrap().iter().filter(faulty).count();
        assert_eq!(told, usize::from(hits == 0), "{name}: the stage that was missed first says why: {out}");
    }
    let (code, out, err) = left(&repo, "d");
    assert!(code == 0 && err.contains(silence) && out.contains("\"does\": \"run\""), "{out}{err}");
}
