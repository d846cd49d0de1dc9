//! How a child of a launcher becomes a stage: it takes its own namespaces, its limits and restrictions, and then the
//! program.
//!
//! The launcher stays as it is: what the child changes (descriptors, folder, limits, namespaces, capabilities) is
//! the child's own, and gone with it.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, chdir, getpid, getppid, set_parent_process_death_signal, setpgid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::termios::tcsetpgrp;
use rustix::thread::{CapabilitySet, UnshareFlags};

use super::order::{self, End, Order};
use super::supervise::Launcher;
use super::{hand, kernel, limits, restrict, watch};

/// The exit code of a child that did not become a stage, and has said why.
pub(super) const NOT_A_STAGE: i32 = 125;

/// The program of a stage, as the kernel wants to be told.
struct Program {
    path: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
}

/// Starts a stage.
///
/// # Errors
/// How that ended, if it did before there was a child.
pub(super) fn start(order: &Order, launcher: &Launcher) -> Result<Pid, End> {
    let folder = launcher.folder(order);
    let program = order.program.as_deref().map(|path| program(order, &folder.join(path))).transpose()?;
    let work = || match become_stage(order, launcher, &folder, program.as_ref()) {
        Ok(()) => 0,
        Err(end) => {
            let file = launcher.to_tell.try_clone().map(std::fs::File::from);
            let _ = file.and_then(|file| order::send(file, &end)); // without a word it is the end of a stage
            NOT_A_STAGE
        }
    };
    let stage = kernel::fork(work).map_err(|e| End::Unavailable(format!("a process cannot be made ({e})")))?;
    if !launcher.handed {
        let _ = setpgid(Some(stage), Some(stage)); // as it does itself: whoever is first
    }
    Ok(stage)
}

fn program(order: &Order, path: &Path) -> Result<Program, End> {
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|e| End::NotStarted(e.to_string()));
    let variables: BTreeMap<&str, &str> = order.env.iter().map(|(name, value)| (&**name, &**value)).collect();
    Ok(Program {
        path: text(path.as_os_str().as_bytes())?,
        argv: order.argv.iter().map(|word| text(word.as_bytes())).collect::<Result<_, End>>()?,
        env: variables.iter().map(|(n, v)| text(format!("{n}={v}").as_bytes())).collect::<Result<_, End>>()?,
    })
}

/// What the child does. Comes back without an error only if there is no program.
fn become_stage(order: &Order, launcher: &Launcher, folder: &Path, program: Option<&Program>) -> Result<(), End> {
    let at = |what: &'static str| move |e: rustix::io::Errno| End::Unavailable(format!("{what} ({e})"));
    if launcher.handed {
        handed().map_err(at("what it is to read and to print to was not handed over"))?;
        kernel::mind_keys();
    } else {
        descriptors().map_err(at("its descriptors cannot be opened"))?;
    }
    if launcher.hermetic {
        kernel::unshare(UnshareFlags::NEWIPC).map_err(at("messages of its own"))?;
    }
    if order.leads {
        lead().map_err(at("a process group that the terminal belongs to"))?;
    } else if !launcher.handed {
        setpgid(None, None).map_err(at("a process group of its own"))?;
    }
    chdir(folder).map_err(at("its working folder cannot be entered"))?;
    if launcher.hermetic {
        restrict::drop_capabilities(CapabilitySet::empty()).map_err(at("privileges could not be given up"))?;
    }
    if !launcher.is_open {
        restrict::files(order, launcher).map_err(End::Unavailable)?;
    }
    limits::limit(order.memory_bytes).map_err(at("limits cannot be set"))?;
    // A stage does not outlive the launcher, whoever ends that.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(at("its end cannot be bound to that of others"))?;
    if getppid() != Some(launcher.own) {
        return Err(End::Unavailable("who started it is gone".to_owned()));
    }
    let Some(Program { path, argv, env }) = program else { return Ok(()) };
    if let Some(watcher) = &launcher.watcher {
        watch::begin(watcher.to_tell()).map_err(End::Unavailable)?; // with the call that follows
    }
    Err(End::NotStarted(kernel::exec(path, argv, env).to_string()))
}

/// Opens what the stage reads (nothing) and where it prints. Each stage opens it anew: flags and locks of an open file
/// are shared by all who have it.
fn descriptors() -> rustix::io::Result<()> {
    let input = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let log = open("/proc/self/fd/1", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    dup2_stdin(input)?;
    dup2_stdout(&log)?;
    dup2_stderr(&log)
}

/// Takes what the runner hands over.
fn handed() -> rustix::io::Result<()> {
    let files = hand::take(std::io::stdout())?;
    let [input, output, errors] = files.as_slice() else { return Err(rustix::io::Errno::BADF) };
    dup2_stdin(input)?;
    dup2_stdout(output)?;
    dup2_stderr(errors)
}

/// Makes a group and gives the terminal to it, as a shell does: one that finds itself in a group that has no number here
/// cannot give the terminal back to it at its end.
fn lead() -> rustix::io::Result<()> {
    setpgid(None, None)?;
    let mut given = Ok(());
    kernel::with_output_of_groups_ignored(|| given = tcsetpgrp(std::io::stdin(), getpid()));
    given
}
