//! Compiles a pack from a verified Exchange in one pass.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;

use orgo_spec::artifact::exchange::{EvidenceEntry, ExchangeManifest, ExchangePart, Item, ItemType, read_exchange};
use orgo_spec::artifact::pack::{
    BitmapFormat, BitmapPolicy, Capabilities, Compiler, DataOrdering, ExchangeRef, FileRole, GroupingPolicy, JoinCap,
    MANIFEST_NAME, MembershipFilter, OrderingPolicy, PackBuild, PackFile, PackManifest, PackPolicies, QueryContract,
    Row, RowGrouping,
};
use orgo_spec::artifact::{Accepted, ArtifactError, FileRef, HexDigest, canonical, runtime_pack_id};
use orgo_spec::canonical::{CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION, Value};
use orgo_spec::{Digest, ReasonCode};
use roaring::RoaringBitmap;

use super::open::{EntityLine, SubjectLine};
use super::{
    Bloom, CAPABILITIES, ENTITIES, EVIDENCE, FILTER, ROW_GROUPS, ROWS, SUBJECTS, TRUTHY, order_rows, predicate_path,
    row_groups,
};
use crate::error::SpineError;
use crate::exchange::MANIFEST;
use crate::folder::{ReadFolder, WriteFolder};
use crate::lines::{LineWriter, path, read_existing, write_bytes};
use crate::tool::{build_id, tool};

const GROUPING: GroupingPolicy = GroupingPolicy::FixedRows100k;
const SEED: u32 = 0;
const BITS_PER_KEY: u32 = 10;
const HASH_FUNCTIONS: u16 = 7;
const CONTRACT: &str = "kristal-query-core@1";

/// Compiles the Exchange in `canon` (`exchange.json`, `exchange-manifest.json`), whose subject `accepted` is.
///
/// Every byte of the Exchange is checked on the way. Nothing of the output may be used after an error.
///
/// # Errors
/// `SUBJECT_MISMATCH` if the manifest names another subject, an Exchange that does not verify, or what the
/// folders report.
pub fn compile_pack(
    accepted: &Accepted,
    canon: &dyn ReadFolder,
    out: &mut dyn WriteFolder,
) -> Result<PackManifest, SpineError> {
    let manifest_bytes = read_existing(canon, MANIFEST)?;
    let manifest = ExchangeManifest::read(&manifest_bytes)?;
    if manifest.extensions.subject_digest != accepted.subject() {
        let message = "the Exchange was compiled from another batch than the report accepts";
        return Err(SpineError::refused(ReasonCode::SubjectMismatch, message));
    }
    let payload = &manifest.extensions.payload;
    let missing = || SpineError::refused(ReasonCode::FileMissing, format!("`{}` is missing", payload.path));
    let input = canon.open(payload.path.as_str())?.ok_or_else(missing)?;

    let mut builder = Builder::new(out)?;
    let read = read_exchange(BufReader::with_capacity(1 << 16, input), |part| match part {
        ExchangePart::Evidence(entry) => builder.evidence(&entry),
        ExchangePart::Item(item) => builder.item(item),
    })??;
    if read.kristal_id != manifest.kristal_id || read.sha256 != payload.sha256.0 {
        return Err(ArtifactError::Identity {
            what: "the Exchange manifest".to_owned(),
            declared: manifest.kristal_id.to_string(),
            computed: read.kristal_id.to_string(),
        }
        .into());
    }
    let mut files = builder.finish(out)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let pack = pack_manifest(&manifest, Digest::of(&manifest_bytes), files);
    write_bytes(out, MANIFEST_NAME, &orgo_spec::artifact::pretty(&pack))?;
    Ok(pack)
}

fn policies() -> PackPolicies {
    PackPolicies {
        data_ordering: DataOrdering { policy: OrderingPolicy::QidPidStatementIdAsc },
        row_grouping: RowGrouping { policy: GROUPING },
        membership_filter: MembershipFilter::Bloom {
            seed: SEED,
            bits_per_key: BITS_PER_KEY,
            hash_functions: HASH_FUNCTIONS,
        },
        bitmap: BitmapPolicy { format: BitmapFormat::Roaring, run_optimize: false },
    }
}

