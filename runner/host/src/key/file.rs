//! Key files: read from a descriptor that was checked, written whole or not at all.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use super::text::{self, MAX_BYTES, Seed};
use super::{Holder, KeyClass, KeyError, KeyRef, PrivateKey, Role, user};

/// The bytes of a private file: regular, no link, the user's own, mode 0600 or less.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let unusable = |why: &str| KeyError::unusable(path, why);
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
    let mut text = Zeroizing::new(vec![0u8; MAX_BYTES + 1]);
    let mut length = 0;
    while length < text.len() {
        match file.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(KeyError::io(path)(e)),
        }
    }
    if length > MAX_BYTES {
        return Err(KeyError::Malformed { path: path.to_owned() });
    }
    text.truncate(length);
    Ok(text)
}

/// Makes a key and stores it in our own form.
pub(super) fn create(path: &Path, role: Role, class: KeyClass) -> Result<PrivateKey, KeyError> {
    let seed = new_seed(path)?;
    store(path, &text::plain(&seed, role, class))?;
    Ok(key(&seed, role, class, path))
}

/// Makes a key and stores it in the OpenSSH format, locked with a passphrase.
pub(super) fn create_locked(path: &Path, role: Role, passphrase: &[u8]) -> Result<PrivateKey, KeyError> {
    let seed = new_seed(path)?;
    let text = text::sealed(&seed, role, passphrase).map_err(|why| KeyError::unusable(path, why))?;
    store(path, &text)?;
    Ok(key(&seed, role, KeyClass::Standard, path))
}

fn key(seed: &Seed, role: Role, class: KeyClass, path: &Path) -> PrivateKey {
    let source = KeyRef::File(path.to_owned());
    let holder = Holder::Memory(SigningKey::from_bytes(seed));
    PrivateKey { holder, public: text::public_of(seed), role, class, source }
}

fn new_seed(path: &Path) -> Result<Seed, KeyError> {
    let mut seed = Zeroizing::new([0u8; 32]);
    getrandom::fill(seed.as_mut()).map_err(|e| KeyError::io(path)(std::io::Error::other(e.to_string())))?;
    Ok(seed)
}

/// Writes a file that was not there.
pub(crate) fn store(path: &Path, text: &[u8]) -> Result<(), KeyError> {
    // A hard link fails if the name is taken; a rename would replace a key that someone needs.
    let link = |temporary: &Path| {
        let linked = std::fs::hard_link(temporary, path);
        linked.and(std::fs::remove_file(temporary))
    };
    match put(path, text, link) {
        Err(KeyError::Io { error, .. }) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(KeyError::Exists { path: path.to_owned() })
        }
        other => other,
    }
}

/// Writes a file, in place of one that is there.
pub(super) fn replace(path: &Path, text: &[u8]) -> Result<(), KeyError> {
    put(path, text, |temporary| std::fs::rename(temporary, path))
}

/// Writes beside `path`, flushes, and lets `place` put it there.
fn put(path: &Path, text: &[u8], place: impl Fn(&Path) -> std::io::Result<()>) -> Result<(), KeyError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    user::private_folder(folder)?;
    let mut nonce = [0u8; 8];
    getrandom::fill(&mut nonce).map_err(|e| KeyError::io(path)(std::io::Error::other(e.to_string())))?;
    let temporary: PathBuf = folder.join(format!(".new-{}", HEXLOWER.encode(&nonce)));
    let written =
        write_new(&temporary, text).and_then(|()| place(&temporary)).and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary); // gone already if it was placed
    }
    written.map_err(KeyError::io(path))
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
        let mode = std::fs::metadata(made.path().expect("a file")).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(user.keys().expect("a list").len(), 2, "no temporary file is left");
    }

    #[test]
    fn a_key_that_others_could_read_or_swap_is_refused() {
        let (_folder, user) = home();
        let key = user.key_or_development(Role::Runner).expect("made");
        let path = key.path().expect("a file");
        for mode in [0o640, 0o604, 0o700, 0o4600] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
            let refused = user.key_or_development(Role::Runner).map(|_| ()).map_err(|e| e.code());
            assert_eq!(refused, Err(ReasonCode::KeyUnusable), "{mode:o}");
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
        let moved = path.with_extension("moved");
        std::fs::rename(path, &moved).expect("rename");
        std::os::unix::fs::symlink(&moved, path).expect("a link");
        assert!(matches!(user.key(Role::Runner), Err(KeyError::Unusable { .. })), "a link is refused");
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let (_folder, user) = home();
        let key = user.key_or_development(Role::Root).expect("made");
        assert!(matches!(
            PrivateKey::create(key.path().expect("a file"), Role::Root, KeyClass::Standard),
            Err(KeyError::Exists { .. })
        ));
        assert_eq!(user.key(Role::Root).expect("still there").public(), key.public());
    }

    #[test]
    fn a_damaged_key_file_is_refused_and_not_replaced() {
        let (_folder, user) = home();
        let key = user.key_or_development(Role::Git).expect("made");
        let path = key.path().expect("a file").to_owned();
        let good = std::fs::read_to_string(&path).expect("text");
        let other = PrivateKey::create(&path.with_extension("2"), Role::Git, KeyClass::Standard).expect("made");
        for damaged in [
            String::new(),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            good.replace("key 1", "key 2"),
            good.replace("class development", "class trusted"),
            good.replace(&key.public().to_string(), &other.public().to_string()),
            good.replace("secret ", "secret 0"),
        ] {
            std::fs::write(&path, &damaged).expect("written");
            assert!(matches!(user.key_or_development(Role::Git), Err(KeyError::Malformed { .. })), "{damaged}");
            assert_eq!(std::fs::read_to_string(&path).expect("text"), damaged);
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
