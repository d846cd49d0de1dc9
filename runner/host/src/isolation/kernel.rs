//! The system calls that have no safe wrapper.

use std::ffi::{CStr, CString};
use std::io::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// The exit code of a child that panicked.
const PANICKED: i32 = 70;

/// Leaves namespaces for new ones. rustix marks the call because of `CLONE_FILES`, after which threads see different
/// files.
#[expect(unsafe_code, reason = "there is no safe wrapper of unshare(2)")]
pub(super) fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: `CLONE_FILES` is not among the flags, so descriptors stay shared by all threads of the process.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Keeps files that whoever started the runner had open from programs that this process starts.
#[expect(unsafe_code, reason = "there is no safe wrapper of close_range(2)")]
pub(super) fn keep_open_files() -> std::io::Result<()> {
    // SAFETY: numbers only; no descriptor is closed, each gets the flag that descriptors of Rust programs have anyway.
    match unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}

/// Takes back that Rust programs ignore `SIGPIPE`: what this process starts would ignore it too.
pub(super) fn mind_closed_pipes() {
    dispose(libc::SIGPIPE, libc::SIG_DFL);
}

/// What keys at a terminal send to all that it belongs to.
const KEYS: [i32; 2] = [libc::SIGINT, libc::SIGQUIT];

/// Leaves what keys at a terminal send to the programs that are in it.
pub(super) fn leave_keys_to_others() {
    KEYS.into_iter().for_each(|signal| dispose(signal, libc::SIG_IGN));
}

/// Takes back [`leave_keys_to_others`], which a program that is started would have too.
pub(super) fn mind_keys() {
    KEYS.into_iter().for_each(|signal| dispose(signal, libc::SIG_DFL));
}

/// Does something for which the kernel stops a process that the terminal does not belong to.
pub(crate) fn with_output_of_groups_ignored(work: impl FnOnce()) {
    dispose(libc::SIGTTOU, libc::SIG_IGN);
    work();
    dispose(libc::SIGTTOU, libc::SIG_DFL);
}

#[expect(unsafe_code, reason = "there is no safe wrapper of signal(2)")]
fn dispose(signal: i32, how: libc::sighandler_t) {
    // SAFETY: callers pass `SIG_DFL` or `SIG_IGN`; no function of ours is made a handler.
    unsafe { libc::signal(signal, how) };
}

/// Makes a child that does `work` and ends with the code that this gives.
///
/// To be called while the process has one thread: the child is then as whole as its parent.
#[expect(unsafe_code, reason = "there is no safe wrapper of fork(2) and _exit(2)")]
pub(super) fn fork(work: impl FnOnce() -> i32) -> std::io::Result<Pid> {
    // SAFETY: the launcher has one thread, so no lock is held by a thread that the child does not have.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(PANICKED);
        // SAFETY: ends the process; what its parent would do at its end is not done twice.
        unsafe { libc::_exit(code) }
    }
    Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(Error::last_os_error)
}

/// Becomes another program; comes back only with an error. A file that is no program is not given to a shell.
#[expect(unsafe_code, reason = "there is no safe wrapper of execve(2) that asks no shell")]
pub(super) fn exec(program: &CStr, argv: &[CString], env: &[CString]) -> Error {
    let list = |of: &[CString]| of.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>();
    let (argv, env) = (list(argv), list(env));
    // SAFETY: both lists end with a null pointer, and what they point to lives until the call is over.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    Error::last_os_error()
}