fn pack_manifest(exchange: &ExchangeManifest, manifest_digest: Digest, files: Vec<PackFile>) -> PackManifest {
    let policies = policies();
    let compiler = tool("compile-pack", &[("policies", String::from_utf8_lossy(&canonical(&policies)).into_owned())]);
    let mut pack = PackManifest {
        manifest_version: "3.0.0".to_owned(),
        runtime_pack_id: HexDigest(Digest::EMPTY),
        created_at: exchange.created_at.clone(),
        profiles: Vec::new(),
        exchange_ref: ExchangeRef {
            exchange_id: exchange.kristal_id,
            exchange_manifest_hash: Some(HexDigest(manifest_digest)),
        },
        build: PackBuild {
            build_id: build_id(&compiler, &[exchange.kristal_id]),
            deterministic: true,
            canonicalization_profile: CANONICALIZATION_PROFILE.to_owned(),
            canonicalization_version: CANONICALIZATION_VERSION.to_owned(),
            config_hash: compiler.config_hash,
        },
        compiler: Compiler { name: compiler.name, version: compiler.version },
        policies,
        query_contract: QueryContract {
            contract_id: CONTRACT.to_owned(),
            supports_pagination: false,
            supports_cardinality_estimates: false,
        },
        files,
        signatures: Vec::new(),
    };
    let tree = Value::of(&pack).expect("artifact types hold no float");
    pack.runtime_pack_id = HexDigest(runtime_pack_id(&tree));
    pack
}

fn capabilities() -> Capabilities {
    Capabilities {
        contract_id: CONTRACT.to_owned(),
        patterns: ["spo", "sp?", "s??"].map(str::to_owned).to_vec(),
        paging: "NONE".to_owned(),
        page_limit_max: 0,
        join1_cap: JoinCap { mode: "STRICT".to_owned(), cap: 0 },
        projections: ["all", "truthy"].map(str::to_owned).to_vec(),
    }
}

/// Writes the streams; small indexes are held until the end.
struct Builder {
    rows: LineWriter,
    evidence: LineWriter,
    entities: LineWriter,
    subjects: LineWriter,
    row: u32,
    offset: u64,
    predicates: BTreeMap<String, RoaringBitmap>,
    truthy: RoaringBitmap,
    keys: BTreeSet<String>,
}

impl Builder {
    fn new(out: &mut dyn WriteFolder) -> std::io::Result<Self> {
        Ok(Self {
            rows: LineWriter::create(out, ROWS)?,
            evidence: LineWriter::create(out, EVIDENCE)?,
            entities: LineWriter::create(out, ENTITIES)?,
            subjects: LineWriter::create(out, SUBJECTS)?,
            row: 0,
            offset: 0,
            predicates: BTreeMap::new(),
            truthy: RoaringBitmap::new(),
            keys: BTreeSet::new(),
        })
    }

    fn evidence(&mut self, entry: &EvidenceEntry) -> std::io::Result<()> {
        self.evidence.push(entry)
    }

