//! A proof about one record that travels alone: what it says, who signed it, that it is in the log.
//!
//! It carries the record, every record that changed the trust, an inclusion proof for each, and one checkpoint
//! that covers them all. Verifying it needs no repository and no network; what it cannot show is that nothing
//! was left out of it: a later revocation is known only to who has the ledger, or a newer checkpoint.

use orgo_spec::canonical::{self, JsonError, Profile};
use orgo_spec::log::{Checkpoint, Leaf, Proof, SignedCheckpoint, inclusion, verify_inclusion};
use orgo_spec::record::{Predicate, TrustRecord};
use orgo_spec::signature::{PublicKey, Unverified};
use orgo_spec::{Digest, Name, ReasonCode};
use serde::{Deserialize, Serialize};

use crate::ledger::log::{TreeTiles, leaf};
use crate::ledger::{Head, Ledger, LedgerError, Record, Trust, TrustError};

/// The largest proof that is read: records of full size, and many changes of trust.
const MAX_BYTES: usize = 64 << 20;

/// A proof about one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordProof {
    /// The signed checkpoint, as the log has it.
    pub checkpoint: String,
    /// The record, and every one that changed the trust, by number.
    pub entries: Vec<Proved>,
    /// The number of the record that it is about.
    pub record: u64,
    /// `orgo.proof/1`.
    pub schema: String,
}

/// A record and its place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proved {
    /// The `.dsse` file.
    pub envelope: String,
    /// The inclusion proof, from the leaf up.
    pub hashes: Vec<Digest>,
    /// The record's kind.
    pub kind: Name,
    /// Its number, which is that of its leaf.
    pub number: u64,
    /// The bytes that are signed.
    pub statement: String,
}

/// What a proof shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The record's number.
    pub number: u64,
    /// Its kind.
    pub kind: Name,
    /// Its id.
    pub id: Digest,
    /// Who signed it: role and key.
    pub signers: Vec<String>,
    /// The ledger's root of trust.
    pub root: Digest,
    /// Whose ledger it is.
    pub tenant: Name,
    /// Whether the trust in force is a development trust.
    pub development: bool,
    /// How many records the checkpoint covers.
    pub size: u64,
    /// The root of the log that it signs.
    pub log_root: Digest,
}

/// Why a proof proves nothing.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ProofRefused {
    /// The reason code.
    pub code: ReasonCode,
    /// What is wrong.
    pub message: String,
}

