use orgo_spec::review::FileStatus;

use super::*;
use crate::declared::tests::Texts;

fn declared(pipeline: &str, mandate: &str, rules: &str) -> Declared {
    let files = [
        ("orgo.kdl", "project \"test\""),
        ("pipelines/p.kdl", pipeline),
        ("mandates/m/mandate.kdl", mandate),
        ("rules/r.kdl", rules),
    ];
    let files: Vec<(&str, &str)> = files.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    let Ok(declared) = Declared::read(&Texts(&files));
    let errors: Vec<String> = declared.errors.iter().map(|e| format!("{e:?}")).collect();
    assert!(errors.is_empty(), "{errors:?}");
    declared
}

fn told(base: &Declared, head: &Declared) -> Vec<(Strength, String)> {
    let found = compare(base, head, &[], &mut |_, _| false).findings;
    found.into_iter().map(|f| (f.strength, f.message)).collect()
}

/// What runs again, `!` if in any case.
fn again(old: &str, new: &str, changed: &[&str]) -> Vec<String> {
    let files: Vec<FileChange> = changed
        .iter()
        .map(|path| FileChange { path: (*path).to_owned(), change: FileStatus::Changed, from: None })
        .collect();
    let (old, new) = (declared(old, "", ""), declared(new, "", ""));
    let found = compare(&old, &new, &files, &mut |pattern, path| pattern == path);
    let rows = found.pipelines.iter().flat_map(|p| &p.stages);
    let again = rows.filter_map(|s| s.rerun.as_ref().map(|r| (s, r)));
    again.map(|(s, r)| format!("{}{}", s.stage, if r.certain { "!" } else { "" })).collect()
}

const CHAIN: &str = r#"pipeline "p" {
    stage "a" { files "a.c"; run "cc"; out "o" }
    stage "b" { from "a"; run "x"; out "o" }
    stage "c" { from "b"; run "y"; out "o" }
    stage "d" { files "d.c"; run "z"; out "o"; after "a" }
}"#;

#[test]
fn a_changed_file_runs_its_readers_in_any_case_and_what_reads_from_them_perhaps() {
    assert_eq!(again(CHAIN, CHAIN, &["a.c"]), ["a!", "b", "c"]);
    assert_eq!(again(CHAIN, CHAIN, &["d.c"]), ["d!"]);
    assert!(again(CHAIN, CHAIN, &["README"]).is_empty());
}

#[test]
fn whatever_an_item_may_read_counts_before_its_list_is_known() {
    let text = r#"pipeline "p" { stage "list" { files "items.txt"; run "x"; out "l" as="l" }
        stage "each" { for-each "i" from="list" artifact="l"; files "data/${i}.csv"; run "x" "${i}"; out "o" }
        stage "all" { from "each"; run "x" } }"#;
    assert_eq!(again(text, text, &["items.txt"]), ["list!", "each", "all"]);
    // Here a pattern matches what it is.
    assert_eq!(again(text, text, &["data/**"]), ["each", "all"]);
}

#[test]
fn only_what_is_in_the_key_runs_a_stage_again() {
    for (change, expected) in [
        ("run \"cc\" \"-O2\"", vec!["a!", "b", "c"]),
        ("run \"cc\"; env \"A\" \"1\"", vec!["a!", "b", "c"]),
        ("run \"cc\"; timeout \"1m\"", vec!["a!", "b", "c"]),
        ("run \"cc\"; retries 2", vec![]),
        ("run \"cc\"; network \"host\"", vec![]),
        ("run \"cc\"; cpus 2; memory \"1GiB\"; optional #true", vec![]),
    ] {
        assert_eq!(again(CHAIN, &CHAIN.replace("run \"cc\"", change), &[]), expected, "{change}");
    }
}

#[test]
fn a_renamed_stage_is_told_as_one_and_does_not_run_again() {
    let new = CHAIN.replace("stage \"d\"", "stage \"e\"");
    assert!(again(CHAIN, &new, &[]).is_empty());
    let told = told(&declared(CHAIN, "", ""), &declared(&new, "", ""));
    assert_eq!(told, [(Strength::Neutral, "the stage `d` is called `e` now".to_owned())]);
}

#[test]
fn what_comes_last_runs_if_anything_does() {
    let text = CHAIN.replace("stage \"d\" {", "stage \"d\" { finally #true;").replace("; after \"a\"", "");
    assert_eq!(again(&text, &text, &["a.c"]), ["a!", "b", "c", "d"]);
    let found = compare(&declared(&text, "", ""), &declared(&text, "", ""), &[], &mut |_, _| true);
    assert!(found.pipelines.is_empty() && found.findings.is_empty());
}

#[test]
fn permissions_and_gates_have_a_direction() {
    let old = r#"pipeline "p" mandate="m" {
        stage "r" { run "x"; out "report" }
        gate "accept" on="r"
        stage "c" gate="accept" { from "r"; run "y"; out "o"; isolation "confined" }
    }"#;
    let mandate = "mandate \"m\" version=1 tenant=\"test\" { mission \"m\" }";
    let base = declared(old, mandate, "");
    for (from, to, expected) in [
        ("out \"o\"", "out \"o\"; network \"host\"", "the stage may use the network of the host"),
        ("\"confined\"", "\"open\"", "less is kept away from the stage"),
        (" gate=\"accept\"", "", "the stage stands behind no gate any more"),
        (" mandate=\"m\"", "", "the pipeline has no mandate any more"),
    ] {
        let head = declared(&old.replace(from, to), mandate, "");
        assert_eq!(told(&base, &head)[0], (Strength::Weaker, expected.to_owned()));
        assert_eq!(told(&head, &base)[0].0, Strength::Stronger, "{expected}, the other way round");
    }
    let (strict, lax) =
        (declared(CHAIN, "", ""), declared(&CHAIN.replace("after \"a\"", "after \"a\"; optional #true"), "", ""));
    assert_eq!((told(&strict, &lax)[0].0, told(&lax, &strict)[0].0), (Strength::Weaker, Strength::Stronger));
}

