//! From a finished run to the ledger: a new record, or the confirmation of one.

use orgo_host::file::{read_if_there, replace};
use orgo_host::git::Git;
use orgo_host::ledger::{Append, Entry};
use orgo_host::run::RunOutcome;
use orgo_host::store::Store;
use orgo_kernel::scheduler::State;
use orgo_spec::record::{BuildFacts, BuildRecord, Class as RecordClass, Decision, Lane, Statement, Status};
use orgo_spec::signature::Unverified;
use orgo_spec::{Digest, Name, ReasonCode};

use super::assemble::{About, assemble, config_hash, keys};
use crate::failure::{Class, Failure};

/// What became of a run in the ledger.
pub(crate) struct Recorded {
    /// The record's number; none while it waits in a spool.
    pub(crate) number: Option<u64>,
    /// The record's id.
    pub(crate) id: Digest,
    /// Whether it is an older one that this run repeats.
    pub(crate) confirmed: bool,
    /// The branch.
    pub(crate) branch: String,
    pub(crate) lane: Lane,
    pub(crate) class: RecordClass,
    /// Why the lane is not the protected one.
    pub(crate) because: Option<String>,
}

/// Appends a record of the run, or confirms the one that it repeats.
///
/// # Errors
/// [`Failure`] if the record cannot be written, or does not verify when it is read back.
pub(crate) fn submit(about: &About<'_>, outcome: &RunOutcome, store: &Store) -> Result<Recorded, Failure> {
    let desk = about.desk;
    let recorded = |number, id, confirmed| Recorded {
        number,
        id,
        confirmed,
        branch: desk.branch.clone(),
        lane: desk.lane,
        class: desk.class,
        because: desk.because.clone(),
    };
    // A run whose start is on record is ended on record.
    if about.started.get().is_none()
        && !about.governance.always_records(about.plan)
        && let Some((number, id)) = repeated(about, outcome)?
    {
        return Ok(recorded(Some(number), id, true));
    }
    if desk.lane == Lane::Protected {
        inputs_are_of_the_tree(about, outcome, store)?;
    }
    let assembly = assemble(about, outcome, store)?;
    let statement = assembly.statement.to_bytes().expect("records have small numbers");
    let facts = &assembly.statement.predicate.facts;
    let trailers = vec![
        ("Source-Commit".to_owned(), facts.source.commit.clone()),
        ("Source-Tree".to_owned(), facts.source.tree.clone()),
        ("Source-Dirty".to_owned(), facts.source.dirty.to_string()),
    ];
    let append = Append {
        entries: vec![Entry::new::<BuildRecord>(statement, assembly.evidence)],
        subject: assembly.headline,
        trailers,
        seconds: outcome.ended_ms / 1000,
    };
    let id = Digest::of(&append.entries[0].statement);
    let number = desk.put(append)?;
    Ok(recorded(number, id, false))
}

/// Holds every repository file that the run read to the tree that the record will name: tracked, and with
/// the very bytes that git has.
fn inputs_are_of_the_tree(about: &About<'_>, outcome: &RunOutcome, store: &Store) -> Result<(), Failure> {
    let git = about.desk.ledger.git();
    for (path, digest) in &about.files {
        let code = match git.entry(about.desk.source.tree, path)? {
            None => ReasonCode::InputUntracked,
            Some(entry) if git.digest(entry.id)? != *digest => ReasonCode::InputConverted,
            Some(_) => continue,
        };
        let message = format!("the protected run was declared in `{path}`, which is not what the commit holds");
        return Err(Failure::message(Class::Refused, Some(code), message, code.remedy()));
    }
    let mut seen = std::collections::BTreeSet::new();
    for file in outcome.stages.iter().flat_map(|s| &s.files) {
        if !seen.insert(file.path.as_str()) {
            continue;
        }
        let code = match git.entry(about.desk.source.tree, &file.path)? {
            None => ReasonCode::InputUntracked,
            Some(entry) if entry.id != Git::blob_id(&store.get(file.blob.digest)?)? => ReasonCode::InputConverted,
            Some(_) => continue,
        };
        let message =
            format!("the protected run read `{}`, which is not what the commit holds: {}", file.path, code.meaning());
        return Err(Failure::message(Class::Refused, Some(code), message, code.remedy()));
    }
    Ok(())
}

