//! Results from elsewhere: packed into one file for machines that start empty, or read from folders that others fill.
//!
//! INVARIANT: what comes from elsewhere is checked as a whole, hashed while it is copied, and marked with where it came
//! from ([`orgo_spec::record::Origin`]) before anything here can use it. Nothing elsewhere is ever written to.

mod census;
mod distant;
mod pack;
mod shared;
mod unpack;

pub use census::{Age, Census, census};
pub use pack::{PackError, Packed, pack};
pub(crate) use shared::{Offer, Shared};
pub use unpack::{Unpacked, unpack};

use std::collections::BTreeMap;

use orgo_kernel::key::{Blob, OutputKind, Tree};
use orgo_spec::Digest;
use orgo_spec::canonical::is_plain;
use orgo_spec::document::RelativePath;

use crate::sandbox::stays_inside;
use crate::store::{Cached, SCHEMA};

/// The longest name or version of a program that made a result, in bytes.
const MAX_NAME: usize = 200;

/// The longest time that a stage can have run, in milliseconds: a year.
const MAX_DURATION_MS: u64 = 366 * 86_400_000;

/// The objects that a result needs, each once; or why no run can have made such a result.
pub(crate) fn objects(cached: &Cached) -> Result<Vec<Blob>, &'static str> {
    if cached.schema != SCHEMA {
        return Err("its result has another version");
    }
    if cached.duration_ms > MAX_DURATION_MS {
        return Err("its result says that the stage ran for years");
    }
    let named = |text: &str| text.len() <= MAX_NAME && is_plain(text);
    if !named(&cached.executor.name) || !named(&cached.executor.version) {
        return Err("its result names no program");
    }
    if !cached.outputs.windows(2).all(|pair| pair[0].path < pair[1].path) {
        return Err("its outputs are not sorted");
    }
    let mut found: BTreeMap<Digest, u64> = BTreeMap::new();
    let mut add =
        |blob: Blob| found.insert(blob.digest, blob.size_bytes).is_none_or(|before| before == blob.size_bytes);
    for output in cached.outputs.iter() {
        if RelativePath::new(&output.path).is_none() {
            return Err("an output has a path that leads out, or is none");
        }
        let sound = match &output.kind {
            OutputKind::File { blob, .. } => add(*blob),
            OutputKind::Link(target) => stays_inside(&output.path, target),
            OutputKind::EmptyFolder => true,
        };
        if !sound {
            return Err("an output has two sizes, or is a link that leads out");
        }
    }
    if Tree::of_outputs(&cached.outputs).is_err() || !cached.log.is_none_or(add) {
        return Err("its outputs cannot stand beside each other");
    }
    Ok(found.into_iter().map(|(digest, size_bytes)| Blob { digest, size_bytes }).collect())
}

/// Whether the outputs of a result are those that its stage declares: each of them, and nothing beside them.
pub(crate) fn are_declared(cached: &Cached, outs: &[String]) -> bool {
    let below = |path: &str, out: &str| path.strip_prefix(out).is_some_and(|r| r.is_empty() || r.starts_with('/'));
    let outputs = &cached.outputs;
    outputs.iter().all(|o| outs.iter().any(|out| below(&o.path, out)))
        && outs.iter().all(|out| outputs.iter().any(|o| below(&o.path, out)))
}

#[cfg(test)]
mod tests;
