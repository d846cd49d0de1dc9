//! The Runtime Pack's manifest and rows (koa-contract 2.14–2.15, 3.4).
//!
//! A pack is a folder of immutable files under one manifest. [`PackManifest::verified`] is the only way
//! to a [`VerifiedManifest`], which in turn hands out digests to check files against: no byte of a pack is
//! used before the manifest's id and the file's hash are right.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod verify;

pub use verify::{PackError, VerifiedManifest};

use super::exchange::{DataValue, Datatype, Snak};
use super::resolved::Rank;
use super::{ClaimId, HexDigest, Pid, Utc};
use crate::Digest;
use crate::document::RelativePath;

/// File name of the manifest.
pub const MANIFEST_NAME: &str = "runtime-pack-manifest.json";

/// `runtime-pack-manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackManifest {
    /// Always `3.0.0`.
    pub manifest_version: String,
    /// SHA-256 of the manifest's projection, without a prefix.
    pub runtime_pack_id: HexDigest,
    /// The build clock.
    pub created_at: Utc,
    /// Profiles that the pack claims.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// The Exchange behind it.
    pub exchange_ref: ExchangeRef,
    /// Who made it.
    pub compiler: Compiler,
    /// How.
    pub build: PackBuild,
    /// How bytes are laid out.
    pub policies: PackPolicies,
    /// What queries it answers.
    pub query_contract: QueryContract,
    /// Every file but this one, sorted by path.
    pub files: Vec<PackFile>,
    /// Signatures over the digest of `runtime_pack_id`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Signature>,
}

/// The Exchange behind a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeRef {
    /// Its `kristal_id`.
    pub exchange_id: Digest,
    /// SHA-256 of its manifest; not part of the pack's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_manifest_hash: Option<HexDigest>,
}

/// A compiler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compiler {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// How a pack was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackBuild {
    /// Follows from inputs and configuration; not part of the pack's id.
    pub build_id: String,
    /// Always true.
    pub deterministic: bool,
    /// Always `kristal.v3:jcs-rfc8785`.
    pub canonicalization_profile: String,
    /// Always `1`.
    pub canonicalization_version: String,
    /// Digest of the configuration.
    pub config_hash: Digest,
}

/// How bytes are laid out. Only what is written here is accepted; other policies make a pack foreign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackPolicies {
    /// Order of rows.
    pub data_ordering: DataOrdering,
    /// Groups of rows.
    pub row_grouping: RowGrouping,
    /// The filter.
    pub membership_filter: MembershipFilter,
    /// The bitmaps.
    pub bitmap: BitmapPolicy,
}

/// Order of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataOrdering {
    /// The policy.
    pub policy: OrderingPolicy,
}

/// Orders of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderingPolicy {
    /// UTF-8 bytes of subject, predicate and statement id, then of the row.
    QidPidStatementIdAsc,
}

/// Groups of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowGrouping {
    /// The policy.
    pub policy: GroupingPolicy,
}

/// Sizes of groups of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GroupingPolicy {
    /// 100,000 rows.
    #[serde(rename = "fixed_rows_100k")]
    FixedRows100k,
    /// 1,000,000 rows.
    #[serde(rename = "fixed_rows_1m")]
    FixedRows1m,
}

impl GroupingPolicy {
    /// Rows in a full group.
    #[must_use]
    pub fn rows(self) -> u64 {
        match self {
            Self::FixedRows100k => 100_000,
            Self::FixedRows1m => 1_000_000,
        }
    }
}

/// A filter that answers "surely not" or "maybe".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum MembershipFilter {
    /// No filter.
    None {},
    /// A Bloom filter in the KBF1 format.
    Bloom {
        /// Start of the hash.
        seed: u32,
        /// Bits for each key.
        bits_per_key: u32,
        /// Positions for each key.
        hash_functions: u16,
    },
}

/// Bitmaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BitmapPolicy {
    /// The format.
    pub format: BitmapFormat,
    /// Whether runs are used.
    pub run_optimize: bool,
}

/// Formats of bitmaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BitmapFormat {
    /// The portable 32-bit format without runs.
    Roaring,
    /// The same with runs where they are strictly smaller.
    RoaringRunOptimized,
}

/// What queries a pack answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryContract {
    /// Always `kristal-query-core@1`.
    pub contract_id: String,
    /// Whether pages are supported.
    pub supports_pagination: bool,
    /// Whether counts are.
    pub supports_cardinality_estimates: bool,
}

/// A file of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackFile {
    /// Where it lies.
    pub path: RelativePath,
    /// What it is for.
    pub role: FileRole,
    /// SHA-256 of its bytes.
    pub sha256: HexDigest,
    /// Length in bytes.
    pub size_bytes: u64,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// Rows as Parquet.
    ParquetData,
    /// Bitmaps.
    BitmapIndex,
    /// The filter.
    MembershipFilter,
    /// Names.
    Dictionary,
    /// About the pack.
    Metadata,
    /// Rows and evidence as JSON Lines.
    Other,
}

/// A signature over the digest of an artifact's id (koa-contract 3.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The key.
    pub key_id: String,
    /// The algorithm.
    pub alg: String,
    /// Unpadded base64url.
    pub signature: String,
    /// When; not authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Utc>,
}

/// One row of `data/rows.jsonl`: one statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The first claim behind it.
    pub claim_id: ClaimId,
    /// What the value is for.
    pub datatype: Datatype,
    /// Evidence, sorted.
    pub evidence_ids: Vec<Digest>,
    /// The value.
    pub object: DataValue,
    /// The property.
    pub predicate: Pid,
    /// Conditions.
    pub qualifiers: Vec<Snak>,
    /// Rank.
    pub rank: Rank,
    /// The statement in canon.
    pub statement_id: Digest,
    /// The subject.
    pub subject: super::EntityId,
}

/// `query/capabilities.json`: limits that the manifest has no slot for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// Always `kristal-query-core@1`.
    pub contract_id: String,
    /// Bound subsets of a single pattern that are answered.
    pub patterns: Vec<String>,
    /// How pages are walked.
    pub paging: String,
    /// Largest page.
    pub page_limit_max: u32,
    /// Joins.
    pub join1_cap: JoinCap,
    /// Which statements are served.
    pub projections: Vec<String>,
}

/// What happens with joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinCap {
    /// `STRICT` or `TRUNCATE`.
    pub mode: String,
    /// Most joined rows; 0 means that joins are not answered.
    pub cap: u32,
}
