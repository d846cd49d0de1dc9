//! `orgo record`: list, show, compare and hand out the records of a ledger.

mod attest;
mod diff;
mod export;
mod history;
mod submit;

pub(super) use self::diff::changed_lines;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use orgo_host::ledger::{Head, StoredRecord};
use orgo_spec::signature::Unverified;
use serde_json::{Value, json};

use super::ledger::Opened;
use super::{Context, ledger};
use crate::failure::{Class, Failure};
use crate::output::plain;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo record list\n  orgo record show latest\n  orgo record diff 3 4\n  orgo record log elements\n  orgo record blame-gate accept\n  orgo record export latest --to handout\n  orgo record export latest --as slsa --to provenance\n  orgo record export latest --as vsa --stage compile-exchange"
)]
pub(crate) struct Record {
    #[command(subcommand)]
    command: RecordCommand,
    /// The branch of the ledger
    #[arg(long, value_name = "NAME", global = true)]
    branch: Option<String>,
}

#[derive(Debug, Subcommand)]
enum RecordCommand {
    /// List what happened, newest first
    List {
        /// At most this many commits
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Show the builds of a pipeline, newest first: how each ended, and what its gates decided
    Log {
        /// The pipeline; all of them unless told
        pipeline: Option<String>,
        /// At most this many builds
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Find the build since which a gate decides as it does, and what had changed in it
    BlameGate {
        /// The gate
        gate: String,
        /// Only builds of this pipeline
        #[arg(long, value_name = "NAME")]
        pipeline: Option<String>,
    },
    /// Show a record: the very bytes that are signed
    Show {
        /// `latest`, a number, or the beginning of an id
        record: String,
    },
    /// Compare the signed bytes of two records
    Diff {
        /// The older one
        old: String,
        /// The newer one
        new: String,
    },
    /// Append what waits in a spool, and what only this clone has, to the ledger at a remote
    Submit(submit::Submit),
    /// Write a record as other programs read it
    #[command(
        after_help = "`slsa` and `vsa` are made from a record of a run that passed, and signed with your runner key; that must be the key\nthat signed the record. Their names are those of SLSA 1.1: provenance and verification summary.\n\nExamples:\n  orgo record export latest\n  orgo record export latest --as slsa --to provenance\n  orgo record export latest --as vsa --stage compile-exchange --to summary\n  orgo record export latest --as bundle --to handout"
    )]
    Export {
        /// `latest`, a number, or the beginning of an id
        record: String,
        /// As what
        #[arg(long = "as", value_name = "FORM", value_enum, default_value_t = Form::Dsse)]
        form: Form,
        /// With `--as vsa`: the stage behind the gate, if gates of several stages passed
        #[arg(long, value_name = "NAME")]
        stage: Option<String>,
        /// A folder for `envelope.json` (or `bundle.json`), `pae`, `signature` and `key.pem`; without it, the
        /// envelope or bundle is printed
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
}

/// What a record is handed out as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The record itself, a standard DSSE envelope
    Dsse,
    /// SLSA provenance of what the run made, a DSSE envelope signed now
    Slsa,
    /// A SLSA verification summary of what a gate let pass, a DSSE envelope signed now
    Vsa,
    /// The record itself, a sigstore bundle (v0.3) with the key's id as hint
    Bundle,
}

impl Form {
    /// As the command line spells it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Dsse => "dsse",
            Self::Slsa => "slsa",
            Self::Vsa => "vsa",
            Self::Bundle => "bundle",
        }
    }
}

/// Runs `orgo record`.
pub(super) fn run(context: &Context, args: &Record) -> Result<(), Failure> {
    if let RecordCommand::Submit(submit) = &args.command {
        return submit::run(context, submit, args.branch.as_deref());
    }
    let opened = ledger::open(context, None, args.branch.as_deref())?;
    match &args.command {
        RecordCommand::Submit(_) => Ok(()), // dealt with above
        RecordCommand::List { limit } => list(context, &opened, *limit),
        RecordCommand::Log { pipeline, limit } => history::log(context, &opened, pipeline.as_deref(), *limit),
        RecordCommand::BlameGate { gate, pipeline } => history::blame_gate(context, &opened, gate, pipeline.as_deref()),
        RecordCommand::Show { record } => show(context, &opened, record),
        RecordCommand::Diff { old, new } => diff::run(context, &opened, old, new),
        RecordCommand::Export { record, form, stage, to } => {
            let asked = export::Asked { which: record, form: *form, stage: stage.as_deref(), to: to.as_deref() };
            export::run(context, &opened, &asked)
        }
    }
}

