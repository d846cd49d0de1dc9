//! From a reference to a key: what the command line says about sources, and how each is opened.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use ed25519_dalek::SigningKey;
use orgo_spec::signature::PublicKey;
use zeroize::Zeroizing;

use super::agent::{Agent, AgentError};
use super::text::{Secret, Text, TextError};
use super::{AgentKey, Holder, KeyClass, KeyError, KeyRef, Passphrases, PrivateKey, Role, file, text};

/// What the command line says about keys; all of it may be left out.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// References that replace what the user's folder says.
    pub references: BTreeMap<Role, KeyRef>,
    /// Where the ssh-agent listens; `SSH_AUTH_SOCK` unless told. It says where to ask: which key answers is
    /// pinned by the reference.
    pub agent_socket: Option<PathBuf>,
    /// Where passphrases come from.
    pub passphrases: Passphrases,
}

/// What is known of a key without its passphrase.
#[derive(Debug, Clone)]
pub struct KeyEntry {
    /// Its duty; none for a file that does not say and whose name is not a duty.
    pub role: Option<Role>,
    /// How it came to be.
    pub class: KeyClass,
    /// The public half.
    pub public: PublicKey,
    /// Where it is.
    pub source: KeyRef,
    /// Whether a passphrase locks it.
    pub locked: bool,
}

/// A key that was found; a passphrase may still lock it.
enum Found {
    Text(Text),
    Agent(Agent, PublicKey),
}

impl KeyEntry {
    /// Looks at the key that `reference` names, without asking for its passphrase. `role` is its duty if it
    /// does not say itself.
    ///
    /// # Errors
    /// [`KeyError`] for a key that is not there or could not be used.
    pub fn read(reference: &KeyRef, role: Option<Role>, sources: &Sources) -> Result<Self, KeyError> {
        let source = reference.clone();
        Ok(match find(reference, sources)? {
            Found::Text(text) => Self {
                role: text.role.or(role),
                class: text.class,
                public: text.public,
                source,
                locked: matches!(text.secret, Secret::Sealed(_)),
            },
            Found::Agent(_, public) => Self { role, class: KeyClass::Standard, public, source, locked: false },
        })
    }
}

impl PrivateKey {
    /// Opens the key that `reference` names, for the duty `role`.
    ///
    /// # Errors
    /// [`KeyError::Role`] if the key says that it has another duty, [`KeyError::Locked`] without the right
    /// passphrase, [`KeyError`] for a key that is not there or cannot be used.
    pub fn open(reference: &KeyRef, role: Role, sources: &Sources) -> Result<Self, KeyError> {
        let (public, class, holder) = match find(reference, sources)? {
            Found::Agent(agent, public) => (public, KeyClass::Standard, Holder::Agent(agent)),
            Found::Text(text) => {
                if let Some(have) = text.role.filter(|r| *r != role) {
                    return Err(KeyError::Role { have, need: role });
                }
                let seed = match (text.secret, reference) {
                    (Secret::Seed(seed), _) => seed,
                    (Secret::Sealed(sealed), KeyRef::File(path)) => sources
                        .passphrases
                        .unlock(path, |passphrase| text::unseal(&sealed, &text.public, passphrase))
                        .map_err(|why| KeyError::Locked { path: path.clone(), why })?,
                    (Secret::Sealed(_), KeyRef::Env(_) | KeyRef::Agent(_)) => {
                        return Err(unusable(reference, "a key in the environment cannot have a passphrase"));
                    }
                };
                (text.public, text.class, Holder::Memory(SigningKey::from_bytes(&seed)))
            }
        };
        Ok(Self { holder, public, role, class, source: reference.clone() })
    }
}

fn find(reference: &KeyRef, sources: &Sources) -> Result<Found, KeyError> {
    match reference {
        KeyRef::File(path) => {
            let text = file::read(path)?;
            text::parse(&text).map(Found::Text).map_err(|e| match e {
                TextError::Malformed => KeyError::Malformed { path: path.clone() },
                TextError::Weak => KeyError::Weak { reference: reference.clone() },
                TextError::Other(why) => unusable(reference, why),
            })
        }
        KeyRef::Env(name) => {
            let value = std::env::var_os(name).ok_or_else(|| unusable(reference, "the variable is not set"))?;
            let value = Zeroizing::new(value.into_vec());
            from_variable(&value).map(Found::Text).map_err(|e| match e {
                TextError::Malformed => unusable(reference, "the variable's value is no key"),
                TextError::Weak => KeyError::Weak { reference: reference.clone() },
                TextError::Other(why) => unusable(reference, why),
            })
        }
        KeyRef::Agent(wanted) => find_in_agent(reference, wanted, sources),
    }
}

/// Shells and CI systems drop the last line feed of a value, or add one.
fn from_variable(value: &[u8]) -> Result<Text, TextError> {
    let trimmed = value.trim_ascii_end();
    if trimmed.len() >= text::MAX_BYTES {
        return Err(TextError::Malformed);
    }
    let mut text = Zeroizing::new(Vec::with_capacity(trimmed.len() + 1));
    text.extend_from_slice(trimmed);
    text.push(b'\n');
    text::parse(&text)
}

fn find_in_agent(reference: &KeyRef, wanted: &AgentKey, sources: &Sources) -> Result<Found, KeyError> {
    let socket = match &sources.agent_socket {
        Some(path) => path.clone(),
        None => std::env::var_os("SSH_AUTH_SOCK")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .ok_or_else(|| unusable(reference, "no agent is known: `SSH_AUTH_SOCK` is not set"))?,
    };
    let agent = Agent::at(&socket);
    let public = agent.find(wanted).map_err(|e| of_agent(reference, e))?;
    Ok(Found::Agent(agent, public))
}

/// What an agent's refusal means for the key of this reference.
pub(super) fn of_agent(reference: &KeyRef, error: AgentError) -> KeyError {
    match error {
        AgentError::Weak => KeyError::Weak { reference: reference.clone() },
        AgentError::Why(why) => unusable(reference, why),
    }
}

fn unusable(reference: &KeyRef, why: impl Into<String>) -> KeyError {
    KeyError::Source { reference: reference.clone(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_holds_the_text_of_a_key_file_with_or_without_its_line_feed() {
        let seed = Zeroizing::new([5u8; 32]);
        let plain = text::plain(&seed, Role::Runner, KeyClass::Standard);
        let public = text::public_of(&seed);
        for value in [plain.as_slice(), plain.trim_ascii_end()] {
            assert_eq!(from_variable(value).map(|t| t.public).ok(), Some(public));
        }
        let said = std::str::from_utf8(&plain).expect("text");
        let weak = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let weak = said.replace(&public.to_string(), weak);
        assert_eq!(from_variable(weak.as_bytes()).err(), Some(TextError::Weak));
        for refused in [b"".as_slice(), b"secret", &[b'x'; 9000]] {
            assert_eq!(from_variable(refused).err(), Some(TextError::Malformed));
        }
    }
}
