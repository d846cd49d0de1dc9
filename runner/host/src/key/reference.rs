//! References to keys: where a key is, never the key itself.
//!
//! | text | the key |
//! |---|---|
//! | `file:PATH` | a key file |
//! | `agent:SHA256:FINGERPRINT`, `agent:ssh-ed25519 AAAA…` | a key that an ssh-agent holds |
//! | `env:NAME` | the text of a key file in an environment variable |

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use data_encoding::BASE64_NOPAD;
use orgo_spec::ReasonCode;
use orgo_spec::signature::{KeyError as PublicKeyError, PublicKey};

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRef {
    /// A key file of either form.
    File(PathBuf),
    /// A key that an ssh-agent holds.
    Agent(AgentKey),
    /// The text of a key file in the environment variable of this name.
    Env(String),
}

/// Which of an agent's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentKey {
    /// What `ssh-add -l` prints: `SHA256:` and 43 base64 characters.
    Fingerprint(String),
    /// What `ssh-add -L` prints, without the comment.
    Public(Box<PublicKey>),
}

/// Why a text is no reference to a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum KeyRefError {
    #[error("`{0}` is no reference to a key (`file:PATH`, `agent:SHA256:…`, `agent:ssh-ed25519 AAAA…`, `env:NAME`)")]
    Form(String),
    #[error("`{0}` is no path that a line of text can hold")]
    Path(String),
    #[error("`{0}` is no name of an environment variable (letters, digits and `_`, no digit first)")]
    Variable(String),
    #[error("`{0}` is no fingerprint (`SHA256:` and 43 characters, as `ssh-add -l` prints it)")]
    Fingerprint(String),
    #[error("`{0}` is no OpenSSH ed25519 public key (two words, without a comment)")]
    Public(String),
    #[error(
        "security keys (`sk-ssh-ed25519`) cannot be used: they sign a counter along with the data, which \
         verifiers of records do not accept"
    )]
    SecurityKey,
    #[error("the public key is weak or not canonical")]
    Weak,
}

impl KeyRefError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Weak => ReasonCode::KeyWeak,
            Self::Form(_)
            | Self::Path(_)
            | Self::Variable(_)
            | Self::Fingerprint(_)
            | Self::Public(_)
            | Self::SecurityKey => ReasonCode::KeyUnusable,
        }
    }
}

impl FromStr for KeyRef {
    type Err = KeyRefError;

    fn from_str(text: &str) -> Result<Self, KeyRefError> {
        let form = || KeyRefError::Form(text.escape_debug().to_string());
        let (scheme, rest) = text.split_once(':').ok_or_else(form)?;
        let shown = || rest.escape_debug().to_string();
        match scheme {
            "file" if rest.is_empty() || rest.chars().any(char::is_control) => Err(KeyRefError::Path(shown())),
            "file" => Ok(Self::File(PathBuf::from(rest))),
            "env" if is_variable(rest) => Ok(Self::Env(rest.to_owned())),
            "env" => Err(KeyRefError::Variable(shown())),
            "agent" => rest.parse().map(Self::Agent),
            _ => Err(form()),
        }
    }
}

impl FromStr for AgentKey {
    type Err = KeyRefError;

    fn from_str(text: &str) -> Result<Self, KeyRefError> {
        let shown = || text.escape_debug().to_string();
        if let Some(digest) = text.strip_prefix("SHA256:") {
            let good = BASE64_NOPAD.decode(digest.as_bytes()).is_ok_and(|d| d.len() == 32);
            return if good { Ok(Self::Fingerprint(text.to_owned())) } else { Err(KeyRefError::Fingerprint(shown())) };
        }
        if text.starts_with("sk-ssh-ed25519") {
            return Err(KeyRefError::SecurityKey);
        }
        match text.parse::<PublicKey>() {
            Ok(key) => Ok(Self::Public(Box::new(key))),
            Err(PublicKeyError::Weak) => Err(KeyRefError::Weak),
            Err(PublicKeyError::Malformed) => Err(KeyRefError::Public(shown())),
        }
    }
}

fn is_variable(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let mut bytes = name.bytes();
    bytes.next().is_some_and(letter) && bytes.all(|b| letter(b) || b.is_ascii_digit()) && name.len() <= 128
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Agent(AgentKey::Fingerprint(fingerprint)) => write!(f, "agent:{fingerprint}"),
            Self::Agent(AgentKey::Public(key)) => write!(f, "agent:{key}"),
            Self::Env(name) => write!(f, "env:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    const FINGERPRINT: &str = "SHA256:bz4BVooxBrsyl2fHsyoDUhf/unXsRKKtt5ZVo62ySa4";

    #[test]
    fn a_reference_has_one_text_form() {
        for text in [
            "file:/keys/runner",
            "file:a b:c",
            "env:ORGO_KEY_2",
            &format!("agent:{PUBLIC}"),
            &format!("agent:{FINGERPRINT}"),
        ] {
            assert_eq!(text.parse::<KeyRef>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "runner",
            "file:",
            "file:a\nb",
            "env:",
            "env:1A",
            "env:A-B",
            "pkcs11:x",
            "agent:",
            "agent:MD5:00",
            &format!("agent:{PUBLIC} comment"),
            &format!("agent:{FINGERPRINT}="),
            "agent:sk-ssh-ed25519@openssh.com AAAA",
        ] {
            let refused = text.parse::<KeyRef>().map_err(|e| e.code());
            assert_eq!(refused, Err(ReasonCode::KeyUnusable), "{text}");
        }
    }

    #[test]
    fn a_weak_public_key_is_no_reference() {
        let weak = "agent:ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(weak.parse::<KeyRef>().map_err(|e| e.code()), Err(ReasonCode::KeyWeak));
    }
}
