//! A run's outcome as a build record and its evidence.

mod headline;
mod stages;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orgo_host::clock::{Clock, rfc3339};
use orgo_host::process::Exit;
use orgo_host::run::{RunOutcome, StageOutcome};
use orgo_host::store::Store;
use orgo_kernel::plan::Resolved;
use orgo_spec::blueprint::Blueprint;
use orgo_spec::canonical::{self, Object, Value};
use orgo_spec::project::Project;
use orgo_spec::record::{
    Actor, AttemptRun, BuildFacts, BuildRecord, BuildRun, Compiler, Decision, GateFacts, Lane, Outcome, Outputs, Pins,
    PipelineRef, Program, Snapshot, Source, StageRun, Statement,
};
use orgo_spec::{Digest, Name};

use self::headline::headline;
pub(crate) use self::stages::{artifact, elsewhere};
use self::stages::{last_outputs, stages};
use super::governance::Governance;
use super::kristal;
use super::lane::Desk;
use crate::failure::Failure;

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
    /// What is known of keys that made different results, sorted; known when the run has ended.
    pub(crate) variance: Vec<String>,
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
    let stages = stages(about, outcome, store)?;
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
    facts.isolation = stages.isolation;
    facts.keys = keys(plan, outcome);
    facts.kristal_pin = kristal::pin(plan, about.governance.blueprint.as_ref());
    facts.mandate_ref = mandate_ref;
    let overrides: BTreeSet<Digest> = facts.gates.iter().filter_map(|g| g.override_ref).collect();
    facts.overrides = overrides.into_iter().collect();
    facts.pages = stages.pages;
    facts.pins = Some(about.pins);
    if pinned {
        "pinned".clone_into(&mut facts.ruleset);
    }
    facts.stage_counts = stages.counts;
    facts.stages = stages.listed;
    facts.validation_codes = validation_codes.into_iter().collect();
    facts.validation_report_ref = gate_facts.first().and_then(|f| f.report_digest);
    facts.validation_status = validation_status;
    facts.variance.clone_from(&about.variance);
    facts.end(match (outcome.terminal_code(), outcome.cancelled) {
        (None, _) => Outcome::Passed {
            outputs: Outputs {
                artifacts: last_outputs(about, outcome, store)?,
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

/// Records carry plain text only. A name that is not plain is escaped, not changed: two names stay two.
pub(super) fn plain(text: &str) -> String {
    if canonical::is_plain(text) { text.to_owned() } else { text.escape_default().to_string() }
}

/// Repository files that stages read, each once, by path.
fn inputs(outcome: &RunOutcome, store: &Store) -> Result<Vec<Snapshot>, Failure> {
    let mut files: BTreeMap<&str, Digest> = BTreeMap::new();
    for stage in &outcome.stages {
        files.extend(stage.repository_files().map(|f| (f.path.as_str(), f.blob.digest)));
    }
    let all: Vec<Snapshot> =
        files.iter().map(|(path, digest)| Snapshot { digest: *digest, path: plain(path) }).collect();
    if all.len() <= BuildRecord::MAX_LISTED_FILES {
        return Ok(all);
    }
    let list = listed(&all, store)?;
    Ok(vec![Snapshot { digest: list, path: format!("({} files; this digest names their list)", all.len()) }])
}

/// Stores a list that is too long for a record; the digest names it.
fn listed<T: serde::Serialize>(all: &[T], store: &Store) -> Result<Digest, Failure> {
    let bytes = canonical::bytes_of(&all).expect("digests and paths");
    Ok(store.put(&bytes)?.digest)
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
        environment: about.desk.environment.to_string(),
        executor: Program { digest: outcome.executor.digest, name: "orgo".to_owned(), version },
        host: plain(&orgo_host::machine::name()),
        stages: stages.collect(),
        started: about.started.get(),
        started_at: rfc3339(outcome.started_ms),
        workflow_id: outcome.run.clone(),
    }
}
