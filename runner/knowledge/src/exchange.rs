//! Compile the Exchange: accepted claims become canon. Everything stays: equal values of one property under
//! the same qualifiers become one statement with a reference for each claim, all others stand side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufWriter;

use orgo_spec::artifact::exchange::{
    BuildRef, DataValue, Datatype, DateValue, EntityValue, EvidenceEntry, ExchangeManifest, ExchangeWriter, Item,
    ItemType, ManifestExtensions, ManifestInputs, Note, QuantityValue, Reference, Snak, SnakType, Statement, TextValue,
    Written,
};
use orgo_spec::artifact::registry::EntityKind;
use orgo_spec::artifact::resolved::{Rank, ResolvedBatch, ResolvedClaim, ResolvedDocument, ResolvedObject};
use orgo_spec::artifact::snapshot::SourceRef;
use orgo_spec::artifact::{
    Accepted, ArtifactError, ClaimId, EntityId, FileRef, HexDigest, Pid, SchemaVersion, Tool, canonical, read,
};
use orgo_spec::canonical::{CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION};
use orgo_spec::{Digest, ReasonCode};
use serde::{Deserialize, Serialize};

use crate::decide::entities;
use crate::entities::Entities;
use crate::error::SpineError;
use crate::folder::{ReadFolder, Spill, WriteFolder};
use crate::lines::{path, read_existing, read_lines, write_document};
use crate::sort::Sorter;
use crate::tool::{build_id, tool};

/// File name of the payload.
pub const PAYLOAD: &str = "exchange.json";
/// File name of the manifest.
pub const MANIFEST: &str = "exchange-manifest.json";

/// Compiles the batch that `accepted` is about; writes `exchange.json` and `exchange-manifest.json`.
///
/// # Errors
/// `SUBJECT_MISMATCH` if the batch is another one than was accepted, a claim that is not resolved, or what
/// the folders report. Nothing of the output may be used after an error.
pub fn compile_exchange(
    accepted: &Accepted,
    decided: &dyn ReadFolder,
    spill: &dyn Spill,
    out: &mut dyn WriteFolder,
) -> Result<ExchangeManifest, SpineError> {
    let batch_bytes = read_existing(decided, "batch.json")?;
    if Digest::of(&batch_bytes) != accepted.subject() {
        let message = "the batch is not the one that the report accepts";
        return Err(SpineError::refused(ReasonCode::SubjectMismatch, message));
    }
    let batch: ResolvedBatch = read("the resolved batch", &batch_bytes)?;
    let entities = entities(decided, &batch)?;
    let mut compiler = Compiler {
        sources: &batch.sources,
        evidence: Sorter::new(spill),
        statements: Sorter::new(spill),
        used: BTreeSet::new(),
    };
    read_lines(decided, &batch.documents, |line, document: ResolvedDocument| {
        compiler.document(&document).map_err(|e| match e {
            Unusable::Io(e) => SpineError::Io(e),
            Unusable::Claim(what) => SpineError::refused(
                ReasonCode::ValidationFailed,
                format!("line {} of `documents.jsonl`: {what}", line + 1),
            ),
        })
    })?;
    let payload = out.create(PAYLOAD)?;
    let written = compiler.write(&entities, BufWriter::with_capacity(1 << 16, payload))?;
    let manifest = manifest(accepted, batch, written);
    write_document(out, MANIFEST, &manifest)?;
    Ok(manifest)
}

fn compiler_tool() -> Tool {
    let settings = [
        ("canonicalization_profile", CANONICALIZATION_PROFILE.to_owned()),
        ("canonicalization_version", CANONICALIZATION_VERSION.to_owned()),
        ("exchange_version", orgo_spec::artifact::SCHEMA_VERSION.to_owned()),
    ];
    tool("compile-exchange", &settings)
}

fn manifest(accepted: &Accepted, batch: ResolvedBatch, written: Written) -> ExchangeManifest {
    let compiler = compiler_tool();
    ExchangeManifest {
        schema_version: SchemaVersion::current(),
        created_at: batch.created_at,
        kristal_id: written.kristal_id,
        canonicalization_profile: CANONICALIZATION_PROFILE.to_owned(),
        canonicalization_version: CANONICALIZATION_VERSION.to_owned(),
        content_hash: written.kristal_id.into(),
        build: BuildRef {
            build_id: build_id(&compiler, &[accepted.subject()]),
            compiler_name: compiler.name,
            compiler_version: compiler.version,
            config_hash: compiler.config_hash,
        },
        inputs: ManifestInputs {
            source_snapshot_id: batch.snapshot_set_id,
            claim_ir_ids: vec![batch.claim_batch_id],
            resolved_claim_ir_ids: vec![batch.batch_id],
        },
        signatures: Vec::new(),
        extensions: ManifestExtensions {
            subject_digest: accepted.subject(),
            report_digest: accepted.report(),
            payload: FileRef {
                path: path(PAYLOAD),
                sha256: HexDigest(written.sha256),
                size_bytes: written.size_bytes,
                lines: None,
            },
            items: written.items,
            statements: written.statements,
            evidence: written.evidence,
            sources: batch.sources,
        },
    }
}

