//! Hostile repositories: nothing of theirs is started, what misleads is refused, what steers terminals is shown.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::Repo;

const COPY: &str = r#"pipeline "p" { stage "s" { files "a*"; run "sh" "-c" "cat a* > o"; tool "cat"; out "o" } }"#;

/// A repository after a first run in the local lane.
fn ran() -> Repo {
    let repo = Repo::with_pipeline(COPY);
    repo.write("a", "one\n");
    repo.write(".gitignore", "out/\n.orgo/\n");
    repo.commit("an input");
    repo.orgo(&["run"]).ok();
    repo
}

/// What must not change: where the ledger stands, read without git, and what `out/` shows.
fn state(repo: &Repo, git: &std::path::Path) -> (String, String) {
    (std::fs::read_to_string(git.join("refs/heads/orgo/local")).unwrap(), repo.read("out/p/s/o"))
}

/// A program that leaves a marker, and the marker.
fn program(repo: &Repo) -> (String, PathBuf) {
    let (path, marker) = (repo.beside("program"), repo.beside("marker"));
    std::fs::write(&path, format!("#!/bin/sh\necho \"$0 $*\" >> {}\n", marker.display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    (path.to_str().unwrap().to_owned(), marker)
}

#[test]
fn nothing_that_a_repository_configures_is_started() {
    let repo = ran();
    repo.orgo(&["init"]).ok();
    let (program, marker) = program(&repo);
    repo.write(".gitattributes", "* filter=evil diff=evil\n");
    repo.commit("attributes");
    for hook in ["pre-commit", "post-commit", "post-checkout", "reference-transaction", "update", "post-index-change"] {
        std::fs::copy(&program, repo.root().join(".git/hooks").join(hook)).unwrap();
    }
    let name = |key: &str| repo.git(&["config", key, &program]);
    for key in ["core.fsmonitor", "core.sshCommand", "core.editor", "core.pager", "credential.helper", "diff.external"]
    {
        name(key);
    }
    for key in ["filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv", "gpg.program"] {
        name(key);
    }
    name("gpg.ssh.program");
    let _ = std::fs::remove_file(&marker); // git itself started some of it
    let env = [
        ("GIT_DIR", "/nonexistent"),
        ("GIT_SSH_COMMAND", program.as_str()),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "core.worktree"),
        ("GIT_CONFIG_VALUE_0", "/nonexistent"),
    ];
    repo.write("a", "two\n");
    assert_eq!(repo.orgo_with(&["run", "--json"], &env).ok().json()["record"]["lane"], "local", "the tree is dirty");
    repo.write("a", "one\n");
    let run = repo.orgo_with(&["run", "--lane", "protected", "--json"], &env).ok().json();
    assert_eq!(run["record"]["lane"], "protected");
    for command in [&["verify"][..], &["record", "list"], &["plan"], &["check"]] {
        repo.orgo_with(command, &env).ok();
    }
    assert!(!marker.exists(), "{}", std::fs::read_to_string(&marker).unwrap_or_default());
}

#[test]
fn a_repository_that_could_mislead_is_refused_and_nothing_changes() {
    type Inject = fn(&Repo) -> PathBuf;
    let git = |repo: &Repo| repo.root().join(".git");
    let cases: [(&str, Inject); 8] = [
        ("a submodule", |repo| {
            let other = Repo::with_pipeline(COPY);
            let url = other.root();
            repo.git(&["-c", "protocol.file.allow=always", "submodule", "-q", "add", url.to_str().unwrap(), "sub"]);
            repo.root().join(".git")
        }),
        ("objects elsewhere", |repo| {
            let other = Repo::with_pipeline(COPY).root().join(".git/objects");
            std::fs::write(repo.root().join(".git/objects/info/alternates"), format!("{}\n", other.display())).unwrap();
            repo.root().join(".git")
        }),
        ("configuration from the tree", |repo| {
            repo.write(".gitconfig", "[core]\n\tautocrlf = true\n");
            repo.git(&["config", "include.path", "../.gitconfig"]);
            repo.root().join(".git")
        }),
        ("configuration from the tree, on a condition", |repo| {
            repo.write("deep/config", "[core]\n\tautocrlf = true\n");
            repo.git(&["config", "includeIf.onbranch:main.path", "../deep/config"]);
            repo.root().join(".git")
        }),
        ("a work tree elsewhere", |repo| {
            repo.git(&["config", "core.worktree", repo.beside("home").to_str().unwrap()]);
            repo.root().join(".git")
        }),
        ("grafts", |repo| {
            std::fs::create_dir_all(repo.root().join(".git/info")).unwrap();
            std::fs::write(repo.root().join(".git/info/grafts"), "").unwrap();
            repo.root().join(".git")
        }),
        ("a repository elsewhere", |repo| {
            let moved = repo.beside("moved");
            std::fs::rename(repo.root().join(".git"), &moved).unwrap();
            repo.write(".git", &format!("gitdir: {}\n", moved.display()));
            moved
        }),
        ("a repository among the files of the tree", |repo| {
            let moved = repo.root().join("data/git");
            std::fs::create_dir_all(repo.root().join("data")).unwrap();
            std::fs::rename(repo.root().join(".git"), &moved).unwrap();
            repo.write("data/git/worktrees/w/HEAD", "ref: refs/heads/main\n");
            repo.write("data/git/worktrees/w/commondir", "../..\n");
            repo.write("data/git/worktrees/w/gitdir", &format!("{}\n", repo.root().join(".git").display()));
            repo.write(".git", "gitdir: data/git/worktrees/w\n");
            moved
        }),
    ];
    for (what, inject) in cases {
        let repo = ran();
        let before = state(&repo, &git(&repo));
        let place = inject(&repo);
        repo.write("a", "two\n");
        let refused = repo.orgo(&["run", "--json"]).exits(3).json();
        assert_eq!(refused["problems"][0]["code"], "REPO_UNSAFE", "{what}: {refused}");
        assert_eq!(state(&repo, &place), before, "{what}");
    }
}

#[test]
fn a_linked_work_tree_is_no_hostile_repository() {
    let repo = ran();
    let linked = repo.beside("linked");
    repo.git(&["worktree", "add", "-q", "-b", "other", linked.to_str().unwrap()]);
    repo.orgo(&["-C", linked.to_str().unwrap(), "run"]).ok();
}

#[test]
fn a_name_that_means_two_things_is_refused_and_a_moved_tag_moves_no_record() {
    let repo = ran();
    repo.orgo(&["init"]).ok();
    let run = |args: &[&str]| repo.orgo(&[&["run", "--json"], args].concat());
    let record = |n: &str| repo.orgo(&["record", "show", n, "--branch", "refs/heads/orgo/audit", "--json"]).ok().json();
    assert_eq!(run(&[]).ok().json()["record"]["lane"], "protected");

    // A tag with the name of the branch that is built: nobody could check our word by that name.
    let before = repo.git(&["rev-parse", "refs/heads/orgo/audit"]);
    repo.git(&["tag", "main"]);
    let refused = run(&["--lane", "protected", "--force"]).exits(1).json();
    assert_eq!(refused["problems"][0]["code"], "REF_AMBIGUOUS", "{refused}");
    assert_eq!(run(&["--force"]).ok().json()["record"]["lane"], "local");
    assert_eq!(repo.git(&["rev-parse", "refs/heads/orgo/audit"]), before);
    repo.git(&["tag", "-d", "main"]);

    // A tag with the name of the ledger.
    repo.git(&["tag", "orgo/audit"]);
    for args in [&["run", "--json"][..], &["verify", "--json"], &["record", "list", "--branch", "orgo/audit", "--json"]]
    {
        let refused = repo.orgo(args).exits(3).json();
        assert_eq!(refused["problems"][0]["code"], "REF_AMBIGUOUS", "{args:?} {refused}");
    }
    assert_eq!(repo.git(&["rev-parse", "refs/heads/orgo/audit"]), before);
    record("latest");
    repo.git(&["tag", "-d", "orgo/audit"]);

    // A tag that moves: records name commits, and a run of another commit repeats nothing.
    let commit = || repo.git(&["rev-parse", "HEAD"]).trim().to_owned();
    repo.git(&["tag", "v1"]);
    repo.git(&["checkout", "-q", "v1"]);
    let first = run(&["--lane", "protected", "--force"]).ok().json();
    let old = (commit(), record("latest"));
    let source = |record: &serde_json::Value| record["statement"]["predicate"]["facts"]["source"].clone();
    assert_eq!(source(&old.1)["commit"], old.0.as_str(), "{first}");
    repo.git(&["checkout", "-q", "main"]);
    repo.commit("another");
    repo.git(&["tag", "-f", "v1"]);
    repo.git(&["checkout", "-q", "v1"]);
    let second = run(&["--lane", "protected"]).ok().json();
    assert_eq!(second["record"]["confirmed"], false, "{second}");
    assert_eq!(source(&record("latest"))["commit"], commit().as_str());
    assert_eq!(record(&first["record"]["number"].to_string()), old.1, "the old record says what it said");
}

/// A window title, a cleared screen, a C1 sequence, text that runs backwards.
const INJECTED: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}txt";

