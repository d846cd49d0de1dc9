//! The pipeline language, in use: parameters, includes, lists, conditions, secrets, named outputs.

use crate::support::{Repo, states};

const TOOLS: &str = r#"template "shell" { tool "cat"; timeout "1m"; env "LEVEL" "low" }"#;

#[test]
fn parameters_are_typed_recorded_and_compared() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { param "level" type="integer" default=2 { help "how much"; min 1; max 9 }
           stage "a" { run "sh" "-c" "echo ${level} > o"; out "o" }
           stage "b" { run "sh" "-c" "echo same > o"; out "o" } }"#,
    );
    let run = |args: &[&str]| repo.orgo(&[&["run", "--json"], args].concat()).ok().json();
    let first = run(&[]);
    assert_eq!(repo.read("out/p/a/o"), "2\n");
    assert_eq!(first["parameters"]["level"], "2");
    assert_eq!(run(&["-p", "level=2"])["record"]["confirmed"], true, "the default, said");
    let other = run(&["p", "-p", "level=03"]);
    assert_eq!(states(&other), ["a:ran", "b:hit"], "only what uses the parameter runs");
    assert_eq!(repo.read("out/p/a/o"), "3\n");
    assert_eq!(other["record"]["confirmed"], false);
    let record = repo.orgo(&["record", "show", "--json", other["record"]["id"].as_str().unwrap()]).ok();
    assert!(record.stdout.contains("\"level\": \"3\""), "{}", record.stdout);
    for (args, code) in [
        (["-p", "level=10"], "PARAMETER_INVALID"),
        (["-p", "level=x"], "PARAMETER_INVALID"),
        (["-p", "leve=1"], "PARAMETER_UNKNOWN"),
    ] {
        let json = repo.orgo(&["run", "p", args[0], args[1], "--json"]).exits(2).json();
        assert_eq!(json["problems"][0]["code"], code, "{args:?}");
        assert!(json["problems"][0]["help"].is_string());
    }
    repo.orgo(&["check", "-p", "level=5"]).ok();
    repo.orgo(&["check", "-p", "other=5"]).exits(2);
    repo.orgo(&["plan", "-p", "level=3"]).ok();
    repo.orgo(&["explain", "a", "-p", "level=3"]).ok();
}

#[test]
fn included_templates_are_part_of_the_definition_and_errors_point_into_their_file() {
    let repo = Repo::with_pipeline(
        r#"include "lib/tools.kdl"
           pipeline "p" { stage "a" template="shell" { run "sh" "-c" "cat f; echo $LEVEL > o"; files "f"; out "o" } }"#,
    );
    repo.write("lib/tools.kdl", TOOLS);
    repo.write("f", "1");
    repo.commit("files");
    repo.orgo(&["run", "p"]).ok();
    assert_eq!(repo.read("out/p/a/o"), "low\n");
    repo.write("lib/tools.kdl", &TOOLS.replace("low", "high"));
    repo.orgo(&["run", "p"]).ok();
    assert_eq!(repo.read("out/p/a/o"), "high\n", "a kept plan knows what it was made from");
    repo.write("lib/tools.kdl", "template \"shell\" {\n    timeuot \"1m\"\n}\n");
    let json = repo.orgo(&["check", "--json"]).exits(2).json();
    assert_eq!(json["problems"].as_array().unwrap().len(), 1, "once, though it is used: {json}");
    assert_eq!(json["problems"][0]["file"], "lib/tools.kdl");
    assert_eq!((json["problems"][0]["line"].as_u64(), json["problems"][0]["column"].as_u64()), (Some(2), Some(5)));
    let text = repo.orgo(&["check"]).exits(2).stderr;
    assert!(text.contains("lib/tools.kdl:2:5") && text.contains("timeuot"), "{text}");
}

