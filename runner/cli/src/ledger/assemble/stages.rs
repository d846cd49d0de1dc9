//! What a record says of each stage.

use orgo_host::isolation::unpinned;
use orgo_host::run::{RunOutcome, StageOutcome};
use orgo_host::store::Store;
use orgo_kernel::graph::StageId;
use orgo_kernel::key::{Output, OutputKind};
use orgo_kernel::plan::{Action, Resolved};
use orgo_kernel::scheduler::State;
use orgo_spec::pipeline::Isolation;
use orgo_spec::record::{
    Artifact, BuildFacts, BuildRecord, Identity, Origin, ServiceFacts, StageCounts, StageError, StageFacts, StagePage,
    StageStatus,
};
use orgo_spec::{Digest, ReasonCode, canonical};

use super::{About, listed, plain};
use crate::failure::Failure;

/// Every stage that was asked for.
pub(super) struct Stages {
    /// Those that the record lists.
    pub(super) listed: Vec<StageFacts>,
    pub(super) counts: StageCounts,
    pub(super) pages: Vec<StagePage>,
    /// The weakest isolation that a result of any of them rests on.
    pub(super) isolation: Option<Isolation>,
}

/// Every stage that was asked for, counted; on pages in the store, where they are too many to list.
pub(super) fn stages(about: &About<'_>, outcome: &RunOutcome, store: &Store) -> Result<Stages, Failure> {
    let mut all = Vec::new();
    let mut counts = StageCounts::default();
    for id in about.plan.graph.stages().filter(|id| about.wanted[id.index()]) {
        let facts = stage_facts(about.plan, id, &outcome.stages[id.index()], &outcome.inputs(about.plan, id));
        // What a record names by digest can be had by digest.
        for output in outcome.stages[id.index()].outputs.iter() {
            if let (OutputKind::Link(target), StageStatus::Pass) = (&output.kind, facts.status) {
                store.put(target.as_bytes())?;
            }
        }
        counts.add(&facts);
        all.push(facts);
    }
    let isolation = BuildFacts::weakest_of(&all);
    let files = |s: &StageFacts| s.artifacts_in.len() + s.artifacts_out.len();
    let too_many = all.iter().map(files).sum::<usize>() > BuildRecord::MAX_LISTED_FILES;
    if all.len() <= BuildRecord::MAX_LISTED_STAGES && !too_many {
        return Ok(Stages { listed: all, counts, pages: Vec::new(), isolation });
    }
    let mut pages = Vec::new();
    for page in all.chunks(BuildRecord::MAX_LISTED_STAGES) {
        pages.push(StagePage { digest: listed(page, store)?, stages: page.len() as u64 });
    }
    // What needs attention stands in the record as well, as far as there is room.
    let mut room = BuildRecord::MAX_LISTED_FILES;
    all.retain(|s| {
        let left = matches!(s.status, StageStatus::Fail | StageStatus::Wait).then(|| room.checked_sub(files(s)));
        room = left.flatten().unwrap_or(room);
        left.flatten().is_some()
    });
    all.truncate(BuildRecord::MAX_LISTED_STAGES);
    Ok(Stages { listed: all, counts, pages, isolation })
}

