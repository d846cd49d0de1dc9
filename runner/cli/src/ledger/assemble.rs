//! A run's outcome as a build record and its evidence.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orgo_host::clock::{Clock, rfc3339};
use orgo_host::isolation::unpinned;
use orgo_host::process::Exit;
use orgo_host::run::{RunOutcome, StageOutcome};
use orgo_host::store::Store;
use orgo_kernel::key::{Output, OutputKind};
use orgo_kernel::plan::{Action, Resolved, ResolvedStage};
use orgo_kernel::scheduler::State;
use orgo_spec::blueprint::Blueprint;
use orgo_spec::canonical::{self, Object, Value};
use orgo_spec::project::Project;
use orgo_spec::record::{
    Actor, Artifact, AttemptRun, BuildFacts, BuildRecord, BuildRun, Compiler, Decision, GateFacts, Identity, Lane,
    Outcome, Outputs, Pins, PipelineRef, Program, Snapshot, Source, StageCounts, StageError, StageFacts, StagePage,
    StageRun, StageStatus, Statement, Status,
};
use orgo_spec::{Digest, Name, ReasonCode};

use super::governance::Governance;
use super::kristal;
use super::lane::Desk;
use crate::failure::Failure;

/// Inputs are listed up to this many; then one digest over all of them stands in the record.
const MAX_LISTED_INPUTS: usize = 1000;

/// A record that is ready to be signed.
pub(crate) struct Assembly {
    pub(crate) statement: Statement<BuildRecord>,
    pub(crate) evidence: Vec<Vec<u8>>,
    /// What happened, in one line.
    pub(crate) headline: String,
}

/// What the record is about besides the outcome.
pub(crate) struct About<'a> {
    pub(crate) project: &'a Project,
    /// Digest over everything declared.
    pub(crate) declared: Digest,
    /// Every file that declarations were read from.
    pub(crate) files: Vec<(String, Digest)>,
    /// The commit of the base that conditions were decided against.
    pub(crate) base: Option<String>,
    pub(crate) plan: &'a Resolved,
    pub(crate) wanted: &'a [bool],
    pub(crate) targets: &'a [String],
    pub(crate) governance: &'a Governance,
    pub(crate) pins: Pins,
    pub(crate) desk: &'a Desk,
    pub(crate) clock: &'a Clock,
    /// Where the workspace keeps what it remembers.
    pub(crate) state: &'a Path,
    /// The run's id.
    pub(crate) run: &'a str,
    /// The id of the record of its start, once that was written.
    pub(crate) started: Cell<Option<Digest>>,
}

impl About<'_> {
    /// The ids of mandate and blueprint.
    pub(super) fn governed_by(&self) -> (Option<Digest>, Option<Digest>) {
        (self.governance.mandate_id(), self.governance.blueprint.as_ref().map(Blueprint::id))
    }

    /// Digest over everything that was decided before the run.
    pub(crate) fn config_hash(&self) -> Digest {
        let (mandate, blueprint) = self.governed_by();
        let Resolved { name, parameters, .. } = self.plan;
        config_hash(name, self.declared, self.targets, parameters, mandate, blueprint, self.pins)
    }
}

