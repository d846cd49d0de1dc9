//! The few messages of the Remote Execution API v2 that make a key, encoded by hand.
//!
//! Field numbers are those of `build/bazel/remote/execution/v2/remote_execution.proto`. Protocol
//! buffers have no canonical form; ours is the one every generator emits: fields in the order of
//! their numbers, defaults left out, repeated fields sorted by the caller. Golden vectors, made with
//! the public protocol crate, hold it.

use orgo_spec::Digest;

/// Digest and length of a message or file: `Digest` of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Blob {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size_bytes: u64,
}

impl Blob {
    /// The blob of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
    }
}

/// Writes protocol buffer fields.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn tag(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    /// A length-delimited field, present even when empty (sub-messages, elements of repeated fields).
    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A scalar string or bytes field: left out when empty.
    pub(super) fn text(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            self.bytes(field, value);
        }
    }

    /// A scalar integer field: left out when zero.
    pub(super) fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, 0);
            self.varint(value);
        }
    }

    pub(super) fn blob(&mut self, field: u32, blob: Blob) {
        let mut hex = [0u8; 64];
        data_hex(blob.digest.as_bytes(), &mut hex);
        let mut inner = Self(Vec::with_capacity(80));
        inner.bytes(1, &hex);
        inner.number(2, blob.size_bytes);
        self.bytes(field, &inner.0);
    }
}

fn data_hex(bytes: &[u8; 32], out: &mut [u8; 64]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// `Platform`: properties sorted by name.
fn platform(properties: &[(&str, &str)]) -> Vec<u8> {
    let mut message = Message::default();
    for (name, value) in properties {
        message.bytes(1, &pair(name, value));
    }
    message.finish()
}

/// `EnvironmentVariable` and `Platform.Property` have the same two fields.
fn pair(name: &str, value: &str) -> Vec<u8> {
    let mut message = Message::default();
    message.text(1, name.as_bytes());
    message.text(2, value.as_bytes());
    message.finish()
}

/// Fields of `Command` that we set.
#[derive(Debug, Clone, Copy)]
pub struct Command<'c> {
    /// Program and arguments.
    pub arguments: &'c [String],
    /// Environment, sorted by name.
    pub environment: &'c [(String, String)],
    /// Declared outputs, sorted.
    pub output_paths: &'c [String],
    /// Platform properties, sorted by name.
    pub platform: &'c [(&'c str, &'c str)],
}

impl Command<'_> {
    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut message = Message::default();
        for argument in self.arguments {
            message.bytes(1, argument.as_bytes());
        }
        for (name, value) in self.environment {
            message.bytes(2, &pair(name, value));
        }
        if !self.platform.is_empty() {
            message.bytes(5, &platform(self.platform));
        }
        for path in self.output_paths {
            message.bytes(7, path.as_bytes());
        }
        message.finish()
    }
}

/// Fields of `Action` that we set.
#[derive(Debug, Clone, Copy)]
pub struct ActionMessage<'c> {
    /// The command.
    pub command: Blob,
    /// The root of the input tree.
    pub input_root: Blob,
    /// Killed after this many milliseconds, if at all.
    pub timeout_ms: Option<u64>,
    /// Whether results are kept out of every cache.
    pub do_not_cache: bool,
    /// Canonical JSON: format, tools, view.
    pub salt: &'c [u8],
    /// As in the command: old servers read one, new servers the other.
    pub platform: &'c [(&'c str, &'c str)],
}

impl ActionMessage<'_> {
    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut message = Message::default();
        message.blob(1, self.command);
        message.blob(2, self.input_root);
        if let Some(timeout_ms) = self.timeout_ms {
            let mut timeout = Message::default();
            timeout.number(1, timeout_ms / 1000);
            timeout.number(2, timeout_ms % 1000 * 1_000_000);
            message.bytes(6, &timeout.finish());
        }
        message.number(7, u64::from(self.do_not_cache));
        message.text(9, self.salt);
        if !self.platform.is_empty() {
            message.bytes(10, &platform(self.platform));
        }
        message.finish()
    }
}
