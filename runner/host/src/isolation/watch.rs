//! What a stage asks the kernel for by name: told by the kernel itself, before it answers.
//!
//! A filter (seccomp) hands the calls that name a file for reading, starting or looking at to the launcher and holds them until
//! that says to go on; nothing is refused and nothing answered in the kernel's place. It is inherited by every process and
//! thread of the stage, however it is linked. Names are read from the memory of the process that calls; what has changed there
//! when the kernel reads them itself may escape: this finds what is missing in declarations, and keeps nobody out.

mod begin;
mod given;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(super) use self::begin::begin;
pub use self::begin::{Unwatchable, watchable};
use self::given::Given;
use super::{hand, kernel};

/// The longest name of a file, in bytes.
const NAME: usize = 4096;
/// What is looked at for `#!`, in bytes.
const SCRIPT: usize = 256;
/// How many scripts stand for each other, at most, as for the kernel.
const SCRIPTS: u32 = 4;
/// The most that is told about one stage.
const MOST: usize = 200_000;

/// How something was touched; each bit one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct How(u8);

impl How {
    /// Its content was opened.
    pub const OPENED: Self = Self(1);
    /// It was started.
    pub const STARTED: Self = Self(2);
    /// It was looked at, or for.
    pub const LOOKED_AT: Self = Self(4);
    /// What is in it was listed.
    pub const LISTED: Self = Self(8);
    /// It was put into the working folder because it was asked for.
    pub const GIVEN: Self = Self(16);

    /// Whether it was touched in one of these ways.
    #[must_use]
    pub const fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Something that a stage touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Where it lies, links resolved.
    pub path: PathBuf,
    /// What it was called, as an absolute path.
    pub asked: PathBuf,
    /// How it was touched.
    pub how: How,
}

/// Where a stage that is watched gets what it does not declare from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watched {
    /// The project.
    pub(super) project: PathBuf,
    /// Whether nothing at all is kept away from it.
    pub(super) is_open: bool,
}

/// Calls with the name of a file in their first argument.
#[cfg(target_arch = "x86_64")]
const BY_NAME: [(libc::c_long, How); 8] = [
    (libc::SYS_open, How::OPENED),
    (libc::SYS_execve, How::STARTED),
    (libc::SYS_stat, How::LOOKED_AT),
    (libc::SYS_lstat, How::LOOKED_AT),
    (libc::SYS_access, How::LOOKED_AT),
    (libc::SYS_readlink, How::LOOKED_AT),
    (libc::SYS_chdir, How::LOOKED_AT),
    (libc::SYS_statfs, How::LOOKED_AT),
];
#[cfg(not(target_arch = "x86_64"))]
const BY_NAME: [(libc::c_long, How); 2] = [(libc::SYS_execve, How::STARTED), (libc::SYS_chdir, How::LOOKED_AT)];

/// Calls with a folder in their first argument and a name in their second.
const IN_FOLDER: [(libc::c_long, How); 8] = [
    (libc::SYS_openat, How::OPENED),
    (libc::SYS_openat2, How::OPENED),
    (libc::SYS_execveat, How::STARTED),
    (libc::SYS_newfstatat, How::LOOKED_AT),
    (libc::SYS_statx, How::LOOKED_AT),
    (libc::SYS_faccessat, How::LOOKED_AT),
    (libc::SYS_faccessat2, How::LOOKED_AT),
    (libc::SYS_readlinkat, How::LOOKED_AT),
];

/// Listens to one stage after the other.
#[derive(Debug)]
pub(super) struct Watcher {
    /// Where stages send what is listened at, and where that arrives.
    ends: (UnixStream, UnixStream),
    listener: Option<OwnedFd>,
    project: PathBuf,
    asked: HashSet<(PathBuf, u8)>,
    seen: BTreeMap<PathBuf, Seen>,
    given: Option<Given>,
}

impl Watcher {
    pub(super) fn new(watched: &Watched) -> io::Result<Self> {
        Ok(Self {
            ends: UnixStream::pair()?,
            listener: None,
            project: watched.project.clone(),
            asked: HashSet::new(),
            seen: BTreeMap::new(),
            given: None,
        })
    }

