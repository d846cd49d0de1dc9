//! The texts of private keys: our own five lines, and the OpenSSH format for keys with a passphrase.
//!
//! ```text
//! orgo private key 1
//! role runner
//! class development
//! public ssh-ed25519 AAAA…
//! secret <64 hexadecimal digits>
//! ```
//!
//! An OpenSSH file (`PROTOCOL.key`) knows no duty and no class: the duty is the one that it is used for.

use data_encoding::HEXLOWER;
use orgo_spec::signature::{KeyError as PublicKeyError, PublicKey};
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, Cipher, Kdf, LineEnding};
use zeroize::Zeroizing;

use super::{KeyClass, Role};

const HEAD: &str = "orgo private key 1";
const OPENSSH: &[u8] = b"-----BEGIN OPENSSH PRIVATE KEY-----";
/// More than any key file of either form has; comments are short.
pub(super) const MAX_BYTES: usize = 4096;
/// Rounds of bcrypt that are accepted (about ten seconds); `ssh-keygen` writes 16 or 24 unless told.
const MAX_ROUNDS: u32 = 1000;
/// Rounds of bcrypt that are written.
const ROUNDS: u32 = 24;

pub(super) type Seed = Zeroizing<[u8; 32]>;

/// What a text says about a key.
pub(super) struct Text {
    pub(super) role: Option<Role>,
    pub(super) class: KeyClass,
    pub(super) public: PublicKey,
    pub(super) secret: Secret,
}

pub(super) enum Secret {
    Seed(Seed),
    Sealed(Box<ssh_key::PrivateKey>),
}

/// Why a text is no usable key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TextError {
    Malformed,
    Weak,
    Other(String),
}

impl From<PublicKeyError> for TextError {
    fn from(error: PublicKeyError) -> Self {
        match error {
            PublicKeyError::Weak => Self::Weak,
            PublicKeyError::Malformed => Self::Malformed,
        }
    }
}

/// Reads either form. The public half always belongs to the seed.
pub(super) fn parse(text: &[u8]) -> Result<Text, TextError> {
    if text.starts_with(OPENSSH) { parse_openssh(text) } else { parse_plain(text) }
}

/// Parses without copying the secret: all slices point into the caller's wiped buffer.
fn parse_plain(text: &[u8]) -> Result<Text, TextError> {
    const WRONG: TextError = TextError::Malformed;
    let text = std::str::from_utf8(text).ok().and_then(|t| t.strip_suffix('\n')).ok_or(WRONG)?;
    let mut lines = text.split('\n');
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    if field("orgo").ok_or(WRONG)? != &HEAD["orgo ".len()..] {
        return Err(WRONG);
    }
    let role: Role = field("role").and_then(|r| r.parse().ok()).ok_or(WRONG)?;
    let said = field("class").ok_or(WRONG)?;
    let mut classes = [KeyClass::Development, KeyClass::Standard].into_iter();
    let class = classes.find(|c| c.as_str() == said).ok_or(WRONG)?;
    let public: PublicKey = field("public").ok_or(WRONG)?.parse()?;
    let secret = field("secret").ok_or(WRONG)?.as_bytes();
    let mut seed = Zeroizing::new([0u8; 32]);
    if lines.next().is_some() || secret.len() != 64 || HEXLOWER.decode_mut(secret, seed.as_mut()).is_err() {
        return Err(WRONG);
    }
    if public_of(&seed) != public {
        return Err(WRONG);
    }
    Ok(Text { role: Some(role), class, public, secret: Secret::Seed(seed) })
}

fn parse_openssh(text: &[u8]) -> Result<Text, TextError> {
    let key = ssh_key::PrivateKey::from_openssh(text)
        .map_err(|_| TextError::Other("it is damaged, or no ed25519 key in the OpenSSH format".to_owned()))?;
    let KeyData::Ed25519(bytes) = key.public_key().key_data() else {
        let kind = key.algorithm();
        return Err(TextError::Other(if kind == Algorithm::SkEd25519 {
            "it is a security key: its signatures carry a counter that verifiers of records do not accept".to_owned()
        } else {
            format!("it is of the kind `{kind}`; only `ssh-ed25519` keys can sign")
        }));
    };
    let public = PublicKey::from_bytes(&bytes.0)?;
    if let Kdf::Bcrypt { rounds, .. } = key.kdf()
        && *rounds > MAX_ROUNDS
    {
        return Err(TextError::Other(format!("it asks for {rounds} rounds of bcrypt; at most {MAX_ROUNDS}")));
    }
    let secret = if key.is_encrypted() {
        Secret::Sealed(Box::new(key))
    } else {
        Secret::Seed(seed_of(&key, &public).ok_or(TextError::Malformed)?)
    };
    Ok(Text { role: None, class: KeyClass::Standard, public, secret })
}

/// Opens a sealed key; nothing if the passphrase is wrong or what was sealed does not fit the public half.
pub(super) fn unseal(sealed: &ssh_key::PrivateKey, public: &PublicKey, passphrase: &[u8]) -> Option<Seed> {
    seed_of(&sealed.decrypt(passphrase).ok()?, public)
}

