//! What a launcher does: starts one stage after the other, waits for its end, and ends everything that it left behind.

use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process_group, pidfd_open, wait};

use super::memory::Unused;
use super::network::Untouched;
use super::order::{self, Connection, End, Message, Order, Reply, Setup};
use super::processes::Processes;
use super::restrict::Readable;
use super::watch::Watcher;
use super::{FOLDER, enter};

/// How often orphans of a stage that runs are taken leave of, at least.
const ORPHANS: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// What a launcher has ready for its stages.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) own: Pid,
    pub(super) hermetic: bool,
    /// Whether its stage is given open files by the runner.
    pub(super) handed: bool,
    /// Whether it takes no second order.
    is_for_one: bool,
    pub(super) readable: Readable,
    /// What a child says that did not become a stage. Stages do not have it.
    pub(super) to_tell: OwnedFd,
    told: Connection<std::fs::File>,
    processes: Processes,
    network: Option<Untouched>,
    memory: Option<Unused>,
    /// Whether nothing is kept away from its stages.
    pub(super) is_open: bool,
    pub(super) watcher: Option<Watcher>,
}

impl Launcher {
    /// Makes it.
    ///
    /// # Errors
    /// What this machine refuses.
    pub(super) fn new(setup: &Setup, processes: Processes, network: Option<Untouched>) -> Result<Self, String> {
        let pipe = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK);
        let (told, to_tell) = pipe.map_err(|e| format!("a pipe cannot be made ({e})"))?;
        let told = Connection::new(told.into());
        let readable = Readable::new(setup);
        let of_many = setup.hermetic && !setup.is_for_one();
        let watcher = setup.watched.as_ref().map(Watcher::new);
        let memory = if of_many { Unused::new().map(Some) } else { Ok(None) };
        let memory = memory.map_err(|e| format!("memory that processes share cannot be had ({e})"))?;
        Ok(Self {
            own: getpid(),
            hermetic: setup.hermetic,
            handed: setup.handed,
            is_for_one: setup.is_for_one(),
            readable,
            to_tell,
            told,
            processes,
            network,
            memory,
            is_open: setup.is_open(),
            watcher: watcher.transpose().map_err(|e| format!("a socket cannot be made ({e})"))?,
        })
    }

    /// Where a stage stands.
    pub(super) fn folder(&self, order: &Order) -> PathBuf {
        if self.hermetic { FOLDER.into() } else { order.folder.clone() }
    }
}

/// Starts stages until the runner wants no more, or is gone.
pub(super) fn serve(mut launcher: Launcher, runner: &mut Connection) {
    loop {
        let order = match runner.receive() {
            Ok(Message::Start(order)) => order,
            Ok(Message::Signal(_)) => continue, // its stage has ended
            Err(_) => return,
        };
        launcher.memory.iter_mut().for_each(Unused::begin);
        let folder = launcher.folder(&order);
        launcher.watcher.iter_mut().for_each(|watcher| watcher.start(&folder));
        let end = match enter::start(&order, &launcher) {
            Ok(stage) => attend(stage, runner, launcher.watcher.as_mut()),
            Err(end) => Some(end),
        };
        launcher.processes.end_all();
        let Some(end) = end else { return };
        let end = match end {
            // A stage may end with that code too, and says nothing then.
            End::Code(enter::NOT_A_STAGE) => launcher.told.receive().unwrap_or(End::Code(enter::NOT_A_STAGE)),
            End::Code(_) | End::Signal(_) | End::Unavailable(_) | End::NotStarted(_) => end,
        };
        let as_new = !launcher.is_for_one
            && launcher.processes.count_anew()
            && launcher.network.as_mut().is_none_or(Untouched::renew)
            && launcher.memory.as_mut().is_none_or(Unused::renew);
        let seen = launcher.watcher.as_mut().map_or_else(Vec::new, Watcher::end);
        if order::send(runner.socket(), &Reply { end, spent: !as_new, seen }).is_err() || !as_new {
            return;
        }
    }
}

/// Waits for the stage, and hands on the signals that the runner sends for it; `None` if the runner wants an end, or
/// is gone.
fn attend(stage: Pid, runner: &mut Connection, mut watcher: Option<&mut Watcher>) -> Option<End> {
    let watched = |e: Errno| Some(End::Unavailable(format!("a process cannot be watched ({e})")));
    let end = match pidfd_open(stage, PidfdFlags::empty()) {
        Err(e) => watched(e),
        Ok(ended) => loop {
            if runner.is_ready() {
                match runner.receive() {
                    Ok(Message::Signal(number)) => signal(stage, number),
                    Ok(Message::Start(_)) | Err(_) => break None,
                }
                continue;
            }
            let mut fds =
                vec![PollFd::new(&ended, PollFlags::IN), PollFd::from_borrowed_fd(runner.as_fd(), PollFlags::IN)];
            fds.extend(watcher.as_ref().map(|watcher| PollFd::from_borrowed_fd(watcher.told(), PollFlags::IN)));
            let polled = poll(&mut fds, Some(&ORPHANS));
            let told = fds.get(2).map_or(PollFlags::empty(), PollFd::revents);
            let [has_ended, is_told, ..] = [fds[0].revents(), fds[1].revents(), told].map(|f| !f.is_empty());
            drop(fds);
            if let Some(watcher) = watcher.as_mut().filter(|_| !told.is_empty()) {
                watcher.hear(!told.contains(PollFlags::IN));
                if !has_ended && !is_told {
                    continue;
                }
            }
            match polled {
                Err(Errno::INTR) => {}
                Err(e) => break watched(e),
                Ok(_) if !is_told => {
                    if let Some(end) = reap(stage) {
                        break Some(end);
                    }
                }
                Ok(_) => match runner.receive() {
                    Ok(Message::Signal(number)) => signal(stage, number),
                    Ok(Message::Start(_)) | Err(_) => break None,
                },
            }
        },
    };
    let _ = kill_process_group(stage, Signal::KILL); // whatever it left behind
    end
}

/// Sends the group of the stage a signal.
fn signal(stage: Pid, number: u8) {
    let Some(signal) = Signal::from_named_raw(i32::from(number)) else { return };
    let _ = kill_process_group(stage, signal); // gone already is what we want
}

/// Takes leave of processes that ended, orphans of the stage among them; how the stage ended, if it did.
fn reap(stage: Pid) -> Option<End> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == stage => {
                let signal = || status.terminating_signal().unwrap_or(0);
                return Some(status.exit_status().map_or_else(|| End::Signal(signal()), End::Code));
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return None,
            Err(e) => return Some(End::Unavailable(format!("the stage cannot be waited for ({e})"))),
        }
    }
}
