//! How a process begins to be watched, and what may stand in the way.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::io::Errno;

use super::{BY_NAME, IN_FOLDER};
use crate::isolation::{hand, kernel, restrict};

/// Why system calls cannot be watched here.
#[derive(Debug, thiserror::Error)]
pub enum Unwatchable {
    /// The kernel has one listener for a process and all that it starts, and somebody above this process is that
    /// (`EBUSY`): a container's runtime, another sandbox, or a traced run that this one is a stage of.
    #[error("whoever started `orgo` listens to its system calls already, and the kernel lets only one do that (EBUSY)")]
    Taken,
    /// This kernel has no such listeners, or they were left out of it.
    #[error("the kernel cannot hold calls until somebody has seen them, which Linux can from 5.5 on ({0})")]
    Unknown(io::Error),
    /// Something else, such as the filter of a container that forbids new ones.
    #[error("the kernel refuses a listener for system calls ({0})")]
    Refused(String),
}

impl Unwatchable {
    fn of(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::BUSY) => Self::Taken,
            Some(Errno::NOSYS | Errno::INVAL) => Self::Unknown(error),
            Some(_) | None => Self::Refused(error.to_string()),
        }
    }

    /// What may be done about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Taken => {
                "trace outside of that container or sandbox, or start it without a listener: LXD and Incus with `security.syscalls.intercept.*` off, others with a seccomp profile that has no `SCMP_ACT_NOTIFY`"
            }
            Self::Unknown(_) => "trace on a machine with such a kernel; nothing else needs it",
            Self::Refused(_) => "trace where seccomp filters may be installed, such as outside of this container",
        }
    }
}

/// Begins to watch this process, and what it starts: the end that is listened at goes over a socket.
///
/// # Errors
/// What this kernel refuses.
pub(in crate::isolation) fn begin(to: &UnixStream) -> Result<(), String> {
    let calls: Vec<libc::c_long> = BY_NAME.iter().chain(&IN_FOLDER).map(|(call, _)| *call).collect();
    let listener = kernel::listen(&calls);
    let listener = listener.map_err(|e| format!("calls cannot be watched: {}", Unwatchable::of(e)))?;
    hand::give(to, &[listener.as_fd()]).map_err(|e| format!("calls cannot be watched ({e})"))
}

/// Whether this machine lets the calls of a stage be watched, by trying it in a thread that ends: it listens to no call.
///
/// # Errors
/// What stands in the way.
pub fn watchable() -> Result<(), Unwatchable> {
    let all = || {
        restrict::bring_no_new_ones().map_err(Unwatchable::Refused)?;
        kernel::listen(&[]).map(drop).map_err(Unwatchable::of)
    };
    let panicked = |_| Err(Unwatchable::Refused("the thread that tries it out ended".to_owned()));
    std::thread::scope(|scope| scope.spawn(all).join().unwrap_or_else(panicked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_is_told_apart() {
        let of = |errno: Errno| Unwatchable::of(errno.into());
        assert!(matches!(of(Errno::BUSY), Unwatchable::Taken));
        assert!(matches!(of(Errno::NOSYS), Unwatchable::Unknown(_)));
        assert!(matches!(of(Errno::PERM), Unwatchable::Refused(_)));
        assert!(!of(Errno::BUSY).to_string().contains("5.5"), "no newer kernel would help");
    }
}
