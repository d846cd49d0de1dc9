//! `orgo shell`: the sandbox of a stage, entered by a person; and what failed stages leave for that.

use std::path::PathBuf;

use crate::support::{Done, Repo};

/// What a failed stage leaves in its folder.
fn kept(repo: &Repo) -> PathBuf {
    repo.root().join(".orgo/kept/p/s")
}

/// A stage that writes, and then fails as long as the file `in.txt` says so.
fn failing(level: &str, more: &str) -> Repo {
    let script = format!(
        "echo left > left; echo t > {}/temporary; cp in.txt o; grep -q good in.txt || exit 7",
        temporary(level)
    );
    let repo = Repo::with_pipeline(&format!(
        "pipeline \"p\" {{\n    stage \"s\" {{ isolation \"{level}\"; files \"in.txt\"; env \"NAME\" \"a value\"; run \"sh\" \"-c\" {script:?}; out \"o\"; {more} }}\n}}\n"
    ));
    repo.write("in.txt", "bad\n");
    repo.write("undeclared.txt", "secret\n");
    repo.commit("input");
    repo
}

/// Where a stage has its temporary files.
fn temporary(level: &str) -> &'static str {
    match level {
        "open" => ".",
        "confined" => "$TMPDIR",
        _ => "/tmp",
    }
}

fn enter(repo: &Repo, script: &str) -> Done {
    repo.orgo(&["shell", "s", "--", "sh", "-c", script])
}

#[test]
fn the_sandbox_that_a_failed_stage_left_is_entered_at_its_level() {
    for level in ["open", "confined", "hermetic"] {
        let repo = failing(level, "");
        let told = repo.orgo(&["run"]).exits(1).stderr;
        assert!(told.contains("orgo shell p s"), "{told}");
        let script = format!("cat left in.txt {}/temporary; pwd", temporary(level));
        let done = enter(&repo, &script).ok();
        let lines: Vec<&str> = done.stdout.lines().collect();
        assert_eq!(lines[..3], ["left", "bad", "t"], "{level}: {done:?}");
        assert!(lines[3].ends_with(if level == "hermetic" { "/orgo" } else { ".orgo/work/0" }), "{lines:?}");
        let said = &done.stderr;
        assert!(said.contains(&format!("stage `s` of `p` at `{level}`, as it failed")), "{said}");
        assert!(said.contains("exit code 7") && said.contains("it runs   sh -c 'echo left"), "{said}");
        let undeclared = format!("cat '{}' 2>/dev/null || echo no", repo.root().join("undeclared.txt").display());
        let answer = enter(&repo, &undeclared).ok().stdout;
        assert_eq!(answer, if level == "open" { "secret\n" } else { "no\n" }, "{level}");
    }
}

/// A stage that writes down where it is, and in `TMPDIR`, as build systems do.
fn writes_paths(level: &str) -> Repo {
    let script = "echo made > made; ln -s $PWD/made link; printf '#!/bin/sh\necho from $0\n' > tool; chmod +x tool; \
        echo $PWD/tool > configured; test -z \"$TMPDIR\" || { echo t > $TMPDIR/t; echo $TMPDIR/t > where; }; exit 1";
    Repo::with_pipeline(&format!(
        "pipeline \"p\" {{ stage \"s\" {{ isolation \"{level}\"; run \"sh\" \"-c\" {script:?}; tool \"ln\" \"chmod\" }} }}"
    ))
}

