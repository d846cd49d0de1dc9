use std::path::PathBuf;

use orgo_spec::pipeline::CompileTool;

use super::*;

/// A working folder as the runner makes it.
struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a temporary folder") }
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    /// Places what another stage wrote at `in/<stage>/<output>`.
    fn take(&self, stage: &str, from: &Self, tool: &str) {
        let output = outputs(tool)[0];
        copy(&from.root.path().join(output), &self.root.path().join("in").join(stage).join(output));
    }

    fn run(&self, tool: &str, inputs: &[&str], config: &serde_json::Value) -> Result<(), ReasonCode> {
        let inputs: BTreeMap<_, _> = inputs.iter().map(|name| (*name, format!("in/{name}"))).collect();
        let config =
            serde_json::json!({ "tool": tool, "stage": "s", "pipeline": "p", "inputs": inputs, "config": config });
        self.put(".orgo/config.json", &config.to_string());
        run(tool, self.root.path()).map_err(|e| e.code)
    }

    fn files(&self, tool: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        list(&self.root.path().join(outputs(tool)[0]), &mut files);
        files.sort();
        files
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("writable");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("readable").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("readable").path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}

const REGISTRY: &str = r#"{"id":"P9000001","kind":"property","label":{"en":"mass"},"keys":{"name":"mass"}}
{"id":"Q4000000001","kind":"item","label":{"en":"Hydrogen"},"keys":{"symbol":"H"}}
"#;
const MAP: &str = r#"source "a" { subject column="s" key="symbol"; column "m" property="mass" datatype="quantity" }
source "b" { subject column="s" key="symbol"; column "m" property="mass" datatype="quantity" }
"#;
const RULES: &str = r#"rules "r" version="1" { functional property="mass" tolerance="0.01" }"#;
const DECISION: &str = r#"prefer subject="H" property="mass" source="a" value="1.0" against="2.0" by="t@example" reason="test"
"#;

/// Runs every stage before compile; the bench of each, by tool.
fn spine(decisions: &str) -> BTreeMap<&'static str, Bench> {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let mut benches = BTreeMap::new();
    let ingest = Bench::new();
    ingest.put("data/a.csv", "s,m\nH,1.0\n");
    ingest.put("data/b.csv", "s,m\nH,2.0\n");
    let sources = r#"{"sources":[
        {"name":"a","file":"data/a.csv","license":"MIT","version":"1","retrieved_at":"2026-01-01T00:00:00Z"},
        {"name":"b","file":"data/b.csv","license":"MIT","version":"1","retrieved_at":"2026-01-02T00:00:00Z"}]}"#;
    assert_eq!(ingest.run("ingest", &[], &json(sources)), Ok(()));
    let extract = Bench::new();
    extract.put("maps/m.kdl", MAP);
    extract.take("snaps", &ingest, "ingest");
    assert_eq!(extract.run("extract", &["snaps"], &json(r#"{"map":"maps/m.kdl"}"#)), Ok(()));
    let resolve = Bench::new();
    resolve.put("data/registry.jsonl", REGISTRY);
    resolve.take("claims", &extract, "extract");
    assert_eq!(resolve.run("resolve", &["claims"], &json(r#"{"registry":"data/registry.jsonl"}"#)), Ok(()));
    let decide = Bench::new();
    decide.put("decisions/d.kdl", decisions);
    decide.take("resolved", &resolve, "resolve");
    assert_eq!(decide.run("decide", &["resolved"], &json(r#"{"decisions":["decisions/d.kdl"]}"#)), Ok(()));
    let validate = Bench::new();
    validate.put("rules/r.kdl", RULES);
    validate.take("decided", &decide, "decide");
    validate.take("snaps", &ingest, "ingest");
    assert_eq!(validate.run("validate", &["decided", "snaps"], &json(r#"{"rules":"rules/r.kdl"}"#)), Ok(()));
    for (tool, bench) in
        [("ingest", ingest), ("extract", extract), ("resolve", resolve), ("decide", decide), ("validate", validate)]
    {
        benches.insert(tool, bench);
    }
    benches
}

fn compile(spine: &BTreeMap<&'static str, Bench>, report: &Bench) -> (Bench, Result<(), ReasonCode>) {
    let bench = Bench::new();
    bench.take("decided", &spine["decide"], "decide");
    bench.take("report", report, "validate");
    let done = bench.run("compile-exchange", &["decided", "report"], &serde_json::json!({}));
    (bench, done)
}

#[test]
fn the_spine_runs_as_processes_do() {
    let spine = spine(DECISION);
    let (canon, done) = compile(&spine, &spine["validate"]);
    assert_eq!(done, Ok(()));
    let pack = Bench::new();
    pack.take("canon", &canon, "compile-exchange");
    pack.take("report", &spine["validate"], "validate");
    assert_eq!(pack.run("compile-pack", &["canon", "report"], &serde_json::Value::Null), Ok(()));
    let opened = orgo_knowledge::pack::Pack::open(&Folder::new(&pack.root.path().join("pack"))).expect("verifies");
    let answer = orgo_knowledge::query::about(&opened, "Hydrogen", None).expect("answers");
    assert_eq!(answer.claims.iter().map(|c| c.value.as_str()).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn a_failed_report_is_a_result_but_nothing_is_compiled_on_it() {
    let spine = spine("");
    assert_eq!(spine["validate"].files("validate").len(), 1, "the stage succeeds, the report says failed");
    let (bench, done) = compile(&spine, &spine["validate"]);
    assert_eq!(done, Err(ReasonCode::ValidationFailed));
    assert_eq!(bench.files("compile-exchange"), Vec::<PathBuf>::new());
}

#[test]
fn a_report_about_another_batch_is_refused() {
    let (failing, passing) = (spine(""), spine(DECISION));
    let (bench, done) = compile(&failing, &passing["validate"]);
    assert_eq!(done, Err(ReasonCode::SubjectMismatch));
    assert_eq!(bench.files("compile-exchange"), Vec::<PathBuf>::new());

    let (canon, _) = compile(&passing, &passing["validate"]);
    let pack = Bench::new();
    pack.take("canon", &canon, "compile-exchange");
    pack.take("report", &failing["validate"], "validate");
    assert!(pack.run("compile-pack", &["canon", "report"], &serde_json::json!({})).is_err());
    assert_eq!(pack.files("compile-pack"), Vec::<PathBuf>::new());
}

#[test]
fn a_tool_without_its_inputs_says_what_to_add() {
    let spine = spine("");
    let bench = Bench::new();
    bench.take("decided", &spine["decide"], "decide");
    assert_eq!(bench.run("compile-exchange", &["decided"], &serde_json::json!({})), Err(ReasonCode::ReportMissing));
    bench.put("rules/r.kdl", RULES);
    let rules = serde_json::json!({ "rules": "rules/r.kdl" });
    assert_eq!(bench.run("validate", &["decided"], &rules), Err(ReasonCode::InputMissing));
    let error = run("validate", bench.root.path()).expect_err("no snapshots");
    assert!(error.message.contains("set.json") && error.message.contains("`from`"), "{error}");
    assert_eq!(run("average", bench.root.path()).map_err(|e| e.code), Err(ReasonCode::ToolMissing));
    let unknown = bench.run("validate", &["decided"], &serde_json::json!({ "rules": "rules/r.kdl", "lax": true }));
    assert_eq!(unknown, Err(ReasonCode::DocumentInvalid));
}

#[test]
fn outputs_are_those_that_plans_declare() {
    for tool in [CompileTool::CompileExchange, CompileTool::CompilePack] {
        assert_eq!(outputs(tool.name()), [tool.output()]);
    }
}
