//! What the runner promises, on real stages.

use crate::support::{Repo, states};

/// Two producers, a fan-in, and a test behind it, as small shell stages.
const FAN_IN: &str = r#"
pipeline "p" {
    stage "a" { files "a.txt"; run "sh" "-c" "tr a-z A-Z < a.txt > up"; tool "tr"; out "up" }
    stage "b" { files "b.txt"; run "cp" "b.txt" "copy"; out "copy" }
    stage "join" { from "a" "b"; run "sh" "-c" "cat in/a/up in/b/copy > all"; tool "cat"; out "all" }
}
"#;

fn fan_in() -> Repo {
    let repo = Repo::with_pipeline(FAN_IN);
    repo.write("a.txt", "one\n");
    repo.write("b.txt", "two\n");
    repo.commit("inputs");
    repo
}

#[test]
fn a_second_run_is_all_hits() {
    let repo = fan_in();
    let first = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&first), ["a:ran", "b:ran", "join:ran"]);
    assert_eq!(repo.read("out/p/join/all"), "ONE\ntwo\n");
    let second = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&second), ["a:hit", "b:hit", "join:hit"]);
}

#[test]
fn only_what_depends_on_a_change_runs_again_and_explain_names_it() {
    let repo = fan_in();
    repo.orgo(&["run"]).ok();
    repo.write("b.txt", "three\n");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:ran", "join:ran"]);
    let explain = repo.orgo(&["explain", "b", "--json"]).ok().json();
    let reason = &explain["reasons"][0];
    assert_eq!(reason["why"], "input-changed");
    assert_eq!(reason["path"], "b.txt");
    let digest = |text: &str| orgo_spec::Digest::of(text.as_bytes()).to_string();
    assert_eq!(reason["from"], digest("two\n").as_str());
    assert_eq!(reason["to"], digest("three\n").as_str());
}

#[test]
fn a_change_that_comes_out_the_same_stops_there() {
    let repo = fan_in();
    repo.orgo(&["run"]).ok();
    repo.write("a.txt", "One\n");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:ran", "b:hit", "join:hit"]);
}

#[test]
fn going_back_to_an_old_state_runs_nothing() {
    let repo = fan_in();
    repo.orgo(&["run"]).ok();
    repo.write("b.txt", "three\n");
    repo.orgo(&["run"]).ok();
    repo.write("b.txt", "two\n");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:hit", "join:hit"]);
    assert_eq!(repo.read("out/p/join/all"), "ONE\ntwo\n");
}

#[test]
fn results_that_were_deleted_or_edited_are_restored() {
    let repo = fan_in();
    repo.orgo(&["run"]).ok();
    std::fs::remove_dir_all(repo.root().join("out/p/a")).unwrap();
    repo.write("out/p/join/all", "edited\n");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:hit", "join:hit"]);
    assert_eq!(repo.read("out/p/join/all"), "ONE\ntwo\n");
    assert_eq!(repo.read("out/p/a/up"), "ONE\n");
}

#[test]
fn results_of_stages_that_are_not_declared_any_more_are_not_shown() {
    let repo = fan_in();
    repo.orgo(&["run"]).ok();
    let kept: Vec<&str> = FAN_IN.lines().filter(|line| !line.contains("\"join\"")).collect();
    repo.write("pipelines/p.kdl", &kept.join("\n"));
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:hit"]);
    assert!(!repo.exists("out/p/join") && repo.exists("out/p/a/up"));
    // What is remembered of the others stays: it answers even where the cache is empty.
    std::fs::remove_dir_all(repo.root().join(".orgo/store/actions")).unwrap();
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:hit"]);
    repo.write("pipelines/p.kdl", FAN_IN);
    repo.orgo(&["run"]).ok();
    assert_eq!(repo.read("out/p/join/all"), "ONE\ntwo\n");
}

#[test]
fn a_result_that_another_key_made_as_well_is_shown_without_its_object() {
    let repo = fan_in();
    let result = repo.root().join(".orgo/store/sha256");
    let digest = orgo_spec::Digest::of(b"ONE\n").hex();
    repo.orgo(&["run"]).ok();
    repo.write("a.txt", "One\n");
    repo.orgo(&["run"]).ok();
    repo.write("a.txt", "one\n");
    std::fs::remove_file(result.join(&digest[..2]).join(&digest[2..])).unwrap();
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:hit", "join:hit"]);
}

#[test]
fn writing_to_results_never_reaches_the_store() {
    use std::io::Write;
    let repo = fan_in();
    repo.orgo(&["run"]).ok();
    let mut file = std::fs::OpenOptions::new().append(true).open(repo.root().join("out/p/a/up")).unwrap();
    file.write_all(b"more\n").unwrap();
    drop(file);
    repo.write("b.txt", "three\n");
    repo.orgo(&["run"]).ok();
    assert_eq!(repo.read("out/p/join/all"), "ONE\nthree\n");
}

