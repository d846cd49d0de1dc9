//! What is decoded, and what it means if nothing is said.

use super::{Ready, StopSignal};
use crate::document::{Document, DurationMs};
use crate::pipeline::{Pipeline, parse_pipelines};

fn pipeline(body: &str) -> Pipeline {
    let document = Document::new("p.kdl", format!("pipeline \"p\" {{\n{body}\n}}\n"));
    let mut pipelines = parse_pipelines(&document).unwrap_or_else(|e| panic!("{:?}", e.problems().collect::<Vec<_>>()));
    pipelines.remove(0)
}

#[test]
fn a_retry_says_when_how_often_and_after_which_pause() {
    let p = pipeline(
        "stage \"s\" { run \"x\"; retry { times 3; on-exit 111 75; on-timeout #true; backoff \"1s\"; factor 3; max \"1m\" } }",
    );
    let retry = p.stages[0].runtime.retry.as_ref().expect("a retry");
    assert_eq!((retry.times, retry.on_exit.as_slice(), retry.on_timeout), (3, [75, 111].as_slice(), true));
    assert_eq!((retry.backoff, retry.factor, retry.max), (Some(DurationMs(1000)), 3, DurationMs(60_000)));
    assert_eq!(p.stages[0].retries, 3);
}

#[test]
fn without_exit_codes_any_bad_end_is_tried_again_with_them_only_those() {
    let p = pipeline(
        "stage \"a\" { run \"x\"; retry { times 1 } }; stage \"b\" { run \"x\"; retry { times 1; on-exit 75 } }; stage \"c\" { run \"x\"; retries 2 }",
    );
    let retry = |i: usize| p.stages[i].runtime.retry.as_ref();
    assert!(retry(0).is_some_and(|r| r.on_timeout && r.on_exit.is_empty() && r.backoff.is_none()));
    assert!(retry(1).is_some_and(|r| !r.on_timeout));
    assert!(retry(2).is_none() && p.stages[2].retries == 2);
}

#[test]
fn pools_mutexes_and_flags_are_decoded() {
    let p = pipeline(
        "pool \"gpu\" capacity=2\nstage \"s\" optional=#true { run \"x\"; pool \"gpu\"; mutex \"db\" \"net\" }\nstage \"f\" finally=#true { run \"x\" }",
    );
    let s = &p.stages[0].runtime;
    assert_eq!((p.runtime.pools[0].capacity.value, s.pools[0].weight.value, s.mutexes.len()), (2, 1, 2));
    assert!(s.is_optional() && !s.is_finally() && p.stages[1].runtime.is_finally());
}

#[test]
fn a_service_has_sound_defaults() {
    let p = pipeline(
        "service \"db\" { run \"postgres\" \"-p\" \"5432\"; ready-port 5432 }\nservice \"q\" { run \"q\"; ready \"ask\" \"q\"; stop-signal \"INT\"; stop-timeout \"2s\"; ready-timeout \"3s\" }\nservice \"r\" { run \"r\" }\nstage \"s\" { run \"x\"; needs \"db\" \"q\" }",
    );
    let [db, q, r] = p.runtime.services.as_slice() else { panic!("three services") };
    assert!(matches!(db.ready, Ready::Port(5432)) && matches!(r.ready, Ready::Started));
    assert!(matches!(&q.ready, Ready::Program(argv) if argv.len() == 2));
    assert_eq!(
        (db.ready_timeout, db.stop_timeout, db.stop_signal),
        (DurationMs(30_000), DurationMs(5000), StopSignal::Term)
    );
    assert_eq!((q.ready_timeout, q.stop_timeout, q.stop_signal), (DurationMs(3000), DurationMs(2000), StopSignal::Int));
    assert_eq!(p.stages[0].runtime.needs.len(), 2);
}
