//! Extract: snapshots become Claim-IR under a map. Every cell is read or deliberately skipped; a cell that
//! does not survive the way from text to value and back stops the stage.

use std::io::{BufReader, Read};

use orgo_spec::artifact::claim::{
    Claim, ClaimBatch, ClaimBatchType, ClaimDocument, ClaimObject, ClaimQualifier, DocumentRef, EntityRef,
    MonolingualText, PropertyRef, PublishedQuantity, TimeValue,
};
use orgo_spec::artifact::evidence::{Evidence, EvidenceSource, Locator, LocatorKind};
use orgo_spec::artifact::snapshot::{SnapshotManifest, SnapshotSet, SourceRef};
use orgo_spec::artifact::{ArtifactError, ClaimId, HexDigest, SchemaVersion, read};
use orgo_spec::document::Document;
use orgo_spec::knowledge::{ColumnMap, Map, SourceMap, ValueKind};
use orgo_spec::{Decimal, Digest, Hasher, ReasonCode};

use crate::csv::{Cell, CsvError, Record, Records};
use crate::error::{Refusals, SpineError};
use crate::folder::{ReadFolder, ReadSeek, WriteFolder};
use crate::lines::{LineWriter, read_existing, write_document};
use crate::tool::{content_id, tool};

/// Reads `set.json`, manifests and payloads of `snapshots`; writes `documents.jsonl` and `batch.json`.
///
/// # Errors
/// `INGEST_PARSE_ERROR`, `NORMALIZE_LITERAL_LOSSY`, `NORMALIZE_LITERAL_INVALID`, `SNAPSHOT_HASH_MISMATCH`,
/// a map that cannot be decoded, or what the folders report.
pub fn extract(
    snapshots: &dyn ReadFolder,
    map: &Document,
    out: &mut dyn WriteFolder,
) -> Result<ClaimBatch, SpineError> {
    let extractor = tool("extract", &[("map", Digest::of(map.text().as_bytes()).to_string())]);
    let map = Map::decode(map)?;
    let set = SnapshotSet::read(&read_existing(snapshots, "set.json")?)?;
    let manifests = manifests(snapshots, &set)?;
    let mut refusals = Refusals::default();
    for manifest in manifests.iter().filter(|m| !map.sources.iter().any(|s| s.name == m.name)) {
        let message = format!("snapshot `{}` is not mapped; map it, or do not ingest it", manifest.name);
        refusals.push(ReasonCode::DocumentInvalid, message);
    }
    let mut documents = LineWriter::create(out, "documents.jsonl")?;
    let mut claims = 0;
    for source in &map.sources {
        let Some(manifest) = manifests.iter().find(|m| m.name == source.name) else {
            let message = format!("the map reads `{}`, but there is no such snapshot", source.name);
            refusals.push(ReasonCode::InputMissing, message);
            continue;
        };
        let mut job = SourceJob { source, manifest, documents: &mut documents, refusals: &mut refusals, claims: 0 };
        job.run(snapshots)?;
        claims += job.claims;
    }
    refusals.check()?;
    let mut sources: Vec<_> = manifests.iter().map(SourceRef::from).collect();
    sources.sort();
    let mut batch = ClaimBatch {
        schema_version: SchemaVersion::current(),
        artifact_type: ClaimBatchType::ClaimIrBatch,
        batch_id: Digest::EMPTY,
        created_at: set.created_at,
        snapshot_set_id: set.snapshot_set_id,
        extractor,
        sources,
        documents: documents.finish()?,
        claims,
    };
    batch.batch_id = content_id(&batch, "batch_id");
    write_document(out, "batch.json", &batch)?;
    Ok(batch)
}

/// The manifests of a set, each checked against its digest.
fn manifests(snapshots: &dyn ReadFolder, set: &SnapshotSet) -> Result<Vec<SnapshotManifest>, SpineError> {
    let mut manifests = Vec::new();
    for member in &set.snapshots {
        let path = format!("manifests/{}.json", member.name);
        let bytes = read_existing(snapshots, &path)?;
        let manifest: SnapshotManifest = read(&format!("`{path}`"), &bytes)?;
        let computed = Digest::of(&bytes);
        if computed != member.manifest_digest
            || manifest.snapshot_id != member.snapshot_id
            || manifest.name != member.name
        {
            return Err(ArtifactError::Identity {
                what: format!("the set's entry of `{}`", member.name),
                declared: member.manifest_digest.to_string(),
                computed: computed.to_string(),
            }
            .into());
        }
        manifests.push(manifest);
    }
    Ok(manifests)
}

