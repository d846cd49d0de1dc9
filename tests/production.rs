//! What production trust signs: results from whose making something was kept away, and nothing that was made at `open`.

use serde_json::Value;

use crate::support::{Repo, states};

/// A project with keys that were made on purpose, a ledger under development trust, and this in its pipeline `p`.
fn project(text: &str) -> Repo {
    let repo = Repo::empty();
    repo.write("orgo.kdl", "project \"test\"\n");
    repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{\n{text}\n}}\n"));
    repo.write(".gitignore", "/out/\n/.orgo/\n");
    for duty in ["runner", "git", "log", "root"] {
        repo.orgo(&["key", "new", duty]).ok();
    }
    repo.orgo(&["init"]).ok();
    repo.commit("first");
    repo
}

/// Puts a production trust with the same keys in force.
fn to_production(repo: &Repo) {
    let mut args = vec!["trust".to_owned(), "change".to_owned(), "--production".to_owned()];
    for duty in ["runner", "git", "log", "root"] {
        let shown = repo.orgo(&["key", "show", duty, "--json"]).ok().json();
        let word = |name: &str| shown[name].as_str().unwrap().to_owned();
        args.extend(["--remove".to_owned(), word("id"), "--add".to_owned(), format!("{duty}={}", word("public"))]);
    }
    repo.orgo(&args.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    assert!(repo.orgo(&["trust", "show"]).ok().stdout.starts_with("# production trust"));
}

fn production(text: &str) -> Repo {
    let repo = project(text);
    to_production(&repo);
    repo
}

fn facts(repo: &Repo) -> Value {
    repo.orgo(&["record", "show", "latest", "--json"]).ok().json()["statement"]["predicate"]["facts"].clone()
}

const AT_OPEN: &str = "    stage \"before\" { run \"sh\" \"-c\" \"echo > o\"; out \"o\" }
    stage \"s\" {
        run \"sh\" \"-c\" \"echo s > o\"
        out \"o\"
        isolation \"open\"
    }";

#[test]
fn what_runs_at_open_is_refused_before_anything_runs_under_production_trust() {
    let repo = project(AT_OPEN);
    assert_eq!(repo.orgo(&["run", "--json"]).ok().json()["record"]["lane"], "protected", "development trust signs it");
    assert_eq!(facts(&repo)["isolation"], "open");
    to_production(&repo);
    std::fs::remove_dir_all(repo.root().join("out")).unwrap();
    repo.write("more", "a commit that no record is about\n");
    repo.commit("second");
    let before = repo.git(&["rev-parse", "orgo/audit"]);
    for more in [&["--lane", "protected"][..], &["--force"], &["--spool", "../spool"]] {
        let run = [&["run", "--json"], more].concat();
        let refused = repo.orgo(&run).exits(1).json();
        let problem = &refused["problems"][0];
        assert_eq!((&problem["code"], &problem["line"]), (&"ISOLATION_TOO_WEAK".into(), &6.into()), "{refused}");
        assert_eq!(problem["file"], "pipelines/p.kdl");
        assert!(problem["help"].as_str().unwrap().contains("`confined`"), "{refused}");
    }
    assert!(!repo.exists("out/p"), "nothing ran");
    assert_eq!(std::fs::read_dir(repo.beside("spool")).unwrap().count(), 0);
    assert_eq!(repo.git(&["rev-parse", "orgo/audit"]), before, "nothing is on record, no start either");
    // What is not of the run does not matter, and other lanes are under a development trust of their own.
    assert_eq!(repo.orgo(&["run", "p", "before", "--json"]).ok().json()["record"]["class"], "production");
    assert_eq!(repo.orgo(&["run", "--lane", "local", "--json"]).ok().json()["record"]["class"], "development");
    assert_eq!(repo.orgo(&["verify", "--full", "--json"]).ok().json()["findings"], serde_json::json!([]));
}

#[test]
fn check_says_what_production_trust_would_refuse() {
    let repo = project(AT_OPEN);
    let checked = repo.orgo(&["check"]).ok();
    assert!(!checked.stderr.contains("ISOLATION_TOO_WEAK"), "{}", checked.stderr);
    assert_eq!(repo.orgo(&["check", "--json"]).ok().json()["trust"], "development");
    to_production(&repo);
    let checked = repo.orgo(&["check"]).ok();
    assert!(checked.stderr.contains("pipelines/p.kdl:6:"), "{}", checked.stderr);
    assert!(checked.stderr.contains("(ISOLATION_TOO_WEAK)"), "{}", checked.stderr);
    let checked = repo.orgo(&["check", "--json"]).ok().json();
    assert_eq!(
        (&checked["trust"], &checked["pipelines"][0]["at_open"]),
        (&"production".into(), &serde_json::json!(["s"]))
    );
    repo.write("pipelines/p.kdl", &repo.read("pipelines/p.kdl").replace("isolation \"open\"", ""));
    let checked = repo.orgo(&["check"]).ok();
    assert!(!checked.stderr.contains("ISOLATION_TOO_WEAK"), "{}", checked.stderr);
}

