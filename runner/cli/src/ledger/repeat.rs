//! A run that says nothing new: the record that it repeats, and what both have to say alike.

use std::path::{Path, PathBuf};

use orgo_host::file::{read_if_there, replace};
use orgo_spec::record::{
    ApprovalEntry, Artifact, BuildFacts, BuildRecord, Decision, GateRecord, Origin, Statement, Status,
};
use orgo_spec::signature::{Unverified, Verified};
use orgo_spec::{Digest, Name};

use super::lane::Desk;
use crate::failure::Failure;

/// A record's number, its id, and what it says.
type Newest = (u64, Digest, Verified<Statement<BuildRecord>>);

/// What a run says that the record which it repeats must say as well.
pub(crate) struct Repetition<'r> {
    pub(crate) desk: &'r Desk,
    /// Where the workspace keeps what it remembers.
    pub(crate) state: &'r Path,
    pub(crate) pipeline: &'r str,
    pub(crate) declared: Digest,
    pub(crate) targets: &'r [String],
    pub(crate) parameters: &'r [(String, String)],
    /// The base that conditions were decided against.
    pub(crate) base: Option<&'r str>,
    pub(crate) config: Digest,
    pub(crate) executor: Digest,
    pub(crate) keys: Digest,
    pub(crate) gates: Vec<&'r GateRecord>,
    pub(crate) approvals: Vec<&'r ApprovalEntry>,
    pub(crate) variance: &'r [String],
    /// Stages whose results were not made here: where from, and which outputs. Keys do not say that.
    pub(crate) elsewhere: Vec<(String, Origin, Vec<Artifact>)>,
}

impl Repetition<'_> {
    /// The record that this run repeats, if an earlier run found that it does, and if it verifies right now.
    ///
    /// # Errors
    /// [`Failure`] if the ledger cannot be read.
    pub(crate) fn confirmed(&self) -> Result<Option<(u64, Digest)>, Failure> {
        if self.desk.source.is_dirty() {
            return Ok(None);
        }
        let Some((number, id, _)) = self.newest()? else { return Ok(None) };
        Ok(self.is_known_to_repeat(id)?.then_some((number, id)))
    }

    /// The newest record of this pipeline and branch, if it is there whole and is signed by the key at hand.
    ///
    /// # Errors
    /// [`Failure`] if the ledger cannot be read.
    pub(super) fn newest(&self) -> Result<Option<Newest>, Failure> {
        let pipeline = Name::new(self.pipeline).expect("pipelines have names");
        let Some(stored) = self.desk.ledger.latest(&pipeline, self.desk.source.reference.as_deref())? else {
            return Ok(None);
        };
        let id = stored.id();
        let Some(envelope) = stored.envelope else { return Ok(None) };
        let unverified: Unverified<Statement<BuildRecord>> = Unverified::new(stored.statement, envelope);
        let Ok(verified) = unverified.verify(std::slice::from_ref(self.desk.trust.runners())) else { return Ok(None) };
        Ok(verified.signers().contains(self.desk.runner.public()).then_some((stored.number, id, verified)))
    }

    /// What the record says is read once and then remembered by its id: the bytes cannot change under it.
    ///
    /// # Errors
    /// [`Failure`] if the memory cannot be read.
    pub(super) fn is_known_to_repeat(&self, record: Digest) -> Result<bool, Failure> {
        Ok(read_if_there(&self.memo_path())?.is_some_and(|bytes| bytes == self.memo(record)))
    }

    /// Remembers that the record of that id was read and says what this run says.
    ///
    /// # Errors
    /// [`Failure`] if it cannot be written.
    pub(super) fn remember(&self, record: Digest) -> Result<(), Failure> {
        Ok(replace(&self.memo_path(), &self.memo(record))?)
    }

    fn memo_path(&self) -> PathBuf {
        self.state.join(format!("{}.confirmed", self.pipeline))
    }

    fn memo(&self, record: Digest) -> Vec<u8> {
        let facts = (
            self.desk.lane,
            self.desk.class,
            self.desk.environment.as_str(),
            self.desk.source.commit.to_string(),
            self.declared,
            (self.targets, self.parameters, self.base),
            self.config,
            self.executor,
            self.keys,
            &self.gates,
            &self.approvals,
            self.variance,
            &self.elsewhere,
        );
        let facts = Digest::of(&serde_json::to_vec(&facts).expect("a plain structure serializes"));
        format!("{record}\n{facts}\n").into_bytes()
    }

    /// Whether a record says what this run says, as far as it stands here.
    pub(super) fn is_said_by(&self, record: &BuildRecord) -> bool {
        let facts = &record.facts;
        record.run.environment == self.desk.environment.as_str() && self.are_facts(facts)
    }

    /// Whether results from elsewhere are those of the record, in both directions. What stands on pages is not known.
    fn came_from_where(&self, facts: &BuildFacts) -> bool {
        let none = self.elsewhere.is_empty() && facts.stage_counts.elsewhere == 0;
        let of_record = facts.stages.iter().filter_map(|s| Some((&s.stage, s.origin.as_ref()?, &s.artifacts_out)));
        let of_run = self.elsewhere.iter().map(|(stage, origin, out)| (stage, origin, out));
        none || facts.pages.is_empty() && of_record.eq(of_run)
    }

    fn are_facts(&self, facts: &BuildFacts) -> bool {
        facts.status() == Status::Succeeded
            && facts.lane == self.desk.lane
            && facts.class == self.desk.class
            && facts.source.commit == self.desk.source.commit.to_string()
            && !facts.source.dirty
            && facts.pipeline.definition == self.declared
            && facts.pipeline.targets == self.targets
            && facts.pipeline.parameters.iter().eq(self.parameters.iter().map(|p| (&p.0, &p.1)))
            && facts.source.base.as_deref() == self.base
            && facts.config_hash == self.config
            && facts.compiler.digest == self.executor
            && facts.keys == self.keys
            && facts.variance == self.variance
            && self.came_from_where(facts)
            && facts.approvals.iter().eq(self.approvals.iter().copied())
            && facts.gates.iter().eq(self.gates.iter().copied())
            && self.gates.iter().all(|g| g.decision == Decision::Pass)
    }
}
