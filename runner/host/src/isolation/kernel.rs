//! The system calls that have no safe wrapper.

use std::ffi::{CStr, CString};
use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
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

/// Has the kernel hold these calls of this process, and of those that it starts, until [`go_on`].
///
/// # Errors
/// What the kernel says, such as that it cannot do that.
#[expect(unsafe_code, reason = "there is no safe wrapper of seccomp(2)")]
pub(super) fn listen(calls: &[libc::c_long]) -> std::io::Result<OwnedFd> {
    let mut program = watching(calls)?;
    let length = u16::try_from(program.len()).map_err(Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    let install = |flags: libc::c_ulong| {
        // SAFETY: the program lives until the call is over, and has the length that is told.
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) }
    };
    // A call that waits is not begun again for every signal where the kernel can do that (Linux 5.19).
    let mut answer = install(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    if answer < 0 {
        answer = install(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    }
    let listener = i32::try_from(answer).ok().filter(|fd| *fd >= 0).ok_or_else(Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(listener) })
}

/// The instruction set of this program, as filters see it.
const SET: u32 = if cfg!(target_arch = "aarch64") { 0xc000_00b7 } else { 0xc000_003e };
/// Where the number of a call and its instruction set stand, in bytes.
const AT_NUMBER: u32 = 0;
const AT_SET: u32 = 4;

/// A filter that has the kernel tell of these calls, and allows all others.
fn watching(calls: &[libc::c_long]) -> std::io::Result<Vec<libc::sock_filter>> {
    let say = |code: u32, k: u32, jt: usize, jf: usize| {
        let small = |n: usize| u8::try_from(n).map_err(Error::other);
        let code = u16::try_from(code).map_err(Error::other)?;
        Ok::<_, Error>(libc::sock_filter { code, jt: small(jt)?, jf: small(jf)?, k })
    };
    let load = |at: u32| say(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at, 0, 0);
    let equal = |to: u32, then: usize, or: usize| say(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, to, then, or);
    let end = |with: u32| say(libc::BPF_RET | libc::BPF_K, with, 0, 0);
    let mut program = vec![load(AT_SET)?, equal(SET, 0, calls.len() + 1)?, load(AT_NUMBER)?];
    for (at, call) in calls.iter().enumerate() {
        program.push(equal(u32::try_from(*call).map_err(Error::other)?, calls.len() - at, 0)?);
    }
    program.extend([end(libc::SECCOMP_RET_ALLOW)?, end(libc::SECCOMP_RET_USER_NOTIF)?]);
    Ok(program)
}

/// The next call that waits.
///
/// # Errors
/// What the kernel says, such as that its process is gone.
#[expect(unsafe_code, reason = "there is no safe wrapper of ioctl(2)")]
pub(super) fn called(listener: &OwnedFd) -> std::io::Result<libc::seccomp_notif> {
    // SAFETY: all zeros is a value of this type, and what the kernel wants to be given.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one value of this type.
    match unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) } {
        0 => Ok(call),
        _ => Err(Error::last_os_error()),
    }
}

/// Lets a call go on as if nobody had held it.
///
/// # Errors
/// What the kernel says, such as that its process is gone.
#[expect(unsafe_code, reason = "there is no safe wrapper of ioctl(2)")]
pub(super) fn go_on(listener: &OwnedFd, id: u64) -> std::io::Result<()> {
    let flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).map_err(Error::other)?;
    let answer = libc::seccomp_notif_resp { id, val: 0, error: 0, flags };
    // SAFETY: the kernel reads one value of this type.
    match unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
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
