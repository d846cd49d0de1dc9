//! How long what runs again may take: by what this workspace remembers, then by records.

use std::collections::BTreeMap;

use orgo_host::clock::millis;
use orgo_host::ledger::{Ledger, Record};
use orgo_host::memory::Memory;
use orgo_host::workspace::Workspace;
use orgo_kernel::graph::StageId;
use orgo_kernel::path::critical_path;
use orgo_kernel::plan::Resolved;
use orgo_spec::project::{LOCAL_LEDGER, Project};
use orgo_spec::review::{Estimate, PipelineReview};

use crate::failure::Failure;
use crate::here::Here;

/// How many of the newest records of a ledger are looked through.
const RECORDS: usize = 64;

/// Adds to a pipeline how long its stages took last, and what follows from that.
pub(super) fn estimate(
    here: &Here,
    project: Option<&Project>,
    plan: &Resolved,
    review: &mut PipelineReview,
) -> Result<(), Failure> {
    let Some(project) = project else { return Ok(()) };
    let state = Workspace::new(&here.root, project).state();
    let memory = Memory::open(&state, &plan.name, plan.stages.iter().map(|s| s.name.as_str()))?;
    let ids: BTreeMap<&str, StageId> = plan.graph.stages().map(|id| (plan.stage(id).name.as_str(), id)).collect();
    let mut sources: Vec<String> = Vec::new();
    let mut used = |source: &str| {
        if !sources.iter().any(|s| s == source) {
            sources.push(source.to_owned());
        }
    };
    for stage in review.stages.iter_mut().filter(|s| s.rerun.is_some()) {
        let remembered = ids.get(stage.stage.as_str()).and_then(|id| memory.get(id.index()));
        if let Some(remembered) = remembered {
            stage.last_ms = Some(remembered.duration_ms);
            used("workspace");
        }
    }
    for branch in [project.ledger.as_str(), LOCAL_LEDGER] {
        if review.stages.iter().all(|s| s.rerun.is_none() || s.last_ms.is_some()) {
            break;
        }
        let recorded = recorded(here, branch, &plan.name)?;
        for stage in review.stages.iter_mut().filter(|s| s.rerun.is_some() && s.last_ms.is_none()) {
            if let Some(ms) = recorded.get(&stage.stage) {
                stage.last_ms = Some(*ms);
                used(&format!("records of {branch}"));
            }
        }
    }
    let mut cost = vec![0; plan.stages.len()];
    let mut estimate = Estimate::default();
    for stage in &review.stages {
        let Some(rerun) = &stage.rerun else { continue };
        let Some(ms) = stage.last_ms else {
            estimate.unknown += 1;
            continue;
        };
        estimate.work_ms += ms;
        estimate.certain_ms += if rerun.certain { ms } else { 0 };
        if let Some(id) = ids.get(stage.stage.as_str()) {
            cost[id.index()] = ms;
        }
    }
    let order = plan.graph.topological().expect("`expand` refuses cycles");
    estimate.chain_ms = critical_path(&plan.graph, &order, |id| cost[id.index()]).0;
    estimate.source = (!sources.is_empty()).then(|| sources.join(", "));
    review.estimate = estimate;
    Ok(())
}

/// How long stages of a pipeline took by the newest records of a ledger in which they ran. Nothing is verified: it is
/// a guess about time.
fn recorded(here: &Here, branch: &str, pipeline: &str) -> Result<BTreeMap<String, u64>, Failure> {
    let mut known = BTreeMap::new();
    let Ok(reference) = here.git.branch(branch) else { return Ok(known) };
    if here.git.tip(&reference)?.is_none() {
        return Ok(known);
    }
    let ledger = Ledger::open(here.git.path(), &reference)?;
    // A ledger that cannot be read is told by `orgo verify`; here it only leaves times unknown.
    let Ok(listed) = ledger.list_here() else { return Ok(known) };
    for (number, _) in listed.iter().rev().filter(|(_, kind)| kind.as_str() == "build").take(RECORDS) {
        let Ok(stored) = ledger.record(*number) else { continue };
        let Ok(Record::Build(record)) = Record::parse("build", &stored.statement) else { continue };
        if record.predicate.facts.pipeline.name.as_str() != pipeline {
            continue;
        }
        for stage in record.predicate.run.stages.iter().filter(|s| !s.attempts.is_empty()) {
            let took =
                |a: &orgo_spec::record::AttemptRun| Some(millis(&a.ended_at)?.saturating_sub(millis(&a.started_at)?));
            let ms = stage.attempts.iter().filter_map(took).map(|ms| u64::try_from(ms).unwrap_or(0)).sum();
            known.entry(stage.stage.clone()).or_insert(ms);
        }
    }
    Ok(known)
}
