//! Group commit: writers that meet at one branch are committed together.
//!
//! Whoever finds the branch's lock free appends alone. Whoever finds it taken leaves what he has, signed, in a queue and
//! waits for the lock; who gets it next commits everything that waits, and the others find it done. The lock only
//! brings writers together: what guards the branch is the compare-and-swap of its reference.
//!
//! INVARIANT: a ticket leaves the queue only after its records are on the branch, or by its owner. A leader that was killed
//! in between leaves tickets whose records are there already, and the next one sees that.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orgo_spec::Digest;
use orgo_spec::record::{AdminRecord, Predicate as _};

use super::append::{Append, Appended, Signers, back_off};
use super::submit::batch;
use super::{Ledger, LedgerError, Spool, Trust, Waiting, layout};
use crate::file::remove_tree;
use crate::git::ObjectId;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many records go into one commit.
const BATCH: usize = 256;
/// How far back it is looked whether a killed leader committed what still waits, or what is appended is there already.
const WALK: usize = 256;

/// Holds the branch's lock; closing the file gives it back, also when the process is killed.
struct Turn {
    _lock: File,
}

/// The queue of one branch of one clone.
struct Queue {
    folder: PathBuf,
}

impl Queue {
    fn failed(&self, error: &std::io::Error) -> LedgerError {
        LedgerError::Spool { path: self.folder.clone(), why: error.to_string() }
    }

    fn open(ledger: &Ledger) -> Result<Self, LedgerError> {
        let name = format!("{}.queue", layout::encoded(ledger.reference()));
        let queue = Self { folder: ledger.git().common_dir().join("orgo").join(name) };
        std::fs::create_dir_all(&queue.folder).map_err(|e| queue.failed(&e))?;
        Ok(queue)
    }

    /// The lock, if nobody holds it, or else after waiting for it.
    fn turn(&self, wait: bool) -> Result<Option<Turn>, LedgerError> {
        let path = self.folder.join("lock");
        let options = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = options.map_err(|e| self.failed(&e))?;
        let until = Instant::now() + PATIENCE;
        for attempt in 0.. {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(Turn { _lock: lock })),
                Err(TryLockError::Error(error)) => return Err(self.failed(&error)),
                Err(TryLockError::WouldBlock) if !wait => return Ok(None),
                Err(TryLockError::WouldBlock) if Instant::now() > until => return Err(LedgerError::Locked(path)),
                Err(TryLockError::WouldBlock) => back_off(attempt),
            }
        }
        Ok(None)
    }

    /// The tickets that wait, in the order in which they were left.
    fn tickets(&self) -> Result<Vec<PathBuf>, LedgerError> {
        let mut tickets = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(|e| self.failed(&e))? {
            let path = entry.map_err(|e| self.failed(&e))?.path();
            tickets.extend(Some(path).filter(|p| p.extension().is_some_and(|e| e == "ticket")));
        }
        tickets.sort_unstable();
        Ok(tickets)
    }

    /// Leaves records, signed; all of them appear at once.
    fn leave(&self, append: &Append, signers: &Signers<'_>, trust: &Trust) -> Result<PathBuf, LedgerError> {
        let name = format!("{:020}-{}", crate::sources::now_ns(), crate::clock::random_uuid());
        let making = self.folder.join(format!("{name}.new"));
        Spool::open(&making)?.put(append, signers.runner, trust)?;
        let ticket = self.folder.join(format!("{name}.ticket"));
        std::fs::rename(&making, &ticket).map_err(|e| self.failed(&e))?;
        Ok(ticket)
    }

    fn remove(&self, ticket: &Path) -> Result<(), LedgerError> {
        remove_tree(ticket).map_err(|e| LedgerError::Spool { path: ticket.to_owned(), why: e.to_string() })
    }
}

impl Ledger {
    /// Appends records, in one commit of their own or together with what others append at the same time. A record that is
    /// among the newest already, byte for byte, is not appended again: its number is told. Changes of trust and administrative
    /// records are judged each time.
    ///
    /// # Errors
    /// [`LedgerError::Empty`] before [`Ledger::init`]; [`LedgerError::KeyUnknown`] if the trust in force does
    /// not list the signers; [`LedgerError::Refused`] for what `verify` would refuse, or a hold keeps back;
    /// [`LedgerError::Exhausted`] if other writers were always faster, [`LedgerError::Locked`] if one never ended;
    /// [`LedgerError::NotDurable`] if what was written does not read back.
    pub fn append(&self, append: &Append, signers: &Signers<'_>) -> Result<Appended, LedgerError> {
        self.git().bring_missing();
        let queue = Queue::open(self)?;
        let alone = |_turn: &Turn| self.append_alone(append, signers);
        if !may_wait(append) {
            return queue.turn(true)?.as_ref().map_or_else(|| self.append_alone(append, signers), alone);
        }
        if let Some(turn) = queue.turn(false)?
            && queue.tickets()?.is_empty()
        {
            return alone(&turn);
        }
        let head = self.head()?.ok_or_else(|| LedgerError::Empty(self.reference().to_owned()))?;
        let ticket = queue.leave(append, signers, &head.trust)?;
        let turn = match queue.turn(true) {
            Ok(turn) => turn,
            Err(error) => {
                queue.remove(&ticket)?; // what is not on the branch by now is not appended behind its owner's back
                return Err(error);
            }
        };
        let own = own_ids(append);
        if !ticket.exists() {
            drop(turn);
            return self.found(&own);
        }
        self.lead(&queue, &ticket, signers)?.map_or_else(|| self.found(&own), |done| Ok(of_these(done, &own)))
    }

