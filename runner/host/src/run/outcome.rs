//! What came of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use orgo_kernel::graph::StageId;
use orgo_kernel::key::{Blob, Keyed, Output, SourceFile};
use orgo_kernel::plan::{Resolved, ResolvedStage};
use orgo_kernel::scheduler::State;
use orgo_kernel::why::Why;
use orgo_spec::approval::ApprovalSubject;
use orgo_spec::overriding::SignedOverride;
use orgo_spec::pipeline::Isolation;
use orgo_spec::record::{ApprovalDecision, GateRecord, Origin};
use orgo_spec::{Digest, ReasonCode};

use super::approver::ApprovalOutcome;
use crate::memory::Remembered;
use crate::process::Exit;
use crate::store::Executor;

/// What came of a run; stages are in the order of their ids.
#[derive(Debug)]
pub struct RunOutcome {
    /// The run's id.
    pub run: String,
    /// Milliseconds since the epoch.
    pub started_ms: i64,
    /// Milliseconds since the epoch.
    pub ended_ms: i64,
    /// Who ran the stages.
    pub executor: Executor,
    /// Every stage.
    pub stages: Vec<StageOutcome>,
    /// Every gate that was decided.
    pub gates: Vec<GateOutcome>,
    /// What was decided about every stage that needs an approval.
    pub approvals: Vec<ApprovalOutcome>,
    /// Whether somebody cancelled the run.
    pub cancelled: bool,
    /// Source files that changed while the run was under way.
    pub changed_sources: Vec<String>,
    /// Host programs of its stages and what these load: where they were found, where they lie, and their content.
    pub programs: BTreeMap<PathBuf, Digest>,
    /// Which stages were part of the run.
    pub wanted: Vec<bool>,
}

/// What came of a stage.
#[derive(Debug, Clone)]
pub struct StageOutcome {
    /// Where it stands.
    pub state: State,
    /// Its key and parts, if its inputs were known.
    pub keyed: Option<Keyed>,
    /// Why the cache did not answer.
    pub why: Vec<Why>,
    /// The files that it reads: those of the repository, and what the runner tells it.
    pub files: Vec<SourceFile>,
    /// What it produced.
    pub outputs: Arc<Vec<Output>>,
    /// Its output tree.
    pub tree: Option<Blob>,
    /// What it printed.
    pub log: Option<Blob>,
    /// The isolation that was obtained.
    pub isolation: Option<Isolation>,
    /// Where its result came from, if it was not made here.
    pub origin: Option<Origin>,
    /// The record that confirms it, if that was asked.
    pub confirmed: Option<Digest>,
    /// Every attempt of this run.
    pub attempts: Vec<Attempt>,
    /// How long it ran when its result was made, in milliseconds.
    pub duration_ms: u64,
    /// Whether a failure does not fail the run.
    pub optional: bool,
}

impl StageOutcome {
    /// Nothing has happened yet.
    pub(super) fn blank(stage: &ResolvedStage) -> Self {
        Self {
            state: State::Waiting,
            keyed: None,
            why: Vec::new(),
            files: Vec::new(),
            outputs: Arc::default(),
            tree: None,
            log: None,
            isolation: None,
            origin: None,
            confirmed: None,
            attempts: Vec::new(),
            duration_ms: 0,
            optional: stage.is_optional(),
        }
    }

    /// The files of the repository that it reads, without what the runner itself put in its working folder.
    pub fn repository_files(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(|f| !f.path.starts_with(".orgo/"))
    }

    /// Takes in a result from the cache.
    pub(super) fn recall(&mut self, remembered: Remembered) {
        self.keyed = Some(remembered.keyed);
        self.tree = Some(remembered.tree);
        self.outputs = remembered.outputs;
        self.log = remembered.log;
        self.isolation = Some(remembered.isolation);
        self.origin = remembered.origin;
        self.duration_ms = remembered.duration_ms;
    }
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Milliseconds since the epoch.
    pub started_ms: i64,
    /// Milliseconds since the epoch.
    pub ended_ms: i64,
    /// How the process ended, if there was one.
    pub exit: Option<Exit>,
    /// The reason code of a bad end.
    pub code: Option<ReasonCode>,
    /// More about a bad end.
    pub message: Option<String>,
    /// What it may have touched that is kept away from it: a guess from its log, in no record.
    pub hint: Option<String>,
    /// What it printed.
    pub log: Option<Blob>,
    /// Whether its working folder was kept.
    pub kept: bool,
}

