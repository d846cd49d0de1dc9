//! Lists that stages write: what stands for their items before they are known, and what comes in its place.

use super::*;

const TEXT: &str = r#"pipeline "p" { param "to" default="out"; matrix_here
    stage "list" { run "x"; out "${to}/work.csv" as="work"; out "log" }
    stage "check" { matrix { cc "gcc" "clang" }; for-each "case" from="list" artifact="work"
        run "x" "${cc}" "${case.name}" "$${case}" "${to}"; files "in/${case.path}"; out "o.${case.name}" as="o"; env "N" "${case.name}" }
    stage "sign" { for-each "case" from="list" artifact="work"; from "check"; run "x" "${case.path}"; out "s" }
    stage "all" { from "check" artifact="o" at="parts"; from "sign"; run "x"; out "o" as="more" }
    stage "next" { for-each "line" from="all" artifact="more"; run "x" "${line}" }
    stage "end" { after "next"; run "x" } }"#;

fn grown(text: &str, lists: &[(&str, &str, &str)]) -> Result<Growth, DocumentError> {
    let document = Document::new("pipelines/p.kdl", text.replace("matrix_here", ""));
    let pipelines = parse_pipelines(&document)?;
    let lists: Vec<KnownList> = lists
        .iter()
        .map(|(stage, output, text)| KnownList {
            stage: (*stage).to_owned(),
            output: (*output).to_owned(),
            text: (*text).to_owned(),
        })
        .collect();
    let read = |_: &RelativePath| unreachable!("no committed list");
    let parameters = &BTreeMap::new();
    grow(&pipelines[0], &Given { parameters, lenient: false, read: &read, lists: &lists, document: &document })
}

#[test]
fn ids_stay_when_lists_become_known() {
    let cases = ("list", "out/work.csv", "name,path\none,a\ntwo,b/c\n");
    let lines = ("all", "o", "x\ny\nz\n");
    let first = grown(TEXT, &[]).expect("a plan").plan;
    assert_eq!(names(&first), ["list", "check.gcc", "check.clang", "sign", "all", "next", "end"]);
    let pending = first.stages[1].pending().expect("nobody knows the items yet");
    assert_eq!((pending.stage, pending.output.as_str()), (StageId(0), "out/work.csv"));
    assert_eq!(
        first.stages[1].action,
        Action::Run(["x", "gcc", "${case.name}", "$${case}", "out"].map(String::from).to_vec()),
        "texts are as they would be written"
    );
    let second = grown(TEXT, &[cases]).expect("a plan");
    let more = ["check.gcc.two", "check.clang.two", "sign.two"];
    let all = ["list", "check.gcc.one", "check.clang.one", "sign.one", "all", "next", "end"];
    assert_eq!(names(&second.plan), [&all[..], &more].concat());
    assert_eq!(second.origins, [StageId(1), StageId(2), StageId(3)]);
    let action = &second.plan.stages[7].action;
    assert_eq!(*action, Action::Run(["x", "gcc", "two", "${case}", "out"].map(String::from).to_vec()));
    assert_eq!(*second.plan.stages[7].files, ["in/b/c"]);
    assert_eq!(second.plan.graph.dependencies(StageId(9)), [StageId(0), StageId(7), StageId(8)], "item by item");
    assert_eq!(second.plan.graph.dependencies(StageId(4)).len(), 6, "all of them are gathered");
    assert_eq!(second.plan.stages[4].from[1].1, "parts/gcc.two");
    let third = grown(TEXT, &[cases, lines]).expect("a plan");
    assert_eq!(
        names(&third.plan)[..10],
        names(&second.plan)[..].iter().map(|n| if *n == "next" { "next.x" } else { n }).collect::<Vec<_>>()
    );
    assert_eq!(names(&third.plan)[10..], ["next.y", "next.z"]);
    assert_eq!(third.origins[3..], [StageId(5), StageId(5)]);
    assert!(third.plan.stages.iter().all(|s| s.pending().is_none()));
}

