//! What a shim is told and what it answers, over the socket that is its standard input.
//!
//! The runner sends one [`Order`]; then single bytes, each the number of a signal for the stage. The shim
//! sends one [`Reply`]. Messages are postcard behind their length (32 bits, little endian). Closing the
//! socket ends the stage with everything it started. Environments go this way too, so no value of a
//! secret is in the arguments of a process.

use std::io::{Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest message, in bytes.
const MAX: u32 = 64 << 20;

/// What is to be started, and within what.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The program; relative to the working folder if it is an input. Without one, everything is set up and
    /// nothing started: that is how a level is tried out.
    pub(super) program: Option<PathBuf>,
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    /// The working folder, as the host sees it.
    pub(super) folder: PathBuf,
    pub(super) temporary: PathBuf,
    pub(super) mount_point: PathBuf,
    pub(super) hermetic: bool,
    /// Whether it may use the network of the host.
    pub(super) network: bool,
    pub(super) programs: Vec<PathBuf>,
    pub(super) hidden: PathBuf,
    pub(super) memory_bytes: Option<u64>,
}

/// How it went.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The level cannot be given here; what is missing.
    Unavailable(String),
    /// The program could not be started; what the system says.
    NotStarted(String),
    /// The stage ended by itself.
    Code(i32),
    /// The stage was ended by a signal.
    Signal(i32),
    /// The runner wanted an end, or is gone.
    Ended,
}

pub(super) fn send(mut to: impl Write, message: &impl Serialize) -> std::io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(std::io::Error::other)?;
    let length = u32::try_from(bytes.len()).ok().filter(|l| *l <= MAX);
    let length = length.ok_or_else(|| std::io::Error::other("what is to be started is too long"))?;
    to.write_all(&[&length.to_le_bytes(), bytes.as_slice()].concat())
}

pub(super) fn receive<T: DeserializeOwned>(mut from: impl Read) -> std::io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX {
        return Err(std::io::Error::other("a message is too long"));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    from.read_exact(&mut bytes)?;
    postcard::from_bytes(&bytes).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_and_cut_ones_do_not() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Reply::NotStarted("no".to_owned())).expect("written");
        assert_eq!(receive::<Reply>(bytes.as_slice()).expect("whole"), Reply::NotStarted("no".to_owned()));
        assert!(receive::<Reply>(&bytes[..bytes.len() - 1]).is_err());
        assert!(receive::<Reply>([0xff; 8].as_slice()).is_err(), "longer than allowed");
    }
}
