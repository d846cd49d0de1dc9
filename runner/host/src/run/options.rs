//! What a run is told, what it tells while it happens, and why it may not happen at all.

use std::fmt::Debug;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use orgo_kernel::graph::StageId;
use orgo_kernel::key::{Output, StageKey};
use orgo_kernel::why::Why;
use orgo_spec::Digest;
use orgo_spec::pipeline::Isolation;
use orgo_spec::record::{Bringer, Origin};

use crate::clock::Clock;
use crate::file::PathError;
use crate::git::Looked;
use crate::trace::Traces;
use crate::workspace::WorkspaceError;

use super::approver::{ApprovalOutcome, Approving};
use super::gatekeeper::GatePolicy;
use super::outcome::{Attempt, GateOutcome};
use super::stop::Stop;

/// How a run is to behave.
pub struct RunOptions<'r> {
    /// The run's id (a UUID).
    pub run: String,
    /// How many stages run at a time.
    pub jobs: u32,
    /// Memory that stages may take together, in bytes; without end if `None`.
    pub memory_bytes: Option<u64>,
    /// Whether what stages print is told while they run.
    pub stream: bool,
    /// Whether stages that do not depend on a failure still run.
    pub keep_going: bool,
    /// Stages whose cached results are not used.
    pub force: &'r [bool],
    /// How often each stage that runs is run, at least once; its outputs have to be the same every time.
    pub repeat: u32,
    /// Stages that are part of the run.
    pub wanted: &'r [bool],
    /// Stages that are not part of the run because their condition does not hold.
    pub withheld: &'r [bool],
    /// The file of the key of keyed digests of secrets.
    pub secret_key: PathBuf,
    /// The file that built-in tools are run from.
    pub binary: PathBuf,
    /// The version of the program that runs stages, as it stands in cache entries.
    pub version: String,
    /// What gates read.
    pub gates: GatePolicy,
    /// What is known about approvals; without it, a stage that needs one waits.
    pub approvals: Option<Approving<'r>>,
    /// Where what stages touch is told, in a run that traces them. Its workspace is one of its own: no result of such a
    /// run counts.
    pub traces: Option<Arc<Traces>>,
    /// Which results of others count.
    pub others: Others,
    /// What was found at the tracked files when git said whether they differ from the commit: they are used as they were
    /// then.
    pub looked: Option<Arc<Looked>>,
    /// The clock.
    pub clock: Clock,
    /// What stands for the plan and the program that made it, if a run that changes nothing may be answered without
    /// the plan (see [`super::Settled`]).
    pub settle: Option<Digest>,
    /// What ends the run from another thread.
    pub stop: Option<Stop>,
    /// Called once, before the first stage starts or the first gate refuses; if it says no, the run ends there.
    pub before_work: &'r dyn Fn() -> bool,
}

/// Which results that were not made here a run uses.
#[derive(Debug, Clone, Default)]
pub struct Others {
    /// Shared cache directories, in the order in which they are asked.
    pub folders: Vec<String>,
    /// Whether results count whatever brought them here, and for every stage. Otherwise only those count that `named` or
    /// `unpacked` vouch for, or that a record confirms, and none for what a gate reads and for what stands behind one.
    pub all: bool,
    /// Those of `folders` whose results count without a confirmation.
    pub named: Vec<String>,
    /// Whether results of `orgo cache unpack` count without a confirmation.
    pub unpacked: bool,
    /// What confirms results that nobody vouches for.
    pub confirm: Option<Rc<dyn Confirm>>,
}

/// A result from elsewhere that a run is about to use.
#[derive(Debug, Clone, Copy)]
pub struct Foreign<'f> {
    /// The stage key.
    pub key: StageKey,
    /// The outputs, by path.
    pub outputs: &'f [Output],
    /// The digest of their tree.
    pub tree: Digest,
    /// The isolation at which it says to have been obtained.
    pub isolation: Isolation,
}

/// Hands out objects by digest, verified, wherever the run may read them.
pub type Objects<'o> = &'o dyn Fn(Digest) -> Option<Vec<u8>>;

/// What knows which results runners made whose word counts.
pub trait Confirm: Debug {
    /// The id of the record which says that a runner made exactly this, if there is one.
    fn confirms(&self, result: &Foreign<'_>, objects: Objects<'_>) -> Option<Digest>;
}

impl Others {
    /// Whether a result from there counts for a stage without a confirmation; of the stage it is known whether a gate reads
    /// it or stands before it.
    #[must_use]
    pub fn take(&self, origin: &Origin, at_a_gate: bool) -> bool {
        self.all
            || !at_a_gate
                && match origin.by {
                    Bringer::Shared => self.named.contains(&origin.name),
                    Bringer::Pack => self.unpacked,
                }
    }
}

/// Why a run could not be carried through.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RunError {
    /// The running program's own file cannot be read.
    #[error("cannot identify the running program: {message}")]
    Binary {
        /// What went wrong.
        message: String,
    },
    /// What had to be done before the first work could not be done.
    #[error("the run was not begun: its start could not be recorded")]
    NotBegun,
    /// The workspace cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The system refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Path(#[from] PathError),
}

/// Something that reporters may want to show.
pub enum Notice<'n> {
    /// The run begins; how long each stage took when it last ran, in milliseconds, as far as that is known.
    Begin(&'n dyn Fn(StageId) -> Option<u64>),
    /// A stage was answered from the cache.
    Hit(StageId),
    /// A stage has to run.
    Miss(StageId, &'n [Why]),
    /// An attempt started.
    Started(StageId, u32),
    /// An attempt ended.
    Ended(StageId, u32, &'n Attempt),
    /// A gate was decided.
    Gate(&'n GateOutcome),
    /// It was decided whether a stage is approved.
    Approval(&'n ApprovalOutcome),
    /// A stage could not be planned.
    Unplanned(StageId, &'n str),
    /// The next attempt of a stage comes after so many milliseconds.
    Paused(StageId, u64),
    /// A stage printed these lines; only if that was asked for.
    Printed(StageId, &'n str),
    /// A service is ready, has ended, or is of no use.
    Service(&'n str, ServiceNews<'n>),
    /// A stage will not run.
    Skipped(StageId),
    /// A shared cache directory was of no use; whether it is not asked any more in this run.
    Cache {
        /// The directory.
        name: &'n str,
        /// What is wrong.
        fault: &'n str,
        /// Whether it is left alone from now on.
        given_up: bool,
    },
    /// The plan has more stages from now on.
    Grown,
    /// The list became known whose items the stage of that name stands for, and how many these are.
    Listed(&'n str, usize),
}

/// What there is to tell about a service.
#[derive(Debug, Clone, Copy)]
pub enum ServiceNews<'n> {
    /// It is started.
    Started,
    /// It is ready.
    Ready,
    /// It ended because nobody needs it any more.
    Ended,
    /// It did not become ready, or ended by itself.
    Gone(&'n str),
}
