//! The launcher's side: what `orgo __stage LEVEL` does.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::io::Errno;
use rustix::process::{WaitOptions, waitpid};
use rustix::thread::CapabilitySet;

use super::network::Untouched;
use super::order::{self, Connection, End, Reply, Setup};
use super::processes::Processes;
use super::supervise::{self, Launcher};
use super::{kernel, namespaces, place, restrict, root, syscalls};

/// The argument that makes this binary a launcher.
pub const ARGUMENT: &str = "__stage";

/// What a launcher is for.
const CONFINED: &str = "confined";
const HERMETIC: &str = "hermetic";
const HERMETIC_NETWORK: &str = "hermetic-network";
const INIT: &str = "init";
/// What is no launcher: a program that somebody's folders are shown to.
pub(super) const PLACE: &str = "place";
/// The word behind it, if the launcher is in the group that a terminal belongs to.
pub(super) const AT_TERMINAL: &str = "terminal";

/// What the launcher keeps at `hermetic`: the right to make what belongs to one stage. No stage has it.
const INIT_KEPT: CapabilitySet = CapabilitySet::SYS_ADMIN.union(CapabilitySet::NET_ADMIN);

/// Which word starts the launcher of a level.
pub(super) const fn word(hermetic: bool, network: bool) -> &'static str {
    match (hermetic, network) {
        (false, _) => CONFINED,
        (true, false) => HERMETIC,
        (true, true) => HERMETIC_NETWORK,
    }
}

/// Does the work of a launcher, if that is what these arguments ask for. To be called before anything else is done:
/// while the process has one thread.
#[must_use]
pub fn shim(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != ARGUMENT {
        return None;
    }
    let word = arguments.next().unwrap_or_default();
    if word == PLACE {
        return Some(place::become_program(arguments));
    }
    if arguments.next().is_some_and(|word| word == AT_TERMINAL) {
        kernel::leave_keys_to_others();
    }
    let Ok(runner) = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else {
        return Some(ExitCode::FAILURE);
    };
    let mut runner = Connection::new(runner);
    let kept_back = kernel::keep_open_files().map_err(|e| format!("open files cannot be kept back ({e})"));
    let ended = kept_back.and_then(|()| match word.to_str() {
        Some(CONFINED) => guard(&mut runner),
        Some(HERMETIC) => enclose(false),
        Some(HERMETIC_NETWORK) => enclose(true),
        Some(INIT) => begin(&mut runner, init),
        Some(_) | None => Err("nobody asks for that".to_owned()),
    });
    Some(ended.unwrap_or_else(|missing| {
        say(&runner, missing);
        ExitCode::SUCCESS
    }))
}

/// Tells the runner what is missing.
fn say(runner: &Connection, missing: String) {
    let reply = Reply { end: End::Unavailable(missing), spent: true, seen: Vec::new() };
    let _ = order::send(runner.socket(), &reply); // if nobody listens any more, everything has ended anyway
}

/// Has a child do the work. If that is killed, what its stage started is given to this process, which ends it: there is
/// no namespace that would. If this process is killed, nothing changes: the child ends everything as ever.
fn guard(runner: &mut Connection) -> Result<ExitCode, String> {
    let left = Processes::of_host().map_err(|e| unlisted(&e))?;
    let work = || {
        if let Err(missing) = begin(runner, confined) {
            say(runner, missing);
        }
        0
    };
    let launcher = kernel::fork(work).map_err(|e| format!("a process cannot be made ({e})"))?;
    let ended = loop {
        match waitpid(Some(launcher), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            Ok(ended) => break ended,
            Err(e) => return Err(format!("the process that starts stages is lost ({e})")),
        }
    };
    left.end_all();
    // The runner hears of it by the end of the socket: half of an answer may be on its way.
    let is_well = ended.is_some_and(|(_, status)| status.exit_status() == Some(0));
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn unlisted(error: &Errno) -> String {
    format!("processes cannot be listed ({error})")
}

/// Reads the setup, prepares, and starts stages until the runner wants no more.
fn begin(runner: &mut Connection, prepare: fn(&Setup) -> Result<Launcher, String>) -> Result<ExitCode, String> {
    kernel::mind_closed_pipes();
    let Ok(setup) = runner.receive() else { return Ok(ExitCode::SUCCESS) };
    let launcher = prepare(&setup)?;
    syscalls::refuse(&setup)?;
    supervise::serve(launcher, runner);
    Ok(ExitCode::SUCCESS)
}

fn confined(setup: &Setup) -> Result<Launcher, String> {
    place::show(&setup.shown)?;
    if setup.is_open() {
        restrict::bring_no_new_ones()?;
    } else {
        restrict::give_up(restrict::KEPT)?;
    }
    let processes = Processes::of_host().map_err(|e| unlisted(&e))?;
    Launcher::new(setup, processes, None)
}

fn init(setup: &Setup) -> Result<Launcher, String> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let processes = Processes::of_namespace(root::enter(setup)?);
    restrict::give_up(INIT_KEPT)?;
    let network = if setup.network { Ok(None) } else { Untouched::now().map(Some) };
    let network = network.map_err(|e| format!("what a network namespace counts cannot be read ({e})"))?;
    Launcher::new(setup, processes, network)
}

/// Makes the namespaces and starts process 1 in them, which does the work.
fn enclose(network: bool) -> Result<ExitCode, String> {
    namespaces::enter(network)?;
    let ended = Command::new("/proc/self/exe").arg0("orgo").args([ARGUMENT, INIT]).status();
    match ended {
        Ok(status) if status.success() => Ok(ExitCode::SUCCESS),
        Ok(status) => Err(format!("process 1 of a namespace ended without a word ({status})")),
        Err(e) => Err(format!("process 1 of a namespace cannot be started ({e})")),
    }
}
