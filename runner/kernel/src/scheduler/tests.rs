//! Simulation: any order of events keeps the scheduler's promises.

mod approve;
mod last;
mod lists;
mod order;
mod retry;
mod taking;
mod world;

use orgo_spec::document::Document;
use orgo_spec::pipeline::parse_pipelines;

use super::*;
use crate::expand::{Given, KnownList, expand, grow};
use crate::plan::Resolved;

const RUN: &str = "run";

fn options(jobs: u32, keep_going: bool) -> Options {
    Options { jobs, keep_going, run: RUN.to_owned(), memory_bytes: None }
}

/// The plan of a pipeline with this body.
fn plan(body: &str) -> Resolved {
    let document = Document::new("p.kdl", format!("pipeline \"p\" {{\n{body}\n}}\n"));
    let pipelines = parse_pipelines(&document).unwrap_or_else(|e| panic!("{:?}", e.problems().collect::<Vec<_>>()));
    expand(&document, &pipelines[0]).expect("a sound pipeline")
}

fn id(plan: &Resolved, name: &str) -> StageId {
    plan.find(name).expect("a stage")
}

/// A miss in the cache.
fn miss(stage: StageId) -> Event {
    Event::Looked { stage, hit: false, admission: None }
}

fn well(stage: StageId) -> Event {
    Event::Ended { stage, end: Ok(()) }
}

fn badly(stage: StageId, exit: i32) -> Event {
    Event::Ended { stage, end: Err(Bad { code: ReasonCode::StageFailed, exit: Some(exit) }) }
}

fn starts(commands: &[Command]) -> Vec<u32> {
    let mut starts: Vec<u32> = commands
        .iter()
        .filter_map(|c| if let Command::Start { stage, .. } = c { Some(stage.0) } else { None })
        .collect();
    starts.sort_unstable();
    starts
}