fn seed_of(key: &ssh_key::PrivateKey, public: &PublicKey) -> Option<Seed> {
    let KeypairData::Ed25519(pair) = key.key_data() else { return None };
    let mut seed = Zeroizing::new([0u8; 32]);
    seed.copy_from_slice(pair.private.as_ref());
    (public_of(&seed) == *public).then_some(seed)
}

/// The public half of a seed.
pub(super) fn public_of(seed: &Seed) -> PublicKey {
    PublicKey::from_bytes(ed25519_dalek::SigningKey::from_bytes(seed).verifying_key().as_bytes())
        .expect("a clamped scalar times the base point is a canonical point of large order")
}

/// Our own form.
pub(super) fn plain(seed: &Seed, role: Role, class: KeyClass) -> Zeroizing<Vec<u8>> {
    let mut secret = Zeroizing::new([0u8; 64]);
    HEXLOWER.encode_mut(seed.as_ref(), secret.as_mut());
    let public = public_of(seed);
    let head = format!("{HEAD}\nrole {role}\nclass {}\npublic {public}\nsecret ", class.as_str());
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    for part in [head.as_bytes(), secret.as_ref(), b"\n"] {
        text.extend_from_slice(part);
    }
    text
}

/// The OpenSSH format, sealed with bcrypt-pbkdf and aes256-ctr as `ssh-keygen` does.
pub(super) fn sealed(seed: &Seed, role: Role, passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut random = [0u8; 20];
    getrandom::fill(&mut random).map_err(|e| e.to_string())?;
    let (salt, check) = random.split_at(16);
    let check = u32::from_be_bytes([check[0], check[1], check[2], check[3]]);
    let pair = Ed25519Keypair {
        public: Ed25519PublicKey(*public_of(seed).as_bytes()),
        private: Ed25519PrivateKey::from_bytes(seed),
    };
    let text = ssh_key::PrivateKey::new(KeypairData::Ed25519(pair), format!("orgo {role}"))
        .and_then(|k| {
            let kdf = Kdf::Bcrypt { salt: salt.to_vec(), rounds: ROUNDS };
            k.encrypt_with(Cipher::Aes256Ctr, kdf, check, passphrase)
        })
        .and_then(|k| k.to_openssh(LineEnding::LF))
        .map_err(|e| e.to_string())?;
    Ok(Zeroizing::new(text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u8; 32] = [7; 32];

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_only() {
        let seed = Zeroizing::new(SEED);
        let text = sealed(&seed, Role::Runner, b"pw").expect("sealed");
        let read = parse(&text).expect("our own text");
        assert_eq!((read.role, read.class), (None, KeyClass::Standard));
        let Secret::Sealed(key) = read.secret else { panic!("it is sealed") };
        assert!(unseal(&key, &read.public, b"pw").is_some_and(|s| *s == SEED));
        assert!(unseal(&key, &read.public, b"pW").is_none());
        assert!(unseal(&key, &read.public, b"").is_none());
    }

    #[test]
    fn a_weak_public_half_is_refused_in_either_form() {
        let good = plain(&Zeroizing::new(SEED), Role::Git, KeyClass::Standard);
        let good = std::str::from_utf8(&good).expect("text");
        let weak = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let swapped = good.replace(&public_of(&Zeroizing::new(SEED)).to_string(), weak);
        assert_eq!(parse(swapped.as_bytes()).err(), Some(TextError::Weak));

        let mut point = [0u8; 32];
        point[0] = 1;
        let pair = Ed25519Keypair { public: Ed25519PublicKey(point), private: Ed25519PrivateKey::from_bytes(&SEED) };
        let key = ssh_key::PrivateKey::new(KeypairData::Ed25519(pair), "").expect("a key");
        let text = key.to_openssh(LineEnding::LF).expect("text");
        assert_eq!(parse(text.as_bytes()).err(), Some(TextError::Weak));
    }

    #[test]
    fn a_public_half_of_another_key_is_refused() {
        let other = *public_of(&Zeroizing::new([8; 32])).as_bytes();
        let pair = Ed25519Keypair { public: Ed25519PublicKey(other), private: Ed25519PrivateKey::from_bytes(&SEED) };
        let key = ssh_key::PrivateKey::new(KeypairData::Ed25519(pair), "").expect("a key");
        let text = key.to_openssh(LineEnding::LF).expect("text");
        assert_eq!(parse(text.as_bytes()).err(), Some(TextError::Malformed));
    }

    #[test]
    fn a_text_that_asks_for_endless_work_is_refused() {
        let seed = Zeroizing::new(SEED);
        let text = sealed(&seed, Role::Runner, b"pw").expect("sealed");
        let key = ssh_key::PrivateKey::from_openssh(&*text).expect("our own text");
        let mut bytes = key.to_bytes().expect("bytes").to_vec();
        let at = bytes.windows(4).position(|w| w == ROUNDS.to_be_bytes()).expect("the rounds");
        let salt_after = bytes.windows(6).position(|w| w == b"bcrypt").expect("the kdf") + 6 + 4 + 4 + 16;
        assert!(at <= salt_after);
        bytes[salt_after..salt_after + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        let key = ssh_key::PrivateKey::from_bytes(&bytes).expect("well formed");
        let text = key.to_openssh(LineEnding::LF).expect("text");
        assert!(matches!(parse(text.as_bytes()), Err(TextError::Other(why)) if why.contains("rounds")));
    }
}
