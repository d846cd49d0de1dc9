//! Building the commit: numbers, the log, the files that show the present state; then reading it back.

use std::collections::BTreeMap;

use orgo_spec::log::{Checkpoint, CheckpointError, Edge, NoteError, NoteKey, SignedCheckpoint};
use orgo_spec::record::AdminRecord;
use orgo_spec::signature::Unverified;
use orgo_spec::{Digest, ReasonCode};

use super::append::{Append, Built, Files, Signers};
use super::epoch::removed;
use super::layout::{self, Part};
use super::log::{Log, grow, leaf};
use super::record::{Mark, is_used_by};
use super::seal::{Sealed, SealedRecord};
use super::{Head, LedgerError, Moment, Trust, read_evidence, read_record};
use crate::clock::moment;
use crate::git::{Git, Identity, ObjectId};
use crate::key::KeyError;
use crate::verify::{Severity, judge};

/// One commit to build.
pub(super) struct Build<'b> {
    pub(super) git: &'b Git,
    pub(super) append: &'b Append,
    /// What it follows; none for the first commit.
    pub(super) head: Option<&'b Head>,
    /// The trust that judges it.
    pub(super) trust: &'b Trust,
    pub(super) signers: &'b Signers<'b>,
}

/// Why a checkpoint could not be signed.
enum SignError {
    Key(KeyError),
    Checkpoint(CheckpointError),
}

impl From<NoteError> for SignError {
    fn from(error: NoteError) -> Self {
        Self::Checkpoint(error.into())
    }
}

impl From<CheckpointError> for SignError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

impl From<SignError> for LedgerError {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Key(error) => Self::Key(error),
            SignError::Checkpoint(error) => Self::Refused { code: error.code(), message: error.to_string() },
        }
    }
}

