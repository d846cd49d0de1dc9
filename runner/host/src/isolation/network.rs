//! The network of hermetic stages without one: a namespace with a loopback, used by one stage after the other.
//!
//! To make a network namespace costs more than everything else that a hermetic stage needs (0.5 ms of processor
//! time, and as much again when the kernel takes it down). All processes of a stage have ended before the next
//! one starts, so none of its sockets is there any more. What is left of them are traces that the kernel keeps in
//! the namespace: connections that wait for their end (`TIME_WAIT`), remembered routes, sockets that were on
//! their way in other sockets, counters. Nothing of that comes to be without a packet over the loopback, a name in
//! the table of UNIX sockets, or a counter. So the counters and the table are compared with those of the new
//! namespace, and a stage that left a trace was the last one in it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};
use rustix::thread::UnshareFlags;

use super::kernel;

/// What the kernel counts in a network namespace, and its UNIX sockets.
const TRACES: [&str; 5] = ["/proc/net/dev", "/proc/net/snmp", "/proc/net/snmp6", "/proc/net/netstat", "/proc/net/unix"];

/// How much is read at once: more than each of them has in an unused namespace.
const PIECE: usize = 32 << 10;

/// What a network namespace looks like that nobody has used.
#[derive(Debug, Default)]
pub(super) struct Untouched {
    /// The tables, open, and what they say. One that this machine does not have says nothing.
    tables: Vec<(File, Vec<u8>)>,
}

impl Untouched {
    /// What the one of this process looks like now.
    ///
    /// # Errors
    /// What the machine refuses.
    pub(super) fn now() -> io::Result<Self> {
        let mut tables = Vec::with_capacity(TRACES.len());
        for path in TRACES {
            match File::open(path) {
                Ok(table) => tables.push((table, Vec::new())),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        tables.iter_mut().try_for_each(|(table, says)| read(table, says))?;
        Ok(Self { tables })
    }

    /// Whether it looks as it did.
    fn is_untouched(&self) -> bool {
        let mut now = Vec::new();
        self.tables.iter().all(|(table, says)| read(table, &mut now).is_ok() && now == *says)
    }

    /// Leaves the namespace for a new one if somebody has used it; says whether this process is in an unused one now.
    pub(super) fn renew(&mut self) -> bool {
        if self.is_untouched() {
            return true;
        }
        *self = Self::default(); // an open table keeps the namespace
        let new = || {
            kernel::unshare(UnshareFlags::NEWNET)?;
            raise_loopback()?;
            Self::now()
        };
        new().map(|new| *self = new).is_ok()
    }
}

/// Reads a table from its beginning.
fn read(table: &File, says: &mut Vec<u8>) -> io::Result<()> {
    says.clear();
    loop {
        let had = says.len();
        says.resize(had + PIECE, 0);
        let more = table.read_at(&mut says[had..], u64::try_from(had).map_err(io::Error::other)?);
        says.truncate(had + more.as_ref().map_or(0, |more| *more));
        if more? == 0 {
            return Ok(());
        }
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
