//! The start of a protected run, on record before its first work; and the end of those that nobody ended.

use orgo_host::clock::{moment, rfc3339};
use orgo_host::ledger::{Append, Entry};
use orgo_spec::record::{
    AbandonedFacts, AbandonedRecord, AbandonedRun, Lane, StartedFacts, StartedRecord, StartedRun, Statement,
};
use orgo_spec::{Digest, ReasonCode};

use super::assemble::{About, pipeline, plain, source};
use crate::failure::Failure;

/// How long the end of a run is waited for before it counts as abandoned.
const LEASE_MS: i64 = 24 * 60 * 60 * 1000;

/// Puts the start of a protected run on record, with the abandonment of runs that will not end any more:
/// those whose time is over, and those that ran in this very folder, which only one run can have at a time.
///
/// # Errors
/// [`Failure`] if the record cannot be written: then nothing may start.
pub(crate) fn start(about: &About<'_>) -> Result<(), Failure> {
    let desk = about.desk;
    if desk.lane != Lane::Protected {
        return Ok(());
    }
    let now_ms = about.clock.now_ms();
    let workspace = orgo_host::machine::place(about.state);
    let started = Statement::new(StartedRecord {
        facts: StartedFacts {
            class: desk.class,
            config_hash: about.config_hash(),
            lane: desk.lane,
            pipeline: pipeline(about),
            schema_version: StartedRecord::SCHEMA_VERSION.to_owned(),
            source: source(about),
            tenant_id: about.project.tenant.clone(),
        },
        run: StartedRun {
            build_id: about.run.to_owned(),
            created_at: rfc3339(now_ms),
            expires_at: moment((now_ms + LEASE_MS) / 1000),
            host: plain(&orgo_host::machine::name()),
            workspace,
        },
    });
    let statement = started.to_bytes().expect("a start has small numbers");
    let id = Digest::of(&statement);
    let mut entries = abandoned(about, now_ms)?;
    let lost = entries.len();
    entries.push(Entry::new::<StartedRecord>(statement, Vec::new()));
    let facts = &started.predicate.facts;
    let commit: String = facts.source.commit.chars().take(7).collect();
    let subject = match lost {
        0 => format!("{} started @{commit}", facts.pipeline.name),
        n => format!("{} started @{commit}; {n} abandoned", facts.pipeline.name),
    };
    let trailers = vec![
        ("Source-Commit".to_owned(), facts.source.commit.clone()),
        ("Source-Tree".to_owned(), facts.source.tree.clone()),
    ];
    desk.put(Append { entries, subject, trailers, seconds: now_ms / 1000 })?;
    about.started.set(Some(id));
    Ok(())
}

/// The records of the runs that will not end any more; none unless the run is protected.
///
/// # Errors
/// [`Failure`] if the ledger cannot be read.
pub(super) fn abandoned(about: &About<'_>, now_ms: i64) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    let (Lane::Protected, Some(head)) = (about.desk.lane, about.desk.ledger.head()?) else { return Ok(entries) };
    let workspace = orgo_host::machine::place(about.state);
    let now = moment(now_ms / 1000);
    for open in about.desk.ledger.open_runs(&head)? {
        let run = &open.predicate.run;
        if run.expires_at >= now && run.workspace != workspace {
            continue;
        }
        let record = AbandonedRecord {
            facts: AbandonedFacts {
                build_id: run.build_id.clone(),
                reason_code: ReasonCode::RunAbandoned,
                schema_version: AbandonedRecord::SCHEMA_VERSION.to_owned(),
                started: Digest::of(&open.to_bytes().expect("it was read from its bytes")),
                tenant_id: about.project.tenant.clone(),
            },
            run: AbandonedRun { created_at: rfc3339(now_ms), noticed_by: about.run.to_owned() },
        };
        let statement = Statement::new(record).to_bytes().expect("no numbers");
        entries.push(Entry::new::<AbandonedRecord>(statement, Vec::new()));
    }
    Ok(entries)
}
