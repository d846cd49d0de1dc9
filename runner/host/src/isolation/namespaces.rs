//! Namespaces of the calling process: users, mounts, processes, names, messages, and the network unless the stage
//! may use that of the host.

use std::fs;
use std::io;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};
use rustix::process::{getgid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, capabilities, configure_capability_in_ambient_set, set_capabilities,
};

use super::kernel;

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
    keep_mounting().map_err(|e| told("the right to mount", &e))
}

/// Keeps the right to mount over the start of a program by a user who is not the superuser of the namespace.
fn keep_mounting() -> rustix::io::Result<()> {
    let now = capabilities(None)?;
    set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::SYS_ADMIN, ..now })?;
    configure_capability_in_ambient_set(CapabilitySet::SYS_ADMIN, true)
}

/// Sets the flag `IFF_UP` of the first interface, which is the loopback, by a message `RTM_NEWLINK`.
fn raise_loopback() -> io::Result<()> {
    const LENGTH: u32 = 32;
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const IFF_UP: u32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend(LENGTH.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]); // sequence number, port
    message.extend([0; 4]); // family, padding, kind of device
    message.extend(1i32.to_ne_bytes()); // the first interface
    message.extend(IFF_UP.to_ne_bytes()); // flags
    message.extend(IFF_UP.to_ne_bytes()); // of these, the ones that change
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?; // of routes
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    Ok(())
}