fn stage_facts(plan: &Resolved, id: StageId, o: &StageOutcome, inputs: &[(String, Digest)]) -> StageFacts {
    let stage = plan.stage(id);
    let (status, code) = match o.state {
        State::Done { .. } => (StageStatus::Pass, None),
        State::Failed(code) | State::Refused(code) => (StageStatus::Fail, Some(code)),
        State::Skipped(code @ ReasonCode::ConditionNotMet) => (StageStatus::Skip, Some(code)),
        State::Unapproved(code) => (StageStatus::Wait, Some(code)),
        State::Skipped(_)
        | State::Waiting
        | State::Deciding
        | State::Asking
        | State::Looking
        | State::Ready
        | State::Running
        | State::Paused(_) => (StageStatus::Skip, None),
    };
    let message = o.attempts.last().and_then(|a| a.message.as_deref()).map(one_line);
    let name = match &stage.action {
        Action::Run(argv) => argv[0].clone(),
        Action::Tool { name, .. } => name.clone(),
        Action::Compile(compiler) => compiler.tool().name().to_owned(),
    };
    let passed = status == StageStatus::Pass;
    let service = |at: &u32| {
        let service = &plan.services[*at as usize];
        ServiceFacts { isolation: service.isolation, name: service.name.clone() }
    };
    StageFacts {
        artifacts_in: inputs.iter().map(|(name, digest)| Artifact { digest: *digest, name: plain(name) }).collect(),
        artifacts_out: if passed { o.outputs.iter().map(artifact).collect() } else { Vec::new() },
        errors: code.map(|code| StageError { code, message }).into_iter().collect(),
        identity: Identity {
            config_hash: o.keyed.as_ref().map(|k| k.command.digest),
            name: plain(&name),
            version: match (&stage.action, &o.keyed) {
                (Action::Run(_), Some(keyed)) => keyed.tools.to_string(),
                (Action::Run(_), None) => "unknown".to_owned(),
                (Action::Tool { .. } | Action::Compile(_), _) => env!("CARGO_PKG_VERSION").to_owned(),
            },
        },
        isolation: o.isolation.filter(|_| passed),
        key: o.keyed.as_ref().map(|k| k.key.0),
        optional: stage.is_optional(),
        origin: o.origin.as_ref().filter(|_| passed).map(as_named),
        // What a service is, its isolation too, is in the key of its stages: it was so when the result was made.
        services: if passed { stage.services().iter().map(service).collect() } else { Vec::new() },
        stage: stage.name.clone(),
        status,
        unpinned: o.isolation.filter(|_| passed).map_or_else(Vec::new, |level| unpinned(level, stage.network)),
    }
}

/// Stages whose results were not made here, with where these came from and what they are, as a record says it.
pub(crate) fn elsewhere(about: &About<'_>, outcome: &RunOutcome) -> Vec<(String, Origin, Vec<Artifact>)> {
    let stages = about.plan.stages.iter().zip(&outcome.stages).zip(about.wanted).filter(|(_, wanted)| **wanted);
    let told = stages.filter_map(|((stage, o), _)| {
        let origin = o.origin.as_ref().map(as_named)?;
        Some((stage.name.clone(), origin, o.outputs.iter().map(artifact).collect()))
    });
    told.collect()
}

fn as_named(origin: &Origin) -> Origin {
    Origin { name: plain(&origin.name), ..origin.clone() }
}

/// An output as a record names it.
pub(crate) fn artifact(output: &Output) -> Artifact {
    let digest = match &output.kind {
        OutputKind::File { blob, .. } => blob.digest,
        OutputKind::Link(target) => Digest::of(target.as_bytes()),
        OutputKind::EmptyFolder => Digest::EMPTY,
    };
    Artifact { digest, name: plain(&output.path) }
}

fn one_line(text: &str) -> String {
    canonical::plain(&text.replace(['\n', '\r', '\t'], " "), 500)
}

/// Output trees of the stages that nothing else in the run needs; one digest of their list, where they are too many.
pub(super) fn last_outputs(about: &About<'_>, outcome: &RunOutcome, store: &Store) -> Result<Vec<Artifact>, Failure> {
    let plan = about.plan;
    let last = plan
        .graph
        .stages()
        .filter(|id| about.wanted[id.index()] && !plan.graph.dependents(*id).iter().any(|d| about.wanted[d.index()]));
    let tree = |id: orgo_kernel::graph::StageId| {
        outcome.stages[id.index()].tree.map(|tree| Artifact { digest: tree.digest, name: plan.stage(id).name.clone() })
    };
    let all: Vec<Artifact> = last.filter_map(tree).collect();
    if all.len() <= BuildRecord::MAX_LISTED_FILES {
        return Ok(all);
    }
    let name = format!("({} outputs; this digest names their list)", all.len());
    Ok(vec![Artifact { digest: listed(&all, store)?, name }])
}
