//! The process beside the stage: starts it within its limits, and ends everything when it is over.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, kill_process_group, pidfd_open, set_child_subreaper,
    wait,
};

use super::order::{Order, Reply};
use super::{limits, restrict};

/// How often orphans of the stage that ended are taken leave of, at least.
const ORPHANS: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Starts the stage, waits for its end, and ends what it left behind.
pub(super) fn supervise(order: &Order, folder: &Path, runner: &UnixStream) -> Reply {
    if let Err(e) = set_child_subreaper(Some(getpid())).and_then(|()| limits::limit(order.memory_bytes)) {
        return Reply::Unavailable(format!("limits cannot be set ({e})"));
    }
    let child = match start(order, folder) {
        Ok(Some(child)) => child,
        Ok(None) => return Reply::Code(0),
        Err(reply) => return reply,
    };
    let reply = attend(&child, runner);
    end_everything();
    reply
}

/// Starts the stage from a thread that restricts itself first: this process stays as it is, and out of its reach.
fn start(order: &Order, folder: &Path) -> Result<Option<Child>, Reply> {
    let restricted = || {
        restrict::restrict(order).map_err(Reply::Unavailable)?;
        let Some(program) = &order.program else { return Ok(None) };
        let mut command = Command::new(folder.join(program));
        command
            .arg0(order.argv.first().map_or("", String::as_str))
            .args(order.argv.iter().skip(1))
            .env_clear()
            .envs(order.env.iter().map(|(n, v)| (n, v)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .process_group(0);
        command.spawn().map(Some).map_err(|e| Reply::NotStarted(e.to_string()))
    };
    let panicked = |_| Err(Reply::Unavailable("the thread that starts the stage ended".to_owned()));
    std::thread::scope(|scope| scope.spawn(restricted).join().unwrap_or_else(panicked))
}

/// Waits for the stage, and hands on the signals that the runner sends for it.
fn attend(child: &Child, runner: &UnixStream) -> Reply {
    let stage = Pid::from_child(child);
    let watched = |e: Errno| Reply::Unavailable(format!("a process cannot be watched ({e})"));
    let reply = match pidfd_open(stage, PidfdFlags::empty()) {
        Err(e) => watched(e),
        Ok(ended) => loop {
            let mut fds = [PollFd::new(&ended, PollFlags::IN), PollFd::from_borrowed_fd(runner.as_fd(), PollFlags::IN)];
            match poll(&mut fds, Some(&ORPHANS)) {
                Err(Errno::INTR) => {}
                Err(e) => break watched(e),
                Ok(_) if fds[1].revents().is_empty() => {
                    if let Some(reply) = reap(stage) {
                        break reply;
                    }
                }
                Ok(_) => match signal(runner) {
                    Some(signal) => drop(kill_process_group(stage, signal)), // gone already is what we want
                    None => break Reply::Ended,
                },
            }
        },
    };
    let _ = kill_process_group(stage, Signal::KILL); // whatever it left behind
    reply
}

/// Takes leave of processes that ended, orphans of the stage among them; how the stage ended, if it did.
fn reap(stage: Pid) -> Option<Reply> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == stage => {
                let signal = || status.terminating_signal().unwrap_or(0);
                return Some(status.exit_status().map_or_else(|| Reply::Signal(signal()), Reply::Code));
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return None,
            Err(e) => return Some(Reply::Unavailable(format!("the stage cannot be waited for ({e})"))),
        }
    }
}

/// The signal that the runner wants sent; `None` if it wants an end, or is gone.
fn signal(mut runner: &UnixStream) -> Option<Signal> {
    let mut number = [0];
    runner.read_exact(&mut number).ok()?;
    Signal::from_named_raw(i32::from(number[0]))
}

/// Kills processes that lost their parents and were given to this one, until there are none.
fn end_everything() {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => continue,
            Ok(None) => {}
            Err(_) => return, // there are none
        }
        for child in children() {
            let _ = kill_process(child, Signal::KILL);
        }
        let _ = wait(WaitOptions::empty());
    }
}

/// Processes whose parent is this one.
fn children() -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let own = getpid().as_raw_nonzero().to_string();
    let is_child = |entry: fs::DirEntry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        (parent == own && state != "Z").then(|| Pid::from_raw(pid)).flatten()
    };
    processes.flatten().filter_map(is_child).collect()
}