impl ProofRefused {
    fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<TrustError> for ProofRefused {
    fn from(error: TrustError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<JsonError> for ProofRefused {
    fn from(error: JsonError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// Makes the proof about record `number` out of a ledger; reads a number of objects that grows with the logarithm
/// of the ledger's size, and with the number of changes of trust.
///
/// # Errors
/// [`LedgerError`] if something that is needed cannot be read.
pub fn prove(ledger: &Ledger, head: &Head, number: u64) -> Result<RecordProof, LedgerError> {
    let mut numbers: Vec<u64> = head.trust.history().iter().map(|(n, _)| *n).chain([number]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut tiles = TreeTiles::with_edge(ledger.git(), head.tree, &head.log.edge);
    let mut entries = Vec::with_capacity(numbers.len());
    for number in numbers {
        let record = ledger.record(number)?;
        let damaged = |why: String| LedgerError::Damaged { path: record.path.clone(), why };
        let hashes = inclusion(number, head.count, &mut tiles).map_err(|e| damaged(e.to_string()))?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| damaged("it is not text".to_owned()));
        let envelope = record.envelope.clone().ok_or_else(|| damaged("its envelope is missing".to_owned()))?;
        let (statement, envelope) = (text(record.statement.clone())?, text(envelope)?);
        entries.push(Proved { envelope, hashes, kind: record.kind.clone(), number, statement });
    }
    let checkpoint = String::from_utf8_lossy(&head.log.note).into_owned();
    Ok(RecordProof { checkpoint, entries, record: number, schema: SCHEMA.to_owned() })
}

const SCHEMA: &str = "orgo.proof/1";

impl Proved {
    fn leaf(&self) -> Result<Leaf, ProofRefused> {
        let digests = (Digest::of(self.statement.as_bytes()), Digest::of(self.envelope.as_bytes()));
        leaf(self.number, &self.kind, digests.0, digests.1)
            .map_err(|e| ProofRefused::new(ReasonCode::LogMalformed, e.to_string()))
    }

    fn unverified<T>(&self) -> Unverified<T> {
        Unverified::new(self.statement.clone().into_bytes(), self.envelope.clone().into_bytes())
    }
}

impl RecordProof {
    /// The bytes of the proof's file.
    ///
    /// # Panics
    /// Never: its numbers are below 2^53.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::pretty_of(self).expect("small numbers")
    }

    /// The same about the record alone, as a C2SP `tlog-proof`: for clients that know the log's key.
    ///
    /// # Errors
    /// [`ProofRefused`] if the record is not among the entries or the checkpoint is malformed.
    pub fn to_tlog(&self) -> Result<String, ProofRefused> {
        let entry = self.about()?;
        let checkpoint = SignedCheckpoint::parse(self.checkpoint.as_bytes())
            .map_err(|e| ProofRefused::new(e.code(), e.to_string()))?;
        let proof = Proof::new(entry.number, entry.hashes.clone(), checkpoint)
            .map_err(|e| ProofRefused::new(e.code(), e.to_string()))?;
        Ok(proof.to_text())
    }

    /// Reads the bytes of a proof's file.
    ///
    /// # Errors
    /// [`ProofRefused`] for anything but the one spelling of a proof.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofRefused> {
        if bytes.len() > MAX_BYTES {
            return Err(ProofRefused::new(ReasonCode::InputTooLarge, "the proof is larger than 64 MiB"));
        }
        let proof: Self = canonical::from_slice(bytes, Profile::DOCUMENT)?;
        if proof.schema != SCHEMA {
            let message = format!("the file is of the schema `{}`, not `{SCHEMA}`", proof.schema.escape_debug());
            return Err(ProofRefused::new(ReasonCode::SchemaInvalid, message));
        }
        if proof.to_bytes() != bytes {
            return Err(ProofRefused::new(ReasonCode::SchemaInvalid, "the file is not in its canonical form"));
        }
        Ok(proof)
    }

    /// The entry that the proof is about.
    fn about(&self) -> Result<&Proved, ProofRefused> {
        let missing = || ProofRefused::new(ReasonCode::RecordMissing, "the record is not among the entries");
        self.entries.iter().find(|e| e.number == self.record).ok_or_else(missing)
    }

    /// Verifies everything that the proof carries.
    ///
    /// # Errors
    /// [`ProofRefused`] with the reason code of the first thing that is wrong.
    pub fn verify(&self) -> Result<Shown, ProofRefused> {
        let about = self.about()?;
        let in_order = self.entries.windows(2).all(|pair| pair[0].number < pair[1].number);
        let first = self.entries.first().filter(|e| e.number == 0 && in_order);
        let first = first.ok_or_else(|| {
            ProofRefused::new(ReasonCode::RootNotTrusted, "the proof does not begin with the ledger's first record")
        })?;
        let root = Digest::of(first.statement.as_bytes());

        // The trust, one change after the other; each judges the next.
        let mut trusts: Vec<Trust> = Vec::new();
        let mut judge: Option<Trust> = None;
        for entry in &self.entries {
            if entry.number == about.number {
                judge = trusts.last().cloned();
            }
            if Trust::is_changed_by(entry.kind.as_str()) {
                let (_, next) = Trust::succeed(trusts.last(), entry.number, entry.kind.as_str(), entry.unverified())?;
                trusts.push(next);
            } else if entry.number != about.number {
                return Err(ProofRefused::new(ReasonCode::SchemaInvalid, "an entry has nothing to do with the record"));
            }
        }
        let (Some(last), kind) = (trusts.last(), about.kind.as_str()) else {
            return Err(ProofRefused::new(ReasonCode::RootNotTrusted, "the proof has no trust record"));
        };
        let judge = judge.unwrap_or_else(|| trusts[0].clone());

        // The checkpoint: by a log key of the newest trust, or of the one before, which judged its commit.
        let origin = Checkpoint::origin_for(last.tenant(), &root);
        let mut keys = last.log_keys(&origin);
        if let [.., before, _] = trusts.as_slice() {
            keys.extend(before.log_keys(&origin).into_iter().filter(|k| !last.has_revoked(&k.key().id())));
        }
        let signed = SignedCheckpoint::parse(self.checkpoint.as_bytes());
        let checkpoint = signed.map_err(Into::into).and_then(|s| s.verify_any(&keys));
        let checkpoint = checkpoint.map_err(|e| ProofRefused::new(e.code(), e.to_string()))?;
        for entry in &self.entries {
            let hash = entry.leaf()?.hash();
            verify_inclusion(&hash, entry.number, checkpoint.size(), checkpoint.root(), &entry.hashes)
                .map_err(|e| ProofRefused::new(e.code(), format!("record {}: {e}", entry.number)))?;
        }

        // The record.
        let quorums = judge.quorums_for(kind, about.statement.as_bytes())?;
        let verified = about.unverified::<()>().verify(&quorums);
        let verified = verified.map_err(|e| ProofRefused::new(e.code(), e.to_string()))?;
        let record =
            Record::parse(kind, about.statement.as_bytes()).map_err(|e| ProofRefused::new(e.code(), e.to_string()))?;
        if record.tenant() != judge.tenant() {
            return Err(ProofRefused::new(
                ReasonCode::TenantMismatch,
                "the record is of another tenant than the ledger",
            ));
        }
        let covers = |key: &&PublicKey| judge.lists(key).is_none_or(|(_, trusted)| trusted.covers(kind));
        if !verified.signers().iter().all(|key| covers(&key)) {
            let message = format!("a key that signed it may not sign a `{kind}`");
            return Err(ProofRefused::new(ReasonCode::KeyScopeMismatch, message));
        }
        let serves = |key| judge.may_serve(key, record.environment());
        verified.signers().iter().try_for_each(serves).map_err(|(code, why)| ProofRefused::new(code, why))?;
        let next = trusts.iter().find(|trust| trust.number() == about.number);
        let retires = |key: &PublicKey| next.is_some_and(|next| judge.retires(key, next));
        let revoked = |key: &PublicKey| last.facts().revoked.iter().any(|r| r.key == *key && r.since <= about.number);
        if let Some(key) = verified.signers().iter().find(|key| revoked(key) && !retires(key)) {
            let message =
                format!("the key {}, which signed it, is revoked from a record on that is not later", key.id().short());
            return Err(ProofRefused::new(ReasonCode::KeyRevoked, message));
        }
        let who = |key: &PublicKey| {
            let id = key.id();
            format!("{} {}", judge.role_of(&id).unwrap_or(TrustRecord::KIND), id.short())
        };
        Ok(Shown {
            number: about.number,
            kind: about.kind.clone(),
            id: Digest::of(about.statement.as_bytes()),
            signers: verified.signers().iter().map(who).collect(),
            root,
            tenant: judge.tenant().clone(),
            development: last.is_development(),
            size: checkpoint.size(),
            log_root: *checkpoint.root(),
        })
    }
}
