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
    kernel::unshare(wanted).map_err(|e| {
        format!("this machine does not let its users make namespaces (user namespaces are off or restricted: {e})")
    })?;
    let told = |what: &str, e: &dyn std::fmt::Display| format!("a user namespace without {what} ({e})");
    fs::write("/proc/self/setgroups", "deny").map_err(|e| told("groups of its own", &e))?;
    fs::write("/proc/self/uid_map", format!("{USER} {user} 1")).map_err(|e| told("a user of its own", &e))?;
    fs::write("/proc/self/gid_map", format!("{USER} {group} 1")).map_err(|e| told("a group of its own", &e))?;
    if !network {
        raise_loopback().map_err(|e| format!("the loopback of a network namespace cannot be used ({e})"))?;
    }
    keep_rights().map_err(|e| told("the right to mount", &e))
}

/// Keeps the rights to mount and to make networks over the start of a program by a user who is not the superuser of
/// the namespace.
fn keep_rights() -> rustix::io::Result<()> {
    const KEPT: [CapabilitySet; 2] = [CapabilitySet::SYS_ADMIN, CapabilitySet::NET_ADMIN];
    let now = capabilities(None)?;
    set_capabilities(None, CapabilitySets { inheritable: KEPT[0].union(KEPT[1]), ..now })?;
    KEPT.into_iter().try_for_each(|kept| configure_capability_in_ambient_set(kept, true))
}
