//! `orgo replay`: the stages of a record, run again from its commit in a folder of their own, and what came of them.
//!
//! First the record is verified as `orgo verify --record` does, then everything that its stages took in is held to what
//! it names: declarations, source files, pins, host programs. Only then something runs, without any cached result.

mod compare;
mod scratch;

use clap::Args;
use orgo_host::ledger::StoredRecord;
use orgo_host::run::RunOutcome;
use orgo_kernel::plan::Resolved;
use orgo_spec::ReasonCode;
use orgo_spec::record::{BuildRecord, Predicate, StageFacts, StageStatus, Statement};
use serde_json::json;

use self::compare::{Compared, State};
use self::scratch::Scratch;
use super::{Context, ledger, proof};
use crate::failure::{Class, Failure};
use crate::output::plain;
use crate::project::Repository;

#[derive(Debug, Args)]
#[command(
    after_help = "The commit that the record names is written to a folder for temporary files, and removed afterwards. Results, cache and\nledger of this repository are not touched. Stages see the environment, the secrets and the programs of this machine.\n\nExamples:\n  orgo replay latest\n  orgo replay 12 --stage report\n  orgo replay sha256:4be1 --ci --json"
)]
pub(crate) struct Replay {
    /// `latest`, a number, or the beginning of an id
    record: String,
    /// Only this stage and what it needs; may be given more than once
    #[arg(long = "stage", value_name = "NAME")]
    stages: Vec<String>,
    /// The branch of the ledger
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// Refuse a ledger whose root is not pinned
    #[arg(long)]
    ci: bool,
    /// How many stages run at a time; as many as there are processors unless told
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
}

/// Replays a record and tells what differs.
pub(super) fn run(context: &Context, args: &Replay) -> Result<(), Failure> {
    let opened = ledger::open(context, None, args.branch.as_deref())?;
    let root = opened.pins.get(opened.ledger.git(), &opened.branch)?.map(|pin| pin.root);
    let shown = proof::shown(&opened.ledger, &args.record, root, args.ci)?;
    let stored = opened.ledger.find(&args.record)?;
    let record = of_a_build(&stored)?;
    let here = Repository::open(&context.global.directory)?;
    let store = here.workspace.open_store()?;
    let made = compare::made(&record.facts, &store)?;
    let out = context.output;
    let anchored = if root.is_some() { "verified" } else { "self-consistent, not anchored" };
    out.line(format!("record {} {} of commit {}: {anchored}", shown.number, shown.id, record.facts.source.commit));

    let scratch = Scratch::make(context, opened.ledger.git(), &record.facts, &made)?;
    let (compared, code) = scratch.replay(context, args, &record.facts, &made, &store)?;
    let count = |state: State| compared.iter().filter(|c| c.state == state).count();
    for stage in &compared {
        stage.tell(out);
    }
    let same = count(State::Same);
    let name = record.facts.pipeline.name.as_str();
    match code {
        None => out.line(format!("THE SAME {name}: {same} stages made again what the record says")),
        Some(code) => out.line(format!(
            "{code} {name}: {same} stages the same, {} different, {} with other inputs, {} not made",
            count(State::Different),
            count(State::Follows) + count(State::OtherInputs),
            count(State::Failed),
        )),
    }
    out.document(&json!({
        "schema": "orgo.replay/1",
        "record": { "number": shown.number, "id": shown.id, "anchored": root.is_some() },
        "pipeline": name,
        "commit": record.facts.source.commit,
        "code": code,
        "same": same,
        "stages": compared.iter().map(Compared::json).collect::<Vec<_>>(),
    }));
    match code {
        None => Ok(()),
        Some(ReasonCode::ReplayImpossible) => Err(Failure::told(Class::Environment)),
        Some(_) => Err(Failure::told(Class::Refused)),
    }
}

/// The statement of a build record.
fn of_a_build(stored: &StoredRecord) -> Result<BuildRecord, Failure> {
    if stored.kind.as_str() != BuildRecord::KIND {
        let message = format!("record {} is of the kind `{}`: nothing was built", stored.number, stored.kind);
        return Err(Failure::usage(message, "see which records are builds: `orgo record log`"));
    }
    let parsed = Statement::<BuildRecord>::parse(&stored.statement);
    let statement = parsed
        .map_err(|e| Failure::message(Class::Integrity, Some(e.code()), plain(&e.to_string()), e.code().remedy()))?;
    Ok(statement.predicate)
}

/// That nothing would follow from a replay, and why.
fn impossible(message: impl Into<String>) -> Failure {
    let code = ReasonCode::ReplayImpossible;
    Failure::message(Class::Environment, Some(code), message, code.remedy())
}

/// The facts of a stage that ended well.
fn passed<'f>(made: &'f [StageFacts], name: &str) -> Option<&'f StageFacts> {
    made.iter().find(|s| s.stage == name && s.status == StageStatus::Pass)
}

/// A run that was compared: its plan and what came of it.
struct Again<'p> {
    plan: &'p Resolved,
    outcome: &'p RunOutcome,
}
