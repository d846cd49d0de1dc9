//! The ledger: an orphan branch on which signed records are only ever added.
//!
//! One SSH-signed commit per append, one parent each; records are numbered without gaps; what a gate saw
//! lies beside them by digest. The format is `docs/formats/ledger.md`; verification checks all of it,
//! this module reads and appends.
//!
//! INVARIANT: an append reads and writes only the folders on its own paths, so its cost does not depend on
//! how many records there are; the move of the branch is the only commit point; and success is claimed only
//! after what was written has been read back through a fresh handle and verified.

mod append;
pub(crate) mod approval;
mod archive;
mod build;
pub(crate) mod epoch;
mod error;
pub(crate) mod layout;
pub(crate) mod log;
pub(crate) mod mandate;
mod queue;
mod read;
pub(crate) mod record;
mod seal;
mod secret;
mod seen;
mod signers;
mod spool;
mod submit;
mod trust;

use std::path::Path;
use std::rc::Rc;

use orgo_spec::log::Checkpoint;
use orgo_spec::record::{AdminRecord, StartedRecord, Statement};
use orgo_spec::signature::{KeyId, PublicKey};
use orgo_spec::{Digest, Name};

pub use append::{Append, Appended, Entry, Signers};
pub use archive::Archive;
pub use error::LedgerError;
pub use log::Log;
pub use mandate::Active;
pub(crate) use read::{bounded, count, read_evidence, read_record, source_has_lock};
pub use record::{KindError, Record};
pub use seen::Seen;
pub use spool::{Spool, Waiting};
pub use submit::Submitted;
pub use trust::{Moment, Trust, TrustError};

use crate::git::{Commit, Git, GitError, ObjectId};
use epoch::{epochs_in, listed, read_anywhere, tree_of};
use read::{find_statement, trust_in};

/// The branch of the protected lane.
pub const AUDIT: &str = "refs/heads/orgo/audit";
/// The branch of the local lane: the same format, never pushed.
pub const LOCAL: &str = "refs/heads/orgo/local";

/// How far back a run looks for the record that it repeats.
const RECENT: u64 = 64;

/// The largest record.
pub const MAX_RECORD_BYTES: usize = 1 << 20;
/// The largest piece of evidence: the longest report that is kept whole, and room for its frame.
pub const MAX_EVIDENCE_BYTES: usize = 2 << 20;

/// A ledger in a repository.
#[derive(Debug)]
pub struct Ledger {
    git: Rc<Git>,
    reference: String,
}

/// The newest state of a ledger.
#[derive(Debug, Clone)]
pub struct Head {
    /// The newest commit.
    pub commit: ObjectId,
    /// Its tree.
    pub(crate) tree: ObjectId,
    /// How many records there are.
    pub count: u64,
    /// The id of record 0: the ledger's root of trust.
    pub root: Digest,
    /// The trust in force.
    pub trust: Trust,
    /// The Merkle log of its records.
    pub log: Log,
    /// The time of the newest commit, in seconds since 1970.
    pub seconds: i64,
}

impl Head {
    /// The name of the ledger's log.
    #[must_use]
    pub fn origin(&self) -> String {
        self.log.checkpoint.origin().to_owned()
    }
}

/// A record as it is stored. Nothing is verified.
#[derive(Debug, Clone)]
pub struct StoredRecord {
    /// Its number.
    pub number: u64,
    /// Its kind.
    pub kind: Name,
    /// The path of its statement.
    pub path: String,
    /// The bytes that are signed.
    pub statement: Vec<u8>,
    /// The bytes of the envelope; none if the file is missing.
    pub envelope: Option<Vec<u8>>,
}

impl StoredRecord {
    /// The record's id: the digest of its statement.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(&self.statement)
    }
}

impl Ledger {
    /// Opens the ledger on `reference` (a full name, [`AUDIT`] or [`LOCAL`]) of the repository at `path`.
    ///
    /// # Errors
    /// [`LedgerError::Git`]; that there is no such branch yet is not an error.
    pub fn open(path: &Path, reference: &str) -> Result<Self, LedgerError> {
        Ok(Self::of(Rc::new(Git::open(path)?), reference))
    }

    /// The ledger on `reference` of a repository that is open already.
    #[must_use]
    pub fn of(git: Rc<Git>, reference: &str) -> Self {
        Self { git, reference: reference.to_owned() }
    }

    /// The repository.
    #[must_use]
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// The repository, to open another ledger in it.
    #[must_use]
    pub fn git_rc(&self) -> Rc<Git> {
        Rc::clone(&self.git)
    }

    /// The full name of the branch.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The newest state; none for a ledger without commits.
    ///
    /// Reads a handful of objects, whatever the size of the ledger. The trust in force is the one that
    /// `trust/allowed_signers` names, checked by digest; that its *history* is sound is for
    /// [`crate::verify`] to say.
    ///
    /// # Errors
    /// [`LedgerError`] if one of them is damaged.
    pub fn head(&self) -> Result<Option<Head>, LedgerError> {
        match self.git.tip(&self.reference)? {
            Some(commit) => self.head_at(commit).map(Some),
            None => Ok(None),
        }
    }

