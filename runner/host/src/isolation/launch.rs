//! The runner's side: starts a shim, tells it what to start, and hears how it ended.

use std::fs::File;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use orgo_spec::pipeline::{Isolation, Network};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::order::{self, Order, Reply};
use super::{Confined, Confinement, shim};
use crate::file::At;
use crate::process::{Exit, Invocation, StartError, Waited, Waker, signal, wait};

/// How long a shim may take to end everything once it was told to.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to try a level out.
const TRIAL: Duration = Duration::from_secs(20);
/// This program, also when its file was replaced.
const SELF: &str = "/proc/self/exe";

/// Runs a program to its end within a confinement.
///
/// # Errors
/// [`StartError`] if it cannot be started, or not within this confinement.
pub(crate) fn run(invocation: &Invocation<'_>, confined: Confined<'_>, waker: &Waker) -> Result<Exit, StartError> {
    let program = invocation.program;
    // What is in the working folder is found there, wherever the stage sees it.
    let program = program.strip_prefix(invocation.folder).unwrap_or(program);
    let mut env = invocation.env.to_vec();
    let hermetic = confined.confinement.level == Isolation::Hermetic;
    if !hermetic && !env.iter().any(|(name, _)| name == "TMPDIR") {
        env.push(("TMPDIR".to_owned(), confined.temporary.to_string_lossy().into_owned()));
    }
    let order = order(confined, Some(program), invocation.argv.to_vec(), env, invocation.folder);
    let mut shim = Shim::start(&order, invocation.log)?;
    let deadline = Instant::now() + invocation.timeout;
    let reason = match wait(&shim.ended, waker, deadline).at("wait for", program)? {
        Waited::Ended => return shim.answer(),
        Waited::Timeout => Exit::Timeout,
        Waited::Woken => Exit::Cancelled,
    };
    shim.end(signal(invocation.ending.signal), invocation.ending.grace);
    Ok(reason)
}

/// Sets a confinement up and starts nothing in it.
pub(super) fn try_out(level: Isolation) -> Result<(), String> {
    let folders = tempfile::tempdir().map_err(|e| e.to_string())?;
    let folder = |name: &str| {
        let path = folders.path().join(name);
        std::fs::create_dir(&path).map(|()| path).map_err(|e| e.to_string())
    };
    let (work, temporary, mount_point) = (folder("work")?, folder("temporary")?, folder("root")?);
    let confinement = Confinement {
        level,
        network: Network::None,
        programs: Vec::new(),
        hidden: PathBuf::from("/nonexistent"),
        memory_bytes: None,
    };
    let confined = Confined { confinement: &confinement, temporary: &temporary, mount_point: &mount_point };
    let log = tempfile::tempfile_in(folders.path()).map_err(|e| e.to_string())?;
    let told = |e: StartError| e.to_string();
    let order = order(confined, None, Vec::new(), Vec::new(), &work);
    let mut shim = Shim::start(&order, &log).map_err(told)?;
    let waker = Waker::new().map_err(|e| e.to_string())?;
    match wait(&shim.ended, &waker, Instant::now() + TRIAL).map_err(|e| e.to_string())? {
        Waited::Ended => shim.answer().map(|_| ()).map_err(told),
        Waited::Timeout | Waited::Woken => {
            shim.end(Signal::KILL, Duration::ZERO);
            Err("setting it up took too long".to_owned())
        }
    }
}

fn order(
    confined: Confined<'_>,
    program: Option<&Path>,
    argv: Vec<String>,
    env: Vec<(String, String)>,
    folder: &Path,
) -> Order {
    let confinement = confined.confinement;
    Order {
        program: program.map(Path::to_owned),
        argv,
        env,
        folder: folder.to_owned(),
        temporary: confined.temporary.to_owned(),
        mount_point: confined.mount_point.to_owned(),
        hermetic: confinement.level == Isolation::Hermetic,
        network: confinement.network == Network::Host,
        programs: confinement.programs.clone(),
        hidden: confinement.hidden.clone(),
        memory_bytes: confinement.memory_bytes,
    }
}

/// A shim that runs.
struct Shim {
    child: Child,
    ended: OwnedFd,
    socket: UnixStream,
}

impl Shim {
    fn start(order: &Order, log: &File) -> Result<Self, StartError> {
        let own = Path::new(SELF);
        let (socket, theirs) = UnixStream::pair().at("make a socket for", own)?;
        let share = || log.try_clone().at("share a file with", own);
        let child = Command::new(own)
            .arg0("orgo")
            .args([shim::ARGUMENT, shim::word(order.hermetic, order.network)])
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(share()?)
            .stderr(share()?)
            .process_group(0)
            .spawn()
            .at("start", own)?;
        let pid = Pid::from_child(&child);
        let ended = pidfd_open(pid, PidfdFlags::empty()).at("watch", own)?;
        // One that is gone before it has read all of this has answered why.
        let _ = order::send(&socket, order);
        Ok(Self { child, ended, socket })
    }

    /// What a shim that has ended said.
    fn answer(&mut self) -> Result<Exit, StartError> {
        let program = Path::new(SELF);
        let status = self.child.wait().at("wait for", program)?;
        let reply = order::receive(&self.socket);
        let _ = self.socket.shutdown(Shutdown::Both); // a process 1 whose parent was killed ends now
        match reply {
            Ok(Reply::Code(code)) => Ok(Exit::Code(code)),
            Ok(Reply::Signal(signal)) => Ok(Exit::Signal(signal)),
            Ok(Reply::Unavailable(missing)) => Err(StartError::Isolation(missing)),
            Ok(Reply::NotStarted(why)) => Err(StartError::Program(why)),
            Ok(Reply::Ended) => Err(StartError::Isolation("its connection was lost".to_owned())),
            Err(_) => {
                Err(StartError::Isolation(format!("the process that sets it up ended without a word ({status})")))
            }
        }
    }

    /// Sends the stage a signal, and ends it with everything it started if it does not end by itself.
    fn end(&mut self, first: Signal, grace: Duration) {
        let number = u8::try_from(first.as_raw()).unwrap_or(9);
        let _ = self.socket.write_all(&[number]); // one that has ended needs no signal
        if !self.ends_within(grace) {
            let _ = self.socket.shutdown(Shutdown::Both);
            let _ = self.ends_within(PATIENCE);
        }
        self.clear();
    }

    fn ends_within(&self, time: Duration) -> bool {
        matches!(crate::process::ends_within(&self.ended, time), Ok(true))
    }

    /// Leaves nothing behind, whatever the shim did. One that was waited for is not asked for again by its number.
    fn clear(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        self.clear();
    }
}
