//! The processes beside and below a launcher, as the kernel lists them.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait};

/// Where processes are listed.
#[derive(Debug)]
pub(super) struct Processes {
    /// A folder `/proc` in which every process can be seen.
    listed: OwnedFd,
    /// Whether processes have numbers of their own, and this one the first.
    is_init: bool,
}

impl Processes {
    /// Those of the host. Processes that lose their parents are given to this one.
    pub(super) fn of_host() -> rustix::io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { listed: openat(CWD, "/proc", flags, Mode::empty())?, is_init: false })
    }

    /// Those of a namespace in which this is process 1.
    pub(super) const fn of_namespace(listed: OwnedFd) -> Self {
        Self { listed, is_init: true }
    }

    /// Kills everything below this process, also what lost its parents, and returns when nothing is left.
    pub(super) fn end_all(&self) {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::INTR) => continue,
                Ok(None) => {}
                Err(_) => return, // there are none
            }
            for child in self.children() {
                let _ = kill_process(child, Signal::KILL); // gone already is what we want
            }
            let _ = wait(WaitOptions::empty());
        }
    }

    /// Lets the next process have the number that the first one had; says whether that is so.
    pub(super) fn count_anew(&self) -> bool {
        let again = || {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let last = openat(&self.listed, "sys/kernel/ns_last_pid", flags, Mode::empty())?;
            rustix::io::write(last, b"1")
        };
        !self.is_init || again().is_ok()
    }

    /// Processes whose parent is this one.
    fn children(&self) -> Vec<Pid> {
        let Ok(all) = Dir::read_from(&self.listed) else { return Vec::new() };
        let own = getpid().as_raw_nonzero().to_string();
        let is_child = |number: &str| {
            let pid: i32 = number.parse().ok()?;
            let stat = self.stat(number).ok()?;
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            let (state, parent) = (fields.next()?, fields.next()?);
            (parent == own && state != "Z").then(|| Pid::from_raw(pid)).flatten()
        };
        all.flatten().filter_map(|entry| is_child(entry.file_name().to_str().ok()?)).collect()
    }

    fn stat(&self, number: &str) -> std::io::Result<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.listed, format!("{number}/stat"), flags, Mode::empty())?;
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut std::fs::File::from(file), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned()) // a process is called what it likes
    }
}
