//! `orgo run --trace-otlp`: a trace as the JSON of OTLP, held to its schema field by field.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::Repo;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const PIPELINE: &str = r#"pipeline "p" {
    stage "a" { run "sh" "-c" "echo a > o"; out "o" }
    stage "b" { from "a"; isolation "open"; retries 1; files "COUNT"
        run "sh" "-c" "if mkdir DIR/tried; then exit 3; fi; env > o"; tool "mkdir" "env"; out "o" }
    stage "c" { from "b"; run "sh" "-c" "exit 4"; out "o" }
    stage "d" { from "c"; run "cp" "in/c/o" "o"; out "o" }
}"#;

fn repo() -> Repo {
    let repo = Repo::with_pipeline("");
    let folder = repo.beside("").display().to_string();
    repo.write("pipelines/p.kdl", &PIPELINE.replace("; files \"COUNT\"", "").replace("DIR/", &folder));
    repo.commit("four stages");
    repo
}

fn trace(repo: &Repo, name: &str, variables: &[(&str, &str)]) -> Value {
    let path = repo.beside(name);
    repo.orgo_with(&["run", "--json", "--trace-otlp", path.to_str().unwrap()], variables).exits(1);
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "one line, as the collector reads it");
    serde_json::from_str(&text).unwrap()
}

/// Members of the messages of `opentelemetry/proto/trace/v1/trace.proto` and what stands in them, in JSON.
#[track_caller]
fn is_otlp(document: &Value) {
    let only = |value: &Value, names: &[&str]| {
        for name in value.as_object().expect("a message").keys() {
            assert!(names.contains(&name.as_str()), "`{name}` in {value}");
        }
    };
    only(document, &["resourceSpans"]);
    for resource in document["resourceSpans"].as_array().unwrap() {
        only(resource, &["resource", "scopeSpans", "schemaUrl"]);
        only(&resource["resource"], &["attributes", "droppedAttributesCount"]);
        attributes(&resource["resource"]);
        for scope in resource["scopeSpans"].as_array().unwrap() {
            only(scope, &["scope", "spans", "schemaUrl"]);
            only(&scope["scope"], &["name", "version", "attributes"]);
            for span in scope["spans"].as_array().unwrap() {
                only(
                    span,
                    &[
                        "traceId",
                        "spanId",
                        "traceState",
                        "parentSpanId",
                        "flags",
                        "name",
                        "kind",
                        "startTimeUnixNano",
                        "endTimeUnixNano",
                        "attributes",
                        "events",
                        "links",
                        "status",
                    ],
                );
                is_id(&span["traceId"], 32);
                is_id(&span["spanId"], 16);
                span.get("parentSpanId").into_iter().for_each(|id| is_id(id, 16));
                let nanos = |name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
                assert!(nanos("startTimeUnixNano") <= nanos("endTimeUnixNano") && nanos("startTimeUnixNano") > 1 << 60);
                assert!((1..=5).contains(&span["kind"].as_u64().unwrap()), "enums are numbers");
                attributes(span);
                for link in span["links"].as_array().into_iter().flatten() {
                    only(link, &["traceId", "spanId", "traceState", "attributes", "flags"]);
                    is_id(&link["traceId"], 32);
                    is_id(&link["spanId"], 16);
                }
                if let Some(status) = span.get("status") {
                    only(status, &["message", "code"]);
                    assert!((0..=2).contains(&status["code"].as_u64().unwrap()));
                }
            }
        }
    }
}