/// Why a claim cannot be compiled; validation should have refused it.
enum Unusable {
    Io(std::io::Error),
    Claim(String),
}

impl From<std::io::Error> for Unusable {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// What is sorted for each claim: its key says which statement it belongs to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Support {
    claim_id: ClaimId,
    rank: Rank,
    evidence_ids: Vec<Digest>,
    datatype: Datatype,
    property: Pid,
    value: DataValue,
    qualifiers: Vec<Snak>,
}

struct Compiler<'a> {
    sources: &'a [SourceRef],
    evidence: Sorter<'a>,
    statements: Sorter<'a>,
    used: BTreeSet<EntityId>,
}

impl Compiler<'_> {
    fn document(&mut self, document: &ResolvedDocument) -> Result<(), Unusable> {
        let unresolved = || Unusable::Claim("the subject is not resolved".to_owned());
        let subject = EntityId::from(document.subject.id().ok_or_else(unresolved)?.clone());
        for claim in &document.claims {
            self.claim(&subject, claim)?;
        }
        self.used.insert(subject);
        Ok(())
    }

    fn claim(&mut self, subject: &EntityId, claim: &ResolvedClaim) -> Result<(), Unusable> {
        let unusable = |what: &str| Unusable::Claim(format!("claim {}: {what}", claim.claim_id));
        let property = claim.predicate.id().ok_or_else(|| unusable("the property is not resolved"))?;
        let (datatype, value) = self.value(&claim.object).ok_or_else(|| unusable("the value is not resolved"))?;
        let mut qualifiers = Vec::new();
        for qualifier in &claim.qualifiers {
            let property_id = qualifier.predicate.id().ok_or_else(|| unusable("a qualifier is not resolved"))?;
            let (datatype, datavalue) =
                self.value(&qualifier.object).ok_or_else(|| unusable("a qualifier is not resolved"))?;
            self.used.insert(property_id.clone().into());
            qualifiers.push(Snak { datatype, datavalue, property_id: property_id.clone(), snaktype: SnakType::Value });
        }
        qualifiers.sort_by_cached_key(|q| (q.property_id.clone(), canonical(&q.datavalue), canonical(q)));
        self.used.insert(property.clone().into());

        let mut evidence_ids = Vec::new();
        for evidence in &claim.evidence {
            let is_source =
                |s: &&SourceRef| s.name == evidence.source.title && s.snapshot_id == evidence.source.source_id;
            let source = self.sources.iter().find(is_source).ok_or_else(|| unusable("its evidence has no source"))?;
            let entry = EvidenceEntry::new(
                evidence.excerpt_sha256,
                evidence.locator.clone(),
                source.snapshot_id,
                &source.name,
                &source.source_uri,
            );
            self.evidence.push(entry.evidence_id.as_bytes(), &canonical(&entry))?;
            evidence_ids.push(entry.evidence_id);
        }
        if evidence_ids.is_empty() {
            return Err(unusable("it has no evidence"));
        }
        let mut key = subject.as_str().as_bytes().to_vec();
        for part in [property.as_str().as_bytes(), &canonical(&qualifiers), &canonical(&(&datatype, &value))] {
            key.push(0);
            key.extend_from_slice(part);
        }
        let support = Support {
            claim_id: claim.claim_id.clone(),
            rank: claim.rank,
            evidence_ids,
            datatype,
            property: property.clone(),
            value,
            qualifiers,
        };
        Ok(self.statements.push(&key, &canonical(&support))?)
    }

    /// The value in Wikibase's shape; `None` if a name in it is not bound.
    fn value(&mut self, object: &ResolvedObject) -> Option<(Datatype, DataValue)> {
        Some(match object {
            ResolvedObject::Item(item) => {
                let id = item.id()?.clone();
                self.used.insert(id.clone().into());
                (Datatype::WikibaseItem, DataValue::Entity(EntityValue { entity_type: ItemType::Item, id }))
            }
            ResolvedObject::String(text) => (Datatype::String, DataValue::String(text.clone())),
            ResolvedObject::Url(text) => (Datatype::Url, DataValue::String(text.clone())),
            ResolvedObject::Time(time) => {
                let value = DateValue { precision: time.precision, time: time.iso8601.clone() };
                (Datatype::Time, DataValue::Time(value))
            }
            ResolvedObject::MonolingualText(text) => {
                let value = TextValue { language: text.lang.clone(), text: text.text.clone() };
                (Datatype::Monolingualtext, DataValue::Monolingualtext(value))
            }
            ResolvedObject::Quantity(quantity) => {
                let unit = match &quantity.unit {
                    None => "1".to_owned(),
                    Some(unit) => {
                        let id = unit.id()?;
                        self.used.insert(id.clone().into());
                        id.to_string()
                    }
                };
                (Datatype::Quantity, DataValue::Quantity(QuantityValue { amount: quantity.amount.clone(), unit }))
            }
        })
    }

    fn write(self, entities: &Entities, out: impl std::io::Write) -> Result<Written, SpineError> {
        let Self { evidence, statements, used, .. } = self;
        let mut writer = ExchangeWriter::new(out)?;
        evidence.groups(|_, mut same| {
            // Equal ids have equal content, so one of them is all of them.
            let entry: EvidenceEntry = read("a sorted evidence entry", &same.swap_remove(0))?;
            Ok::<_, SpineError>(writer.evidence(&entry)?)
        })?;
        let mut pending = used.into_iter();
        let mut current: Option<Item> = None;
        statements.groups(|key, group| {
            let subject = key.split(|b| *b == 0).next().unwrap_or_default();
            while current.as_ref().is_none_or(|item| item.entity_id.as_str().as_bytes() != subject) {
                if let Some(item) = current.take() {
                    put(&mut writer, item)?;
                }
                let next = pending.next().ok_or_else(|| ArtifactError::Order("the sorted statements".to_owned()))?;
                current = Some(item(entities, next)?);
            }
            if let Some(item) = current.as_mut() {
                item.statements.push(statement(&item.entity_id, group)?);
            }
            Ok::<_, SpineError>(())
        })?;
        if let Some(item) = current {
            put(&mut writer, item)?;
        }
        for id in pending {
            put(&mut writer, item(entities, id)?)?;
        }
        Ok(writer.finish()?)
    }
}

