//! What wakes: changes in folders, as the system tells them, or the clock where it cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::process::Waker;

/// How often the clock wakes, at most.
const PERIOD: Duration = Duration::from_secs(1);
/// One part in so many of the time is spent looking, where the clock wakes.
const SHARE: u32 = 20;

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The system tells, if it can.
    Told,
    /// By looking again and again: for file systems whose changes are made elsewhere.
    Polling,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// Something may have changed.
    Perhaps,
    /// Nothing happened within the limit.
    Late,
    /// Somebody interrupted this process.
    Interrupted,
    /// The bell was rung.
    Rung,
}

/// Wakes who waits for a change.
pub struct Alarm {
    /// What tells of changes, unless the clock wakes.
    told: Option<OwnedFd>,
    watches: BTreeMap<PathBuf, i32>,
    because: Option<String>,
    period: Duration,
    signals: PipeReader,
    interrupted: Arc<AtomicBool>,
    registered: Vec<signal_hook::SigId>,
}

impl Alarm {
    /// An alarm that wakes on signals only, for the time being; they set `interrupted`.
    pub(super) fn new(way: Way, interrupted: &Arc<AtomicBool>) -> io::Result<Self> {
        let (signals, writer) = io::pipe()?;
        let mut registered = Vec::new();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            registered.push(signal_hook::flag::register(signal, Arc::clone(interrupted))?);
            registered.push(signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?);
        }
        let (told, because) = match way {
            Way::Polling => (None, Some("that was asked for".to_owned())),
            Way::Told => match system::begin() {
                Ok(told) => (Some(told), None),
                Err(why) => (None, Some(why)),
            },
        };
        let (watches, interrupted) = (BTreeMap::new(), Arc::clone(interrupted));
        Ok(Self { told, watches, because, period: PERIOD, signals, interrupted, registered })
    }

    /// Why the clock wakes, if it does.
    pub(super) fn polls_because(&self) -> Option<&str> {
        self.because.as_deref()
    }

    /// A look took so long: where the clock wakes, it does not do so too often.
    pub(super) fn took(&mut self, time: Duration) {
        self.period = PERIOD.max(time * SHARE);
    }

    /// Watches these folders and no others; says whether there are some that it did not watch before.
    pub(super) fn cover(&mut self, folders: &BTreeSet<PathBuf>) -> bool {
        let Some(told) = &self.told else { return false };
        let mut watches = BTreeMap::new();
        let mut new = false;
        for folder in folders {
            match system::add(told, folder) {
                Ok(Some(watch)) => {
                    new |= self.watches.get(folder) != Some(&watch);
                    watches.insert(folder.clone(), watch);
                }
                Ok(None) => {}
                Err(why) => {
                    (self.told, self.because, self.watches) = (None, Some(why), BTreeMap::new());
                    return false;
                }
            }
        }
        let kept: BTreeSet<i32> = watches.values().copied().collect();
        for watch in self.watches.values().filter(|watch| !kept.contains(watch)) {
            system::remove(told, *watch);
        }
        self.watches = watches;
        new
    }

    /// Waits for what comes first.
    pub(super) fn wait(&mut self, limit: Option<Duration>, rung: Option<&Waker>) -> Woken {
        let period = self.told.is_none().then_some(self.period);
        let wait = [limit, period].into_iter().flatten().min();
        let timeout = wait
            .map(|w| Timespec { tv_sec: w.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: w.subsec_nanos().into() });
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        fds.extend(rung.map(|bell| PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN)));
        let at = fds.len();
        fds.extend(self.told.as_ref().map(|told| PollFd::new(told, PollFlags::IN)));
        let woken = poll(&mut fds, timeout.as_ref());
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let (rang, changed) = (rung.is_some() && ready(1), ready(at));
        if self.interrupted.load(Ordering::Relaxed) {
            return Woken::Interrupted;
        }
        if rang {
            return Woken::Rung;
        }
        if let Some(told) = self.told.as_ref().filter(|_| changed) {
            system::drain(told);
            return Woken::Perhaps;
        }
        let clock = matches!(woken, Ok(0)) && period.is_some() && wait == period;
        if clock { Woken::Perhaps } else { Woken::Late }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    //! inotify.

    use std::mem::MaybeUninit;

    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use rustix::io::Errno;

    use super::{AsFd, OwnedFd, Path};

    pub(super) fn begin() -> Result<OwnedFd, String> {
        inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(why)
    }

    /// Watches a folder, or goes on doing so; `None` if there is none that can be read.
    pub(super) fn add(told: &OwnedFd, folder: &Path) -> Result<Option<i32>, String> {
        let what = WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::EXCL_UNLINK;
        match inotify::add_watch(told, folder, what) {
            Ok(watch) => Ok(Some(watch)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(None),
            Err(e) => Err(why(e)),
        }
    }

    pub(super) fn remove(told: &OwnedFd, watch: i32) {
        let _ = inotify::remove_watch(told, watch); // the system removes watches of folders that are gone
    }

    /// Takes everything that was told: what it is does not matter, not even that there was too much.
    pub(super) fn drain(told: &OwnedFd) {
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        while rustix::io::read(told.as_fd(), &mut buffer[..]).is_ok_and(|(read, _)| !read.is_empty()) {}
    }

    fn why(error: Errno) -> String {
        match error {
            Errno::MFILE | Errno::NFILE => "inotify has no instance left (`fs.inotify.max_user_instances`)".to_owned(),
            Errno::NOSPC => "inotify has no watch left (`fs.inotify.max_user_watches`)".to_owned(),
            other => format!("inotify cannot be used: {other}"),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    //! Nothing tells.

    use super::{OwnedFd, Path};

    pub(super) fn begin() -> Result<OwnedFd, String> {
        Err("this system is not Linux".to_owned())
    }

    pub(super) fn add(_told: &OwnedFd, _folder: &Path) -> Result<Option<i32>, String> {
        Ok(None)
    }

    pub(super) fn remove(_told: &OwnedFd, _watch: i32) {}

    pub(super) fn drain(_told: &OwnedFd) {}
}