#[test]
fn approvals_have_a_direction() {
    let pipeline =
        |approval: &str, stage: &str| format!("pipeline \"p\" {{ {approval} stage \"s\"{stage} {{ run \"x\" }} }}");
    let old = pipeline("approval \"a\" { need 2; by \"ann\" \"bob\"; expires \"8h\" };", " approval=\"a\"");
    let base = declared(&old, "", "");
    for (from, to) in [
        ("need 2", "need 1"),
        ("\"bob\"", "\"bob\" \"eve\""),
        ("by \"ann\" \"bob\"", "role \"approver\""),
        ("8h", "9h"),
        (" approval=\"a\" {", " {"),
    ] {
        let head = declared(&old.replace(from, to), "", "");
        assert_eq!(told(&base, &head)[0].0, Strength::Weaker, "{to}");
        assert_eq!(told(&head, &base)[0].0, Strength::Stronger, "{to}, the other way round");
    }
    assert_eq!(told(&base, &declared(&pipeline("", ""), "", ""))[0].0, Strength::Weaker);
}

#[test]
fn mandates_have_a_direction() {
    let pipeline = "pipeline \"p\" mandate=\"m\" { stage \"s\" { run \"x\" } }";
    let digest = |c: &str| format!("sha256:{}", c.repeat(64));
    let text = |version: u32, more: &str| {
        format!(
            "mandate \"m\" version={version} tenant=\"test\" {{ mission \"m\"; validation {{ validator \"builtin\"; ruleset \"r\" sha256=\"{}\"; {more} }}; isolation-minimum \"confined\"; record \"always\" }}",
            digest("a")
        )
    };
    let base = declared(pipeline, &text(2, ""), "");
    let weaker = |new: &str| {
        let told = told(&base, &declared(pipeline, new, ""));
        told.into_iter().filter(|(s, _)| *s == Strength::Weaker).map(|(_, m)| m).collect::<Vec<_>>()
    };
    assert_eq!(
        weaker(&text(3, "").replace("confined", "open")),
        ["mandate `m`: at which isolation stages must run at least"]
    );
    assert_eq!(weaker(&text(3, "").replace("always", "changed")), ["mandate `m`: when a run adds a record"]);
    let more = format!("ruleset \"s\" sha256=\"{}\"", digest("b"));
    assert_eq!(weaker(&text(3, &more)), ["mandate `m`: gates accept one more rule set"]);
    assert_eq!(weaker(&text(1, "")).len(), 1, "the version goes back");
    let unclear = told(&base, &declared(pipeline, &text(2, "").replace("always", "changed"), ""));
    assert!(unclear.iter().any(|(s, m)| *s == Strength::Unclear && m.contains("its version does not")), "{unclear:?}");
}

#[test]
fn rules_have_a_direction() {
    let pipeline = r#"pipeline "p" { stage "v" uses="validate" { rules "rules/r.kdl" } }"#;
    let text = "rules \"r\" version=\"1\" {\n required property=\"a\"\n range property=\"a\" min=1 max=5\n functional property=\"a\" tolerance=0.1\n}";
    let base = declared(pipeline, "", text);
    for (from, to, expected) in [
        ("required property=\"a\"\n", "", Strength::Weaker),
        ("max=5", "max=6", Strength::Weaker),
        ("max=5", "", Strength::Weaker),
        ("min=1", "min=0", Strength::Weaker),
        ("max=5", "max=4", Strength::Stronger),
        ("0.1", "0.2", Strength::Weaker),
        ("0.1", "0.01", Strength::Stronger),
    ] {
        assert!(text.contains(from));
        let told = told(&base, &declared(pipeline, "", &text.replace(from, to)));
        assert_eq!(told.iter().map(|(s, _)| *s).collect::<Vec<_>>(), [expected], "{from} to {to}: {told:?}");
    }
}

#[test]
fn stages_of_a_matrix_share_a_finding() {
    let text = r#"pipeline "p" { matrix { cc "gcc" "clang" }
        stage "a" { run "${cc}"; timeout "1m" } }"#;
    let new = text.replace("1m", "2m");
    let found = compare(&declared(text, "", ""), &declared(&new, "", ""), &[], &mut |_, _| false);
    assert_eq!(found.findings.len(), 1, "{:?}", found.findings);
    assert_eq!(found.findings[0].stages, ["a.gcc", "a.clang"]);
    let place = found.findings[0].place.as_ref().expect("a place");
    assert_eq!((place.file.as_str(), place.line), ("pipelines/p.kdl", 2));
}

#[test]
fn a_pipeline_whose_document_cannot_be_read_is_not_called_removed() {
    let base = declared(CHAIN, "", "");
    let Ok(head) = Declared::read(&Texts(&[("orgo.kdl", "project \"test\""), ("pipelines/p.kdl", "pipeline \"p\" {")]));
    let found = compare(&base, &head, &[], &mut |_, _| false);
    assert!(found.findings.is_empty() && !found.problems.is_empty(), "{:?}", found.findings);
}
