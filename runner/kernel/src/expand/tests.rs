//! What pipelines expand to, and what is refused.

mod lists;
mod shown;

use orgo_spec::pipeline::parse_pipelines;

use super::*;
use crate::graph::StageId;
use crate::plan::Action;

fn expand_text(text: &str) -> Result<Resolved, DocumentError> {
    let document = Document::new("pipelines/p.kdl", text);
    let pipelines = parse_pipelines(&document).expect("the document decodes");
    expand(&document, &pipelines[0])
}

fn codes(error: &DocumentError) -> Vec<ReasonCode> {
    error.problems().map(Problem::code).collect()
}

#[test]
fn every_edge_of_a_cycle_is_shown() {
    let error = expand_text(
        r#"pipeline "p" { stage "a" { from "c"; run "x" }
           stage "b" { after "a"; run "x" }
           stage "c" { from "b"; run "x" } }"#,
    )
    .expect_err("a cycle");
    assert_eq!(codes(&error), [ReasonCode::CycleInGraph]);
    let report = format!("{:?}", error.problems().next());
    for edge in ["`a` needs `c`", "`b` needs `a`", "`c` needs `b`"] {
        assert!(report.contains(edge), "{report}");
    }
}

#[test]
fn a_matrix_repeats_stages_and_binds_inside_each_combination() {
    let plan = expand_text(
        r#"pipeline "p" { matrix { os "linux"; cc "gcc" "clang" }
           stage "build" { run "${cc}" "-DOS=${os}"; out "bin/${cc}" }
           stage "test" { from "build"; run "sh" } }"#,
    )
    .expect("a plan");
    let names: Vec<_> = plan.stages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["build.linux.gcc", "test.linux.gcc", "build.linux.clang", "test.linux.clang"]);
    assert_eq!(plan.stages[2].action, Action::Run(vec!["clang".into(), "-DOS=linux".into()]));
    assert_eq!(*plan.stages[2].outs, ["bin/clang"]);
    assert_eq!(plan.graph.dependencies(StageId(3)), [StageId(2)]);
}

#[test]
fn names_that_the_matrix_makes_equal_are_refused() {
    let error = expand_text(
        r#"pipeline "p" { matrix { v "x" "x.x" }
           stage "a" { run "y" }
           stage "a.x" { run "y" } }"#,
    )
    .expect_err("two stages called a.x.x");
    assert_eq!(codes(&error), [ReasonCode::FieldDuplicate]);
}

#[test]
fn an_unknown_axis_is_an_error() {
    let error = expand_text(r#"pipeline "p" { stage "a" { run "${cc}" } }"#).expect_err("no axis");
    assert_eq!(codes(&error), [ReasonCode::DocumentInvalid]);
}

#[test]
fn outputs_keep_away_from_inputs() {
    for text in [
        r#"pipeline "p" { stage "a" { run "x"; files "src/a.c"; out "src" } }"#,
        r#"pipeline "p" { stage "a" { run "x"; out ".orgo/x" } }"#,
        r#"pipeline "p" { stage "a" { run "x"; out "o" }; stage "b" { from "a"; run "x"; out "in/a/y" } }"#,
        r#"pipeline "p" { stage "a" { run "x"; out "o" }; stage "b" { run "x"; out "o" }
           stage "c" { from "a" at="d"; from "b" at="d"; run "x" } }"#,
    ] {
        assert_eq!(codes(&expand_text(text).expect_err(text)), [ReasonCode::OutputConflict], "{text}");
    }
}

#[test]
fn a_gated_stage_waits_for_the_report_of_its_gate() {
    let plan = expand_text(
        r#"pipeline "p" { stage "r" { run "x"; out "report" }
           gate "g" on="r"
           stage "c" uses="compile-exchange" gate="g" }"#,
    )
    .expect("a plan");
    assert_eq!(plan.graph.dependencies(StageId(1)), [StageId(0)]);
    assert_eq!(plan.stages[1].gate, Some(0));
}
const FILES: [(&str, &str); 3] =
    [("cases.txt", "one\nTwo words\n\n"), ("rows.csv", "name,size\nsmall,1\nlarge,9\n"), ("twice.txt", "a\nb\na\n")];

fn with(text: &str, given: &[(&str, &str)]) -> Result<Resolved, DocumentError> {
    let document = Document::new("pipelines/p.kdl", text);
    let pipelines = parse_pipelines(&document)?;
    let parameters = given.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let read = |path: &RelativePath| {
        let found = FILES.iter().find(|(name, _)| *name == path.as_str());
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| NotRead {
            code: ReasonCode::InputMissing,
            message: "not there".to_owned(),
            help: "write it".to_owned(),
        })
    };
    expand_with(
        &pipelines[0],
        &Given { parameters: &parameters, lenient: false, read: &read, lists: &[], document: &document },
    )
}

