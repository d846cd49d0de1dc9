//! What one stage may take of the machine.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Processes and threads. The kernel counts those of the user (at `confined`) or of the namespace (at
/// `hermetic`), and none of them for the superuser of the machine.
const PROCESSES: u64 = 8192;
/// The longest file, in bytes.
const FILE: u64 = 64 << 30;

/// Limits this process, and with it the stage: no core files, a bound on processes, on the length of files, and,
/// if the stage says how much it wants, on the memory of each process.
pub(super) fn limit(memory_bytes: Option<u64>) -> rustix::io::Result<()> {
    lower(Resource::Core, 0)?;
    lower(Resource::Nproc, PROCESSES)?;
    lower(Resource::Fsize, FILE)?;
    memory_bytes.map_or(Ok(()), |bytes| lower(Resource::Data, bytes))
}

fn lower(resource: Resource, to: u64) -> rustix::io::Result<()> {
    let most = getrlimit(resource).maximum.map_or(to, |now| now.min(to));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
}
