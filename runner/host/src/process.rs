//! Processes: started directly, ended as a group, never left behind.
//!
//! The program is spawned without `pre_exec`, so the standard library takes its `posix_spawn` path. A
//! worker waits on the process and on its own wake-up at once, so that a timeout or a cancel ends the
//! stage without delay and without polling.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orgo_spec::ReasonCode;
use orgo_spec::pipeline::StopSignal;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::file::{At, PathError};
use crate::isolation::{Confined, Shown, launch, place};

/// How long a stage may take to end by itself after it was told to.
const GRACE: Duration = Duration::from_secs(2);

/// What is started.
pub struct Invocation<'i> {
    /// The program's file.
    pub program: &'i Path,
    /// Arguments; the first is what the program is called.
    pub argv: &'i [String],
    /// The whole environment.
    pub env: &'i [(String, String)],
    /// The working folder.
    pub folder: &'i Path,
    /// What it reads, and where it prints.
    pub streams: Streams<'i>,
    /// Ended after this time.
    pub timeout: Duration,
    /// How it is ended.
    pub ending: Ending,
    /// What is kept away from it; nothing is at `open`.
    pub confined: Option<Confined<'i>>,
}

/// What a program reads, and where it prints.
#[derive(Debug)]
pub enum Streams<'i> {
    /// Files.
    Files {
        /// What standard input is.
        input: &'i File,
        /// Where standard output and standard error go, in the order they are written.
        log: &'i File,
    },
    /// Those of this process, in whose group it stays: somebody works in it, at a terminal if there is one.
    Own {
        /// Whether it is a shell that somebody types to.
        shell: bool,
        /// What is shown to it where it lay before; the first is its working folder.
        shown: &'i [Shown],
    },
}

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system refused.
    #[error("{}: {}", .0, .0.io())]
    Path(#[from] PathError),
    /// The program could not be started within its confinement.
    #[error("cannot start the program: {0}")]
    Program(String),
    /// The confinement cannot be had.
    #[error("the isolation that the stage declares cannot be had: {0}")]
    Isolation(String),
}

impl StartError {
    /// The reason code.
    #[must_use]
    pub const fn code(&self) -> ReasonCode {
        match self {
            Self::Path(_) | Self::Program(_) => ReasonCode::StageFailed,
            Self::Isolation(_) => ReasonCode::IsolationUnavailable,
        }
    }
}

/// How a process is ended: a signal to its group, and some time later `KILL`.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// The first signal.
    pub signal: StopSignal,
    /// How long it may take then.
    pub grace: Duration,
}

impl Default for Ending {
    fn default() -> Self {
        Self { signal: StopSignal::Term, grace: GRACE }
    }
}

pub(crate) fn signal(named: StopSignal) -> Signal {
    match named {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Quit => Signal::QUIT,
        StopSignal::Hup => Signal::HUP,
        StopSignal::Kill => Signal::KILL,
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal that we did not send.
    Signal(i32),
    /// It ran too long.
    Timeout,
    /// Somebody cancelled it.
    Cancelled,
}

impl Exit {
    /// The exit code, if it ended by itself.
    #[must_use]
    pub const fn exit_code(self) -> Option<i32> {
        if let Self::Code(code) = self { Some(code) } else { None }
    }

    /// The reason code of a bad end, `None` for a good one.
    #[must_use]
    pub const fn code(self) -> Option<ReasonCode> {
        match self {
            Self::Code(0) => None,
            Self::Code(_) => Some(ReasonCode::StageFailed),
            Self::Signal(_) => Some(ReasonCode::StageSignalled),
            Self::Timeout => Some(ReasonCode::StageTimeout),
            Self::Cancelled => Some(ReasonCode::RunCancelled),
        }
    }
}

/// Wakes a waiting worker.
#[derive(Debug, Clone)]
pub struct Waker(Arc<OwnedFd>);

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Waker {
    /// A waker that nobody has used.
    ///
    /// # Errors
    /// What the system says if it has no descriptors left.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Wakes the worker now, or when it waits next.
    pub fn wake(&self) {
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes()); // full means woken already
    }

    /// Forgets wake-ups that nobody saw.
    pub fn reset(&self) {
        let _ = rustix::io::read(&*self.0, &mut [0u8; 8]);
    }
}

/// Runs a program to its end.
///
/// # Errors
/// [`StartError`] if it cannot be started, or not within its confinement.
pub fn run(mut invocation: Invocation<'_>, waker: &Waker) -> Result<Exit, StartError> {
    match invocation.confined.take() {
        None => Ok(run_open(&invocation, waker)?),
        Some(confined) => launch::run(&invocation, confined, waker),
    }
}

