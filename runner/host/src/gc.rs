//! Garbage collection: what must stay in the object store, put together; then the kernel decides and the store sweeps.

use std::path::Path;

use orgo_kernel::collect::{Limits, Removal, Roots, collect};
use orgo_spec::Digest;

use crate::evidence::Register;
use crate::file::PathError;
use crate::journal::{self, Entry};
use crate::kept;
use crate::memory;
use crate::store::Store;
use crate::workspace::Workspace;

/// What a collection goes by.
#[derive(Debug, Clone)]
pub struct GcOptions<'o> {
    /// Limits.
    pub limits: Limits,
    /// Objects that always stay.
    pub pins: &'o [Digest],
    /// Whether nothing is removed.
    pub dry_run: bool,
}

/// Why nothing was collected.
#[derive(Debug, thiserror::Error)]
pub enum GcError {
    /// A run relies on the store.
    #[error("a run is under way; nothing was removed")]
    Busy,
    /// What a held record names is not known.
    #[error("the page {0} that a held record names is not here, so what it names is not known; nothing was removed")]
    Unknown(Digest),
    /// The system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// What stays, by why it must.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Kept {
    /// Objects that records within their retention name.
    pub records: u64,
    /// Of these, objects that a hold keeps.
    pub held: u64,
    /// Results of runs that did not end.
    pub unfinished: u64,
    /// Results that the last run of a pipeline stands on.
    pub last_runs: u64,
    /// Pins.
    pub pins: u64,
}

/// Removes what stages left that failed more than the grace ago; says how many folders that are.
///
/// # Errors
/// [`PathError`] if a folder cannot be listed or removed.
pub fn gc_kept(workspace: &Workspace, options: &GcOptions<'_>) -> Result<u64, PathError> {
    let limits = options.limits;
    kept::collect(&workspace.kept(), limits.now_ms - limits.grace_ms, options.dry_run)
}

/// Collects. With `dry_run`, only says what would be removed.
///
/// # Errors
/// [`GcError`]; what was removed before a fault is told by `explain` all the same.
pub fn gc(
    workspace: &Workspace,
    store: &Store,
    register: &Register,
    options: &GcOptions<'_>,
) -> Result<(Removal, Kept), GcError> {
    let lock = store.alone()?.ok_or(GcError::Busy)?;
    if let Some((page, _)) = register.unknown.iter().find(|(_, held)| *held) {
        return Err(GcError::Unknown(*page));
    }
    let (roots, kept) = roots(workspace, register, options)?;
    let removal = collect(&store.list()?, &roots, options.limits);
    if !options.dry_run {
        store.sweep(&removal, options.limits.now_ms, &lock)?;
        store.tidy(options.limits.now_ms, options.limits.grace_ms, &lock)?;
    }
    Ok((removal, kept))
}

fn roots(workspace: &Workspace, register: &Register, options: &GcOptions<'_>) -> Result<(Roots, Kept), PathError> {
    let mut roots = Roots::default();
    let mut kept = Kept::default();
    for object in register.objects().filter(|o| o.kept(options.limits.now_ms)) {
        roots.objects.insert(object.digest);
        kept.records += 1;
        kept.held += u64::from(object.held);
    }
    for remembered in memory::all(&workspace.state())? {
        kept.last_runs += u64::from(roots.results.insert(remembered.keyed.key));
        roots.objects.extend(remembered.log.map(|l| l.digest));
        roots.objects.extend(remembered.outputs.iter().filter_map(|o| o.kind.blob()).map(|b| b.digest));
    }
    unfinished(&workspace.runs(), &mut roots, &mut kept)?;
    roots.objects.extend(options.pins);
    kept.pins = options.pins.len() as u64;
    Ok((roots, kept))
}

/// Results of runs without an end: they are gone on with. And what attempts of all runs printed whose journal is kept.
fn unfinished(runs: &Path, roots: &mut Roots, kept: &mut Kept) -> Result<(), PathError> {
    for run in journal::list(runs)? {
        let entries = journal::read(runs, &run)?.unwrap_or_default();
        let ended = entries.iter().any(|e| matches!(e, Entry::Finish { .. }));
        for entry in entries {
            match entry {
                Entry::Miss { key, .. } | Entry::Hit { key, .. } | Entry::Start { key, .. } if !ended => {
                    kept.unfinished += u64::from(roots.results.insert(key));
                }
                Entry::End { log: Some(log), .. } | Entry::Service { log: Some(log), .. } => {
                    roots.objects.insert(log.digest);
                }
                Entry::Begin { .. }
                | Entry::Miss { .. }
                | Entry::Hit { .. }
                | Entry::Listed { .. }
                | Entry::Refused { .. }
                | Entry::Start { .. }
                | Entry::End { .. }
                | Entry::Skip { .. }
                | Entry::Service { .. }
                | Entry::Finish { .. } => {}
            }
        }
    }
    Ok(())
}
