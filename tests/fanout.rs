//! Stages that are repeated for what an earlier stage wrote.

use crate::support::{Repo, states, wait_for};

/// A list of which `items.txt` is the source, a stage for each item that fails for `bad`, and a gather stage.
const PIPELINE: &str = r#"pipeline "p" {
    stage "list" { files "items.txt"; run "cp" "items.txt" "work.txt"; out "work.txt" as="work" }
    stage "each" { for-each "item" from="list" artifact="work"
        run "sh" "-c" "echo \"got $1\"; test \"$1\" != bad && echo \"$1\" | tr a-z A-Z > o" "sh" "${item}"; tool "tr"; out "o" }
    stage "all" { from "each"; run "sh" "-c" "cat in/each/*/o > o"; tool "cat"; out "o" }
}"#;

fn repo(items: &str) -> Repo {
    let repo = Repo::with_pipeline(PIPELINE);
    repo.write("items.txt", items);
    repo.commit("items");
    repo
}

fn run(repo: &Repo) -> Vec<String> {
    states(&repo.orgo(&["run", "--json"]).ok().json())
}

#[test]
fn the_example_of_fanout_holds() {
    let repo = Repo::example("fanout");
    let ran = run(&repo);
    let all = ["chapters:ran", "count.1-night.txt:ran", "report:ran", "count.2-lamp.txt:ran", "count.3-knock.txt:ran"];
    assert_eq!(ran, all);
    let report = || repo.read("out/fanout/report/report.txt");
    assert_eq!(report(), "1-night.txt 5\n2-lamp.txt 8\n3-knock.txt 3\n");
    assert_eq!(run(&repo), all.map(|s| s.replace(":ran", ":hit")), "nothing changed, nothing runs");
    repo.write("book/2-lamp.txt", "Nobody had slept, and the lamp was out again.\n");
    let (ran, hit) = (|s: &str| format!("{s}:ran"), |s: &str| format!("{s}:hit"));
    let (list, night, lamp, knock) = ("chapters", "count.1-night.txt", "count.2-lamp.txt", "count.3-knock.txt");
    assert_eq!(run(&repo), [ran(list), hit(night), ran("report"), ran(lamp), hit(knock)], "one item and the gather");
    assert_eq!(report(), "1-night.txt 5\n2-lamp.txt 9\n3-knock.txt 3\n");
    repo.write("book/3-knock.txt", "Then nobody knocked.\n");
    assert_eq!(
        run(&repo),
        [ran(list), hit(night), hit("report"), hit(lamp), ran(knock)],
        "the gather is cut off early"
    );
    repo.write("book/4-end.txt", "The end.\n");
    let grown = run(&repo);
    assert_eq!(grown, [ran(list), hit(night), ran("report"), hit(lamp), hit(knock), ran("count.4-end.txt")]);
    std::fs::remove_file(repo.root().join("book/1-night.txt")).unwrap();
    assert_eq!(
        run(&repo),
        [ran(list), hit(lamp), ran("report"), hit(knock), hit("count.4-end.txt")],
        "a list may shrink"
    );
    assert_eq!(report(), "2-lamp.txt 9\n3-knock.txt 3\n4-end.txt 2\n");
    assert!(!repo.exists("out/fanout/count.1-night.txt") && repo.exists("out/fanout/count.4-end.txt"));
}

