//! Sealing: what does not depend on the tip of the branch is judged, signed and stored once.

use orgo_spec::Digest;
use orgo_spec::Name;
use orgo_spec::record::{Epoch, Unenforced};
use orgo_spec::signature::{Envelope, Quorum, Unverified};

use super::append::{Append, Entry, Files, Signers};
use super::record::Mark;
use super::secret::refuse_secrets;
use super::trust::Moment;
use super::{LedgerError, MAX_EVIDENCE_BYTES, MAX_RECORD_BYTES, Record, Trust, layout};
use crate::clock::moment;
use crate::git::{Git, ObjectId};
use crate::key::PrivateKey;

/// Records with their signatures: what does not change when an append begins again.
pub(super) struct Sealed {
    pub(super) records: Vec<SealedRecord>,
    /// The evidence.
    pub(super) files: Files,
    pub(super) written: Vec<ObjectId>,
}

pub(super) struct SealedRecord {
    pub(super) kind: Name,
    pub(super) id: Digest,
    pub(super) quorums: Vec<Quorum>,
    pub(super) statement: ObjectId,
    pub(super) envelope: ObjectId,
    pub(super) envelope_digest: Digest,
    pub(super) evidence: Vec<Digest>,
    pub(super) latest: Option<String>,
    pub(super) marks: Vec<Mark>,
    /// The id of the start that it ends.
    pub(super) start: Option<Digest>,
    /// The epoch that it seals.
    pub(super) epoch: Option<Epoch>,
}

/// Stores and signs the records of an append under `trust`, at the time of the commit.
pub(super) fn seal(
    git: &Git,
    append: &Append,
    trust: &Trust,
    seconds: i64,
    signers: &Signers<'_>,
) -> Result<Sealed, LedgerError> {
    let time = moment(seconds);
    let at = Moment { time: &time };
    let admits = |key: &PrivateKey, kind: Option<&str>| {
        trust.admits(key, kind, at).map_err(|(code, message)| LedgerError::Refused { code, message })
    };
    let has_duty = |role: &'static str, key: &PrivateKey| match trust.role_of(&key.public().id()) {
        Some(found) if found == role => Ok(()),
        None if trust.has_revoked(&key.public().id()) => admits(key, None),
        _ => Err(LedgerError::KeyUnknown { key: key.public().id().short(), role }),
    };
    has_duty("git", signers.git)?;
    has_duty("log", signers.log)?;
    admits(signers.git, None)?;
    admits(signers.log, None)?;
    let mut sealed = Sealed { records: Vec::new(), files: Files::new(), written: Vec::new() };
    for entry in &append.entries {
        limit("the record", entry.statement.len(), MAX_RECORD_BYTES)?;
        refuse_secrets("the record", &entry.statement)?;
        if entry.envelope.is_none() {
            has_duty("runner", signers.runner)?;
            admits(signers.runner, Some(entry.kind.as_str()))?;
            // A new root is not listed yet; what it signs is its own declaration.
            let is_listed = |key: &&PrivateKey| trust.lists(key.public()).is_some();
            let roots = if Trust::is_changed_by(entry.kind.as_str()) { signers.roots } else { &[] };
            roots.iter().filter(is_listed).try_for_each(|key| admits(key, Some(entry.kind.as_str())))?;
        }
        sealed.add(git, entry, trust, at, signers)?;
    }
    Ok(sealed)
}

impl Sealed {
    fn add(
        &mut self,
        git: &Git,
        entry: &Entry,
        trust: &Trust,
        at: Moment<'_>,
        signers: &Signers<'_>,
    ) -> Result<(), LedgerError> {
        let kind = entry.kind.clone();
        // Nothing is signed unread.
        let record = Record::parse(kind.as_str(), &entry.statement)
            .map_err(|e| LedgerError::Refused { code: e.code(), message: e.to_string() })?;
        trust.vouches_for(&record).map_err(|e| LedgerError::Refused { code: e.code(), message: unsigned(&e) })?;
        let quorums = trust.quorums_for(kind.as_str(), &entry.statement)?;
        let envelope = match &entry.envelope {
            Some(envelope) => {
                let unverified = Unverified::<()>::new(entry.statement.clone(), envelope.clone());
                let refused = |e: orgo_spec::signature::EnvelopeError| LedgerError::Refused {
                    code: e.code(),
                    message: format!("the signature of a record that was signed elsewhere: {e}"),
                };
                let verified = unverified.verify(&quorums).map_err(refused)?;
                for key in verified.signers().iter().filter(|key| trust.lists(key).is_some()) {
                    let scope = trust.may_sign(key, Some(kind.as_str()), at);
                    let scope = scope.and_then(|()| trust.may_serve(key, record.environment()));
                    scope.map_err(|(code, message)| LedgerError::Refused { code, message })?;
                }
                envelope.clone()
            }
            None => {
                let scope = trust.may_serve(signers.runner.public(), record.environment());
                scope.map_err(|(code, message)| LedgerError::Refused { code, message })?;
                let roots = if Trust::is_changed_by(kind.as_str()) { signers.roots } else { &[] };
                let keys = std::iter::once(signers.runner).chain(roots);
                let signatures = keys.map(|k| k.sign_payload(&entry.statement));
                Envelope::new(signatures.collect::<Result<Vec<_>, _>>()?).to_bytes()
            }
        };
        let mut store = |bytes: &[u8]| {
            let id = git.write_blob(bytes)?;
            self.written.push(id);
            Ok::<_, LedgerError>(id)
        };
        let mut evidence = Vec::new();
        for bytes in &entry.evidence {
            limit("a piece of evidence", bytes.len(), MAX_EVIDENCE_BYTES)?;
            refuse_secrets("a piece of evidence", bytes)?;
            let digest = Digest::of(bytes);
            self.files.insert(layout::evidence_path(&digest), Some(store(bytes)?));
            evidence.push(digest);
        }
        self.records.push(SealedRecord {
            kind,
            id: Digest::of(&entry.statement),
            quorums,
            statement: store(&entry.statement)?,
            envelope: store(&envelope)?,
            envelope_digest: Digest::of(&envelope),
            evidence,
            latest: record.latest_path(),
            marks: record.marks(),
            start: record.start(),
            epoch: record.epoch(),
        });
        Ok(())
    }
}

/// Why a record is not signed.
pub(super) fn unsigned(why: &Unenforced) -> String {
    format!("{why}: only a development key signs that, and the trust in force is for production")
}

fn limit(what: &str, size: usize, limit: usize) -> Result<(), LedgerError> {
    if size > limit {
        return Err(LedgerError::TooLarge { what: what.to_owned(), size, limit });
    }
    Ok(())
}
