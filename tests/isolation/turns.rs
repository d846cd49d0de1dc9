//! Stages that one launcher starts, one after the other and beside those of others.

use std::path::PathBuf;
use std::process::{Child, Command};

use super::ends::{count, daemon, mark, runs};
use super::{ENFORCED, printed, shell};
use crate::support::{Repo, states, wait_for};

/// What a stage can leave behind that its level does not forbid it to make.
const MESS: &str = r#"
set -e; umask 000; ulimit -n 100; export LEFT=1; exec 9> left; test -z "$TMPDIR" || touch $TMPDIR/left
mkfifo fifo; (setsid sleep 300 &)
perl -MFcntl=:DEFAULT,:flock -e '
    my $flags = fcntl(STDOUT, F_GETFL, 0); fcntl(STDOUT, F_SETFL, $flags | O_APPEND | O_NONBLOCK); flock(STDOUT, LOCK_EX)'
"#;

/// What only the namespaces of `hermetic` keep from the host.
const DEEP_MESS: &str = r#"
touch /tmp/left /dev/shm/left; chmod 700 /dev/shm
perl -MSocket -MIO::Socket::INET -e '
    for my $made (shmget(0x4711, 4096, 01666), msgget(0x4711, 01666), semget(0x4711, 1, 01666)) { defined $made or die }
    my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 4711) or die;
    my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => 4711) or die; my $s = $l->accept; close $c; close $s;
    socket(my $u, AF_UNIX, SOCK_STREAM, 0); bind($u, pack_sockaddr_un("\0left")) or die; listen($u, 1); fork or sleep 300'
for i in 1 2 3 4 5 6 7; do true & done; wait
"#;

/// What a stage can see of what was before it.
const LOOK: &str = r#"
{ env | grep -v ^TMPDIR= | sort; umask; ulimit -a; ulimit -aH; pwd | tail -c 5; ls -A . $TMPDIR; stat -c '%a %u' .
for fd in $(seq 0 255); do { true >&$fd; } 2> /dev/null && echo open $fd; done
perl -MFcntl=:DEFAULT,:flock -e 'printf "%o %s\n", fcntl(STDERR, F_GETFL, 0), flock(STDERR, LOCK_EX | LOCK_NB) ? "free" : "locked"'
} > o
"#;

/// The same, of what is the stage's own at `hermetic`.
const DEEP_LOOK: &str = r#"
{ echo $$ $PPID; ls -A /tmp /dev/shm; stat -c '%a %h %s' /dev/shm; set -- /proc/[0-9]*; echo $#; tail -n +2 /proc/sysvipc/*
cat /proc/net/dev /proc/net/snmp /proc/net/snmp6 /proc/net/netstat /proc/net/tcp /proc/net/unix
grep -E 'Sig|Cap|NoNew|Seccomp' /proc/self/status; cat /proc/self/limits; wc -l < /proc/self/mountinfo
test -e /proc/1 || echo unseen; cat /proc/self/oom_score_adj; uname -n; } >> o
"#;

/// Two stages, one after the other on one worker; what the second one sees.
fn seen_after(level: &str, first: &str, more: &str) -> String {
    let look = if level == "hermetic" { format!("{LOOK}{DEEP_LOOK}") } else { LOOK.to_owned() };
    let repo = Repo::with_pipeline(&format!(
        "pipeline \"p\" {{\n stage \"a\" {{ isolation \"{level}\"; run \"bash\" \"-c\" {first:?}; {more} }}\n stage \"b\" {{ after \"a\"; isolation \"{level}\"; run \"bash\" \"-c\" {look:?}; out \"o\" }}\n}}\n"
    ));
    let done = repo.orgo(&["run", "-j1", "--json"]).ok();
    assert_eq!(states(&done.json()), ["a:ran", "b:ran"]);
    repo.read("out/p/b/o").replace(&*repo.root().to_string_lossy(), "ROOT")
}