fn list(context: &Context, opened: &Opened, limit: usize) -> Result<(), Failure> {
    let head = opened.head()?;
    let standing = opened.standing(&head)?;
    context.output.line(standing.line());
    let mut told = Vec::new();
    for (id, commit) in opened.ledger.history(limit)? {
        let records: Vec<(u64, String)> =
            commit.records().filter_map(|(number, id)| Some((number.parse().ok()?, id.to_owned()))).collect();
        let time = orgo_host::clock::rfc3339(commit.seconds.saturating_mul(1000));
        for (number, record) in records.iter().rev() {
            let short: String = record.trim_start_matches("sha256:").chars().take(12).collect();
            let time = time.get(..16).unwrap_or_default().replace('T', " ");
            context.output.line(plain(&format!("{number:>6}  {short}  {time}  {}", commit.subject())));
            told.push(json!({
                "number": number, "id": record, "commit": id.to_string(), "time": commit.seconds,
                "subject": commit.subject(),
            }));
        }
    }
    context.output.document(&json!({
        "schema": "orgo.records/1", "ledger": opened.branch, "count": head.count, "records": told,
        "development": standing.development, "anchored": standing.anchored,
    }));
    Ok(())
}

/// How a record's signature stands under the trust in force.
fn signature(head: &Head, record: &StoredRecord) -> Result<String, Failure> {
    let envelope = record.envelope.clone().unwrap_or_default();
    let unverified = Unverified::<()>::new(record.statement.clone(), envelope);
    match head.trust.verify(record.kind.as_str(), unverified) {
        Ok(keys) => Ok(format!("signed by {}", keys.join(", "))),
        // An earlier trust may have listed the key; only a full verification knows.
        Err(orgo_spec::ReasonCode::KeyUnknown) => {
            Ok("signed by a key that the trust in force does not list; `orgo verify` knows more".to_owned())
        }
        Err(code) => Err(Failure::message(
            Class::Integrity,
            Some(code),
            format!("record {} does not verify", record.number),
            code.remedy(),
        )),
    }
}

fn show(context: &Context, opened: &Opened, which: &str) -> Result<(), Failure> {
    let head = opened.head()?;
    let record = opened.ledger.find(which)?;
    let standing = opened.standing(&head)?;
    let signed = signature(&head, &record)?;
    context.output.line(standing.line());
    context.output.line(format!("# record {} {} {}; {signed}", record.number, record.kind, record.id()));
    let statement: Value = serde_json::from_slice(&record.statement).unwrap_or(Value::Null);
    for line in tried_again(&statement) {
        context.output.line(plain(&line));
    }
    context.output.line(text(&record));
    context.output.document(&json!({
        "schema": "orgo.record/1", "number": record.number, "id": record.id(), "kind": record.kind,
        "path": record.path, "signed": signed, "development": standing.development,
        "anchored": standing.anchored, "statement": statement,
    }));
    Ok(())
}

/// Stages of a build record that ended well only after they had failed, from the same inputs.
fn tried_again(statement: &Value) -> Vec<String> {
    let list = |of: &Value, stages: &str| of[stages]["stages"].as_array().cloned().unwrap_or_default();
    let predicate = &statement["predicate"];
    let facts = list(predicate, "facts");
    let passed: BTreeSet<&str> =
        facts.iter().filter(|s| s["status"] == "PASS").filter_map(|s| s["stage"].as_str()).collect();
    let line = |stage: &Value| {
        let attempts = stage["attempts"].as_array().map_or(0, Vec::len);
        let name = stage["stage"].as_str().filter(|name| attempts > 1 && passed.contains(name))?;
        let bad = attempts - 1;
        Some(format!(
            "# flaky: {name} ended well, and {bad} of {attempts} attempts failed before that, from the same inputs"
        ))
    };
    list(predicate, "run").iter().filter_map(line).collect()
}

/// The statement, safe for terminals.
fn text(record: &StoredRecord) -> String {
    plain(String::from_utf8_lossy(&record.statement).trim_end())
}
