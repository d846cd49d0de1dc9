use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use orgo_spec::ReasonCode;
use orgo_spec::signature::{PAYLOAD_TYPE, pae};
use zeroize::Zeroizing;

use super::super::agent::tests::{RealAgent, run};
use super::super::{Passphrases, Sources};
use super::*;

const WEAK: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn home() -> (tempfile::TempDir, UserDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let user = UserDir::at(folder.path().join("home"));
    std::fs::create_dir_all(user.keys_folder()).expect("a folder");
    (folder, user)
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
}

/// The user with passphrases from a file that says `passphrase`.
fn knowing(user: &UserDir, folder: &Path, passphrase: &str) -> UserDir {
    let path = folder.join("passphrase");
    private(&path, &format!("{passphrase}\n"));
    let sources = Sources { passphrases: Passphrases::file(path), ..user.sources().clone() };
    user.clone().with_sources(sources)
}

fn code<T>(result: Result<T, KeyError>) -> Option<ReasonCode> {
    result.map_err(|e| e.code()).err()
}

#[test]
fn a_key_of_an_agent_signs_records_commits_and_notes_each_for_its_duty() {
    let agent = RealAgent::start();
    let (_folder, user) = home();
    let user = user.with_sources(Sources { agent_socket: Some(agent.socket()), ..Sources::default() });
    for (role, name) in [(Role::Runner, "r"), (Role::Git, "g"), (Role::Log, "l")] {
        let reference: KeyRef = format!("agent:{}", agent.add(name, "ed25519")).parse().expect("a reference");
        user.use_key(role, &reference).expect("usable");
    }
    let [runner, git, log] = [Role::Runner, Role::Git, Role::Log].map(|r| user.key(r).expect("usable"));
    let (public, signature) = runner.sign_payload(b"{}").expect("its duty");
    assert!(public.verifies(&pae(PAYLOAD_TYPE, b"{}"), &signature));
    let commit = git.sign_commit(b"tree 1\n").expect("its duty");
    assert!(commit.verifies(b"tree 1\n"));
    let (public, signature) = log.sign_note(b"orgo/test\n1\nAAAA\n").expect("its duty");
    assert!(public.verifies(b"orgo/test\n1\nAAAA\n", &signature));
    for refused in [code(runner.sign_commit(b"x")), code(git.sign_payload(b"x")), code(log.sign_payload(b"x"))] {
        assert_eq!(refused, Some(ReasonCode::KeyScopeMismatch));
    }
    assert_eq!(code(git.sign_note(b"x\n")), Some(ReasonCode::KeyScopeMismatch));
    for text in [b"x".as_slice(), b"", b"DSSEv1\0\n", b"\xff\n"] {
        assert!(matches!(log.sign_note(text), Err(KeyError::Note)));
    }
    drop(agent);
    assert_eq!(code(runner.sign_payload(b"{}")), Some(ReasonCode::KeyUnusable));
    assert_eq!(code(user.key(Role::Git)), Some(ReasonCode::KeyUnusable));
}

#[test]
fn ssh_keygen_reads_what_we_lock_and_may_change_its_passphrase() {
    let (folder, user) = home();
    let path = user.keys_folder().join("runner.key");
    let made = PrivateKey::create_locked(&path, Role::Runner, &Zeroizing::new(b"pw".to_vec())).expect("made");
    let public = run(Command::new("ssh-keygen").args(["-y", "-P", "pw", "-f"]).arg(&path));
    assert!(public.starts_with(&made.public().to_string()), "{public}");

    assert!(matches!(user.key(Role::Runner), Err(KeyError::Locked { .. })), "nobody was asked");
    assert!(matches!(user.key_or_development(Role::Runner), Err(KeyError::Locked { .. })), "and nothing is made");
    assert!(matches!(knowing(&user, folder.path(), "wrong").key(Role::Runner), Err(KeyError::Locked { .. })));
    let opened = knowing(&user, folder.path(), "pw").key(Role::Runner).expect("the right passphrase");
    assert_eq!(opened.public(), made.public());
    assert!(opened.sign_payload(b"{}").is_ok());
    let entry = user.entry("runner").expect("known without passphrase");
    assert!(entry.locked && entry.public == *made.public() && entry.role == Some(Role::Runner));

    run(Command::new("ssh-keygen").args(["-q", "-p", "-P", "pw", "-N", "other", "-f"]).arg(&path));
    assert!(knowing(&user, folder.path(), "other").key(Role::Runner).is_ok());
}

