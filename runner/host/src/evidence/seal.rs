//! Sealing: the only home of `age`. Files are binary age v1 files for X25519 recipients; `age -d` opens them too.

use std::io::{Read, Write};
use std::path::Path;
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};

use super::EvidenceError;
use crate::key::read_private;

/// Who can open what is sealed.
pub(super) struct Recipients(Vec<Recipient>);

impl Recipients {
    pub(super) fn parse(texts: &[String]) -> Result<Self, EvidenceError> {
        let one = |text: &String| Recipient::from_str(text).map_err(|_| EvidenceError::Recipient(text.clone()));
        texts.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Seals everything that `from` gives.
    pub(super) fn seal(&self, from: &mut impl Read, to: impl Write) -> Result<(), EvidenceError> {
        let failed = |e: &dyn std::fmt::Display| EvidenceError::Seal(e.to_string());
        let recipients = self.0.iter().map(|r| r as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(|e| failed(&e))?;
        let mut writer = encryptor.wrap_output(to).map_err(|e| failed(&e))?;
        std::io::copy(from, &mut writer).map_err(|e| failed(&e))?;
        writer.finish().map(drop).map_err(|e| failed(&e))
    }
}

/// The identities at hand.
#[derive(Default)]
pub struct Identities(Vec<Identity>);

/// Why a sealed file was not opened.
pub(super) enum NotOpened {
    /// No identity at hand is one of its recipients.
    NotOurs,
    /// It is no sealed file, or was altered.
    Altered,
}

impl Identities {
    /// Reads identities from files: regular, the user's own, mode 0600. A line is an identity, a comment or empty.
    ///
    /// # Errors
    /// [`EvidenceError::Key`] for a file that others could read, [`EvidenceError::Identity`] for one without identities.
    pub fn read<'p>(files: impl IntoIterator<Item = &'p Path>) -> Result<Self, EvidenceError> {
        let mut identities = Vec::new();
        for path in files {
            let bytes = read_private(path)?;
            let none = || EvidenceError::Identity(path.to_owned());
            let text = std::str::from_utf8(&bytes).map_err(|_| none())?;
            let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
            let before = identities.len();
            for line in lines {
                identities.push(Identity::from_str(line).map_err(|_| none())?);
            }
            if identities.len() == before {
                return Err(none());
            }
        }
        Ok(Self(identities))
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Opens a sealed file.
    pub(super) fn open<'r>(&self, sealed: impl Read + 'r) -> Result<Box<dyn Read + 'r>, NotOpened> {
        let decryptor = age::Decryptor::new(sealed).map_err(|_| NotOpened::Altered)?;
        match decryptor.decrypt(self.0.iter().map(|i| i as &dyn age::Identity)) {
            Ok(reader) => Ok(Box::new(reader)),
            Err(age::DecryptError::NoMatchingKeys) => Err(NotOpened::NotOurs),
            Err(_) => Err(NotOpened::Altered),
        }
    }
}

/// Makes an identity in a new file of mode 0600; returns its recipient.
///
/// # Errors
/// [`EvidenceError::Key`] if the file is there already or cannot be written.
pub fn new_identity(path: &Path) -> Result<String, EvidenceError> {
    let identity = Identity::generate();
    let recipient = identity.to_public().to_string();
    let text =
        zeroize::Zeroizing::new(format!("# public key: {recipient}\n{}\n", identity.to_string().expose_secret()));
    crate::key::write_private(path, text.as_bytes())?;
    Ok(recipient)
}