fn names(plan: &Resolved) -> Vec<&str> {
    plan.stages.iter().map(|s| s.name.as_str()).collect()
}

fn refused(text: &str, given: &[(&str, &str)]) -> Vec<ReasonCode> {
    codes(&with(text, given).expect_err(text))
}

#[test]
fn combinations_are_left_out_and_added() {
    let plan = with(
        r#"pipeline "p" { matrix { v "1" "2"; os "linux" "mac"; exclude v="2" os="mac"; include v="3" os="bsd" }
           stage "t" { run "x" "${v}-${os}" } }"#,
        &[],
    )
    .expect("a plan");
    assert_eq!(names(&plan), ["t.1.linux", "t.1.mac", "t.2.linux", "t.3.bsd"]);
    assert_eq!(plan.stages[3].action, Action::Run(vec!["x".into(), "3-bsd".into()]));
    for (text, code) in [
        (r#"pipeline "p" { matrix { v "1"; exclude v="2" }; stage "t" { run "x" } }"#, ReasonCode::DocumentInvalid),
        (r#"pipeline "p" { matrix { v "1"; exclude v="1" }; stage "t" { run "x" } }"#, ReasonCode::DocumentInvalid),
        (r#"pipeline "p" { matrix { v "1"; exclude w="1" }; stage "t" { run "x" } }"#, ReasonCode::DocumentInvalid),
        (
            r#"pipeline "p" { matrix { v "1"; w "1"; include v="2" }; stage "t" { run "x" } }"#,
            ReasonCode::DocumentInvalid,
        ),
        (r#"pipeline "p" { matrix { v "1"; include v="1" }; stage "t" { run "x" } }"#, ReasonCode::FieldDuplicate),
        (r#"pipeline "p" { matrix { v "1"; v "2" }; stage "t" { run "x" } }"#, ReasonCode::FieldDuplicate),
    ] {
        assert_eq!(refused(text, &[]), [code], "{text}");
    }
}

#[test]
fn a_stage_with_axes_is_gathered_by_one_without_and_met_by_one_with_the_same() {
    let plan = with(
        r#"pipeline "p" {
           stage "build" { matrix { os "a" "b"; v "1" "2" }; run "x"; out "o" }
           stage "test" { matrix { os "a" "b" }; from "build"; run "x"; out "o" }
           stage "all" { from "test"; after "build"; run "x" } }"#,
        &[],
    )
    .expect("a plan");
    let reads = |name: &str| {
        let id = plan.find(name).expect(name);
        let read = plan.stage(id).from.iter().map(|(s, at)| format!("{} at {at}", plan.stage(*s).name));
        read.collect::<Vec<_>>()
    };
    assert_eq!(reads("test.b"), ["build.b.1 at in/build/1", "build.b.2 at in/build/2"]);
    assert_eq!(reads("all"), ["test.a at in/test/a", "test.b at in/test/b"]);
    assert_eq!(plan.graph.dependencies(plan.find("all").expect("all")).len(), 6);
}

#[test]
fn a_stage_for_each_item_is_named_by_it() {
    let plan = with(
        r#"pipeline "p" { stage "check" { for-each "case" in="cases.txt"; run "x" "${case}"; out "o" }
           stage "sized" { for-each "row" in="rows.csv"; run "x" "${row.name}" "${row.size}" }
           stage "all" { from "check"; run "x" } }"#,
        &[],
    )
    .expect("a plan");
    let label = names(&plan)[1].to_owned();
    assert!(label.starts_with("check.two-words-") && label.len() == "check.two-words-".len() + 8, "{label}");
    assert_eq!(names(&plan), ["check.one", &label, "sized.small", "sized.large", "all"]);
    assert_eq!(plan.stages[1].action, Action::Run(vec!["x".into(), "Two words".into()]));
    assert_eq!(plan.stages[3].action, Action::Run(vec!["x".into(), "large".into(), "9".into()]));
    assert_eq!(plan.stages[4].from[1].1, label.replace("check.", "in/check/"));
    for (text, code) in [
        (r#"pipeline "p" { stage "c" { for-each "i" in="twice.txt"; run "x" } }"#, ReasonCode::ListInvalid),
        (r#"pipeline "p" { stage "c" { for-each "i" in="none.txt"; run "x" } }"#, ReasonCode::InputMissing),
        (r#"pipeline "p" { stage "c" { for-each "i" in="rows.csv"; run "${i.none}" } }"#, ReasonCode::DocumentInvalid),
        (r#"pipeline "p" { stage "c" { for-each "i" in="../x"; run "x" } }"#, ReasonCode::DocumentInvalid),
    ] {
        assert_eq!(refused(text, &[]), [code], "{text}");
    }
}

#[test]
fn parameters_have_types() {
    let text = r#"pipeline "p" { param "level" type="integer" default=2 { min 1; max 9 }
        param "mode" type="choice" { one-of "fast" "slow" }
        stage "a" { run "x" "-O${level}" "${mode}" "$${level}" }
        stage "b" { when param="level" is=3; run "x" }
        stage "c" { from "b"; run "x" }
        stage "d" { after "b"; run "x" } }"#;
    let plan = with(text, &[("mode", "fast"), ("level", "03")]).expect("a plan");
    assert_eq!(plan.parameters, [("level".to_owned(), "3".to_owned()), ("mode".to_owned(), "fast".to_owned())]);
    assert_eq!(plan.stages[0].action, Action::Run(["x", "-O3", "fast", "${level}"].map(String::from).to_vec()));
    assert_eq!(plan.withheld(|_| true), [false; 4]);
    let plan = with(text, &[("mode", "slow")]).expect("a plan");
    assert_eq!(plan.withheld(|_| true), [false, true, true, false], "what reads is left out, what waits is not");
    assert_eq!(refused(text, &[]), [ReasonCode::ParameterInvalid]);
    assert_eq!(refused(text, &[("mode", "fast"), ("level", "10")]), [ReasonCode::ParameterInvalid]);
    assert_eq!(refused(text, &[("mode", "fast"), ("leve", "1")]), [ReasonCode::ParameterUnknown]);
    let clash = r#"pipeline "p" { param "os"; matrix { os "a" }; stage "a" { run "x" } }"#;
    assert_eq!(refused(clash, &[("os", "x")]), [ReasonCode::FieldDuplicate]);
}

#[test]
fn a_value_cannot_lead_a_path_out_of_its_folder() {
    let text = r#"pipeline "p" { param "to"; stage "a" { run "x"; out "bin/${to}" } }"#;
    assert_eq!(*with(text, &[("to", "y")]).expect("a plan").stages[0].outs, ["bin/y"]);
    // With its value folded in, the text is the same for every stage, and is still looked at.
    assert_eq!(refused(text, &[("to", "../y")]), [ReasonCode::DocumentInvalid]);
    let item = r#"pipeline "p" { stage "a" { for-each "c" in="cases.txt"; run "x"; files "${c}"; out "${c}" } }"#;
    assert_eq!(refused(item, &[]), [ReasonCode::OutputConflict; 2], "each child is looked at");
}

#[test]
fn one_output_can_be_read_by_its_name() {
    let plan = with(
        r#"pipeline "p" { matrix { os "a" "b" }
           stage "link" { run "x"; out "bin/${os}" as="program"; out "log" }
           stage "use" { from "link" artifact="program" at="tools/hello"; run "tools/hello" } }"#,
        &[],
    )
    .expect("a plan");
    assert_eq!(plan.stages[3].from, [(StageId(2), "tools/hello".to_owned())]);
    assert_eq!(plan.stages[3].artifact(0), Some("bin/b"));
    let text =
        r#"pipeline "p" { stage "a" { run "x"; out "o" as="one" }; stage "b" { from "a" artifact="two"; run "x" } }"#;
    assert_eq!(refused(text, &[]), [ReasonCode::StageUnknown]);
}

#[test]
fn the_spine_keeps_its_order_and_its_gate() {
    let spine = include_str!("../../../../pipelines/knowledge.kdl");
    with(spine, &[]).expect("our own spine holds");
    for (what, with_what, times) in [
        (" mandate=\"reference-data\"", "", 1),
        (" blueprint=\"elements\"", "", 1),
        ("from \"snapshots\"\n", "\n", 1),
        ("from \"claims\"", "", 1),
        ("from \"decided\" \"report\"", "from \"report\"", 0),
        ("from \"canon\" \"report\"", "from \"report\"", 1),
        ("gate \"accept\" on=\"report\"", "gate \"accept\" on=\"decided\"", 2),
        ("stage \"snapshots\" uses=\"ingest\" {", "stage \"snapshots\" uses=\"ingest\" { after \"canon\"", 1),
    ] {
        assert!(spine.contains(what), "{what}");
        let found = with(&spine.replace(what, with_what), &[]);
        let codes = found.err().map_or(Vec::new(), |e| codes(&e));
        let broken = codes.iter().filter(|c| **c == ReasonCode::SpineOrder).count();
        assert!(broken >= times, "{what}: {codes:?}");
    }
}
