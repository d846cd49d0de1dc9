//! From a finished run to the ledger: a new record, or the confirmation of one.

use std::collections::BTreeMap;

use orgo_host::clock::{moment, rfc3339};
use orgo_host::file::read_if_there;
use orgo_host::git::Git;
use orgo_host::ledger::{Append, Entry, Moment};
use orgo_host::run::RunOutcome;
use orgo_host::store::{ObjectError, Store};
use orgo_kernel::key::SourceFile;
use orgo_kernel::scheduler::State;
use orgo_spec::overriding::SignedOverride;
use orgo_spec::record::{
    Actor, ApprovalRecord, ApprovalRecordFacts, ApprovalRun, BuildRecord, Class as RecordClass, Lane, OverrideRecord,
    OverrideRecordFacts, OverrideRun, Predicate, Statement,
};
use orgo_spec::signature::PublicKey;
use orgo_spec::{Digest, ReasonCode};

use super::assemble::{About, assemble, elsewhere, keys};
use super::lane::Desk;
use super::repeat::Repetition;
use super::start::abandoned;
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
    let statement = assembly.statement.to_bytes().map_err(|error| {
        let message = format!("the record of this run cannot be written: {error}");
        Failure::message(Class::Refused, Some(error.code()), message, error.code().remedy())
    })?;
    let facts = &assembly.statement.predicate.facts;
    let trailers = vec![
        ("Source-Commit".to_owned(), facts.source.commit.clone()),
        ("Source-Tree".to_owned(), facts.source.tree.clone()),
        ("Source-Dirty".to_owned(), facts.source.dirty.to_string()),
    ];
    let id = Digest::of(&statement);
    // A run that had nothing to do began nothing, and ends what others left open all the same.
    let is_first = about.started.get().is_none();
    let mut entries = if is_first { abandoned(about, outcome.ended_ms)? } else { Vec::new() };
    entries.extend(signed(about, outcome)?);
    entries.extend(used(about, outcome));
    entries.push(Entry::new::<BuildRecord>(statement, assembly.evidence));
    let append = Append { entries, subject: assembly.headline, trailers, seconds: outcome.ended_ms / 1000 };
    let number = desk.put(append)?;
    if number.is_some() && outcome.succeeded() && !desk.source.is_dirty() {
        let next = repetition(about, outcome);
        if next.is_said_by(&assembly.statement.predicate) {
            next.remember(id)?;
        }
    }
    Ok(recorded(number, id, false))
}

/// What people signed and the ledger does not show yet, as records of their own. Local ledgers hold none: their trust
/// lists no approver.
fn signed(about: &About<'_>, outcome: &RunOutcome) -> Result<Vec<Entry>, Failure> {
    let desk = about.desk;
    let time = moment(outcome.ended_ms / 1000);
    let at = Moment { time: &time };
    let may = |key: &PublicKey| desk.trust.may_sign(key, Some(ApprovalRecord::KIND), at).is_ok();
    let head = desk.ledger.head()?;
    let (Lane::Protected, Some(head), true) = (desk.lane, head, may(desk.runner.public())) else {
        return Ok(Vec::new());
    };
    let mut entries = Vec::new();
    for approval in &outcome.approvals {
        let shown = desk.ledger.approvals(&head, &approval.subject.digest())?;
        for signed in approval.documents.iter().filter(|d| !shown.contains(d)) {
            let Ok(approver) = signed.signer() else { continue };
            if !matches!(desk.trust.lists(&approver), Some(("approver", _))) || !may(&approver) {
                continue;
            }
            let record = ApprovalRecord {
                facts: ApprovalRecordFacts {
                    approval: signed.clone(),
                    approver,
                    schema_version: ApprovalRecord::SCHEMA_VERSION.to_owned(),
                    tenant_id: about.project.tenant.clone(),
                },
                run: ApprovalRun {
                    actor: Actor { id: desk.runner.public().id().to_string(), kind: "runner".to_owned() },
                    created_at: rfc3339(outcome.ended_ms),
                },
            };
            let statement = Statement::new(record).to_bytes().expect("an approval has no numbers");
            entries.push(Entry::new::<ApprovalRecord>(statement, Vec::new()));
        }
    }
    Ok(entries)
}

/// The overrides that gates of the run rest on, as records of their own: from there on they are spent.
fn used(about: &About<'_>, outcome: &RunOutcome) -> Vec<Entry> {
    let used: BTreeMap<Digest, &SignedOverride> =
        outcome.gates.iter().filter_map(|g| g.overriding.as_ref()).map(|o| (o.document.id(), o)).collect();
    let record = |signed: &SignedOverride| OverrideRecord {
        facts: OverrideRecordFacts {
            schema_version: OverrideRecord::SCHEMA_VERSION.to_owned(),
            signed: signed.clone(),
            tenant_id: about.project.tenant.clone(),
        },
        run: OverrideRun {
            actor: Actor { id: about.desk.runner.public().id().to_string(), kind: "runner".to_owned() },
            build_id: outcome.run.clone(),
            created_at: rfc3339(outcome.ended_ms),
        },
    };
    let statements = used.into_values().map(|signed| Statement::new(record(signed)).to_bytes());
    let entry = |statement: Vec<u8>| Entry::new::<OverrideRecord>(statement, Vec::new());
    statements.map(|statement| entry(statement.expect("an override has no numbers"))).collect()
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
    let now = repetition(about, outcome);
    let Some((number, id, verified)) = now.newest()? else { return Ok(None) };
    if now.is_known_to_repeat(id)? {
        return Ok(Some((number, id)));
    }
    let Ok(statement) = verified.open(Statement::<BuildRecord>::parse) else { return Ok(None) };
    let facts = &statement.predicate.facts;
    if facts.mandate_ref != mandate || facts.blueprint_ref != blueprint || !now.is_said_by(&statement.predicate) {
        return Ok(None);
    }
    now.remember(id)?;
    Ok(Some((number, id)))
}

/// What a run that does the same as this one would say.
fn repetition<'r>(about: &'r About<'_>, outcome: &'r RunOutcome) -> Repetition<'r> {
    Repetition {
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
        approvals: outcome.approvals.iter().map(|a| &a.entry).collect(),
        variance: &about.variance,
        elsewhere: elsewhere(about, outcome),
    }
}