fn run_open(invocation: &Invocation<'_>, waker: &Waker) -> Result<Exit, PathError> {
    let share = |file: &File| file.try_clone().at("share a file with", invocation.program);
    let mut command = match invocation.streams {
        Streams::Own { shown, .. } if !shown.is_empty() => {
            let mut command = place::command(shown, invocation.program);
            command.args(invocation.argv).current_dir("/");
            command
        }
        Streams::Own { .. } | Streams::Files { .. } => {
            let mut command = Command::new(invocation.program);
            command.arg0(&invocation.argv[0]).args(&invocation.argv[1..]).current_dir(invocation.folder);
            command
        }
    };
    command.env_clear().envs(invocation.env.iter().map(|(n, v)| (n, v)));
    if let Streams::Files { input, log } = invocation.streams {
        command.stdin(share(input)?).stdout(share(log)?).stderr(share(log)?).process_group(0);
    }
    let deadline = Instant::now() + invocation.timeout;
    let mut child = command.spawn().at("start", invocation.program)?;
    drop(command);
    let exit = attend(&mut child, deadline, waker, invocation.ending).at("wait for", invocation.program);
    end_group(&child, Signal::KILL); // whatever it left behind
    exit
}

fn attend(child: &mut Child, deadline: Instant, waker: &Waker, ending: Ending) -> std::io::Result<Exit> {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let reason = match wait(&pidfd, waker, deadline)? {
        Waited::Ended => return child.wait().map(told),
        Waited::Timeout => Exit::Timeout,
        Waited::Woken => Exit::Cancelled,
    };
    end_group(child, signal(ending.signal));
    if !matches!(ends_within(&pidfd, ending.grace), Ok(true)) {
        end_group(child, Signal::KILL);
    }
    child.wait()?;
    Ok(reason)
}

/// What came first.
pub(crate) enum Waited {
    /// The process ended, or said how a stage did.
    Ended,
    /// It was too late.
    Timeout,
    /// Somebody woke the worker.
    Woken,
}

/// Waits for the end of a process or for what it says, for a wake-up, or for a time.
pub(crate) fn wait(pidfd: &impl AsFd, waker: &Waker, deadline: Instant) -> std::io::Result<Waited> {
    loop {
        let timeout = timespec(deadline.saturating_duration_since(Instant::now()));
        let mut fds = [PollFd::new(pidfd, PollFlags::IN), PollFd::new(&*waker.0, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => return Ok(Waited::Timeout),
            Ok(_) if fds[0].revents().contains(PollFlags::IN) => return Ok(Waited::Ended),
            Ok(_) => return Ok(Waited::Woken),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether a process ends, or says something, within a time.
pub(crate) fn ends_within(pidfd: &impl AsFd, time: Duration) -> std::io::Result<bool> {
    Ok(poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timespec(time)))? > 0)
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(time.subsec_nanos()) }
}

fn told(status: ExitStatus) -> Exit {
    match status.code() {
        Some(code) => Exit::Code(code),
        None => Exit::Signal(status.signal().unwrap_or(0)),
    }
}

fn end_group(child: &Child, signal: Signal) {
    let _ = kill_process_group(Pid::from_child(child), signal); // gone already is what we want
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, timeout: Duration, waker: &Waker) -> Exit {
        let log = &tempfile::tempfile().expect("a temporary file");
        let argv = ["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let invocation = Invocation {
            program: Path::new("/bin/sh"),
            argv: &argv,
            env: &[],
            folder: Path::new("/"),
            streams: Streams::Files { input: log, log },
            timeout,
            ending: Ending::default(),
            confined: None,
        };
        run(invocation, waker).expect("started")
    }

    #[test]
    fn ends_are_told_apart() {
        let waker = Waker::new().expect("a descriptor");
        let long = Duration::from_secs(60);
        assert_eq!(shell("exit 0", long, &waker), Exit::Code(0));
        assert_eq!(shell("exit 7", long, &waker), Exit::Code(7));
        assert_eq!(shell("kill -9 $$", long, &waker), Exit::Signal(9));
        assert_eq!(shell("/bin/sleep 60", Duration::from_millis(50), &waker), Exit::Timeout);
        waker.wake();
        assert_eq!(shell("/bin/sleep 60", long, &waker), Exit::Cancelled);
    }

    #[test]
    fn what_a_stage_leaves_behind_is_ended() {
        let waker = Waker::new().expect("a descriptor");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pid = folder.path().join("pid");
        let script = format!("/bin/sleep 300 & echo $! > {}", pid.display());
        assert_eq!(shell(&script, Duration::from_secs(60), &waker), Exit::Code(0));
        let pid = std::fs::read_to_string(pid).expect("written");
        let state = |pid: &str| std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        for _ in 0..100 {
            let stat = state(&pid);
            if stat.is_empty() || stat.contains(") Z ") {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the process {pid} is still there");
    }
}
