//! `orgo run --trace-inputs`: what stages read and do not declare is found, and the proposal makes them sound.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Done, ORGO, Repo};

/// The lines that are proposed for a stage.
#[track_caller]
fn proposed(done: &Done, stage: &str) -> Vec<String> {
    let document = done.json();
    let stages = document["stages"].as_array().unwrap().clone();
    let found = stages.into_iter().find(|s| s["stage"] == stage).unwrap_or_else(|| panic!("{document}"));
    texts(&found["add"])
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn traced(repo: &Repo) -> Done {
    repo.orgo(&["run", "--trace-inputs", "--json"]).ok()
}

/// Everything that a run may leave behind.
fn left(repo: &Repo) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for folder in [".orgo", "out"] {
        below(&repo.root().join(folder), &mut files);
    }
    files.extend(repo.git(&["for-each-ref", "--format=%(refname) %(objectname)"]).lines().map(str::to_owned));
    files
}

fn below(folder: &std::path::Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            below(&entry.path(), found);
        } else {
            found.insert(entry.path().display().to_string());
        }
    }
}

fn compiles(more: &str) -> String {
    format!(
        "pipeline \"p\" {{\n    stage \"s\" {{\n        files \"src/main.c\" \"src/used.h\"\n        run \"cc\" \"-Isrc/include\" \"-o\" \"prog\" \"src/main.c\"\n        out \"prog\"\n        {more}\n    }}\n}}\n"
    )
}

#[test]
fn an_undeclared_header_is_found_and_the_proposal_makes_the_compilation_sound() {
    let repo = Repo::with_pipeline(&compiles(""));
    repo.write(
        "src/main.c",
        "#include \"used.h\"\n#include \"forgotten.h\"\n#include <deep.h>\nint main(void) { return A + B + C; }\n",
    );
    repo.write("src/used.h", "#define A 0\n");
    repo.write("src/forgotten.h", "#define B 0\n");
    repo.write("src/include/deep.h", "#define C 0\n");
    repo.write("src/unread.h", "#error nobody reads this\n");
    repo.commit("sources");
    repo.orgo(&["run"]).exits(1);
    let before = left(&repo);
    let done = traced(&repo);
    assert_eq!(left(&repo), before, "a traced run leaves nothing");
    let lines = proposed(&done, "s");
    assert_eq!(lines[0], r#"files "src/forgotten.h" "src/include/deep.h""#, "{lines:?}");
    assert!(lines[1].starts_with("tool ") && lines[1].contains("\"as\"") && lines[1].contains("\"ld\""), "{lines:?}");
    assert_eq!(lines.len(), 2);
    let shown = repo.orgo(&["run", "--trace-inputs"]).ok();
    assert!(shown.stderr.starts_with("traced run: "), "{}", shown.stderr);
    assert!(shown.stdout.contains(&format!("s: add to the stage\n    {}", lines[0])), "{}", shown.stdout);
    // What it proposes is what is missing.
    repo.write("pipelines/p.kdl", &compiles(&lines.join("\n        ")));
    repo.orgo(&["run"]).ok();
    assert!(proposed(&traced(&repo), "s").is_empty());
}

#[test]
fn a_traced_run_answers_no_later_one() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "s" { files "a"; run "sh" "-c" "cat a b > o"; tool "cat"; out "o" } }"#,
    );
    repo.write("a", "a\n");
    repo.write("b", "b\n");
    repo.commit("files");
    let none = left(&repo);
    assert_eq!(proposed(&traced(&repo), "s"), [r#"files "b""#]);
    let after = left(&repo);
    // The resolved declarations are remembered by every command.
    let plan = |path: &&String| path.ends_with(".gitignore") || path.ends_with("/p.plan");
    let new: Vec<&String> = after.difference(&none).filter(|path| !plan(path)).collect();
    assert!(new.is_empty(), "{new:?}");
    let told = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(told["stages"][0]["state"], "failed", "{told}");
}

#[test]
fn what_is_declared_is_not_proposed_and_what_is_not_read_is_told() {
    for level in ["open", "confined", "hermetic"] {
        let repo = Repo::with_pipeline(&format!(
            r#"pipeline "p" {{
                stage "a" {{ isolation "{level}"; run "sh" "-c" "echo a > o"; out "o" }}
                stage "idle" {{ isolation "{level}"; run "sh" "-c" "echo a > o"; out "o" }}
                stage "s" {{
                    isolation "{level}"; from "a" "idle"; files "read.txt" "src/**" "never.txt" "docs/*"
                    tool "cat" "ls" "sed"; run "sh" "-c" "cat read.txt in/a/o > o; ls src >> o"; out "o"
                }}
            }}"#
        ));
        for file in ["read.txt", "src/x", "never.txt", "docs/y"] {
            repo.write(file, "x\n");
        }
        repo.commit("files");
        let done = traced(&repo);
        assert!(proposed(&done, "s").is_empty(), "{level}: {}", done.stdout);
        let stages = done.json()["stages"].as_array().unwrap().clone();
        let unneeded = texts(&stages.iter().find(|s| s["stage"] == "s").unwrap()["unneeded"]);
        assert_eq!(
            unneeded,
            [r#"files "never.txt""#, r#"files "docs/*""#, r#"from "idle""#, r#"tool "sed""#],
            "{level}"
        );
    }
}

