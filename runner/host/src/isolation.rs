//! What is kept away from a stage: the levels `confined` and `hermetic` (see `docs/formats/isolation.md`).
//!
//! Nothing of it happens in this process. For each worker the runner starts its own binary again as a
//! *launcher*, when a stage needs one, tells it over a socket what to start, and hears how that ended:
//!
//! ```text
//! confined   orgo ── guard ── launcher ── stage  the guard ends what a launcher leaves behind that was killed
//! hermetic   orgo ── shim ── launcher ── stage   the launcher is process 1 in namespaces that the shim made
//! ```
//!
//! The launcher has one thread and little memory, so a child of it is made by `fork`; the child restricts itself
//! and becomes the stage. The launcher stays outside of what it encloses. It ends everything when the stage has
//! ended, when it is told to, and when the socket is closed: also when the runner was killed. What is made once
//! and used by all its stages is what no stage can change: the root, read-only; numbers of processes are
//! counted anew, the network is another one if a stage used it, all else is made for each stage.

mod enter;
mod hand;
mod hint;
mod kernel;
pub(crate) mod launch;
mod limits;
mod memory;
mod namespaces;
mod network;
mod order;
pub(crate) mod place;
mod processes;
mod restrict;
mod root;
mod roots;
mod shim;
mod supervise;
mod syscalls;
mod watch;

use std::path::{Path, PathBuf};

use orgo_spec::pipeline::{Isolation, Network};
use serde::{Deserialize, Serialize};

pub(crate) use hint::hint;
pub(crate) use kernel::with_output_of_groups_ignored;
pub use launch::Launchers;
pub use place::{Shown, can_show};
pub use roots::{DEVICES, NETWORK_ROOTS, ROOTS, is_host_root, unpinned};
pub use shim::{ARGUMENT, shim};
pub use watch::{How, Seen, Unwatchable, watchable};

/// This program, also when its file was replaced.
const SELF: &str = "/proc/self/exe";
/// Where the working folder of a stage lies at [`Isolation::Hermetic`].
pub const FOLDER: &str = "/orgo";
/// Where it has its temporary files there.
const TEMPORARY: &str = "/tmp";
/// Where its processes find memory that they share there.
const SHARED_MEMORY: &str = "/dev/shm";

/// What is kept away from one stage, and what is not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Confinement {
    /// The level; [`Isolation::Open`] is never asked for.
    pub level: Isolation,
    /// What network it may use.
    pub network: Network,
    /// Files of declared programs outside of the host roots, and what they load.
    pub programs: Vec<PathBuf>,
    /// The project's folder: not readable, even if it lies in a host root.
    pub hidden: PathBuf,
    /// The most memory that one process of it may take, in bytes.
    pub memory_bytes: Option<u64>,
    /// Whether what it touches is told instead of being kept away; never where a result counts.
    pub watch: Option<Watch>,
}

/// What is kept away from a stage that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watch {
    /// What [`Isolation::Confined`] keeps away, but for reading.
    Reads,
    /// Nothing, as at [`Isolation::Open`].
    Everything,
}

/// A confinement and the folders that it needs.
#[derive(Debug)]
pub struct Confined<'c> {
    /// What is kept away.
    pub confinement: &'c Confinement,
    /// An empty folder for temporary files.
    pub temporary: &'c Path,
    /// An empty folder; the stage's own root is mounted on it, where nobody else sees it.
    pub mount_point: &'c Path,
    /// Who starts it.
    pub launchers: &'c mut Launchers,
}

/// Whether this machine can give a level, by trying it.
///
/// # Errors
/// What is missing.
pub fn obtainable(level: Isolation) -> Result<(), String> {
    match level {
        Isolation::Open => Ok(()),
        Isolation::Confined => restrict::try_out(), // cheaper than a process, and asked for by every run
        Isolation::Hermetic => launch::try_out(level),
    }
}
