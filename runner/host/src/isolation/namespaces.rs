//! Namespaces of the calling process: users, mounts, processes, names, messages, and the network unless the stage
//! may use that of the host.

use std::fs;

use rustix::process::{getgid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, capabilities, configure_capability_in_ambient_set, set_capabilities,
};

use super::kernel;
use super::network::raise_loopback;

/// The user and the group that every hermetic stage sees itself as.
pub(super) const USER: u32 = 1000;

/// Moves this process into namespaces of its own; children become process 1 of theirs.
///
/// # Errors
/// What this machine refuses.
pub(super) fn enter(network: bool) -> Result<(), String> {
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    let mut wanted = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    if !network {
        wanted |= UnshareFlags::NEWNET;
    }
    kernel::unshare(wanted).map_err(|e| refused(&e))?;
    map((USER, user), (USER, group))?;
    if !network {
        raise_loopback().map_err(|e| format!("the loopback of a network namespace cannot be used ({e})"))?;
    }
    keep_rights().map_err(|e| without("the right to mount", &e))
}

/// Moves this process into a namespace of mounts of its own: as it is, if it may do that, and otherwise in a namespace of
/// users, in which it is who it was.
///
/// # Errors
/// What this machine refuses.
pub(super) fn own_mounts() -> Result<(), String> {
    if kernel::unshare(UnshareFlags::NEWNS).is_ok() {
        return Ok(());
    }
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    kernel::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS).map_err(|e| refused(&e))?;
    map((user, user), (group, group))
}

fn refused(error: &dyn std::fmt::Display) -> String {
    format!("this machine does not let its users make namespaces (user namespaces are off or restricted: {error})")
}

fn without(what: &str, error: &dyn std::fmt::Display) -> String {
    format!("a user namespace without {what} ({error})")
}

/// Says who the user and the group are within, and without.
fn map((user, real_user): (u32, u32), (group, real_group): (u32, u32)) -> Result<(), String> {
    fs::write("/proc/self/setgroups", "deny").map_err(|e| without("groups of its own", &e))?;
    fs::write("/proc/self/uid_map", format!("{user} {real_user} 1")).map_err(|e| without("a user of its own", &e))?;
    fs::write("/proc/self/gid_map", format!("{group} {real_group} 1")).map_err(|e| without("a group of its own", &e))
}

/// Keeps the rights to mount and to make networks over the start of a program by a user who is not the superuser of
/// the namespace.
fn keep_rights() -> rustix::io::Result<()> {
    const KEPT: [CapabilitySet; 2] = [CapabilitySet::SYS_ADMIN, CapabilitySet::NET_ADMIN];
    let now = capabilities(None)?;
    set_capabilities(None, CapabilitySets { inheritable: KEPT[0].union(KEPT[1]), ..now })?;
    KEPT.into_iter().try_for_each(|kept| configure_capability_in_ambient_set(kept, true))
}
