//! Two syntaxes, one layout: documents in YAML, `orgo convert`, `orgo fmt`.

use std::os::unix::fs::PermissionsExt;

use crate::support::Repo;

/// The example with every document that may be, in YAML.
fn elements_in_yaml() -> Repo {
    let repo = Repo::example("elements");
    for path in ["orgo", "pipelines/elements", "mandates/reference-data/mandate", "blueprints/elements"] {
        repo.orgo(&["convert", &format!("{path}.kdl"), "--to", "yaml", "--replace"]).ok();
        assert!(repo.exists(&format!("{path}.yaml")) && !repo.exists(&format!("{path}.kdl")));
    }
    repo.commit("yaml");
    repo
}

#[test]
fn a_repository_in_yaml_declares_the_same_and_runs() {
    let declared = |repo: &Repo| repo.orgo(&["check", "--json"]).ok().json();
    let (kdl, yaml) = (Repo::example("elements"), elements_in_yaml());
    assert_eq!(declared(&kdl), declared(&yaml));
    let (kdl, yaml) = (kdl.orgo(&["plan", "--json"]).ok().json(), yaml.orgo(&["plan", "--json"]).ok().json());
    assert_eq!(kdl["stages"], yaml["stages"], "the same keys");
}

#[test]
fn documents_in_yaml_govern_a_run() {
    let repo = elements_in_yaml();
    repo.orgo(&["run", "elements"]).ok();
    repo.orgo(&["verify"]).ok();
    let mandate = repo
        .read("mandates/reference-data/mandate.yaml")
        .replace("isolation-minimum: open", "isolation-minimum: hermetic");
    repo.write("mandates/reference-data/mandate.yaml", &mandate);
    assert!(repo.orgo(&["run", "elements", "--force"]).exits(1).stderr.contains("ISOLATION_TOO_WEAK"));
}

#[test]
fn a_document_in_both_syntaxes_is_refused_naming_both() {
    let repo = Repo::with_pipeline("pipeline \"p\" {\n    stage \"s\" { run \"true\"; }\n}\n");
    repo.write("pipelines/q.yaml", "pipeline p:\n  stage s:\n    run: [\"true\"]\n");
    let refused = repo.orgo(&["check"]).exits(2).stderr;
    assert!(refused.contains("`pipelines/p.kdl` and `pipelines/q.yaml` both declare"), "{refused}");
    assert!(refused.contains("FIELD_DUPLICATE"), "{refused}");
    repo.write("orgo.yml", "project: test\n");
    let refused = repo.orgo(&["check"]).exits(2).stderr;
    assert!(refused.contains("`orgo.kdl` and `orgo.yml` are both there"), "{refused}");
}

#[test]
fn mistakes_in_yaml_are_shown_in_yaml() {
    let repo = Repo::empty();
    repo.write("orgo.yaml", "project: test\n");
    repo.write(
        "pipelines/p.yml",
        "pipeline p:\n  stage a:\n    run: [x]\n    timeout: 10\n  stage a: {}\n  stage b: {}\n",
    );
    repo.commit("first");
    let json = repo.orgo(&["check", "--json"]).exits(2).json();
    let problem = &json["problems"][0];
    assert_eq!((problem["code"].as_str(), problem["line"].as_u64()), (Some("FIELD_DUPLICATE"), Some(5)));
    repo.write("pipelines/p.yml", "pipeline p:\n  stage a:\n    timeout: 10\n  stage b: {}\n");
    let text = repo.orgo(&["check"]).exits(2).stderr;
    assert!(text.contains("add `run: [program, argument]`, or `uses: …`"), "{text}");
}

#[test]
fn documents_are_laid_out_in_place_and_what_does_not_parse_is_left() {
    let repo = Repo::with_pipeline("pipeline p   {\n  stage s { run \"true\" } // why\n}\n");
    let path = repo.root().join("pipelines/p.kdl");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    repo.write("pipelines/broken.kdl", "pipeline \"q\" {\n");
    repo.write("pipelines/y.yaml", "pipeline   y: {}\n");
    let before = repo.read("pipelines/p.kdl");
    let check = repo.orgo(&["fmt", "--check", "pipelines/p.kdl"]).exits(1);
    assert!(
        check.stdout.contains("-pipeline p   {\n") && check.stdout.contains("+pipeline \"p\" {\n"),
        "{}",
        check.stdout
    );
    assert!(check.stderr.contains("not laid out: pipelines/p.kdl"), "{}", check.stderr);
    repo.orgo(&["fmt", "--diff", "pipelines/p.kdl"]).ok();
    assert_eq!(repo.read("pipelines/p.kdl"), before, "nothing was written");

    let done = repo.orgo(&["fmt"]).exits(2);
    assert!(done.stderr.contains("pipelines/broken.kdl:") && done.stderr.contains("left alone"), "{}", done.stderr);
    assert_eq!(repo.read("pipelines/p.kdl"), "pipeline \"p\" {\n    stage \"s\" { run \"true\" } // why\n}\n");
    assert_eq!(repo.read("pipelines/broken.kdl"), "pipeline \"q\" {\n");
    assert_eq!(repo.read("pipelines/y.yaml"), "pipeline   y: {}\n");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    repo.orgo(&["fmt", "--check", "pipelines/p.kdl", "orgo.kdl"]).ok();
}

#[test]
fn what_a_conversion_loses_is_said() {
    let repo = Repo::with_pipeline(
        "// top\npipeline \"p\" {\n    /- stage \"t\" { run \"x\"; }\n    stage \"s\" { run \"true\"; }\n}\n",
    );
    let done = repo.orgo(&["convert", "pipelines/p.kdl", "--to", "yaml"]).ok();
    assert_eq!(done.stdout, "# top\npipeline p:\n  stage s:\n    run: \"true\"\n");
    assert!(done.stderr.contains("line 3 of `pipelines/p.kdl`"), "{}", done.stderr);
    repo.orgo(&["convert", "pipelines/p.kdl", "--to", "kdl"]).exits(2);
    repo.orgo(&["convert", "README.md", "--to", "kdl"]).exits(2);
}