#[test]
fn what_was_made_at_open_before_does_not_count_under_production_trust() {
    let repo = production(AT_OPEN);
    repo.orgo(&["run", "--lane", "local"]).ok();
    repo.write("pipelines/p.kdl", &repo.read("pipelines/p.kdl").replace("isolation \"open\"", ""));
    repo.commit("confined");
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!(
        (run["record"]["lane"].as_str(), run["record"]["class"].as_str()),
        (Some("protected"), Some("production"))
    );
    assert_eq!(states(&run), ["before:hit", "s:ran"]);
    let facts = facts(&repo);
    assert_eq!((&facts["isolation"], &facts["stages"][1]["isolation"]), (&"confined".into(), &"confined".into()));
    assert_eq!(repo.orgo(&["verify", "--json"]).ok().json()["findings"], serde_json::json!([]));
}

#[test]
fn a_record_with_pages_says_at_which_isolation_everything_was_made() {
    let axis: Vec<String> = (0..300).map(|n| format!("\"{n}\"")).collect();
    let stage = "stage \"s\" { run \"sh\" \"-c\" \"echo ${n}\"; isolation \"open\" }";
    let repo = project(&format!("matrix {{ n {} }}\nstage \"t\" {{ run \"true\" }}\n{stage}", axis.join(" ")));
    repo.orgo(&["run"]).ok();
    let facts = facts(&repo);
    assert_eq!((&facts["stages"], &facts["isolation"]), (&serde_json::json!([]), &"open".into()));
    to_production(&repo);
    let refused = repo.orgo(&["run", "--force", "--json"]).exits(1).json();
    assert_eq!(refused["problems"].as_array().unwrap().len(), 1, "one place is told once: {refused}");
}

/// A service that says what it could read outside of its folder, and is ready when it has.
fn service(repo: &Repo, isolation: &str) -> String {
    let secret = repo.beside("secret");
    std::fs::write(&secret, "secret\n").unwrap();
    let script = format!("cat {} > seen 2>&1 || echo closed > seen; cat seen; sleep 60", secret.display());
    let serve = format!(
        "service \"db\" {{ run \"sh\" \"-c\" {script:?}; tool \"cat\" \"sleep\"; ready \"sh\" \"-c\" \"[ -s seen ]\""
    );
    format!(
        "{serve}; stop-timeout \"1s\"; {isolation} }}\nstage \"s\" {{ run \"sh\" \"-c\" \"echo > o\"; out \"o\"; needs \"db\"; network \"host\" }}"
    )
}

#[test]
fn a_service_is_kept_away_from_what_its_level_says() {
    for (isolation, seen) in
        [("", "secret\n"), ("isolation \"confined\"", "closed\n"), ("isolation \"hermetic\"", "closed\n")]
    {
        let repo = project("");
        repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{ {} }}\n", service(&repo, isolation)));
        repo.commit("with a service");
        repo.orgo(&["run"]).ok();
        assert!(repo.orgo(&["log", "db", "--service"]).ok().stdout.ends_with(seen), "{isolation}");
        let level = isolation.split('"').nth(1).unwrap_or("open");
        assert_eq!(facts(&repo)["stages"][0]["services"], serde_json::json!([{ "isolation": level, "name": "db" }]));
        assert_eq!(facts(&repo)["isolation"], if level == "open" { "open" } else { "confined" });
    }
}

#[test]
fn a_service_at_open_is_refused_under_production_trust_and_a_confined_one_is_not() {
    let repo = production("");
    repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{\n{}\n}}\n", service(&repo, "")));
    repo.commit("with a service");
    let refused = repo.orgo(&["run", "--json"]).exits(1).json();
    let problem = &refused["problems"][0];
    assert_eq!((&problem["code"], &problem["line"]), (&"ISOLATION_TOO_WEAK".into(), &2.into()), "{refused}");
    assert!(problem["message"].as_str().unwrap().contains("the service `db`"), "{refused}");
    repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{\n{}\n}}\n", service(&repo, "isolation \"confined\"")));
    repo.commit("confined");
    assert_eq!(repo.orgo(&["run", "--json"]).ok().json()["record"]["class"], "production");
    assert_eq!(repo.orgo(&["verify", "--json"]).ok().json()["findings"], serde_json::json!([]));
}