/// Reads files in all kinds of ways; statically linked, so nothing is there to be put in front of.
const READS: &str = r#"
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
static void slurp(int at, const char *name) { char c; int f = openat(at, name, O_RDONLY); if (f < 0 || read(f, &c, 1) != 1) _exit(9); close(f); }
static void *thread(void *none) { slurp(AT_FDCWD, "data/thread"); return none; }
int main(void) {
    pthread_t t; int data, status;
    if (pthread_create(&t, 0, thread, 0) || pthread_join(t, 0)) return 1;
    if ((data = open("data", O_RDONLY | O_DIRECTORY)) < 0) return 2;
    slurp(data, "relative");
    if (symlink("data", "link")) return 3;
    slurp(AT_FDCWD, "link/by-link");
    if (chdir("data")) return 4;
    slurp(AT_FDCWD, "../top");
    if (!fork()) { execl("./script", "script", (char *)0); _exit(5); }
    if (wait(&status) < 0 || status) return 6;
    if (!fork()) { slurp(AT_FDCWD, "child"); _exit(0); }
    if (wait(&status) < 0 || status) return 7;
    if (write(open("written", O_WRONLY | O_CREAT, 0644), "x", 1) != 1) return 8;
    slurp(AT_FDCWD, "written");
    return write(open("../o", O_WRONLY | O_CREAT, 0644), "x", 1) != 1;
}
"#;

#[test]
fn children_threads_links_and_folders_of_a_static_program_are_followed() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "s" { files "prog" "data/declared"; tool "sh"; run "./prog"; out "o" } }"#,
    );
    repo.write("prog.c", READS);
    let mut compiler = std::process::Command::new("cc");
    compiler.args(["-static", "-pthread", "-o", "prog", "prog.c"]).current_dir(repo.root());
    assert!(compiler.status().expect("a C compiler").success());
    repo.write("data/script", "#!/bin/sh\nread line < by-script\n");
    for file in ["thread", "relative", "by-link", "by-script", "child", "declared", "unread", "written"] {
        repo.write(&format!("data/{file}"), "x\n");
    }
    repo.write("top", "x\n");
    repo.git(&["add", "--chmod=+x", "data/script"]);
    let script = repo.root().join("data/script");
    std::fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    repo.commit("files");
    let lines = proposed(&traced(&repo), "s");
    let names = ["by-link", "by-script", "child", "relative", "script", "thread"];
    let named: String = names.iter().map(|name| format!(" \"data/{name}\"")).collect();
    assert_eq!(lines, [format!("files{named} \"top\"")]);
}