/// Builds the record of a run.
///
/// # Errors
/// [`Failure`] if an artifact that has to be read is not in the store.
pub(crate) fn assemble(about: &About<'_>, outcome: &RunOutcome, store: &Store) -> Result<Assembly, Failure> {
    let plan = about.plan;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let gates: Vec<_> = outcome.gates.iter().map(|g| g.record.clone()).collect();
    let gate_facts: Vec<GateFacts> = outcome
        .gates
        .iter()
        .filter_map(|g| canonical::from_slice(&g.facts, canonical::Profile::DOCUMENT).ok())
        .collect();
    let (stages, counts, pages) = stages(about, outcome, store)?;
    let refused = gates.iter().any(|g| g.decision == Decision::Fail);
    let validation_status = (!gates.is_empty()).then_some(if refused { Decision::Fail } else { Decision::Pass });
    let reports = gate_facts.iter().filter_map(|f| f.report.as_ref());
    let validation_codes: BTreeSet<String> = reports.flat_map(|r| r.counts.keys().cloned()).collect();
    let pinned = about.governance.settings().is_some_and(|m| !m.validation.rulesets.is_empty());
    let mandate_ref = about.governance.mandate_id();
    let blueprint_ref = about.governance.blueprint.as_ref().map(orgo_spec::blueprint::Blueprint::id);
    let mut facts = BuildFacts::new(
        about.project.tenant.clone(),
        about.desk.class,
        about.desk.lane,
        pipeline(about),
        source(about),
        Compiler { digest: outcome.executor.digest, name: "orgo".to_owned(), version: version.clone() },
        about.config_hash(),
    );
    facts.approvals = outcome.approvals.iter().map(|a| a.entry.clone()).collect();
    facts.authoritative_attempt = authoritative(plan, outcome);
    facts.blueprint_ref = blueprint_ref;
    facts.gates = gates;
    facts.input_snapshots = inputs(outcome, store)?;
    facts.keys = keys(plan, outcome);
    facts.kristal_pin = kristal::pin(plan, about.governance.blueprint.as_ref());
    facts.mandate_ref = mandate_ref;
    facts.pages = pages;
    facts.pins = Some(about.pins);
    if pinned {
        "pinned".clone_into(&mut facts.ruleset);
    }
    facts.stage_counts = counts;
    facts.stages = stages;
    facts.validation_codes = validation_codes.into_iter().collect();
    facts.validation_report_ref = gate_facts.first().and_then(|f| f.report_digest);
    facts.validation_status = validation_status;
    facts.end(match (outcome.terminal_code(), outcome.cancelled) {
        (None, _) => Outcome::Passed {
            outputs: Outputs {
                artifacts: last_outputs(about, outcome),
                kristal: kristal::outputs(plan, outcome, store)?,
            },
        },
        (Some(reason), true) => Outcome::Cancelled { reason },
        (Some(reason), false) if outcome.is_waiting() => Outcome::Waiting { reason },
        (Some(reason), false) => Outcome::Failed { reason },
    });
    let headline = headline(about, outcome, &facts, &gate_facts);
    let run = circumstances(about, outcome, version);
    let mut evidence: Vec<Vec<u8>> = about.governance.evidence();
    for gate in &outcome.gates {
        evidence.push(gate.facts.clone());
        evidence.extend(gate.excerpt.clone().or_else(|| gate.report.clone()));
    }
    evidence.extend(outcome.approvals.iter().map(|a| a.facts.clone()));
    evidence.sort_unstable();
    evidence.dedup();
    Ok(Assembly { statement: Statement::new(BuildRecord { facts, run }), evidence, headline })
}

/// Digest over names and keys of all stages, in order.
pub(crate) fn keys(plan: &Resolved, outcome: &RunOutcome) -> Digest {
    let keys = plan.stages.iter().zip(&outcome.stages);
    orgo_host::run::keys(keys.map(|(stage, o)| (stage.name.as_str(), o.keyed.as_ref().map(|k| k.key))))
}

/// What is run.
pub(super) fn pipeline(about: &About<'_>) -> PipelineRef {
    PipelineRef {
        definition: about.declared,
        name: Name::new(&about.plan.name).expect("pipelines have names"),
        parameters: about.plan.parameters.iter().cloned().collect(),
        profile: about.plan.kristal.then(|| "kristal".to_owned()),
        targets: about.targets.to_vec(),
    }
}

/// What is read.
pub(super) fn source(about: &About<'_>) -> Source {
    let source = &about.desk.source;
    Source {
        base: about.base.clone(),
        commit: source.commit.to_string(),
        dirty: source.is_dirty(),
        reference: source.reference.clone(),
        tree: source.tree.to_string(),
    }
}

/// Digest of the effective configuration: what was declared, what governs, what was asked for.
pub(crate) fn config_hash(
    pipeline: &str,
    declared: Digest,
    targets: &[String],
    parameters: &[(String, String)],
    mandate: Option<Digest>,
    blueprint: Option<Digest>,
    pins: Pins,
) -> Digest {
    let text = |d: Option<Digest>| d.map_or(Value::Null, Value::from);
    let mut config = Object::from_iter([
        ("blueprint", text(blueprint)),
        ("declared", declared.into()),
        ("mandate", text(mandate)),
        ("pipeline", pipeline.into()),
        ("targets", Value::Array(targets.iter().map(|t| Value::from(t.as_str())).collect())),
    ]);
    if let Some(lock) = pins.lock() {
        config.insert("lock", lock);
    }
    if !parameters.is_empty() {
        let parameters: Object = parameters.iter().map(|(n, v)| (n.clone(), v.as_str())).collect();
        config.insert("parameters", Value::Object(parameters));
    }
    Digest::of(&canonical::to_bytes(&config.into()))
}

