//! What is kept away from a stage: the levels `confined` and `hermetic` (see `docs/formats/isolation.md`).
//!
//! Nothing of it happens in this process, nor between `fork` and `exec`. The runner starts its own binary
//! again as a *shim*, tells it over a socket what to start and where, and hears how that ended:
//!
//! ```text
//! confined   orgo ── shim ── stage          the shim restricts one thread of its own, and that starts the stage
//! hermetic   orgo ── shim ── init ── stage  the shim makes the namespaces, `init` is process 1 in them
//! ```
//!
//! The shim stays outside of what it encloses. It ends everything when the stage has ended, when it is told
//! to, and when the socket is closed: also when the runner was killed.

mod hint;
mod kernel;
pub(crate) mod launch;
mod limits;
mod namespaces;
mod order;
mod restrict;
mod root;
mod roots;
mod shim;
mod supervise;
mod syscalls;

use std::path::{Path, PathBuf};

use orgo_spec::pipeline::{Isolation, Network};

pub(crate) use hint::hint;
pub use roots::{DEVICES, NETWORK_ROOTS, ROOTS, is_host_root, unpinned};
pub use shim::{ARGUMENT, shim};

/// Where the working folder of a stage lies at [`Isolation::Hermetic`].
pub const FOLDER: &str = "/orgo";

/// What is kept away from one stage, and what is not.
#[derive(Debug, Clone)]
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
}

/// A confinement and the folders that it needs.
#[derive(Debug, Clone, Copy)]
pub struct Confined<'c> {
    /// What is kept away.
    pub confinement: &'c Confinement,
    /// An empty folder for temporary files.
    pub temporary: &'c Path,
    /// An empty folder; the stage's own root is mounted on it, where nobody else sees it.
    pub mount_point: &'c Path,
}

/// Whether this machine can give a level, by trying it.
///
/// # Errors
/// What is missing.
pub fn obtainable(level: Isolation) -> Result<(), String> {
    if level == Isolation::Open {
        return Ok(());
    }
    launch::try_out(level)
}
