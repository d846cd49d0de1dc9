//! Who may approve, what people have signed, and what waits for them: the project's ledger and the folder `approvals/`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use orgo_host::approvals;
use orgo_host::git::{Git, GitError};
use orgo_host::ledger::{Head, Ledger, Record};
use orgo_host::overrides::{self, Found};
use orgo_host::run::{Overriding, Standing};
use orgo_spec::approval::ApprovalSubject;
use orgo_spec::canonical::{self, Profile};
use orgo_spec::record::{BuildFacts, Class, GateFacts, GateRecord, StageStatus, Status};
use orgo_spec::signature::{PublicKey, Unverified};
use orgo_spec::{Name, ReasonCode};

use super::lane::class_of;
use crate::failure::Failure;
use crate::project::Repository;

/// The ledger of the project, whatever lane a run has: approvals rest on its trust.
pub(crate) struct Authority {
    root: PathBuf,
    state: PathBuf,
    ledger: Option<Ledger>,
}

/// What is there about a subject.
#[derive(Default)]
pub(crate) struct Papers {
    pub(crate) standing: Standing,
    /// Files that are no approvals of it, and why.
    pub(crate) refused: Vec<(String, ReasonCode, String)>,
}

impl Authority {
    /// Opens the project's ledger, if it has begun or was fetched.
    ///
    /// # Errors
    /// [`Failure`] if the repository cannot be read, or the branch's name could mean something else.
    pub(crate) fn open(repository: &Repository) -> Result<Self, Failure> {
        let root = repository.workspace.root().to_owned();
        let state = repository.workspace.state();
        let git = match Git::open(&root) {
            Ok(git) => Rc::new(git),
            Err(GitError::NotARepository(_)) => return Ok(Self { root, state, ledger: None }),
            Err(error) => return Err(error.into()),
        };
        git.bring_missing();
        let branch = &repository.project.ledger;
        let mut ledger = None;
        for reference in [git.branch(branch)?, format!("refs/remotes/origin/{branch}")] {
            if ledger.is_none() && git.tip(&reference)?.is_some() {
                ledger = Some(Ledger::of(Rc::clone(&git), &reference));
            }
        }
        Ok(Self { root, state, ledger })
    }

    /// The class of the trust in force; none if there is no ledger here.
    ///
    /// # Errors
    /// [`Failure`] if the ledger cannot be read.
    pub(crate) fn class(&self) -> Result<Option<Class>, Failure> {
        Ok(self.head()?.map(|head| class_of(&head.trust)))
    }

    fn head(&self) -> Result<Option<Head>, Failure> {
        Ok(self.ledger.as_ref().map(Ledger::head).transpose()?.flatten())
    }

    /// What is there about a subject now: the approvers of the trust in force, the documents in the folder and those
    /// on record. Whoever takes a file away takes nothing off the record.
    ///
    /// # Errors
    /// [`Failure`] if the ledger or the folder cannot be read.
    pub(crate) fn about(&self, subject: &ApprovalSubject) -> Result<Papers, Failure> {
        let digest = subject.digest();
        let found = approvals::read(&self.root, &digest)?;
        let mut papers = Papers { standing: Standing::default(), refused: found.refused };
        papers.standing.documents = found.documents;
        if let (Some(ledger), Some(head)) = (&self.ledger, self.head()?) {
            papers.standing.approvers = head.trust.facts().keys.approver.clone();
            papers.standing.documents.extend(ledger.approvals(&head, &digest)?);
        }
        Ok(papers)
    }

    /// The overrides that lie here, and what there is to judge them by: the approvers of the trust in force, and which
    /// were used.
    ///
    /// # Errors
    /// [`Failure`] if the ledger or the folder cannot be read.
    pub(crate) fn overrides(&self, tenant: &Name, runner: Option<PublicKey>) -> Result<(Found, Overriding), Failure> {
        let found = overrides::read(&self.root)?;
        let mut known = Overriding {
            allowed: Vec::new(),
            approvers: Vec::new(),
            signed: found.overrides.clone(),
            spent: BTreeSet::new(),
            runner,
            tenant: tenant.clone(),
        };
        if let (Some(ledger), Some(head)) = (&self.ledger, self.head()?) {
            known.approvers.clone_from(&head.trust.facts().keys.approver);
            known.approvers.sort_unstable_by_key(|a| a.key);
            known.spent = ledger.spent(&head, &found.overrides)?;
        }
        Ok((found, known))
    }

    /// What the gates of the newest record of a pipeline decided, on the branch that is checked out, and what they saw.
    /// The record's signature is verified.
    ///
    /// # Errors
    /// [`Failure`] if the ledger cannot be read.
    pub(crate) fn newest_gates(&self, pipeline: &Name, tenant: &Name) -> Result<Vec<(GateRecord, GateFacts)>, Failure> {
        let (Some(ledger), Some(record)) = (&self.ledger, self.newest(pipeline, tenant)?) else {
            return Ok(Vec::new());
        };
        let mut gates = Vec::new();
        for gate in record.gates {
            let Some(digest) = gate.evidence_refs.first() else { continue };
            let Some(bytes) = ledger.evidence(digest)? else { continue };
            gates.extend(canonical::from_slice(&bytes, Profile::RECORD).ok().map(|facts| (gate, facts)));
        }
        Ok(gates)
    }

    /// What the newest record of a pipeline says, on the branch that is checked out; its signature is verified.
    fn newest(&self, pipeline: &Name, tenant: &Name) -> Result<Option<BuildFacts>, Failure> {
        let (Some(ledger), Some(head)) = (&self.ledger, self.head()?) else { return Ok(None) };
        let reference = ledger.git().source().ok().and_then(|source| source.reference);
        let Some(stored) = ledger.latest(pipeline, reference.as_deref())? else { return Ok(None) };
        let Some(envelope) = stored.envelope else { return Ok(None) };
        let unverified = Unverified::<Record>::new(stored.statement, envelope);
        let Ok(verified) = unverified.verify(std::slice::from_ref(head.trust.runners())) else { return Ok(None) };
        let Ok(Record::Build(build)) = Record::parse(stored.kind.as_str(), verified.bytes()) else { return Ok(None) };
        Ok(Some(build.predicate.facts).filter(|facts| facts.tenant_id == *tenant))
    }

    /// What waits for approvals in a pipeline: as the last run here left it, else as the newest record says.
    ///
    /// # Errors
    /// [`Failure`] if neither can be read.
    pub(crate) fn waiting(
        &self,
        plan: &orgo_kernel::plan::Resolved,
        tenant: &Name,
    ) -> Result<Vec<ApprovalSubject>, Failure> {
        let here = approvals::remembered(&self.state, &plan.name)?;
        if !here.is_empty() {
            return Ok(here);
        }
        let pipeline = Name::new(&plan.name).expect("pipelines have names");
        let Some(facts) = self.newest(&pipeline, tenant)?.filter(|facts| facts.status() == Status::Waiting) else {
            return Ok(Vec::new());
        };
        let waits = facts.stages.iter().filter(|s| s.status == StageStatus::Wait);
        let subject = |s: &orgo_spec::record::StageFacts| {
            let declared = plan.approval(plan.find(&s.stage)?)?;
            Some(ApprovalSubject {
                approval: Name::new(&declared.name).ok()?,
                key: s.key?,
                pipeline: pipeline.clone(),
                stage: s.stage.clone(),
                tenant_id: tenant.clone(),
            })
        };
        Ok(waits.filter_map(subject).collect())
    }
}