impl Build<'_> {
    /// Builds the commit and reads it back through a fresh handle, before any reference moves.
    pub(super) fn commit(&self, sealed: &Sealed) -> Result<Built, LedgerError> {
        let first = self.head.map_or(0, |h| h.count);
        let mut files = sealed.files.clone();
        let mut written = sealed.written.clone();
        // What another writer settled meanwhile need not be said again.
        let live = self.live(&sealed.records)?;
        if let Some(head) = self.head.filter(|_| live.is_empty()) {
            return Ok(Built { commit: head.commit, records: Vec::new(), written: Vec::new() });
        }
        let mut message = format!("{}\n\n", one_line(&self.append.subject));
        for (key, value) in &self.append.trailers {
            message.push_str(&format!("{}: {}\n", one_line(key), one_line(value)));
        }
        let mut leaves = Vec::with_capacity(live.len());
        let mut trust = None;
        for (number, record) in (first..).zip(&live) {
            self.refuse_held(record, &files)?;
            files.insert(layout::record_path(number, &record.kind, Part::Statement), Some(record.statement));
            files.insert(layout::record_path(number, &record.kind, Part::Envelope), Some(record.envelope));
            if let Some(path) = &record.latest {
                files.insert(path.clone(), Some(record.statement));
            }
            for mark in &record.marks {
                self.mark(mark, record, &mut files)?;
            }
            if let Some(epoch) = &record.epoch {
                let (Some(head), 1) = (self.head, live.len()) else {
                    let message = "an epoch is sealed by a commit of its own".to_owned();
                    return Err(LedgerError::Refused { code: ReasonCode::AuditNotLinear, message });
                };
                files.extend(removed(self.git, head, epoch)?.into_iter().map(|path| (path, None)));
            }
            if trust.is_some() {
                // Who judges what comes after it in one commit would be a matter of opinion.
                let message = "a change of trust is the last record of its commit".to_owned();
                return Err(LedgerError::Refused { code: ReasonCode::AuditNotLinear, message });
            }
            if Trust::is_changed_by(record.kind.as_str()) {
                let statement = self.git.blob(record.statement)?;
                let before = trust.as_ref().unwrap_or(self.trust);
                let next = match (self.head, record.kind.as_str()) {
                    (_, Trust::REVOCATION) => before.revoke(number, &statement)?,
                    (None, _) => Trust::read(number, &statement)?,
                    (Some(_), _) => before.replace(number, &statement)?,
                };
                trust = Some(next);
            }
            leaves.push(leaf(number, &record.kind, record.id, record.envelope_digest)?.hash());
            message.push_str(&format!("Orgo-Record: {number} {}\n", record.id));
        }
        let mut store = |path: String, bytes: &[u8]| -> Result<(), LedgerError> {
            let id = self.git.write_blob(bytes)?;
            written.push(id);
            files.insert(path, Some(id));
            Ok(())
        };
        if let Some(trust) = &trust {
            self.refuse_revoked(trust)?;
            store(layout::ALLOWED_SIGNERS.to_owned(), &trust.allowed_signers())?;
            if let Some(revoked) = trust.revoked_keys() {
                store(layout::REVOKED_KEYS.to_owned(), &revoked)?;
            }
        }
        let empty = Edge::new();
        let origin = match self.head {
            Some(head) => head.origin(),
            None => Checkpoint::origin_for(self.trust.tenant(), &live[0].id),
        };
        let edge = self.head.map_or(&empty, |h| &h.log.edge);
        let grown = grow(self.git, self.head.map(|h| h.tree), edge, &leaves)?;
        for (path, bytes) in &grown.tiles {
            store(path.clone(), bytes)?;
        }
        store(layout::EDGE.to_owned(), grown.edge.to_text().as_bytes())?;
        store(layout::CHECKPOINT.to_owned(), &self.sign_checkpoint(&origin, &grown.edge)?)?;

        let tree = self.git.write_tree(self.head.map(|h| h.tree), &files, &mut written)?;
        let seconds = self.append.seconds.max(self.head.map_or(i64::MIN, |h| h.seconds));
        let who = Identity { name: "orgo".to_owned(), email: self.trust.principal(), seconds };
        let commit = self.git.write_commit(tree, self.head.map(|h| h.commit), &who, &message, |bytes| {
            self.signers.git.sign_commit(bytes).map_err(LedgerError::from)
        })?;
        written.push(commit);
        self.read_back(commit, first, &live, &origin)?;
        Ok(Built { commit, records: (first..).zip(live.iter().map(|r| r.id)).collect(), written })
    }

    fn shown(&self, path: &str) -> Result<Option<ObjectId>, LedgerError> {
        Ok(match self.head {
            Some(head) => self.git.entry(head.tree, path)?.map(|entry| entry.id),
            None => None,
        })
    }

    fn is_there(&self, path: &str) -> Result<bool, LedgerError> {
        Ok(self.shown(path)?.is_some())
    }

    /// Changes the file that shows the present state, unless the record contradicts what it shows.
    fn mark(&self, mark: &Mark, record: &SealedRecord, files: &mut Files) -> Result<(), LedgerError> {
        let path = mark.path();
        let before = self.shown(path)?;
        if let Mark::Use(_, build_id) = mark {
            let shown = files.get(path).copied().unwrap_or(before);
            let bytes = shown.map(|id| self.git.blob(id)).transpose()?;
            if !bytes.is_some_and(|bytes| is_used_by(&bytes, build_id)) {
                let message = format!("`{path}` does not show an override of this run");
                return Err(LedgerError::Refused { code: ReasonCode::RecordMissing, message });
            }
            files.insert(path.to_owned(), Some(record.statement));
            return Ok(());
        }
        if let Mark::Follow(_, succession) = mark {
            let shown = files.get(path).copied().unwrap_or(before);
            let bytes = shown.map(|id| self.git.blob(id)).transpose()?;
            succession.follows(bytes.as_deref()).map_err(|(code, message)| LedgerError::Refused { code, message })?;
            files.insert(path.to_owned(), Some(record.statement));
            return Ok(());
        }
        let fits = match (mark, files.get(path).copied().unwrap_or(before)) {
            (Mark::ClearIfThere(_), None) => return Ok(()),
            (Mark::Set(_), shown) => shown.is_none(),
            (_, None) => false,
            (_, Some(id)) => record.start.is_none_or(|start| self.git.blob(id).is_ok_and(|b| Digest::of(&b) == start)),
        };
        if !fits && path.starts_with("overrides/") {
            let message = format!("the override of `{path}` was used before");
            return Err(LedgerError::Refused { code: ReasonCode::OverrideSpent, message });
        }
        if !fits && path.starts_with("holds/") {
            let (code, what) = match mark {
                Mark::Set(_) => (ReasonCode::HoldInForce, "is in force already"),
                Mark::Clear(_) | Mark::ClearIfThere(_) | Mark::Follow(..) | Mark::Use(..) => {
                    (ReasonCode::RecordMissing, "is not in force")
                }
            };
            return Err(LedgerError::Refused { code, message: format!("`{path}` {what}") });
        }
        if !fits {
            let message = format!("a record of kind `{}` contradicts what `{path}` shows", record.kind);
            return Err(LedgerError::Refused { code: ReasonCode::RecordAltered, message });
        }
        let next = matches!(mark, Mark::Set(_)).then_some(record.statement);
        // What is set and cleared within one commit was never there.
        if next.or(before).is_some() {
            files.insert(path.to_owned(), next);
        } else {
            files.remove(path);
        }
        Ok(())
    }

    /// The records that still have something to say: that a run was abandoned is said once, and not after its end.
    fn live<'s>(&self, records: &'s [SealedRecord]) -> Result<Vec<&'s SealedRecord>, LedgerError> {
        let mut shown: BTreeMap<&str, bool> = BTreeMap::new();
        let mut live = Vec::with_capacity(records.len());
        for record in records {
            let mut settled = false;
            for mark in &record.marks {
                match mark {
                    Mark::Set(path) => drop(shown.insert(path, true)),
                    Mark::ClearIfThere(path) => drop(shown.insert(path, false)),
                    Mark::Clear(path) if path.starts_with("open/") => {
                        let open = match shown.get(path.as_str()) {
                            Some(open) => *open,
                            None => self.is_there(path)?,
                        };
                        shown.insert(path, false);
                        settled |= !open;
                    }
                    Mark::Clear(_) | Mark::Follow(..) | Mark::Use(..) => {}
                }
            }
            if !settled {
                live.push(record);
            }
        }
        Ok(live)
    }

    /// No key signs the commit that revokes it: `verify` would not count the signature. Roots sign no commit, and consent to
    /// their own end.
    fn refuse_revoked(&self, next: &Trust) -> Result<(), LedgerError> {
        let Signers { runner, git, log, roots: _ } = self.signers;
        let mut ids = [*runner, *git, *log].into_iter().map(|key| key.public().id());
        match ids.find(|id| next.has_revoked(id)) {
            None => Ok(()),
            Some(id) => Err(LedgerError::Refused {
                code: ReasonCode::KeyRevoked,
                message: format!("the key {} would sign the commit that revokes it", id.short()),
            }),
        }
    }

    /// The signer honours holds (supply-chain 2.5): what is held is not signed, by whichever commit or record before.
    fn refuse_held(&self, record: &SealedRecord, files: &Files) -> Result<(), LedgerError> {
        let held: &[&str] = match record.kind.as_str() {
            "admin" | Trust::REVOCATION => &[],
            Trust::KIND => &[AdminRecord::HOLD_ROTATION, AdminRecord::HOLD_RECORDS],
            _ => &[AdminRecord::HOLD_RECORDS],
        };
        for object in held {
            let path = format!("holds/{object}.json");
            let is_held = match files.get(&path) {
                Some(shown) => shown.is_some(),
                None => self.is_there(&path)?,
            };
            if is_held {
                return Err(LedgerError::Refused {
                    code: ReasonCode::HoldInForce,
                    message: format!("a hold on `{object}` is in force: nothing of kind `{}` is signed", record.kind),
                });
            }
        }
        Ok(())
    }

    fn sign_checkpoint(&self, origin: &str, edge: &Edge) -> Result<Vec<u8>, LedgerError> {
        let malformed = |e: &dyn std::fmt::Display| LedgerError::Damaged {
            path: layout::CHECKPOINT.to_owned(),
            why: e.to_string(),
        };
        let checkpoint = Checkpoint::new(origin, edge.size(), edge.root()).map_err(|e| malformed(&e))?;
        let key = NoteKey::new(origin, *self.signers.log.public()).map_err(|e| malformed(&e))?;
        let signed: Result<SignedCheckpoint, SignError> = SignedCheckpoint::sign(&checkpoint, &key, |text| {
            self.signers.log.sign_note(text).map(|(_, signature)| signature).map_err(SignError::Key)
        });
        Ok(signed?.to_text().into_bytes())
    }

    /// Verifies the commit, its records and the log: what would not verify later is refused now.
    fn read_back(
        &self,
        commit: ObjectId,
        first: u64,
        records: &[&SealedRecord],
        origin: &str,
    ) -> Result<(), LedgerError> {
        let git = self.git.reopen()?;
        let check = || -> Result<ObjectId, String> {
            let stored = git.commit(commit).map_err(|e| e.to_string())?;
            let signature = stored.verify().map_err(|e| e.to_string())?;
            if !self.trust.git_keys().contains(signature.key()) {
                return Err("the commit is signed by another key".to_owned());
            }
            for (number, record) in (first..).zip(records) {
                let found = read_record(&git, stored.tree, number).map_err(|e| e.to_string())?;
                if found.id() != record.id || found.kind != record.kind {
                    return Err(format!("record {number} has other bytes"));
                }
                let envelope = found.envelope.ok_or_else(|| format!("record {number} has no envelope"))?;
                Unverified::<()>::new(found.statement, envelope).verify(&record.quorums).map_err(|e| e.to_string())?;
                for digest in &record.evidence {
                    let read = read_evidence(&git, stored.tree, digest).map_err(|e| e.to_string())?;
                    read.ok_or_else(|| format!("the evidence {digest} is missing"))?;
                }
            }
            let count = first + records.len() as u64;
            Log::read(&git, stored.tree, count, self.trust, origin).map_err(|e| e.to_string())?;
            Ok(stored.tree)
        };
        let tree = check().map_err(LedgerError::NotDurable)?;
        let time = moment(git.commit(commit)?.seconds);
        let at = Moment { time: &time };
        for (number, record) in (first..).zip(records) {
            let statement = read_record(&git, tree, number)?.statement;
            let evidence = |digest: &Digest| read_evidence(&git, tree, digest);
            let judged = judge(record.kind.as_str(), number, &statement, self.trust, at, &evidence)?;
            if let Some(finding) = judged.findings.into_iter().find(|f| f.severity == Severity::Invalid) {
                return Err(LedgerError::Refused { code: finding.code, message: finding.message });
            }
        }
        Ok(())
    }
}

/// A text as one line without control characters: nothing that a caller passes can forge a trailer.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}