    /// The state that a commit of a ledger has, as [`Ledger::head`] tells it.
    ///
    /// # Errors
    /// [`LedgerError`] if something is damaged.
    pub fn head_at(&self, commit: ObjectId) -> Result<Head, LedgerError> {
        let stored = self.git.commit(commit)?;
        let tree = stored.tree;
        self.git.bring_paths(tree, layout::PRESENT)?;
        let count = count(&self.git, tree)?;
        let root = read_record(&self.git, tree, 0)?.id();
        let trust = trust_in(&self.git, tree)?;
        // Who signed the checkpoint is judged by the trust in force before the commit.
        let judge = match stored.parents.first() {
            Some(parent) if trust.number() >= self.count_at(*parent)? => {
                trust_in(&self.git, self.git.commit(*parent)?.tree)?
            }
            _ => trust.clone(),
        };
        let origin = Checkpoint::origin_for(trust.tenant(), &root);
        let log = Log::read(&self.git, tree, count, &judge, &origin)?;
        Ok(Head { commit, tree, count, root, trust, log, seconds: stored.seconds })
    }

    fn count_at(&self, commit: ObjectId) -> Result<u64, LedgerError> {
        let counted = self.git.commit(commit).map_err(Into::into).and_then(|commit| count(&self.git, commit.tree));
        match counted {
            // The border of a shallow clone, or a filtered one: nothing before it can be asked.
            Err(LedgerError::Git(GitError::Missing(_))) => Ok(u64::MAX),
            other => other,
        }
    }

    /// The runs that began and have not ended: number and statement of each, oldest first. Nothing is verified.
    ///
    /// # Errors
    /// [`LedgerError`] if one of them is damaged.
    pub fn open_runs(&self, head: &Head) -> Result<Vec<Statement<StartedRecord>>, LedgerError> {
        let Some(folder) = self.git.entry(head.tree, "open")? else { return Ok(Vec::new()) };
        let mut runs = Vec::new();
        for (name, entry) in self.git.tree(folder.id)?.iter() {
            let path = format!("open/{name}");
            let bytes = bounded(&self.git, entry.id, MAX_RECORD_BYTES, &path)?;
            let statement = Statement::parse(&bytes).map_err(|e| LedgerError::Damaged { path, why: e.to_string() })?;
            runs.push(statement);
        }
        Ok(runs)
    }

    /// The holds in force. Nothing is verified.
    ///
    /// # Errors
    /// [`LedgerError`] if one of them is damaged.
    pub fn holds(&self, head: &Head) -> Result<Vec<Statement<AdminRecord>>, LedgerError> {
        let Some(folder) = self.git.entry(head.tree, "holds")? else { return Ok(Vec::new()) };
        let mut holds = Vec::new();
        for (name, entry) in self.git.tree(folder.id)?.iter() {
            let path = format!("holds/{name}");
            let bytes = bounded(&self.git, entry.id, MAX_RECORD_BYTES, &path)?;
            holds.push(Statement::parse(&bytes).map_err(|e| LedgerError::Damaged { path, why: e.to_string() })?);
        }
        Ok(holds)
    }

    fn tree(&self) -> Result<ObjectId, LedgerError> {
        let tip = self.git.tip(&self.reference)?.ok_or_else(|| LedgerError::Empty(self.reference.clone()))?;
        Ok(self.git.commit(tip)?.tree)
    }

    /// How many records there are.
    ///
    /// # Errors
    /// [`LedgerError`] if a folder on the way to the newest is damaged.
    pub fn count(&self) -> Result<u64, LedgerError> {
        match self.git.tip(&self.reference)? {
            Some(tip) => count(&self.git, self.git.commit(tip)?.tree),
            None => Ok(0),
        }
    }

    /// Reads record `number`, wherever in the ledger's history it is.
    ///
    /// # Errors
    /// [`LedgerError::NoRecord`], [`LedgerError::Damaged`]; [`LedgerError::Sealed`] in a clone that begins after it.
    pub fn record(&self, number: u64) -> Result<StoredRecord, LedgerError> {
        read_anywhere(&self.git, self.tree()?, number)
    }

    /// Reads a piece of evidence; none if it is not in the ledger.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] if it does not hash to its name.
    pub fn evidence(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        read_evidence(&self.git, self.tree()?, digest)
    }

    /// The commit after which record `number` was appended: the newest that has not more than `number` records.
    ///
    /// # Errors
    /// [`LedgerError::NoRecord`] if there is no such commit: before record 1 there is none.
    pub fn commit_before(&self, number: u64) -> Result<Option<ObjectId>, LedgerError> {
        let mut at = self.git.tip(&self.reference)?;
        while let Some(id) = at {
            let commit = self.git.commit(id)?;
            if count(&self.git, commit.tree)? <= number {
                return Ok(Some(id));
            }
            at = commit.parents.first().copied();
        }
        if number == 0 { Ok(None) } else { Err(LedgerError::NoRecord(number.to_string())) }
    }

