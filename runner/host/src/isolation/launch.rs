//! The runner's side: starts launchers, tells them what to start, and hears how it ended.

use std::io::IsTerminal;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use orgo_spec::pipeline::{Isolation, Network};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::order::{self, Connection, End, Message, Order, Reply, Setup};
use super::watch::{Seen, Watched};
use super::{Confined, Confinement, SELF, Watch, hand, shim};
use crate::file::{At, PathError};
use crate::process::{Exit, Invocation, StartError, Streams, Waited, Waker, ends_within, signal, wait};

/// How long a launcher may take to end everything once it was told to.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to try a level out.
const TRIAL: Duration = Duration::from_secs(20);
/// How many launchers a worker keeps. One is enough unless its stages are of several kinds.
const MOST: usize = 4;

/// The launchers of one worker, started when they are needed and ended when this is dropped. All its stages print
/// to the same file.
#[derive(Debug, Default)]
pub struct Launchers {
    idle: Vec<Launcher>,
    /// What stages touched that were watched, until somebody asks.
    seen: Vec<Seen>,
}

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
    let mut order = order(&confined, Some(program), invocation.argv.to_vec(), env, invocation.folder);
    order.leads =
        hermetic && matches!(invocation.streams, Streams::Own { shell: true, .. }) && std::io::stdin().is_terminal();
    let deadline = Instant::now() + invocation.timeout;
    let mut setup = Setup::of(&confined, invocation.folder);
    if let Streams::Own { shown, .. } = &invocation.streams {
        setup.handed = true;
        setup.shown = shown.to_vec();
    }
    let launcher = confined.launchers.take(setup, &invocation.streams)?;
    launcher.say(&Message::Start(order));
    let reason = match wait(&launcher.connection, waker, deadline).at("wait for", program)? {
        Waited::Ended => return confined.launchers.answer(launcher),
        Waited::Timeout => Exit::Timeout,
        Waited::Woken => Exit::Cancelled,
    };
    launcher.say(&Message::Signal(u8::try_from(signal(invocation.ending.signal).as_raw()).unwrap_or(9)));
    if matches!(ends_within(&launcher.connection, invocation.ending.grace), Ok(true)) {
        let _ = confined.launchers.answer(launcher); // why it is ended is known
    }
    Ok(reason)
}

/// Has a launcher set a level up, and start nothing.
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
        watch: None,
    };
    let launchers = &mut Launchers::default();
    let confined = Confined { confinement: &confinement, temporary: &temporary, mount_point: &mount_point, launchers };
    let log = tempfile::tempfile_in(folders.path()).map_err(|e| e.to_string())?;
    let streams = Streams::Files { input: &log, log: &log };
    let told = |e: StartError| e.to_string();
    let launcher = confined.launchers.take(Setup::of(&confined, &work), &streams).map_err(told)?;
    launcher.say(&Message::Start(order(&confined, None, Vec::new(), Vec::new(), &work)));
    let waker = Waker::new().map_err(|e| e.to_string())?;
    match wait(&launcher.connection, &waker, Instant::now() + TRIAL).map_err(|e| e.to_string())? {
        Waited::Ended => confined.launchers.answer(launcher).map(|_| ()).map_err(told),
        Waited::Timeout | Waited::Woken => Err("setting it up took too long".to_owned()),
    }
}

fn order(
    confined: &Confined<'_>,
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
        programs: confinement.programs.clone(),
        memory_bytes: confinement.memory_bytes,
        leads: false,
    }
}

impl Setup {
    fn of(confined: &Confined<'_>, folder: &Path) -> Self {
        let confinement = confined.confinement;
        let hermetic = confinement.level == Isolation::Hermetic;
        Self {
            hermetic,
            network: confinement.network == Network::Host,
            hidden: confinement.hidden.clone(),
            folder: folder.to_owned(),
            temporary: confined.temporary.to_owned(),
            mount_point: confined.mount_point.to_owned(),
            // At `confined` they are in the rules of each stage, at `hermetic` in the root of all.
            programs: if hermetic { confinement.programs.clone() } else { Vec::new() },
            handed: false,
            shown: Vec::new(),
            watched: confinement
                .watch
                .map(|watch| Watched { project: confinement.hidden.clone(), is_open: watch == Watch::Everything }),
        }
    }