    /// Where a stage sends what is listened at.
    pub(super) const fn to_tell(&self) -> &UnixStream {
        &self.ends.1
    }

    /// Is told that a stage starts in a folder.
    pub(super) fn start(&mut self, folder: &Path) {
        self.given = Given::new(&self.project, folder).ok();
        self.asked.clear();
    }

    /// What has something to say.
    pub(super) fn told(&self) -> BorrowedFd<'_> {
        self.listener.as_ref().map_or_else(|| self.ends.0.as_fd(), AsFd::as_fd)
    }

    /// Hears what there is to be heard; `is_over` if nobody is left who could say anything.
    pub(super) fn hear(&mut self, is_over: bool) {
        let Some(listener) = &self.listener else {
            self.listener = hand::take(&self.ends.0).ok().and_then(|mut taken| taken.pop());
            return;
        };
        // A process that was ended meanwhile asks for nothing any more.
        if let Ok(call) = kernel::called(listener) {
            self.note(&call);
            if let Some(listener) = &self.listener {
                let _ = kernel::go_on(listener, call.id);
            }
        } else if is_over {
            self.listener = None;
        }
    }

    /// What the stage touched that has ended.
    pub(super) fn end(&mut self) -> Vec<Seen> {
        self.listener = None;
        self.given = None;
        let seen = std::mem::take(&mut self.seen).into_values();
        seen.filter(|s| s.path.to_str().is_some() && s.asked.to_str().is_some()).collect()
    }

    fn note(&mut self, call: &libc::seccomp_notif) {
        let number = libc::c_long::from(call.data.nr);
        let kind = |list: &[(libc::c_long, How)]| list.iter().find(|(n, _)| *n == number).map(|(_, how)| *how);
        let (how, folder, arguments) = match (kind(&BY_NAME), kind(&IN_FOLDER)) {
            (Some(how), _) => (how, None, &call.data.args[..]),
            (None, Some(how)) => (how, Some(call.data.args[0]), &call.data.args[1..]),
            (None, None) => return,
        };
        let Ok(memory) = File::open(format!("/proc/{}/mem", call.pid)) else { return };
        let how = if how == How::OPENED {
            let flags = match number {
                libc::SYS_openat2 => word(&memory, arguments[1]).unwrap_or(0),
                _ => arguments[1],
            };
            match opened(flags) {
                Some(how) => how,
                None => return, // it writes
            }
        } else {
            how
        };
        let Some(name) = text(&memory, arguments[0]).filter(|name| !name.as_os_str().is_empty()) else { return };
        let Some(asked) = absolute(call.pid, folder, &name) else { return };
        if self.asked.insert((asked.clone(), how.0)) {
            self.touch(&asked, how, 0);
        }
    }

    /// Takes in that something was asked for.
    fn touch(&mut self, asked: &Path, how: How, depth: u32) {
        let found = resolved(asked);
        let given = match (&found, self.given.as_mut()) {
            (Ok(path), Some(given)) => given.has(path, how),
            (Err(path), Some(given)) => given.give(path, how),
            (Ok(_) | Err(_), None) => false,
        };
        let path = match found {
            Ok(path) => path,
            Err(path) if given => path,
            Err(_) => return, // it is not there
        };
        let mut how = if given { how.and(How::GIVEN) } else { how };
        if how.any(How::STARTED)
            && depth < SCRIPTS
            && let Some(program) = script(&path)
        {
            self.touch(&program, How::STARTED, depth + 1);
        }
        if let Some(before) = self.seen.get(&path) {
            how = how.and(before.how);
        }
        if self.seen.len() < MOST || self.seen.contains_key(&path) {
            // A program is known by the name under which it was started.
            let asked = match self.seen.remove(&path) {
                Some(before) if before.how.any(How::STARTED) => before.asked,
                Some(_) | None => asked.to_owned(),
            };
            self.seen.insert(path.clone(), Seen { path, asked, how });
        }
    }
}

