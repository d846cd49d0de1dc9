//! The scheduler: a state machine fed by one linear stream of events.
//!
//! It decides; it never waits, reads or starts anything. The host carries out [`Command`]s and reports
//! [`Event`]s; any order of reports is legal, and simulation tests feed every order they can think of.
//!
//! ```text
//!             deps done            look-up misses, workers free
//!  Waiting ─────────────► Looking ─────► Ready ──────────► Running ──► Done
//!     │   (gated: Deciding ──►)  └── hit ──► Done            │  ▲
//!     │   (approved by people: Asking ──►; Unapproved, if not enough do)
//!     │        │ refused                                     │  └ retry, at once or after Paused
//!     ▼        ▼                                             ▼
//!  Skipped   Refused                                       Failed
//! ```
//!
//! A ready stage starts when its services are ready, workers are free, and pools, mutexes and memory are
//! (`claims`). A stage whose items are not known yet has its list read in place of the look-up, and then is the first of
//! them (`grow`). Stages that come last are released when all others have ended, in whatever way.
//!
//! INVARIANT: a gated stage is looked up or started only with an [`Admission`], and an admission
//! comes only from a [`Pass`] about exactly the stage's input.
//! INVARIANT: a stage that needs an approval is looked up or started only after a [`Grant`] for exactly its key.
//! INVARIANT: no stage starts before everything it needs is done; none starts twice at a time.
//! INVARIANT: a stage whose items are not known is neither looked up nor started.
//! INVARIANT: what comes last starts only when everything else is final, and changes nothing about it.

mod claims;
mod ends;
mod grow;
mod machine;
mod services;

pub use machine::Scheduler;

use orgo_spec::{Digest, ReasonCode};

use crate::approval::Grant;
use crate::gate::{Admission, Pass};
use crate::graph::StageId;

/// What the host reports.
#[derive(Debug)]
pub enum Event {
    /// The gate of a stage was decided; a pass comes with the digest of the stage's real input.
    Decided {
        /// The gated stage.
        stage: StageId,
        /// The verdict.
        verdict: Verdict,
    },
    /// It is known whether a stage is approved; a grant comes with the stage's real key.
    Asked {
        /// The stage.
        stage: StageId,
        /// The grant, or why not yet.
        grant: Result<(Grant, Digest), ReasonCode>,
    },
    /// The cache was asked; the admission of a gated stage comes back.
    Looked {
        /// The stage.
        stage: StageId,
        /// Whether there is a usable result.
        hit: bool,
        /// What was handed out with [`Command::Look`].
        admission: Option<Admission>,
    },
    /// A stage could not be looked up or started for a reason of its own (a missing input, say).
    Refused {
        /// The stage.
        stage: StageId,
        /// Why.
        code: ReasonCode,
    },
    /// An attempt ended.
    Ended {
        /// The stage.
        stage: StageId,
        /// How.
        end: Result<(), Bad>,
    },
    /// The pause before the next attempt is over.
    Elapsed(StageId),
    /// A service is ready, or gone: it could not be started, was not ready in time, or ended by itself.
    Service {
        /// The service, as a position in the plan.
        service: u32,
        /// Whether it is ready.
        ready: Result<(), ReasonCode>,
    },
    /// Somebody wants the run to stop; what comes last still runs, unless this is said again.
    Cancel,
}

/// A bad end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bad {
    /// Its reason.
    pub code: ReasonCode,
    /// The exit code, if the program ended by itself.
    pub exit: Option<i32>,
}

impl From<ReasonCode> for Bad {
    fn from(code: ReasonCode) -> Self {
        Self { code, exit: None }
    }
}

/// A gate's verdict as the scheduler needs it.
#[derive(Debug)]
pub enum Verdict {
    /// The gate passed.
    Pass {
        /// The token.
        pass: Pass,
        /// Digest of the input that the stage would read.
        input: Digest,
    },
    /// The gate refused.
    Fail(ReasonCode),
}

/// What the host is to do.
#[derive(Debug)]
pub enum Command {
    /// Decide the gate of a stage.
    Decide(StageId),
    /// Decide whether enough people approve a stage; the answer may take its time.
    Ask(StageId),
    /// Read the list whose items the stage stands for. The answer is a plan with them ([`Scheduler::grow`]), or
    /// [`Event::Refused`].
    List(StageId),
    /// Compute the stage's key and ask the cache.
    Look {
        /// The stage.
        stage: StageId,
        /// Present exactly for gated stages; it comes back with the answer.
        admission: Option<Admission>,
    },
    /// Start an attempt.
    Start {
        /// The stage.
        stage: StageId,
        /// Attempts are counted from 1.
        attempt: u32,
        /// Present exactly for gated stages; kept by the host for further attempts is impossible: a
        /// retry of a gated stage is decided again.
        admission: Option<Admission>,
    },
    /// End a running stage.
    Kill(StageId),
    /// Report [`Event::Elapsed`] after a pause.
    Pause {
        /// The stage.
        stage: StageId,
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Start a service, and report when it is ready or gone.
    Serve(u32),
    /// End a service.
    Dismiss(u32),
}

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Something it needs is not done.
    Waiting,
    /// Its gate is being decided.
    Deciding,
    /// People are being asked to approve it.
    Asking,
    /// The cache is being asked, or the list is being read whose items the stage stands for.
    Looking,
    /// It waits for a worker, a service, or what it takes.
    Ready,
    /// It runs.
    Running,
    /// Its last attempt ended badly, for this reason; the next one comes after a pause.
    Paused(ReasonCode),
    /// It is done: ran or was answered from the cache.
    Done {
        /// Whether the cache answered.
        hit: bool,
    },
    /// It failed.
    Failed(ReasonCode),
    /// Its gate refused.
    Refused(ReasonCode),
    /// Not enough people approve it, for this reason.
    Unapproved(ReasonCode),
    /// It will not run, because something before it did not end well or the run stops.
    Skipped(ReasonCode),
}

impl State {
    /// Whether the stage will not change any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed(_) | Self::Refused(_) | Self::Unapproved(_) | Self::Skipped(_))
    }
}

/// How a run is to behave.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many workers there are.
    pub jobs: u32,
    /// Whether stages that do not depend on a failure still run.
    pub keep_going: bool,
    /// The run's id; a pass of another run admits nothing.
    pub run: String,
    /// Memory that stages may take together, in bytes; without end if `None`.
    pub memory_bytes: Option<u64>,
}

#[cfg(test)]
mod tests;