#[test]
fn absolute_paths_that_a_stage_wrote_down_lead_to_what_it_left() {
    for level in ["open", "confined"] {
        let repo = writes_paths(level);
        repo.orgo(&["run"]).exits(1);
        let look = "cat link; $(cat configured) | sed 's,/.*/.orgo,.orgo,'; test ! -e where || cat $(cat where); id -u; echo mine > new";
        let done = enter(&repo, look).ok();
        let lines: Vec<&str> = done.stdout.lines().collect();
        let user = std::process::Command::new("id").arg("-u").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap();
        assert_eq!(lines[..2], ["made", "from .orgo/work/0/tool"], "{level}: {done:?}");
        let rest = if level == "open" { vec![user.trim()] } else { vec!["t", user.trim()] };
        assert_eq!(lines[2..], rest, "{level}: {done:?}");
        assert!(!done.stderr.contains("was moved"), "{}", done.stderr);
        // Nobody else sees it there, and what is done stays where it was kept.
        assert!(!repo.exists(".orgo/work/0") && kept(&repo).join("folder/new").exists(), "{level}");
        assert!(!std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(".orgo/work"));
        // A run has its folders meanwhile.
        let mut inside = repo.command(&["shell", "s", "--", "sh", "-c", "touch in; read line; cat $PWD/made; pwd"]);
        let mut inside =
            inside.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
        crate::support::wait_for(|| kept(&repo).join("folder/in").exists());
        repo.orgo(&["run"]).exits(1);
        use std::io::Write as _;
        inside.stdin.take().unwrap().write_all(b"\n").unwrap();
        let seen = String::from_utf8(inside.wait_with_output().unwrap().stdout).unwrap();
        assert!(seen.starts_with("made\n") && seen.ends_with(".orgo/work/0\n"), "{level}: {seen}");
    }
}

#[test]
fn where_nothing_can_be_mounted_the_folder_is_entered_where_it_was_moved_to() {
    for level in ["open", "confined"] {
        let repo = writes_paths(level);
        repo.orgo(&["run"]).exits(1);
        // The folder of the workers is gone, so there is nothing to mount on.
        std::fs::remove_dir_all(repo.root().join(".orgo/work")).unwrap();
        let done = enter(&repo, "pwd; cat made").ok();
        assert!(done.stdout.ends_with(".orgo/kept/p/s/folder\nmade\n"), "{level}: {done:?}");
        assert!(done.stderr.contains("was moved here"), "{level}: {}", done.stderr);
    }
}

#[test]
fn who_has_no_privilege_sees_it_where_it_lay_too() {
    let without = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"];
    let mut trial = std::process::Command::new(without[0]);
    if !trial.args(&without[1..]).args(["unshare", "-Urm", "true"]).status().is_ok_and(|status| status.success()) {
        return; // users may not make namespaces here
    }
    for level in ["open", "confined"] {
        let repo = writes_paths(level);
        repo.orgo(&["run"]).exits(1);
        let mut command = std::process::Command::new(without[0]);
        command.args(&without[1..]).arg(crate::support::ORGO).arg("--home").arg(repo.home());
        command.args(["shell", "s", "--", "sh", "-c", "cat link; id -u; pwd"]).current_dir(repo.root()).env_clear();
        let done = Done::from(command.env("PATH", "/usr/bin:/bin").output().unwrap()).ok();
        let user = std::process::Command::new("id").arg("-u").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap();
        assert!(done.stdout.starts_with(&format!("made\n{user}")), "{level}: {done:?}");
        assert!(done.stdout.ends_with(".orgo/work/0\n"), "{level}: {done:?}");
    }
}

#[test]
fn the_exit_code_and_the_streams_are_those_of_what_is_started() {
    use std::io::Write as _;
    use std::process::Stdio;
    for level in ["open", "confined", "hermetic"] {
        let repo = failing(level, "");
        repo.orgo(&["run"]).exits(1);
        enter(&repo, "exit 42").exits(42);
        enter(&repo, "kill -9 $$").exits(137);
        let quiet = repo.orgo(&["shell", "s", "--quiet", "--", "sh", "-c", "echo out; echo err >&2"]).ok();
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("out\n", "err\n"), "{level}");
        let mut command = std::process::Command::new(crate::support::ORGO);
        command.args(["shell", "--quiet", "s", "--home"]).arg(repo.home()).args(["--", "cat"]).current_dir(repo.root());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"typed\n").unwrap();
        assert_eq!(child.wait_with_output().unwrap().stdout, b"typed\n", "{level}");
        // Without a command, a shell reads what is typed.
        let mut command = repo.command(&["shell", "--quiet", "s"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"echo $NAME; eval \"$ORGO_STAGE_COMMAND\"\nexit 3\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(3), b"a value\n".as_slice()), "{level}");
    }
}