#[test]
fn an_include_never_leaves_the_repository() {
    let repo = Repo::with_pipeline("include \"lib/outside.kdl\"\npipeline \"p\" { stage \"a\" { run \"true\" } }\n");
    std::fs::write(repo.beside("outside.kdl"), TOOLS).unwrap();
    std::fs::create_dir(repo.root().join("lib")).unwrap();
    std::os::unix::fs::symlink(repo.beside("outside.kdl"), repo.root().join("lib/outside.kdl")).unwrap();
    let json = repo.orgo(&["check", "--json"]).exits(2).json();
    assert_eq!(json["problems"][0]["code"], "INPUT_MISSING");
    for path in ["../outside.kdl", "/etc/passwd", ".orgo/x.kdl"] {
        repo.write(
            "pipelines/p.kdl",
            &format!("include \"{path}\"\npipeline \"p\" {{ stage \"a\" {{ run \"true\" }} }}\n"),
        );
        repo.orgo(&["check"]).exits(2);
    }
}

#[test]
fn a_list_makes_stages_and_from_gathers_them() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "check" { for-each "case" in="cases.txt"; run "sh" "-c" "echo \"$1\" > o" "sh" "${case}"; out "o" }
           stage "all" { from "check"; run "sh" "-c" "cat in/check/*/o > o"; tool "cat"; out "o" } }"#,
    );
    repo.write("cases.txt", "one\ntwo\n");
    repo.commit("cases");
    assert_eq!(states(&repo.orgo(&["run", "p", "--json"]).ok().json()), ["check.one:ran", "check.two:ran", "all:ran"]);
    assert_eq!(repo.read("out/p/all/o"), "one\ntwo\n");
    repo.write("cases.txt", "two\nzero\none\n");
    let run = repo.orgo(&["run", "p", "--json"]).ok().json();
    assert_eq!(states(&run), ["check.two:hit", "check.zero:ran", "check.one:hit", "all:ran"], "known items are kept");
    repo.write("cases.txt", "two\ntwo\n");
    let json = repo.orgo(&["run", "p", "--json"]).exits(2).json();
    assert_eq!(json["problems"][0]["code"], "LIST_INVALID");
}

#[test]
fn a_condition_on_files_is_decided_against_the_base() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "docs" { when changed="docs/**"; run "sh" "-c" "echo d > o"; out "o" }
           stage "reads" { from "docs"; run "true" }
           stage "waits" { after "docs"; run "true" "waits" }
           stage "src" { when { changed "src/**" "*.kdl" }; run "true" "src" } }"#,
    );
    repo.write("docs/a.md", "1");
    repo.commit("base");
    repo.git(&["branch", "base"]);
    let run = |args: &[&str]| repo.orgo(&[&["run", "p", "--json"], args].concat()).ok().json();
    assert_eq!(states(&run(&[])), ["docs:ran", "reads:ran", "waits:ran", "src:ran"], "without a base all of it runs");
    repo.write("src/x", "new and untracked");
    let partly = run(&["--base", "base"]);
    assert_eq!(states(&partly), ["docs:skipped", "reads:skipped", "waits:hit", "src:hit"]);
    assert_eq!(partly["stages"][0]["code"], "CONDITION_NOT_MET");
    assert_eq!(partly["succeeded"], true);
    assert!(!repo.exists("out/p/docs"), "`out/` shows what this run stands behind");
    let plan = repo.orgo(&["plan", "p", "--base", "base", "--json"]).ok().json();
    assert_eq!(plan["stages"][0]["does"], "skip");
    repo.write("docs/a.md", "2");
    repo.commit("docs");
    assert_eq!(states(&run(&["--base", "base"])), ["docs:hit", "reads:hit", "waits:hit", "src:hit"]);
    repo.orgo(&["run", "p", "--base", "nobody"]).exits(2);
}

