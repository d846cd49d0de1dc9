//! Collects what an approval is decided on, and lets the kernel decide; asks again while the run may wait.

use std::time::{Duration, Instant};

use orgo_kernel::approval::{self, Vote};
use orgo_kernel::graph::StageId;
use orgo_kernel::scheduler::Event;
use orgo_spec::approval::{ApprovalSubject, SignedApproval};
use orgo_spec::record::{ApprovalEntry, ApprovalFacts, TrustedKey};
use orgo_spec::signature::PublicKey;
use orgo_spec::{Digest, Name, ReasonCode};

use super::engine::Engine;
use super::look::Lookup;
use super::options::{Notice, RunError};
use super::problem::Problem;
use crate::clock::moment;

/// How often people are asked again, in milliseconds.
const AGAIN_MS: u64 = 1000;
/// The most documents that one decision rests on: facts have at most 64 KiB.
const MAX_DOCUMENTS: usize = 32;

/// What is there to decide an approval on.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The keys that the trust in force lists as approvers.
    pub approvers: Vec<TrustedKey>,
    /// What people signed about the subject, from wherever it lies.
    pub documents: Vec<SignedApproval>,
}

/// What a run needs to know about approvals.
pub struct Approving<'r> {
    /// Whose pipeline it is.
    pub tenant: Name,
    /// The key that signs the run's record: it approves nothing.
    pub runner: Option<PublicKey>,
    /// Finds what is there about a subject; asked anew each time.
    pub standing: &'r dyn Fn(&ApprovalSubject) -> Standing,
    /// How long the run waits for approvals, in milliseconds.
    pub wait_ms: u64,
}

/// What was decided about a stage that needs an approval.
#[derive(Debug, Clone)]
pub struct ApprovalOutcome {
    /// What goes into the build record.
    pub entry: ApprovalEntry,
    /// The facts, as canonical JSON: evidence.
    pub facts: Vec<u8>,
    /// When it was decided: RFC 3339, UTC, whole seconds.
    pub decided_at: String,
    /// What is approved.
    pub subject: ApprovalSubject,
    /// What became of each document.
    pub votes: Vec<Vote>,
    /// What people signed, the newest document of each key.
    pub documents: Vec<SignedApproval>,
    /// What the declaration names and the trust does not list.
    pub unknown: Vec<String>,
}

/// The facts of an approval as they are now; the second part is what it names and the trust does not list.
#[must_use]
pub fn facts(
    declared: &orgo_kernel::plan::ResolvedApproval,
    subject: &ApprovalSubject,
    standing: &Standing,
    runner: Option<PublicKey>,
) -> (ApprovalFacts, Vec<String>) {
    let (approvers, unknown) = approval::approvers(declared, &standing.approvers);
    let mut documents = approval::newest(&standing.documents, subject);
    // Strangers decide nothing; that they signed is told, and does not crowd out those who may.
    documents.sort_by_key(|d| !d.signer().is_ok_and(|key| approvers.iter().any(|a| a.key == key)));
    documents.truncate(MAX_DOCUMENTS);
    let facts = ApprovalFacts {
        approvers,
        documents,
        expires_s: declared.expires_s,
        need: declared.need,
        runner,
        schema_version: ApprovalFacts::SCHEMA_VERSION.to_owned(),
        subject: subject.clone(),
    };
    (facts, unknown)
}

impl Engine<'_, '_> {
    /// Decides whether a stage is approved; no event, if the run may still wait.
    pub(super) fn ask(
        &mut self,
        stage: StageId,
        notices: &mut dyn FnMut(Notice<'_>),
    ) -> Result<Option<Event>, RunError> {
        let prepared = match self.planner.prepare(stage) {
            Ok(prepared) => prepared,
            Err(problem) => return Ok(Some(self.unplanned(stage, problem, notices))),
        };
        let key = prepared.keyed.key.0;
        let plan = self.plan;
        let declared = plan.approval(stage).expect("only such stages are asked about");
        let Some(approving) = &self.options.approvals else {
            return Ok(Some(Event::Asked { stage, grant: Err(ReasonCode::ApprovalInsufficient) }));
        };
        let name = |text: &str| Name::new(text).expect("pipelines and approvals have names");
        let subject = ApprovalSubject {
            approval: name(&declared.name),
            key,
            pipeline: name(&plan.name),
            stage: plan.stage(stage).name.clone(),
            tenant_id: approving.tenant.clone(),
        };
        let standing = (approving.standing)(&subject);
        let (facts, unknown) = facts(declared, &subject, &standing, approving.runner);
        let decided_at = moment(self.options.clock.now_ms() / 1000);
        let (decided, grant) = approval::decide(&facts, &decided_at, &self.options.run);
        let code = decided.entry.reason_codes.first().copied().unwrap_or(ReasonCode::ApprovalInsufficient);
        let outcome = ApprovalOutcome {
            entry: decided.entry,
            facts: decided.facts,
            decided_at,
            subject,
            votes: decided.votes,
            documents: facts.documents,
            unknown,
        };
        let before = self.approvals.iter().position(|a| a.entry.stage == outcome.entry.stage);
        let is_news = before.is_none_or(|i| self.approvals[i].entry != outcome.entry);
        if is_news {
            notices(Notice::Approval(&outcome));
        }
        match before {
            Some(i) => self.approvals[i] = outcome,
            None => self.approvals.push(outcome),
        }
        let Some(grant) = grant else {
            self.outcomes[stage.index()].keyed = Some(prepared.keyed.clone());
            self.outcomes[stage.index()].files.clone_from(&prepared.contents.files);
            let until = *self.patience.get_or_insert_with(|| Instant::now() + Duration::from_millis(approving.wait_ms));
            if Instant::now() < until && !self.cancelled {
                self.pause(stage, AGAIN_MS);
                return Ok(None);
            }
            return Ok(Some(Event::Asked { stage, grant: Err(code) }));
        };
        self.granted.insert(stage, key);
        Ok(Some(Event::Asked { stage, grant: Ok((grant, key)) }))
    }

    /// Holds what the cache was asked about to what was approved.
    pub(super) fn as_approved(&mut self, stage: StageId, lookup: &Lookup) -> Result<(), Problem> {
        if self.plan.stage(stage).approval.is_none() {
            return Ok(());
        }
        let key = match lookup {
            Lookup::Hit { remembered, .. } => remembered.keyed.key.0,
            Lookup::Miss { prepared, .. } => prepared.keyed.key.0,
        };
        if self.granted.remove(&stage) == Some::<Digest>(key) {
            return Ok(());
        }
        Err(Problem {
            code: ReasonCode::SubjectMismatch,
            message: "its inputs changed after it was approved".to_owned(),
        })
    }
}
