//! Evidence re-read: open the snapshot, go to the bytes, and see whether they say what the claim says.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek, SeekFrom};

use orgo_spec::artifact::claim::TimeValue;
use orgo_spec::artifact::evidence::{Evidence, LocatorKind};
use orgo_spec::artifact::resolved::{ResolvedClaim, ResolvedObject};
use orgo_spec::artifact::snapshot::{SourceKind, SourceRef};
use orgo_spec::{Decimal, Digest};

use crate::csv::decode;
use crate::error::SpineError;
use crate::folder::{ReadFolder, ReadSeek};

/// Longest excerpt: 16 MiB.
const MAX_EXCERPT: u64 = 16 << 20;

/// Opens each snapshot once, after its bytes hashed to its id.
pub(super) struct Rereader<'f> {
    snapshots: &'f dyn ReadFolder,
    decided: &'f dyn ReadFolder,
    sources: BTreeMap<(&'f str, Digest), SourceKind>,
    open: BTreeMap<Digest, Option<Opened>>,
    count: u64,
}

struct Opened {
    file: BufReader<Box<dyn ReadSeek>>,
    at: u64,
    size: u64,
}

impl<'f> Rereader<'f> {
    pub(super) fn new(snapshots: &'f dyn ReadFolder, decided: &'f dyn ReadFolder, sources: &'f [SourceRef]) -> Self {
        let sources = sources.iter().map(|s| ((s.name.as_str(), s.snapshot_id), s.kind)).collect();
        Self { snapshots, decided, sources, open: BTreeMap::new(), count: 0 }
    }

    /// How many pointers were read.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What is wrong with the evidence of a claim.
    pub(super) fn claim(&mut self, claim: &ResolvedClaim) -> Result<Vec<String>, SpineError> {
        let mut problems = Vec::new();
        let mut published = 0;
        for evidence in &claim.evidence {
            self.count += 1;
            let source = &evidence.source;
            let kind = self.sources.get(&(source.title.as_str(), source.source_id)).copied();
            let Some(kind) = kind else {
                problems.push(format!("the batch has no source `{}` with that snapshot", source.title.escape_debug()));
                continue;
            };
            match self.excerpt(evidence, kind)? {
                Ok(excerpt) => problems.extend(says(&excerpt, evidence, kind, claim)),
                Err(problem) => problems.push(problem),
            }
            published += u64::from(kind == SourceKind::Data);
        }
        if published == 0 {
            problems.push("the claim has no evidence in a published source".to_owned());
        }
        Ok(problems)
    }

    /// The bytes that a pointer names, if they are the ones it was made for.
    fn excerpt(&mut self, evidence: &Evidence, kind: SourceKind) -> Result<Result<Vec<u8>, String>, SpineError> {
        let id = evidence.source.source_id;
        if !self.open.contains_key(&id) {
            let opened = self.open_snapshot(id, kind)?;
            self.open.insert(id, opened);
        }
        let name = &evidence.source.title;
        let Some(opened) = self.open.get_mut(&id).and_then(Option::as_mut) else {
            return Ok(Err(format!("the snapshot of `{name}` is missing, or its bytes are not those of its id")));
        };
        let (start, end) = (evidence.locator.start, evidence.locator.end);
        if end > opened.size || end.saturating_sub(start) > MAX_EXCERPT {
            return Ok(Err(format!("`{name}` has no bytes {start}..{end}")));
        }
        let mut bytes = vec![0; usize::try_from(end - start).map_err(std::io::Error::other)?];
        opened.read(start, &mut bytes)?;
        if Digest::of(&bytes) != evidence.excerpt_sha256.0 {
            return Ok(Err(format!("bytes {start}..{end} of `{name}` are not the excerpt")));
        }
        Ok(Ok(bytes))
    }

    fn open_snapshot(&self, id: Digest, kind: SourceKind) -> Result<Option<Opened>, SpineError> {
        let file = match kind {
            SourceKind::Data => self.snapshots.open(&format!("payload/{}", id.hex()))?,
            SourceKind::Decisions => self.decided.open(&format!("snapshots/{}", id.hex()))?,
        };
        let Some(mut file) = file else { return Ok(None) };
        let (digest, size) = Digest::of_reader(&mut file)?;
        file.rewind()?;
        Ok((digest == id).then(|| Opened { file: BufReader::with_capacity(1 << 16, file), at: 0, size }))
    }
}

impl Opened {
    /// Reads at a place; near places cost no system call.
    fn read(&mut self, start: u64, bytes: &mut [u8]) -> std::io::Result<()> {
        match i64::try_from(i128::from(start) - i128::from(self.at)) {
            Ok(step) => self.file.seek_relative(step)?,
            Err(_) => {
                self.file.seek(SeekFrom::Start(start))?;
            }
        }
        self.file.read_exact(bytes)?;
        self.at = start + bytes.len() as u64;
        Ok(())
    }
}

/// Whether the bytes say what the claim says.
fn says(excerpt: &[u8], evidence: &Evidence, kind: SourceKind, claim: &ResolvedClaim) -> Option<String> {
    let quote = evidence.quote.as_str();
    let shown = || quote.escape_debug().take(60).collect::<String>();
    let read = match (kind, evidence.locator.kind) {
        (SourceKind::Data, LocatorKind::CsvCell) => decode(excerpt),
        (SourceKind::Decisions, LocatorKind::Line) => std::str::from_utf8(excerpt).ok().map(str::to_owned),
        (SourceKind::Data, LocatorKind::Line) | (SourceKind::Decisions, LocatorKind::CsvCell) => None,
    };
    if read.as_deref() != Some(quote) {
        return Some(format!("the excerpt does not read `{}`", shown()));
    }
    if kind == SourceKind::Data && !reproduces(&claim.object, quote) {
        return Some(format!("the value does not follow from `{}`", shown()));
    }
    None
}

/// Whether a value is what its published text gives.
fn reproduces(object: &ResolvedObject, quote: &str) -> bool {
    match object {
        ResolvedObject::Item(entity) => entity.surface == quote,
        ResolvedObject::String(text) | ResolvedObject::Url(text) => text == quote,
        ResolvedObject::MonolingualText(text) => text.text == quote,
        ResolvedObject::Quantity(quantity) => Decimal::parse(quote).is_ok_and(|d| d == quantity.amount.0),
        ResolvedObject::Time(time) => TimeValue::parse(quote).is_some_and(|t| t == *time),
    }
}