#[test]
fn a_plan_says_what_it_does_not_know() {
    let repo = repo("a\nb\n");
    let plan = || repo.orgo(&["plan", "--json"]).ok().json();
    let does = |plan: &serde_json::Value| {
        let rows = plan["stages"].as_array().unwrap();
        rows.iter()
            .map(|s| format!("{}:{}", s["stage"].as_str().unwrap(), s["does"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    let first = plan();
    assert_eq!(does(&first), ["list:run", "each:list", "all:wait"]);
    assert!(first["stages"][1]["because"][0].as_str().unwrap().contains("unknown until `list` ends"), "{first}");
    assert!(repo.orgo(&["plan"]).ok().stdout.contains("unknown until `list` ends"));
    run(&repo);
    assert_eq!(
        does(&plan()),
        ["list:hit", "each.a:hit", "each.b:hit", "all:hit"],
        "a list that the cache has is known"
    );
    repo.write("items.txt", "b\nc\n");
    assert_eq!(does(&plan()), ["list:run", "each:list", "all:wait"]);
    let shown = repo.orgo(&["check", "--resolved", "p"]).ok().stdout;
    assert!(shown.contains("for-each \"item\" from=\"list\""), "{shown}");
    repo.write("pipelines/p.kdl", &shown);
    assert_eq!(run(&repo), ["list:ran", "each.b:hit", "all:ran", "each.c:ran"], "the expanded form means the same");
}

#[test]
fn what_changes_while_a_run_is_under_way_is_refused() {
    let repo = Repo::with_pipeline(&format!(
        "include \"lib/t.kdl\"\n{}",
        PIPELINE.replace("\"list\" {", "\"list\" template=\"t\" {")
    ));
    repo.write("lib/t.kdl", "template \"t\" { env \"A\" \"1\" }\n");
    repo.write("items.txt", "a\n");
    repo.commit("template");
    run(&repo);
    // The first stage itself writes the document that the plan was made from.
    let path = repo.root().join("lib/t.kdl");
    let writes =
        format!("cp items.txt work.txt; echo 'template \\\"t\\\" {{ env \\\"A\\\" \\\"2\\\" }}' > {}", path.display());
    let pipeline = repo
        .read("pipelines/p.kdl")
        .replace("\"cp\" \"items.txt\" \"work.txt\"", &format!("\"sh\" \"-c\" \"{writes}\"; isolation \"open\""));
    repo.write("pipelines/p.kdl", &pipeline);
    let json = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(json["stages"][1]["code"], "INPUT_CHANGED", "{json}");
}

#[test]
fn a_failing_item_is_told_like_any_stage() {
    let repo = repo("a\nbad\nc\n");
    let done = repo.orgo(&["run", "--keep-going", "--json"]).exits(1).json();
    assert_eq!(states(&done), ["list:ran", "each.a:ran", "all:skipped", "each.bad:failed", "each.c:ran"]);
    let log = repo.orgo(&["log", "each.bad"]).ok().stdout;
    assert!(log.contains("got bad"), "{log}");
    let told = repo.orgo(&["explain", "each.bad"]).ok().stdout;
    assert!(told.contains("each.bad in run") && told.contains("STAGE_FAILED"), "{told}");
    let told = repo.orgo(&["explain", "each", "--json"]).ok().json();
    assert!(told["text"][0].as_str().unwrap().contains("repeated for the 3 items"), "{told}");
    repo.orgo(&["explain", "each.bad", "--pipeline", "p"]).ok();
    let record = repo.orgo(&["record", "show", "--json", done["record"]["id"].as_str().unwrap()]).ok().stdout;
    for stage in ["each.a", "each.bad", "each.c"] {
        assert!(record.contains(&format!("\"{stage}\"")), "{record}");
    }
    assert!(!record.contains("\"each\""), "{record}");
    repo.write("items.txt", "a\nc\nd\n");
    assert_eq!(run(&repo), ["list:ran", "each.a:hit", "all:ran", "each.c:hit", "each.d:ran"]);
    repo.orgo(&["verify"]).ok();
}

#[test]
fn a_list_that_is_none_fails_its_stage_with_the_line() {
    let pipeline = PIPELINE.replace("work.txt", "work.csv").replace("\"${item}\"", "\"${item.name}\"");
    let repo = Repo::with_pipeline(&pipeline);
    for (items, message) in [
        ("", "`work.csv` of `list` has no items"),
        ("name,size\n", "`work.csv` of `list` has no items"),
        ("name,size\na,1\nb\n", "`work.csv` of `list` line 3: 1 values for 2 columns"),
        ("name,size\na,1\na,2\n", "`work.csv` of `list` has `a` in line 2 and again in line 3"),
        ("id,size\na,1\n", "`${item.name}` stands for nothing here"),
    ] {
        repo.write("items.txt", items);
        let done = repo.orgo(&["run", "--json"]).exits(1);
        let json = done.json();
        assert_eq!(states(&json), ["list:ran", "each:failed", "all:skipped"], "{json}");
        assert_eq!(
            (json["code"].as_str(), json["stages"][1]["code"].as_str()),
            (Some("LIST_INVALID"), Some("LIST_INVALID"))
        );
        let told = repo.orgo(&["explain", "each"]).ok().stdout;
        assert!(told.contains(message), "{told}");
        let shown = repo.orgo(&["run"]).exits(1).stderr;
        assert!(shown.contains("each") && shown.contains(message), "{shown}");
    }
    repo.write("items.txt", "name,size\na,1\n");
    assert_eq!(run(&repo), ["list:ran", "each.a:ran", "all:ran"]);
    let folder = PIPELINE.replace("\"cp\" \"items.txt\" \"work.txt\"", "\"mkdir\" \"work.txt\"");
    let repo = Repo::with_pipeline(&folder);
    repo.write("items.txt", "a\n");
    let json = repo.orgo(&["run", "--json"]).exits(1).json();
    assert_eq!(json["stages"][1]["code"], "LIST_INVALID", "a folder is no list: {json}");
}

#[test]
fn a_killed_run_goes_on_with_its_items() {
    let repo = Repo::empty();
    let wait = repo.beside("wait");
    repo.write("orgo.kdl", "project \"test\"\n");
    let pipeline = r#"pipeline "p" {
        stage "list" { run "sh" "-c" "printf 'one\ntwo\n' > l"; out "l" as="l" }
        stage "each" { for-each "item" from="list" artifact="l"
            run "sh" "-c" "if test $1 = two && test -e WAIT; then exec sleep 90; fi; echo $1 > o" "sh" "${item}"; tool "sleep"; out "o" }
        stage "all" { from "each"; run "sh" "-c" "cat in/each/*/o > o"; tool "cat"; out "o" }
    }"#;
    repo.write("pipelines/p.kdl", &pipeline.replace("WAIT", wait.to_str().unwrap()));
    repo.commit("first");
    std::fs::write(&wait, "").unwrap();
    let mut child = repo.start(&["run", "-j", "2"]);
    wait_for(|| {
        let journal = repo.journal();
        let ended = journal.lines().any(|l| l.contains("\"end\"") && l.contains("each.one"));
        ended && journal.lines().any(|l| l.contains("\"start\"") && l.contains("each.two"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(repo.journal().contains("\"listed\"") && !repo.journal().contains("\"finish\""));
    std::fs::remove_file(&wait).unwrap();
    assert_eq!(run(&repo), ["list:hit", "each.one:hit", "all:ran", "each.two:ran"], "finished items are not run again");
    assert_eq!(repo.read("out/p/all/o"), "one\ntwo\n");
}

#[test]
fn lists_follow_lists_and_the_last_stage_sees_all_of_it() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" {
            stage "list" { run "sh" "-c" "printf 'a\nb\n' > l"; out "l" as="l" }
            stage "first" { for-each "x" from="list" artifact="l"; run "sh" "-c" "echo ${x}1 > o"; out "o" }
            stage "then" { for-each "x" from="list" artifact="l"; from "first"; run "sh" "-c" "cat in/first/o > o; echo ${x}2 >> o"; tool "cat"; out "o" }
            stage "more" { from "then"; run "sh" "-c" "cat in/then/*/o > l"; tool "cat"; out "l" as="l" }
            stage "last" { for-each "y" from="more" artifact="l"; run "true" "${y}" }
            stage "tidy" { run "sh" "-c" "cat .orgo/results.json > o"; tool "cat"; out "o"; finally #true }
        }"#,
    );
    let ran = run(&repo);
    assert_eq!(
        ran,
        [
            "list:ran",
            "first.a:ran",
            "then.a:ran",
            "more:ran",
            "last.a1:ran",
            "tidy:ran",
            "first.b:ran",
            "then.b:ran",
            "last.a2:ran",
            "last.b1:ran",
            "last.b2:ran"
        ]
    );
    assert_eq!(repo.read("out/p/more/l"), "a1\na2\nb1\nb2\n", "item by item, then gathered");
    let results = repo.read("out/p/tidy/o");
    assert!(results.contains("\"last.b2\"") && results.contains("\"status\":\"passed\""), "{results}");
    let json = repo.orgo(&["run", "--json"]).ok().json();
    assert!(states(&json).iter().all(|s| s.ends_with(":hit")), "{json}");
    assert_eq!(json["record"]["confirmed"], true, "a run that says nothing new confirms");
    assert_eq!(states(&repo.orgo(&["run", "p", "more", "--json"]).ok().json()).len(), 8, "only what is wanted grows");
}

#[test]
fn every_report_knows_the_items() {
    let repo = repo("a\nb\n");
    let files = ["--events", "events.jsonl", "--junit", "junit.xml", "--trace", "trace.json"];
    let done = repo.orgo(&[&["run", "--log", "json"], &files[..]].concat()).ok();
    assert!(done.stderr.contains("\"STAGE_LISTED\"") && done.stderr.contains("\"each.b\""), "{}", done.stderr);
    let events = repo.read("events.jsonl");
    assert!(events.contains("dev.orgo.stage.listed.v1") && events.contains("\"each.b\""), "{events}");
    assert!(repo.read("junit.xml").contains("name=\"each.b\"") && repo.read("trace.json").contains("each.b"));
    let forced = repo.orgo(&["run", "p", "each", "--force", "--json"]).ok().json();
    assert_eq!(
        states(&forced),
        ["list:hit", "each.a:ran", "all:skipped", "each.b:ran"],
        "a stage's name means all of its items"
    );
}
