//! The journal of a run: one line per decision, appended as it happens.
//!
//! ```text
//! .orgo/runs/<run>/journal.jsonl
//! .orgo/runs/<run>/live/<stage>     what a stage that runs for long has printed so far
//! .orgo/runs/latest.<pipeline>      the newest run of a pipeline
//! ```
//!
//! A stage that has no line was answered from the cache because nothing about it had changed. The
//! journal is for `explain`, `log` and people; what others may rely on is in the record.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orgo_kernel::key::{Blob, StageKey};
use orgo_kernel::why::Why;
use orgo_spec::record::Origin;
use orgo_spec::{Digest, ReasonCode};
use serde::{Deserialize, Serialize};

use crate::file::{At, PathError, read_if_there, remove_tree, replace};

/// How many runs are kept.
const KEEP: usize = 50;
/// How many more there may be before the oldest are dropped, so that not every run has to look for them.
const SPARE: usize = 16;

/// How long a line may wait to be written together with others.
const DELAY: Duration = Duration::from_millis(50);
/// How many bytes are never exceeded by much before they are written.
const FULL: usize = 64 * 1024;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Entry {
    /// The run began.
    Begin {
        /// The pipeline.
        pipeline: String,
        /// Milliseconds since the epoch.
        at_ms: i64,
    },
    /// A stage was not answered from the cache.
    Miss {
        /// The stage.
        stage: String,
        /// Its key.
        key: StageKey,
        /// Why.
        reasons: Vec<Why>,
    },
    /// A stage was answered from the cache under a key that it did not have in the run before.
    Hit {
        /// The stage.
        stage: String,
        /// Its key.
        key: StageKey,
        /// Where its result came from, if it was not made here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        /// The record that confirms it, if that was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirmed: Option<Digest>,
    },
    /// The list became known whose items a stage stands for.
    Listed {
        /// The stage, as it is declared.
        stage: String,
        /// Content of the list.
        list: Digest,
        /// How many items it has.
        items: u64,
    },
    /// A gate let nothing past it.
    Refused {
        /// The gated stage.
        stage: String,
        /// The gate.
        gate: String,
        /// The key that the stage would have had, if its inputs are known.
        key: Option<StageKey>,
        /// Why.
        codes: Vec<ReasonCode>,
    },
    /// An attempt started.
    Start {
        /// The stage.
        stage: String,
        /// Its key.
        key: StageKey,
        /// Counted from 1.
        attempt: u32,
        /// Milliseconds since the epoch.
        at_ms: i64,
    },
    /// An attempt ended.
    End {
        /// The stage.
        stage: String,
        /// Counted from 1.
        attempt: u32,
        /// Milliseconds since the epoch.
        at_ms: i64,
        /// The reason code of a bad end.
        code: Option<ReasonCode>,
        /// The exit code, if it ended by itself.
        exit_code: Option<i32>,
        /// What it printed.
        log: Option<Blob>,
        /// More about a bad end.
        message: Option<String>,
    },
    /// A stage was not run, because of something before it or because the run stopped.
    Skip {
        /// The stage.
        stage: String,
        /// Why.
        code: ReasonCode,
    },
    /// A service ended.
    Service {
        /// The service.
        service: String,
        /// When it was started, in milliseconds since the epoch.
        started_ms: i64,
        /// When it ended.
        ended_ms: i64,
        /// Why it is of no use, unless it was ended because nobody needed it any more.
        code: Option<ReasonCode>,
        /// What it printed.
        log: Option<Blob>,
        /// More about its end.
        message: Option<String>,
    },
    /// The run ended.
    Finish {
        /// Milliseconds since the epoch.
        at_ms: i64,
        /// Stages that ran.
        ran: u64,
        /// Stages answered from the cache.
        hits: u64,
        /// The record that was written or confirmed.
        record: Option<String>,
    },
}

/// An open journal.
pub struct Journal {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    /// When the oldest line in the buffer was added.
    since: Option<Instant>,
}

