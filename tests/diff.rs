//! What a change does: the report that a pull request gets.

use serde_json::{Value, json};

use crate::support::{Repo, examples};

const PIPELINE: &str = r#"pipeline "p" mandate="m" {
    stage "build" {
        files "src/*.c"
        run "cp" "src/a.c" "o"
        out "o"
    }
    stage "test" {
        from "build"
        files "data/one.csv"
        run "cp" "in/build/o" "o"
        out "o"
    }
    stage "pack" {
        from "test"
        run "cp" "in/test/o" "o"
        out "o"
    }
    stage "other" {
        files "data/two.csv"
        run "cp" "data/two.csv" "o"
        out "o"
    }
}
"#;

const MANDATE: &str = r#"mandate "m" version=1 tenant="test" {
    mission "test"
    validation {
        validator "builtin"
    }
    record "always"
}
"#;

const POLICY: &str = "@id(\"what-passed\")\npermit (principal, action == Action::\"compile\", resource)\nwhen { context.report.status == \"passed\" };\n";

fn repo() -> Repo {
    let repo = Repo::empty();
    repo.write("orgo.kdl", "project \"test\"\n");
    repo.write("pipelines/p.kdl", PIPELINE);
    repo.write("mandates/m/mandate.kdl", MANDATE);
    repo.write("mandates/m/gate.cedar", POLICY);
    repo.write("src/a.c", "int main() {}\n");
    repo.write("data/one.csv", "a,b\n1,2\n");
    repo.write("data/two.csv", "c,d\n3,4\n");
    repo.write("README", "hello\n");
    repo.commit("first");
    repo.git(&["checkout", "-q", "-b", "change"]);
    repo
}

/// A branch that adds a stage, widens network access and weakens the mandate.
fn weakened() -> Repo {
    let repo = repo();
    let added = "    stage \"fetch\" {\n        run \"cp\" \"<b>|`@x\" \"o\"\n        out \"o\"\n    }\n}\n";
    let pipeline = PIPELINE.replace("from \"test\"\n", "from \"test\"\n        network \"host\"\n");
    repo.write("pipelines/p.kdl", &format!("{}{added}", pipeline.strip_suffix("}\n").unwrap()));
    let accepts = format!("validator \"builtin\"\n        ruleset \"r.kdl\" sha256=\"sha256:{}\"", "a".repeat(64));
    repo.write(
        "mandates/m/mandate.kdl",
        &MANDATE.replace("validator \"builtin\"", &accepts).replace("always", "changed"),
    );
    repo.write("src/a.c", "int main() { return 0; }\n");
    repo.commit("second");
    repo
}