/// How a file is opened; `None` if that is for writing only, or makes it anew.
fn opened(flags: u64) -> Option<How> {
    let flag = |flag: i32| flags & u64::from(flag.unsigned_abs()) != 0;
    if flag(libc::O_PATH) {
        return Some(How::LOOKED_AT);
    }
    let writes = flags & u64::from(libc::O_ACCMODE.unsigned_abs()) == u64::from(libc::O_WRONLY.unsigned_abs());
    if writes || flag(libc::O_TRUNC) || flag(libc::O_CREAT) && flag(libc::O_EXCL) {
        return None;
    }
    Some(if flag(libc::O_DIRECTORY) { How::LISTED } else { How::OPENED })
}

/// A text in the memory of a process.
fn text(memory: &File, at: u64) -> Option<PathBuf> {
    let mut bytes = vec![0; NAME];
    let mut had = 0;
    // A read ends where the memory does.
    while had < NAME && !bytes[..had].contains(&0) {
        match memory.read_at(&mut bytes[had..], at + had as u64) {
            Ok(0) | Err(_) => break,
            Ok(more) => had += more,
        }
    }
    let end = bytes[..had].iter().position(|byte| *byte == 0)?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(&bytes[..end])))
}

fn word(memory: &File, at: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    memory.read_exact_at(&mut bytes, at).ok().map(|()| u64::from_ne_bytes(bytes))
}

/// The absolute path that a process means by a name.
fn absolute(pid: u32, folder: Option<u64>, name: &Path) -> Option<PathBuf> {
    if name.is_absolute() {
        return Some(name.to_owned());
    }
    // Folders are numbers of 32 bits, whatever stands above these.
    let at = folder.map_or(libc::AT_FDCWD, |at| at as u32 as i32);
    let base = if at == libc::AT_FDCWD { format!("/proc/{pid}/cwd") } else { format!("/proc/{pid}/fd/{at}") };
    fs::read_link(base).ok().map(|base| base.join(name))
}

/// A path with links resolved; if nothing is there, as far as something is.
fn resolved(path: &Path) -> Result<PathBuf, PathBuf> {
    if let Ok(real) = fs::canonicalize(path) {
        return Ok(real);
    }
    let mut rest = Vec::new();
    let mut above = path;
    loop {
        match (above.parent(), above.components().next_back()) {
            (Some(parent), Some(Component::Normal(name))) => {
                rest.push(name.to_owned());
                above = parent;
            }
            _ => return Err(path.to_owned()),
        }
        if let Ok(real) = fs::canonicalize(above) {
            return Err(rest.iter().rev().fold(real, |path, name| path.join(name)));
        }
    }
}

/// What the kernel starts in the place of a script.
fn script(path: &Path) -> Option<PathBuf> {
    let mut start = [0; SCRIPT];
    let length = File::open(path).and_then(|file| file.read_at(&mut start, 0)).ok()?;
    let line = start[..length].strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.split(|byte| byte.is_ascii_whitespace()).find(|word| !word.is_empty())?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(word))).filter(|program| program.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_not_read() {
        let flags = |flags: i32| opened(u64::from(flags.unsigned_abs()));
        assert_eq!(flags(libc::O_RDONLY), Some(How::OPENED));
        assert_eq!(flags(libc::O_RDWR | libc::O_CREAT), Some(How::OPENED), "it may be there");
        assert_eq!(flags(libc::O_RDONLY | libc::O_DIRECTORY), Some(How::LISTED));
        assert_eq!(flags(libc::O_WRONLY | libc::O_CREAT), None);
        assert_eq!(flags(libc::O_RDWR | libc::O_TRUNC), None);
    }

    #[test]
    fn a_path_is_resolved_as_far_as_something_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let real = fs::canonicalize(folder.path()).expect("there");
        fs::create_dir(real.join("a")).expect("made");
        std::os::unix::fs::symlink("a", real.join("l")).expect("made");
        assert_eq!(resolved(&real.join("l")), Ok(real.join("a")));
        assert_eq!(resolved(&real.join("l/x/y")), Err(real.join("a/x/y")));
        fs::write(real.join("s"), "#! /bin/sh -e\n").expect("written");
        assert_eq!(script(&real.join("s")), Some(PathBuf::from("/bin/sh")));
        assert_eq!(script(&real.join("a")), None);
    }
}
