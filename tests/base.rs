//! The base of a change governs the runs that judge it: nobody brings the mandate that they are held to.

use serde_json::Value;

use crate::support::Repo;

const RULE: &str = "@id(\"exchanges-only\")\nforbid (principal, action == Action::\"compile\", resource)\nwhen { context.produces == \"pack\" };\n";

/// The example without a blueprint, which would pin what the branch changes; its mandate forbids packs.
fn repo() -> Repo {
    let repo = Repo::example("elements");
    edit(&repo, "pipelines/elements.kdl", " profile=\"kristal\"", "");
    edit(&repo, "pipelines/elements.kdl", " blueprint=\"elements\"", "");
    let policy = repo.read("mandates/reference-data/gate.cedar");
    repo.write("mandates/reference-data/gate.cedar", &format!("{policy}\n{RULE}"));
    repo.write(".gitignore", "/out/\n/.orgo/\n");
    std::fs::remove_file(repo.root().join("orgo.lock")).unwrap();
    repo.commit("ready");
    repo.git(&["checkout", "-q", "-b", "change"]);
    repo
}

fn edit(repo: &Repo, path: &str, from: &str, to: &str) {
    let text = repo.read(path);
    assert!(text.contains(from), "{from}");
    repo.write(path, &text.replacen(from, to, 1));
}

/// The run of a pull request.
fn request(repo: &Repo, more: &[&str]) -> crate::support::Done {
    repo.orgo(&[&["run", "elements", "--lane", "request", "--base", "main", "--json"], more].concat())
}

fn facts(repo: &Repo, run: &Value) -> Value {
    let number = run["record"]["number"].to_string();
    let show = ["record", "show", &number, "--branch", "orgo/local", "--json"];
    repo.orgo(&show).ok().json()["statement"]["predicate"]["facts"].clone()
}

fn problem(told: &Value) -> (&str, &str) {
    let problem = &told["problems"][0];
    (problem["code"].as_str().unwrap_or_default(), problem["message"].as_str().unwrap())
}

#[test]
fn a_branch_that_adds_a_stage_widens_the_network_and_weakens_the_mandate_is_held_to_the_base() {
    let repo = repo();
    let added = "    stage \"fetch\" { files \"data/registry.jsonl\"; run \"cp\" \"data/registry.jsonl\" \"o\"; out \"o\" }\n}\n";
    let pipeline = repo.read("pipelines/elements.kdl");
    repo.write("pipelines/elements.kdl", &format!("{}{added}", pipeline.trim_end().strip_suffix('}').unwrap()));
    edit(
        &repo,
        "pipelines/elements.kdl",
        "map \"maps/elements.kdl\"",
        "map \"maps/elements.kdl\"\n        network \"host\"",
    );
    edit(&repo, "mandates/reference-data/gate.cedar", RULE, "");
    edit(&repo, "mandates/reference-data/mandate.kdl", "version=2", "version=3");
    repo.commit("more");

    // The report shows all three.
    let report = repo.orgo(&["diff", "main..change", "--format", "markdown"]).ok().stdout;
    crate::diff::snapshot("walkthrough_markdown", &report);
    let told = repo.orgo(&["diff", "main..change", "--json"]).ok().json();
    let kinds: Vec<&str> = told["findings"].as_array().unwrap().iter().map(|f| f["kind"].as_str().unwrap()).collect();
    for kind in ["network", "mandate", "stage-added"] {
        assert!(kinds.contains(&kind), "{told}");
    }

    // The network is what the base grants.
    let refused = request(&repo, &[]).exits(1).json();
    let (code, message) = problem(&refused);
    assert_eq!(code, "UNTRUSTED_DEFINITION", "{refused}");
    assert!(message.contains("`claims` takes the network of the host"), "{message}");

    // Without it the run begins, and the rule that the branch took away refuses.
    edit(&repo, "pipelines/elements.kdl", "        network \"host\"\n", "");
    repo.commit("no network");
    let run = request(&repo, &[]).exits(1).json();
    assert_eq!((&run["code"], &run["record"]["lane"]), (&"POLICY_REFUSED".into(), &"request".into()), "{run}");
    let facts = facts(&repo, &run);
    assert_eq!(facts["source"]["base"], repo.git(&["rev-parse", "main"]).trim());
    let gate = facts["gates"].as_array().unwrap().iter().find(|g| g["stage"] == "pack").unwrap();
    assert_eq!(gate["policies"], serde_json::json!(["exchanges-only"]), "{gate}");
    repo.git(&["checkout", "-q", "main"]);
    let of_base = repo.orgo(&["mandate", "show", "reference-data", "--json"]).ok().json()["mandate"].clone();
    assert_eq!(facts["mandate_ref"], of_base, "the mandate in force is that of the base");
    repo.git(&["checkout", "-q", "change"]);

    // The branch by itself would let it pass.
    let own = repo.orgo(&["run", "elements", "--json"]).ok().json();
    assert_eq!((&own["succeeded"], &own["record"]["lane"]), (&true.into(), &"local".into()), "{own}");
    let report = repo.orgo(&["verify", "--branch", "orgo/local", "--json"]).ok().json();
    assert_eq!(report["findings"], serde_json::json!([]), "{report}");
}