#[test]
fn a_command_has_the_environment_of_the_stage_and_nothing_else() {
    for level in ["open", "confined", "hermetic"] {
        let repo = Repo::with_pipeline(&format!(
            "pipeline \"p\" {{ stage \"s\" {{ isolation \"{level}\"; env \"NAME\" \"value\"; run \"sh\" \"-c\" \"env > o; exit 1\"; out \"o\" }} }}"
        ));
        repo.orgo_with(&["run"], &[("CI_TOKEN", "of-the-runner")]).exits(1);
        let seen = std::fs::read_to_string(kept(&repo).join("folder/o")).unwrap();
        let shown =
            repo.orgo_with(&["shell", "s", "--", "sh", "-c", "env"], &[("CI_TOKEN", "of-the-runner")]).ok().stdout;
        let names = |text: &str| {
            let mut names: Vec<String> = text.lines().map(|l| l.split('=').next().unwrap().to_owned()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(&seen), names(&shown), "{level}");
        assert!(shown.contains("NAME=value\n"), "{shown}");
    }
}

#[test]
fn what_is_done_in_a_shell_reaches_neither_cache_nor_store_nor_results_nor_a_record() {
    for level in ["confined", "hermetic"] {
        let repo = failing(level, "");
        repo.orgo(&["run"]).exits(1);
        let state = |repo: &Repo| {
            let mut files = Vec::new();
            for folder in [".orgo/store", ".orgo/state", ".orgo/runs", "out"] {
                below(&repo.root().join(folder), &mut files);
            }
            files.sort_unstable();
            (files, repo.git(&["for-each-ref", "--format=%(refname) %(objectname)"]), repo.read("in.txt"))
        };
        let before = state(&repo);
        enter(&repo, "echo good > in.txt; echo made > o; echo more > new").ok();
        repo.orgo(&["shell", "--new", "s", "--", "sh", "-c", "echo good > in.txt; echo made > o"]).ok();
        assert_eq!(state(&repo), before, "{level}");
        // It stays where it was done, for whoever comes back, and no run takes it for a result.
        assert_eq!(enter(&repo, "cat o new").ok().stdout, "made\nmore\n");
        repo.orgo(&["run"]).exits(1);
        assert_eq!(enter(&repo, "cat o new").exits(1).stdout, "bad\n", "a new attempt leaves what it left");
        assert!(!repo.exists("out/p/s"));
    }
}

fn below(folder: &std::path::Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            below(&entry.path(), found);
        } else {
            found.push(entry.path().display().to_string());
        }
    }
}

#[test]
fn what_was_kept_goes_when_the_stage_has_a_result() {
    let repo = failing("confined", "");
    repo.orgo(&["run"]).exits(1);
    assert!(kept(&repo).exists());
    repo.write("in.txt", "good\n");
    let said = enter(&repo, "true").ok().stderr;
    assert!(said.contains("changed") && said.contains("`--new`"), "{said}");
    repo.orgo(&["run"]).ok();
    assert!(!kept(&repo).exists());
    let said = enter(&repo, "cat in.txt; test ! -e left").ok();
    assert!(said.stderr.contains("in a new sandbox: it left none") && said.stdout == "good\n", "{said:?}");
    // A hit is a result too.
    repo.write("in.txt", "bad\n");
    repo.orgo(&["run"]).exits(1);
    assert!(kept(&repo).exists());
    repo.write("in.txt", "good\n");
    repo.orgo(&["run"]).ok();
    assert!(!kept(&repo).exists());
    let mine = std::fs::read_dir(repo.root().join(".orgo")).unwrap().flatten();
    assert!(mine.map(|e| e.file_name().into_string().unwrap()).all(|name| !name.starts_with("aside-")));
}