/// A reader that hashes what passes.
struct Hashing {
    inner: Box<dyn ReadSeek>,
    hasher: Hasher,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

struct SourceJob<'a> {
    source: &'a SourceMap,
    manifest: &'a SnapshotManifest,
    documents: &'a mut LineWriter,
    refusals: &'a mut Refusals,
    claims: u64,
}

/// Where the mapped columns stand.
struct Layout<'a> {
    subject: usize,
    columns: Vec<(usize, &'a ColumnMap)>,
    width: usize,
}

impl<'a> SourceJob<'a> {
    fn run(&mut self, snapshots: &dyn ReadFolder) -> Result<(), SpineError> {
        let id = self.manifest.snapshot_id;
        let path = format!("payload/{}", id.hex());
        let missing = || SpineError::refused(ReasonCode::FileMissing, format!("`{path}` is missing"));
        let inner = snapshots.open(&path)?.ok_or_else(missing)?;
        let mut input = BufReader::with_capacity(1 << 16, Hashing { inner, hasher: Hasher::new() });
        let done = self.records(&mut input);
        match done {
            Ok(()) => {}
            Err(CsvError::Io(error)) => return Err(error.into()),
            Err(CsvError::Malformed { .. }) => {
                let message = format!(
                    "source `{}`, {}",
                    self.source.name,
                    done.err().map_or_else(String::new, |e| e.to_string())
                );
                self.refusals.push(ReasonCode::IngestParseError, message);
                return Ok(());
            }
        }
        std::io::copy(&mut input, &mut std::io::sink())?;
        if input.into_inner().hasher.finish() != id {
            let message = format!("the payload of `{}` is not the snapshot {id}", self.source.name);
            return Err(SpineError::refused(ReasonCode::SnapshotHashMismatch, message));
        }
        Ok(())
    }

    fn records(&mut self, input: &mut BufReader<Hashing>) -> Result<(), CsvError> {
        let mut records = Records::new(input);
        let Some(header) = records.next()? else {
            self.refusals.push(ReasonCode::IngestParseError, format!("source `{}` is empty", self.source.name));
            return Ok(());
        };
        let Some(layout) = self.layout(&header) else { return Ok(()) };
        while let Some(record) = records.next()? {
            if record.cells.len() != layout.width {
                let message = format!(
                    "source `{}`, line {}: {} cells, the header has {}",
                    self.source.name,
                    record.line,
                    record.cells.len(),
                    layout.width
                );
                self.refusals.push(ReasonCode::IngestParseError, message);
                continue;
            }
            if let Some(document) = self.document(&layout, &record) {
                self.claims += document.claims.len() as u64;
                self.documents.push(&document)?;
            }
        }
        Ok(())
    }