fn put(writer: &mut ExchangeWriter<impl std::io::Write>, mut item: Item) -> std::io::Result<()> {
    item.statements.sort_by_key(|s| s.statement_id);
    writer.item(&item)
}

/// An entity without statements yet.
fn item(entities: &Entities, id: EntityId) -> Result<Item, SpineError> {
    let missing = || ArtifactError::Dangling(format!("`{id}` is used but not among the batch's entities"));
    let entry = entities.get(&id).ok_or_else(missing)?;
    let mut aliases: Vec<_> = entry.aliases.clone();
    aliases.sort();
    aliases.dedup();
    let aliases = if aliases.is_empty() { BTreeMap::new() } else { BTreeMap::from([("mul".to_owned(), aliases)]) };
    Ok(Item {
        aliases,
        descriptions: BTreeMap::new(),
        labels: entry.label.clone(),
        statements: Vec::new(),
        r#type: match entry.kind {
            EntityKind::Item | EntityKind::Unit => ItemType::Item,
            EntityKind::Property => ItemType::Property,
        },
        entity_id: id,
    })
}

/// All claims of one value become one statement: highest rank, a reference for each claim.
fn statement(subject: &EntityId, group: Vec<Vec<u8>>) -> Result<Statement, SpineError> {
    let mut supports = group.iter().map(|s| read("a sorted claim", s)).collect::<Result<Vec<Support>, _>>()?;
    supports.sort_by(|a, b| a.claim_id.cmp(&b.claim_id));
    let mut references: Vec<_> = supports.iter().map(|s| Reference::new(s.evidence_ids.clone())).collect();
    references.sort_by_key(|r| r.reference_id);
    references.dedup();
    let rank = supports.iter().map(|s| s.rank).max().unwrap_or_default();
    let mut claims = supports.iter().map(|s| s.claim_id.clone());
    let nothing = || ArtifactError::Rule("a statement without a claim".to_owned());
    let claim_id = claims.next().ok_or_else(nothing)?;
    let notes = claims.map(|id| Note { code: "MERGED_CLAIM".to_owned(), message: id.to_string() }).collect();
    let first = supports.swap_remove(0);
    let mut statement = Statement {
        claim_id,
        datatype: first.datatype,
        datavalue: first.value,
        notes,
        property_id: first.property,
        qualifiers: first.qualifiers,
        rank,
        references,
        snaktype: SnakType::Value,
        statement_id: Digest::EMPTY,
    };
    statement.statement_id = statement.derive_id(subject);
    Ok(statement)
}
