//! Shared directories: what they answer, and how little their faults matter.

use std::path::Path;

use super::{ONES, clone, files, made, overwrite, place};
use crate::support::{Repo, copy, states};

#[test]
fn a_shared_directory_answers_and_is_not_written_to() {
    let repo = made();
    let shared = repo.root().join(".orgo/store");
    let before = files(&shared);
    let fresh = clone(&repo);
    let plan = fresh.orgo(&["plan", "--json", "--cache", shared.to_str().unwrap()]).ok().json();
    assert!(plan["stages"].as_array().unwrap().iter().all(|s| s["does"] == "hit"), "{plan}");
    assert!(!fresh.exists("out/p"));
    let done = fresh.orgo(&["run", "--cache", shared.to_str().unwrap()]).ok();
    assert!(done.stdout.contains("0 ran, 2 hits"), "{}", done.stdout);
    assert!(done.stderr.contains("2 from the shared cache `"), "{}", done.stderr);
    assert_eq!(files(&shared), before);
    assert_eq!(fresh.read("out/p/b/o"), ONES);
    let text = fresh.orgo(&["explain", "a"]).ok().stdout;
    assert!(text.contains("a result for this key came from the shared cache"), "{text}");
    // From then on the results are here.
    std::fs::remove_dir_all(&shared).unwrap();
    std::fs::remove_dir_all(fresh.root().join("out")).unwrap();
    let run = fresh.orgo(&["run", "--json"]).ok().json();
    assert_eq!(states(&run), ["a:hit", "b:hit"]);
    assert_eq!(run["stages"][0]["origin"]["name"], shared.to_str().unwrap());
}

#[test]
fn what_is_wrong_with_a_shared_directory_is_a_miss_and_a_warning_and_never_a_wrong_result() {
    let repo = made();
    let run = repo.orgo(&["run", "--json"]).ok().json();
    let key = run["stages"][0]["key"].as_str().unwrap().to_owned();
    let object = orgo_spec::Digest::of(b"one\none\n").to_string();
    let whole = std::fs::read(place(&repo.root().join(".orgo/store"), "actions", &key)).unwrap();
    let text = String::from_utf8(whole).unwrap();
    type Harm<'h> = &'h dyn Fn(&Path);
    let harms: [(&str, Harm<'_>, &str); 9] = [
        ("other bytes", &|s| overwrite(&place(s, "sha256", &object), b"ONE\nONE\n"), "is not what it hashes to"),
        ("longer", &|s| overwrite(&place(s, "sha256", &object), b"one\none\nand more\n"), "is not what it hashes to"),
        ("gone", &|s| std::fs::remove_file(place(s, "sha256", &object)).unwrap(), "has no object"),
        ("half", &|s| overwrite(&place(s, "actions", &key), &text.as_bytes()[..40]), "cannot be read"),
        ("no text", &|s| overwrite(&place(s, "actions", &key), &[0xff; 64]), "cannot be read"),
        (
            "leads out",
            &|s| {
                overwrite(&place(s, "actions", &key), text.replace("\"path\":\"o\"", "\"path\":\"../../o\"").as_bytes())
            },
            "not sorted",
        ),
        (
            "other outputs",
            &|s| overwrite(&place(s, "actions", &key), text.replace("\"path\":\"o\"", "\"path\":\"x\"").as_bytes()),
            "other outputs than",
        ),
        (
            "other key",
            &|s| overwrite(&place(s, "actions", &key), text.replace(&key, &object).as_bytes()),
            "another key",
        ),
        (
            "a link",
            &|s| {
                std::fs::remove_file(place(s, "actions", &key)).unwrap();
                std::os::unix::fs::symlink("/etc/passwd", place(s, "actions", &key)).unwrap();
            },
            "cannot open",
        ),
    ];
    for (what, harm, said) in harms {
        let shared = repo.beside("shared");
        let _ = std::fs::remove_dir_all(&shared);
        copy(&repo.root().join(".orgo/store"), &shared);
        harm(&shared);
        let fresh = clone(&repo);
        let done = fresh.orgo(&["run", "--json", "--cache", shared.to_str().unwrap()]).ok();
        assert_eq!(states(&done.json()), ["a:ran", "b:hit"], "{what}: {}", done.stderr);
        assert_eq!(fresh.read("out/p/b/o"), ONES, "{what}");
        assert!(done.stderr.contains(said), "{what}: {}", done.stderr);
        let reasons = done.json()["stages"][0]["why"].clone();
        assert_eq!((&reasons[0]["why"], &reasons[1]["why"]), (&"never-run".into(), &"shared-faulty".into()), "{what}");
        for object in files(&fresh.root().join(".orgo/store/sha256")) {
            let name: Vec<_> = object.components().rev().take(2).map(|c| c.as_os_str().to_str().unwrap()).collect();
            let digest = orgo_spec::Digest::of(&std::fs::read(&object).unwrap());
            assert_eq!(digest.hex(), format!("{}{}", name[1], name[0]), "{what}");
        }
    }
}

#[test]
fn a_directory_that_is_of_no_use_is_told_once_and_left_alone() {
    let repo = made();
    let none = repo.beside("none");
    let empty = repo.beside("empty");
    std::fs::create_dir(&empty).unwrap();
    let fresh = clone(&repo);
    let good = repo.root().join(".orgo/store");
    let args = ["run", "--cache", none.to_str().unwrap(), "--cache", empty.to_str().unwrap()];
    let done = fresh.orgo(&[&args[..], &["--cache", good.to_str().unwrap()]].concat()).ok();
    assert!(done.stdout.contains("0 ran, 2 hits"), "the next one is asked: {}", done.stdout);
    assert_eq!(done.stderr.matches("is not asked again").count(), 2, "{}", done.stderr);
    // After three faults, a directory is not asked any more.
    let stages: String =
        (0..6).map(|i| format!("stage \"s{i}\" {{ run \"sh\" \"-c\" \"echo {i} > o\"; out \"o\" }}\n")).collect();
    let many = Repo::with_pipeline(&format!("pipeline \"p\" {{\n{stages}}}\n"));
    many.orgo(&["run"]).ok();
    for result in files(&many.root().join(".orgo/store/actions")) {
        overwrite(&result, b"{");
    }
    let fresh = clone(&many);
    let done = fresh.orgo(&["run", "--cache", many.root().join(".orgo/store").to_str().unwrap()]).ok();
    assert!(done.stdout.contains("6 ran, 0 hits"), "{}", done.stdout);
    assert_eq!(done.stderr.matches("its result cannot be read").count(), 3 + 3, "{}", done.stderr);
    assert_eq!(done.stderr.matches("is not asked again").count(), 1, "{}", done.stderr);
}

#[test]
fn what_was_obtained_at_less_isolation_does_not_count() {
    let repo =
        Repo::with_pipeline(r#"pipeline "p" { stage "s" { isolation "open"; run "sh" "-c" "echo > o"; out "o" } }"#);
    repo.orgo(&["run"]).ok();
    let shared = repo.root().join(".orgo/store");
    let fresh = clone(&repo);
    fresh.write(
        "pipelines/p.kdl",
        r#"pipeline "p" { stage "s" { isolation "confined"; run "sh" "-c" "echo > o"; out "o" } }"#,
    );
    let run = fresh.orgo(&["run", "--json", "--cache", shared.to_str().unwrap()]).ok().json();
    assert_eq!(states(&run), ["s:ran"]);
    assert_eq!(run["stages"][0]["why"][1]["why"], "isolation-too-weak", "{run}");
}