    fn item(&mut self, item: Item) -> std::io::Result<()> {
        let mut rows = Vec::with_capacity(item.statements.len());
        for statement in item.statements {
            let mut evidence_ids: Vec<_> = statement.references.into_iter().flat_map(|r| r.evidence_ids).collect();
            evidence_ids.sort_unstable();
            evidence_ids.dedup();
            rows.push(Row {
                claim_id: statement.claim_id,
                datatype: statement.datatype,
                evidence_ids,
                object: statement.datavalue,
                predicate: statement.property_id,
                qualifiers: statement.qualifiers,
                rank: statement.rank,
                statement_id: statement.statement_id,
                subject: item.entity_id.clone(),
            });
        }
        order_rows(&mut rows);
        let (start_row, offset) = (self.row, self.offset);
        for group in rows.chunk_by(|a, b| a.predicate == b.predicate) {
            let best = group.iter().map(|r| r.rank).max().unwrap_or_default();
            for row in group {
                let number = self.row;
                self.row =
                    number.checked_add(1).ok_or_else(|| std::io::Error::other("a pack holds at most 2^32 rows"))?;
                let line = canonical(row);
                self.offset += line.len() as u64 + 1;
                self.rows.push_bytes(&line)?;
                self.predicates.entry(row.predicate.to_string()).or_default().insert(number);
                if row.rank == best {
                    self.truthy.insert(number);
                }
            }
        }
        if self.row > start_row {
            self.subjects.push(&SubjectLine {
                entity_id: item.entity_id.clone(),
                offset,
                row_count: self.row - start_row,
                size_bytes: self.offset - offset,
                start_row,
            })?;
        }
        self.keys.insert(item.entity_id.to_string());
        self.entities.push(&EntityLine {
            aliases: item.aliases,
            entity_id: item.entity_id,
            labels: item.labels,
            property: item.r#type == ItemType::Property,
        })
    }

    fn finish(self, out: &mut dyn WriteFolder) -> Result<Vec<PackFile>, SpineError> {
        let mut files = Vec::new();
        let streamed =
            |file: FileRef, role| PackFile { path: file.path, role, sha256: file.sha256, size_bytes: file.size_bytes };
        files.push(streamed(self.rows.finish()?, FileRole::Other));
        files.push(streamed(self.evidence.finish()?, FileRole::Other));
        files.push(streamed(self.entities.finish()?, FileRole::Dictionary));
        files.push(streamed(self.subjects.finish()?, FileRole::Metadata));
        let too_large = || SpineError::refused(ReasonCode::InputTooLarge, "a pack holds at most 2^32 filter bits");
        let filter = Bloom::new(self.keys.iter().map(String::as_str), SEED, BITS_PER_KEY, HASH_FUNCTIONS);
        let mut small = vec![
            (ROW_GROUPS.to_owned(), FileRole::Metadata, row_groups(GROUPING, u64::from(self.row))),
            (FILTER.to_owned(), FileRole::MembershipFilter, filter.ok_or_else(too_large)?.to_bytes()),
            (CAPABILITIES.to_owned(), FileRole::Metadata, orgo_spec::artifact::pretty(&capabilities())),
            (TRUTHY.to_owned(), FileRole::BitmapIndex, bitmap(&self.truthy)?),
        ];
        for (property, rows) in &self.predicates {
            small.push((predicate_path(property), FileRole::BitmapIndex, bitmap(rows)?));
        }
        for (name, role, bytes) in small {
            write_bytes(out, &name, &bytes)?;
            files.push(PackFile {
                path: path(&name),
                role,
                sha256: HexDigest(Digest::of(&bytes)),
                size_bytes: bytes.len() as u64,
            });
        }
        Ok(files)
    }
}

/// The portable bytes of a bitmap, without runs.
fn bitmap(rows: &RoaringBitmap) -> std::io::Result<Vec<u8>> {
    let mut rows = rows.clone();
    rows.remove_run_compression();
    let mut bytes = Vec::with_capacity(rows.serialized_size());
    rows.serialize_into(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps_are_portable_and_without_runs() {
        // the layout of the published portable format, written out: cookie 12346, two containers
        let rows: RoaringBitmap = [1, 2, 3, 0x1_0007].into_iter().collect();
        let hex = "3a300000020000000000020001000000180000001e0000000100020003000700";
        assert_eq!(data_encoding::HEXLOWER.encode(&bitmap(&rows).expect("memory")), hex);
        let dense: RoaringBitmap = (0..100_000).collect();
        let bytes = bitmap(&dense).expect("memory");
        assert_eq!(bytes[..4], 12346_u32.to_le_bytes(), "no run container");
        assert_eq!(RoaringBitmap::deserialize_from(bytes.as_slice()).ok(), Some(dense));
    }
}