fn authoritative(plan: &Resolved, outcome: &RunOutcome) -> BTreeMap<String, u32> {
    let retried = plan.stages.iter().zip(&outcome.stages).filter(|(_, o)| o.attempts.len() > 1);
    let count = |o: &StageOutcome| u32::try_from(o.attempts.len()).unwrap_or(u32::MAX);
    retried.map(|(s, o)| (s.name.clone(), count(o))).collect()
}

fn stages(
    about: &About<'_>,
    outcome: &RunOutcome,
    store: &Store,
) -> Result<(Vec<StageFacts>, StageCounts, Vec<StagePage>), Failure> {
    let mut all = Vec::new();
    let mut counts = StageCounts::default();
    for id in about.plan.graph.stages().filter(|id| about.wanted[id.index()]) {
        let facts = stage_facts(about.plan.stage(id), &outcome.stages[id.index()], &outcome.inputs(about.plan, id));
        // What a record names by digest can be had by digest.
        for output in outcome.stages[id.index()].outputs.iter() {
            if let (OutputKind::Link(target), StageStatus::Pass) = (&output.kind, facts.status) {
                store.put(target.as_bytes())?;
            }
        }
        counts.add(&facts);
        all.push(facts);
    }
    if all.len() <= BuildRecord::MAX_LISTED_STAGES {
        return Ok((all, counts, Vec::new()));
    }
    let mut pages = Vec::new();
    for page in all.chunks(BuildRecord::MAX_LISTED_STAGES) {
        let bytes = canonical::bytes_of(&page).expect("stage facts have small numbers");
        let blob = store.put(&bytes)?;
        pages.push(StagePage { digest: blob.digest, stages: page.len() as u64 });
    }
    all.retain(|s| matches!(s.status, StageStatus::Fail | StageStatus::Wait));
    all.truncate(BuildRecord::MAX_LISTED_STAGES);
    Ok((all, counts, pages))
}

fn stage_facts(stage: &ResolvedStage, o: &StageOutcome, inputs: &[(String, Digest)]) -> StageFacts {
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
        stage: stage.name.clone(),
        status,
        unpinned: o.isolation.filter(|_| passed).map_or_else(Vec::new, |level| unpinned(level, stage.network)),
    }
}

fn artifact(output: &Output) -> Artifact {
    let digest = match &output.kind {
        OutputKind::File { blob, .. } => blob.digest,
        OutputKind::Link(target) => Digest::of(target.as_bytes()),
        OutputKind::EmptyFolder => Digest::EMPTY,
    };
    Artifact { digest, name: plain(&output.path) }
}

/// Records carry plain text only. A name that is not plain is escaped, not changed: two names stay two.
pub(super) fn plain(text: &str) -> String {
    if canonical::is_plain(text) { text.to_owned() } else { text.escape_default().to_string() }
}

fn one_line(text: &str) -> String {
    canonical::plain(&text.replace(['\n', '\r', '\t'], " "), 500)
}

/// Output trees of the stages that nothing else in the run needs.
fn last_outputs(about: &About<'_>, outcome: &RunOutcome) -> Vec<Artifact> {
    let plan = about.plan;
    let last = plan
        .graph
        .stages()
        .filter(|id| about.wanted[id.index()] && !plan.graph.dependents(*id).iter().any(|d| about.wanted[d.index()]));
    let tree = |id: orgo_kernel::graph::StageId| {
        outcome.stages[id.index()].tree.map(|tree| Artifact { digest: tree.digest, name: plan.stage(id).name.clone() })
    };
    last.filter_map(tree).collect()
}

/// Repository files that stages read, each once, by path.
fn inputs(outcome: &RunOutcome, store: &Store) -> Result<Vec<Snapshot>, Failure> {
    let mut files: BTreeMap<&str, Digest> = BTreeMap::new();
    for stage in &outcome.stages {
        files.extend(stage.repository_files().map(|f| (f.path.as_str(), f.blob.digest)));
    }
    let all: Vec<Snapshot> =
        files.iter().map(|(path, digest)| Snapshot { digest: *digest, path: plain(path) }).collect();
    if all.len() <= MAX_LISTED_INPUTS {
        return Ok(all);
    }
    let bytes = canonical::bytes_of(&all).expect("digests and paths");
    let blob = store.put(&bytes)?;
    Ok(vec![Snapshot { digest: blob.digest, path: format!("({} files; this digest names their list)", all.len()) }])
}

