//! The expanded form decodes to the plan that it was written from.

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Fails unless a plan, written out and read again, is the same, with and without the files it was made from.
fn holds(plan: &Resolved) {
    let shown = plan.to_kdl();
    let document = Document::new("pipelines/shown.kdl", shown.as_str());
    let report = |error: DocumentError| -> ! { panic!("{:?}\n{shown}", error.problems().collect::<Vec<_>>()) };
    let pipelines = parse_pipelines(&document).unwrap_or_else(|e| report(e));
    let again = expand(&document, &pipelines[0]).unwrap_or_else(|e| report(e));
    assert_eq!(again, *plan, "{shown}");
    assert_eq!(again.to_kdl(), shown);
}

#[test]
fn the_expanded_form_decodes_to_the_same_plan() {
    for text in [
        r#"pipeline "p" record="always" { param "level" type="integer" default=2; matrix { os "a" "b" }
           env "X" "${os}"
           stage "link" { matrix { v "1" "2" }; run "sh" "a\"b\\c\n$${x}" "${level}"; out "bin/${os}" as="program"; out "log"; tool "t" }
           stage "use" { from "link" artifact="program" at="tools"; after "cases"; run "x"; timeout "5m"; retries 2
             when param="level" is=2; when { changed "src/**" "b" }; env-pass "HOME"; secret "T" from="env:T" keyed-digest=#true }
           stage "cases" { for-each "case" in="cases.txt"; files "f"; run "x" "${case}"; network "host"; cpus 0; out "o" } }"#,
        r#"pipeline "p" { matrix { os "a" "b" }; pool "gpu" capacity=4; pool "gpu.2" capacity=1; pool "m" capacity=1
           approval "release" { need 2; by "alice" "bob"; expires "90m" }; approval "any" { need 1; role "approver" }
           service "db" { run "postgres" "-D" "d"; files "init/*.sql"; env "PGPORT" "5432"; tool "initdb" "cp"; ready "pg_isready"; stop-signal "INT" }
           service "web" { run "serve"; isolation "confined"; ready-port 8080; ready-timeout "2m"; stop-timeout "1s" }; service "idle" { run "sleep" "9" }
           stage "a" { run "x"; pool "gpu" weight=3; pool "m"; mutex "m" "n"; memory "4GiB"; needs "web" "db"; out "o" }
           stage "b" { run "y"; retry { times 3; on-exit 75 4; on-timeout #true; backoff "1s"; factor 3; max "1m" }; optional #true; mutex "k" }
           stage "c" { run "y"; retry { times 1 }; from "a" }
           stage "d" approval="release" { run "x"; from "a" }
           stage "report" { run "x"; out "report" }; gate "g" on="report"
           stage "e" gate="g" approval="any" { run "x"; retry { times 2; backoff "10ms" } }
           stage "f" { run "x"; finally #true; mutex "n" }; stage "h" { run "x"; finally #true; after "f" } }"#,
        r#"pipeline "p" { param "x" default="${case}"; stage "list" { run "x"; out "l.csv" as="l" }
           stage "a" { matrix { cc "1" "2" }; for-each "case" from="list" artifact="l"; run "x" "${case.n}" "$${case}" "${x}" "${cc}"; out "o/${case.m}" as="o"; out "z" }
           stage "b" { for-each "case" from="list" artifact="l"; from "a" artifact="o"; run "x"; env "A" "${case.n}" }
           stage "c" { from "a"; after "b" "list"; run "x" } }"#,
        include_str!("../../../../../pipelines/knowledge.kdl"),
        include_str!("../../../../../pipelines/ci.kdl"),
    ] {
        holds(&with(text, &[]).expect("a plan"));
    }
}

/// Every pipeline document below a folder, and what it expands to, if it does.
fn documents(folder: &Path, found: &mut Vec<Resolved>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("listable").map(|e| e.expect("readable").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            documents(&path, found);
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let name = path.to_string_lossy();
        if !(name.ends_with(".kdl") || name.ends_with(".yaml") || name.ends_with(".yml")) {
            continue;
        }
        let root = path.ancestors().find(|a| a.join("orgo.kdl").exists()).unwrap_or(folder);
        let read = |path: &RelativePath| {
            std::fs::read_to_string(root.join(path.as_str())).map_err(|e| NotRead {
                code: ReasonCode::InputMissing,
                message: e.to_string(),
                help: String::new(),
            })
        };
        let document = Document::new(name.as_ref(), text);
        let Ok((pipelines, whole)) = orgo_spec::pipeline::parse_pipelines_with(&document, &read) else { continue };
        let given = Given { parameters: &BTreeMap::new(), lenient: true, read: &read, lists: &[], document: &whole };
        found.extend(pipelines.iter().filter_map(|p| expand_with(p, &given).ok()));
    }
}

#[test]
fn the_expanded_form_of_every_pipeline_in_this_repository_means_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for folder in ["pipelines", "examples", "tests", "spec"] {
        documents(&root.join(folder), &mut found);
    }
    assert!(found.len() >= 5, "{}", found.len());
    found.iter().for_each(holds);
}

/// A text that has everything in it that would have to be escaped.
fn nasty(seed: u8) -> String {
    const PARTS: [&str; 12] =
        ["plain", "a b", "quote\"s", "back\\slash", "$${x}", "5$ ", "{}", "line\nfeed", "tab\t", "ünï", "#true", "//c"];
    let text = format!("{}{}", PARTS[usize::from(seed) % 12], PARTS[usize::from(seed / 12) % 12]);
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A pipeline that says a little of everything, as the numbers have it.
fn generated(stages: &[[u8; 8]], head: [u8; 4]) -> String {
    let mut text = String::from("pipeline \"p\" {\n");
    let mut line = |l: String| {
        let _ = writeln!(text, "{l}");
    };
    if head[0].is_multiple_of(2) {
        line("record \"always\"; blueprint \"b\"; mandate \"m\"".to_owned());
    }
    let matrix = !head[1].is_multiple_of(3);
    if matrix {
        line(format!(
            "matrix {{ os \"linux\" \"mac\"; v \"1\"{} }}",
            ["", " \"2\"; exclude v=\"2\" os=\"mac\""][usize::from(head[1] / 3 % 2)]
        ));
    }
    line(format!("param \"level\" type=\"integer\" default={}", head[2]));
    line(format!("env \"SHARED\" {}", nasty(head[3])));
    line(
        "approval \"one\" { need 1; role \"approver\"; expires \"90s\" }; approval \"two\" { need 1; by \"b\" \"a\" }"
            .to_owned(),
    );
    line("pool \"a\" capacity=1; pool \"b\" capacity=9; pool \"m\" capacity=2".to_owned());
    line(format!(
        "service \"x\" {{ run \"x\" {}; ready-port 80; stop-signal \"QUIT\"; env \"A\" \"b\"; files \"f*\" }}",
        nasty(head[3]).replace("$${", "{")
    ));
    line("service \"y\" { run \"y\"; ready \"r\" \"s\"; tool \"b\" \"a\"; isolation \"hermetic\"; ready-timeout \"1500ms\" }".to_owned());
    for (i, s) in stages.iter().enumerate() {
        let earlier = |n: u8| (i > 0).then(|| usize::from(n) % i.max(1));
        let last = s[0] % 11 == 10;
        let gated = !last && s[0] % 7 == 6 && i > 0;
        let (approved, optional) =
            (!last && s[0] % 5 == 4, !last && !stages.iter().any(|s| s[0] % 7 == 6) && s[0] % 5 == 3);
        let own = !gated && s[1] % 4 == 1;
        let gate = if gated { format!(" gate=\"g{i}\"") } else { String::new() };
        let approval = if approved { [" approval=\"one\"", " approval=\"two\""][usize::from(s[1] % 2)] } else { "" };
        line(format!("stage \"s{i}\"{gate}{approval} {{"));
        let mut word = nasty(s[2]);
        if own {
            line("matrix { cc \"gcc\" \"clang\" }".to_owned());
            word = word.replacen('"', "\"${cc}-", 1);
        }
        if s[1] % 5 == 4 {
            line(format!("for-each {}", [r#""case" in="cases.txt""#, r#""row" in="rows.csv""#][usize::from(s[2] % 2)]));
        }
        line(format!("run \"x\" {word} \"${{level}}\"; out \"o{i}\" as=\"it\"; out \"log\"; tool \"b\" \"a\" \"b\""));
        let file = nasty(s[3]);
        if !file.contains('\\') {
            line(format!("files {file} \"z/**\""));
        }
        line(format!("env \"E\" {}; timeout \"{}ms\"; cpus {}", nasty(s[3]), 1 + u32::from(s[3]), s[4] % 4));
        if !last {
            match (s[4] % 4, earlier(s[5])) {
                (1, Some(n)) if stages[n][0] % 11 != 10 => line(format!("from \"s{n}\"")),
                (2, Some(n)) if stages[n][0] % 11 != 10 => {
                    line(format!("from \"s{n}\" artifact=\"it\" at=\"tools/x\""))
                }
                (3, Some(n)) if stages[n][0] % 11 != 10 => line(format!("after \"s{n}\"")),
                _ => {}
            }
        }
        match s[5] % 5 {
            0 => line(format!("retries {}", s[6] % 11)),
            1 => line(format!(
                "retry {{ times {}; backoff \"{}ms\"; factor {}; max \"3s\" }}",
                1 + s[6] % 10,
                1 + u32::from(s[6]),
                1 + s[6] % 100
            )),
            2 => line(format!(
                "retry {{ times 2; on-exit {} 7; on-timeout #{} }}",
                1 + s[6] % 200,
                s[6].is_multiple_of(2)
            )),
            _ => {}
        }
        for (bit, field) in [
            "pool \"a\"", "pool \"b\" weight=7; pool \"m\" weight=2", "mutex \"m\"", "mutex \"n\" \"a\"", "memory \"3MiB\"",
            "needs \"y\" \"x\"", "when { changed \"src/**\" \"b\" }; env-pass \"HOME\" \"A\"",
            "secret \"T\" from=\"env:T\" keyed-digest=#true; secret \"S\" from=\"file:/run/s\"; when param=\"level\" is=3",
        ].iter().enumerate() {
            if s[7] >> bit & 1 == 1 {
                line((*field).to_owned());
            }
        }
        for (word, on) in [("optional", optional), ("finally", last)] {
            if on {
                line(format!("{word} #true"));
            }
        }
        line(
            ["network \"host\"; isolation \"open\"", "isolation \"hermetic\"", "step \"publish\"", ""]
                [usize::from(s[6] % 4)]
            .to_owned(),
        );
        line("}".to_owned());
        if gated {
            line(format!("stage \"r{i}\" {{ run \"x\"; out \"report\" }}; gate \"g{i}\" on=\"r{i}\""));
        }
    }
    text.push('}');
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_pipeline_written_out_means_the_same(
        stages in proptest::collection::vec(any::<[u8; 8]>(), 1..12),
        head in any::<[u8; 4]>(),
    ) {
        let text = generated(&stages, head);
        let plan = with(&text, &[]);
        let plan = plan.unwrap_or_else(|e| panic!("{:?}\n{text}", e.problems().collect::<Vec<_>>()));
        holds(&plan);
    }
}
