//! Key files: five lines of text, read from a descriptor that was checked, written whole or not at all.
//!
//! ```text
//! orgo private key 1
//! role runner
//! class development
//! public ssh-ed25519 AAAA…
//! secret <64 hexadecimal digits>
//! ```

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use data_encoding::HEXLOWER;
use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use super::{KeyClass, KeyError, PrivateKey, Role, user};

const HEAD: &str = "orgo private key 1";
/// A key file has about 260 bytes.
const MAX_BYTES: usize = 1024;

pub(super) fn load(path: &Path) -> Result<PrivateKey, KeyError> {
    let unusable = |why: &str| KeyError::Unusable { path: path.to_owned(), why: why.to_owned() };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(rustix::io::Errno::LOOP) => return Err(unusable("it is a link")),
        Err(errno) => return Err(KeyError::io(path)(errno.into())),
    };
    // Everything is asked of the open descriptor: the name could point elsewhere by now.
    let meta = file.metadata().map_err(KeyError::io(path))?;
    if !meta.is_file() {
        return Err(unusable("it is not a regular file"));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(unusable("it belongs to another user"));
    }
    if meta.mode() & 0o7177 != 0 {
        return Err(unusable("its mode is not 0600"));
    }
    let mut text = Zeroizing::new([0u8; MAX_BYTES]);
    let mut length = 0;
    loop {
        match file.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(KeyError::io(path)(e)),
        }
    }
    parse(&text[..length], path).ok_or_else(|| KeyError::Malformed { path: path.to_owned() })
}

/// Parses without copying the secret: all slices point into the caller's wiped buffer.
fn parse(text: &[u8], path: &Path) -> Option<PrivateKey> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
    let mut lines = text.split('\n');
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    if field("orgo")? != &HEAD["orgo ".len()..] {
        return None;
    }
    let role: Role = field("role")?.parse().ok()?;
    let class = [KeyClass::Development, KeyClass::Standard].into_iter();
    let said = field("class")?;
    let class = class.into_iter().find(|c| c.as_str() == said)?;
    let public = field("public")?.parse().ok()?;
    let secret = field("secret")?.as_bytes();
    let mut seed = Zeroizing::new([0u8; 32]);
    if lines.next().is_some() || secret.len() != 64 || HEXLOWER.decode_mut(secret, seed.as_mut()).is_err() {
        return None;
    }
    let key = PrivateKey::from_seed(&seed, role, class, path);
    (key.public == public).then_some(key)
}

pub(super) fn create(path: &Path, role: Role, class: KeyClass) -> Result<PrivateKey, KeyError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    user::private_folder(folder)?;
    let mut seed = Zeroizing::new([0u8; 32]);
    getrandom::fill(seed.as_mut()).map_err(|e| KeyError::io(path)(std::io::Error::other(e.to_string())))?;
    let key = PrivateKey::from_seed(&seed, role, class, path);

    let mut secret = Zeroizing::new([0u8; 64]);
    HEXLOWER.encode_mut(seed.as_ref(), secret.as_mut());
    let public = key.public.to_string();
    let head = format!("{HEAD}\nrole {role}\nclass {}\npublic {public}\nsecret ", class.as_str());
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    for part in [head.as_bytes(), secret.as_ref(), b"\n"] {
        text.extend_from_slice(part);
    }

    let mut nonce = [0u8; 8];
    getrandom::fill(&mut nonce).map_err(|e| KeyError::io(path)(std::io::Error::other(e.to_string())))?;
    let temporary = folder.join(format!(".new-{}", HEXLOWER.encode(&nonce)));
    let written = write_new(&temporary, &text)
        // A hard link fails if the name is taken; a rename would replace a key that someone needs.
        .and_then(|()| std::fs::hard_link(&temporary, path))
        .and_then(|()| File::open(folder)?.sync_all());
    let cleared = std::fs::remove_file(&temporary);
    match written {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Err(KeyError::Exists { path: path.to_owned() }),
        other => other.and(cleared).map(|()| key).map_err(KeyError::io(path)),
    }
}

fn write_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use orgo_spec::ReasonCode;

    use super::super::UserDir;
    use super::*;

    fn home() -> (tempfile::TempDir, UserDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let user = UserDir::at(folder.path().join("home"));
        (folder, user)
    }

    #[test]
    fn a_development_key_is_made_once_and_marked() {
        let (_folder, user) = home();
        let made = user.key_or_development(Role::Runner).expect("made");
        let again = user.key_or_development(Role::Runner).expect("read");
        assert_eq!(made.public(), again.public());
        assert_eq!(again.class(), KeyClass::Development);
        assert_ne!(made.public(), user.key_or_development(Role::Git).expect("made").public(), "one key, one duty");
        let mode = std::fs::metadata(made.path()).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(user.keys().expect("a list").len(), 2, "no temporary file is left");
    }

    #[test]
    fn a_key_that_others_could_read_or_swap_is_refused() {
        let (_folder, user) = home();
        let key = user.key_or_development(Role::Runner).expect("made");
        let path = key.path();
        for mode in [0o640, 0o604, 0o700, 0o4600] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
            let refused = user.key_or_development(Role::Runner).map(|_| ()).map_err(|e| e.code());
            assert_eq!(refused, Err(ReasonCode::KeyUnusable), "{mode:o}");
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
        let moved = path.with_extension("moved");
        std::fs::rename(path, &moved).expect("rename");
        std::os::unix::fs::symlink(&moved, path).expect("a link");
        assert!(matches!(PrivateKey::load(path), Err(KeyError::Unusable { .. })), "a link is refused");
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let (_folder, user) = home();
        let key = user.key_or_development(Role::Root).expect("made");
        assert!(matches!(PrivateKey::create(key.path(), Role::Root, KeyClass::Standard), Err(KeyError::Exists { .. })));
        assert_eq!(user.key(Role::Root).expect("still there").public(), key.public());
    }

    #[test]
    fn a_damaged_key_file_is_refused_and_not_replaced() {
        let (_folder, user) = home();
        let key = user.key_or_development(Role::Git).expect("made");
        let good = std::fs::read_to_string(key.path()).expect("text");
        let other = PrivateKey::create(&key.path().with_extension("2"), Role::Git, KeyClass::Standard).expect("made");
        for damaged in [
            String::new(),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            good.replace("key 1", "key 2"),
            good.replace("class development", "class trusted"),
            good.replace(&key.public().to_string(), &other.public().to_string()),
            good.replace("secret ", "secret 0"),
        ] {
            std::fs::write(key.path(), &damaged).expect("written");
            assert!(matches!(user.key_or_development(Role::Git), Err(KeyError::Malformed { .. })), "{damaged}");
            assert_eq!(std::fs::read_to_string(key.path()).expect("text"), damaged);
        }
    }

    #[test]
    fn a_key_signs_only_what_its_role_is_for() {
        let (_folder, user) = home();
        let code = |e: KeyError| e.code();
        let git = user.key_or_development(Role::Git).expect("made");
        let runner = user.key_or_development(Role::Runner).expect("made");
        assert_eq!(git.sign_payload(b"x").map_err(code), Err(ReasonCode::KeyScopeMismatch));
        assert_eq!(runner.sign_commit(b"x").map_err(code), Err(ReasonCode::KeyScopeMismatch));
        assert!(git.sign_commit(b"x").is_ok_and(|s| s.verifies(b"x")));
        let (public, signature) = runner.sign_payload(b"x").expect("its duty");
        assert!(public.verifies(&orgo_spec::signature::pae(orgo_spec::signature::PAYLOAD_TYPE, b"x"), &signature));
    }
}
