use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

use super::*;

/// A real `ssh-agent`, ended with the value.
pub(in crate::key) struct RealAgent {
    child: Child,
    pub(in crate::key) folder: tempfile::TempDir,
}

impl RealAgent {
    pub(in crate::key) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("socket");
        let mut command = Command::new("ssh-agent");
        command.args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).stderr(Stdio::null());
        let agent = Self { child: command.spawn().expect("openssh-client is installed"), folder };
        let begun = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "ssh-agent does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        agent
    }

    pub(in crate::key) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Makes a key with `ssh-keygen`, adds it, and says its public half.
    pub(in crate::key) fn add(&self, name: &str, kind: &str) -> String {
        let file = self.folder.path().join(name);
        run(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "a comment", "-f"]).arg(&file));
        run(Command::new("ssh-add").arg("-q").arg(&file).env("SSH_AUTH_SOCK", self.socket()));
        std::fs::remove_file(&file).expect("the agent alone holds the key");
        let public = std::fs::read_to_string(file.with_extension("pub")).expect("a public key");
        public.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// Ends the agent.
    pub(in crate::key) fn stop(&mut self) {
        let _ = self.child.kill(); // ended already
        let _ = self.child.wait();
    }

    fn signal(&self, name: &str) {
        run(Command::new("kill").args([name, &self.child.id().to_string()]));
    }
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(in crate::key) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the program is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn short(socket: &Path) -> Agent {
    Agent { socket: socket.to_owned(), timeout: Duration::from_millis(300) }
}

fn public(text: &str) -> AgentKey {
    text.parse().expect("a public key")
}

/// An agent that says one thing to every request.
fn liar(answer: Vec<u8>) -> (tempfile::TempDir, Agent) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0u8; 4096]);
            let _ = stream.write_all(&answer);
        }
    });
    (folder, short(&socket))
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    put(&mut framed, body).expect("short");
    framed
}

fn listing(blobs: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![IDENTITIES_ANSWER];
    body.extend_from_slice(&u32::try_from(blobs.len()).expect("few").to_be_bytes());
    for blob in blobs {
        put(&mut body, blob).expect("short");
        put(&mut body, b"comment").expect("short");
    }
    frame(&body)
}

#[test]
fn a_key_of_a_real_agent_is_found_in_either_spelling_and_signs() {
    let agent = RealAgent::start();
    let (first, text) = (agent.add("a", "ed25519"), agent.add("b", "ed25519"));
    let client = Agent::at(&agent.socket());
    let key = client.find(&public(&text)).expect("found");
    assert_eq!(key.to_string(), text);
    assert_ne!(first, text);
    let by_fingerprint = client.find(&AgentKey::Fingerprint(key.ssh_fingerprint())).expect("found");
    assert_eq!(by_fingerprint, key);
    let signature = client.sign(&key, b"what is signed").expect("signed");
    assert!(key.verifies(b"what is signed", &signature));
    let longest = vec![b'x'; MAX_FRAME - 1 - 4 - 51 - 4 - 4];
    assert!(client.sign(&key, &longest).is_ok());
    let refused = client.sign(&key, &vec![b'x'; MAX_FRAME]).expect_err("too long");
    assert!(refused.to_string().contains("at most 262144 bytes"), "{refused}");
}

#[test]
fn keys_of_other_kinds_are_refused_by_name() {
    let agent = RealAgent::start();
    agent.add("e", "ecdsa");
    let line = run(Command::new("ssh-keygen").args(["-l", "-f"]).arg(agent.folder.path().join("e.pub")));
    let fingerprint = line.split(' ').nth(1).expect("a fingerprint").to_owned();
    let refused = Agent::at(&agent.socket()).find(&AgentKey::Fingerprint(fingerprint)).expect_err("ecdsa");
    assert!(refused.to_string().contains("ecdsa-sha2-nistp256"), "{refused}");

    let mut security = Vec::new();
    put(&mut security, b"sk-ssh-ed25519@openssh.com").expect("short");
    put(&mut security, &[9; 32]).expect("short");
    put(&mut security, b"ssh:").expect("short");
    let (_folder, agent) = liar(listing(&[&security]));
    let refused = agent.find(&AgentKey::Fingerprint(fingerprint_of(&security))).expect_err("a security key");
    assert!(refused.to_string().contains("counter"), "{refused}");
}

