//! Opens a pack: the manifest and every file are verified before anything is answered.

use std::collections::BTreeMap;
use std::io::{self, Read};

use orgo_spec::artifact::exchange::EvidenceEntry;
use orgo_spec::artifact::pack::{Capabilities, MANIFEST_NAME, PackError, PackManifest, Row, VerifiedManifest};
use orgo_spec::artifact::{EntityId, read};
use orgo_spec::{Digest, ReasonCode};
use roaring::RoaringBitmap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Bloom, CAPABILITIES, ENTITIES, EVIDENCE, FILTER, ROWS, SUBJECTS, TRUTHY};
use crate::folder::{ReadFolder, read_all};

/// A line of `dict/entities.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntityLine {
    pub(crate) aliases: BTreeMap<String, Vec<String>>,
    pub(crate) entity_id: EntityId,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) property: bool,
}

impl EntityLine {
    /// English, else the first language, else the id.
    pub(crate) fn name(&self) -> &str {
        self.labels.get("en").or_else(|| self.labels.values().next()).map_or(self.entity_id.as_str(), String::as_str)
    }
}

/// A line of `index/subjects.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubjectLine {
    pub(super) entity_id: EntityId,
    pub(super) offset: u64,
    pub(super) row_count: u32,
    pub(super) size_bytes: u64,
    pub(super) start_row: u32,
}

/// Why a pack is not opened or read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
    /// It must not be believed.
    #[error("{0}")]
    Pack(#[from] PackError),
}

impl OpenError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Io(_) => ReasonCode::FileMissing,
            Self::Pack(error) => error.code(),
        }
    }
}

/// A pack whose every byte is the one that its manifest names.
#[derive(Debug)]
pub struct Pack {
    manifest: VerifiedManifest,
    files: BTreeMap<String, Vec<u8>>,
    filter: Bloom,
    truthy: RoaringBitmap,
}

/// The rows of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// A row.
    pub row: Row,
    /// Whether it is of the best rank among those of its property.
    pub truthy: bool,
}

fn content(path: &str, why: impl ToString) -> PackError {
    PackError::Content { path: path.to_owned(), why: why.to_string() }
}

impl Pack {
    /// Reads and verifies a pack.
    ///
    /// # Errors
    /// [`OpenError`] with the first thing that is wrong: manifest, missing file, hash, content.
    pub fn open(folder: &dyn ReadFolder) -> Result<Self, OpenError> {
        let manifest = PackManifest::verified(&read_all(folder, MANIFEST_NAME)?)?;
        let mut files = BTreeMap::new();
        for entry in &manifest.get().files {
            let path = entry.path.as_str();
            let file = folder.open(path)?.ok_or_else(|| PackError::Missing(path.to_owned()))?;
            let mut bytes = Vec::new();
            file.take(entry.size_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
            manifest.check(path, Digest::of(&bytes), bytes.len() as u64)?;
            files.insert(path.to_owned(), bytes);
        }
        let part = |path: &str| files.get(path).ok_or_else(|| PackError::Missing(path.to_owned()));
        let filter = Bloom::from_bytes(part(FILTER)?).ok_or_else(|| content(FILTER, "not a KBF1 filter"))?;
        let bitmap = part(TRUTHY)?.as_slice();
        let truthy = RoaringBitmap::deserialize_from(bitmap).map_err(|e| content(TRUTHY, e))?;
        read::<Capabilities>("the pack's capabilities", part(CAPABILITIES)?).map_err(|e| content(CAPABILITIES, e))?;
        for lines in [ROWS, ENTITIES, EVIDENCE, SUBJECTS] {
            let bytes = part(lines)?;
            if !bytes.is_empty() && !bytes.ends_with(b"\n") {
                return Err(content(lines, "the last line has no end").into());
            }
        }
        Ok(Self { manifest, files, filter, truthy })
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &PackManifest {
        self.manifest.get()
    }

    fn bytes(&self, path: &str) -> &[u8] {
        self.files.get(path).map_or(&[], Vec::as_slice)
    }

    /// The line of a sorted file whose id is `id`.
    fn lookup<T: DeserializeOwned>(
        &self,
        path: &str,
        id: &str,
        key: impl Fn(&T) -> String,
    ) -> Result<Option<T>, PackError> {
        let bytes = self.bytes(path);
        let (mut low, mut high) = (0, bytes.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let start = bytes[low..middle].iter().rposition(|b| *b == b'\n').map_or(low, |i| low + i + 1);
            let end = bytes[start..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |i| start + i);
            let line: T = read("a line", &bytes[start..end]).map_err(|e| content(path, e))?;
            match key(&line).as_str().cmp(id) {
                std::cmp::Ordering::Equal => return Ok(Some(line)),
                std::cmp::Ordering::Less => low = end + 1,
                std::cmp::Ordering::Greater => high = start,
            }
        }
        Ok(None)
    }

    /// The rows of a subject, in order.
    ///
    /// # Errors
    /// [`PackError::Content`] for files that contradict each other.
    pub fn rows(&self, subject: &EntityId) -> Result<Vec<Found>, PackError> {
        if !self.filter.maybe(subject.as_str()) {
            return Ok(Vec::new());
        }
        let place = self.lookup(SUBJECTS, subject.as_str(), |l: &SubjectLine| l.entity_id.to_string())?;
        let Some(place) = place else { return Ok(Vec::new()) };
        let range = usize::try_from(place.offset)
            .ok()
            .zip(place.offset.checked_add(place.size_bytes).and_then(|end| usize::try_from(end).ok()));
        let bytes = range.and_then(|(start, end)| self.bytes(ROWS).get(start..end));
        let bytes = bytes.ok_or_else(|| content(SUBJECTS, "a subject lies outside the rows"))?;
        let mut found = Vec::new();
        for (i, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
            let row: Row = read("a row", line.strip_suffix(b"\n").unwrap_or(line)).map_err(|e| content(ROWS, e))?;
            let number = u32::try_from(i).ok().and_then(|i| place.start_row.checked_add(i));
            if row.subject != *subject {
                return Err(content(SUBJECTS, "a subject has rows of another one"));
            }
            found.push(Found { row, truthy: number.is_some_and(|n| self.truthy.contains(n)) });
        }
        if found.len() as u64 != u64::from(place.row_count) {
            return Err(content(SUBJECTS, "a subject has another number of rows"));
        }
        Ok(found)
    }

    /// An evidence entry.
    ///
    /// # Errors
    /// [`PackError::Content`] if the index cannot be read.
    pub fn evidence(&self, id: Digest) -> Result<Option<EvidenceEntry>, PackError> {
        self.lookup(EVIDENCE, &id.to_string(), |l: &EvidenceEntry| l.evidence_id.to_string())
    }

    /// Labels and aliases of an entity.
    pub(crate) fn entity(&self, id: &str) -> Result<Option<EntityLine>, PackError> {
        self.lookup(ENTITIES, id, |l: &EntityLine| l.entity_id.to_string())
    }

    /// All entities, by id.
    pub(crate) fn entities(&self) -> impl Iterator<Item = Result<EntityLine, PackError>> {
        let lines = self.bytes(ENTITIES).split(|b| *b == b'\n').filter(|l| !l.is_empty());
        lines.map(|line| read("an entity", line).map_err(|e| content(ENTITIES, e)))
    }

    /// All rows, in order.
    pub(crate) fn all_rows(&self) -> impl Iterator<Item = Result<Row, PackError>> {
        let lines = self.bytes(ROWS).split(|b| *b == b'\n').filter(|l| !l.is_empty());
        lines.map(|line| read("a row", line).map_err(|e| content(ROWS, e)))
    }
}
