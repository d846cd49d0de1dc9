//! The spool: signed records that wait to be appended.
//!
//! A job without push rights, or without a network, leaves its records here; one `orgo record submit` verifies,
//! batches and pushes them. Each file is one record with its signature and evidence; it appears whole or not
//! at all, and goes away only after the ledger has the record.

use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use orgo_spec::canonical::{self, Profile};
use orgo_spec::signature::Envelope;
use orgo_spec::{Digest, Name, ReasonCode};
use serde::{Deserialize, Serialize};

use super::seal::unsigned;
use super::secret::refuse_secrets;
use super::{Append, Entry, LedgerError, Record, Trust};
use crate::file::replace;
use crate::key::PrivateKey;

/// The largest file of a spool: a record and its evidence.
const MAX_BYTES: u64 = 64 << 20;
const SCHEMA: &str = "orgo.spool/1";

/// A folder of records that wait.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

/// A record that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its file.
    pub path: PathBuf,
    /// The record.
    pub entry: Entry,
    /// What happened, in one line.
    pub subject: String,
    /// Trailers for the commit.
    pub trailers: Vec<(String, String)>,
    /// When it was made, in seconds since 1970.
    pub seconds: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    envelope: String,
    evidence: Vec<String>,
    kind: Name,
    schema: String,
    seconds: i64,
    statement: String,
    subject: String,
    trailers: Vec<(String, String)>,
}

impl Spool {
    /// The spool in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`LedgerError::Spool`] if it cannot be made.
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        let failed = |e: std::io::Error| LedgerError::Spool { path: folder.to_owned(), why: e.to_string() };
        std::fs::create_dir_all(folder).map_err(failed)?;
        Ok(Self { folder: folder.canonicalize().map_err(failed)? })
    }

    /// Signs the records of an append with the runner's key and leaves them here, in order; `trust` is the one in force.
    ///
    /// # Errors
    /// [`LedgerError`] if a record is not one, changes the trust, is one that no key of the trust vouches for, or cannot be
    /// signed or stored.
    pub fn put(&self, append: &Append, runner: &PrivateKey, trust: &Trust) -> Result<(), LedgerError> {
        for (n, entry) in append.entries.iter().enumerate() {
            let kind = entry.kind.as_str();
            let refused = |code, message| LedgerError::Refused { code, message };
            let record = Record::parse(kind, &entry.statement).map_err(|e| refused(e.code(), e.to_string()))?;
            trust.vouches_for(&record).map_err(|e| refused(e.code(), unsigned(&e)))?;
            if Trust::is_changed_by(kind) {
                let message = format!("a record of kind `{kind}` is appended where its keys are, not spooled");
                return Err(refused(ReasonCode::SignerPolicy, message));
            }
            refuse_secrets("the record", &entry.statement)?;
            entry.evidence.iter().try_for_each(|bytes| refuse_secrets("a piece of evidence", bytes))?;
            let envelope = Envelope::new([runner.sign_payload(&entry.statement)?]).to_bytes();
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("records and envelopes are text");
            let file = File {
                envelope: text(envelope),
                evidence: entry.evidence.iter().map(|bytes| BASE64.encode(bytes)).collect(),
                kind: entry.kind.clone(),
                schema: SCHEMA.to_owned(),
                seconds: append.seconds,
                statement: text(entry.statement.clone()),
                subject: append.subject.clone(),
                trailers: append.trailers.clone(),
            };
            let id = Digest::of(&entry.statement).hex();
            // In the order in which they were made, also within a second: a start comes before its end.
            let made_ns = crate::sources::now_ns();
            let path = self.folder.join(format!("{made_ns:020}-{n:03}-{}.{kind}.json", &id[..16]));
            let bytes = canonical::pretty_of(&file).expect("small numbers");
            replace(&path, &bytes).map_err(|e| LedgerError::Spool { path, why: e.to_string() })?;
        }
        Ok(())
    }

    /// The records that wait, oldest first.
    ///
    /// # Errors
    /// [`LedgerError::Spool`] for a file that is not one: nothing is skipped.
    pub fn waiting(&self) -> Result<Vec<Waiting>, LedgerError> {
        let failed = |path: &Path, why: String| LedgerError::Spool { path: path.to_owned(), why };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(|e| failed(&self.folder, e.to_string()))? {
            let path = entry.map_err(|e| failed(&self.folder, e.to_string()))?.path();
            // A file that is being written has another name.
            if path.extension().is_some_and(|e| e == "json") && !path.file_name().is_some_and(hidden) {
                paths.push(path);
            }
        }
        paths.sort_unstable();
        paths.into_iter().map(|path| read(&path).map_err(|why| failed(&path, why))).collect()
    }
}

fn hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

fn read(path: &Path) -> Result<Waiting, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > MAX_BYTES {
        return Err(format!("it has {size} bytes; at most {MAX_BYTES} are read"));
    }
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let file: File = canonical::from_slice(&bytes, Profile::DOCUMENT).map_err(|e| e.to_string())?;
    if file.schema != SCHEMA {
        return Err(format!("it is of the schema `{}`, not `{SCHEMA}`", file.schema.escape_debug()));
    }
    let evidence = file.evidence.iter().map(|text| BASE64.decode(text.as_bytes()).map_err(|e| e.to_string()));
    let entry = Entry {
        kind: file.kind,
        statement: file.statement.into_bytes(),
        envelope: Some(file.envelope.into_bytes()),
        evidence: evidence.collect::<Result<_, _>>()?,
    };
    Ok(Waiting { path: path.to_owned(), entry, subject: file.subject, trailers: file.trailers, seconds: file.seconds })
}
