//! The memory that processes of a hermetic stage share: a file system in memory, used by one stage after the other as
//! long as none has touched it.
//!
//! Whatever is made, removed or changed in a folder, or of it, gives it a new time of change. So a folder with the time that
//! it had when it was made is as it was made, unless a stage ran while the clock still showed that time.

use std::path::Path;

use rustix::fs::{Timespec, stat};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::time::{ClockId, clock_gettime};

use super::SHARED_MEMORY;

/// What it is mounted with. Its folder is everybody's, and reading it leaves no time.
const FLAGS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOATIME);

/// A file system in memory that nobody has used.
#[derive(Debug)]
pub(super) struct Unused {
    /// When its folder changed last: when it was made.
    made: Timespec,
    /// Whether a stage may have changed the folder without changing that.
    is_unclear: bool,
}

impl Unused {
    /// Mounts one.
    ///
    /// # Errors
    /// What the machine refuses.
    pub(super) fn new() -> rustix::io::Result<Self> {
        mount_at(Path::new(SHARED_MEMORY))?;
        Ok(Self { made: changed()?, is_unclear: false })
    }

    /// Is told that a stage starts.
    pub(super) fn begin(&mut self) {
        self.is_unclear = clock_gettime(ClockId::RealtimeCoarse) <= self.made;
    }

    /// Puts a new one in its place if a stage has used it; says whether there is an unused one now.
    pub(super) fn renew(&mut self) -> bool {
        if !self.is_unclear && changed() == Ok(self.made) {
            return true;
        }
        let new = unmount(SHARED_MEMORY, UnmountFlags::DETACH).and_then(|()| Self::new());
        new.map(|new| *self = new).is_ok()
    }
}

/// Mounts memory that processes share.
pub(super) fn mount_at(place: &Path) -> rustix::io::Result<()> {
    mount("tmpfs", place, "tmpfs", FLAGS, c"mode=1777,size=25%")
}

/// When the folder changed last.
fn changed() -> rustix::io::Result<Timespec> {
    let status = stat(SHARED_MEMORY)?;
    Ok(Timespec { tv_sec: status.st_ctime, tv_nsec: status.st_ctime_nsec.cast_signed() })
}
