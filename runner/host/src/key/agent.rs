//! A client of ssh-agents (draft-miller-ssh-agent): what keys they hold, and signatures by them.
//!
//! The private key never comes here. Every frame is bounded, every exchange ends after [`TIMEOUT`], and no
//! signature is handed on before the public key verified it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use data_encoding::BASE64_NOPAD;
use orgo_spec::signature::{KeyError as PublicKeyError, PublicKey};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::AgentKey;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const ED25519: &[u8] = b"ssh-ed25519";
/// The longest message that OpenSSH's agent takes, in bytes; also what we take from it.
const MAX_FRAME: usize = 256 * 1024;
/// How long one exchange may take, a person's confirmation included.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where an agent listens.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    socket: PathBuf,
    timeout: Duration,
}

/// Why an agent does not help.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AgentError {
    #[error("the agent's key is weak or not canonical")]
    Weak,
    #[error("{0}")]
    Why(String),
}

fn why(text: impl Into<String>) -> AgentError {
    AgentError::Why(text.into())
}

impl Agent {
    /// The agent that listens at `socket`; nothing is asked of it yet.
    pub(super) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), timeout: TIMEOUT }
    }

    /// The public half of the key that is wanted, if the agent holds it and it can be used.
    pub(super) fn find(&self, wanted: &AgentKey) -> Result<PublicKey, AgentError> {
        let answer = self.exchange(&[REQUEST_IDENTITIES])?;
        let blobs = identities(&answer).ok_or_else(|| why("the agent's list of keys is malformed"))?;
        let found = blobs.iter().find(|blob| match wanted {
            AgentKey::Fingerprint(text) => fingerprint(blob) == *text,
            AgentKey::Public(key) => key.ssh_blob() == **blob,
        });
        let Some(blob) = found else {
            return Err(why(match blobs.len() {
                0 => "the agent holds no keys; it is empty (`ssh-add`) or locked (`ssh-add -X`)".to_owned(),
                n => format!("the agent holds {n} other keys, but not this one (`ssh-add FILE`)"),
            }));
        };
        match PublicKey::from_ssh_blob(blob) {
            Ok(key) => Ok(key),
            Err(PublicKeyError::Weak) => Err(AgentError::Weak),
            Err(PublicKeyError::Malformed) => Err(why(match take(blob) {
                Some((name, _)) if name.starts_with(b"sk-ssh-ed25519") => {
                    "it is a security key: its signatures carry a counter that verifiers of records do not accept"
                        .to_owned()
                }
                Some((name, _)) => {
                    format!("it is of the kind `{}`; only `ssh-ed25519` keys can sign", name.escape_ascii())
                }
                None => "the agent's key is malformed".to_owned(),
            })),
        }
    }

    /// The signature of `key` over `data`, verified.
    pub(super) fn sign(&self, key: &PublicKey, data: &[u8]) -> Result<[u8; 64], AgentError> {
        let mut request = vec![SIGN_REQUEST];
        put(&mut request, &key.ssh_blob())?;
        put(&mut request, data)?;
        request.extend_from_slice(&[0; 4]); // no flags
        if request.len() > MAX_FRAME {
            return Err(why(format!(
                "agents sign at most {MAX_FRAME} bytes in one message; this one has {}",
                request.len()
            )));
        }
        let answer = self.exchange(&request)?;
        if answer.first() == Some(&FAILURE) {
            return Err(why("the agent refused to sign; it may be locked, or somebody said no"));
        }
        let signature = signature(&answer).ok_or_else(|| why("the agent's answer is no ed25519 signature"))?;
        if !key.verifies(data, &signature) {
            return Err(why("the agent's signature does not match the public key"));
        }
        Ok(signature)
    }

    /// One request and its answer, over a connection of its own.
    fn exchange(&self, request: &[u8]) -> Result<Vec<u8>, AgentError> {
        let deadline = Instant::now() + self.timeout;
        let told = |e: std::io::Error| {
            use std::io::ErrorKind as Kind;
            if matches!(e.kind(), Kind::WouldBlock | Kind::TimedOut) {
                why(format!("the agent did not answer within {} seconds", self.timeout.as_secs_f32()))
            } else if e.kind() == Kind::UnexpectedEof {
                why("the agent closed the connection")
            } else {
                why(format!("no agent at `{}`: {e}", self.socket.display()))
            }
        };
        let mut stream = self.connect(deadline).map_err(told)?;
        let mut message = Vec::with_capacity(request.len() + 4);
        put(&mut message, request)?;
        stream.set_write_timeout(Some(left(deadline).map_err(told)?)).map_err(told)?;
        stream.write_all(&message).map_err(told)?;
        let mut length = [0u8; 4];
        read_exact(&mut stream, &mut length, deadline).map_err(told)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length == 0 || length > MAX_FRAME {
            return Err(why(format!("the agent's answer is empty or longer than {MAX_FRAME} bytes")));
        }
        let mut answer = vec![0u8; length];
        read_exact(&mut stream, &mut answer, deadline).map_err(told)?;
        Ok(answer)
    }

    fn connect(&self, deadline: Instant) -> std::io::Result<UnixStream> {
        let address = SocketAddrUnix::new(self.socket.as_path())?;
        // Without waiting: a blocking connect to an agent that accepts nothing would have no end.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        loop {
            match connect(&socket, &address) {
                Ok(()) => break,
                Err(Errno::AGAIN | Errno::INTR) => {
                    std::thread::sleep(left(deadline)?.min(Duration::from_millis(20)));
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

/// The time until the deadline; never zero, which would mean for ever.
fn left(deadline: Instant) -> std::io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(std::io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

fn read_exact(stream: &mut UnixStream, mut buffer: &mut [u8], deadline: Instant) -> std::io::Result<()> {
    while !buffer.is_empty() {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(buffer) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => buffer = &mut buffer[n..],
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), AgentError> {
    let length = u32::try_from(bytes.len()).map_err(|_| why("what is to be signed is too long for an agent"))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// An SSH `string` and what follows.
fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// The key blobs of an answer to a request for identities; comments are of no use to us.
fn identities(answer: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, mut rest) = answer.strip_prefix(&[IDENTITIES_ANSWER])?.split_first_chunk::<4>()?;
    let mut blobs = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (blob, after) = take(rest)?;
        let (_comment, after) = take(after)?;
        blobs.push(blob);
        rest = after;
    }
    rest.is_empty().then_some(blobs)
}

/// The 64 bytes of an answer to a request for a signature.
fn signature(answer: &[u8]) -> Option<[u8; 64]> {
    let (signature, rest) = take(answer.strip_prefix(&[SIGN_RESPONSE])?)?;
    let (name, bytes) = take(signature)?;
    let (bytes, after) = take(bytes)?;
    (name == ED25519 && rest.is_empty() && after.is_empty()).then_some(())?;
    bytes.try_into().ok()
}

fn fingerprint(blob: &[u8]) -> String {
    let digest = orgo_spec::Digest::of(blob);
    format!("SHA256:{}", BASE64_NOPAD.encode(digest.as_bytes()))
}

#[cfg(test)]
pub(super) mod tests;