#[track_caller]
fn is_safe(what: &str, done: &crate::support::Done) {
    for text in [&done.stdout, &done.stderr] {
        for sequence in ["\u{1b}]", "\u{1b}[2J", "\u{7}", "\u{9b}", "\u{202e}", "\r"] {
            assert!(!text.contains(sequence), "{what} shows {sequence:?} as it is: {text:?}");
        }
    }
}

#[test]
fn what_steers_a_terminal_is_shown_escaped() {
    // Colours are on, as on a terminal.
    let color = [("CLICOLOR_FORCE", "1"), ("TERM", "xterm-256color"), ("FORCE_COLOR", "1")];
    let repo = Repo::with_pipeline(
        r#"pipeline "p" {
            stage "s" { files "a*"; run "sh" "-c" "cat a*; cp a* o/; test ! -e abort"; tool "cat" "cp"; out "o" }
            stage "f" { from "s"; files "b*"; run "false" }
        }"#
        .replace("cat a*; cp", "mkdir o; cat a*; cp")
        .replace("\"cat\" \"cp\"", "\"cat\" \"cp\" \"mkdir\"")
        .as_str(),
    );
    repo.write(&format!("a{INJECTED}"), &format!("printed {INJECTED}\n"));
    repo.commit(&format!("a subject {INJECTED}"));
    repo.write(&format!("b{INJECTED}"), "untracked\n");
    let escaped = "\\u{1b}]0;owned";
    let orgo = |args: &[&str]| {
        let done = repo.orgo_with(args, &color);
        is_safe(&format!("{args:?}"), &done);
        done
    };
    orgo(&["plan"]);
    orgo(&["run", "-v"]).exits(1);
    repo.write(&format!("a{INJECTED}"), &format!("again {INJECTED}\n"));
    let ran = orgo(&["run", "-v"]).exits(1);
    assert!(ran.stderr.contains("\u{1b}[31;1mFAIL"), "colours are on: {}", ran.stderr);
    assert!(ran.stderr.contains(escaped), "why it ran names the file: {}", ran.stderr);
    assert!(orgo(&["log", "s"]).ok().stdout.contains(&format!("again {escaped}")));
    assert!(orgo(&["explain", "s"]).ok().stdout.contains(escaped));
    let shown = orgo(&["record", "show", "latest"]).ok().stdout;
    assert!(shown.contains("\\u{1b}]0;owned"), "{shown}");
    orgo(&["record", "list"]).ok();
    orgo(&["record", "diff", "1", "2"]).ok();
    orgo(&["verify"]).ok();
    for args in [&["run", "--json"][..], &["log", "s", "--json"], &["explain", "s", "--json"], &["plan", "--json"]] {
        let done = orgo(args);
        assert!(done.json().is_object(), "it is the same JSON");
    }
    is_safe("the JSON log", &repo.orgo_with(&["run", "--log", "json"], &color));

    // In documents, and in what they refer to.
    for (document, code) in [
        (format!("pipeline \"p\" {{ stage \"s{INJECTED}\" {{ run \"true\" }} }}"), "DOCUMENT_INVALID"),
        (
            "pipeline \"p\" { stage \"s\" { run \"true\"; out \"\\u{1b}]0;owned\\u{7}../x\" } }".to_owned(),
            "DOCUMENT_INVALID",
        ),
        ("pipeline \"p\" { stage \"\\u{9b}2J\\u{1b}]0;\" { run \"true\" } }".to_owned(), "DOCUMENT_INVALID"),
        ("pipeline \"p\" { stage \"s\" { \"ru\\u{1b}]0;owned\\u{7}n\" \"true\" } }".to_owned(), "FIELD_UNKNOWN"),
    ] {
        repo.write("pipelines/p.kdl", &document);
        orgo(&["check"]).exits(2);
        let refused = orgo(&["check", "--json"]).exits(2).json();
        assert!(refused["problems"].as_array().unwrap().iter().any(|p| p["code"] == code), "{refused}");
    }
    repo.write(
        "pipelines/p.kdl",
        "pipeline \"p\" { stage \"s\" { files \"\\u{1b}]0;x\\u{7}\"; run \"\\u{1b}]0;y\" } }",
    );
    for args in [&["plan"][..], &["run"], &["run", "--json"]] {
        orgo(args);
    }
    orgo(&["log", INJECTED]).exits(2);
    orgo(&["record", "show", INJECTED]);
    orgo(&["-C", INJECTED, "plan"]);
}