    /// Commits what waits, the owner's ticket among it; none if a leader that was killed had committed it already.
    fn lead(&self, queue: &Queue, own: &Path, signers: &Signers<'_>) -> Result<Option<Appended>, LedgerError> {
        let known = self.newest_ids(self.git().tip(self.reference())?)?;
        let mut waiting: Vec<(PathBuf, Vec<Waiting>)> = Vec::new();
        let mut count = 0;
        for ticket in queue.tickets()? {
            let is_own = ticket == own;
            let records = match Spool::open(&ticket).and_then(|spool| spool.waiting()) {
                Ok(records) => records,
                // A ticket that nobody can read stops only its owner.
                Err(_) if !is_own => continue,
                Err(error) => return Err(error),
            };
            let is_there = |w: &Waiting| known.contains_key(&Digest::of(&w.entry.statement));
            if !records.is_empty() && records.iter().all(is_there) {
                queue.remove(&ticket)?;
            } else if is_own || count + records.len() <= BATCH {
                count += records.len();
                waiting.push((ticket, records));
            }
        }
        if !waiting.iter().any(|(ticket, _)| ticket == own) {
            return Ok(None);
        }
        let of = |tickets: &[(PathBuf, Vec<Waiting>)]| {
            let records: Vec<Waiting> = tickets.iter().flat_map(|(_, records)| records.clone()).collect();
            batch(&records, 0)
        };
        let all = of(&waiting).map(|append| self.append_alone(&append, signers));
        if let Some(Ok(done)) = all {
            waiting.iter().try_for_each(|(ticket, _)| queue.remove(ticket))?;
            return Ok(Some(done));
        }
        // What one of them is refused for is not the fault of the others: everybody is answered for his own.
        waiting.retain(|(ticket, _)| ticket == own);
        let done = of(&waiting).map(|append| self.append_alone(&append, signers)).transpose();
        queue.remove(own)?;
        done
    }

    /// Numbers of the newest records up to a commit, by id.
    pub(super) fn newest_ids(&self, tip: Option<ObjectId>) -> Result<BTreeMap<Digest, u64>, LedgerError> {
        let mut ids = BTreeMap::new();
        let mut at = tip;
        for _ in 0..WALK {
            let Some(id) = at else { break };
            let commit = match self.git().commit(id) {
                Err(crate::git::GitError::Missing(_)) => break,
                other => other?,
            };
            let numbered = |(number, id): (&str, &str)| Some((id.parse::<Digest>().ok()?, number.parse::<u64>().ok()?));
            ids.extend(commit.records().filter_map(numbered));
            at = commit.parents.first().copied();
        }
        Ok(ids)
    }

    /// What a leader appended for this writer.
    fn found(&self, own: &[Digest]) -> Result<Appended, LedgerError> {
        self.git().refresh()?;
        let head = self.head()?.ok_or_else(|| LedgerError::Empty(self.reference().to_owned()))?;
        Ok(Appended { commit: head.commit, records: numbered(own, &self.newest_ids(Some(head.commit))?) })
    }
}

pub(super) fn own_ids(append: &Append) -> Vec<Digest> {
    append.entries.iter().map(|e| Digest::of(&e.statement)).collect()
}

/// These records with their numbers, those that have one.
pub(super) fn numbered(own: &[Digest], numbers: &BTreeMap<Digest, u64>) -> Vec<(u64, Digest)> {
    own.iter().filter_map(|id| numbers.get(id).map(|number| (*number, *id))).collect()
}

/// Of what was appended, these records.
fn of_these(done: Appended, own: &[Digest]) -> Appended {
    let numbers = done.records.iter().map(|(number, id)| (*id, *number)).collect();
    Appended { records: numbered(own, &numbers), ..done }
}

/// Whether records may be committed together with others: a change of trust is the last of its commit, and what holds
/// things back or seals an epoch has one of its own. What was signed elsewhere is signed already.
fn may_wait(append: &Append) -> bool {
    let alone = |kind: &str| Trust::is_changed_by(kind) || kind == AdminRecord::KIND;
    append.entries.iter().all(|e| !alone(e.kind.as_str()) && e.envelope.is_none())
}
