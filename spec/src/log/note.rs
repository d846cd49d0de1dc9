//! Signed notes: text and who signed it (C2SP signed-note).

use std::collections::BTreeSet;

use super::key::{NoteKey, is_key_name};
use crate::signature::KeyError;
use crate::{ReasonCode, base64};

/// The largest text of a note, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// The largest note with its signatures, in bytes: 8 KiB for each signature.
pub const MAX_NOTE_BYTES: usize = MAX_TEXT_BYTES + MAX_SIGNATURES * 8 * 1024;
/// The most signatures of a note.
pub const MAX_SIGNATURES: usize = 16;

/// What every signature line begins with.
const DASH: &str = "— ";

/// Why a note or the text of a key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NoteError {
    #[error("the note or its text is too large")]
    TooLarge,
    #[error("the note is not well formed: {0}")]
    Malformed(&'static str),
    #[error("the note has no signature")]
    Missing,
    #[error("the note is signed by none of the keys that are known")]
    KeyUnknown,
    #[error("the signature of `{0}` does not verify")]
    Invalid(String),
    #[error("the key is not `NAME+ID+KEY` of an Ed25519 key, or its id is another's")]
    KeyText,
    #[error("key names have no spaces, plus signs or control characters, and at most 255 bytes")]
    KeyName,
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl NoteError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::TooLarge => ReasonCode::InputTooLarge,
            Self::Malformed(_) | Self::KeyText | Self::KeyName => ReasonCode::SigMalformed,
            Self::Missing => ReasonCode::SigMissing,
            Self::KeyUnknown => ReasonCode::KeyUnknown,
            Self::Invalid(_) => ReasonCode::SigInvalid,
            Self::Key(error) => error.code(),
        }
    }
}

/// A signature line: whose it is said to be, and bytes that mean something to who knows that key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

/// A well-formed note. Nobody sees its text before [`SignedNote::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<Signature>,
}

/// The text of a note that verifies, and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedNote<'a> {
    text: &'a str,
    signers: BTreeSet<NoteKey>,
}

impl<'a> VerifiedNote<'a> {
    /// The text, with its final line feed.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The known keys that signed, each once.
    #[must_use]
    pub fn signers(&self) -> &BTreeSet<NoteKey> {
        &self.signers
    }

    /// The same, taken out.
    #[must_use]
    pub fn into_signers(self) -> BTreeSet<NoteKey> {
        self.signers
    }
}

impl SignedNote {
    /// Signs a text that ends with a line feed. `sign` gets the bytes of the text; what it gives is verified.
    ///
    /// # Errors
    /// What `sign` reports, or [`NoteError`] for a text that no note can have and for a wrong signature.
    pub fn sign<E: From<NoteError>>(
        text: &str,
        key: &NoteKey,
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<Self, E> {
        check_text(text)?;
        Self { text: text.to_owned(), signatures: Vec::new() }.and_sign(key, sign)
    }

    /// Adds the signature of another key.
    ///
    /// # Errors
    /// As [`SignedNote::sign`], and [`NoteError::TooLarge`] beyond [`MAX_SIGNATURES`].
    pub fn and_sign<E: From<NoteError>>(
        mut self,
        key: &NoteKey,
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<Self, E> {
        if self.signatures.len() >= MAX_SIGNATURES {
            return Err(NoteError::TooLarge.into());
        }
        let bytes = sign(self.text.as_bytes())?;
        if !key.key().verifies(self.text.as_bytes(), &bytes) {
            return Err(NoteError::Invalid(key.name().to_owned()).into());
        }
        self.signatures.push(Signature { name: key.name().to_owned(), key_id: key.id(), bytes: bytes.to_vec() });
        Ok(self)
    }

    /// The note as it is stored and sent.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut note = format!("{}\n", self.text);
        for Signature { name, key_id, bytes } in &self.signatures {
            let signature = base64::encode(&[key_id.as_slice(), bytes].concat());
            note.push_str(&format!("{DASH}{name} {signature}\n"));
        }
        note
    }

    /// Reads a note: text, empty line, one signature a line.
    ///
    /// # Errors
    /// [`NoteError`] for every text that [`SignedNote::to_text`] would not write.
    pub fn parse(note: &[u8]) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge);
        }
        let note = std::str::from_utf8(note).map_err(|_| NoteError::Malformed("it is not UTF-8"))?;
        let blank = note.rfind("\n\n").ok_or(NoteError::Malformed("no empty line separates text and signatures"))?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        check_text(text)?;
        if lines.is_empty() {
            return Err(NoteError::Missing);
        }
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("it has no final line feed"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::TooLarge);
            }
            signatures.push(Signature::parse(line).ok_or(NoteError::Malformed("a signature line"))?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Verifies the note with the keys that are known. Signatures of others are ignored; every signature of
    /// a known key must verify, and at least one must be there. A key that signed twice counts once.
    ///
    /// # Errors
    /// [`NoteError`]; nothing of the text was read then.
    pub fn verify(&self, known: &[NoteKey]) -> Result<VerifiedNote<'_>, NoteError> {
        let mut signers = BTreeSet::new();
        let known: Vec<_> = known.iter().map(|k| (k, k.id())).collect();
        for signature in &self.signatures {
            for (key, id) in &known {
                if key.name() != signature.name || *id != signature.key_id {
                    continue;
                }
                let bytes = signature.bytes.as_slice().try_into();
                if !bytes.is_ok_and(|bytes| key.key().verifies(self.text.as_bytes(), bytes)) {
                    return Err(NoteError::Invalid(key.name().to_owned()));
                }
                signers.insert((*key).clone());
            }
        }
        if signers.is_empty() {
            return Err(if self.signatures.is_empty() { NoteError::Missing } else { NoteError::KeyUnknown });
        }
        Ok(VerifiedNote { text: &self.text, signers })
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = base64::decode(signature.as_bytes())?;
        let (key_id, bytes) = bytes.split_first_chunk::<4>()?;
        let sound = is_key_name(name) && !bytes.is_empty();
        sound.then(|| Self { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(NoteError::TooLarge);
    }
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text has no final line feed"));
    }
    if text.contains(|c: char| c.is_control() && c != '\n') {
        return Err(NoteError::Malformed("the text has a control character"));
    }
    Ok(())
}
