//! Reads and verifies an Exchange as a stream.

use std::io::{self, BufRead};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::{AFTER_ID, BEFORE_ID, MIDDLE, head};
use super::{EvidenceEntry, Item, Written};
use crate::artifact::{ArtifactError, EntityId};
use crate::{Digest, Hasher};

/// Largest single item: 256 MiB.
const MAX_PART: usize = 256 << 20;

/// A verified part of an Exchange, in order.
#[derive(Debug)]
pub enum ExchangePart {
    /// An evidence entry.
    Evidence(EvidenceEntry),
    /// An item with its statements.
    Item(Item),
}

/// Reads an Exchange, hands out its parts in order, and returns what it is. A caller must drop what it
/// made of the parts if an error comes: identity is only known at the end.
///
/// Memory is bounded by one item and 32 bytes for each evidence entry.
///
/// # Errors
/// The outer error is the reader's or the caller's own; the inner one says what is wrong with the bytes:
/// not canonical, an id that does not follow, order, dangling evidence.
pub fn read_exchange<R: BufRead>(
    input: R,
    mut part: impl FnMut(ExchangePart) -> io::Result<()>,
) -> io::Result<Result<Written, ArtifactError>> {
    let mut reader = Reader { input, file: Hasher::new(), target: Hasher::new(), known: Vec::new() };
    let mut counts = Written {
        kristal_id: Digest::EMPTY,
        sha256: Digest::EMPTY,
        size_bytes: 0,
        items: 0,
        statements: 0,
        evidence: 0,
    };
    match reader.payload(&mut counts, &mut part) {
        Ok(()) => {
            (counts.sha256, counts.size_bytes) = reader.file.finish_with_size();
            Ok(Ok(counts))
        }
        Err(Stop::Io(error)) => Err(error),
        Err(Stop::Bytes(error)) => Ok(Err(error)),
    }
}

enum Stop {
    Io(io::Error),
    Bytes(ArtifactError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ArtifactError> for Stop {
    fn from(error: ArtifactError) -> Self {
        Self::Bytes(error)
    }
}

fn not_canonical() -> Stop {
    Stop::Bytes(ArtifactError::NotCanonical("the Exchange".to_owned()))
}

struct Reader<R> {
    input: R,
    file: Hasher,
    target: Hasher,
    known: Vec<Digest>,
}

impl<R: BufRead> Reader<R> {
    fn payload(
        &mut self,
        counts: &mut Written,
        part: &mut impl FnMut(ExchangePart) -> io::Result<()>,
    ) -> Result<(), Stop> {
        self.literal(&head())?;
        while let Some(entry) = self.element::<EvidenceEntry>(counts.evidence == 0)? {
            entry.check()?;
            if self.known.last().is_some_and(|last| *last >= entry.evidence_id) {
                return Err(ArtifactError::Order("the evidence index".to_owned()).into());
            }
            self.known.push(entry.evidence_id);
            counts.evidence += 1;
            part(ExchangePart::Evidence(entry))?;
        }
        self.literal(&MIDDLE[1..])?;
        let mut last: Option<EntityId> = None;
        while let Some(item) = self.element::<Item>(counts.items == 0)? {
            if last.as_ref().is_some_and(|last| *last >= item.entity_id) {
                return Err(ArtifactError::Order("the list of items".to_owned()).into());
            }
            item.check(|id| self.known.binary_search(id).is_ok())?;
            last = Some(item.entity_id.clone());
            counts.items += 1;
            counts.statements += item.statements.len() as u64;
            part(ExchangePart::Item(item))?;
        }
        self.literal(&BEFORE_ID[1..])?;
        let declared = self.id()?;
        self.literal(AFTER_ID)?;
        if !self.input.fill_buf()?.is_empty() {
            return Err(not_canonical());
        }
        let computed = std::mem::take(&mut self.target).finish();
        if declared != computed {
            return Err(ArtifactError::Identity {
                what: "the Exchange".to_owned(),
                declared: declared.to_string(),
                computed: computed.to_string(),
            }
            .into());
        }
        counts.kristal_id = computed;
        Ok(())
    }

    /// Reads exactly `count` bytes.
    fn take(&mut self, count: usize) -> Result<Vec<u8>, Stop> {
        let mut bytes = vec![0; count];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(not_canonical()),
            Err(e) => Err(e.into()),
        }
    }

    fn hashed(&mut self, bytes: &[u8]) {
        self.file.update(bytes);
        self.target.update(bytes);
    }

    fn literal(&mut self, expected: &str) -> Result<(), Stop> {
        if self.take(expected.len())? != expected.as_bytes() {
            return Err(not_canonical());
        }
        self.hashed(expected.as_bytes());
        Ok(())
    }

    /// The member `kristal_id`, which is not part of the hash target.
    fn id(&mut self) -> Result<Digest, Stop> {
        let open = "\"kristal_id\":\"";
        let bytes = self.take(open.len() + 71 + 2)?;
        self.file.update(&bytes);
        let text = std::str::from_utf8(&bytes).ok().and_then(|t| t.strip_prefix(open)?.strip_suffix("\","));
        text.and_then(|t| t.parse().ok()).ok_or_else(not_canonical)
    }

    /// The next element of an array, or `None` at its end; both ends and commas are consumed.
    fn element<T: DeserializeOwned + Serialize>(&mut self, first: bool) -> Result<Option<T>, Stop> {
        let mut bytes = self.take(1)?;
        if bytes == b"]" {
            self.hashed(b"]");
            return Ok(None);
        }
        if !first {
            if bytes != b"," {
                return Err(not_canonical());
            }
            self.hashed(b",");
            bytes = self.take(1)?;
        }
        if bytes != b"{" {
            return Err(not_canonical());
        }
        self.rest_of_object(&mut bytes)?;
        let value: T = crate::artifact::read("a part of the Exchange", &bytes)?;
        if crate::artifact::canonical(&value) != bytes {
            return Err(not_canonical());
        }
        self.hashed(&bytes);
        Ok(Some(value))
    }

    /// Reads on until the object that `bytes` opened is closed.
    fn rest_of_object(&mut self, bytes: &mut Vec<u8>) -> Result<(), Stop> {
        let (mut depth, mut in_string, mut escaped) = (1_u32, false, false);
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Err(not_canonical());
            }
            let mut used = buffer.len();
            for (i, byte) in buffer.iter().enumerate() {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if in_string => escaped = true,
                    b'"' => in_string = !in_string,
                    b'{' if !in_string => depth += 1,
                    b'}' if !in_string => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    used = i + 1;
                    break;
                }
            }
            bytes.extend_from_slice(&buffer[..used]);
            self.input.consume(used);
            if depth == 0 {
                return Ok(());
            }
            if bytes.len() > MAX_PART {
                return Err(ArtifactError::Rule("one item is larger than 256 MiB".to_owned()).into());
            }
        }
    }
}