#[test]
fn the_key_knows_no_names_and_no_order_of_declaration() {
    let repo = fan_in();
    repo.orgo(&["run"]).ok();
    let renamed = FAN_IN
        .replace("stage \"b\"", "stage \"b2\"")
        .replace("from \"a\" \"b\"", "from \"b2\" at=\"in/b\"; from \"a\"");
    repo.write("pipelines/p.kdl", &renamed);
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b2:hit", "join:hit"]);
}

#[test]
fn a_stage_sees_only_the_environment_that_it_declares() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "e" { run "sh" "-c" "env | sort > env"; tool "env" "sort"; env "NAME" "value"; out "env" } }"#,
    );
    repo.orgo(&["run"]).ok();
    let env = repo.read("out/p/e/env");
    let names: Vec<&str> = env
        .lines()
        .filter_map(|l| l.split('=').next())
        .filter(|n| !["PWD", "_", "SHLVL", "OLDPWD"].contains(n))
        .collect();
    assert_eq!(names, ["NAME", "PATH", "TMPDIR"]);
}

#[test]
fn a_changed_program_is_a_changed_key() {
    let repo =
        Repo::with_pipeline(r#"pipeline "p" { stage "s" { run "tool"; env "PATH" "/usr/bin:/bin:@BIN@"; out "o" } }"#);
    let bin = repo.beside("bin");
    std::fs::create_dir(&bin).unwrap();
    let install = |text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = bin.join("tool");
        std::fs::write(&path, format!("#!/bin/sh\necho {text} > o\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    install("one");
    let text = repo.read("pipelines/p.kdl").replace("@BIN@", bin.to_str().unwrap());
    repo.write("pipelines/p.kdl", &text);
    repo.orgo(&["run"]).ok();
    assert_eq!(repo.read("out/p/s/o"), "one\n");
    install("two");
    repo.orgo(&["run"]).ok();
    assert_eq!(repo.read("out/p/s/o"), "two\n");
    let explain = repo.orgo(&["explain", "s", "--json"]).ok().json();
    assert_eq!(explain["reasons"][0]["why"], "toolchain-changed");
}

#[test]
fn patterns_see_new_and_removed_files() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "s" { files "src/**"; run "sh" "-c" "find src -type f | sort > list"; tool "find" "sort"; out "list" } }"#,
    );
    repo.write("src/a", "1");
    repo.orgo(&["run"]).ok();
    repo.write("src/deep/b", "2");
    repo.orgo(&["run"]).ok();
    assert_eq!(repo.read("out/p/s/list"), "src/a\nsrc/deep/b\n");
    std::fs::remove_file(repo.root().join("src/a")).unwrap();
    repo.orgo(&["run"]).ok();
    assert_eq!(repo.read("out/p/s/list"), "src/deep/b\n");
}

#[test]
fn stages_run_in_parallel_and_the_result_is_that_of_one_worker() {
    let stages: String =
        (0..12).map(|i| format!("stage \"s{i}\" {{ run \"sh\" \"-c\" \"echo {i} > o\"; out \"o\" }}\n")).collect();
    let all: Vec<String> = (0..12).map(|i| format!("\"s{i}\"")).collect();
    let pipeline = format!(
        "pipeline \"p\" {{ {stages} stage \"all\" {{ from {}; run \"sh\" \"-c\" \"cat in/*/o > all\"; tool \"cat\"; out \"all\" }} }}",
        all.join(" ")
    );
    let (one, eight) = (Repo::with_pipeline(&pipeline), Repo::with_pipeline(&pipeline));
    let keys = |repo: &Repo, jobs: &str| {
        let run = repo.orgo(&["run", "--json", jobs]).ok().json();
        run["stages"].as_array().unwrap().iter().map(|s| s["key"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&one, "-j1"), keys(&eight, "-j8"));
    assert_eq!(one.read("out/p/all/all"), eight.read("out/p/all/all"));
}

#[test]
fn a_matrix_runs_every_combination() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { matrix { os "linux"; n "1" "2" }
           stage "s" { run "sh" "-c" "echo ${os}-${n} > o"; out "o" } }"#,
    );
    repo.orgo(&["run"]).ok();
    assert_eq!(repo.read("out/p/s.linux.1/o"), "linux-1\n");
    assert_eq!(repo.read("out/p/s.linux.2/o"), "linux-2\n");
}