#[test]
fn a_named_output_is_read_alone() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "link" { files "n"; run "sh" "-c" "mkdir bin; echo 'echo hi' > bin/hello; chmod +x bin/hello; cp n log; mkdir d; echo 1 > d/x"; tool "mkdir" "chmod" "cp"; out "bin/hello" as="program"; out "log"; out "d" as="folder" }
           stage "use" { from "link" artifact="program" at="tools/hello"; from "link" artifact="program" at="top"; from "link" artifact="folder"
             run "sh" "-c" "test ! -e in/link/log && sh tools/hello > o && sh top >> o && cat in/link/folder/x >> o"; tool "cat"; out "o" } }"#,
    );
    repo.write("n", "1");
    repo.orgo(&["run", "p"]).ok();
    assert_eq!(repo.read("out/p/use/o"), "hi\nhi\n1\n");
    repo.write("n", "2");
    assert_eq!(states(&repo.orgo(&["run", "p", "--json"]).ok().json()), ["link:ran", "use:hit"], "the log is not read");
}

#[test]
fn passed_variables_are_in_the_key_and_explained() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "a" { env-pass "FLAVOUR"; run "sh" "-c" "echo $FLAVOUR > o"; out "o" } }"#,
    );
    let run = |value: &str| states(&repo.orgo_with(&["run", "--json"], &[("FLAVOUR", value)]).ok().json()).join("");
    assert_eq!((run("mild"), run("mild"), run("hot")), ("a:ran".into(), "a:hit".into(), "a:ran".into()));
    assert_eq!(repo.read("out/p/a/o"), "hot\n");
    let told = repo.orgo_with(&["explain", "a"], &[("FLAVOUR", "hot")]).ok().stdout;
    assert!(told.contains("environment FLAVOUR") && told.contains("`hot`"), "{told}");
    let secret = ("FLAVOUR", "ghp_abcdefghijklmnopqrstuvwxyz0123456789");
    let json = repo.orgo_with(&["run", "--json"], &[secret]).exits(1).json();
    assert_eq!(json["problems"][0]["code"], "SECRET_NOT_ALLOWED");
}

#[test]
fn a_secret_reaches_its_stage_and_nothing_else() {
    const VALUE: &str = "plain words that no rule knows";
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "a" { secret "TOKEN" from="env:DEPLOY"; run "sh" "-c" "echo \"<$TOKEN>\"; echo ${#TOKEN} > o"; out "o" }
           stage "keyed" { secret "TOKEN" from="env:DEPLOY" keyed-digest=#true; run "sh" "-c" "echo x > o"; out "o" } }"#
            .replace("${#", "$${#")
            .as_str(),
    );
    let run = |value: &str| states(&repo.orgo_with(&["run", "--json"], &[("DEPLOY", value)]).ok().json());
    assert_eq!(run(VALUE), ["a:ran", "keyed:ran"]);
    assert_eq!(repo.read("out/p/a/o").trim(), VALUE.len().to_string());
    let log = repo.orgo(&["log", "a"]).ok().stdout;
    assert!(!log.contains(VALUE) && log.contains('<'), "{log}");
    assert_eq!(run("another value altogether"), ["a:hit", "keyed:ran"], "only a keyed digest makes a key of it");
    assert_eq!(run(VALUE), ["a:hit", "keyed:hit"]);
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(repo.home().join("secret-digests.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut folders = vec![repo.root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                let found = bytes.windows(VALUE.len()).any(|w| w == VALUE.as_bytes());
                assert!(!found, "{}", entry.path().display());
            }
        }
    }
    let missing = repo.orgo(&["run", "--force", "--json"]).exits(1).json();
    assert_eq!(missing["stages"][0]["code"], "SECRET_UNAVAILABLE");
}

