//! A real repository in a temporary folder, and the real binary run in it with an empty environment.

mod ledger;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test.
pub const ORGO: &str = env!("CARGO_BIN_EXE_orgo");

/// Two stages, the second of which sleeps while the file `wait` is not empty.
pub const SLEEPS: &str = r#"pipeline "p" {
    stage "a" { run "sh" "-c" "echo a > o"; out "o" }
    stage "b" { from "a"; files "wait"; run "sh" "-c" "if test -s wait; then exec sleep 90; fi; echo b > o"; tool "sleep"; out "o" }
}"#;

/// Waits until something happened, for a minute at most.
#[track_caller]
pub fn wait_for(condition: impl Fn() -> bool) {
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !condition() {
        assert!(std::time::Instant::now() < limit, "it did not happen within a minute");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A git repository that is removed with the value.
pub struct Repo {
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// Asserts the exit code and hands the value on.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts a success.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.stdout, self.stderr))
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("orgo prints UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("orgo prints UTF-8"),
        }
    }
}

impl Repo {
    /// An empty repository on branch `main`.
    pub fn empty() -> Self {
        let repo = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        std::fs::create_dir(repo.root()).expect("a new folder");
        repo.git(&["init", "-q", "-b", "main"]);
        repo
    }

    /// A folder without git, in memory where the system has a place for that: for tests that make many.
    pub fn in_memory() -> Self {
        let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let repo = Self { folder: memory.expect("a temporary folder") };
        std::fs::create_dir(repo.root()).expect("a new folder");
        repo
    }

    /// A repository with `orgo.kdl` and the given pipeline document, committed.
    pub fn with_pipeline(pipeline: &str) -> Self {
        let repo = Self::empty();
        repo.write("orgo.kdl", "project \"test\"\n");
        repo.write("pipelines/p.kdl", pipeline);
        repo.commit("first");
        repo
    }

    /// A copy of one of the examples, committed.
    pub fn example(name: &str) -> Self {
        let repo = Self::empty();
        copy(&examples().join(name), &repo.root());
        repo.commit("first");
        repo
    }

    /// The repository's folder.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    /// The folder of keys and pins; outside the repository.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A path beside the repository.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a parent")).expect("a folder");
        std::fs::write(path, text).expect("writable");
    }

    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// The journal of the newest run of the pipeline `p`, as far as it is written.
    pub fn journal(&self) -> String {
        let runs = self.root().join(".orgo/runs");
        let latest = std::fs::read_to_string(runs.join("latest.p")).unwrap_or_default();
        std::fs::read_to_string(runs.join(latest).join("journal.jsonl")).unwrap_or_default()
    }

    pub fn exists(&self, path: &str) -> bool {
        self.root().join(path).exists()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    #[track_caller]
    pub fn git(&self, args: &[&str]) -> String {
        let output = git(&self.root(), args);
        assert_eq!(output.code, Some(0), "git {args:?}: {}", output.stderr);
        output.stdout
    }

    /// Runs `orgo` here.
    pub fn orgo(&self, args: &[&str]) -> Done {
        self.command(args).output().expect("the binary starts").into()
    }

    /// Runs `orgo` here with variables in its environment.
    pub fn orgo_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Done {
        self.command(args).envs(variables.iter().copied()).output().expect("the binary starts").into()
    }

    /// Starts `orgo` here and does not wait.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }

    /// `orgo` here, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(ORGO);
        command.args(args).current_dir(self.root()).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.arg("--home").arg(self.home());
        command
    }
}

/// Runs git in a folder, with nothing of the user's configuration.
pub fn git(folder: &Path, args: &[&str]) -> Done {
    let output = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false"])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
        .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
        .output()
        .expect("git is installed");
    output.into()
}

/// The folder of the examples.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("listable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// The state of each stage in the JSON of a run, as `name:state`.
pub fn states(run: &Value) -> Vec<String> {
    let text = |v: &Value| v.as_str().expect("text").to_owned();
    run["stages"]
        .as_array()
        .expect("stages")
        .iter()
        .map(|s| format!("{}:{}", text(&s["stage"]), text(&s["state"])))
        .collect()
}