#[test]
fn a_stage_sees_nothing_of_the_one_before_it() {
    for level in ENFORCED {
        // Not of the folder itself at `hermetic`: that one is made anew then, and with it the launcher.
        let mess = if level == "hermetic" { format!("{MESS}{DEEP_MESS}") } else { format!("{MESS}chmod 700 .\n") };
        let clean = seen_after(level, "true", "");
        assert!(clean.contains("open 0\nopen 1\nopen 2\n"), "{clean}");
        let after =
            seen_after(level, &format!("{mess}echo made > o"), "memory \"512MiB\"; env \"LEFT\" \"2\"; out \"o\"");
        assert_eq!(after, clean, "{level}");
    }
}

#[test]
fn stages_of_one_worker_have_one_launcher() {
    let stage = |name: &str, after: &str| {
        format!(
            "stage \"{name}\" {{ {after} isolation \"confined\"; run \"sh\" \"-c\" \"echo $PPID > o\"; out \"o\" }}\n"
        )
    };
    let repo = Repo::with_pipeline(&format!("pipeline \"p\" {{\n{}{}}}\n", stage("a", ""), stage("b", "after \"a\";")));
    repo.orgo(&["run", "-j1"]).ok();
    assert_eq!(repo.read("out/p/a/o"), repo.read("out/p/b/o"));
}

/// The launchers of a run, those that do the work.
fn launchers(run: &Child) -> Vec<i32> {
    let number = |path: PathBuf| path.file_name()?.to_str()?.parse::<i32>().ok();
    let all = std::fs::read_dir("/proc").expect("listable").flatten().filter_map(|e| number(e.path()));
    let stat = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = |pid: i32| stat(pid).rsplit_once(')').and_then(|(_, f)| f.split_whitespace().nth(1)?.parse().ok());
    let is_of = |pid: i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let run = i32::try_from(run.id()).expect("a number");
        let over = parent(pid).unwrap_or(0);
        (line.starts_with(b"orgo\0__stage\0confined") || line.starts_with(b"orgo\0__stage\0init"))
            && parent(over) == Some(run)
    };
    all.filter(|pid| is_of(*pid)).collect()
}

/// The parent of a process.
fn above(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields = stat.rsplit_once(')').expect("a name").1;
    fields.split_whitespace().nth(1).expect("a parent").parse().expect("a number")
}

fn kill(signal: &str, pid: i32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill starts").success());
}

#[test]
fn a_stage_whose_launcher_was_killed_did_not_succeed_and_is_ended() {
    for level in ENFORCED {
        let mark = mark(level, 4);
        // Two that left their group, their session and their parent, and the stage itself.
        let script = format!("{}; exec sleep {mark}", daemon(&mark));
        let repo = Repo::with_pipeline(&format!(
            "pipeline \"p\" {{ stage \"s\" {{ isolation \"{level}\"; tool \"sleep\"; run \"sh\" \"-c\" {script:?} }} }}"
        ));
        let run = repo.start(&["run", "--json"]);
        wait_for(|| count(&mark) == 3);
        launchers(&run).into_iter().for_each(|pid| kill("-KILL", pid));
        let done = crate::support::Done::from(run.wait_with_output().expect("ended"));
        assert_ne!(done.code, Some(0), "{level}");
        assert!(done.stdout.contains("ISOLATION_UNAVAILABLE"), "{level}: {}", done.stdout);
        assert!(repo.journal().contains("without a word"), "{level}: {}", repo.journal());
        if level == "confined" {
            assert_eq!(count(&mark), 0, "all of it had ended before the run did");
        }
        wait_for(|| !runs(&mark));
    }
}

#[test]
fn a_stage_whose_guard_was_killed_goes_on_and_leaves_nothing_behind() {
    let mark = mark("confined", 5);
    let script = format!("{}; while ! test -s {{}}; do sleep 0.05; done; echo done > o", daemon(&mark));
    let repo = shell("open", "true", "");
    let go = repo.beside("go");
    // It may look at the size of any file, and read none.
    let script = script.replace("{}", &go.display().to_string());
    repo.write(
        "pipelines/p.kdl",
        &format!("pipeline \"p\" {{ stage \"s\" {{ run \"sh\" \"-c\" {script:?}; out \"o\" }} }}"),
    );
    repo.commit("waits");
    let run = repo.start(&["run", "--json"]);
    wait_for(|| count(&mark) == 2);
    launchers(&run).into_iter().for_each(|pid| kill("-KILL", above(pid)));
    std::fs::write(go, "go").expect("writable");
    let done = crate::support::Done::from(run.wait_with_output().expect("ended")).ok();
    assert_eq!(states(&done.json()), ["s:ran"]);
    assert_eq!(count(&mark), 0, "the launcher ends it as ever");
}