/// A gate's verdict as it was reached, for one gated stage.
#[derive(Debug, Clone)]
pub struct GateOutcome {
    /// What goes into the build record.
    pub record: GateRecord,
    /// The facts, as canonical JSON: evidence.
    pub facts: Vec<u8>,
    /// The report's bytes: evidence.
    pub report: Option<Vec<u8>>,
    /// What stands for a report that is too large for a ledger: evidence in its place.
    pub excerpt: Option<Vec<u8>>,
    /// The override that the verdict rests on.
    pub overriding: Option<SignedOverride>,
    /// Whether an override could lift all that refuses.
    pub liftable: bool,
}

impl RunOutcome {
    /// What a stage of the plan read, by path: repository files, and the trees of earlier stages' outputs
    /// by the place where they appear.
    #[must_use]
    pub fn inputs(&self, plan: &Resolved, id: StageId) -> Vec<(String, Digest)> {
        let files = self.stages[id.index()].files.iter().map(|f| (f.path.clone(), f.blob.digest));
        let trees = plan.stage(id).from.iter().enumerate().filter_map(|(position, (needed, at))| {
            let needed = &self.stages[needed.index()];
            Some((at.clone(), super::part::digest(plan, id, position, &needed.outputs, needed.tree?)))
        });
        files.chain(trees).collect()
    }

    /// How many stages ran and ended well.
    #[must_use]
    pub fn ran(&self) -> usize {
        self.stages.iter().filter(|s| matches!(s.state, State::Done { hit: false })).count()
    }

    /// How many stages were answered from the cache.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.stages.iter().filter(|s| matches!(s.state, State::Done { hit: true })).count()
    }

    /// How long the stages ran whose results the cache had, in milliseconds.
    #[must_use]
    pub fn saved_ms(&self) -> u64 {
        self.stages.iter().filter(|s| matches!(s.state, State::Done { hit: true })).map(|s| s.duration_ms).sum()
    }

    /// Whether every wanted stage is done, but for optional ones and what depends on them.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.terminal_code().is_none()
    }

    /// Why the run did not succeed: the code of the first stage that failed or was refused and is not optional,
    /// in the order of ids, or that a source changed.
    #[must_use]
    pub fn terminal_code(&self) -> Option<ReasonCode> {
        if self.cancelled {
            return Some(ReasonCode::RunCancelled);
        }
        let of_stage = self.stages.iter().filter(|s| !s.optional).find_map(|s| match s.state {
            State::Failed(code) | State::Refused(code) => Some(code),
            State::Waiting
            | State::Deciding
            | State::Asking
            | State::Looking
            | State::Ready
            | State::Running
            | State::Paused(_)
            | State::Done { .. }
            | State::Unapproved(_)
            | State::Skipped(_) => None,
        });
        let changed = || (!self.changed_sources.is_empty()).then_some(ReasonCode::InputChanged);
        of_stage.or_else(changed).or_else(|| self.unapproved())
    }

    /// Whether all that may run is done and ended well, and a stage waits for approvals.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        let bad = |s: &StageOutcome| !s.optional && matches!(s.state, State::Failed(_) | State::Refused(_));
        let sound = !self.cancelled && self.changed_sources.is_empty() && !self.stages.iter().any(bad);
        sound && self.unapproved().is_some()
    }

    /// What waits for approvals.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<ApprovalSubject> {
        let waits = |a: &&ApprovalOutcome| a.entry.decision == ApprovalDecision::Waiting;
        self.approvals.iter().filter(waits).map(|a| a.subject.clone()).collect()
    }

    /// Why the first stage that waits for approvals does.
    fn unapproved(&self) -> Option<ReasonCode> {
        self.stages.iter().find_map(|s| if let State::Unapproved(code) = s.state { Some(code) } else { None })
    }
}
