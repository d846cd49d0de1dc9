//! Writes an Exchange as a stream: canonical bytes out, `kristal_id` at the end.

use std::io::{self, Write};

use super::frame::{AFTER_ID, BEFORE_ID, MIDDLE, head};
use super::{EvidenceEntry, Item};
use crate::artifact::EntityId;
use crate::{Digest, Hasher};

/// Writes evidence, then items, each in ascending order.
pub struct ExchangeWriter<W: Write> {
    out: W,
    /// Of the hash target: everything but the member `kristal_id`.
    target: Hasher,
    /// Of the file.
    file: Hasher,
    last_evidence: Option<Digest>,
    last_item: Option<EntityId>,
    statements: u64,
    items: u64,
    evidence: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The id.
    pub kristal_id: Digest,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// Length of the file.
    pub size_bytes: u64,
    /// How many items.
    pub items: u64,
    /// How many statements.
    pub statements: u64,
    /// How many evidence entries.
    pub evidence: u64,
}

fn disorder(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{what} must ascend without repetition"))
}

impl<W: Write> ExchangeWriter<W> {
    /// Begins a payload.
    ///
    /// # Errors
    /// Passes on what `out` reports.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = Self {
            out,
            target: Hasher::new(),
            file: Hasher::new(),
            last_evidence: None,
            last_item: None,
            statements: 0,
            items: 0,
            evidence: 0,
        };
        writer.put(head().as_bytes())?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.target.update(bytes);
        self.file.update(bytes);
        self.out.write_all(bytes)
    }

    /// Adds an evidence entry; all of them come before the first item.
    ///
    /// # Errors
    /// Passes on what the output reports; `InvalidInput` when ids do not ascend or items have begun.
    pub fn evidence(&mut self, entry: &EvidenceEntry) -> io::Result<()> {
        if self.last_item.is_some() || self.last_evidence.is_some_and(|last| last >= entry.evidence_id) {
            return Err(disorder("evidence"));
        }
        if self.last_evidence.replace(entry.evidence_id).is_some() {
            self.put(b",")?;
        }
        self.evidence += 1;
        self.put(&crate::artifact::canonical(entry))
    }

    /// Adds an item.
    ///
    /// # Errors
    /// Passes on what the output reports; `InvalidInput` when ids do not ascend.
    pub fn item(&mut self, item: &Item) -> io::Result<()> {
        if self.last_item.as_ref().is_some_and(|last| *last >= item.entity_id) {
            return Err(disorder("items"));
        }
        match self.last_item.replace(item.entity_id.clone()) {
            None => self.put(MIDDLE.as_bytes())?,
            Some(_) => self.put(b",")?,
        }
        self.items += 1;
        self.statements += item.statements.len() as u64;
        self.put(&crate::artifact::canonical(item))
    }

    /// Ends the payload.
    ///
    /// # Errors
    /// Passes on what the output reports.
    pub fn finish(mut self) -> io::Result<Written> {
        if self.last_item.is_none() {
            self.put(MIDDLE.as_bytes())?;
        }
        self.put(BEFORE_ID.as_bytes())?;
        self.target.update(AFTER_ID.as_bytes());
        let kristal_id = self.target.finish();
        let tail = format!("\"kristal_id\":\"{kristal_id}\",{AFTER_ID}");
        self.file.update(tail.as_bytes());
        self.out.write_all(tail.as_bytes())?;
        self.out.flush()?;
        let (sha256, size_bytes) = self.file.finish_with_size();
        let Self { statements, items, evidence, .. } = self;
        Ok(Written { kristal_id, sha256, size_bytes, items, statements, evidence })
    }
}