#[test]
fn the_hello_example_builds_tests_and_cuts_off_early() {
    let repo = Repo::example("hello");
    let run = repo.orgo(&["run", "hello", "--json"]).ok().json();
    assert_eq!(run["ran"], 6);
    assert!(repo.exists("out/hello/compile-main/obj/main.d") && repo.exists("out/hello/compile-main/obj/main.o"));
    let source = repo.read("src/greet.c");
    repo.write("src/greet.c", &format!("{source}\n/* one more comment */\n"));
    let run = repo.orgo(&["run", "hello", "--json"]).ok().json();
    assert_eq!(run["ran"], 1, "{run}");
    let broken = repo.orgo(&["run", "broken", "--json"]).exits(1).json();
    assert_eq!(broken["code"], "STAGE_FAILED");
    assert!(states(&broken).contains(&"package:skipped".to_owned()), "{broken}");
}

#[test]
fn a_stage_that_makes_something_else_every_time_is_found_by_repeating_it() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" {
            stage "same" { run "sh" "-c" "echo same > o"; out "o" }
            stage "clock" { run "sh" "-c" "mkdir d; echo same > d/a; date +%N > d/b"; tool "date" "mkdir"; out "d"; retries 3 }
        }"#,
    );
    let usual = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&usual), ["same:ran", "clock:ran"]);
    let done = repo.orgo(&["run", "--repeat", "3", "--keep-going", "--json"]).exits(1);
    let told = done.json();
    assert_eq!(states(&told), ["same:ran", "clock:failed"], "the cache is not asked");
    assert_eq!(
        (&told["code"], &told["stages"][1]["attempts"]),
        (&"OUTPUT_NONDETERMINISTIC".into(), &1.into()),
        "{told}"
    );
    assert!(done.stderr.contains("`d/b` was sha256:"), "{}", done.stderr);
    assert!(!done.stderr.contains("`d/a`"), "{}", done.stderr);
    assert!(done.stderr.contains("`clock` is not the same every time"), "{}", done.stderr);
    let explain = repo.orgo(&["explain", "clock", "--json"]).ok().json();
    assert_eq!(
        (&explain["varied"][0]["seen"], &explain["varied"][0]["paths"]),
        (&"repeat".into(), &["d/b"][..].into())
    );
    repo.orgo(&["run", "p", "same", "--repeat", "2"]).ok();
    repo.orgo(&["run", "--repeat", "1"]).exits(2);
}

#[test]
fn two_results_of_one_key_are_a_fact_that_stays() {
    let repo =
        Repo::with_pipeline(r#"pipeline "p" { stage "clock" { run "sh" "-c" "date +%N > o"; tool "date"; out "o" } }"#);
    repo.orgo(&["run"]).ok();
    let first = repo.orgo(&["run", "--json"]).ok().json();
    assert!(first["stages"][0]["varied"].as_array().unwrap().is_empty() && first["record"]["confirmed"] == true);
    let text = repo.orgo(&["run", "--force"]).ok();
    assert!(text.stderr.contains("`clock` is not the same every time (OUTPUT_NONDETERMINISTIC)"), "{}", text.stderr);
    let later = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&later), ["clock:hit"]);
    assert_eq!(later["stages"][0]["varied"][0]["seen"], "run");
    let plain = repo.orgo(&["run", "p"]).ok();
    assert!(plain.stdout.contains("confirmed by record") && plain.stderr.contains("not the same every time"));
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json();
    let variance = record["statement"]["predicate"]["facts"]["variance"].as_array().unwrap().clone();
    assert!(variance.len() == 1 && variance[0].as_str().unwrap().starts_with("`clock`: its key sha256:"), "{record}");
    repo.orgo(&["verify", "--full"]).ok();
}

#[test]
fn after_a_failure_only_what_failed_and_what_comes_behind_it_runs() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" {
            stage "a" { run "sh" "-c" "echo a > o"; out "o" }
            stage "b" { from "a"; files "good"; run "sh" "-c" "test -s good && cat in/a/o > o"; tool "cat"; out "o" }
            stage "c" { from "b"; run "cp" "in/b/o" "o"; out "o" }
            stage "d" { from "a"; run "cp" "in/a/o" "o"; out "o" }
        }"#,
    );
    repo.write("good", "");
    let failed = repo.orgo(&["run", "--keep-going", "--json"]).exits(1).json();
    assert_eq!(states(&failed), ["a:ran", "b:failed", "c:skipped", "d:ran"]);
    let again = repo.orgo(&["run", "--keep-going", "--json"]).exits(1).json();
    assert_eq!(
        states(&again),
        ["a:hit", "b:failed", "c:skipped", "d:hit"],
        "a failure is never answered from the cache"
    );
    repo.write("good", "yes");
    let mended = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&mended), ["a:hit", "b:ran", "c:ran", "d:hit"]);
}
