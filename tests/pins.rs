//! `orgo.lock` and blueprints: what is pinned holds, or is refused by name.

use crate::support::{ORGO, Repo, git};

/// A repository whose only program is a script beside it.
fn with_tool() -> Repo {
    let repo = Repo::empty();
    install(&repo, "bin", "tool", "one");
    repo.write("orgo.kdl", "project \"test\"\n");
    let path = repo.beside("bin");
    let pipeline = format!(
        "pipeline \"p\" {{ stage \"s\" {{ run \"tool\"; env \"PATH\" \"{}:/usr/bin:/bin\"; out \"o\" }} }}\n",
        path.display()
    );
    repo.write("pipelines/p.kdl", &pipeline);
    repo.write(".gitignore", "/.orgo/\n/out/\n");
    repo.commit("first");
    repo
}

fn install(repo: &Repo, folder: &str, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let folder = repo.beside(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, script(text)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn script(text: &str) -> String {
    format!("#!/bin/sh\necho {text} > o\n")
}

fn digest(text: &str) -> String {
    orgo_spec::Digest::of(text.as_bytes()).to_string()
}

fn pins(repo: &Repo, run: &serde_json::Value) -> serde_json::Value {
    let id = run["record"]["id"].as_str().unwrap().to_owned();
    let record = repo.orgo(&["record", "show", &id, "--json"]).ok().json();
    let text = record.to_string();
    let facts = ["/predicate/facts", "/statement/predicate/facts", "/record/predicate/facts"];
    let facts = facts.iter().find_map(|p| record.pointer(p)).unwrap_or_else(|| panic!("{text}"));
    facts["pins"].clone()
}

#[test]
fn a_tampered_program_is_refused_by_name_with_both_digests_before_anything_starts() {
    let repo = with_tool();
    let before = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(pins(&repo, &before)["state"], "unpinned", "without a lock the record says so");
    repo.orgo(&["lock"]).ok();
    repo.commit("lock");
    let locked = repo.orgo(&["run", "--json"]).ok().json();
    let lock = digest(&repo.read("orgo.lock"));
    assert_eq!(pins(&repo, &locked), serde_json::json!({ "state": "locked", "lock": lock }));
    repo.orgo(&["verify"]).ok();

    install(&repo, "bin", "tool", "two");
    let refused = repo.orgo(&["run", "--json"]).exits(1).json();
    let problem = &refused["problems"][0];
    assert_eq!(problem["code"], "LOCK_DRIFTED");
    assert_eq!(problem["file"], "orgo.lock");
    let message = problem["message"].as_str().unwrap();
    for part in ["`s`", "`tool`", &digest(&script("one")), &digest(&script("two"))] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(problem["help"].as_str().unwrap().contains("orgo lock --refresh tool"), "{problem}");
    assert_eq!(repo.read("out/p/s/o"), "one\n", "nothing ran");

    let unlocked = repo.orgo(&["run", "--unlocked", "--json"]).ok().json();
    assert_eq!(repo.read("out/p/s/o"), "two\n");
    assert_eq!(pins(&repo, &unlocked)["state"], "unpinned");
    repo.orgo(&["run", "p"]).exits(1);

    let moved = repo.orgo(&["lock", "--refresh", "tool"]).ok().stdout;
    assert!(moved.contains(&digest(&script("one"))) && moved.contains(&digest(&script("two"))), "{moved}");
    repo.orgo(&["run"]).ok();
}

#[test]
fn an_unchanged_run_still_holds_to_the_lock() {
    let repo = with_tool();
    repo.orgo(&["lock"]).ok();
    repo.commit("lock");
    std::thread::sleep(std::time::Duration::from_millis(50));
    for _ in 0..3 {
        repo.orgo(&["run", "p"]).ok();
    }
    let lock = repo.read("orgo.lock");
    repo.write("orgo.lock", &lock.replace(&digest(&script("one")), &digest("another")));
    let refused = repo.orgo(&["run", "p", "--json"]).exits(1).json();
    assert_eq!(refused["problems"][0]["code"], "LOCK_DRIFTED");
    repo.orgo(&["run", "p"]).exits(1);
}

#[test]
fn lock_is_idempotent_and_sorted_and_never_moves_a_pin() {
    let repo = with_tool();
    repo.orgo(&["lock", "--check", "--json"]).exits(1);
    repo.orgo(&["lock"]).ok();
    let first = repo.read("orgo.lock");
    let lines: Vec<&str> = first.lines().collect();
    assert_eq!(lines[0], "orgo-lock 1");
    assert!(lines[1..].is_sorted() && lines.len() > 3, "{first}");
    assert!(lines[1..].iter().any(|l| l.contains("libc.so")), "what the shell of the script loads: {first}");
    repo.orgo(&["lock"]).ok();
    assert_eq!(repo.read("orgo.lock"), first);
    repo.orgo(&["lock", "--check"]).ok();

    install(&repo, "bin", "tool", "two");
    let kept = repo.orgo(&["lock"]).ok();
    assert_eq!(repo.read("orgo.lock"), first, "a pin stays");
    assert!(kept.stderr.contains("--refresh tool"), "{}", kept.stderr);

    let more = repo.read("pipelines/p.kdl").replace("run \"tool\"", "run \"tool\"; tool \"cat\"");
    repo.write("pipelines/p.kdl", &more);
    let missing = repo.orgo(&["run", "--json"]).exits(1).json();
    let codes: Vec<&str> =
        missing["problems"].as_array().unwrap().iter().map(|p| p["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"LOCK_MISSING") && codes.contains(&"LOCK_DRIFTED"), "{missing}");
    repo.orgo(&["lock"]).ok();
    let grown = repo.read("orgo.lock");
    assert!(first.lines().all(|line| grown.contains(line)) && grown.contains(" cat - "), "{grown}");
    repo.write("pipelines/p.kdl", &more.replace("; tool \"cat\"", ""));
    repo.orgo(&["lock"]).ok();
    assert_eq!(repo.read("orgo.lock"), first, "what nothing uses is taken out");
    let wrong = repo.orgo(&["lock", "--refresh", "tol"]).exits(2).stderr;
    assert!(wrong.contains("did you mean `tool`?"), "{wrong}");
}

#[test]
fn drift_is_explained_file_by_file_with_stable_codes() {
    let repo = with_tool();
    repo.orgo(&["lock"]).ok();
    let first = repo.beside("first");
    install(&repo, "first", "tool", "three");
    // The same name on another search path is another program; on the same one it is the first that is found.
    let other = format!("{}:{}", first.display(), repo.beside("bin").display());
    let pipeline = repo.read("pipelines/p.kdl");
    repo.write("pipelines/p.kdl", &pipeline.replace(&repo.beside("bin").display().to_string(), &other));
    let check = repo.orgo(&["lock", "--check", "--json"]).exits(1).json();
    let codes: Vec<&str> = check["drift"].as_array().unwrap().iter().map(|d| d["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["LOCK_EXTRA", "LOCK_MISSING"], "{check}");

    repo.write("pipelines/p.kdl", &pipeline);
    install(&repo, "bin", "tool", "four");
    let check = repo.orgo(&["lock", "--check", "--json"]).exits(1).json();
    let drift = &check["drift"][0];
    assert_eq!((drift["code"].as_str(), drift["stage"].as_str()), (Some("LOCK_DRIFTED"), Some("p/s")));
    let part = &drift["parts"][0];
    assert_eq!(part["from"]["digest"], digest(&script("one")).as_str());
    assert_eq!(part["to"]["digest"], digest(&script("four")).as_str());
    assert_eq!(part["to"]["at"], repo.beside("bin").join("tool").display().to_string().as_str());
    assert_eq!(drift["parts"].as_array().unwrap().len(), 1, "the shell and its libraries are as they were");
    let text = repo.orgo(&["lock", "--check"]).exits(1).stdout;
    assert!(text.contains("LOCK_DRIFTED") && text.contains("orgo lock --refresh tool"), "{text}");
    std::fs::remove_file(repo.beside("bin").join("tool")).unwrap();
    let gone = repo.orgo(&["lock", "--check", "--json"]).exits(1).json();
    assert_eq!(gone["drift"][0]["code"], "TOOL_MISSING");
}

#[test]
fn a_source_that_changed_under_its_version_is_refused() {
    let repo = Repo::example("elements");
    repo.orgo(&["lock", "--check"]).ok();
    let data = repo.read("data/mendeleev.csv");
    let changed = data.replacen("Hydrogen", "Hydrogenium", 1);
    repo.write("data/mendeleev.csv", &changed);
    let blueprint = repo.read("blueprints/elements.kdl").replace(&digest(&data), &digest(&changed));
    repo.write("blueprints/elements.kdl", &blueprint);
    let refused = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(refused["problems"][0]["code"], "LOCK_DRIFTED");
    let message = refused["problems"][0]["message"].as_str().unwrap();
    assert!(message.contains("the source `mendeleev` 1.3.0") && message.contains(&digest(&changed)), "{message}");
}

/// Two branches that each change the lock, merged by git with the driver in place.
fn merged(ours: impl Fn(&Repo), theirs: impl Fn(&Repo)) -> (Repo, Option<i32>) {
    let repo = with_tool();
    repo.write(".gitattributes", "orgo.lock merge=orgo-lock\n");
    repo.orgo(&["lock"]).ok();
    repo.commit("lock");
    repo.git(&["config", "merge.orgo-lock.driver", &format!("{ORGO} lock merge %O %A %B")]);
    repo.git(&["checkout", "-q", "-b", "theirs"]);
    theirs(&repo);
    repo.commit("theirs");
    repo.git(&["checkout", "-q", "main"]);
    ours(&repo);
    repo.commit("ours");
    let done = git(&repo.root(), &["merge", "-q", "-m", "merge", "theirs"]);
    (repo, done.code)
}

fn line(digit: char, name: &str) -> String {
    format!("tool x86_64-linux /usr/bin {name} - /usr/bin/{name} sha256:{}\n", digit.to_string().repeat(64))
}

fn append(repo: &Repo, line: &str) {
    let mut lines: Vec<String> = repo.read("orgo.lock").lines().map(|l| format!("{l}\n")).collect();
    lines.push(line.to_owned());
    lines[1..].sort();
    repo.write("orgo.lock", &lines.concat());
}

#[test]
fn git_merges_locks_that_grew_side_by_side() {
    let (repo, code) = merged(|r| append(r, &line('a', "aa")), |r| append(r, &line('b', "ab")));
    assert_eq!(code, Some(0));
    let lock = repo.read("orgo.lock");
    assert!(lock.contains(&line('a', "aa")) && lock.contains(&line('b', "ab")), "{lock}");
    assert!(lock.lines().skip(1).collect::<Vec<_>>().is_sorted(), "neighbours merge, and in order: {lock}");
}

#[test]
fn git_keeps_a_conflict_where_both_sides_pinned_one_thing_and_orgo_refuses_it() {
    let (repo, code) = merged(|r| append(r, &line('a', "aa")), |r| append(r, &line('b', "aa")));
    assert_eq!(code, Some(1));
    assert!(
        repo.git(&["status", "--porcelain"]).contains("AA orgo.lock")
            || repo.git(&["status", "--porcelain"]).contains("UU orgo.lock")
    );
    let lock = repo.read("orgo.lock");
    let conflict = format!("<<<<<<< ours\n{}=======\n{}>>>>>>> theirs\n", line('a', "aa"), line('b', "aa"));
    assert!(lock.contains(&conflict), "{lock}");
    for command in [&["run", "--json"][..], &["lock", "--check", "--json"], &["lock", "--json"]] {
        let json = repo.orgo(command).exits(2).json();
        assert_eq!(json["problems"][0]["code"], "LOCK_CONFLICT", "{command:?}");
    }
    assert_eq!(repo.read("orgo.lock"), lock, "nothing chose a side");
}

#[test]
fn a_side_that_is_no_lock_is_kept_whole_beside_the_other() {
    let (repo, code) = merged(|r| append(r, &line('a', "aa")), |r| r.write("orgo.lock", "something else\n"));
    assert_eq!(code, Some(1));
    let lock = repo.read("orgo.lock");
    assert!(
        lock.starts_with("<<<<<<< ours\norgo-lock 1\n") && lock.ends_with("=======\nsomething else\n>>>>>>> theirs\n")
    );
}

#[test]
fn the_example_has_a_blueprint_whose_pins_and_plan_hold() {
    let repo = Repo::example("elements");
    repo.orgo(&["blueprint", "check"]).ok();
    let show = repo.orgo(&["blueprint", "show", "elements", "--json"]).ok().json();
    assert_eq!(show["blueprint"]["steps"].as_array().unwrap().len(), 7);
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(pins(&repo, &run)["state"], "locked");
    let text = repo.read("blueprints/elements.kdl");
    let next = text.replace("revision=2", "revision=3").replacen("last-known-good", "pinned", 1);
    repo.write("blueprints/next.kdl", &next);
    let diff = repo.orgo(&["blueprint", "diff", "elements", "next", "--json"]).ok().json();
    let what: Vec<&str> = diff["changes"].as_array().unwrap().iter().map(|c| c["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["revision", "step pack"]);
    assert_ne!(diff["from"], diff["to"]);
    let wrong = repo.orgo(&["blueprint", "show", "element"]).exits(2).stderr;
    assert!(wrong.contains("did you mean `elements`?"), "{wrong}");
}

macro_rules! refuses {
    ($($test:ident: $change:expr => $codes:expr;)+) => { $(
        #[test]
        fn $test() {
            let repo = Repo::example("elements");
            let change: fn(String) -> String = $change;
            let text = repo.read("blueprints/elements.kdl");
            let changed = change(text.clone());
            assert_ne!(text, changed);
            repo.write("blueprints/elements.kdl", &changed);
            for command in [&["blueprint", "check", "--json"][..], &["run", "--json"]] {
                let json = repo.orgo(command).exits(2).json();
                let problems = json["problems"].as_array().unwrap();
                let codes: Vec<_> = problems.iter().map(|p| p["code"].as_str().unwrap().to_owned()).collect();
                assert_eq!(codes, $codes, "{json}");
                assert!(problems.iter().all(|p| p["line"].as_u64().is_some_and(|l| l > 1)), "{json}");
            }
            let text = repo.orgo(&["blueprint", "check"]).exits(2).stderr;
            let digits = |text: &str| {
                let mut parts = text.split("sha256:");
                let mut shown = parts.next().unwrap_or_default().to_owned();
                for part in parts {
                    shown.push_str("sha256:#");
                    shown.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
                }
                shown
            };
            insta::with_settings!({ snapshot_path => "../snapshots/cli", prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(stringify!($test), digits(&text));
            });
        }
    )+ };
}

fn without_line(text: &str, what: &str) -> String {
    text.lines().filter(|l| !l.contains(what)).map(|l| format!("{l}\n")).collect()
}

refuses! {
    a_step_of_no_stage_gets_a_suggestion: |t| t.replace("step \"report\"", "step \"raport\"") => ["BLUEPRINT_DISAGREES", "STAGE_UNKNOWN"];
    a_gate_of_no_pipeline_gets_a_suggestion: |t| t.replacen("gate \"accept\"", "gate \"acept\"", 1) => ["BLUEPRINT_DISAGREES", "GATE_UNKNOWN"];
    a_plan_out_of_order_is_refused: |t| {
        let t = t.replace("step \"claims\"", "step \"@\"").replace("step \"resolved\"", "step \"claims\"");
        t.replace("step \"@\"", "step \"resolved\"")
    } => ["BLUEPRINT_DISAGREES"];
    a_gate_that_the_plan_hides_is_refused: |t| without_line(&t, "gate \"accept\"") => ["BLUEPRINT_DISAGREES", "BLUEPRINT_DISAGREES"];
    a_version_alone_floats: |t| {
        let at = t.find(" sha256=").unwrap() ;
        let policy = t.find("policy \"rules\"").unwrap();
        let start = t[policy..].find(" sha256=").unwrap() + policy;
        let end = t[start..].find('\n').unwrap() + start;
        assert!(at < start);
        format!("{}{}", &t[..start], &t[end..])
    } => ["BLUEPRINT_UNPINNED"];
    a_word_that_moves_is_no_version: |t| t.replace("kristal version=\"4\"", "kristal version=\"latest\" commit=\"main\"") => ["BLUEPRINT_UNPINNED", "BLUEPRINT_UNPINNED"];
    a_plan_without_a_way_back_is_refused: |t| t.replace("rollback \"last-known-good\"", "target tenant=\"elements\" environment=\"production\" channel=\"stable\"") => ["DOCUMENT_INVALID"];
    an_owner_that_is_no_system_is_refused: |t| t.replace("owner=\"chokmah\"", "owner=\"somebody\"") => ["DOCUMENT_INVALID"];
    pins_that_do_not_hold_are_named: |t| t.replace("kristal.v3:jcs-rfc8785\" canonicalization-version=\"1\"", "kristal.v3:jcs-rfc8785\" canonicalization-version=\"2\"") => ["BLUEPRINT_UNPINNED"];
}
