//! Where keys come from: files, agents and variables, and that stages see none of it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Repo;

/// A real `ssh-agent`, ended with the value.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(repo: &Repo) -> Self {
        let socket = repo.beside("agent");
        let mut command = Command::new("ssh-agent");
        command.args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).stderr(Stdio::null());
        let agent = Self { child: command.spawn().unwrap(), socket };
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(&agent.socket).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "ssh-agent does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        agent
    }

    fn socket(&self) -> &str {
        self.socket.to_str().unwrap()
    }

    /// Makes a key that the agent alone holds, and says its fingerprint.
    fn add(&self, folder: &Path, name: &str) -> String {
        let file = folder.join(name);
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&file));
        run(Command::new("ssh-add").arg("-q").arg(&file).env("SSH_AUTH_SOCK", &self.socket));
        std::fs::remove_file(&file).unwrap();
        let line = run(Command::new("ssh-keygen").args(["-l", "-f"]).arg(file.with_extension("pub")));
        line.split(' ').nth(1).unwrap().to_owned()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_run_is_signed_by_an_agent_and_a_variable_and_stages_see_neither() {
    let repo =
        Repo::with_pipeline(r#"pipeline "p" { stage "look" { run "sh" "-c" "env > seen; cat seen"; out "seen" } }"#);
    let agent = Agent::start(&repo);
    let fingerprint = agent.add(repo.root().parent().unwrap(), "g");
    repo.orgo(&["key", "use", "git", &format!("agent:{fingerprint}"), "--agent-socket", agent.socket()]).ok();
    repo.orgo(&["key", "new", "runner", "--name", "ci"]).ok();
    let secret = std::fs::read_to_string(repo.home().join("keys/ci.key")).unwrap();
    std::fs::remove_file(repo.home().join("keys/ci.key")).unwrap();

    let socket = agent.socket().to_owned();
    let variables = [("SSH_AUTH_SOCK", socket.as_str()), ("RUNNER_KEY", secret.trim_end())];
    let args = ["run", "--json", "--lane", "local", "--key", "runner=env:RUNNER_KEY"];
    let ran = repo.orgo_with(&args, &variables).ok();
    assert!(ran.json()["record"].is_object(), "{}", ran.stdout);
    assert!(!repo.home().join("keys/runner.key").exists(), "no development key took its place");
    let log = repo.orgo(&["log", "look"]).ok().stdout;
    assert!(log.contains("PATH="), "{log}");
    for hidden in ["SSH_AUTH_SOCK", "RUNNER_KEY", &socket, secret.lines().last().unwrap()] {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
    let signed = repo.git(&["cat-file", "commit", "orgo/local"]);
    assert!(signed.contains("-----BEGIN SSH SIGNATURE-----"));
    repo.orgo(&["verify", "--branch", "orgo/local"]).ok();

    let shown = repo.orgo_with(&["key", "list"], &variables).ok().stdout;
    assert!(shown.contains(&fingerprint) && shown.contains(&format!("agent:{fingerprint}")), "{shown}");
    drop(agent);
    let refused = repo.orgo_with(&args, &variables).exits(3);
    let problem = &refused.json()["problems"][0];
    assert_eq!(problem["code"], "KEY_UNUSABLE");
    assert!(problem["help"].as_str().unwrap().contains("ssh-add -l"), "{problem}");
}

#[test]
fn a_key_with_a_passphrase_is_made_and_used_and_never_made_up() {
    let repo = Repo::with_pipeline(r#"pipeline "p" { stage "a" { run "true" } }"#);
    let file = repo.beside("passphrase");
    std::fs::write(&file, "pw\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(
        repo.orgo(&["key", "new", "runner", "--passphrase", "--json"]).exits(3).json()["problems"][0]["code"],
        "KEY_UNUSABLE"
    );
    let made = repo.orgo(&["key", "new", "runner", "--passphrase-file", file, "--json"]).ok().json();
    assert_eq!((&made["locked"], &made["role"]), (&true.into(), &"runner".into()));
    let key = repo.home().join("keys/runner.key");
    let public = run(Command::new("ssh-keygen").args(["-y", "-P", "pw", "-f"]).arg(&key));
    assert!(public.starts_with(made["public"].as_str().unwrap()));

    let locked = repo.orgo(&["run", "--json"]).exits(3).json();
    assert!(locked["problems"][0]["help"].as_str().unwrap().contains("--passphrase-file"), "{locked}");
    repo.orgo(&["run", "--passphrase-file", file]).ok();
    std::fs::write(file, "wrong\n").unwrap();
    repo.orgo(&["run", "--passphrase-file", file]).exits(3);
    assert!(repo.orgo(&["key", "list"]).ok().stdout.contains("(passphrase)"), "listing asks for nothing");
}

#[test]
fn references_on_the_command_line_are_checked() {
    let repo = Repo::empty();
    for wrong in ["runner", "owner=env:A", "runner=env:1", "runner=agent:MD5:0", "runner=file:"] {
        repo.orgo(&["key", "list", "--key", wrong]).exits(2);
    }
    repo.orgo(&["key", "list", "--key", "git=env:A", "--key", "git=env:B"]).exits(2);
    repo.orgo(&["key", "new", "log"]).ok();
    let two = repo.orgo(&["key", "use", "log", "env:A"]).exits(3).stderr;
    assert!(two.contains("two sources"), "{two}");
    let file = repo.beside("one");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&file));
    let [runner, git] = ["runner", "git"].map(|role| format!("{role}=file:{}", file.display()));
    let one = repo.orgo(&["init", "--key", &runner, "--key", &git, "--json"]).exits(3).json();
    assert_eq!(one["problems"][0]["code"], "KEY_SCOPE_MISMATCH", "one key, one duty: {one}");
}
