//! A cache pack: what the last runs stand on, as one file.
//!
//! ```text
//! gzip of:
//! {"pack":{"schema":1,"tenant":"…"}}
//! {"object":{"digest":"sha256:…","size_bytes":5}}       objects, by digest
//! …5 bytes…
//! {"result":{…}}                                         results, by key
//! {"end":{"digest":"sha256:…","objects":1,"results":1}}
//! ```
//!
//! The digest in the last line is that of everything before it, and the pack's id. Equal results make equal bytes.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use orgo_kernel::key::{Blob, StageKey};
use orgo_kernel::pick::{Candidate, pick};
use orgo_spec::{Digest, Hasher, ReasonCode};
use serde::{Deserialize, Serialize};

use super::objects;
use crate::file::{At, PathError, remove_old};
use crate::memory;
use crate::store::{Cached, ObjectError, Store};
use crate::workspace::{LEFTOVER_AGE, Workspace};

/// The version of the format.
pub(super) const FORMAT: u32 = 1;

/// A line of a pack.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Line {
    /// The first one.
    Pack(Head),
    /// An object; its bytes and a line feed follow.
    Object(Blob),
    /// A result of a stage.
    Result(Box<Cached>),
    /// The last one.
    End(End),
}

/// What a pack is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// The version of the format.
    pub(super) schema: u32,
    /// Whose results these are.
    pub(super) tenant: String,
}

/// What was in a pack.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// SHA-256 of everything before this line.
    pub(super) digest: Digest,
    /// How many objects there were.
    pub(super) objects: u64,
    /// How many results.
    pub(super) results: u64,
}

/// Why a pack was not written, or not taken in.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It is not a whole and honest pack.
    #[error("the cache pack `{path}` is not taken: {why}")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// It is somebody else's.
    #[error("the cache pack `{path}` belongs to the tenant `{tenant}`")]
    Tenant {
        /// The file.
        path: String,
        /// Whose it is.
        tenant: String,
    },
    /// The store lost something while it was packed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl PackError {
    /// The reason code, if it has one.
    #[must_use]
    pub fn code(&self) -> Option<ReasonCode> {
        match self {
            Self::Invalid { .. } => Some(ReasonCode::CachePackInvalid),
            Self::Tenant { .. } => Some(ReasonCode::TenantMismatch),
            Self::Object(ObjectError::Corrupt(_) | ObjectError::Missing(_)) => Some(ReasonCode::StoreCorrupt),
            Self::Object(ObjectError::Path(e)) | Self::Path(e) => e.reason(),
        }
    }
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The pack's id.
    pub id: Digest,
    /// How many results are in it.
    pub results: usize,
    /// How many results of the last runs did not fit, or are not in the store whole.
    pub left_out: usize,
    /// How many objects are in it.
    pub objects: usize,
    /// The size of results and objects, in bytes.
    pub content_bytes: u64,
    /// The size of the file, in bytes.
    pub file_bytes: u64,
    /// How long the stages ran whose results are in it, in milliseconds.
    pub saves_ms: u64,
}

/// Packs what the last runs of `pipelines` stand on into the file `to`, as much of it as `limit` bytes hold. A file that
/// is there is replaced as a whole.
///
/// # Errors
/// [`PackError`] if the store or the file refuses; then no file is left.
pub fn pack(
    workspace: &Workspace,
    store: &Store,
    tenant: &str,
    pipelines: &[String],
    limit: u64,
    to: &Path,
) -> Result<Packed, PackError> {
    let _shared = store.share()?;
    let mut wanted: BTreeSet<StageKey> = BTreeSet::new();
    for pipeline in pipelines {
        wanted.extend(memory::of(&workspace.state(), pipeline)?.iter().map(|remembered| remembered.keyed.key));
    }
    let mut sound: HashMap<Blob, bool> = HashMap::new();
    let (mut candidates, mut lines): (Vec<Candidate>, Vec<Vec<u8>>) = Default::default();
    for key in &wanted {
        let Some(mut cached) = store.result(*key)? else { continue };
        let Ok(objects) = objects(&cached) else { continue };
        let mut whole = true;
        for blob in &objects {
            whole &= match sound.get(blob) {
                Some(known) => *known,
                None => *sound.entry(*blob).or_insert(store.verify(*blob)?),
            };
        }
        if whole {
            cached.origin = None; // whoever takes it in says where it came from
            let duration_ms = cached.duration_ms;
            let line = line(&Line::Result(Box::new(cached)));
            candidates.push(Candidate { key: *key, duration_ms, size_bytes: line.len() as u64, objects });
            lines.push(line);
        }
    }
    let picked = pick(&candidates, limit);

    let folder = to.parent().filter(|f| *f != Path::new("")).unwrap_or(Path::new("."));
    // What a killed one left of the same pack goes; nothing else in this folder is ours.
    let prefix = format!(".{}.new-", to.file_name().unwrap_or_default().to_string_lossy());
    remove_old(folder, &prefix, LEFTOVER_AGE)?;
    let new = tempfile::Builder::new().prefix(&prefix).tempfile_in(folder).at("create a file in", folder)?;
    let mut out = Writer { to, gzip: GzEncoder::new(BufWriter::new(new), Compression::fast()), hasher: Hasher::new() };
    out.line(&Line::Pack(Head { schema: FORMAT, tenant: tenant.to_owned() }))?;
    for (digest, size_bytes) in &picked.objects {
        out.line(&Line::Object(Blob { digest: *digest, size_bytes: *size_bytes }))?;
        store.read_to(Blob { digest: *digest, size_bytes: *size_bytes }, |bytes| out.bytes(bytes))?;
        out.bytes(b"\n")?;
    }
    for at in &picked.results {
        out.bytes(&lines[*at])?;
    }
    let id = out.hasher.clone().finish();
    let end = End { digest: id, objects: picked.objects.len() as u64, results: picked.results.len() as u64 };
    out.line(&Line::End(end))?;
    let buffered = out.gzip.finish().at("write", to)?;
    let new = buffered.into_inner().map_err(std::io::IntoInnerError::into_error).at("write", to)?;
    new.as_file().sync_all().at("flush", to)?;
    let file_bytes = new.as_file().metadata().at("read the status of", to)?.len();
    new.persist(to).map_err(|e| e.error).at("replace", to)?;
    Ok(Packed {
        id,
        results: picked.results.len(),
        left_out: wanted.len() - picked.results.len(),
        objects: picked.objects.len(),
        content_bytes: picked.size_bytes,
        file_bytes,
        saves_ms: picked.saves_ms,
    })
}

/// A line as it is written.
pub(super) fn line(line: &Line) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).expect("a plain structure serializes");
    bytes.push(b'\n');
    bytes
}

/// Writes compressed bytes, and hashes them as they were.
struct Writer<'p, W: Write> {
    to: &'p Path,
    gzip: GzEncoder<W>,
    hasher: Hasher,
}

impl<W: Write> Writer<'_, W> {
    fn line(&mut self, what: &Line) -> Result<(), PathError> {
        self.bytes(&line(what))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        self.hasher.update(bytes);
        self.gzip.write_all(bytes).at("write", self.to)
    }
}