fn fingerprint_of(blob: &[u8]) -> String {
    super::fingerprint(blob)
}

#[test]
fn a_weak_key_of_an_agent_is_refused() {
    let mut weak = Vec::new();
    put(&mut weak, ED25519).expect("short");
    put(&mut weak, &[0; 32]).expect("short");
    let (_folder, agent) = liar(listing(&[&weak]));
    assert_eq!(agent.find(&AgentKey::Fingerprint(fingerprint_of(&weak))), Err(AgentError::Weak));
}

#[test]
fn an_agent_that_is_locked_stopped_or_gone_is_told_and_nothing_hangs() {
    let mut agent = RealAgent::start();
    let text = agent.add("a", "ed25519");
    let key: PublicKey = text.parse().expect("a key");
    let client = short(&agent.socket());
    let told = |e: AgentError| e.to_string();

    let askpass = agent.folder.path().join("askpass");
    std::fs::write(&askpass, "#!/bin/sh\necho secret\n").expect("written");
    run(Command::new("chmod").arg("755").arg(&askpass));
    let lock = |flag: &str| {
        let mut command = Command::new("ssh-add");
        command.arg(flag).env("SSH_AUTH_SOCK", agent.socket()).env("SSH_ASKPASS", &askpass);
        run(command.env("SSH_ASKPASS_REQUIRE", "force"));
    };
    lock("-x");
    assert!(client.find(&public(&text)).map_err(told).is_err_and(|e| e.contains("locked")));
    assert!(client.sign(&key, b"x").map_err(told).is_err_and(|e| e.contains("locked")));
    lock("-X");
    assert!(client.sign(&key, b"x").is_ok());

    agent.signal("-STOP");
    let begun = Instant::now();
    assert!(client.sign(&key, b"x").map_err(told).is_err_and(|e| e.contains("did not answer within")));
    assert!(begun.elapsed() < Duration::from_secs(5));
    agent.signal("-CONT");

    agent.stop();
    assert!(client.find(&public(&text)).map_err(told).is_err_and(|e| e.contains("no agent at")));
}

#[test]
fn an_agent_that_accepts_nobody_does_not_hold_us() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("socket");
    let full = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
    let address = SocketAddrUnix::new(socket.as_path()).expect("an address");
    rustix::net::bind(&full, &address).expect("bound");
    rustix::net::listen(&full, 0).expect("listening");
    let _waiting = UnixStream::connect(&socket).expect("the only place");
    let refused = short(&socket).find(&AgentKey::Fingerprint(String::new())).expect_err("no place");
    assert!(refused.to_string().contains("did not answer"), "{refused}");
}

#[test]
fn answers_that_are_not_well_formed_are_refused() {
    let key: PublicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
        .parse()
        .expect("the key of RFC 8032");
    let mut longer = listing(&[&key.ssh_blob()]);
    longer.push(0);
    longer[3] += 1;
    let few: Vec<Vec<u8>> = vec![
        vec![],
        vec![0, 0, 0, 0],
        vec![0xff, 0xff, 0xff, 0xff, IDENTITIES_ANSWER],
        frame(&[FAILURE]),
        frame(&[IDENTITIES_ANSWER, 0xff, 0xff, 0xff, 0xff]),
        frame(&[IDENTITIES_ANSWER, 0, 0, 0, 1, 0, 0, 0, 9, 1]),
        longer,
    ];
    for answer in few {
        let (_folder, agent) = liar(answer.clone());
        assert!(matches!(agent.find(&AgentKey::Public(Box::new(key))), Err(AgentError::Why(_))), "{answer:?}");
        assert!(agent.sign(&key, b"x").is_err(), "{answer:?}");
    }
}

#[test]
fn a_signature_that_does_not_verify_is_never_handed_on() {
    let key: PublicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
        .parse()
        .expect("the key of RFC 8032");
    for name in [ED25519, b"sk-ssh-ed25519@openssh.com"] {
        let mut inner = Vec::new();
        put(&mut inner, name).expect("short");
        put(&mut inner, &[1; 64]).expect("short");
        let mut body = vec![SIGN_RESPONSE];
        put(&mut body, &inner).expect("short");
        let (_folder, agent) = liar(frame(&body));
        assert!(agent.sign(&key, b"x").is_err());
    }
}
