//! Objects that the store lost, taken from where users see them.
//!
//! A result that `out/` shows unchanged is used without asking for its object, so that a run in which nothing
//! changed costs one status a result. The object is missed when something reads it; then the copy below
//! `out/` takes its place, if it still hashes to the same digest. If not, nothing is used and the reader
//! fails with `STORE_CORRUPT`: the next run finds that `out/` differs and makes the result anew. Source files stand for
//! their objects in the same way.

use orgo_kernel::key::OutputKind;
use orgo_spec::Digest;

use crate::file::At;
use crate::folder::Folder;
use crate::sandbox::Upstream;
use crate::store::{ObjectError, Store};

/// Puts the object `digest` back into the store from what `out/` shows of `upstream`.
///
/// # Errors
/// [`ObjectError::Missing`] if no copy below `out/` hashes to it.
pub(super) fn heal<'u>(
    digest: Digest,
    upstream: impl Iterator<Item = &'u Upstream>,
    store: &Store,
) -> Result<(), ObjectError> {
    for made in upstream {
        let same =
            made.outputs.iter().find(|o| matches!(o.kind, OutputKind::File { blob, .. } if blob.digest == digest));
        let Some(output) = same else { continue };
        let Ok(folder) = Folder::open(&made.shown) else { continue };
        let Some(file) = folder.read(&output.path)? else { continue };
        let path = made.shown.join(&output.path);
        let size_bytes = file.metadata().at("read the status of", &path)?.len();
        if store.put_file(file, &path, size_bytes)?.digest == digest {
            return Ok(());
        }
    }
    Err(ObjectError::Missing(digest))
}