#[test]
fn gc_removes_what_was_kept_unless_it_is_young() {
    let repo = failing("confined", "");
    repo.orgo(&["run"]).exits(1);
    let said = repo.orgo(&["gc", "--json"]).ok().json();
    assert_eq!((said["sandboxes"].as_u64(), kept(&repo).exists()), (Some(0), true));
    let said = repo.orgo(&["gc", "--no-grace", "--dry-run"]).ok().stdout;
    assert!(said.contains("would remove 1 working folders") && kept(&repo).exists(), "{said}");
    repo.orgo(&["gc", "--no-grace"]).ok();
    assert!(!kept(&repo).exists());
}

#[test]
fn what_somebody_is_in_is_left_alone() {
    let repo = failing("confined", "");
    repo.orgo(&["run"]).exits(1);
    let mut inside = repo.command(&["shell", "s", "--", "sh", "-c", "echo mine > here; cat; cat here"]);
    let mut inside = inside.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    crate::support::wait_for(|| kept(&repo).join("folder/here").exists());
    repo.orgo(&["run"]).exits(1);
    repo.orgo(&["gc", "--no-grace"]).ok();
    repo.write("in.txt", "good\n");
    repo.orgo(&["run"]).ok();
    drop(inside.stdin.take());
    assert_eq!(inside.wait_with_output().unwrap().stdout, b"mine\n");
}

#[test]
fn at_most_eight_folders_are_kept() {
    let stages: String = (0..12).map(|i| format!("stage \"s{i}\" {{ run \"sh\" \"-c\" \"exit 1\" }}\n")).collect();
    let repo = Repo::with_pipeline(&format!("pipeline \"p\" {{ {stages} }}"));
    repo.orgo(&["run", "--keep-going"]).exits(1);
    let count = || std::fs::read_dir(repo.root().join(".orgo/kept/p")).unwrap().count();
    assert_eq!(count(), 8);
    repo.orgo(&["run", "--keep-going"]).exits(1);
    assert_eq!(count(), 8);
}

#[test]
fn a_stage_that_sees_secrets_leaves_nothing() {
    let cases = [r#"secret "T" from="env:PASSED""#, r#"env "DB_PASSWORD" "known-value""#];
    for more in cases {
        let repo = Repo::with_pipeline(&format!(
            r#"pipeline "p" {{ stage "s" {{ run "sh" "-c" "echo $T$DB_PASSWORD > o; exit 1"; out "o"; {more} }} }}"#
        ));
        let given = [("PASSED", "known-value")];
        let told = repo.orgo_with(&["run"], &given).exits(1).stderr;
        assert!(!told.contains("orgo shell"), "{told}");
        assert!(!repo.exists(".orgo/kept/p/s"), "{more}");
        let found = std::process::Command::new("grep")
            .args(["-rl", "--exclude=*.plan", "known-value"])
            .arg(repo.root().join(".orgo"))
            .output();
        assert_eq!(String::from_utf8(found.unwrap().stdout).unwrap(), "", "{more}");
        let said = repo.orgo_with(&["shell", "s", "--", "sh", "-c", "echo \"$T.\""], &given).ok();
        assert!(said.stderr.contains("a stage that sees secrets leaves none"), "{}", said.stderr);
        assert_eq!(said.stdout, ".\n", "a secret is told only to who asks for it");
        let said = repo.orgo_with(&["shell", "s", "--secrets", "--", "sh", "-c", "echo \"$T.\""], &given).ok();
        assert_eq!(said.stdout, if more.starts_with("secret") { "known-value.\n" } else { ".\n" });
    }
}

#[test]
fn what_cannot_be_entered_is_refused_with_the_reason() {
    let repo = Repo::example("elements");
    let said = |args: &[&str], code: i32| repo.orgo(args).exits(code).stderr.replace("\n  │ ", " ");
    let text = said(&["shell", "resolve"], 2);
    assert!(text.contains("no pipeline has a stage called `resolve`") && text.contains("did you mean"), "{text}");
    let text = said(&["shell", "elements", "resolve"], 2);
    assert!(text.contains("did you mean"), "{text}");
    let text = said(&["shell", "accept"], 2);
    assert!(text.contains("is a gate"), "{text}");
    let text = said(&["shell", "canon"], 1);
    assert!(text.contains("only with its pass"), "{text}");
    let text = said(&["shell", "report", "--", "true"], 2);
    assert!(text.contains("has yet to make"), "{text}");
    let text = said(&["shell", "snapshots", "--", "orgo-no-such-program"], 2);
    assert!(text.contains("is no program"), "{text}");
    repo.orgo(&["shell", "snapshots", "--json"]).exits(2);
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { approval "a" { need 1; role "approver" }; stage "s" approval="a" { run "true" }; service "db" { run "true" } }"#,
    );
    let text = repo.orgo(&["shell", "s", "--", "true"]).exits(1).stderr;
    assert!(text.contains("nobody approves"), "{text}");
    let text = repo.orgo(&["shell", "db"]).exits(2).stderr;
    assert!(text.contains("is a service"), "{text}");
}

