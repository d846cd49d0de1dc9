//! Runs in which nothing changed are answered without the plan, and nothing that changed is ever missed.

use crate::support::Repo;

/// Two stages: a script from the search path over files that a pattern matches, and a copy of its result.
fn settled() -> Repo {
    let repo = Repo::empty();
    repo.write("orgo.kdl", "project \"test\"\n");
    let bin = repo.beside("bin");
    let pipeline = format!(
        r#"pipeline "p" {{
    stage "all" {{ files "in/*.txt"; env "PATH" "{0}/first:{0}/second:/usr/bin:/bin"; run "gather"; tool "sh" "cat"; out "all" }}
    stage "copy" {{ from "all"; run "cp" "in/all/all" "copy"; out "copy" }}
}}
"#,
        bin.display()
    );
    repo.write("pipelines/p.kdl", &pipeline);
    repo.write("in/a.txt", "one\n");
    repo.write("notes.txt", "read by nobody\n");
    program(&repo, "second", "cat in/*.txt > all");
    repo.commit("first");
    // Times that are too close to the moment of hashing are not remembered; the second run is the settled one.
    std::thread::sleep(std::time::Duration::from_millis(60));
    repo.orgo(&["run", "p"]).ok();
    assert!(says(&repo).contains("confirmed by record"), "the second run repeats the first");
    repo
}