#[test]
fn a_branch_that_drops_its_mandate_is_governed_all_the_same() {
    let repo = repo();
    edit(&repo, "pipelines/elements.kdl", " mandate=\"reference-data\"", "");
    repo.commit("free");
    let done = request(&repo, &[]).exits(1);
    assert!(done.stderr.contains("governed by the mandate `reference-data`, which is in force"), "{}", done.stderr);
    assert_eq!(done.json()["code"], "POLICY_REFUSED");
    repo.orgo(&["run", "elements", "--json"]).ok();
}

#[test]
fn a_mandate_that_the_base_does_not_have_is_not_brought_along() {
    let repo = repo();
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["rm", "-rqf", "mandates"]);
    repo.commit("gone");
    repo.git(&["checkout", "-q", "change"]);
    let refused = request(&repo, &[]).exits(1).json();
    assert_eq!(problem(&refused).0, "MANDATE_MISSING", "{refused}");
}

#[test]
fn the_settings_of_the_project_are_those_of_the_base() {
    let repo = repo();
    repo.git(&["checkout", "-q", "main"]);
    let project = repo.read("orgo.kdl");
    repo.write("orgo.kdl", "project \"elements\" { mandate-required #true }\n");
    repo.commit("a mandate is demanded");
    repo.git(&["checkout", "-q", "change"]);
    repo.write("orgo.kdl", &project);
    let refused = request(&repo, &[]).exits(1).json();
    assert_eq!(problem(&refused).0, "MANDATE_MISSING", "none is active: {refused}");
}

#[test]
fn a_base_that_cannot_be_read_grants_nothing() {
    let repo = repo();
    repo.git(&["checkout", "-q", "main"]);
    repo.write("pipelines/other.kdl", "pipeline {");
    repo.commit("broken");
    repo.git(&["checkout", "-q", "change"]);
    let refused = request(&repo, &[]).exits(1).json();
    let (code, message) = problem(&refused);
    assert_eq!(code, "UNTRUSTED_DEFINITION", "{refused}");
    assert!(message.contains("`pipelines/other.kdl` of the base `main`"), "{message}");
    let none = repo.orgo(&["run", "elements", "--lane", "request", "--json"]).exits(2).json();
    assert!(problem(&none).1.contains("judged by its base"), "{none}");
    let unknown = repo.orgo(&["run", "elements", "--lane", "request", "--base", "nowhere", "--json"]).exits(2).json();
    assert!(problem(&unknown).1.contains("no commit"), "{unknown}");
}

#[test]
fn a_stage_that_differs_gets_no_secret_of_the_base() {
    let pipeline = r#"pipeline "p" { stage "s" { run "sh" "-c" "echo done > o"; secret "T" from="env:T"; out "o" } }"#;
    let repo = Repo::with_pipeline(pipeline);
    repo.git(&["checkout", "-q", "-b", "change"]);
    let run = |lane: &[&str]| repo.orgo_with(&[&["run", "--base", "main", "--json"], lane].concat(), &[("T", "value")]);
    run(&["--lane", "local"]).ok();
    let refused = run(&["--lane", "request"]).exits(1).json();
    assert_eq!(problem(&refused).0, "SECRET_NOT_ALLOWED", "a request has none");
    edit(&repo, "pipelines/p.kdl", "echo done", "echo $T");
    let refused = run(&["--lane", "local"]).exits(1).json();
    assert_eq!(problem(&refused).0, "UNTRUSTED_DEFINITION", "{refused}");
    repo.orgo_with(&["run", "--json"], &[("T", "value")]).ok();
}

#[test]
fn a_protected_run_is_its_own_base() {
    let repo = Repo::example("hello");
    repo.write(".gitignore", "/out/\n/.orgo/\n");
    repo.orgo(&["init"]).code.unwrap();
    repo.commit("ready");
    let run = repo.orgo(&["run", "hello", "--base", "HEAD~1", "--json"]).json();
    assert_eq!(run["record"]["lane"], "protected", "{run}");
    let spool =
        repo.orgo(&["run", "hello", "--lane", "request", "--base", "main", "--spool", "s", "--json"]).exits(2).json();
    assert!(problem(&spool).1.contains("only protected runs"), "{spool}");
}