#[test]
fn a_stage_that_did_not_fail_is_entered_anew_with_what_it_reads() {
    for level in ["open", "confined", "hermetic"] {
        let repo = Repo::with_pipeline(&format!(
            r#"pipeline "p" {{
                stage "a" {{ isolation "{level}"; run "sh" "-c" "echo a > o"; out "o" }}
                stage "s" {{ isolation "{level}"; from "a"; run "cp" "in/a/o" "o"; out "o" }}
            }}"#
        ));
        let early = repo.orgo(&["shell", "s", "--", "true"]).exits(2).stderr;
        assert!(early.contains("`a` has yet to make") && early.contains("orgo run p a"), "{early}");
        repo.orgo(&["run"]).ok();
        assert_eq!(enter(&repo, "cat in/a/o; echo x > in/a/o").ok().stdout, "a\n");
        assert_eq!(repo.read("out/p/a/o"), "a\n");
    }
}

#[test]
fn a_tool_of_ours_can_be_started_again_where_it_failed() {
    let repo = Repo::example("elements");
    repo.orgo(&["run"]).exits(0);
    let said = repo.orgo(&["shell", "report", "--", ".orgo/tool/orgo", "--version"]).ok();
    assert!(said.stdout.starts_with("orgo "), "{}", said.stdout);
}

#[test]
fn keys_at_the_terminal_reach_what_runs_in_it_and_not_orgo() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    for level in ["open", "confined", "hermetic"] {
        let repo = failing(level, "");
        repo.orgo(&["run"]).exits(1);
        let line = format!("{} shell s --home {}", crate::support::ORGO, repo.home().display());
        // It makes a terminal, and hands on what is typed.
        let mut terminal = Command::new("script");
        terminal.args(["-qec", &line, "/dev/null"]).current_dir(repo.root()).env_clear();
        terminal.env("PATH", "/usr/bin:/bin").env("SHELL", "/bin/sh").env("TERM", "dumb");
        let mut terminal =
            terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`script` is installed");
        let mut keys = terminal.stdin.take().unwrap();
        keys.write_all(b"echo now > began; sleep 90\n").unwrap();
        crate::support::wait_for(|| kept(&repo).join("folder/began").exists());
        std::thread::sleep(std::time::Duration::from_millis(300)); // until the terminal is given to `sleep`
        keys.write_all(b"\x03").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        keys.write_all(b"echo alive $?\nexit 9\n").unwrap();
        let output = terminal.wait_with_output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains("alive 130") && shown.contains(&format!("orgo:s ({level}) $")), "{level}: {shown}");
        assert_eq!(output.status.code(), Some(9), "{level}: {shown}");
    }
}