#[track_caller]
fn is_id(id: &Value, length: usize) {
    let id = id.as_str().unwrap();
    assert!(id.len() == length && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{id}");
}

/// Attributes by key; each value is of exactly one kind, and numbers of 64 bits are texts.
#[track_caller]
fn attributes(of: &Value) -> BTreeMap<String, Value> {
    let list = of["attributes"].as_array().unwrap();
    let read = |entry: &Value| {
        let value = entry["value"].as_object().unwrap();
        assert_eq!(value.len(), 1, "{entry}");
        let (kind, value) = value.iter().next().unwrap();
        let sound = match kind.as_str() {
            "stringValue" => value.is_string(),
            "boolValue" => value.is_boolean(),
            "intValue" => value.as_str().unwrap().parse::<i64>().is_ok(),
            "arrayValue" => value["values"].as_array().unwrap().iter().all(|v| v["stringValue"].is_string()),
            _ => false,
        };
        assert!(sound, "{entry}");
        (entry["key"].as_str().unwrap().to_owned(), value.clone())
    };
    let found: BTreeMap<String, Value> = list.iter().map(read).collect();
    assert_eq!(found.len(), list.len(), "each key once");
    found
}

fn spans(document: &Value) -> Vec<Value> {
    document["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

#[test]
fn a_run_is_a_trace_by_the_conventions_for_pipelines() {
    let repo = repo();
    let document = trace(&repo, "trace.json", &[]);
    is_otlp(&document);
    let resource = attributes(&document["resourceSpans"][0]["resource"]);
    let run = resource["cicd.pipeline.run.id"].as_str().unwrap().to_owned();
    assert_eq!((&resource["cicd.pipeline.name"], &resource["service.name"]), (&"p".into(), &"orgo".into()));
    let spans = spans(&document);
    let named = |name: &str| spans.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("{name}"));
    let root = named("RUN p");
    assert_eq!((&root["kind"], root.get("parentSpanId"), &root["status"]["code"]), (&2.into(), None, &2.into()));
    assert_eq!(root["traceId"], run.replace('-', ""), "the run's id is the trace's");
    let of = attributes(root);
    assert_eq!((&of["cicd.pipeline.result"], &of["error.type"]), (&"failure".into(), &"STAGE_FAILED".into()));
    for name in ["a", "b", "c"] {
        let span = named(name);
        assert_eq!((&span["parentSpanId"], &span["kind"]), (&root["spanId"], &1.into()));
        assert_eq!(attributes(span)["cicd.pipeline.task.name"], name);
    }
    assert!(!spans.iter().any(|s| s["name"] == "d"), "what did not run has no span");
    let linked =
        |name: &str| named(name)["links"].as_array().unwrap().iter().map(|l| l["spanId"].clone()).collect::<Vec<_>>();
    assert_eq!(
        (linked("a"), linked("b"), linked("c")),
        (vec![], vec![named("a")["spanId"].clone()], vec![named("b")["spanId"].clone()])
    );
    let (b, c) = (attributes(named("b")), attributes(named("c")));
    assert_eq!(
        (&b["cicd.pipeline.task.run.result"], &b["orgo.attempts"], &b["orgo.flaky"]),
        (&"success".into(), &"2".into(), &true.into())
    );
    assert_eq!((&c["cicd.pipeline.task.run.result"], &c["error.type"]), (&"failure".into(), &"STAGE_FAILED".into()));
    assert_eq!((named("b").get("status"), &named("c")["status"]["code"]), (None, &2.into()));
    let attempts: Vec<&Value> = spans.iter().filter(|s| s["parentSpanId"] == named("b")["spanId"]).collect();
    assert_eq!(attempts.len(), 2, "attempts of a stage that had several");
    assert_eq!((&attempts[0]["status"]["code"], attempts[1].get("status")), (&2.into(), None));
    let ids: std::collections::BTreeSet<&str> = spans.iter().map(|s| s["spanId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), spans.len());
}

#[test]
fn the_trace_of_who_started_the_run_goes_on_and_stages_do_not_see_it() {
    let repo = repo();
    let document = trace(&repo, "trace.json", &[("TRACEPARENT", TRACEPARENT)]);
    is_otlp(&document);
    for span in spans(&document) {
        assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    }
    let root = &spans(&document)[0];
    assert_eq!((&root["parentSpanId"], &root["flags"]), (&"00f067aa0ba902b7".into(), &0x301.into()));
    assert!(!repo.read("out/p/b/o").contains("TRACEPARENT"), "{}", repo.read("out/p/b/o"));
    let other = trace(&repo, "other.json", &[("TRACEPARENT", "00-nonsense")]);
    assert_eq!(spans(&other)[0].get("parentSpanId"), None);
    let told = repo
        .orgo_with(&["run", "p", "a", "b", "--json"], &[("TRACEPARENT", &TRACEPARENT.replace('4', "5"))])
        .ok()
        .json();
    assert_eq!(told["hits"], 2, "it is in no key");
}

#[test]
fn what_the_cache_answered_and_what_gates_decided_have_spans() {
    let repo = Repo::example("elements");
    repo.git(&["rm", "-rq", "decisions"]);
    repo.commit("nothing decided yet");
    let traced = |name: &str, code: i32| {
        let (otlp, chrome) = (repo.beside(name), repo.beside("chrome.json"));
        let files = ["run", "--trace-otlp", otlp.to_str().unwrap(), "--trace", chrome.to_str().unwrap()];
        repo.orgo(&files).exits(code);
        let read = |path| serde_json::from_str::<Value>(&std::fs::read_to_string(path).unwrap()).unwrap();
        let document = read(otlp);
        is_otlp(&document);
        let events = read(chrome)["traceEvents"].as_array().unwrap().clone();
        (spans(&document), events.into_iter().filter(|e| e["ph"] == "i").collect::<Vec<_>>())
    };
    let named = |spans: &[Value], name: &str| {
        spans.iter().find(|s| s["name"] == name).cloned().unwrap_or_else(|| panic!("{name} in {spans:?}"))
    };
    let (first, instants) = traced("refused.json", 1);
    let refused = named(&first, "gate accept");
    let of = attributes(&refused);
    assert_eq!((&of["orgo.gate.decision"], &of["error.type"]), (&"FAIL".into(), &"VALIDATION_FAILED".into()));
    assert!(
        of["orgo.gate.reason_codes"]["values"]
            .as_array()
            .unwrap()
            .contains(&serde_json::json!({ "stringValue": "VALIDATION_FAILED" }))
    );
    assert_eq!((&of["orgo.gate.stage"], &refused["status"]["code"]), (&"canon".into(), &2.into()));
    assert_eq!(
        refused["startTimeUnixNano"],
        named(&first, "report")["endTimeUnixNano"],
        "it decides when the report is there"
    );
    assert_eq!((&instants[0]["name"], &instants[0]["args"]["decision"]), (&"gate accept".into(), &"FAIL".into()));

    repo.git(&["checkout", "-q", "HEAD~1", "--", "decisions"]);
    repo.commit("decisions");
    let (second, instants) = traced("passed.json", 0);
    let root = named(&second, "RUN elements");
    for name in ["snapshots", "claims", "resolved"] {
        let (hit, ran) = (named(&second, name), named(&first, name));
        let of = attributes(&hit);
        assert_eq!((&of["orgo.hit"], &of["orgo.origin"]), (&true.into(), &"local".into()), "{name}");
        assert_eq!(of["orgo.key"], attributes(&ran)["orgo.key"], "the key under which it ran");
        assert_eq!((&hit["startTimeUnixNano"], &hit["parentSpanId"]), (&hit["endTimeUnixNano"], &root["spanId"]));
    }
    let ran = named(&second, "decided");
    assert_eq!(attributes(&ran)["orgo.hit"], false);
    let links: Vec<&Value> = ran["links"].as_array().unwrap().iter().map(|link| &link["spanId"]).collect();
    assert_eq!(links, [&named(&second, "resolved")["spanId"]], "what it waited for was in the cache");
    let passed: Vec<&Value> = second.iter().filter(|s| s["name"] == "gate accept").collect();
    assert_eq!(passed.len(), 2, "one for each stage behind it");
    for span in passed {
        assert_eq!((&attributes(span)["orgo.gate.decision"], span.get("status")), (&"PASS".into(), None));
    }
    let of = |category: &str| instants.iter().filter(|e| e["cat"] == category).count();
    assert_eq!((of("hit"), of("gate")), (3, 2));
}