fn circumstances(about: &About<'_>, outcome: &RunOutcome, version: String) -> BuildRun {
    let protected = about.desk.lane == Lane::Protected;
    let wanted = about.plan.stages.iter().zip(&outcome.stages).zip(about.wanted).filter(|(_, w)| **w);
    let ran = wanted.filter(|((_, o), _)| !o.attempts.is_empty());
    let stages = ran.take(BuildRecord::MAX_LISTED_STAGES).map(|((stage, o), _)| StageRun {
        attempts: o
            .attempts
            .iter()
            .zip(1..)
            .map(|(a, attempt)| AttemptRun {
                attempt,
                ended_at: rfc3339(a.ended_ms),
                exit_code: a.exit.and_then(|e| if let Exit::Code(code) = e { Some(code) } else { None }),
                started_at: rfc3339(a.started_ms),
            })
            .collect(),
        cached: false,
        log: o.log.map(|l| l.digest),
        stage: stage.name.clone(),
    });
    BuildRun {
        actor: Actor {
            id: about.desk.runner.public().id().to_string(),
            kind: if protected { "runner" } else { "person" }.to_owned(),
        },
        approvals_decided_at: outcome.approvals.iter().map(|a| (a.entry.stage.clone(), a.decided_at.clone())).collect(),
        build_id: outcome.run.clone(),
        clock: if about.clock.is_injected() { "injected" } else { "system" }.to_owned(),
        created_at: rfc3339(outcome.ended_ms),
        ended_at: rfc3339(outcome.ended_ms),
        environment: "development".to_owned(),
        executor: Program { digest: outcome.executor.digest, name: "orgo".to_owned(), version },
        host: plain(&orgo_host::machine::name()),
        stages: stages.collect(),
        started: about.started.get(),
        started_at: rfc3339(outcome.started_ms),
        workflow_id: outcome.run.clone(),
    }
}

/// `elements FAIL validate: 27 FUNCTIONAL_CONFLICT main@abc123`.
fn headline(about: &About<'_>, outcome: &RunOutcome, facts: &BuildFacts, gates: &[GateFacts]) -> String {
    let branch = facts.source.reference.as_deref().map_or("detached", |r| r.strip_prefix("refs/heads/").unwrap_or(r));
    let at = format!("{branch}@{}", facts.source.commit.chars().take(7).collect::<String>());
    let word = match facts.status() {
        Status::Succeeded => "PASS",
        Status::Failed => "FAIL",
        Status::Cancelled => "CANCELLED",
        Status::Waiting => "WAITING",
    };
    let refusing = outcome.gates.iter().zip(gates).find(|(g, _)| g.record.decision == Decision::Fail);
    let what = match (facts.status(), refusing) {
        (Status::Succeeded, _) => format!(": {} ran, {} hits", outcome.ran(), outcome.hits()),
        (_, Some((gate, facts))) => {
            format!(" gate {}: {}", gate.record.gate, refusal(&gate.record.reason_codes, facts))
        }
        (_, None) => {
            let waits = facts.status() == Status::Waiting;
            let required = |s: &ResolvedStage, o: &StageOutcome| match o.state {
                State::Unapproved(_) => waits,
                State::Failed(_) => !s.is_optional(),
                State::Waiting
                | State::Deciding
                | State::Asking
                | State::Looking
                | State::Ready
                | State::Running
                | State::Paused(_)
                | State::Done { .. }
                | State::Refused(_)
                | State::Skipped(_) => false,
            };
            let failed = about.plan.stages.iter().zip(&outcome.stages).find(|(s, o)| required(s, o));
            let code = facts.terminal_reason_code().map_or(String::new(), |c| c.to_string());
            failed.map_or(format!(": {code}"), |(stage, _)| format!(" {}: {code}", stage.name))
        }
    };
    format!("{} {word}{what} {at}", about.plan.name)
}

/// Why a gate refused, in a few words: `27 FUNCTIONAL_CONFLICT` if the report has errors, otherwise the first reason.
fn refusal(codes: &[ReasonCode], facts: &GateFacts) -> String {
    let reason = codes.first().map_or(String::new(), ToString::to_string);
    let Some(report) = facts.report.as_ref().filter(|r| r.errors > 0) else { return reason };
    if codes.first() != Some(&ReasonCode::ValidationFailed) {
        return reason;
    }
    // Counts are of errors and warnings together; a code that is counted more often than there are errors is none.
    let errors = report.counts.iter().filter(|(_, n)| **n <= report.errors);
    match errors.max_by_key(|(_, n)| **n) {
        Some((code, n)) if *n == report.errors => format!("{n} {code}"),
        Some((code, n)) => format!("{} errors, {n} of them {code}", report.errors),
        None => format!("{} errors", report.errors),
    }
}