#[test]
fn the_expanded_form_means_the_same() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { param "n" type="integer" default=1; matrix { os "a" "b"; exclude os="b" }
           stage "one" { matrix { v "1" "2" }; run "sh" "-c" "echo ${os}${v}${n} > o"; out "o" as="it" }
           stage "two" { from "one" artifact="it"; run "true" } }"#,
    );
    let keys = |repo: &Repo| {
        let plan = repo.orgo(&["plan", "--json"]).ok().json();
        plan["stages"].as_array().unwrap().iter().map(|s| format!("{} {}", s["stage"], s["key"])).collect::<Vec<_>>()
    };
    let before = keys(&repo);
    let shown = repo.orgo(&["check", "--resolved", "p"]).ok().stdout;
    let json = repo.orgo(&["check", "--resolved", "--json"]).ok().json();
    assert_eq!(json["pipelines"][0]["stages"].as_array().unwrap().len(), 3);
    repo.write("pipelines/p.kdl", &shown);
    assert_eq!(keys(&repo), before, "{shown}");
}

#[test]
fn check_reads_what_pipelines_name_and_reports_all_of_it() {
    let repo = Repo::example("elements");
    repo.orgo(&["check"]).ok();
    repo.write("maps/elements.kdl", "mapp \"x\"\n");
    repo.write("rules/elements.kdl", "rule {\n");
    let json = repo.orgo(&["check", "--json"]).exits(2).json();
    let files: std::collections::BTreeSet<_> =
        json["problems"].as_array().unwrap().iter().map(|p| p["file"].as_str().unwrap_or("").to_owned()).collect();
    assert!(files.contains("maps/elements.kdl") && files.contains("rules/elements.kdl"), "{files:?}");
}

#[test]
fn the_example_of_variants_holds() {
    let repo = Repo::example("variants");
    let run = |args: &[&str]| repo.orgo(&[&["run", "--json"], args].concat()).ok().json();
    assert_eq!(run(&[])["ran"], 9);
    let book = repo.read("out/variants/book/book.txt");
    assert_eq!(
        book.lines().collect::<Vec<_>>(),
        [
            "hello, monde (fr)",
            "hello, welt (de)",
            "hello, world (en)",
            "HELLO, MONDE (FR)",
            "HELLO, WELT (DE)",
            "HELLO, WORLD (EN)",
        ]
    );
    assert_eq!(run(&["-p", "thorough=true"])["ran"], 1);
    repo.write("words/list.csv", "name,language\nwelt,de\nworld,en\nmonde,fr\n");
    assert_eq!(run(&[])["ran"], 0, "order of lines is not content");
    assert_eq!(run(&["-p", "greeting=goodbye"])["ran"], 9);
    repo.orgo(&["run", "-p", "greeting=hi"]).exits(2);
}

#[test]
fn the_example_of_limits_holds() {
    let repo = Repo::example("limits");
    let run = |said: &str, args: &[&str]| {
        let done = repo.orgo_with(&[&["run", "--json"], args].concat(), &[("ORGO_EXAMPLE", said)]).ok().json();
        (done["ran"].as_u64().unwrap(), repo.read("out/limits/answers/answers.txt"))
    };
    let (ran, said) = run("hello", &[]);
    assert_eq!(ran, 9, "six questions and three more");
    for line in [
        "home: out of reach",
        "its-input: an input",
        "its-input: this stage gets: an input",
        "network: out of reach",
        "network: this stage gets: out of reach",
        "folder: ask.sh input.txt ",
        "/orgo",
        "hello",
    ] {
        assert!(said.lines().any(|l| l == line), "`{line}` in\n{said}");
    }
    assert_eq!(run("hello", &[]).0, 0);
    let (ran, said) = run("goodbye", &[]);
    assert!(ran == 2 && said.ends_with("goodbye\n"), "{ran} {said}");
    // With a network it is another stage: nothing that was made with one is used without one.
    let pipeline = repo.read("pipelines/limits.yaml");
    repo.write("pipelines/limits.yaml", &pipeline.replace("network: none", "network: host"));
    let (ran, said) = run("goodbye", &[]);
    assert!(ran == 7 && said.contains("network: in reach\n"), "{ran} {said}");
    repo.write("pipelines/limits.yaml", &pipeline);
    let (ran, said) = run("goodbye", &[]);
    assert!(ran == 0 && said.contains("network: out of reach\n"), "{ran} {said}");
}
