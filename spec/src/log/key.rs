//! Keys of signed notes (C2SP signed-note): Ed25519, signature type 0x01.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use super::note::NoteError;
use crate::signature::PublicKey;
use crate::{Digest, base64};

/// The signature type of Ed25519.
const ED25519: u8 = 1;

/// A key under the name that its signatures carry. Its text form (a *vkey*) is `NAME+ID+KEY`: the id in 8
/// hexadecimal digits, the key in base64 behind its type byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKey {
    name: String,
    key: PublicKey,
}

impl NoteKey {
    /// Names a key.
    ///
    /// # Errors
    /// [`NoteError::KeyName`] for a name that is empty, has a space, a plus sign or a control character, or
    /// is longer than 255 bytes.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, NoteError> {
        if name.len() > 255 || !is_key_name(name) {
            return Err(NoteError::KeyName);
        }
        Ok(Self { name: name.to_owned(), key })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The four bytes by which signatures name the key.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let named = [self.name.as_bytes(), &[b'\n', ED25519], self.key.as_bytes()].concat();
        let [a, b, c, d, ..] = *Digest::of(&named).as_bytes();
        [a, b, c, d]
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id()), base64::encode(&key))
    }
}

impl FromStr for NoteKey {
    type Err = NoteError;

    /// Reads exactly what [`NoteKey`] displays.
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::KeyText);
        };
        let bytes = base64::decode(key.as_bytes()).ok_or(NoteError::KeyText)?;
        let bytes = bytes.strip_prefix(&[ED25519]).and_then(|b| b.try_into().ok()).ok_or(NoteError::KeyText)?;
        let key = Self::new(name, PublicKey::from_bytes(bytes)?)?;
        if key.to_string() == text { Ok(key) } else { Err(NoteError::KeyText) }
    }
}

/// The rule of C2SP for key names, and no control characters.
pub(super) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}
