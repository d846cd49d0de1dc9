//! The process beside the stage: starts it within its limits, and ends everything when it is over.

use std::fs;
use std::io::{Error, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, kill_process_group, pidfd_open, set_child_subreaper,
    wait,
};

use super::order::{Order, Reply};
use super::{limits, restrict};

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
    let reply = attend(child, runner);
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
fn attend(mut child: Child, runner: &UnixStream) -> Reply {
    let told = |status: std::io::Result<ExitStatus>| match status {
        Ok(status) => status.code().map_or_else(|| Reply::Signal(status.signal().unwrap_or(0)), Reply::Code),
        Err(e) => Reply::NotStarted(e.to_string()),
    };
    let group = Pid::from_child(&child);
    let reply = match pidfd_open(group, PidfdFlags::empty()) {
        Err(e) => Reply::Unavailable(format!("a process cannot be watched ({e})")),
        Ok(ended) => loop {
            let mut fds = [PollFd::new(&ended, PollFlags::IN), PollFd::from_borrowed_fd(runner.as_fd(), PollFlags::IN)];
            match poll(&mut fds, None) {
                Err(Errno::INTR) => {}
                Err(e) => break Reply::Unavailable(format!("a process cannot be watched ({e})")),
                Ok(_) if fds[0].revents().contains(PollFlags::IN) => break told(child.wait()),
                Ok(_) => match signal(runner) {
                    Some(signal) => drop(kill_process_group(group, signal)), // gone already is what we want
                    None => break Reply::Ended,
                },
            }
        },
    };
    let _ = kill_process_group(group, Signal::KILL); // whatever it left behind
    let _ = child.wait();
    reply
}

/// The signal that the runner wants sent; `None` if it wants an end, or is gone.
fn signal(mut runner: &UnixStream) -> Option<Signal> {
    let mut number = [0];
    let read = runner.read(&mut number).or_else(|e: Error| match e.kind() {
        std::io::ErrorKind::Interrupted => runner.read(&mut number),
        _ => Err(e),
    });
    (read.ok()? == 1).then(|| Signal::from_named_raw(i32::from(number[0]))).flatten()
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