#[test]
fn we_read_what_ssh_keygen_writes() {
    let (folder, user) = home();
    for (name, passphrase, cipher) in
        [("a", "", "aes256-ctr"), ("b", "pw", "aes256-ctr"), ("c", "pw", "chacha20-poly1305@openssh.com")]
    {
        let file = folder.path().join(name);
        let args = ["-q", "-t", "ed25519", "-Z", cipher, "-N", passphrase, "-C", "a comment", "-f"];
        run(Command::new("ssh-keygen").args(args).arg(&file));
        let user = knowing(&user, folder.path(), "pw");
        let key = PrivateKey::open(&KeyRef::File(file), Role::Git, user.sources()).expect(name);
        let public = std::fs::read_to_string(folder.path().join(format!("{name}.pub"))).expect("public");
        assert!(public.starts_with(&key.public().to_string()));
        assert_eq!((key.role(), key.class()), (Role::Git, KeyClass::Standard));
    }
    let file = folder.path().join("e");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ecdsa", "-N", "", "-f"]).arg(&file));
    let refused = PrivateKey::open(&KeyRef::File(file), Role::Git, &Sources::default()).expect_err("ecdsa");
    assert!(refused.to_string().contains("no ed25519 key"), "{refused}");
}

#[test]
fn a_passphrase_file_that_others_may_read_is_refused() {
    let (folder, user) = home();
    let path = user.keys_folder().join("git.key");
    PrivateKey::create_locked(&path, Role::Git, &Zeroizing::new(b"pw".to_vec())).expect("made");
    let user = knowing(&user, folder.path(), "pw");
    std::fs::set_permissions(folder.path().join("passphrase"), std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let refused = user.key(Role::Git).expect_err("others may read it");
    assert!(refused.to_string().contains("others may read it"), "{refused}");
    assert!(PrivateKey::create_locked(&path.with_extension("2"), Role::Git, &Zeroizing::default()).is_err(), "empty");
}

#[test]
fn two_sources_for_one_duty_are_refused() {
    let (_folder, user) = home();
    let key = user.key_or_development(Role::Runner).expect("made");
    let reference = KeyRef::File(key.path().expect("a file").to_owned());
    assert!(matches!(user.use_key(Role::Runner, &reference), Err(KeyError::Ambiguous { .. })));
    private(&user.reference_path(Role::Runner), "env:X\n");
    assert!(matches!(user.key(Role::Runner), Err(KeyError::Ambiguous { .. })));
    assert!(matches!(user.key_or_development(Role::Runner), Err(KeyError::Ambiguous { .. })));
    let mut sources = Sources::default();
    sources.references.insert(Role::Runner, reference);
    assert!(user.with_sources(sources).key(Role::Runner).is_ok(), "the command line decides");
}

#[test]
fn a_reference_is_kept_and_replaced_whole() {
    let (folder, user) = home();
    let other = PrivateKey::create(&folder.path().join("k/one"), Role::Git, KeyClass::Standard).expect("made");
    let next = PrivateKey::create(&folder.path().join("k/two"), Role::Git, KeyClass::Standard).expect("made");
    for key in [&other, &next] {
        user.use_key(Role::Git, key.source()).expect("usable");
        assert_eq!(user.key(Role::Git).expect("usable").public(), key.public());
        assert_eq!(user.key_or_development(Role::Git).expect("usable").public(), key.public());
    }
    assert!(matches!(user.use_key(Role::Runner, next.source()), Err(KeyError::Role { .. })), "a key of another duty");
    let openssh = folder.path().join("k/three");
    let locked = PrivateKey::create_locked(&openssh, Role::Git, &Zeroizing::new(b"pw".to_vec())).expect("made");
    let knowing = knowing(&user, folder.path(), "pw");
    knowing.use_key(Role::Log, locked.source()).expect("a file that says no duty");
    assert!(matches!(knowing.use_key(Role::Runner, locked.source()), Err(KeyError::Role { .. })), "it has one now");
    std::fs::remove_file(user.reference_path(Role::Log)).expect("removed");
    let listed = user.keys().expect("a list");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].1.as_ref().expect("usable").source, *next.source());
    std::fs::remove_file(folder.path().join("k/two")).expect("removed");
    assert_eq!(code(user.key_or_development(Role::Git)), Some(ReasonCode::KeyUnusable), "nothing takes its place");
}

#[test]
fn a_reference_file_that_is_unclear_or_open_to_others_is_refused() {
    let (_folder, user) = home();
    let path = user.reference_path(Role::Git);
    for text in ["", "env:A\nenv:B\n", "file:relative\n", " env:A\n", "env:ORGO_TEST_VARIABLE_THAT_IS_NOT_SET\n"] {
        private(&path, text);
        assert_eq!(code(user.key(Role::Git)), Some(ReasonCode::KeyUnusable), "{text}");
    }
    private(&path, &format!("agent:{WEAK}\n"));
    assert_eq!(code(user.key(Role::Git)), Some(ReasonCode::KeyWeak));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    assert_eq!(code(user.key(Role::Git)), Some(ReasonCode::KeyUnusable));
}

#[test]
fn a_weak_key_in_a_file_is_refused() {
    let (_folder, user) = home();
    let key = user.key_or_development(Role::Git).expect("made");
    let path = key.path().expect("a file");
    let text = std::fs::read_to_string(path).expect("text").replace(&key.public().to_string(), WEAK);
    private(path, &text);
    assert_eq!(code(user.key(Role::Git)), Some(ReasonCode::KeyWeak));
}