/// The newest record of this pipeline and branch, if this run says nothing that it does not say: the
/// same clean commit, definition, mandate, blueprint and keys, every stage a hit, every gate decided
/// again on the same evidence; and if it verifies right now.
fn repeated(about: &About<'_>, outcome: &RunOutcome) -> Result<Option<(u64, Digest)>, Failure> {
    let withheld = State::Skipped(ReasonCode::ConditionNotMet);
    let wanted = about.wanted.iter().zip(&outcome.stages).filter(|(w, stage)| **w && stage.state != withheld).count();
    if about.desk.source.is_dirty() || !outcome.succeeded() || outcome.hits() != wanted {
        return Ok(None);
    }
    let pipeline = Name::new(&about.plan.name).expect("pipelines have names");
    let Some(stored) = about.desk.ledger.latest(&pipeline, about.desk.source.reference.as_deref())? else {
        return Ok(None);
    };
    let Some(envelope) = stored.envelope.clone() else { return Ok(None) };
    let id = stored.id();
    let unverified: Unverified<Statement<BuildRecord>> = Unverified::new(stored.statement.clone(), envelope);
    let Ok(verified) = unverified.verify(std::slice::from_ref(about.desk.trust.runners())) else { return Ok(None) };
    if !verified.signers().contains(about.desk.runner.public()) {
        return Ok(None);
    }
    // What the record says is read once and then remembered by its id: the bytes cannot change under it.
    let memo = Memo { record: id, facts: expected(about, outcome) };
    let path = about.state.join(format!("{}.confirmed", about.plan.name));
    if read_if_there(&path)?.is_some_and(|bytes| bytes == memo.to_bytes()) {
        return Ok(Some((stored.number, id)));
    }
    let Ok(statement) = verified.open(Statement::<BuildRecord>::parse) else { return Ok(None) };
    if !same(about, outcome, &statement.predicate.facts) {
        return Ok(None);
    }
    replace(&path, &memo.to_bytes())?;
    Ok(Some((stored.number, id)))
}

/// That a record was read and says what a run with these facts would say.
struct Memo {
    record: Digest,
    facts: Digest,
}

impl Memo {
    fn to_bytes(&self) -> Vec<u8> {
        format!("{}\n{}\n", self.record, self.facts).into_bytes()
    }
}

/// A digest over everything that [`same`] compares, on the run's side.
fn expected(about: &About<'_>, outcome: &RunOutcome) -> Digest {
    let (mandate, blueprint) = governed_by(about);
    let gates: Vec<_> = outcome.gates.iter().map(|g| &g.record).collect();
    let facts = (
        about.desk.lane,
        about.desk.class,
        about.desk.source.commit.to_string(),
        about.declared,
        (about.targets, &about.plan.parameters, &about.base),
        config_hash(about, mandate, blueprint),
        outcome.executor.digest,
        keys(about.plan, outcome),
        gates,
    );
    Digest::of(&serde_json::to_vec(&facts).expect("a plain structure serializes"))
}

pub(super) fn governed_by(about: &About<'_>) -> (Option<Digest>, Option<Digest>) {
    let mandate = about.governance.mandate.as_ref().map(orgo_spec::mandate::Mandate::id);
    let blueprint = about.governance.blueprint.as_ref().map(orgo_spec::blueprint::Blueprint::id);
    (mandate, blueprint)
}

fn same(about: &About<'_>, outcome: &RunOutcome, facts: &BuildFacts) -> bool {
    let (mandate, blueprint) = governed_by(about);
    let gates = || outcome.gates.iter().map(|g| &g.record);
    facts.status() == Status::Succeeded
        && facts.lane == about.desk.lane
        && facts.class == about.desk.class
        && facts.source.commit == about.desk.source.commit.to_string()
        && !facts.source.dirty
        && facts.pipeline.definition == about.declared
        && facts.pipeline.targets == about.targets
        && facts.pipeline.parameters == about.plan.parameters.iter().cloned().collect()
        && facts.source.base == about.base
        && facts.mandate_ref == mandate
        && facts.blueprint_ref == blueprint
        && facts.config_hash == config_hash(about, mandate, blueprint)
        && facts.compiler.digest == outcome.executor.digest
        && facts.keys == keys(about.plan, outcome)
        && facts.gates.iter().eq(gates())
        && gates().all(|g| g.decision == Decision::Pass)
}
