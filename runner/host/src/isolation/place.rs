//! Folders that were moved, shown where they lay: to one process and what it starts, by mounts that nobody else sees.
//!
//! What a failed stage left was moved out of its worker's folder, and may hold absolute paths to where it was. Whoever enters it
//! gets a namespace of mounts of his own, in which the folder of the workers is an empty one with what he enters in it. That
//! needs no privilege where users may make namespaces; elsewhere he enters what was kept where it lies now.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change, mount_remount};
use serde::{Deserialize, Serialize};

use super::shim::{ARGUMENT, PLACE};
use super::{SELF, kernel, namespaces};

/// The exit code if a program cannot be started, as shells have it.
const NOT_STARTED: u8 = 127;

/// A folder, and where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Where it lies.
    pub from: PathBuf,
    /// Where it is shown. All that are shown together lie in one folder.
    pub at: PathBuf,
}

/// Whether this machine can show that, by trying it.
#[must_use]
pub fn can_show(shown: &[Shown]) -> bool {
    let mut trial = Command::new(SELF);
    trial.arg0("orgo").args(words(shown)).env_clear().current_dir("/");
    trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    trial.status().is_ok_and(|status| status.success())
}

/// A command that starts a program to which that is shown, in the first of the folders; arguments of the program follow,
/// beginning with what it is called.
pub(crate) fn command(shown: &[Shown], program: &Path) -> Command {
    let mut command = Command::new(SELF);
    command.arg0("orgo").args(words(shown)).arg(program);
    command
}

fn words(shown: &[Shown]) -> Vec<OsString> {
    let mut words = vec![OsString::from(ARGUMENT), PLACE.into(), shown.len().to_string().into()];
    words.extend(shown.iter().flat_map(|shown| [shown.from.clone().into(), shown.at.clone().into()]));
    words
}

/// Does what [`words`] ask for: shows folders, and becomes the program, if one is named.
pub(super) fn become_program(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let mut pairs = || {
        let count: usize = words.next()?.to_str()?.parse().ok()?;
        let mut pair = |_| Some(Shown { from: words.next()?.into(), at: words.next()?.into() });
        (0..count).map(&mut pair).collect::<Option<Vec<Shown>>>()
    };
    let shown = pairs().unwrap_or_default();
    if let Err(error) = show(&shown) {
        return refused(&error);
    }
    let (Some(program), Some(called), Some(first)) = (words.next(), words.next(), shown.first()) else {
        return ExitCode::SUCCESS;
    };
    kernel::mind_closed_pipes();
    let error = Command::new(&program).arg0(called).args(words).current_dir(&first.at).exec();
    refused(&format!("cannot start `{}` ({error})", program.display()))
}

fn refused(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "orgo: {why}"); // the exit code says it too
    ExitCode::from(NOT_STARTED)
}

/// Shows folders to this process; to be called while it has one thread.
///
/// # Errors
/// What this machine refuses.
pub(super) fn show(shown: &[Shown]) -> Result<(), String> {
    let Some(parent) = shown.first().and_then(|shown| shown.at.parent()) else { return Ok(()) };
    namespaces::own_mounts()?;
    mounts(shown, parent).map_err(|e| format!("what was kept cannot be shown where it lay ({e})"))
}

fn mounts(shown: &[Shown], parent: &Path) -> io::Result<()> {
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", parent, "tmpfs", flags, c"mode=0755,size=64k")?;
    for Shown { from, at } in shown.iter().filter(|shown| shown.at.parent() == Some(parent)) {
        fs::create_dir(at)?;
        mount_bind(from, at)?;
    }
    Ok(mount_remount(parent, flags | MountFlags::BIND | MountFlags::RDONLY, c"")?)
}
