//! A thousand random sequences of edits, held against an oracle that rebuilds from nothing.
//!
//! After every run two things are asked. Every result below `out/` is what a pure function of the declarations and the
//! sources says (no stale output). And the stages that were run are exactly those whose result was not known, or could
//! not be had any more (no unneeded stage). The oracle knows nothing of times, stamps or fingerprints.
//!
//! `ORGO_ORACLE_SEED=17 cargo test -p orgo --test e2e one_sequence` tells one sequence again, step by step.

mod edits;
mod model;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::random::Random;
use crate::support::Repo;
use world::{Asked, Expected, World};

/// How many sequences there are in each of the four tests.
const SEQUENCES: u64 = 250;

#[test]
fn no_stale_result_and_no_unneeded_stage_in_the_first_quarter() {
    sequences(0);
}

#[test]
fn no_stale_result_and_no_unneeded_stage_in_the_second_quarter() {
    sequences(1);
}

#[test]
fn no_stale_result_and_no_unneeded_stage_in_the_third_quarter() {
    sequences(2);
}

#[test]
fn no_stale_result_and_no_unneeded_stage_in_the_last_quarter() {
    sequences(3);
}

#[test]
fn one_sequence_again() {
    if let Some(seed) = std::env::var("ORGO_ORACLE_SEED").ok().and_then(|s| s.parse().ok()) {
        let told = sequence(seed, &programs()).unwrap_or_else(|told| panic!("{told}"));
        panic!("the sequence {seed} holds:\n{told}");
    }
}

fn sequences(quarter: u64) {
    let programs = programs();
    for seed in quarter * SEQUENCES..(quarter + 1) * SEQUENCES {
        if let Err(told) = sequence(seed, &programs) {
            panic!("ORGO_ORACLE_SEED={seed}\n{told}");
        }
    }
}

/// What orgo remembers of host programs: to hash them (and itself) takes longer than everything else here.
fn programs() -> Vec<u8> {
    let repo = Repo::in_memory();
    repo.write("orgo.kdl", "project \"test\"\n");
    repo.write("pipelines/p.kdl", r#"pipeline "p" { stage "s" { run "sh" "-c" "mkdir d"; tool "mkdir"; out "d" } }"#);
    repo.orgo(&["run"]).ok();
    std::fs::read(programs_of(&repo)).unwrap()
}

fn programs_of(repo: &Repo) -> PathBuf {
    repo.root().join(".orgo/state/programs")
}

/// Plays one sequence; says what was done, and what did not hold.
fn sequence(seed: u64, programs: &[u8]) -> Result<String, String> {
    let repo = Repo::in_memory();
    repo.write("orgo.kdl", "project \"test\"\n");
    std::fs::create_dir_all(programs_of(&repo).parent().unwrap()).unwrap();
    std::fs::write(programs_of(&repo), programs).unwrap();
    let mut world = World::new(repo, Random::new(seed));
    world.begin();
    // Branches, records and runs that are answered without the plan need commits, and take twice as long.
    if seed.is_multiple_of(5) {
        world.commit();
    }
    let steps = 4 + world.random.below(2);
    for step in 0..steps {
        for _ in 0..if step == 0 { 0 } else { world.random.below(4) } {
            world.edit();
        }
        if let Err(what) = run(&mut world) {
            return Err(format!("{}\n{what}", world.told.join("\n")));
        }
    }
    Ok(world.told.join("\n"))
}

/// Runs orgo as the numbers have it, and holds what it did against the oracle.
fn run(world: &mut World) -> Result<(), String> {
    let mut asked = Asked::default();
    if world.random.one_in(5) {
        let ids: Vec<usize> = world.declared.stages.iter().map(|s| s.id).collect();
        asked.targets.extend(world.random.pick(&ids));
    }
    asked.force = world.random.one_in(12);
    let mut args = vec!["run".to_owned(), "p".to_owned(), "--keep-going".to_owned()];
    args.extend(asked.targets.iter().map(|id| world.declared.stage(*id).name.clone()));
    args.extend(asked.force.then(|| "--force".to_owned()));
    args.extend(world.random.one_in(2).then(|| "-j1".to_owned()));
    args.extend(world.random.one_in(2).then(|| "--json".to_owned()));
    let expected = world.expect(&asked);
    world.told.push(format!("orgo {}: has to run {:?}", args.join(" "), expected.started));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = world.repo.orgo(&args);
    let failed = expected.states.values().any(|s| *s == "failed");
    if done.code != Some(i32::from(failed)) {
        return Err(format!("it ends with {:?}\n{}\n{}", done.code, done.stdout, done.stderr));
    }
    let (started, mut keys) = started(&world.repo);
    if started != expected.started {
        return Err(format!("it ran {started:?}\n{}", done.stderr));
    }
    if args.contains(&"--json") {
        compare(&done.json(), &expected, &mut keys)?;
    }
    world.check_keys(&expected, &keys)?;
    world.check_results()
}

/// Which stages were started, and under which keys.
fn started(repo: &Repo) -> (BTreeSet<String>, BTreeMap<String, String>) {
    let entries = repo.journal();
    let entries = entries.lines().map(|l| serde_json::from_str::<Value>(l).expect("lines are JSON"));
    let starts: Vec<Value> = entries.filter(|e| e["event"] == "start").collect();
    let text = |v: &Value| v.as_str().expect("text").to_owned();
    let names = starts.iter().map(|e| text(&e["stage"])).collect();
    (names, starts.iter().map(|e| (text(&e["stage"]), text(&e["key"]))).collect())
}

fn compare(told: &Value, expected: &Expected, keys: &mut BTreeMap<String, String>) -> Result<(), String> {
    for stage in told["stages"].as_array().expect("stages") {
        let name = stage["stage"].as_str().expect("a name");
        let Some(state) = expected.states.get(name) else { continue };
        if stage["state"] != *state {
            return Err(format!("{name} is told to be {} and should be {state}", stage["state"]));
        }
        let reasons = stage["why"].as_array().map_or(0, Vec::len);
        if (reasons > 0) != matches!(*state, "ran" | "failed") {
            return Err(format!("{name} is {state} and tells {reasons} reasons"));
        }
        if let Some(key) = stage["key"].as_str() {
            keys.insert(name.to_owned(), key.to_owned());
        }
    }
    Ok(())
}
