//! What is too large for a ledger: the run is recorded all the same, and nothing is believed that is not there.

use serde_json::{Value, json};

use crate::support::Repo;

/// A report with so many errors, of some 250 bytes each.
fn report(errors: usize) -> String {
    let text = "x".repeat(160);
    let issue = json!({ "severity": "ERROR", "code": "RANGE_EXCEEDED", "message": text });
    let digest = format!("sha256:{}", "a".repeat(64));
    let report = json!({
        "schema_version": "3.0",
        "validation_status": "failed",
        "issues": vec![issue; errors],
        "stats": { "error_count": errors, "warning_count": 0, "info_count": 0 },
        "extensions": { "koa": {
            "counts": { "RANGE_EXCEEDED": errors },
            "decisions_digest": digest, "ruleset_digest": digest, "subject_digest": digest,
        } },
    });
    report.to_string()
}

fn repo(errors: usize) -> Repo {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" {
            stage "r" { files "data/report.json"; run "cp" "data/report.json" "report.json"; out "report.json" }
            gate "accept" on="r"
            stage "s" gate="accept" { from "r"; run "cp" "in/r/report.json" "o"; out "o" }
        }"#,
    );
    repo.write("data/report.json", &report(errors));
    repo.commit("a report");
    repo
}

fn gate(repo: &Repo, run: &Value) -> Value {
    let number = run["record"]["number"].to_string();
    let show = ["record", "show", &number, "--branch", "orgo/local", "--json"];
    repo.orgo(&show).ok().json()["statement"]["predicate"]["facts"]["gates"][0].clone()
}

#[test]
fn a_report_that_fits_is_kept_whole() {
    let repo = repo(9_000 / 2);
    let run = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(gate(&repo, &run)["evidence_refs"].as_array().unwrap().len(), 2, "facts and report");
    let verified = repo.orgo(&["verify", "--branch", "orgo/local", "--json"]).ok().json();
    assert_eq!(verified["findings"], json!([]), "{verified}");
}

#[test]
fn a_report_that_does_not_fit_is_recorded_with_an_excerpt_and_missed_by_verify() {
    let repo = repo(10_000);
    assert!(std::fs::metadata(repo.root().join("data/report.json")).unwrap().len() > 2 << 20);
    let run = repo.orgo(&["run", "--json"]).exits(1).json();
    let gate = gate(&repo, &run);
    assert!(gate["reason_codes"].as_array().unwrap().contains(&"VALIDATION_FAILED".into()), "{gate}");
    let refs: Vec<&str> = gate["evidence_refs"].as_array().unwrap().iter().map(|d| d.as_str().unwrap()).collect();
    assert_eq!(refs.len(), 3, "facts, report, excerpt");

    let tree = repo.git(&["ls-tree", "-r", "--name-only", "orgo/local"]);
    let path = |digest: &str| {
        let hex = digest.strip_prefix("sha256:").unwrap();
        tree.lines().find(|line| line.contains("evidence/") && line.replace('/', "").contains(hex)).map(str::to_owned)
    };
    assert_eq!(path(refs[1]), None, "the report itself is not there");
    let excerpt = repo.git(&["show", &format!("orgo/local:{}", path(refs[2]).unwrap())]);
    let excerpt: Value = serde_json::from_str(&excerpt).unwrap();
    assert_eq!(excerpt["counts"], json!({ "RANGE_EXCEEDED": "10000" }));
    assert_eq!((excerpt["issues"].as_array().unwrap().len(), &excerpt["report"]), (1000, &refs[1].into()));

    let verified = repo.orgo(&["verify", "--branch", "orgo/local", "--json"]).exits(1).json();
    assert_eq!(verified["verdict"], "incomplete", "{verified}");
    for finding in verified["findings"].as_array().unwrap() {
        assert_eq!(finding["code"], "EVIDENCE_MISSING", "{verified}");
        assert!(
            finding["message"].as_str().unwrap().contains(refs[1]),
            "nothing but the report is missing: {verified}"
        );
    }
}

#[test]
fn a_run_with_more_files_and_outputs_than_a_record_lists_names_their_lists() {
    let values = |letter: char| (0..34).map(|i| format!(" \"{letter}{i}\"")).collect::<String>();
    let repo = Repo::with_pipeline(&format!(
        r#"pipeline "p" {{
            stage "many" {{
                run "sh" "-c" "mkdir many; i=0; while [ $i -lt 9000 ]; do : > many/$i; i=$((i+1)); done"
                tool "mkdir"
                out "many"
                isolation "open"
            }}
            stage "one" {{ matrix {{ a{}; b{} }}; run "touch" "o"; out "o"; isolation "open" }}
        }}"#,
        values('a'),
        values('b')
    ));
    let run = repo.orgo(&["run", "--json"]).ok().json();
    let number = run["record"]["number"].to_string();
    let show = ["record", "show", &number, "--branch", "orgo/local", "--json"];
    let facts = repo.orgo(&show).ok().json()["statement"]["predicate"]["facts"].clone();
    let artifacts = facts["outputs"]["artifacts"].as_array().expect("outputs").clone();
    assert_eq!(artifacts.len(), 1, "{artifacts:?}");
    assert_eq!(artifacts[0]["name"], "(1157 outputs; this digest names their list)");
    let in_pages: u64 = facts["pages"].as_array().expect("pages").iter().map(|p| p["stages"].as_u64().unwrap()).sum();
    assert_eq!(in_pages, 1157);
    let digest = artifacts[0]["digest"].as_str().expect("a digest").strip_prefix("sha256:").expect("SHA-256");
    let list = repo.read(&format!(".orgo/store/sha256/{}/{}", &digest[..2], &digest[2..]));
    let list: Vec<Value> = serde_json::from_str(&list).expect("a list");
    assert_eq!(list.len(), 1157);
    assert!(list.iter().any(|a| a["name"] == "many"));
    repo.orgo(&["verify", "--branch", "orgo/local"]).ok();
    let again = repo.orgo(&["run"]).ok();
    assert!(again.stdout.contains("confirmed by record"), "{}", again.stdout);
}