#[test]
fn results_of_others_and_files_elsewhere_are_named() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("private"), "x").unwrap();
    let repo = Repo::empty();
    let root = repo.root();
    let script = format!(
        "cat {root}/out/p/a/o {root}/plain.txt {}/private >/dev/null; ls docs >/dev/null; echo x > o",
        outside.path().display(),
        root = root.display()
    );
    repo.write("orgo.kdl", "project \"test\"\n");
    repo.write(
        "pipelines/p.kdl",
        &format!("pipeline \"p\" {{\n stage \"a\" {{ run \"sh\" \"-c\" \"echo a > o\"; out \"o\" }}\n stage \"s\" {{ tool \"cat\" \"ls\"; run \"sh\" \"-c\" {script:?}; out \"o\" }}\n}}\n"),
    );
    repo.write("plain.txt", "x\n");
    repo.write("docs/a.md", "x\n");
    repo.commit("files");
    repo.orgo(&["run", "p", "a"]).ok();
    let done = traced(&repo);
    assert_eq!(proposed(&done, "s"), [r#"files "docs/**" "plain.txt""#, r#"from "a""#]);
    let stages = done.json()["stages"].as_array().unwrap().clone();
    let found = stages.iter().find(|s| s["stage"] == "s").unwrap();
    assert_eq!(texts(&found["astray"]), ["plain.txt"]);
    let elsewhere = texts(&found["elsewhere"]);
    assert!(elsewhere.iter().any(|path| path.ends_with("/private")), "{elsewhere:?}");
    assert!(found["system_files"].as_u64().unwrap() > 0, "{found}");
}

/// Installs a filter that tells its listener of no call, and runs a command below it.
const LISTENS: &str = r#"
    my ($prctl, $seccomp) = $^O eq "linux" && `uname -m` =~ /^aarch64/ ? (167, 277) : (157, 317);
    syscall($prctl, 38, 1, 0, 0, 0) == 0 or die "no_new_privs: $!";
    my $allow = pack("SCCL", 6, 0, 0, 0x7fff0000);
    my $program = pack("Sx6P", 1, $allow);
    my $listener = syscall($seccomp, 1, 8, $program);
    $listener >= 0 or die "seccomp: $!";
    exit(system(@ARGV) >> 8);
"#;

#[test]
fn who_listens_to_calls_already_is_told_and_not_taken_for_an_old_kernel() {
    let repo = Repo::with_pipeline(r#"pipeline "p" { stage "s" { run "sh" "-c" "echo ran > o"; out "o" } }"#);
    let below = |args: &[&str]| {
        let mut perl = std::process::Command::new("perl");
        perl.args(["-e", LISTENS, ORGO]).args(args).arg("--home").arg(repo.home());
        perl.current_dir(repo.root()).env_clear().env("PATH", "/usr/bin:/bin");
        Done::from(perl.output().expect("perl starts"))
    };
    let done = below(&["run", "--trace-inputs"]).exits(4);
    for told in ["TRACE_UNAVAILABLE", "listens to its system calls already", "outside of that container"] {
        assert!(done.stderr.replace("\n  │ ", " ").contains(told), "{told}: {}", done.stderr);
    }
    assert!(!done.stderr.contains("5.5"), "a newer kernel would not help: {}", done.stderr);
    assert_eq!(below(&["run", "--trace-inputs", "--json"]).exits(4).json()["problems"][0]["code"], "TRACE_UNAVAILABLE");
    below(&["run"]).ok(); // nothing else needs a listener
}

#[test]
fn people_who_must_approve_are_not_passed_by() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { approval "a" { need 1; role "approver" }; stage "s" approval="a" { run "sh" "-c" "echo ran > o"; out "o" } }"#,
    );
    let done = repo.orgo(&["run", "--trace-inputs"]).exits(5);
    assert!(done.stdout.contains("s: not traced"), "{done:?}");
}