pub fn snapshot(name: &str, text: &str) {
    let text = without_commits(text);
    insta::with_settings!({ snapshot_path => "../snapshots/cli", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

/// The text with the ids of commits left out.
fn without_commits(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let hex = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        if matches!(hex.len(), 12 | 40) && hex.chars().any(|c| c.is_ascii_digit()) {
            out.push_str("[commit]");
            out.push_str(&word[hex.len()..]);
        } else {
            out.push_str(word);
        }
    }
    out
}

#[test]
fn a_weaker_change_is_told_in_every_form() {
    let repo = weakened();
    let told = |form: &str| repo.orgo(&["diff", "main..change", "--format", form]).ok().stdout;
    let text = told("text");
    for line in ["the stage may use the network of the host", "a stage is added", "gates accept one more rule set"] {
        assert!(text.contains(line), "{text}");
    }
    let first = text.lines().position(|l| l.starts_with("neutral")).unwrap();
    let last = text.lines().enumerate().filter(|(_, l)| l.starts_with("WEAKER")).map(|(i, _)| i).max().unwrap();
    assert!(last < first, "weaker comes first: {text}");
    snapshot("diff_text", &text);
    snapshot("diff_markdown", &told("markdown"));
    snapshot("diff_json", &told("json"));
    snapshot("diff_github", &told("github"));
    snapshot("diff_gitlab", &told("gitlab"));
    snapshot("diff_sarif", &told("sarif"));
}

#[test]
fn weaker_changes_are_refused_where_that_is_asked_for() {
    let repo = weakened();
    repo.orgo(&["diff", "main..change", "--fail-on", "weakened"]).exits(1);
    repo.orgo(&["diff", "main..change", "--fail-on", "weakened", "--json"]).exits(1).json();
    repo.orgo(&["diff", "change..main", "--fail-on", "weakened"]).ok();
    repo.orgo(&["diff", "change..main", "--fail-on", "unclear"]).exits(1);
}

#[test]
fn where_nothing_changes_that_is_said() {
    let repo = repo();
    for range in ["main..change", "main...change", "main", "HEAD", "..", "main.."] {
        let done = repo.orgo(&["diff", range, "--fail-on", "unclear"]).ok();
        assert!(done.stdout.contains("nothing changes\n"), "{range}: {}", done.stdout);
        assert_eq!(repo.orgo(&["affected", range]).ok().stdout, "", "{range}");
    }
    repo.write("README", "more\n");
    let done = repo.orgo(&["diff", "main"]).ok();
    assert!(done.stdout.contains("nothing changes: 1 file differs that nothing reads"), "{}", done.stdout);
    assert!(repo.orgo(&["diff", "main", "--format", "markdown"]).ok().stdout.contains("nothing changes."));
}

#[test]
fn a_changed_cell_lists_exactly_the_stages_that_depend_on_it() {
    let repo = repo();
    repo.write("data/one.csv", "a,b\n1,3\n");
    let affected = |range: &str| repo.orgo(&["affected", range]).ok().stdout;
    assert_eq!(affected("main"), "p test\np pack\n", "the working folder");
    repo.commit("second");
    assert_eq!(affected("main..HEAD"), "p test\np pack\n");
    assert_eq!(repo.orgo(&["affected", "main..", "--pipelines"]).ok().stdout, "p\n");
    let json = repo.orgo(&["affected", "main..HEAD", "--json"]).ok().json();
    assert_eq!(
        json["pipelines"][0]["stages"],
        json!([
            { "stage": "test", "certain": true, "because": [{ "reason": "files", "paths": ["data/one.csv"] }] },
            { "stage": "pack", "certain": false, "because": [{ "reason": "upstream", "stages": ["test"] }] },
        ])
    );
    // What is foretold is what runs.
    repo.git(&["checkout", "-q", "main"]);
    repo.orgo(&["run"]).ok();
    repo.git(&["checkout", "-q", "change"]);
    let ran = repo.orgo(&["run", "--json"]).ok().json();
    let hits: Vec<&Value> = ran["stages"].as_array().unwrap().iter().filter(|s| s["state"] == "hit").collect();
    let hits: Vec<&str> = hits.iter().map(|s| s["stage"].as_str().unwrap()).collect();
    assert_eq!(hits, ["build", "pack", "other"], "`test` came out as before, so `pack` did not run");
}

#[test]
fn a_renamed_file_is_told_as_one_and_runs_what_read_it() {
    let repo = repo();
    repo.git(&["mv", "src/a.c", "src/b.c"]);
    repo.commit("second");
    let json = repo.orgo(&["diff", "main..HEAD", "--json"]).ok().json();
    assert_eq!(json["files"], json!([{ "path": "src/b.c", "change": "renamed", "from": "src/a.c" }]));
    assert_eq!(repo.orgo(&["affected", "main..HEAD"]).ok().stdout, "p build\np test\np pack\n");
}

#[test]
fn a_branch_is_compared_with_where_it_began() {
    let repo = repo();
    repo.write("data/one.csv", "changed\n");
    repo.commit("second");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("data/two.csv", "changed\n");
    repo.commit("third");
    assert_eq!(repo.orgo(&["affected", "main..change"]).ok().stdout, "p test\np pack\np other\n");
    assert_eq!(repo.orgo(&["affected", "main...change"]).ok().stdout, "p test\np pack\n");
    let done = repo.orgo(&["diff", "none..change"]).exits(2);
    assert!(done.stderr.contains("nothing here is called `none`"), "{}", done.stderr);
}

#[test]
fn a_broken_head_is_told_with_its_errors() {
    let repo = repo();
    repo.write("pipelines/p.kdl", &PIPELINE.replace("from \"test\"", "form \"test\""));
    repo.write("mandates/m/mandate.kdl", &MANDATE.replace("\"always\"", "\"changed\""));
    repo.commit("second");
    for (range, form) in [("main..HEAD", "text"), ("main", "markdown"), ("main..HEAD", "github")] {
        let done = repo.orgo(&["diff", range, "--format", form]).exits(2);
        assert!(done.stderr.contains("FIELD_UNKNOWN"), "{}", done.stderr);
        assert!(done.stdout.contains("when a run adds a record"), "the rest is told: {}", done.stdout);
        assert!(!done.stdout.contains("is removed"), "nothing is known of the pipeline: {}", done.stdout);
    }
    let json = repo.orgo(&["diff", "main..HEAD", "--json"]).exits(2).json();
    assert_eq!(json["problems"][0]["code"], "FIELD_UNKNOWN");
    assert_eq!(json["problems"][0]["place"], json!({ "file": "pipelines/p.kdl", "line": 14, "column": 9 }));
    assert_eq!(repo.orgo(&["affected", "main..HEAD", "--json"]).exits(2).json()["complete"], false);
}

#[test]
fn problems_are_annotations_where_that_is_asked_for() {
    let repo = Repo::with_pipeline("pipeline \"p\" {\n    stage \"a\" {\n        rn \"x\"\n    }\n}\n");
    let github = repo.orgo(&["check", "--format", "github"]).exits(2);
    assert!(github.stdout.starts_with("::error file=pipelines/p.kdl,line="), "{}", github.stdout);
    assert!(github.stderr.contains("FIELD_UNKNOWN"), "people are told too: {}", github.stderr);
    let gitlab = repo.orgo(&["check", "--format", "gitlab"]).exits(2).json();
    assert_eq!(gitlab[0]["severity"], "blocker");
    let sarif = repo.orgo(&["check", "--format", "sarif"]).exits(2).json();
    sarif_shape(&sarif);
    assert_eq!(sarif["runs"][0]["results"][0]["level"], "error");
    repo.write("pipelines/p.kdl", "pipeline \"p\" { stage \"a\" { run \"true\" } }\n");
    let sarif = repo.orgo(&["check", "--format", "sarif"]).ok().json();
    assert_eq!(sarif["runs"][0]["results"], json!([]));
    assert_eq!(repo.orgo(&["check", "--format", "github"]).ok().stdout, "");
}

#[test]
fn what_is_printed_for_programs_has_the_shape_that_is_published() {
    let repo = weakened();
    let told = |form: &str| repo.orgo(&["diff", "main..change", "--format", form]).ok().json();
    let schema = std::fs::read_to_string(examples().join("../schemas/review.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let review = told("json");
    let errors: Vec<String> = validator.iter_errors(&review).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    sarif_shape(&told("sarif"));
    let issues = told("gitlab");
    let mut prints: Vec<&str> = issues.as_array().unwrap().iter().map(|i| i["fingerprint"].as_str().unwrap()).collect();
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), issues.as_array().unwrap().len(), "each issue has a fingerprint of its own");
}

/// The part of the schema of SARIF 2.1.0 (OASIS) that we use: names, types and words as they are there.
fn sarif_shape(log: &Value) {
    let schema: Value = serde_json::from_str(include_str!("shapes/sarif.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(log).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
    }
}

#[test]
fn the_time_comes_from_what_was_measured() {
    let repo = repo();
    repo.write("data/one.csv", "a,b\n1,3\n");
    repo.commit("second");
    let text = |repo: &Repo| repo.orgo(&["diff", "main..HEAD"]).ok().stdout;
    assert!(text(&repo).contains("time: unknown, nothing was measured here"), "{}", text(&repo));
    repo.orgo(&["run"]).ok();
    assert!(text(&repo).contains("(by: workspace)"), "{}", text(&repo));
    std::fs::remove_dir_all(repo.root().join(".orgo/state")).unwrap();
    assert!(text(&repo).contains("(by: records of orgo/local)"), "{}", text(&repo));
    let json = repo.orgo(&["diff", "main..HEAD", "--json"]).ok().json();
    assert_eq!(json["pipelines"][0]["estimate"]["unknown"], 0, "{json}");
}

#[test]
fn a_review_reads_commits_and_never_the_working_folder() {
    let repo = weakened();
    let before = repo.orgo(&["diff", "main..change"]).ok().stdout;
    for path in ["orgo.kdl", "pipelines/p.kdl", "mandates/m/mandate.kdl"] {
        repo.write(path, "broken {");
    }
    assert_eq!(repo.orgo(&["diff", "main..change"]).ok().stdout, before);
    repo.git(&["rm", "-rqf", "."]);
    assert_eq!(repo.orgo(&["diff", "main..change"]).ok().stdout, before);
}

#[test]
fn a_project_in_a_folder_is_compared_with_itself() {
    let repo = Repo::empty();
    repo.write("unrelated", "1");
    repo.write("sub/orgo.kdl", "project \"test\"\n");
    repo.write(
        "sub/pipelines/p.kdl",
        "pipeline \"p\" { stage \"a\" { files \"f\"; run \"cp\" \"f\" \"o\"; out \"o\" } }\n",
    );
    repo.write("sub/f", "1");
    repo.commit("first");
    repo.write("sub/f", "2");
    repo.write("unrelated", "2");
    repo.write(
        "sub/pipelines/p.kdl",
        "pipeline \"p\" { stage \"a\" { files \"f\"; run \"cp\" \"f\" \"o\"; out \"o\"; network \"host\" } }\n",
    );
    let json = repo.orgo(&["-C", "sub", "diff", "HEAD~0", "--json"]).ok().json();
    assert_eq!(json["files"].as_array().unwrap().len(), 2, "{json}");
    assert_eq!(json["findings"][0]["place"]["file"], "sub/pipelines/p.kdl");
    assert_eq!(json["pipelines"][0]["stages"][0]["rerun"]["because"][0]["paths"], json!(["f"]));
}

#[test]
fn a_large_graph_shows_what_changed_and_its_neighbours() {
    let stage = |i: usize, more: &str| match i {
        0 => format!("stage \"s0\" {{ run \"true\"; out \"o\"{more} }}\n"),
        i => format!("stage \"s{i}\" {{ from \"s{}\"; run \"true\"; out \"o\"{more} }}\n", i - 1),
    };
    let pipeline = |more: &str| {
        let stages: String = (0..100).map(|i| stage(i, if i == 50 { more } else { "" })).collect();
        format!("pipeline \"p\" {{\n{stages}}}\n")
    };
    let repo = Repo::with_pipeline(&pipeline(""));
    repo.write("pipelines/p.kdl", &pipeline("; retries 2"));
    let page = repo.orgo(&["diff", "HEAD", "--format", "markdown"]).ok().stdout;
    let nodes = page.lines().filter(|l| l.trim_start().starts_with('s') && l.contains("[\"")).count();
    assert_eq!(nodes, 3, "{page}");
    assert!(page.contains("97 stages that are not next to a change are left out"), "{page}");
}

#[test]
fn the_example_tells_a_lost_rule_a_withdrawn_decision_and_a_policy_turned_round() {
    let repo = Repo::example("elements");
    let rules = repo.read("rules/elements.kdl");
    repo.write("rules/elements.kdl", &rules.replace("    required property=\"symbol\"\n", ""));
    let decisions = repo.read("decisions/density.kdl");
    let first = decisions.lines().find(|l| !l.starts_with("//") && !l.is_empty()).unwrap();
    repo.write("decisions/density.kdl", &decisions.replace(&format!("{first}\n"), ""));
    let policy = repo.read("mandates/reference-data/gate.cedar");
    repo.write("mandates/reference-data/gate.cedar", &policy.replace("forbid", "permit"));
    let text = repo.orgo(&["diff", "HEAD"]).ok().stdout;
    let weaker = text.lines().filter(|l| l.starts_with("WEAKER") && l.contains("the policy `")).count();
    assert_eq!(weaker, 3, "what was forbidden is permitted: {text}");
    assert!(["19", "20"].iter().any(|line| text.contains(&format!("gate.cedar:{line}\n"))), "{text}");
    assert!(text.contains("the rule `required/symbol` is removed"), "{text}");
    assert!(text.contains("a steward's decision is withdrawn"), "{text}");
    let affected = repo.orgo(&["affected", "HEAD"]).ok().stdout;
    assert_eq!(affected, "elements decided\nelements report\nelements canon\nelements pack\n");
}

#[test]
fn a_link_hides_nothing_from_a_review() {
    let repo = repo();
    repo.write("elsewhere/q.kdl", "pipeline \"q\" { stage \"a\" { run \"x\"; network \"host\" } }\n");
    std::os::unix::fs::symlink("../elsewhere/q.kdl", repo.root().join("pipelines/q.kdl")).unwrap();
    for range in ["main", "main..HEAD"] {
        repo.commit("second");
        let json = repo.orgo(&["diff", range, "--json"]).exits(2).json();
        assert_eq!(json["problems"][0]["place"]["file"], "pipelines/q.kdl", "{json}");
    }
}

#[test]
fn a_tag_does_not_decide_what_a_branch_is_compared_with() {
    let repo = weakened();
    repo.git(&["tag", "main", "change"]);
    let done = repo.orgo(&["diff", "main..change"]).exits(3);
    assert!(done.stderr.contains("REF_AMBIGUOUS"), "{}", done.stderr);
    repo.orgo(&["diff", "refs/heads/main..change", "--fail-on", "weakened"]).exits(1);
}
