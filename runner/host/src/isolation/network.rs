//! The network of hermetic stages without one: a namespace with a loopback, used by one stage after the other.
//!
//! To make a network namespace costs more than everything else that a hermetic stage needs (0.5 ms of processor
//! time, and as much again when the kernel takes it down). All processes of a stage have ended before the next
//! one starts, so none of its sockets is there any more. What is left of them are traces that the kernel keeps in
//! the namespace: connections that wait for their end (`TIME_WAIT`), remembered routes, sockets that were on
//! their way in other sockets, counters. Nothing of that comes to be without a packet over the loopback, a name in
//! the table of UNIX sockets, or a counter. So the counters and the table are compared with those of the new
//! namespace, and a stage that left a trace was the last one in it.

use std::io;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};
use rustix::thread::UnshareFlags;

use super::kernel;

/// What the kernel counts in a network namespace, and its UNIX sockets.
const TRACES: [&str; 5] = ["/proc/net/dev", "/proc/net/snmp", "/proc/net/snmp6", "/proc/net/netstat", "/proc/net/unix"];

/// What a network namespace looks like that nobody has used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Untouched([Vec<u8>; 5]);

impl Untouched {
    /// What this one looks like now. A table that this machine does not have is the same every time.
    pub(super) fn now() -> Self {
        Self(TRACES.map(|path| std::fs::read(path).unwrap_or_default()))
    }

    /// Leaves the namespace for a new one if somebody has used it; says whether this process is in an unused one now.
    pub(super) fn renew(&mut self) -> bool {
        if *self == Self::now() {
            return true;
        }
        let renewed = kernel::unshare(UnshareFlags::NEWNET).is_ok() && raise_loopback().is_ok();
        *self = Self::now();
        renewed
    }
}

/// Sets the flag `IFF_UP` of the first interface, which is the loopback, by a message `RTM_NEWLINK`.
pub(super) fn raise_loopback() -> io::Result<()> {
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