    /// Finds a record by `latest`, by number, or by at least four digits of its id, with or without `sha256:`.
    ///
    /// The number of an existing record is a number, whatever ids begin with. A look-up by id reads every record.
    ///
    /// # Errors
    /// [`LedgerError::NoRecord`], [`LedgerError::Ambiguous`].
    pub fn find(&self, text: &str) -> Result<StoredRecord, LedgerError> {
        let none = || LedgerError::NoRecord(format!("`{}`", text.escape_debug()));
        let tree = self.tree()?;
        let count = count(&self.git, tree)?;
        if text == "latest" {
            return read_record(&self.git, tree, count.checked_sub(1).ok_or_else(none)?);
        }
        if let Some(number) = layout::decimal(text, count) {
            return read_anywhere(&self.git, tree, number);
        }
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        if prefix.len() < 4 || !prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(none());
        }
        let (mut found, mut sealed) = (Vec::new(), None);
        for number in 0..count {
            let record = match read_anywhere(&self.git, tree, number) {
                Err(error @ LedgerError::Sealed { .. }) => {
                    sealed = Some(error);
                    continue;
                }
                other => other?,
            };
            if record.id().hex().starts_with(prefix) {
                found.push(record);
            }
        }
        match found.len() {
            0 | 1 => found.pop().ok_or_else(|| sealed.unwrap_or_else(none)),
            count => Err(LedgerError::Ambiguous { text: text.to_owned(), count }),
        }
    }

    /// The record that `latest/` shows for a pipeline and a reference, looked for among the newest
    /// 64 records; none if there is none, or it is older than that. Nothing is verified.
    ///
    /// # Errors
    /// [`LedgerError`] if one of them is damaged.
    pub fn latest(&self, pipeline: &Name, reference: Option<&str>) -> Result<Option<StoredRecord>, LedgerError> {
        let (Some(reference), Some(tip)) = (reference, self.git.tip(&self.reference)?) else { return Ok(None) };
        let tree = self.git.commit(tip)?.tree;
        let Some(shown) = self.git.entry(tree, &layout::latest_path(pipeline, reference))? else { return Ok(None) };
        let count = count(&self.git, tree)?;
        for number in (count.saturating_sub(RECENT)..count).rev() {
            // The same content is the same blob: nothing is read before it is found.
            if find_statement(&self.git, tree, number)?.id == shown.id {
                return read_record(&self.git, tree, number).map(Some);
            }
        }
        Ok(None)
    }

    /// Number and kind of every record, in order, from the names of the folders alone.
    ///
    /// # Errors
    /// [`LedgerError::Git`] for a folder that cannot be read; [`LedgerError::Sealed`] in a clone that lacks some.
    pub fn list(&self) -> Result<Vec<(u64, Name)>, LedgerError> {
        self.listed(true)
    }

    /// The same of those that are in this clone.
    ///
    /// # Errors
    /// [`LedgerError::Git`] for a folder that cannot be read.
    pub fn list_here(&self) -> Result<Vec<(u64, Name)>, LedgerError> {
        self.listed(false)
    }

    fn listed(&self, every: bool) -> Result<Vec<(u64, Name)>, LedgerError> {
        let tree = self.tree()?;
        let mut records = listed(&self.git, tree, 0, count(&self.git, tree)?)?;
        for epoch in epochs_in(&self.git, tree)? {
            match tree_of(&self.git, &epoch) {
                Ok(before) => records.extend(listed(&self.git, before, epoch.first, epoch.end)?),
                Err(LedgerError::Sealed { .. }) if !every => {}
                Err(error) => return Err(error),
            }
        }
        records.sort_unstable();
        records.dedup();
        Ok(records)
    }

    /// The public key with this id, if any trust record ever listed it. Nothing is verified.
    ///
    /// # Errors
    /// [`LedgerError`] if a trust record cannot be read.
    pub fn key(&self, id: &KeyId) -> Result<Option<PublicKey>, LedgerError> {
        for (number, kind) in self.list_here()?.into_iter().rev() {
            if kind.as_str() == Trust::KIND // a revocation brings no key
                && let Some(key) = Trust::read(number, &self.record(number)?.statement)?.key(id)
            {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// The newest `limit` commits, newest first, with their ids.
    ///
    /// # Errors
    /// [`LedgerError::Git`] for a commit that cannot be read.
    pub fn history(&self, limit: usize) -> Result<Vec<(ObjectId, Commit)>, LedgerError> {
        let mut commits = Vec::new();
        let mut next = self.git.tip(&self.reference)?;
        while let Some(id) = next.filter(|_| commits.len() < limit) {
            let commit = self.git.commit(id)?;
            next = commit.parents.first().copied();
            commits.push((id, commit));
        }
        Ok(commits)
    }
}
