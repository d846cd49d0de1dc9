//! What a launcher is told and what it answers, over the socket that is its standard input.
//!
//! The runner sends one [`Setup`], and then for each stage [`Message::Start`] and perhaps signals for it. The
//! launcher answers each start with one [`Reply`], when the stage has ended with everything that it started.
//! Messages are postcard behind their length (32 bits, little endian). Closing the socket ends a stage that
//! runs, and the launcher. Environments go this way too, so no value of a secret is in the arguments of a
//! process.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::place::Shown;
use super::watch::{Seen, Watched};
use super::{FOLDER, SHARED_MEMORY, TEMPORARY};

/// The longest message, in bytes.
const MAX: usize = 64 << 20;
/// Bytes of the length in front of a message.
const LENGTH: usize = 4;
/// How much is read at once.
const PIECE: usize = 16 << 10;

/// What is a hermetic stage's own.
const EMPTIED: [&str; 3] = [FOLDER, SHARED_MEMORY, TEMPORARY];

/// What all stages of a launcher have in common.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) hermetic: bool,
    /// Whether stages may use the network of the host.
    pub(super) network: bool,
    pub(super) hidden: PathBuf,
    /// What the root of hermetic stages is made of: the working folder and the one for temporary files, as the host
    /// sees them, what it is mounted on, and declared programs.
    pub(super) folder: PathBuf,
    pub(super) temporary: PathBuf,
    pub(super) mount_point: PathBuf,
    pub(super) programs: Vec<PathBuf>,
    /// Whether its only stage gets the runner's own input and outputs, which the runner hands over on the socket that is
    /// the launcher's standard output.
    pub(super) handed: bool,
    /// At `confined`, what is shown to that stage where it lay before.
    pub(super) shown: Vec<Shown>,
    /// Whether what its stages touch is told.
    pub(super) watched: Option<Watched>,
}

impl Setup {
    /// Whether nothing is kept away from its stages.
    pub(super) fn is_open(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| watched.is_open)
    }

    /// Whether a launcher can have one stage only: what a person is in, or one whose declared programs lie in folders that are
    /// emptied before each stage.
    pub(super) fn is_for_one(&self) -> bool {
        let is_emptied = |program: &PathBuf| EMPTIED.iter().any(|folder| program.starts_with(folder));
        self.handed || self.hermetic && self.programs.iter().any(is_emptied)
    }
}

/// What the runner says after the setup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// Start a stage. One at a time.
    Start(Order),
    /// Send the group of the stage the signal of that number; nothing if it has ended.
    Signal(u8),
}

/// What is to be started.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The program; relative to the working folder if it is an input. Without one, everything is set up and
    /// nothing started: that is how a level is tried out.
    pub(super) program: Option<PathBuf>,
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    /// The working folder and the one for temporary files, as the host sees them.
    pub(super) folder: PathBuf,
    pub(super) temporary: PathBuf,
    /// Declared programs outside of the host roots.
    pub(super) programs: Vec<PathBuf>,
    pub(super) memory_bytes: Option<u64>,
    /// Whether it is a shell that the terminal is given to, in a group of its own.
    pub(super) leads: bool,
}

/// The answer to a start.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) end: End,
    /// Whether the launcher takes no other order: it could not leave everything as a new one would find it.
    pub(super) spent: bool,
    /// What the stage touched, if that is watched.
    pub(super) seen: Vec<Seen>,
}

/// How it went.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    /// The level cannot be given here; what is missing.
    Unavailable(String),
    /// The program could not be started; what the system says.
    NotStarted(String),
    /// The stage ended by itself.
    Code(i32),
    /// The stage was ended by a signal.
    Signal(i32),
}

/// Writes one message.
pub(super) fn send(mut to: impl Write, message: &impl Serialize) -> std::io::Result<()> {
    let bytes = postcard::to_extend(message, vec![0; LENGTH]).map_err(std::io::Error::other)?;
    to.write_all(&framed(bytes)?)
}

/// Writes the length in front of a message, in the place that was left for it.
fn framed(mut bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let length = bytes.len() - LENGTH;
    let told = u32::try_from(length).ok().filter(|_| length <= MAX);
    let told = told.ok_or_else(|| std::io::Error::other("what is to be started is too long"))?;
    bytes[..LENGTH].copy_from_slice(&told.to_le_bytes());
    Ok(bytes)
}

/// One end of a connection on which messages come.
#[derive(Debug)]
pub(super) struct Connection<S = UnixStream> {
    stream: S,
    /// What was read and not yet taken.
    read: Vec<u8>,
}

impl<S: Read> Connection<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// The next message; waits for it.
    ///
    /// # Errors
    /// The connection was closed, or what came is no message.
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> std::io::Result<T> {
        loop {
            if let Some(end) = self.end()? {
                let message = postcard::from_bytes(&self.read[LENGTH..end]).map_err(std::io::Error::other);
                self.read.drain(..end);
                return message;
            }
            let had = self.read.len();
            self.read.resize(had + PIECE, 0);
            let more = self.stream.read(&mut self.read[had..]);
            self.read.truncate(had + more.as_ref().map_or(0, |more| *more));
            match more {
                Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Err(e) if e.kind() != std::io::ErrorKind::Interrupted => return Err(e),
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Whether the next message was read already.
    pub(super) fn is_ready(&self) -> bool {
        !matches!(self.end(), Ok(None))
    }

    /// Where the first message ends, if all of it was read.
    fn end(&self) -> std::io::Result<Option<usize>> {
        let Some(length) = self.read.first_chunk::<LENGTH>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(std::io::Error::other)?;
        if length > MAX {
            return Err(std::io::Error::other("a message is too long"));
        }
        Ok(Some(LENGTH + length).filter(|end| *end <= self.read.len()))
    }
}

impl Connection {
    pub(super) const fn socket(&self) -> &UnixStream {
        &self.stream
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_and_cut_ones_do_not() {
        let reply = |end| Reply { end, spent: false, seen: Vec::new() };
        let mut bytes = Vec::new();
        send(&mut bytes, &reply(End::NotStarted("no".repeat(PIECE)))).expect("written");
        send(&mut bytes, &reply(End::Code(7))).expect("written");
        let mut both = Connection::new(bytes.as_slice());
        assert_eq!(both.receive::<Reply>().expect("whole"), reply(End::NotStarted("no".repeat(PIECE))));
        assert!(both.is_ready());
        assert_eq!(both.receive::<Reply>().expect("whole"), reply(End::Code(7)));
        assert!(both.receive::<Reply>().is_err(), "there is no more");
        let mut cut = Connection::new(&bytes[..bytes.len() - 1]);
        assert!(cut.receive::<Reply>().is_ok() && cut.receive::<Reply>().is_err());
        assert!(Connection::new([0xff; 8].as_slice()).receive::<Reply>().is_err(), "longer than allowed");
    }
}