/// Puts an executable script called `gather` into a folder of the search path.
fn program(repo: &Repo, folder: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let folder = repo.beside("bin").join(folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("gather");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("writable");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("changeable");
}

#[track_caller]
fn says(repo: &Repo) -> String {
    repo.orgo(&["run", "p"]).ok().stdout
}

#[test]
fn a_plan_where_nothing_changed_is_told_without_the_plan_and_any_change_is_planned() {
    let repo = settled();
    let plan = |args: &[&str]| repo.orgo(&[&["plan", "p"], args].concat()).ok().stdout;
    let ordinary = plan(&["all", "copy"]);
    assert_eq!(ordinary.trim_end(), "p: 0 to run, 2 hits, 0 known later");
    let _ = std::fs::remove_file(repo.root().join(".orgo/state/p.plan"));
    assert_eq!(plan(&[]), ordinary);
    assert!(!repo.exists(".orgo/state/p.plan"), "the plan was made again");
    repo.write("in/b.txt", "two\n");
    let changed = plan(&[]);
    assert!(changed.contains("run   all") && changed.contains("p: 1 to run, 0 hits, 1 known later"), "{changed}");
    std::fs::remove_file(repo.root().join("in/b.txt")).expect("removed");
    assert_eq!(plan(&[]), ordinary);
    program(&repo, "first", "cat in/*.txt > all; echo >> all");
    assert!(plan(&[]).contains("p: 1 to run"), "another program is found first");
}

#[test]
fn where_nothing_changed_neither_plan_nor_memory_is_read() {
    let repo = settled();
    for file in ["p.plan", "p.state", "p.ingredients", "files"] {
        let _ = std::fs::remove_file(repo.root().join(".orgo/state").join(file));
    }
    let text = says(&repo);
    assert!(text.starts_with("PASSED p: 0 ran, 2 hits, 0 failed, 0 skipped"), "{text}");
    assert!(text.contains("confirmed by record 1 sha256:"), "{text}");
    assert!(!repo.exists(".orgo/state/p.plan"), "the plan was made again");
    assert!(!repo.exists(".orgo/state/p.state"), "the memory was written again");
    // Whoever asks for the stages gets them, in the ordinary way.
    let run = repo.orgo(&["run", "p", "--json"]).ok().json();
    assert_eq!((run["ran"].as_u64(), run["hits"].as_u64()), (Some(0), Some(2)));
    assert!(repo.exists(".orgo/state/p.plan"));
}

#[test]
fn a_run_that_wrote_a_record_is_repeated_without_the_plan_right_away() {
    let repo = settled();
    repo.write("in/a.txt", "two\n");
    repo.commit("a change");
    std::thread::sleep(std::time::Duration::from_millis(60));
    let text = says(&repo);
    assert!(text.contains("2 ran") && text.contains("\nrecord 2 "), "{text}");
    std::thread::sleep(std::time::Duration::from_millis(60));
    for file in ["p.plan", "p.state"] {
        std::fs::remove_file(repo.root().join(".orgo/state").join(file)).expect("the run left it");
    }
    let text = says(&repo);
    assert!(text.contains("0 ran, 2 hits") && text.contains("confirmed by record 2 "), "{text}");
    assert!(!repo.exists(".orgo/state/p.plan"), "the plan was made again");
}

#[test]
fn everything_that_a_run_depends_on_is_noticed_when_it_changes() {
    type Change = (&'static str, fn(&Repo), &'static str);
    let changes: [Change; 9] = [
        ("a source", |r| r.write("in/a.txt", "two\n"), "2 ran"),
        ("a source of the same size", |r| r.write("in/a.txt", "eno\n"), "2 ran"),
        ("a new file that the pattern matches", |r| r.write("in/b.txt", "two\n"), "2 ran"),
        (
            "a source that is gone",
            |r| {
                r.write("in/b.txt", "");
                std::fs::remove_file(r.root().join("in/a.txt")).expect("it was there");
            },
            "2 ran",
        ),
        ("the program", |r| program(r, "second", "cat in/*.txt > all # changed"), "1 ran"),
        ("a program that comes first", |r| program(r, "first", "echo other > all"), "2 ran"),
        (
            "a result",
            |r| {
                let path = r.root().join("out/p/copy/copy");
                std::fs::remove_file(&path).expect("it was there");
                std::fs::write(&path, "edited").expect("writable");
            },
            "0 ran",
        ),
        (
            "a result that is gone",
            |r| std::fs::remove_file(r.root().join("out/p/all/all")).expect("it was there"),
            "0 ran",
        ),
        (
            "the declaration",
            |r| {
                let text = r.read("pipelines/p.kdl").replace("\"copy\"; out \"copy\"", "\"twin\"; out \"twin\"");
                r.write("pipelines/p.kdl", &text);
            },
            "1 ran",
        ),
    ];
    for (what, change, expected) in changes {
        let repo = settled();
        change(&repo);
        let text = says(&repo);
        assert!(text.contains(expected), "{what}: {text}");
        let at = if repo.exists("out/p/copy/twin") { "twin" } else { "copy" };
        assert_eq!(repo.read(&format!("out/p/copy/{at}")), repo.read("out/p/all/all"), "{what}");
        assert_ne!(repo.read("out/p/all/all"), "edited", "{what}");
    }
}

#[test]
fn what_the_newest_record_does_not_say_is_recorded() {
    type Change = (&'static str, fn(&Repo));
    let changes: [Change; 3] = [
        ("a commit that touches nothing that is read", |r| r.commit("another")),
        ("a tree that is not clean", |r| r.write("notes.txt", "changed\n")),
        ("no ledger any more", |r| {
            r.git(&["update-ref", "-d", "refs/heads/orgo/local"]);
        }),
    ];
    for (what, change) in changes {
        let repo = settled();
        change(&repo);
        let text = says(&repo);
        assert!(text.contains("0 ran, 2 hits"), "{what}: {text}");
        assert!(!text.contains("confirmed"), "{what}: {text}");
    }
}

#[test]
fn a_second_run_is_told_to_wait_there_too() {
    let repo = settled();
    let lock = std::fs::File::open(repo.root().join(".orgo/lock")).expect("the lock is a file");
    lock.lock().expect("nobody has it");
    let refused = repo.orgo(&["run", "p"]).exits(4);
    assert!(refused.stderr.contains("another run"), "{}", refused.stderr);
}