    /// The folders that are in the root, as the file system tells them apart. Those in a root stay where they are, and
    /// their numbers theirs, as long as the root is there; a folder that took the place of one has another number.
    fn folders(&self) -> Result<[(u64, u64); 2], PathError> {
        let identity = |path: &Path| {
            let status = std::fs::metadata(path).at("read the status of", path)?;
            Ok::<_, PathError>((status.dev(), status.ino()))
        };
        if self.hermetic { Ok([identity(&self.folder)?, identity(&self.temporary)?]) } else { Ok([(0, 0); 2]) }
    }
}

impl Launchers {
    /// A launcher for that setup, which is not in the list as long as a stage runs: if that ends in any other way than by
    /// an answer, the launcher ends too.
    fn take(&mut self, setup: Setup, streams: &Streams<'_>) -> Result<Launcher, StartError> {
        let folders = setup.folders()?;
        // One that is gone had nothing to do: another one takes its place.
        self.idle.retain(|launcher| !matches!(ends_within(&launcher.ended, Duration::ZERO), Ok(true)));
        if let Some(at) = self.idle.iter().position(|l| l.setup == setup && l.folders == folders) {
            return Ok(self.idle.remove(at));
        }
        self.idle.truncate(MOST - 1);
        Launcher::start(setup, folders, streams)
    }

    /// What was touched since somebody last asked.
    pub(crate) fn seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// What a launcher says about its stage; it is kept for others if it can be.
    fn answer(&mut self, mut launcher: Launcher) -> Result<Exit, StartError> {
        let Ok(Reply { end, spent, seen }) = launcher.connection.receive() else {
            return Err(StartError::Isolation(launcher.last_words()));
        };
        self.seen.extend(seen);
        if !spent {
            self.idle.insert(0, launcher);
        }
        match end {
            End::Code(code) => Ok(Exit::Code(code)),
            End::Signal(signal) => Ok(Exit::Signal(signal)),
            End::Unavailable(missing) => Err(StartError::Isolation(missing)),
            End::NotStarted(why) => Err(StartError::Program(why)),
        }
    }
}

/// A launcher that runs.
#[derive(Debug)]
struct Launcher {
    setup: Setup,
    folders: [(u64, u64); 2],
    child: Child,
    ended: OwnedFd,
    connection: Connection,
}

impl Launcher {
    fn start(setup: Setup, folders: [(u64, u64); 2], streams: &Streams<'_>) -> Result<Self, StartError> {
        let own = Path::new(SELF);
        let (socket, theirs) = UnixStream::pair().at("make a socket for", own)?;
        let mut command = Command::new(own);
        command
            .arg0("orgo")
            .args([shim::ARGUMENT, shim::word(setup.hermetic, setup.network)])
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs));
        match streams {
            Streams::Files { log, .. } => {
                let share = || log.try_clone().at("share a file with", own);
                command.stdout(share()?).stderr(share()?).process_group(0);
            }
            // It stays in the group of this process, so that keys at the terminal reach what runs in it.
            Streams::Own { .. } => {
                let (ours, theirs) = UnixStream::pair().at("make a socket for", own)?;
                let (input, output, errors) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
                hand::give(&ours, &[input.as_fd(), output.as_fd(), errors.as_fd()]).at("share files with", own)?;
                command.arg(shim::AT_TERMINAL).stdout(OwnedFd::from(theirs));
            }
        }
        let child = command.spawn().at("start", own)?;
        drop(command); // with the descriptors that only the launcher needs
        let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).at("watch", own)?;
        let launcher = Self { setup, folders, child, ended, connection: Connection::new(socket) };
        launcher.send(&launcher.setup);
        Ok(launcher)
    }

    fn say(&self, message: &Message) {
        self.send(message);
    }

    /// One that is gone before it has read all of this has answered why, or is found to be gone.
    fn send(&self, message: &impl serde::Serialize) {
        let _ = order::send(self.connection.socket(), message);
    }

    /// Why there is no answer.
    fn last_words(&mut self) -> String {
        self.close();
        match self.child.wait() {
            Ok(status) => format!("the process that starts stages ended without a word ({status})"),
            Err(e) => format!("the process that starts stages is lost ({e})"),
        }
    }

    /// Has everything ended; a process 1 whose parent was killed ends by that too.
    fn close(&self) {
        let _ = self.connection.socket().shutdown(Shutdown::Both);
    }
}

impl Drop for Launcher {
    /// Leaves nothing behind, whatever the launcher did. One that was waited for is not asked for again by its number.
    fn drop(&mut self) {
        self.close();
        if !matches!(ends_within(&self.ended, PATIENCE), Ok(true)) {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