#[test]
fn what_a_list_may_not_be_is_said_with_its_stage_and_line() {
    for (list, what) in [
        ("name,path\n", "`out/work.csv` of `list` has no items"),
        ("", "`out/work.csv` of `list` has no items"),
        ("name,path\none\n", "`out/work.csv` of `list` line 2: 1 values for 2 columns"),
        ("name,path\na,b\na,c\n", "`out/work.csv` of `list` has `a` in line 2 and again in line 3"),
        ("name\none\n", "`${case.path}` stands for nothing here"),
    ] {
        let error = grown(TEXT, &[("list", "out/work.csv", list)]).expect_err(list);
        let first = error.problems().next().map(|p| p.message().to_owned()).unwrap_or_default();
        assert!(first.contains(what), "{first}");
    }
}

#[test]
fn what_cannot_wait_for_its_items_is_refused() {
    let list = r#"stage "l" { run "x"; out "l" as="l" };"#;
    let each = r#"for-each "i" from="l" artifact="l""#;
    for (body, codes) in [
        (format!("{list} gate \"g\" on=\"l\"; stage \"a\" gate=\"g\" {{ {each}; run \"x\" }}"), vec![ReasonCode::ListInvalid]),
        (format!("{list} gate \"g\" on=\"l\"; stage \"a\" uses=\"compile-exchange\" gate=\"g\" {{ {each} }}"), vec![ReasonCode::ListInvalid]),
        (format!("{list} approval \"p\" {{ need 1; role \"approver\" }}; stage \"a\" approval=\"p\" {{ {each}; run \"x\" }}"), vec![ReasonCode::ListInvalid]),
        (format!("{list} matrix {{ os \"a\" }}; stage \"a\" {{ {each}; run \"x\" }}"), vec![ReasonCode::ListInvalid]),
        (format!("{list} stage \"a\" {{ {each}; run \"x\"; out \"o\" as=\"o\" }}; stage \"b\" {{ for-each \"j\" from=\"a\" artifact=\"o\"; run \"x\" }}"), vec![ReasonCode::ListInvalid]),
        (format!("{list} stage \"a\" {{ {each}; run \"x\" }}; stage \"b\" {{ matrix {{ i \"1\" }}; run \"x\" }}"), vec![ReasonCode::ListInvalid]),
        (r#"stage "a" { for-each "i" from="none" artifact="l"; run "x" }"#.to_owned(), vec![ReasonCode::StageUnknown]),
        (format!("{list} stage \"a\" {{ for-each \"i\" from=\"l\" artifact=\"m\"; run \"x\" }}"), vec![ReasonCode::StageUnknown]),
        (format!("{list} stage \"a\" {{ for-each \"i\" from=\"l\"; run \"x\" }}"), vec![ReasonCode::DocumentInvalid]),
        (format!("{list} stage \"a\" {{ {each}; run \"${{i}}\" }}"), vec![ReasonCode::DocumentInvalid]),
        (format!("{list} stage \"a\" {{ {each}; run \"x\"; tool \"${{i}}\" }}"), vec![ReasonCode::DocumentInvalid]),
        (format!("{list} stage \"a\" {{ {each}; run \"x\"; when changed=\"${{i}}\" }}"), vec![ReasonCode::DocumentInvalid]),
        (format!("{list} stage \"a\" {{ {each}; run \"x\" }}; gate \"g\" on=\"a\"; stage \"b\" gate=\"g\" {{ run \"x\" }}"), vec![ReasonCode::DocumentInvalid]),
        (r#"stage "l" { from "a"; run "x"; out "l" as="l" }; stage "a" { for-each "i" from="l" artifact="l"; run "x" }"#.to_owned(), vec![ReasonCode::CycleInGraph]),
    ] {
        assert_eq!(refused(&format!("pipeline \"p\" {{ {body} }}"), &[]), codes, "{body}");
    }
}

#[test]
fn what_reads_a_list_that_is_left_out_is_left_out() {
    let plan = with(
        r#"pipeline "p" { stage "l" { when changed="x"; run "x"; out "l" as="l" }
           stage "a" { for-each "i" from="l" artifact="l"; run "x" } }"#,
        &[],
    )
    .expect("a plan");
    assert_eq!(plan.withheld(|_| false), [true, true]);
}