impl Journal {
    /// Starts the journal of a run and drops the oldest ones.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be made.
    pub fn create(runs: &Path, pipeline: &str, run: &str) -> Result<Self, PathError> {
        prune(runs)?;
        let folder = runs.join(run);
        fs::create_dir_all(&folder).at("create the folder", &folder)?;
        let path = folder.join("journal.jsonl");
        let file = OpenOptions::new().append(true).create(true).open(&path).at("create", &path)?;
        replace(&runs.join(format!("latest.{pipeline}")), run.as_bytes())?;
        Ok(Self { file, path, buffer: Vec::new(), since: None })
    }

    /// Adds a line; it is written with the next [`Journal::flush`].
    pub fn add(&mut self, entry: &Entry) {
        serde_json::to_writer(&mut self.buffer, entry).expect("writing to memory does not fail");
        self.buffer.push(b'\n');
        self.since.get_or_insert_with(Instant::now);
    }

    /// How long what was added may still wait for company before it is written.
    #[must_use]
    pub fn patience(&self) -> Duration {
        match self.since {
            None => Duration::MAX,
            Some(_) if self.buffer.len() > FULL => Duration::ZERO,
            Some(since) => DELAY.saturating_sub(since.elapsed()),
        }
    }

    /// Writes what was added.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be written.
    pub fn flush(&mut self) -> Result<(), PathError> {
        if !self.buffer.is_empty() {
            self.file.write_all(&self.buffer).at("write", &self.path)?;
            self.buffer.clear();
            self.since = None;
        }
        Ok(())
    }
}

/// Where what a stage has printed so far is found while it runs, if it runs for long.
#[must_use]
pub fn live(runs: &Path, run: &str, stage: &str) -> PathBuf {
    runs.join(run).join("live").join(stage)
}

/// Adds the last line of a run's journal.
///
/// # Errors
/// [`PathError`] if it cannot be written.
pub fn finish(runs: &Path, run: &str, entry: &Entry) -> Result<(), PathError> {
    let path = runs.join(run).join("journal.jsonl");
    let file = OpenOptions::new().append(true).open(&path).at("open", &path)?;
    let mut journal = Journal { file, path, buffer: Vec::new(), since: None };
    journal.add(entry);
    journal.flush()
}

/// The id of the newest run of a pipeline.
///
/// # Errors
/// [`PathError`] if it is there and cannot be read.
pub fn latest(runs: &Path, pipeline: &str) -> Result<Option<String>, PathError> {
    Ok(read_if_there(&runs.join(format!("latest.{pipeline}")))?.and_then(|b| String::from_utf8(b).ok()))
}

/// The lines of a run's journal; `None` if there is no such run. A torn last line is left out.
///
/// # Errors
/// [`PathError`] if it is there and cannot be read.
pub fn read(runs: &Path, run: &str) -> Result<Option<Vec<Entry>>, PathError> {
    let Some(bytes) = read_if_there(&runs.join(run).join("journal.jsonl"))? else { return Ok(None) };
    Ok(Some(bytes.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()))
}

/// Ids of the runs that are kept, oldest first.
///
/// # Errors
/// [`PathError`] if the folder cannot be listed.
pub fn list(runs: &Path) -> Result<Vec<String>, PathError> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(runs) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at("list", runs)?,
    };
    for entry in entries {
        let entry = entry.at("list", runs)?;
        let status = entry.metadata().at("read the status of", &entry.path())?;
        if status.is_dir()
            && let (Ok(time), Ok(name)) = (status.modified(), entry.file_name().into_string())
        {
            found.push((time, name));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

fn prune(runs: &Path) -> Result<(), PathError> {
    let count = match fs::read_dir(runs) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => 0,
        other => other.at("list", runs)?.count(),
    };
    if count < KEEP + SPARE {
        return Ok(());
    }
    let all = list(runs)?;
    for run in all.iter().take((all.len() + 1).saturating_sub(KEEP)) {
        remove_tree(&runs.join(run))?;
    }
    Ok(())
}
