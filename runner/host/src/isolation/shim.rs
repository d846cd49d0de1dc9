//! The shim's side: what `orgo __stage LEVEL` does.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use super::order::{self, Order, Reply};
use super::{FOLDER, kernel, namespaces, restrict, root, supervise};

/// The argument that makes this binary a shim.
pub const ARGUMENT: &str = "__stage";

/// What a shim is for.
const CONFINED: &str = "confined";
const HERMETIC: &str = "hermetic";
const HERMETIC_NETWORK: &str = "hermetic-network";
const INIT: &str = "init";

/// Which word starts the shim of an order.
pub(super) const fn word(hermetic: bool, network: bool) -> &'static str {
    match (hermetic, network) {
        (false, _) => CONFINED,
        (true, false) => HERMETIC,
        (true, true) => HERMETIC_NETWORK,
    }
}

/// Does the work of a shim, if that is what these arguments ask for. To be called before anything else is done: while
/// the process has one thread.
#[must_use]
pub fn shim(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != ARGUMENT {
        return None;
    }
    let word = arguments.next().unwrap_or_default();
    let Ok(runner) = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else {
        return Some(ExitCode::FAILURE);
    };
    if let Err(e) = kernel::keep_open_files() {
        let _ = order::send(&runner, &Reply::Unavailable(format!("open files cannot be kept back ({e})")));
        return Some(ExitCode::FAILURE);
    }
    let reply = match word.to_str() {
        Some(CONFINED) => begin(&runner, |_| Ok(None)),
        Some(HERMETIC) => enclose(false),
        Some(HERMETIC_NETWORK) => enclose(true),
        Some(INIT) => begin(&runner, |order| {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
            root::enter(order)?;
            restrict::drop_capabilities(rustix::thread::CapabilitySet::empty()).map_err(|e| e.to_string())?;
            Ok(Some(Path::new(FOLDER)))
        }),
        Some(_) | None => return Some(ExitCode::FAILURE),
    };
    // If nobody listens any more, everything has ended anyway.
    let _ = reply.map(|reply| order::send(&runner, &reply));
    Some(ExitCode::SUCCESS)
}

/// Reads the order, prepares, and attends to the stage until its end.
fn begin(runner: &UnixStream, prepare: impl Fn(&Order) -> Result<Option<&'static Path>, String>) -> Option<Reply> {
    let order: Order = order::receive(runner).ok()?;
    Some(match prepare(&order) {
        Ok(folder) => supervise::supervise(&order, folder.unwrap_or(&order.folder), runner),
        Err(missing) => Reply::Unavailable(missing),
    })
}

/// Makes the namespaces and starts process 1 in them, which reads the order and answers it.
fn enclose(network: bool) -> Option<Reply> {
    if let Err(missing) = namespaces::enter(network) {
        return Some(Reply::Unavailable(missing));
    }
    let started = Command::new("/proc/self/exe").arg0("orgo").args([ARGUMENT, INIT]).status();
    started.err().map(|e| Reply::Unavailable(format!("process 1 of a namespace cannot be started ({e})")))
}
