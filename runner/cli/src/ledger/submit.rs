//! From a finished run to the ledger: a new record, or the confirmation of one.

use orgo_host::file::read_if_there;
use orgo_host::git::Git;
use orgo_host::ledger::{Append, Entry};
use orgo_host::run::RunOutcome;
use orgo_host::store::{ObjectError, Store};
use orgo_kernel::key::SourceFile;
use orgo_kernel::scheduler::State;
use orgo_spec::record::{BuildRecord, Class as RecordClass, Lane, Statement};
use orgo_spec::{Digest, ReasonCode};

use super::assemble::{About, assemble, keys};
use super::lane::Desk;
use super::repeat::Repetition;
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

impl Recorded {
    /// What became of a run at a desk.
    pub(crate) fn new(desk: &Desk, number: Option<u64>, id: Digest, confirmed: bool) -> Self {
        Self {
            number,
            id,
            confirmed,
            branch: desk.branch.clone(),
            lane: desk.lane,
            class: desk.class,
            because: desk.because.clone(),
        }
    }
}

/// Appends a record of the run, or confirms the one that it repeats.
///
/// # Errors
/// [`Failure`] if the record cannot be written, or does not verify when it is read back.
pub(crate) fn submit(about: &About<'_>, outcome: &RunOutcome, store: &Store) -> Result<Recorded, Failure> {
    let desk = about.desk;
    let recorded = |number, id, confirmed| Recorded::new(desk, number, id, confirmed);
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
    for file in outcome.stages.iter().flat_map(|s| s.repository_files()) {
        if !seen.insert(file.path.as_str()) {
            continue;
        }
        let code = match git.entry(about.desk.source.tree, &file.path)? {
            None => ReasonCode::InputUntracked,
            Some(entry) if entry.id != Git::blob_id(&content(about, store, file)?)? => ReasonCode::InputConverted,
            Some(_) => continue,
        };
        let message =
            format!("the protected run read `{}`, which is not what the commit holds: {}", file.path, code.meaning());
        return Err(Failure::message(Class::Refused, Some(code), message, code.remedy()));
    }
    Ok(())
}

/// The bytes of an input: from the store, or, if they were collected, from the file that has not changed since.
fn content(about: &About<'_>, store: &Store, file: &SourceFile) -> Result<Vec<u8>, Failure> {
    match store.get(file.blob.digest) {
        Err(ObjectError::Missing(digest)) => {
            let bytes =
                about.desk.ledger.git().root().map(|root| read_if_there(&root.join(&file.path))).transpose()?.flatten();
            let bytes = bytes.filter(|b| Digest::of(b) == digest);
            Ok(bytes.ok_or(ObjectError::Missing(digest))?)
        }
        other => Ok(other?),
    }
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
    let (mandate, blueprint) = about.governed_by();
    let now = Repetition {
        desk: about.desk,
        state: about.state,
        pipeline: &about.plan.name,
        declared: about.declared,
        targets: about.targets,
        parameters: &about.plan.parameters,
        base: about.base.as_deref(),
        config: about.config_hash(),
        executor: outcome.executor.digest,
        keys: keys(about.plan, outcome),
        gates: outcome.gates.iter().map(|g| &g.record).collect(),
    };
    let Some((number, id, verified)) = now.newest()? else { return Ok(None) };
    if now.is_known_to_repeat(id)? {
        return Ok(Some((number, id)));
    }
    let Ok(statement) = verified.open(Statement::<BuildRecord>::parse) else { return Ok(None) };
    let facts = &statement.predicate.facts;
    if facts.mandate_ref != mandate || facts.blueprint_ref != blueprint || !now.is_said_by(facts) {
        return Ok(None);
    }
    now.remember(id)?;
    Ok(Some((number, id)))
}
