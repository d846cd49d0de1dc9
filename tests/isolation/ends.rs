//! What a stage may take, and that nothing outlives it.

use std::time::{Duration, Instant};

use super::{ENFORCED, leaves, printed, shell};
use crate::support::wait_for;

/// Whether a process runs whose command line holds `mark`.
pub(super) fn runs(mark: &str) -> bool {
    count(mark) > 0
}

/// How many of them run.
pub(super) fn count(mark: &str) -> usize {
    let processes = std::fs::read_dir("/proc").expect("listable").flatten();
    let dead = |folder: &std::path::Path| {
        std::fs::read_to_string(folder.join("stat")).map_or(true, |stat| stat.contains(") Z "))
    };
    let sleeps = processes.map(|e| e.path()).filter(|folder| {
        let line = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        let is_sleep = line.starts_with(b"sleep\0");
        is_sleep && String::from_utf8_lossy(&line).contains(mark) && !dead(folder)
    });
    sleeps.count()
}

/// A number of seconds that no other test sleeps.
pub(super) fn mark(level: &str, of: u32) -> String {
    let level = if level == "confined" { 1 } else { 2 };
    format!("{level}{of}{}.25", std::process::id())
}

/// Two processes in a session of its own, whose parent has ended.
pub(super) fn daemon(mark: &str) -> String {
    format!("(setsid sh -c 'sleep {mark} & sleep {mark} &' &) ; while ! test -e started; do touch started; done")
}

#[test]
fn a_daemon_that_is_left_behind_is_ended() {
    for level in ENFORCED {
        let mark = mark(level, 1);
        leaves(level, &format!("{}; sleep 0.2; echo done > o", daemon(&mark)));
        assert!(!runs(&mark), "{level}: it had ended before the run did");
    }
}

#[test]
fn nothing_runs_or_is_mounted_when_orgo_is_killed() {
    let before = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
    for level in ENFORCED {
        let mark = mark(level, 2);
        let repo = shell(level, &format!("{}; sleep {mark}", daemon(&mark)), "");
        let mut run = repo.start(&["run"]);
        wait_for(|| runs(&mark));
        run.kill().expect("killed");
        run.wait().expect("ended");
        wait_for(|| !runs(&mark));
    }
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").expect("readable"), before);
}

#[test]
fn a_stage_that_runs_too_long_is_told_and_then_ended() {
    for level in ENFORCED {
        let mark = mark(level, 3);
        let repo = shell(
            level,
            &format!("{}; trap 'echo told' TERM; sleep {mark} & wait; sleep {mark}", daemon(&mark)),
            "timeout \"500ms\"",
        );
        let started = Instant::now();
        let done = repo.orgo(&["run", "--json"]).exits(1);
        assert!(done.stdout.contains("STAGE_TIMEOUT"), "{}", done.stdout);
        assert!(started.elapsed() < Duration::from_secs(8), "{level}");
        assert!(!runs(&mark), "{level}");
        assert!(printed(&repo).contains("told"), "{level}: the signal arrives");
    }
}

#[test]
fn exit_codes_and_signals_are_those_of_the_stage() {
    for level in ENFORCED {
        let done = shell(level, "exit 7", "").orgo(&["run"]).exits(1);
        assert!(done.stderr.contains("exit code 7"), "{level}: {}", done.stderr);
        let done = shell(level, "kill -SEGV $$", "").orgo(&["run", "--json"]).exits(1);
        assert!(done.stdout.contains("STAGE_SIGNALLED"), "{level}: {}", done.stdout);
    }
}

#[test]
fn memory_that_is_declared_is_a_limit() {
    let script = "perl -e '$x = \"a\" x (256 << 20); print length $x' > o || echo refused > o";
    for level in ENFORCED {
        assert_eq!(leaves(level, script), "268435456", "without a limit");
        let repo = shell(level, script, "memory \"64MiB\"; out \"o\"");
        repo.orgo(&["run"]).ok();
        assert_eq!(repo.read("out/p/s/o"), "refused\n", "{level}");
    }
}

#[test]
fn processes_files_and_core_files_are_limited() {
    for level in ENFORCED {
        let limits = leaves(level, "bash -c 'ulimit -u; ulimit -c; ulimit -f' > o");
        let limits: Vec<&str> = limits.lines().collect();
        assert!(limits[0].parse::<u64>().expect("a number") <= 8192, "{level}: {limits:?}");
        assert_eq!(limits[1..], ["0", "67108864"], "{level}");
    }
}
