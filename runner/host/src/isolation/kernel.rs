//! The two system calls that have no safe wrapper: the only unsafe code of the workspace.

use rustix::thread::UnshareFlags;

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
        _ => Err(std::io::Error::last_os_error()),
    }
}