    /// Every column is mapped, skipped or the subject; every mapped column is there.
    fn layout(&mut self, header: &Record) -> Option<Layout<'a>> {
        let source = self.source;
        let names: Vec<_> = header.cells.iter().map(|c| c.text.as_str()).collect();
        let place = |name: &str| names.iter().position(|n| *n == name);
        let mut problems = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let known = source.subject == *name
                || source.columns.iter().any(|c| c.column == *name)
                || source.skip.iter().any(|s| s == name);
            if !known {
                problems.push(format!("column `{name}` is neither mapped nor skipped"));
            }
            if names[..i].contains(name) {
                problems.push(format!("column `{name}` stands twice"));
            }
        }
        let wanted = source.columns.iter().map(|c| &c.column).chain(&source.skip).chain([&source.subject]);
        for name in wanted.filter(|name| place(name).is_none()) {
            problems.push(format!("there is no column `{name}`"));
        }
        let clean = problems.is_empty();
        for problem in problems {
            self.refusals.push(ReasonCode::IngestParseError, format!("source `{}`: {problem}", source.name));
        }
        let columns = source.columns.iter().filter_map(|c| Some((place(&c.column)?, c))).collect();
        clean.then_some(Layout { subject: place(&source.subject)?, columns, width: names.len() })
    }

    fn refuse(&mut self, code: ReasonCode, record: &Record, column: &str, what: impl std::fmt::Display) {
        let message = format!("source `{}`, line {}, column `{column}`: {what}", self.source.name, record.line);
        self.refusals.push(code, message);
    }

    fn document(&mut self, layout: &Layout<'a>, record: &Record) -> Option<ClaimDocument> {
        let subject = &record.cells[layout.subject].text;
        if self.is_missing(subject) {
            self.refuse(ReasonCode::NormalizeLiteralInvalid, record, &self.source.subject, "the record has no subject");
            return None;
        }
        let mut claims = Vec::new();
        for (place, column) in &layout.columns {
            let cell = &record.cells[*place];
            if self.is_missing(&cell.text) {
                continue;
            }
            match object(column, &cell.text) {
                Ok(object) => claims.push(self.claim(record, *place, column, cell, object)),
                Err((code, what)) => self.refuse(code, record, &column.column, what),
            }
        }
        Some(ClaimDocument {
            schema_version: SchemaVersion::current(),
            document: DocumentRef {
                doc_id: format!("{}:{}", self.source.name, record.line),
                source_id: self.manifest.snapshot_id,
            },
            subject: EntityRef { surface: subject.clone(), key: self.source.key.as_ref().map(ToString::to_string) },
            claims,
        })
    }

    fn is_missing(&self, text: &str) -> bool {
        text.is_empty() || self.source.missing.iter().any(|m| m == text)
    }

    fn claim(&self, record: &Record, place: usize, column: &ColumnMap, cell: &Cell, object: ClaimObject) -> Claim {
        let source_id = self.manifest.snapshot_id;
        let title = self.source.name.to_string();
        let locator = Locator {
            kind: LocatorKind::CsvCell,
            start: cell.start,
            end: cell.end,
            line: record.line,
            column: place as u64 + 1,
        };
        let qualifier = |(name, value): &(orgo_spec::Name, String)| ClaimQualifier {
            predicate: PropertyRef { surface: name.to_string() },
            object: ClaimObject::String(value.clone()),
        };
        Claim {
            claim_id: ClaimId::derive(source_id, &title, &locator, column.property.as_str()),
            predicate: PropertyRef { surface: column.property.to_string() },
            object,
            qualifiers: column.qualifiers.iter().map(qualifier).collect(),
            evidence: vec![Evidence {
                source: EvidenceSource { source_id, title },
                quote: cell.text.clone(),
                locator,
                excerpt_sha256: HexDigest(Digest::of(&cell.raw)),
            }],
            confidence: Decimal::parse("1").expect("1 is a decimal"),
        }
    }
}

/// The value of a cell, or why it has none.
fn object(column: &ColumnMap, text: &str) -> Result<ClaimObject, (ReasonCode, String)> {
    let invalid = |what: &str| {
        (
            ReasonCode::NormalizeLiteralInvalid,
            format!("`{}` is not {what}", text.escape_debug().take(60).collect::<String>()),
        )
    };
    match column.kind {
        ValueKind::String => Ok(ClaimObject::String(text.to_owned())),
        ValueKind::MonolingualText => Ok(ClaimObject::MonolingualText(MonolingualText {
            text: text.to_owned(),
            lang: column.lang.clone().unwrap_or_default(),
        })),
        ValueKind::Item => Ok(ClaimObject::Item(EntityRef {
            surface: text.to_owned(),
            key: column.key.as_ref().map(ToString::to_string),
        })),
        ValueKind::Quantity => match Decimal::parse(text) {
            Ok(_) => Ok(ClaimObject::Quantity(PublishedQuantity {
                amount: text.to_owned(),
                unit: column.unit.as_ref().map(ToString::to_string),
            })),
            Err(error) => Err((error.code(), error.to_string())),
        },
        ValueKind::Time => TimeValue::parse(text).map(ClaimObject::Time).ok_or_else(|| invalid("a date")),
        ValueKind::Url => {
            let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
            let ok = !scheme.is_empty()
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
                && !text.contains(|c: char| c.is_whitespace() || c.is_control());
            if ok { Ok(ClaimObject::Url(text.to_owned())) } else { Err(invalid("an address")) }
        }
    }
}
