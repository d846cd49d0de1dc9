//! The root of a hermetic stage: the toolchain of the host, read-only, and nothing else of it.
//!
//! | path | what |
//! |---|---|
//! | `/orgo` | the working folder |
//! | `/tmp` | its own |
//! | `/dev/shm` | another one after each stage that used it |
//! | `/proc` | its own processes, read-only |
//! | `/dev` | `null`, `zero`, `full`, `random`, `urandom`, its own descriptors |
//! | `/etc` | one user, one group, the loopback; cache of the loader, alternatives |
//! | host roots, declared programs | read-only |
//!
//! It is a file system in memory, made once for a launcher and used by one stage after the other, who cannot change it. It is
//! mounted where no other process sees it, and gone with the last process.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change, mount_remount, unmount,
};
use rustix::process::{chdir, pivot_root};
use rustix::system::sethostname;

use super::namespaces::USER;
use super::order::Setup;
use super::{DEVICES, FOLDER, SHARED_MEMORY, TEMPORARY, memory, roots};

/// The host name that every hermetic stage sees.
const HOST: &[u8] = b"orgo";
/// Files that say who there is and where.
const IDENTITY: [(&str, &str); 4] = [
    ("etc/hosts", "127.0.0.1 localhost orgo\n::1 localhost\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("etc/passwd", "orgo:x:1000:1000::/tmp:/bin/sh\n"),
    ("etc/group", "orgo:x:1000:\n"),
];

/// Makes the root, enters it, and stands in the working folder. Comes back with a folder in which all processes of the
/// namespace can be seen; in that of the root, stages see their own.
///
/// # Errors
/// What the machine refuses.
pub(super) fn enter(setup: &Setup) -> Result<OwnedFd, String> {
    let root = setup.mount_point.as_path();
    let at = |what: &'static str| move |e: io::Error| format!("a root of its own cannot be made: {what} ({e})");
    base(root).map_err(at("a file system in memory"))?;
    toolchain(setup, root).map_err(at("the toolchain, read-only"))?;
    identity(setup, root).map_err(at("its `/etc`"))?;
    devices(setup, root).map_err(at("its devices"))?;
    let own = [(&setup.folder, &FOLDER[1..]), (&setup.temporary, &TEMPORARY[1..])];
    own.iter().try_for_each(|(from, to)| bind(from, &root.join(to))).map_err(at("its working folder"))?;
    programs(setup, root).map_err(at("declared programs"))?;
    let processes = processes(root).map_err(at("its own `/proc`, which some containers forbid"))?;
    sethostname(HOST).map_err(|e| at("its name")(e.into()))?;
    change_to(root).map_err(at("entering it"))?;
    Ok(processes)
}

fn base(root: &Path) -> io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    Ok(mount("tmpfs", root, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755,size=16m")?)
}

/// Host roots, read-only; the project is hidden if it lies in one.
fn toolchain(setup: &Setup, root: &Path) -> io::Result<()> {
    for path in roots::present(setup.network) {
        let to = below(root, &path);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::read_link(&path) {
            Ok(target) if !path.starts_with("/etc") => symlink(target, &to)?,
            Ok(_) | Err(_) => bind(&path, &to)?,
        }
    }
    seal(root, |_| true)?;
    let hidden = below(root, &setup.hidden);
    if roots::is_host_root(&setup.hidden) && hidden.is_dir() {
        mount("tmpfs", &hidden, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY, c"size=0")?;
    }
    Ok(())
}

/// Declared programs outside of the host roots, read-only. They may lie in `/tmp`.
fn programs(setup: &Setup, root: &Path) -> io::Result<()> {
    let mut bound = Vec::new();
    for path in &setup.programs {
        let to = below(root, path);
        if to.exists() {
            continue;
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::read_link(path) {
            Ok(target) => symlink(target, &to)?,
            Err(_) => {
                bind(path, &to)?;
                bound.push(to);
            }
        }
    }
    if bound.is_empty() { Ok(()) } else { seal(root, |at| bound.iter().any(|b| at == b)) }
}

/// Makes mounts below `root` read-only.
fn seal(root: &Path, which: impl Fn(&Path) -> bool) -> io::Result<()> {
    for mounted in mounted_below(root)?.iter().filter(|m| which(&m.at)) {
        mount_remount(&mounted.at, mounted.flags | MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID, c"")?;
    }
    Ok(())
}

/// The path `path` of the host within `root`.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Shows what is at `from` also at `to`.
fn bind(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
    } else {
        File::create(to)?;
    }
    Ok(mount_bind_recursive(from, to)?)
}

/// A mount below the new root.
struct Mounted {
    at: PathBuf,
    flags: MountFlags,
}

/// The mounts below `root`, with the flags that have to stay as they are.
fn mounted_below(root: &Path) -> io::Result<Vec<Mounted>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let entry = |line: &str| {
        let mut fields = line.split(' ');
        let at = PathBuf::from(plain(fields.nth(4)?));
        let flags = fields.next()?.split(',').filter_map(flag).fold(MountFlags::empty(), |all, f| all | f);
        (at.starts_with(root) && at != root).then_some(Mounted { at, flags })
    };
    Ok(table.lines().filter_map(entry).collect())
}

fn flag(word: &str) -> Option<MountFlags> {
    match word {
        "nosuid" => Some(MountFlags::NOSUID),
        "nodev" => Some(MountFlags::NODEV),
        "noexec" => Some(MountFlags::NOEXEC),
        "noatime" => Some(MountFlags::NOATIME),
        "nodiratime" => Some(MountFlags::NODIRATIME),
        "relatime" => Some(MountFlags::RELATIME),
        _ => None,
    }
}

/// A path of the kernel's table of mounts, which writes blanks and backslashes as octal numbers.
fn plain(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(path.to_owned(), |path, (code, sign)| path.replace(code, sign))
}

fn identity(setup: &Setup, root: &Path) -> io::Result<()> {
    debug_assert_eq!(USER, 1000, "it is written in these files");
    fs::create_dir_all(root.join("etc"))?;
    for (path, text) in IDENTITY {
        let file = root.join(path);
        if !(setup.network && file.exists()) {
            fs::write(file, text)?;
        }
    }
    Ok(())
}

fn devices(setup: &Setup, root: &Path) -> io::Result<()> {
    let shared = below(root, Path::new(SHARED_MEMORY));
    fs::create_dir_all(&shared)?;
    DEVICES.iter().try_for_each(|device| bind(Path::new(device), &below(root, Path::new(device))))?;
    let own = [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")];
    own.iter().try_for_each(|(name, target)| symlink(target, root.join("dev").join(name)))?;
    if setup.is_for_one() { Ok(memory::mount_at(&shared)?) } else { Ok(()) }
}

/// Mounts `/proc` for stages, in which the launcher is not to be seen; comes back with one that has no other place.
fn processes(root: &Path) -> io::Result<OwnedFd> {
    let at = root.join("proc");
    fs::create_dir(&at)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", &at, "proc", flags, None)?;
    let own = open(&at, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    unmount(&at, UnmountFlags::DETACH)?;
    mount("proc", &at, "proc", flags | MountFlags::RDONLY, c"hidepid=ptraceable")?;
    Ok(own)
}

/// Makes `root` the root of this process, and the old one unreachable.
fn change_to(root: &Path) -> io::Result<()> {
    mount_remount(root, MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV, c"")?;
    chdir(root)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    Ok(chdir(FOLDER)?)
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn blanks_in_the_table_of_mounts_are_read_back() {
        assert_eq!(plain("/a\\040b\\134c"), "/a b\\c");
    }
}