#[test]
fn a_launcher_that_was_killed_between_stages_is_replaced() {
    for level in ENFORCED {
        let stage = |name: &str, after: &str| {
            format!(
                "stage \"{name}\" {{ {after} isolation \"{level}\"; run \"sh\" \"-c\" \"echo {name} > o\"; out \"o\" }}\n"
            )
        };
        let repo = Repo::with_pipeline(&format!(
            "pipeline \"p\" {{\n{}stage \"w\" {{ after \"a\"; isolation \"open\"; run \"sleep\" \"2.5\" }}\n{}}}\n",
            stage("a", ""),
            stage("b", "after \"w\";")
        ));
        let run = repo.start(&["run", "-j1", "--json"]);
        wait_for(|| !launchers(&run).is_empty() && repo.exists("out/p/a/o"));
        launchers(&run).into_iter().for_each(|pid| kill("-KILL", pid));
        let done = crate::support::Done::from(run.wait_with_output().expect("ended")).ok();
        assert_eq!(states(&done.json()), ["a:ran", "w:ran", "b:ran"]);
    }
}

#[test]
fn cancelled_stages_are_told_and_ended() {
    for level in ENFORCED {
        let mark = mark(level, 6);
        let script = format!("trap 'echo told; exit 1' TERM; (setsid sleep {mark} &); sleep {mark} & wait");
        let repo = shell(level, &script, "");
        let run = repo.start(&["run"]);
        wait_for(|| runs(&mark));
        kill("-INT", i32::try_from(run.id()).expect("a number"));
        let done = crate::support::Done::from(run.wait_with_output().expect("ended"));
        assert_ne!(done.code, Some(0), "{level}");
        assert!(!runs(&mark), "{level}");
        assert!(printed(&repo).contains("told"), "{level}");
    }
}

#[test]
fn many_workers_have_launchers_beside_each_other() {
    let stage = |n: usize| {
        let level = ["confined", "hermetic", "open"][n % 3];
        let network = if n.is_multiple_of(4) { "network \"host\";" } else { "" };
        let script = format!("echo {n} > $TMPDIR/t; sleep 0.0{}; cat $TMPDIR/t > o; ls -A $TMPDIR >> o", n % 7);
        let script =
            if level == "confined" { script } else { script.replace("$TMPDIR/t", "./t").replace("$TMPDIR", "t") };
        format!("stage \"s{n}\" {{ isolation \"{level}\"; {network} run \"sh\" \"-c\" {script:?}; out \"o\" }}\n")
    };
    let repo = Repo::with_pipeline(&format!("pipeline \"p\" {{\n{}}}\n", (0..60).map(stage).collect::<String>()));
    repo.orgo(&["run", "-j8"]).ok();
    for n in 0..60 {
        assert_eq!(repo.read(&format!("out/p/s{n}/o")), format!("{n}\nt\n"));
    }
}

#[test]
fn a_file_that_is_no_program_is_not_given_to_a_shell() {
    for level in ["open", "confined", "hermetic"] {
        let repo = Repo::with_pipeline(&format!(
            "pipeline \"p\" {{ stage \"s\" {{ isolation \"{level}\"; files \"bin/x\"; run \"bin/x\" }} }}"
        ));
        repo.write("bin/x", "echo a shell reads this\n");
        Command::new("chmod").args(["+x", "bin/x"]).current_dir(repo.root()).status().expect("chmod starts");
        repo.commit("a script without its first line");
        let done = repo.orgo(&["run"]).exits(1);
        assert!(done.stderr.contains("Exec format error"), "{level}: {}", done.stderr);
    }
}
